#include "index/readers.h"

#include <utility>

namespace sextant::index {

Readers::Lease::Lease(Readers& readers, std::unique_ptr<Reader> reader) : readers_(readers), reader_(std::move(reader)) {
  // Had the epoch moved on between the two, the writer could have missed this reader.
  uint64_t epoch = readers_.epoch_.load();
  while (true) {
    reader_->since.store(epoch);
    const uint64_t now = readers_.epoch_.load();
    if (now == epoch) return;
    epoch = now;
  }
}

Readers::Lease::~Lease() {
  reader_->since.store(Reader::kIdle);
  std::lock_guard lock(readers_.mutex_);
  readers_.idle_.push_back(std::move(reader_));
}

Readers::Lease Readers::lease(const Vectors& vectors) {
  std::unique_ptr<Reader> reader;
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      reader = std::move(idle_.back());
      idle_.pop_back();
    } else {
      reader = std::make_unique<Reader>(vectors);
      all_.push_back(reader.get());
    }
  }
  return Lease(*this, std::move(reader));
}

bool Readers::all_later_than(uint64_t mark) {
  std::lock_guard lock(mutex_);
  for (const Reader* reader : all_) {
    if (reader->since.load() < mark) return false;
  }
  return true;
}

}  // namespace sextant::index
