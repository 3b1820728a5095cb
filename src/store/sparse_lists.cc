#include "store/sparse_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace sextant::store {
namespace {

constexpr uint32_t kSparseFileKind = 22;
constexpr uint32_t kSparseFileVersion = 2;
// Rows whose sums are made at a time: they stay in the cache.
constexpr size_t kBlockRows = size_t{1} << 14;
// Looking an allowed row up in a list costs as much as passing so many others.
constexpr size_t kLookUpCost = 16;

}  // namespace

void SparseLists::write(const std::filesystem::path& path, std::vector<SparsePosting> postings, size_t rows) {
  std::sort(postings.begin(), postings.end(), [](const SparsePosting& a, const SparsePosting& b) {
    return a.component != b.component ? a.component < b.component : a.row < b.row;
  });
  std::vector<uint32_t> components, posting_rows;
  std::vector<uint64_t> ends;
  std::vector<float> values;
  posting_rows.reserve(postings.size());
  values.reserve(postings.size());
  for (const SparsePosting& posting : postings) {
    if (components.empty() || components.back() != posting.component) {
      components.push_back(posting.component);
      ends.push_back(0);
    }
    posting_rows.push_back(posting.row);
    values.push_back(posting.value);
    ends.back() = values.size();
  }
  index::SectionFileWriter file(path, kSparseFileKind, kSparseFileVersion, 5);
  const Head head{rows, components.size(), values.size()};
  file.add("head", std::span<const Head>(&head, 1));
  file.add("components", std::span<const uint32_t>(components));
  file.add("ends", std::span<const uint64_t>(ends));
  file.add("rows", std::span<const uint32_t>(posting_rows));
  file.add("values", std::span<const float>(values));
  file.commit();
}

SparseLists::SparseLists(const std::filesystem::path& path) : file_(path, kSparseFileKind, kSparseFileVersion) {
  head_ = file_.get<Head>("head", 1)[0];
  if (head_.rows > UINT32_MAX) file_.fail(fmt::format("{} rows, expected at most {}", head_.rows, UINT32_MAX));
  components_ = file_.get<uint32_t>("components", head_.components);
  ends_ = file_.get<uint64_t>("ends", head_.components);
  rows_ = file_.get<uint32_t>("rows", head_.postings);
  values_ = file_.get<float>("values", head_.postings);
  for (size_t i = 0; i < components_.size(); ++i) {
    if (i > 0 && components_[i] <= components_[i - 1]) {
      file_.fail(fmt::format("component {} after {}, expected them to ascend", components_[i], components_[i - 1]));
    }
    if (ends_[i] < (i > 0 ? ends_[i - 1] : 0) || ends_[i] > head_.postings) {
      file_.fail(fmt::format("the list of component {} ends at {} of {}", components_[i], ends_[i], head_.postings));
    }
  }
}

std::vector<SparseLists::Cursor> SparseLists::cursors(const VectorValue& query) const {
  std::vector<Cursor> lists;
  auto from = components_.begin();
  for (size_t q = 0; q < query.indices.size(); ++q) {
    from = std::lower_bound(from, components_.end(), query.indices[q]);
    if (from == components_.end()) break;
    if (*from != query.indices[q]) continue;
    const auto at = static_cast<size_t>(from - components_.begin());
    lists.push_back({at == 0 ? 0 : ends_[at - 1], ends_[at], double{query.values[q]}});
  }
  return lists;
}

void SparseLists::score(const VectorValue& query, const AllowedIds* allowed, const Take& take) const {
  std::vector<Cursor> lists = cursors(query);
  size_t postings = 0;
  for (const Cursor& list : lists) postings += list.end - list.at;
  const bool are_few = allowed != nullptr && !allowed->listed().empty() &&
                       allowed->listed().size() * lists.size() * kLookUpCost < postings;
  if (are_few) {
    score_listed(std::move(lists), *allowed, take);
  } else {
    score_all(std::move(lists), allowed, take);
  }
}

// Looks each of few rows up in each list.
void SparseLists::score_listed(std::vector<Cursor> lists, const AllowedIds& allowed, const Take& take) const {
  for (const uint64_t row : allowed.listed()) {
    if (row >= head_.rows) break;
    double sum = 0;
    bool any = false;
    for (Cursor& list : lists) {
      const auto begin = rows_.begin();
      const auto found = std::lower_bound(begin + static_cast<std::ptrdiff_t>(list.at),
                                          begin + static_cast<std::ptrdiff_t>(list.end), static_cast<uint32_t>(row));
      list.at = static_cast<size_t>(found - begin);
      if (list.at == list.end || *found != row) continue;
      sum += double{values_[list.at]} * list.weight;
      any = true;
    }
    if (any) take(static_cast<uint32_t>(row), static_cast<float>(sum));
  }
}

// Passes all lists, a block of rows at a time.
void SparseLists::score_all(std::vector<Cursor> lists, const AllowedIds* allowed, const Take& take) const {
  std::vector<double> sums(std::min<size_t>(kBlockRows, head_.rows));
  std::vector<uint64_t> found((sums.size() + 63) / 64);
  for (size_t begin = 0; begin < head_.rows;) {
    const size_t count = std::min(kBlockRows, head_.rows - begin);
    uint64_t next = head_.rows;  // the first row behind this block that a list has
    for (Cursor& list : lists) {
      for (; list.at < list.end; ++list.at) {
        const size_t place = rows_[list.at] - begin;  // too large where it is before the block
        if (place >= count) break;
        // The first of a row sets the sum: what an earlier block left is never seen.
        uint64_t& word = found[place / 64];
        const uint64_t bit = uint64_t{1} << (place % 64);
        const double product = double{values_[list.at]} * list.weight;
        sums[place] = (word & bit) != 0 ? sums[place] + product : 0.0 + product;
        word |= bit;
      }
      if (list.at == list.end) continue;
      const uint32_t row = rows_[list.at];
      if (row < begin + count || row >= head_.rows) {
        file_.fail(fmt::format("posting {} is of row {}, expected {} to {}", list.at, row, begin + count, head_.rows));
      }
      next = std::min<uint64_t>(next, row);
    }
    for (size_t w = 0; w < found.size(); ++w) {
      for (uint64_t bits = std::exchange(found[w], 0); bits != 0; bits &= bits - 1) {
        const size_t place = w * 64 + static_cast<size_t>(std::countr_zero(bits));
        if (allowed != nullptr && !allowed->contains(begin + place)) continue;
        take(static_cast<uint32_t>(begin + place), static_cast<float>(sums[place]));
      }
    }
    begin = next;
  }
}

}  // namespace sextant::store
