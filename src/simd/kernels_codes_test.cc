// The kernels of short codes and of rows by number, on every tier and over emulated instructions, against loops that
// say what the sums mean. Tables end where a page that nobody may read begins. kernels_test.cc names the tiers.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <string>
#include <vector>

#include "simd/kernels_test_fixture.h"

namespace sextant::simd {
namespace {

// Elements that end at the border of a page that cannot be read or written; a few lie before them.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count) {
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_t used = (count * sizeof(T) + page - 1) / page * page + page;
    bytes_ = used + page;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    char* border = static_cast<char*>(memory_) + used;
    if (mprotect(border, page, PROT_NONE) != 0) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(border) - count;
  }
  ~Guarded() { munmap(memory_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  T* data_ = nullptr;
};

// What vectors are filled with: anything, or the same extreme everywhere.
enum class Content { random, lowest, highest };

template <class T>
void fill(base::Random& random, Guarded<T>& values, size_t count, Content content, T lowest, T highest) {
  for (size_t i = 0; i < count; ++i) {
    values[i] = content == Content::random ? random_value<T>(random) : content == Content::lowest ? lowest : highest;
  }
}

// Repeated, out of order, and all of the table's rows among them when there are enough.
std::vector<uint32_t> ids_of(base::Random& random, size_t count, size_t table_rows) {
  std::vector<uint32_t> ids(count);
  for (uint32_t& id : ids) id = static_cast<uint32_t>(random.below(table_rows));
  if (count > 0) ids[0] = static_cast<uint32_t>(table_rows - 1);
  if (count > 2) ids[2] = ids[0];
  return ids;
}

constexpr size_t kTableRows = 23;
constexpr size_t kCounts = 38;

// A kernel of codes, by number and in turn, and what a sum must be.
template <class Query, class Sum>
struct Codes {
  void (*ids_kernel)(const Query*, const uint8_t*, size_t, size_t, const uint32_t*, size_t, Sum*);
  void (*rows_kernel)(const Query*, Rows<uint8_t>, Sum*);
  Sum (*expected)(const Query*, const uint8_t*, size_t);
};

template <class Query, class Sum>
void expect_sums(base::Random& random, const Codes<Query, Sum>& codes, size_t length, size_t query_size,
                 size_t row_bytes, size_t gap, Content query_content, Content row_content) {
  SCOPED_TRACE("length " + std::to_string(length) + ", gap " + std::to_string(gap));
  size_t stride = row_bytes + gap;
  Guarded<Query> query(query_size);
  fill(random, query, query_size, query_content, std::numeric_limits<Query>::min(), std::numeric_limits<Query>::max());
  size_t table_bytes = stride * (kTableRows - 1) + row_bytes;
  Guarded<uint8_t> table(table_bytes);
  fill<uint8_t>(random, table, table_bytes, row_content, 0, 255);
  std::vector<Sum> expected(kTableRows);
  for (size_t i = 0; i < kTableRows; ++i) {
    expected[i] = codes.expected(query.data(), table.data() + i * stride, length);
  }
  for (size_t count = 0; count < kCounts; ++count) {
    std::vector<uint32_t> ids = ids_of(random, count, kTableRows);
    std::vector<Sum> sums(count + 1, 99);
    codes.ids_kernel(query.data(), table.data(), stride, length, ids.data(), count, sums.data());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(sums[i], expected[ids[i]]) << "place " << i << " of " << count;
    ASSERT_EQ(sums[count], Sum{99});
    if (count > kTableRows) continue;
    sums.assign(count + 1, 99);
    const uint8_t* last_rows = table.data() + (kTableRows - count) * stride;
    codes.rows_kernel(query.data(), {last_rows, count, length, stride}, sums.data());
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(sums[i], expected[kTableRows - count + i]) << "row " << i << " of " << count;
    }
    ASSERT_EQ(sums[count], Sum{99});
  }
}

// ---- Codes of 4 bits.

uint8_t nibble_of(const uint8_t* codes, size_t dimension) {
  uint8_t byte = codes[dimension / 64 * 32 + dimension % 32];
  return dimension % 64 < 32 ? byte & 15 : static_cast<uint8_t>(byte >> 4);
}

int32_t dot_of_nibbles(const int8_t* query, const uint8_t* codes, size_t dim) {
  int32_t sum = 0;
  for (size_t i = 0; i < dim; ++i) sum += query[i] * nibble_of(codes, i);
  return sum;
}

std::vector<size_t> nibble_dims() {
  std::vector<size_t> dims;
  for (size_t dim = 0; dim <= 1536; dim += 64) dims.push_back(dim);
  return dims;
}

TEST_P(KernelsOf, dot_products_with_4_bit_codes_are_exact) {
  Codes<int8_t, int32_t> codes{k->dot_u4_ids, k->dot_u4_rows, dot_of_nibbles};
  for (size_t dim : nibble_dims()) {
    for (size_t gap : {size_t{0}, size_t{13}}) {
      expect_sums(random, codes, dim, dim, dim / 2, gap, Content::random, Content::random);
    }
  }
}

TEST_P(KernelsOf, extreme_4_bit_codes_and_queries_do_not_saturate) {
  Codes<int8_t, int32_t> codes{k->dot_u4_ids, k->dot_u4_rows, dot_of_nibbles};
  for (size_t dim : {64, 128, 256, 320, 448, 1536, 65536}) {
    for (Content query : {Content::lowest, Content::highest}) {
      expect_sums(random, codes, dim, dim, dim / 2, 0, query, Content::highest);
    }
  }
}

// ---- Codes of one bit.

uint32_t dot_of_planes(const uint8_t* planes, const uint8_t* row, size_t bytes) {
  uint32_t sum = 0;
  for (size_t bit = 0; bit < 8 * bytes; ++bit) {
    uint32_t value = 0;  // the query's, 0..15
    for (size_t p = 0; p < 4; ++p) value |= (planes[p * bytes + bit / 8] >> bit % 8 & 1u) << p;
    if ((row[bit / 8] >> bit % 8 & 1) != 0) sum += value;
  }
  return sum;
}

TEST_P(KernelsOf, dot_products_with_bits_are_exact) {
  Codes<uint8_t, uint32_t> codes{k->dot_u1_ids, k->dot_u1_rows, dot_of_planes};
  std::vector<size_t> lengths;
  for (size_t bytes = 0; bytes <= 70; ++bytes) lengths.push_back(bytes);
  for (size_t bytes : {96, 127, 128, 160, 192}) lengths.push_back(bytes);
  for (size_t bytes : lengths) {
    for (size_t gap : {size_t{0}, size_t{5}}) {
      expect_sums(random, codes, bytes, 4 * bytes, bytes, gap, Content::random, Content::random);
    }
  }
}

TEST_P(KernelsOf, planes_and_rows_of_ones_count_every_bit_fifteen_times) {
  for (size_t bytes : {48, 64, 4096, 100000}) {
    std::vector<uint8_t> planes(4 * bytes, 0xff);
    std::vector<uint8_t> row(bytes, 0xff);
    std::vector<uint32_t> ids(7, 0);
    std::vector<uint32_t> sums(7);
    k->dot_u1_ids(planes.data(), row.data(), bytes, bytes, ids.data(), ids.size(), sums.data());
    EXPECT_EQ(sums, std::vector<uint32_t>(7, static_cast<uint32_t>(bytes * 8 * 15)));
  }
}

// ---- Bits that differ.

uint32_t differences(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; ++i) sum += static_cast<uint32_t>(std::popcount<unsigned>(a[i] ^ b[i]));
  return sum;
}

