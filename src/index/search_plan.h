// index/search_plan.h: which way to answer a search costs least.
//
// Costs are estimated from how many rows are allowed and how much of each must be read; the constants were measured
// with bench_ann and matter only against each other.
#pragma once

#include <cstddef>

#include "sextant/index.h"

namespace sextant::index {

struct PlanQuestion {
  size_t rows;     // that can be found at all
  size_t allowed;  // of them, at most
  size_t k;
  size_t breadth;       // that the wanted recall needs where all rows are allowed
  size_t wide_breadth;  // that it needs for as many rows as hold k that are allowed
  size_t degree;
  size_t row_bytes;
  size_t code_bytes;  // 0: there are no codes
};

struct PlanAnswer {
  SearchPlan plan;
  size_t breadth;  // of a walk among all rows
  double cost;     // in nanoseconds, about
  double expected_recall = 1;
  // Of a walk past rows that are not allowed, which starts at so many of the nearest that a walk among all found.
  size_t allowed_breadth = 0, starts = 0;
  // Of graph_then_filter: where the k-th allowed one is not among so many that were found first, what is allowed lies
  // elsewhere, and a walk past the rest has to find it.
  size_t rank_max = 0;
  double part = 1;  // of the rows, allowed
};

// Rows, nearest first, among which k are allowed, where chance allows PART of them; DEVIATIONS more than on average.
double rank_of(size_t k, double part, double deviations);

PlanAnswer choose_plan(const PlanQuestion& question);

double walk_cost(const PlanQuestion& question, size_t breadth);
// Of a query among many that are multiplied with the rows together.
double product_cost(size_t rows, size_t dim);

}  // namespace sextant::index
