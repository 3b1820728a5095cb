#include "data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "base/files.h"
#include "base/random.h"
#include "index/flat.h"
#include "io/jsonl.h"
#include "io/truth_file.h"
#include "io/vector_file.h"
#include "sextant/embed.h"
#include "sextant/error.h"

namespace sextant::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::array<size_t, 5> kSteps = {10000, 1000, 100, 10, 2};

// Nearly normal, mean 0 and deviation 1: four 16-bit numbers added up. Unlike the logarithm and cosine of an exact
// normal it is the same on every machine, and it takes one step of the generator.
float bell(base::Random& random) {
  const uint64_t bits = random.next();
  const auto sum = static_cast<int64_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48));
  return static_cast<float>(sum - 2 * 0xFFFF) * (1.0f / 37837.2f);
}

void scale_to(std::span<float> vector, double length) {
  double square = 0;
  for (float value : vector) square += static_cast<double>(value) * value;
  const auto factor = static_cast<float>(length / std::sqrt(square));
  for (float& value : vector) value *= factor;
}

// Where cluster C begins among 2^64 equal tickets; weights are 1 / (C + 1).
std::vector<double> zipf_bounds(size_t clusters) {
  std::vector<double> bounds(clusters);
  double sum = 0;
  for (size_t c = 0; c < clusters; ++c) bounds[c] = sum += 1.0 / static_cast<double>(c + 1);
  for (double& bound : bounds) bound /= sum;
  return bounds;
}

void write_rows(const fs::path& path, std::span<const float> rows, size_t dim) {
  io::VectorFileWriter writer(path.string(), dim);
  writer.append(rows);
  writer.finish();
}

std::vector<float> read_rows(const fs::path& path) {
  io::VectorFile file = io::VectorFile::open(path);
  std::vector<float> rows(file.rows() * file.dim());
  file.read(0, file.rows(), rows);
  return rows;
}

DataSet opened(std::string name, fs::path base, fs::path queries, Metric metric) {
  const io::VectorFile rows = io::VectorFile::open(base);
  const io::VectorFile asked = io::VectorFile::open(queries);
  return {std::move(name), std::move(base), std::move(queries), metric, rows.rows(), rows.dim(), asked.rows()};
}

DataSet prepare_clustered(const DataOptions& options) {
  ClusteredOptions clustered;
  clustered.rows = options.rows;
  const std::string name = fmt::format("clustered-{}x{}-seed{}", options.rows, clustered.dim, clustered.clusters_seed);
  const fs::path base = options.work_folder / (name + ".fbin");
  const fs::path queries = options.work_folder / fmt::format("{}-queries{}.fbin", name, options.query_count);
  if (!fs::exists(base)) write_rows(base, clustered_vectors(clustered), clustered.dim);
  if (!fs::exists(queries)) {
    clustered.rows = options.query_count;
    clustered.rows_seed += 1;
    write_rows(queries, clustered_vectors(clustered), clustered.dim);
  }
  return opened(name, base, queries, Metric::dot);
}

DataSet prepare_mnist(const DataOptions& options) {
  const fs::path base = options.work_folder / "mnist-62000x784.fbin";
  const fs::path queries = options.work_folder / "mnist-62000x784-queries1000.fbin";
  if (!fs::exists(base) || !fs::exists(queries)) {
    constexpr size_t kQueries = 1000;
    io::VectorFile file = io::VectorFile::open(options.shared_folder / "data/ann/mnist_vectors.u8bin.zst");
    const size_t base_rows = file.rows() - kQueries;
    std::vector<float> rows(base_rows * file.dim());
    file.read(0, base_rows, rows);
    write_rows(base, rows, file.dim());
    rows.resize(kQueries * file.dim());
    file.read(base_rows, kQueries, rows);
    write_rows(queries, rows, file.dim());
  }
  return opened("mnist-62000x784", base, queries, Metric::l2);
}