TEST_P(KernelsOf, bits_that_differ_are_counted_in_rows_by_number_and_in_turn) {
  Codes<uint8_t, uint32_t> bits{k->hamming_ids, k->hamming_rows, differences};
  std::vector<size_t> lengths;
  for (size_t bytes = 0; bytes <= 17; ++bytes) lengths.push_back(bytes);
  for (size_t bytes : {31, 33, 48, 63, 64, 65, 96, 127, 128, 131}) lengths.push_back(bytes);
  for (size_t bytes : lengths) {
    for (size_t gap : {size_t{0}, size_t{5}}) {
      expect_sums(random, bits, bytes, bytes, bytes, gap, Content::random, Content::random);
    }
  }
  expect_sums(random, bits, 1024, 1024, 1024, 0, Content::lowest, Content::highest);
}

// ---- Rows of numbers, by number.

template <class T, class Score>
void expect_rows_by_number_equal_pairs(
    base::Random& random, void (*ids_kernel)(const T*, const T*, size_t, size_t, const uint32_t*, size_t, Score*),
    Score (*pair_kernel)(const T*, const T*, size_t), Content content, T lowest, T highest) {
  for (size_t dim : {0, 1, 7, 8, 17, 33, 63, 64, 100, 129, 384, 1536}) {
    for (size_t gap : {size_t{0}, size_t{3}}) {
      size_t stride = dim + gap;
      size_t elements = stride * (kTableRows - 1) + dim;
      Guarded<T> query(dim);
      Guarded<T> table(elements);
      fill(random, query, dim, content, lowest, highest);
      fill(random, table, elements, content, lowest, highest);
      for (size_t count = 0; count < kCounts; ++count) {
        std::vector<uint32_t> ids = ids_of(random, count, kTableRows);
        std::vector<Score> scores(count + 1, Score{99});
        ids_kernel(query.data(), table.data(), stride * sizeof(T), dim, ids.data(), count, scores.data());
        for (size_t i = 0; i < count; ++i) {
          Score alone = pair_kernel(query.data(), table.data() + ids[i] * stride, dim);
          ASSERT_EQ(std::bit_cast<uint32_t>(scores[i]), std::bit_cast<uint32_t>(alone))
              << "dim " << dim << ", place " << i << " of " << count << ": " << scores[i] << " and " << alone;
        }
        ASSERT_EQ(scores[count], Score{99});
      }
    }
  }
}

TEST_P(KernelsOf, rows_of_f32_by_number_have_the_bytes_of_pairs) {
  expect_rows_by_number_equal_pairs<float, float>(random, k->dot_f32_ids, k->dot_f32, Content::random, 0, 0);
  expect_rows_by_number_equal_pairs<float, float>(random, k->l2_squared_f32_ids, k->l2_squared_f32, Content::random, 0,
                                                  0);
}

TEST_P(KernelsOf, rows_of_int8_by_number_equal_pairs) {
  for (Content content : {Content::random, Content::lowest, Content::highest}) {
    expect_rows_by_number_equal_pairs<int8_t, int32_t>(random, k->dot_i8_ids, k->dot_i8, content, -128, 127);
  }
}

}  // namespace
}  // namespace sextant::simd
