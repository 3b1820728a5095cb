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
constexpr double kStep = 30;
// A scan of codes compares this many rows afterwards.
constexpr double kRerankedRows = 24;
// Among few allowed rows each link of a walk leads over the links of its neighbours.
constexpr double kDetour = 4;
// A walk that is filtered afterwards keeps more candidates, though not in proportion: what it is after lies no farther
// apart than it did.
constexpr double kWiden = 0.7;

}  // namespace

double walk_cost(const PlanQuestion& q) {
  const double step = kStep + kByte * static_cast<double>(q.code_bytes > 0 ? q.code_bytes : q.row_bytes);
  // About two thirds of the links of a node lead somewhere new.
  return static_cast<double>(q.breadth * q.degree) * step * 2 / 3;
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
  const double walk = walk_cost(q);

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
    const double wider = std::pow(part, -kWiden);
    offer(SearchPlan::graph_then_filter, static_cast<size_t>(std::ceil(static_cast<double>(q.breadth) * wider)),
          walk * wider);
    offer(SearchPlan::filtered_graph, q.breadth, walk * kDetour);
  }
  return best;
}

}  // namespace sextant::index
