#include "index/search_plan.h"

#include <algorithm>
#include <cmath>

#include "tensor/kernels.h"

namespace sextant::index {
namespace {

// Nanoseconds, about: fetching and comparing what lies in order, and a byte of it.
constexpr double kRow = 15;
constexpr double kCode = 5;
constexpr double kByte = 1.0 / 16;
// A link that is followed: fetching what lies anywhere.
constexpr double kStep = 70;
// A scan of codes compares this many rows afterwards.
constexpr double kRerankedRows = 24;
// A walk past rows that are not allowed begins like one among all, goes on through the neighbours of neighbours, and
// loses its way more easily: for the same recall it is broader.
constexpr double kDetour = 10;
constexpr size_t kAllowedWiden = 2;
// Deviations from the average rank of the k-th allowed row that a walk has room for, and that chance explains.
constexpr double kRankRoom = 2;
constexpr double kRankMax = 3;

}  // namespace

double rank_of(size_t k, double part, double deviations) {
  const auto count = static_cast<double>(k);
  return (count + deviations * std::sqrt(count * (1 - part))) / part;
}

double walk_cost(const PlanQuestion& q, size_t breadth) {
  const double step = kStep + kByte * static_cast<double>(q.code_bytes > 0 ? q.code_bytes : q.row_bytes);
  // About two thirds of the links of a node lead somewhere new.
  return static_cast<double>(breadth * q.degree) * step * 2 / 3;
}

double product_cost(size_t rows, size_t dim) {
  // Multiplications of int8 a nanosecond and thread, and what is done with a product.
  double rate = 4;
  switch (tensor::kernels().tier) {
    case simd::Tier::scalar:
      break;
    case simd::Tier::avx2:
      rate = 80;
      break;
    case simd::Tier::avx512:
      rate = 150;
      break;
    case simd::Tier::avx512_vnni:
    case simd::Tier::avx512_bf16:
      rate = 350;
      break;
    case simd::Tier::amx:
      rate = 1500;
      break;
  }
  return static_cast<double>(rows) * (static_cast<double>(dim) / rate + 0.5);
}

PlanAnswer choose_plan(const PlanQuestion& q) {
  const auto allowed = static_cast<double>(q.allowed);
  const double part = std::min(1.0, allowed / static_cast<double>(std::max<size_t>(1, q.rows)));
  const auto bytes = static_cast<double>(q.row_bytes);
  const double scan = allowed * (kRow + kByte * bytes);
  const double walk = walk_cost(q, q.breadth);

  PlanAnswer best{SearchPlan::scan, q.breadth, scan};
  double least = scan;
  auto offer = [&](SearchPlan plan, size_t breadth, double cost) {
    if (cost < least) {
      best = {plan, breadth, cost};
      least = cost;
    }
  };
  if (q.code_bytes > 0) {
    const double codes = allowed * (kCode + kByte * static_cast<double>(q.code_bytes));
    offer(SearchPlan::code_scan, q.breadth, codes + kRerankedRows * (kRow + kByte * bytes));
  }
  if (part >= 1) {
    offer(SearchPlan::graph, q.breadth, walk);
  } else if (part > 0) {
    const double breadth = std::max(static_cast<double>(q.wide_breadth), rank_of(q.k, part, kRankRoom));
    const auto wide = static_cast<size_t>(std::min(breadth, static_cast<double>(q.rows)));
    offer(SearchPlan::graph_then_filter, wide, walk_cost(q, wide));
    offer(SearchPlan::filtered_graph, q.breadth, walk * kDetour);
    best.rank_max = static_cast<size_t>(std::min(std::ceil(rank_of(q.k, part, kRankMax)), static_cast<double>(q.rows)));
    best.allowed_breadth = kAllowedWiden * q.breadth;
    best.starts = q.breadth;
    best.part = part;
  }
  return best;
}

}  // namespace sextant::index
