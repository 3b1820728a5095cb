// MultiIndexImpl, to and from files.
#include <fmt/format.h>

#include "index/multi_index_impl.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

constexpr uint32_t kFileKind = 2;
constexpr uint32_t kVersion = 1;
// Beside those of the inner index.
constexpr size_t kOwnSections = 5;

struct MultiHead {
  uint64_t slots, alive, places, measured_rows, points;
};

}  // namespace

void MultiIndexImpl::save(const std::filesystem::path& path) {
  if (calibration()->rows() * 2 < size()) calibrate(64, 0);
  std::lock_guard lock(writer_);
  SectionFileWriter file(path, kFileKind, kVersion, IndexImpl::kSectionsMax + kOwnSections);
  const std::shared_ptr<const Calibration> measured = calibration();
  const size_t slots = slot_count_, places = inner_->row_count();
  const MultiHead head{slots, alive_, places, measured->rows(), measured->points().size()};
  file.add("rows.head", std::span<const MultiHead>(&head, 1));
  file.add("rows.calibration", std::span(measured->points()));
  // Who died is not written down.
  std::vector<Slot> written(slots_, slots_ + slots);
  if (lives_.capacity() > 0) {
    const View now{version_, slots, nullptr, kNoNode};
    for (uint32_t slot = 0; slot < slots; ++slot) {
      if (!is_seen(now, slot)) written[slot] = {};
    }
  }
  file.add("rows", std::span<const Slot>(written));
  file.add("rows.next", std::span(next_, places));
  file.add("rows.of", std::span(slot_of_, places));
  inner_->save_into(file);
  file.commit();
}

MultiIndexImpl::MultiIndexImpl(const std::filesystem::path& path, const OpenOptions& options)
    : inner_(std::make_unique<IndexImpl>(std::make_unique<SectionFile>(path, kFileKind, kVersion), options)) {
  const SectionFile& file = *inner_->file();
  const MultiHead head = file.get<MultiHead>("rows.head", 1)[0];
  auto expect = [&](bool good, std::string_view what, uint64_t found) {
    if (!good) file.fail(fmt::format("{} is {}", what, found));
  };
  expect(head.slots <= head.places, "the number of slots", head.slots);
  expect(head.alive <= head.slots, "the number of rows", head.alive);
  expect(head.places == inner_->row_count(), "the number of places", head.places);
  expect(head.points <= 1024, "the number of points measured on rows", head.points);
  expect(higher_is_nearer(inner_->options().metric), "metric", static_cast<uint64_t>(inner_->options().metric));
  const auto points = file.get<Calibration::Point>("rows.calibration", head.points);
  for (const Calibration::Point& point : points) {
    if (point.k == 0 || point.breadth == 0 || point.breadth > kMultiVectorsMax ||
        !(point.recall >= 0 && point.recall <= 1)) {
      file.fail("a point of its rows' calibration is out of range");
    }
  }
  calibration_ = points.empty() ? unmeasured()
                                : std::make_shared<const Calibration>(std::vector(points.begin(), points.end()),
                                                                      head.measured_rows);
  slots_ = file.get<Slot>("rows", head.slots).data();
  next_ = file.get<uint32_t>("rows.next", head.places).data();
  slot_of_ = file.get<uint32_t>("rows.of", head.places).data();
  slot_count_ = head.slots;
  alive_ = head.alive;
}

}  // namespace sextant::index
