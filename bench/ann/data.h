// bench/ann/data.h: the vectors that indexes are compared on, and their exact nearest rows.
//
// clustered  seeded: unit vectors in about a thousand clusters of Zipf's sizes. A cluster has a centre and a few tens
// of
//            random directions of its own in which its rows lie scattered, the first widely, the later ones less; all
//            components get a little noise on top. Made of integers, additions, products, quotients and square roots
//            in a fixed order, so that every machine makes the same bytes.
// mnist      handwritten digits of 784 pixels: the last 1,000 rows are queries, the 62,000 before them the base.
// sentences  the built-in model's vectors of real sentences.
// Everything is made once and kept in a folder, under names that tell what it was made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sextant/metric.h"

namespace sextant::bench {

struct ClusteredOptions {
  size_t rows = 200000;
  size_t dim = 384;
  size_t clusters = 1000;
  size_t directions = 30;      // of a cluster: its intrinsic dimension
  double spread = 1.5;         // the rows' root mean square distance from their centre, whose length is 1
  double spread_decay = 0.5;   // the last direction's scale beside the first's
  double noise = 0.3;          // root mean square length of what is added in all dimensions
  uint64_t clusters_seed = 1;  // centres and directions
  uint64_t rows_seed = 2;      // which rows are drawn from them
};

// [rows, dim]
std::vector<float> clustered_vectors(const ClusteredOptions& options);

// One set as files that every contestant can read.
struct DataSet {
  std::string name;
  std::filesystem::path base, queries;  // .fbin
  Metric metric = Metric::dot;          // cosine of unit vectors is their dot
  size_t rows = 0, dim = 0, query_count = 0;
};

struct DataOptions {
  std::string kind = "clustered";  // or "mnist", "sentences"
  size_t rows = 200000;            // mnist has 62,000 and no more
  size_t query_count = 1000;
  std::filesystem::path work_folder;
  std::filesystem::path shared_folder;  // where mnist and the sentences are
};

// Throws not_found where a set needs files that are not there.
DataSet prepare_data(const DataOptions& options);

// The same rows in another order, so that the rows whose number is divisible by N are those near one place, for every N
// that divides 10,000 evenly: what a filter allows then has to do with where the vectors lie. As a set of its own.
DataSet correlated_order(const DataSet& data);

// The k nearest rows of each query, by exact search over the rows whose number STEP divides; a truth file.
std::filesystem::path prepare_truth(const DataSet& data, size_t k, size_t step = 1);

}  // namespace sextant::bench
