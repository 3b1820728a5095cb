// store/testing_chance.h: points, operations and requests by chance, for the model (testing_model.h): few ids, few keys
// and values that are often equal, so that they meet.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "store/payload/testing_payloads.h"
#include "store/testing_plain_points.h"

namespace sextant::store::testing_model {

using testing_payloads::chance;

// What is drawn by chance: points, operations, requests.
class Chance {
 public:
  explicit Chance(uint64_t seed) : random(seed) {}
  base::Random random;

  StoreConfig config() {
    StoreConfig out;
    const auto add = [&](std::string name, VectorKind kind, size_t dim, Metric metric) -> VectorConfig& {
      VectorConfig& vector = out.vectors.emplace_back();
      vector.name = std::move(name);
      vector.slot = out.next_slot++;
      vector.kind = kind;
      vector.dim = dim;
      vector.metric = metric;
      vector.degree = 8;
      vector.build_breadth = 20;
      return vector;
    };
    add("", VectorKind::dense, 4, Metric::l2);
    VectorConfig& image = add("image", VectorKind::dense, 6, Metric::cosine);
    if (chance(random, 2)) image.index = IndexKind::flat;
    if (chance(random, 2)) image.codes = CodeKind::sq8;
    add("tokens", VectorKind::multi, 3, chance(random, 2) ? Metric::dot : Metric::cosine);
    add("words", VectorKind::sparse, 0, Metric::dot);
    constexpr size_t kTails[] = {8, 32, 100};
    out.tail_rows_max = kTails[random.below(3)];
    out.durability = chance(random, 4) ? Durability::sync : Durability::periodic;
    if (chance(random, 3)) out.ttl_seconds = 40;
    if (chance(random, 2)) out.payload_schema = parse_payload_schema(testing_payloads::any_schema(random));
    return out;
  }

  // Half of them small integers, which are often as near as others.
  std::vector<float> components(size_t count, size_t dim) {
    std::vector<float> out(count);
    const bool integers = chance(random, 2);
    for (float& value : out) {
      value = integers ? static_cast<float>(random.below(5)) - 2 : static_cast<float>(random.normal());
    }
    // No vector without a direction.
    for (size_t i = 0; i < count && dim > 0; i += dim) {
      if (out[i] == 0) out[i] = 1;
    }
    return out;
  }
  VectorValue value(const VectorConfig& config) {
    if (config.kind == VectorKind::dense) return {components(config.dim, config.dim), {}};
    if (config.kind == VectorKind::multi) {
      return {components(config.dim * (1 + random.below(3)), config.dim), {}};
    }
    VectorValue out;
    for (uint32_t index = 0; index < 12; ++index) {
      if (chance(random, 3)) out.indices.push_back(chance(random, 40) ? index + 4'000'000'000u : index);
    }
    std::sort(out.indices.begin(), out.indices.end());
    out.values = components(out.indices.size(), 0);
    return out;
  }
  NamedVectors vectors(const StoreConfig& config) {
    NamedVectors out;
    for (const VectorConfig& vector : config.vectors) {
      if (!chance(random, 3)) out.emplace_back(vector.name, value(vector));
    }
    random.shuffle(out);
    return out;
  }

  PointId id() {
    const uint64_t number = random.below(240);
    if (number >= 40) return PointId::of(number - 40);
    return number == 0 ? *PointId::read_uuid(testing_payloads::kUuids[0]) : PointId::of_uuid(number % 3, number);
  }
  std::vector<PointId> ids() {
    std::vector<PointId> out;
    for (uint64_t i = 1 + random.below(5); i > 0; --i) out.push_back(id());
    return out;
  }
  Point point(const StoreConfig& config, uint64_t now_ms) {
    Point out;
    out.id = id();
    out.vectors = vectors(config);
    out.payload = testing_payloads::any_payload(random);
    if (chance(random, 8)) out.expires_ms = now_ms - 20 + random.below(20'000);
    return out;
  }

  UpsertPoints upsert(const PlainPoints& plain, uint64_t now_ms) {
    UpsertPoints out;
    for (uint64_t i = 1 + random.below(6); i > 0; --i) out.points.push_back(point(plain.config(), now_ms));
    constexpr WriteMode kModes[] = {WriteMode::upsert, WriteMode::upsert, WriteMode::insert, WriteMode::update};
    out.mode = kModes[random.below(4)];
    if (chance(random, 6)) {
      const PlainPoint* there = plain.find(out.points.front().id);
      out.expected_version = there == nullptr ? 0 : there->version + random.below(2);
      if (!chance(random, 3)) out.points.resize(1);
    }
    if (chance(random, 6)) out.remove = ids();
    return out;
  }
  UpdateVectors update_vectors(const PlainPoints& plain) {
    UpdateVectors out;
    for (const PointId& id : ids()) out.points.push_back({id, vectors(plain.config()), {}, 0});
    return out;
  }
  DeleteVectors delete_vectors(const PlainPoints& plain) {
    DeleteVectors out{ids(), {}};
    for (const VectorConfig& vector : plain.config().vectors) {
      if (chance(random, 3)) out.names.push_back(vector.name);
    }
    return out;
  }
  ChangePayload change_payload() {
    constexpr std::array<std::string_view, 6> kKeys = {"", "o", "l[]", "l[0]", "o.o", "x"};
    constexpr std::array<std::string_view, 8> kGone = {"s", "n", "l[].s", "l[0]", "o.s", "o", "l", "none"};
    ChangePayload out;
    out.ids = ids();
    switch (random.below(6)) {
      case 0:
        out.change = PayloadChange::clear;
        break;
      case 1:
        out.change = PayloadChange::remove;
        for (uint64_t i = random.below(4); i > 0; --i) out.keys.emplace_back(kGone[random.below(kGone.size())]);
        break;
      case 2:
        out.change = PayloadChange::overwrite;
        out.payload = testing_payloads::any_payload(random);
        break;
      default:
        out.change = PayloadChange::merge;
        out.payload = testing_payloads::any_object(random, 1);
        out.key = kKeys[random.below(kKeys.size())];
    }
    return out;
  }
  Operation operation(const PlainPoints& plain, uint64_t now_ms) {
    const uint64_t what = random.below(100);
    if (what < 55) return upsert(plain, now_ms);
    if (what < 67) return update_vectors(plain);
    if (what < 74) return delete_vectors(plain);
    if (what < 90) return change_payload();
    return DeletePoints{ids()};
  }

  Filter filter() { return parse_filter(testing_payloads::any_filter(random, 2)); }
  std::optional<Filter> maybe_filter() { return chance(random, 3) ? std::nullopt : std::optional(filter()); }
  KeyPath path() { return KeyPath::parse(testing_payloads::any_path(random)); }
  Fields fields(const StoreConfig& config) {
    Fields out;
    out.payload = !chance(random, 4);
    out.all_vectors = chance(random, 3);
    for (const VectorConfig& vector : config.vectors) {
      if (chance(random, 4)) out.vectors.push_back(vector.name);
    }
    return out;
  }
};

}  // namespace sextant::store::testing_model