// The corpus' files in the order of their names, whatever the file system says.
std::vector<fs::path> corpus_files(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) throw Error(ErrorCode::not_found, folder.string() + ": no such folder of sentences");
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path& path = entry.path();
    const std::string kind = path.parent_path().filename().string();
    // English pairs; the running text and other languages would be another matter.
    if (path.string().ends_with(".jsonl.zst") && kind != "text" && !kind.starts_with("zh") && kind != "translations") {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// COUNT sentences, an equal share of each file as far as it has them, shuffled.
std::vector<std::string> sentences(const fs::path& folder, size_t count) {
  constexpr size_t kBytesMin = 20, kBytesMax = 400;
  const std::vector<fs::path> files = corpus_files(folder);
  std::vector<std::string> all;
  for (size_t f = 0; f < files.size(); ++f) {
    // What small files lack, the following ones make up for.
    const size_t share = (count - all.size()) / (files.size() - f) * 3 + 1;
    const size_t before = all.size();
    io::JsonLineReader lines(files[f].string());
    while (all.size() < count && all.size() - before < share && lines.next()) {
      const std::string_view text = lines.text("a");
      if (text.size() >= kBytesMin && text.size() <= kBytesMax) all.emplace_back(text);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  base::Random random(1);
  random.shuffle(all);
  return all;
}

DataSet prepare_sentences(const DataOptions& options) {
  const std::string name = fmt::format("sentences-{}", options.rows);
  const fs::path base = options.work_folder / (name + ".fbin");
  const fs::path queries = options.work_folder / fmt::format("{}-queries{}.fbin", name, options.query_count);
  if (!fs::exists(base) || !fs::exists(queries)) {
    // Sentences that stand twice are dropped, so some more are read.
    const size_t wanted = options.rows + options.query_count;
    std::vector<std::string> texts = sentences(options.shared_folder / "data/corpus", wanted + wanted / 4);
    if (texts.size() < wanted) {
      throw Error(ErrorCode::not_found, fmt::format("the corpus has {} sentences, expected {}", texts.size(), wanted));
    }
    texts.resize(wanted);
    const auto model = Embedder::load("builtin");
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> vectors(wanted * model->dim());
    EmbedOptions embed;
    embed.normalize = true;
    model->embed(views, embed, vectors, nullptr);
    const std::span<const float> all = vectors;
    write_rows(queries, all.first(options.query_count * model->dim()), model->dim());
    write_rows(base, all.subspan(options.query_count * model->dim()), model->dim());
  }
  return opened(name, base, queries, Metric::dot);
}

}  // namespace

std::vector<float> clustered_vectors(const ClusteredOptions& options) {
  const size_t dim = options.dim;
  base::Random shape(options.clusters_seed);
  std::vector<float> centres(options.clusters * dim);
  std::vector<float> directions(options.clusters * options.directions * dim);
  for (float& value : centres) value = bell(shape);
  for (float& value : directions) value = bell(shape);
  for (size_t c = 0; c < options.clusters; ++c) scale_to(std::span(centres).subspan(c * dim, dim), 1);
  // Scales fall in equal steps from the first to the last direction; their squares sum up to the spread's.
  std::vector<double> scales(options.directions);
  double square = 0;
  for (size_t j = 0; j < scales.size(); ++j) {
    const double part = scales.size() > 1 ? static_cast<double>(j) / static_cast<double>(scales.size() - 1) : 0;
    scales[j] = 1 - part * (1 - options.spread_decay);
    square += scales[j] * scales[j];
  }
  for (size_t d = 0; d < options.clusters * options.directions; ++d) {
    scale_to(std::span(directions).subspan(d * dim, dim),
             options.spread * scales[d % options.directions] / std::sqrt(square));
  }
  const std::vector<double> bounds = zipf_bounds(options.clusters);
  const auto noise = static_cast<float>(options.noise / std::sqrt(static_cast<double>(dim)));
  base::Random random(options.rows_seed);
  std::vector<float> rows(options.rows * dim);
  for (size_t i = 0; i < options.rows; ++i) {
    const std::span<float> row = std::span(rows).subspan(i * dim, dim);
    const auto found = std::upper_bound(bounds.begin(), bounds.end() - 1, random.uniform());
    const auto cluster = static_cast<size_t>(found - bounds.begin());
    std::copy_n(centres.begin() + static_cast<ptrdiff_t>(cluster * dim), dim, row.begin());
    for (size_t j = 0; j < options.directions; ++j) {
      const float* direction = directions.data() + (cluster * options.directions + j) * dim;
      const float weight = bell(random);
      for (size_t d = 0; d < dim; ++d) row[d] += weight * direction[d];
    }
    for (float& value : row) value += noise * bell(random);
    scale_to(row, 1);
  }
  return rows;
}

DataSet prepare_data(const DataOptions& options) {
  base::make_folders(options.work_folder);
  if (options.kind == "clustered") return prepare_clustered(options);
  if (options.kind == "mnist") return prepare_mnist(options);
  if (options.kind == "sentences") return prepare_sentences(options);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--data: '{}', expected clustered, mnist or sentences", options.kind));
}

DataSet correlated_order(const DataSet& data) {
  DataSet result = data;
  result.name += "-correlated";
  result.base = data.base.parent_path() / (result.name + ".fbin");
  if (fs::exists(result.base)) return result;
  const std::vector<float> rows = read_rows(data.base);
  const index::FlatIndex flat(rows, data.dim, data.metric);
  // The place is a row's; all rows, nearest first.
  const std::span<const float> place = std::span(rows).subspan(data.rows / 2 * data.dim, data.dim);
  const std::vector<index::Scored> nearest = flat.search(place, data.rows);
  // Numbers that 10,000 divides take the nearest rows, then those that 1,000 divides, and so on. The others take the
  // remaining rows in the order in which they stood.
  std::vector<size_t> order(data.rows, data.rows);
  std::vector<bool> taken(data.rows, false);
  size_t next = 0;
  for (size_t step : kSteps) {
    for (size_t number = 0; number < data.rows; number += step) {
      if (order[number] != data.rows) continue;
      order[number] = nearest[next++].id;
      taken[order[number]] = true;
    }
  }
  size_t rest = 0;
  for (size_t& row : order) {
    if (row != data.rows) continue;
    while (taken[rest]) ++rest;
    row = rest++;
  }
  io::VectorFileWriter writer(result.base.string(), data.dim);
  for (size_t row : order) writer.append(std::span(rows).subspan(row * data.dim, data.dim));
  writer.finish();
  return result;
}

fs::path prepare_truth(const DataSet& data, size_t k, size_t step) {
  fs::path path = data.base.parent_path() / fmt::format("{}-queries{}-truth{}{}.ids", data.name, data.query_count, k,
                                                        step == 1 ? "" : fmt::format("-step{}", step));
  if (fs::exists(path)) return path;
  std::vector<float> rows = read_rows(data.base);
  const size_t allowed = (data.rows + step - 1) / step;
  for (size_t i = 1; i < allowed && step > 1; ++i) {
    std::copy_n(rows.begin() + static_cast<ptrdiff_t>(i * step * data.dim), data.dim,
                rows.begin() + static_cast<ptrdiff_t>(i * data.dim));
  }
  rows.resize(allowed * data.dim);
  const std::vector<float> queries = read_rows(data.queries);
  const index::FlatIndex flat(rows, data.dim, data.metric);
  base::ThreadPool pool;
  const auto found = flat.search_batch(queries, k, &pool);
  std::vector<uint32_t> ids(data.query_count * k, io::TruthFile::kNoId);
  for (size_t q = 0; q < found.size(); ++q) {
    for (size_t i = 0; i < found[q].size(); ++i) ids[q * k + i] = static_cast<uint32_t>(found[q][i].id * step);
  }
  io::write_truth_file(path, k, ids);
  return path;
}

}  // namespace sextant::bench
