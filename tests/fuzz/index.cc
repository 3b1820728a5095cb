// Saved indexes, of vectors and of rows of several: as they are, and with the head's checksum made right again, which
// lets damage get further.
#include "sextant/index.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/files.h"
#include "base/hash.h"
#include "base/random.h"
#include "fuzz/fuzz.h"
#include "sextant/error.h"
#include "sextant/multi_index.h"

namespace {

constexpr size_t kDim = 4;

std::string saved(size_t count, sextant::IndexKind kind, sextant::CodeKind codes, bool bits = false) {
  const sextant::base::TemporaryFolder folder;
  auto index = sextant::Index::create({.dim = kDim,
                                       .metric = bits ? sextant::Metric::hamming : sextant::Metric::l2,
                                       .type = bits ? sextant::ElementType::bit : sextant::ElementType::float32,
                                       .kind = kind,
                                       .codes = codes,
                                       .degree = 4,
                                       .build_breadth = 8,
                                       .capacity = 2048});
  std::vector<uint64_t> ids(count);
  std::iota(ids.begin(), ids.end(), uint64_t{1});
  std::vector<float> rows(count * kDim);
  sextant::base::Random random(1);
  for (float& value : rows) value = static_cast<float>(random.normal());
  for (float& value : rows) value = bits ? (value > 0 ? 1.0f : 0.0f) : value;
  index->add(ids, rows, 1);
  index->remove(3);
  index->save(folder.path() / "seed.idx");
  return sextant::base::read_file(folder.path() / "seed.idx");
}

std::string saved_rows(size_t rows) {
  const sextant::base::TemporaryFolder folder;
  auto index = sextant::MultiIndex::create({.dim = kDim, .degree = 4, .build_breadth = 8, .capacity = 2048});
  sextant::base::Random random(1);
  std::vector<uint64_t> ids(rows);
  std::iota(ids.begin(), ids.end(), uint64_t{1});
  std::vector<size_t> counts(rows);
  for (size_t i = 0; i < rows; ++i) counts[i] = 1 + i % 9;
  std::vector<float> vectors(std::accumulate(counts.begin(), counts.end(), size_t{0}) * kDim);
  for (float& value : vectors) value = static_cast<float>(random.normal());
  index->add(ids, counts, vectors, 1);
  index->remove(3);
  index->save(folder.path() / "seed.idx");
  return sextant::base::read_file(folder.path() / "seed.idx");
}

// Where the head ends is in the head: 32 bytes, 48 a section.
void mend(std::string& bytes) {
  if (bytes.size() < 32) return;
  uint64_t count;
  std::memcpy(&count, bytes.data() + 16, sizeof(count));
  if (count > 1000 || bytes.size() < 40 + count * 48) return;
  const uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 24, &size, sizeof(size));
  const size_t end = 32 + count * 48;
  const uint64_t hash = sextant::base::hash64(std::string_view(bytes).substr(0, end));
  std::memcpy(bytes.data() + end, &hash, sizeof(hash));
}

void use(const std::filesystem::path& path) {
  for (bool load : {false, true}) {
    try {
      const auto index = sextant::Index::open(path, {.load = load});
      const bool bits = index->options().type == sextant::ElementType::bit;
      std::vector<float> query(index->options().dim, bits ? 1.0f : 0.5f);
      const sextant::AllowedIds some = sextant::AllowedIds::of(std::vector<uint64_t>{1, 5, 700, 1030});
      for (const sextant::IndexSearchOptions& options :
           {sextant::IndexSearchOptions{.k = 5}, sextant::IndexSearchOptions{.k = 5, .breadth = 30},
            sextant::IndexSearchOptions{.k = 5, .exact = true},
            sextant::IndexSearchOptions{.k = 5, .allowed = &some}}) {
        index->search(query, options);
      }
    } catch (const sextant::Error&) {
    }
    try {
      const auto index = sextant::MultiIndex::open(path, {.load = load});
      std::vector<float> query(3 * index->options().dim, 0.5f);
      const sextant::AllowedIds some = sextant::AllowedIds::of(std::vector<uint64_t>{1, 5, 70, 200});
      for (const sextant::MultiSearchOptions& options :
           {sextant::MultiSearchOptions{.k = 5}, sextant::MultiSearchOptions{.k = 5, .candidates = 20},
            sextant::MultiSearchOptions{.k = 5, .exact = true},
            sextant::MultiSearchOptions{.k = 5, .allowed = &some}}) {
        index->search(query, options);
      }
      index->contains(7);
    } catch (const sextant::Error&) {
    }
  }
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return {saved(1100, sextant::IndexKind::graph, sextant::CodeKind::sq4),
          saved(1100, sextant::IndexKind::graph, sextant::CodeKind::none),
          saved(10, sextant::IndexKind::flat, sextant::CodeKind::none),
          saved(10, sextant::IndexKind::flat, sextant::CodeKind::sq8),
          saved(1100, sextant::IndexKind::graph, sextant::CodeKind::none, true),
          saved(10, sextant::IndexKind::flat, sextant::CodeKind::none, true),
          saved_rows(240),
          saved_rows(20)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  use(sextant::fuzz::as_file(data, size, ".idx"));
  std::string mended(reinterpret_cast<const char*>(data), size);
  mend(mended);
  use(sextant::fuzz::as_file(reinterpret_cast<const uint8_t*>(mended.data()), mended.size(), ".idx"));
  return 0;
}
