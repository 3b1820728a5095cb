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
  size_t breadth;  // that the wanted recall needs where all rows are allowed
  size_t degree;
  size_t row_bytes;
  size_t code_bytes;  // 0: there are no codes
};

struct PlanAnswer {
  SearchPlan plan;
  size_t breadth;  // of a walk
  double cost;     // in nanoseconds, about
  double expected_recall = 1;
};

PlanAnswer choose_plan(const PlanQuestion& question);

double walk_cost(const PlanQuestion& question);
// Of a query among many that are multiplied with the rows together.
double product_cost(size_t rows, size_t dim);

}  // namespace sextant::index
