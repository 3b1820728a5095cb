#include "store/payload/row_set.h"

#include <roaring/roaring.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace sextant::store {
namespace {

// The shared format: a cookie, which containers are lists of runs, each container's key (the rows' upper 16 bits) and
// number of rows less one, their offsets, then the containers.
constexpr uint32_t kCookieWithoutRuns = 12'346, kCookieWithRuns = 12'347;
constexpr size_t kOffsetsFrom = 4;  // with runs, fewer containers have no offsets
constexpr size_t kArrayMax = 4096;  // longer ones are bitmaps
constexpr size_t kBitmapBytes = 8192, kBitmapWords = kBitmapBytes / 8;

roaring_bitmap_s* checked(roaring_bitmap_s* bitmap) {
  if (bitmap == nullptr) throw std::bad_alloc();
  return bitmap;
}

template <class T>
T number_at(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

enum class Form : uint8_t { array, bitmap, runs };

struct Container {
  uint32_t first;  // the row of its lowest bit
  Form form;
  size_t count;  // of an array's rows, or of runs
  const std::byte* bytes;
};

bool is_ascending(const Container& array) {
  uint32_t last = number_at<uint16_t>(array.bytes);
  for (size_t i = 1; i < array.count; ++i) {
    const uint32_t row = number_at<uint16_t>(array.bytes + 2 * i);
    if (row <= last) return false;
    last = row;
  }
  return true;
}

// Whether the container holds ROWS rows in order, all below END.
bool is_sound(const Container& container, size_t rows, uint64_t end) {
  uint64_t last = 0, found = 0;
  switch (container.form) {
    case Form::array:
      if (!is_ascending(container)) return false;
      last = number_at<uint16_t>(container.bytes + 2 * (container.count - 1));
      found = container.count;
      break;
    case Form::bitmap:
      for (size_t i = 0; i < kBitmapWords; ++i) {
        const auto word = number_at<uint64_t>(container.bytes + 8 * i);
        found += static_cast<uint64_t>(std::popcount(word));
        if (word != 0) last = 64 * i + static_cast<uint64_t>(std::bit_width(word)) - 1;
      }
      break;
    case Form::runs: {
      uint64_t free_from = 0;
      for (size_t i = 0; i < container.count; ++i) {
        const uint64_t begin = number_at<uint16_t>(container.bytes + 4 * i);
        const uint64_t more = number_at<uint16_t>(container.bytes + 4 * i + 2);
        if (begin < free_from || begin + more > 0xFFFF) return false;
        last = begin + more;
        free_from = last + 2;  // runs that touch would be one
        found += more + 1;
      }
      break;
    }
  }
  return found == rows && container.first + last < end;
}

// Calls VISIT with each container; false where the bytes are no set of rows below END.
template <class Visit>
bool visit_containers(std::span<const std::byte> bytes, uint64_t end, const Visit& visit) {
  if (bytes.size() < 8) return false;
  const auto cookie = number_at<uint32_t>(bytes.data());
  const bool with_runs = (cookie & 0xFFFF) == kCookieWithRuns;
  if (!with_runs && cookie != kCookieWithoutRuns) return false;
  const uint64_t count = with_runs ? (cookie >> 16) + 1 : number_at<uint32_t>(bytes.data() + 4);
  if (count > 65'536) return false;
  const std::byte* const run_flags = bytes.data() + 4;
  const size_t heads = with_runs ? 4 + (count + 7) / 8 : 8;
  const size_t offsets = heads + 4 * count;
  size_t position = offsets + (!with_runs || count >= kOffsetsFrom ? 4 * count : 0);
  if (bytes.size() < position) return false;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t key = number_at<uint16_t>(bytes.data() + heads + 4 * i);
    if (i > 0 && key <= number_at<uint16_t>(bytes.data() + heads + 4 * (i - 1))) return false;
    const size_t rows = size_t{number_at<uint16_t>(bytes.data() + heads + 4 * i + 2)} + 1;
    Container container{key << 16, Form::array, rows, nullptr};
    const size_t left = bytes.size() - position;
    size_t size = 2 * rows, skipped = 0;
    if (with_runs && (std::to_integer<unsigned>(run_flags[i / 8]) >> (i % 8) & 1) != 0) {
      if (left < 2) return false;
      container.form = Form::runs;
      container.count = number_at<uint16_t>(bytes.data() + position);
      if (container.count == 0) return false;
      skipped = 2;
      size = 2 + 4 * container.count;
    } else if (rows > kArrayMax) {
      container.form = Form::bitmap;
      size = kBitmapBytes;
    }
    if (left < size) return false;
    container.bytes = bytes.data() + position + skipped;
    if (!is_sound(container, rows, end)) return false;
    visit(container);
    position += size;
  }
  return position == bytes.size();
}

// Sets in the shared format, container by container, without runs.
class SetWriter {
 public:
  void array(uint32_t key, std::span<const uint32_t> rows) {
    head(key, rows.size());
    for (const uint32_t row : rows) put(body_, static_cast<uint16_t>(row));
  }
  // ROWS bits are set in WORDS.
  void bitmap(uint32_t key, size_t rows, std::span<const uint64_t> words) {
    head(key, rows);
    body_.append(reinterpret_cast<const char*>(words.data()), words.size_bytes());
    body_.append(kBitmapBytes - words.size_bytes(), '\0');
  }
  roaring_bitmap_s* take() {
    std::string out;
    put(out, kCookieWithoutRuns);
    put(out, static_cast<uint32_t>(begins_.size()));
    out += heads_;
    const size_t first = out.size() + 4 * begins_.size();
    for (const size_t begin : begins_) put(out, static_cast<uint32_t>(first + begin));
    out += body_;
    return checked(roaring_bitmap_portable_deserialize_safe(out.data(), out.size()));
  }

 private:
  void head(uint32_t key, size_t rows) {
    put(heads_, static_cast<uint16_t>(key));
    put(heads_, static_cast<uint16_t>(rows - 1));
    begins_.push_back(body_.size());
  }

  std::string heads_, body_;
  std::vector<size_t> begins_;
};

}  // namespace

RowSet::RowSet() : bitmap_(checked(roaring_bitmap_create())) {}
RowSet::RowSet(roaring_bitmap_s* bitmap) : bitmap_(checked(bitmap)) {}
RowSet::RowSet(const RowSet& other) : bitmap_(checked(roaring_bitmap_copy(other.bitmap_))) {}
RowSet::~RowSet() {
  if (bitmap_ != nullptr) roaring_bitmap_free(bitmap_);
}

RowSet RowSet::range(uint32_t begin, uint32_t end) {
  return begin < end ? RowSet(roaring_bitmap_from_range(begin, end, 1)) : RowSet();
}

RowSet RowSet::of_sorted(std::span<const uint32_t> rows) {
  SetWriter writer;
  std::vector<uint64_t> words;
  for (size_t i = 0; i < rows.size();) {
    const uint32_t key = rows[i] >> 16;
    size_t end = i + 1;
    while (end < rows.size() && rows[end] >> 16 == key) ++end;
    const std::span<const uint32_t> some = rows.subspan(i, end - i);
    if (some.size() <= kArrayMax) {
      writer.array(key, some);
    } else {
      words.assign(kBitmapWords, 0);
      for (const uint32_t row : some) words[(row & 0xFFFF) / 64] |= uint64_t{1} << (row % 64);
      writer.bitmap(key, some.size(), words);
    }
    i = end;
  }
  return RowSet(writer.take());
}

RowSet RowSet::of_words(std::span<const uint64_t> words) {
  SetWriter writer;
  std::vector<uint32_t> few;
  for (size_t first = 0; first < words.size(); first += kBitmapWords) {
    const std::span<const uint64_t> some = words.subspan(first, std::min(kBitmapWords, words.size() - first));
    size_t rows = 0;
    for (const uint64_t word : some) rows += static_cast<size_t>(std::popcount(word));
    if (rows == 0) continue;
    const auto key = static_cast<uint32_t>(first / kBitmapWords);
    if (rows > kArrayMax) {
      writer.bitmap(key, rows, some);
      continue;
    }
    few.clear();
    for (size_t i = 0; i < some.size(); ++i) {
      for (uint64_t word = some[i]; word != 0; word &= word - 1) {
        few.push_back(static_cast<uint32_t>(64 * i) + static_cast<uint32_t>(std::countr_zero(word)));
      }
    }
    writer.array(key, few);
  }
  return RowSet(writer.take());
}

std::optional<RowSet> RowSet::read(std::span<const std::byte> bytes, uint32_t end) {
  if (!visit_containers(bytes, end, [](const Container&) {})) return std::nullopt;
  const char* begin = reinterpret_cast<const char*>(bytes.data());
  return RowSet(roaring_bitmap_portable_deserialize_safe(begin, bytes.size()));
}

std::string RowSet::bytes() const {
  RowSet packed = *this;
  roaring_bitmap_run_optimize(packed.bitmap_);
  std::string out(roaring_bitmap_portable_size_in_bytes(packed.bitmap_), '\0');
  roaring_bitmap_portable_serialize(packed.bitmap_, out.data());
  return out;
}

bool RowSet::empty() const { return roaring_bitmap_is_empty(bitmap_); }
uint64_t RowSet::count() const { return roaring_bitmap_get_cardinality(bitmap_); }
bool RowSet::contains(uint32_t row) const { return roaring_bitmap_contains(bitmap_, row); }
uint64_t RowSet::count_and(const RowSet& other) const { return roaring_bitmap_and_cardinality(bitmap_, other.bitmap_); }

// CRoaring frees what it is working on where both are one.
RowSet& RowSet::operator|=(const RowSet& other) {
  if (this != &other) roaring_bitmap_or_inplace(bitmap_, other.bitmap_);
  return *this;
}
RowSet& RowSet::operator&=(const RowSet& other) {
  if (this != &other) roaring_bitmap_and_inplace(bitmap_, other.bitmap_);
  return *this;
}
RowSet& RowSet::operator-=(const RowSet& other) {
  if (this == &other) return *this = RowSet();
  roaring_bitmap_andnot_inplace(bitmap_, other.bitmap_);
  return *this;
}
RowSet operator&(const RowSet& a, const RowSet& b) { return RowSet(roaring_bitmap_and(a.bitmap_, b.bitmap_)); }
bool RowSet::operator==(const RowSet& other) const { return roaring_bitmap_equals(bitmap_, other.bitmap_); }

std::vector<uint32_t> RowSet::rows() const {
  std::vector<uint32_t> out(count());
  roaring_bitmap_to_uint32_array(bitmap_, out.data());
  return out;
}

void RowSet::or_into(std::span<uint64_t> words) const {
  const std::string packed = bytes();
  visit_containers(std::as_bytes(std::span(packed)), uint64_t{1} << 32, [&](const Container& container) {
    const size_t first = container.first / 64;
    if (first >= words.size()) return;
    const std::span<uint64_t> some = words.subspan(first);
    const auto set = [&](size_t row) {
      if (row / 64 < some.size()) some[row / 64] |= uint64_t{1} << (row % 64);
    };
    switch (container.form) {
      case Form::array:
        for (size_t i = 0; i < container.count; ++i) set(number_at<uint16_t>(container.bytes + 2 * i));
        break;
      case Form::bitmap:
        for (size_t i = 0; i < std::min(kBitmapWords, some.size()); ++i) {
          some[i] |= number_at<uint64_t>(container.bytes + 8 * i);
        }
        break;
      case Form::runs:
        for (size_t i = 0; i < container.count; ++i) {
          size_t row = number_at<uint16_t>(container.bytes + 4 * i);
          const size_t end = row + number_at<uint16_t>(container.bytes + 4 * i + 2) + 1;
          while (row < end) {
            if (row % 64 == 0 && end - row >= 64 && row / 64 < some.size()) {
              some[row / 64] = ~uint64_t{0};
              row += 64;
            } else {
              set(row++);
            }
          }
        }
        break;
    }
  });
}

RowSet::Cursor::Cursor(const RowSet& set) : iterator_(roaring_create_iterator(set.bitmap_)) {
  if (iterator_ == nullptr) throw std::bad_alloc();
}
RowSet::Cursor::~Cursor() { roaring_free_uint32_iterator(static_cast<roaring_uint32_iterator_t*>(iterator_)); }
size_t RowSet::Cursor::next(std::span<uint32_t> out) {
  return roaring_read_uint32_iterator(static_cast<roaring_uint32_iterator_t*>(iterator_), out.data(),
                                      static_cast<uint32_t>(out.size()));
}

void RowUnion::add(const RowSet& rows) {
  if (words_.empty() && list_.size() + rows.count() > end_ / 32) to_words();
  if (!words_.empty()) {
    rows.or_into(words_);
  } else {
    rows.for_each([&](uint32_t row) { list_.push_back(row); });
  }
}

void RowUnion::to_words() {
  words_.assign(size_t{end_} / 64 + 1, 0);
  for (const uint32_t row : list_) words_[row / 64] |= uint64_t{1} << (row % 64);
  list_ = {};
}

RowSet RowUnion::take() {
  RowSet out;
  if (!words_.empty()) {
    out = RowSet::of_words(words_);
  } else {
    std::sort(list_.begin(), list_.end());
    list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
    out = RowSet::of_sorted(list_);
  }
  words_ = {};
  list_ = {};
  return out;
}

}  // namespace sextant::store
