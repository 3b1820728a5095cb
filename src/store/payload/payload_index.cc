#include "store/payload/payload_index.h"

#include <fmt/format.h>

#include "sextant/error.h"
#include "store/payload/filter_bounds.h"
#include "store/payload/order_values.h"

namespace sextant::store {

struct PayloadIndex::Impl {
  explicit Impl(const std::filesystem::path& path) : file(path, kPayloadIndexKind, kPayloadIndexVersion) {
    head = file.get<IndexHead>("head", 1)[0];
    if (head.rows > UINT32_MAX) file.fail(fmt::format("it has {} rows, at most {} expected", head.rows, UINT32_MAX));
    if (head.fields > PayloadSchema::kFieldsMax) file.fail(fmt::format("it has {} fields", head.fields));
    try {
      schema = parse_payload_schema(base::text_of(file.get("schema")));
    } catch (const Error& error) {
      file.fail(fmt::format("its schema is none: {}", error.what()));
    }
    if (schema.fields().size() != head.fields) {
      file.fail(fmt::format("its schema has {} fields, its head says {}", schema.fields().size(), head.fields));
    }
    const std::span<const FieldHead> heads = file.get<FieldHead>("fields", head.fields);
    fields.reserve(head.fields);
    for (const auto& [path_text, field_schema] : schema.fields()) {
      const size_t number = fields.size();
      fields.emplace_back(file, number, static_cast<uint32_t>(head.rows), heads[number], field_schema);
      by_path[path_text] = number;
    }
  }

  index::SectionFile file;
  IndexHead head{};
  PayloadSchema schema;
  std::vector<FieldIndex> fields;
  std::map<std::string, size_t> by_path;
};

PayloadIndex::PayloadIndex() = default;
PayloadIndex::PayloadIndex(PayloadIndex&&) noexcept = default;
PayloadIndex& PayloadIndex::operator=(PayloadIndex&&) noexcept = default;
PayloadIndex::~PayloadIndex() = default;

PayloadIndex PayloadIndex::open(const std::filesystem::path& path) {
  PayloadIndex out;
  out.impl_ = std::make_unique<Impl>(path);
  return out;
}

void PayloadIndex::verify() const { impl_->file.verify(); }
uint32_t PayloadIndex::rows() const { return static_cast<uint32_t>(impl_->head.rows); }
uint64_t PayloadIndex::version() const { return impl_->head.version; }
const PayloadSchema& PayloadIndex::schema() const { return impl_->schema; }

const FieldIndex* PayloadIndex::field(const std::string& path) const {
  const auto found = impl_->by_path.find(path);
  return found == impl_->by_path.end() ? nullptr : &impl_->fields[found->second];
}

std::optional<FieldStatistics> PayloadIndex::statistics(const std::string& path) const {
  const FieldIndex* found = field(path);
  if (found == nullptr) return std::nullopt;
  return FieldStatistics{found->set(FieldSet::indexed).count(), found->distinct()};
}

RowBounds PayloadIndex::evaluate(const Filter& filter, const RowSet& all, const SegmentPoints& points) const {
  return evaluate_filter(*this, filter, all, points);
}

void PayloadIndex::order_by(const KeyPath& path, const OrderOptions& options, const RowSet& within,
                            const std::function<bool(const OrderValue&, uint32_t)>& visit) const {
  const FieldIndex* found = field(path.text());
  check_order(path, found == nullptr ? nullptr : &found->schema());
  found->order(options, within, visit);
}

}  // namespace sextant::store
