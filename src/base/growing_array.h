// base/growing_array.h: an array that grows and never moves, so that others may read it while one thread appends.
//
// Address space for the whole capacity is reserved at once and costs nothing; memory is taken page by page as it is
// first written, as zeros, on huge pages where the system gives them.
// Threads: whoever writes an element must hand its number to readers through something that orders memory.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sextant::base {

// Reserves address space, or throws exhausted, naming the bytes. Zeroed. To be given back by release_addresses.
void* reserve_addresses(size_t bytes);
void release_addresses(void* begin, size_t bytes) noexcept;

template <class T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GrowingArray() = default;
  explicit GrowingArray(size_t capacity)
      : data_(capacity > 0 ? static_cast<T*>(reserve_addresses(capacity * sizeof(T))) : nullptr), capacity_(capacity) {}
  GrowingArray(GrowingArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  GrowingArray& operator=(GrowingArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~GrowingArray() {
    if (data_ != nullptr) release_addresses(data_, capacity_ * sizeof(T));
  }

  size_t capacity() const { return capacity_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace sextant::base
