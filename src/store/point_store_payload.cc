// Indexes of payload fields: which there are, and how segments come by them.
#include <fmt/format.h>

#include "sextant/error.h"
#include "store/point_store.h"

namespace sextant::store {

void PointStore::set_payload_field(const KeyPath& path, const std::optional<FieldSchema>& field) {
  check_writable();
  // No segment is made meanwhile with the schema of before.
  std::lock_guard build_lock(build_mutex_);
  {
    std::lock_guard choice(choice_mutex_);
    std::lock_guard lock(write_mutex_);
    if (must_reopen()) reopen_after_failure();
    const ViewPointer now = view();
    StoreConfig config = *now->config;
    if (field) {
      config.payload_schema.set(path, *field);
    } else if (!config.payload_schema.remove(path)) {
      throw Error(ErrorCode::not_found, fmt::format("no index on '{}'", path.text()));
    }
    // The same again: an index may be missing still.
    if (config.payload_schema != now->config->payload_schema) {
      Truth::Batch batch(*now->truth);
      batch.put_config(config);
      failed_ = true;
      now->truth->write(batch, true);
      auto next = std::make_shared<View>(*now);
      next->config = std::make_shared<const StoreConfig>(std::move(config));
      // Until its index is there, filters look at the payloads.
      for (SegmentPart& part : next->segments) part.payload = nullptr;
      publish(std::move(next));
      failed_ = false;
    }
  }
  index_payloads();
  const ViewPointer now = view();
  for (const SegmentPart& part : now->segments) {
    // What stays is removed when the collection is opened again.
    if (part.segment) part.segment->remove_payload_indexes_but(now->config->payload_schema);
  }
}

bool PointStore::wants_payload_index(const View& view, const SegmentPart& part) const {
  if (!part.segment || view.config->payload_schema.fields().empty()) return false;
  const size_t changed = part.changed.count();
  return !part.payload || (changed > options_.changed_rows_max && changed * 20 > part.segment->size());
}

// Makes the payload indexes that segments lack, and those that too much has changed since. REQUIRES: build_mutex_ is
// held.
void PointStore::index_payloads() {
  const uint64_t opening = openings_;
  std::vector<std::shared_ptr<const Segment>> segments;
  {
    const ViewPointer view = this->view();
    for (const SegmentPart& part : view->segments) {
      if (wants_payload_index(*view, part)) segments.push_back(part.segment);
    }
  }
  for (const std::shared_ptr<const Segment>& segment : segments) index_payloads(segment, opening);
}

void PointStore::index_payloads(const std::shared_ptr<const Segment>& segment, uint64_t opening) {
  const auto check_opening = [&] {
    if (!failed_ && opening == openings_) return;
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: a write failed while a payload index was made; it is made again", folder_.string()));
  };
  {
    ViewPointer view;
    {
      std::lock_guard lock(write_mutex_);
      if (must_reopen()) reopen_after_failure();
      check_opening();
      // After a power cut the index must not know more than the truth does.
      note_synced();
      view = this->view();
    }
    segment->build_payload_index(*view->config, *view->moment, view->state.version, &stop_builds_);
  }
  std::lock_guard lock(write_mutex_);
  check_opening();
  const ViewPointer now = this->view();
  auto next = std::make_shared<View>(*now);
  for (SegmentPart& part : next->segments) {
    if (part.segment != segment) continue;
    part.payload = segment->payload_index(now->config->payload_schema, now->state.version);
    if (!part.payload) break;
    part.changed = {};
    Truth::Batch batch(*now->truth);
    now->truth->for_marks(part.info.row_begin, part.info.row_end, [&](const Truth::Mark& mark) {
      if (mark.dead) return;
      if (mark.version <= part.payload->version()) {
        // It says nothing any more: the indexes of before are gone for good.
        batch.unmark_changed(mark.row);
      } else if (const std::optional<uint32_t> place = segment->find(mark.row)) {
        part.changed.add(*place);
      }
    });
    failed_ = true;
    now->truth->write(batch, false);
  }
  publish(std::move(next));
  failed_ = false;
}

}  // namespace sextant::store
