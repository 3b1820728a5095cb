// A collection as the first version writes it: every later one must read tests/fixtures/collection-v1.snapshot.
#include <gmock/gmock.h>

#include <cstring>

#include "base/hash.h"
#include "index/section_file.h"
#include "sextant/error.h"
#include "store/database.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kFixturePoints = 60;
constexpr uint64_t kFixtureExpires = 32'503'680'000'000;  // the year 3000
const std::filesystem::path kFixture =
    std::filesystem::path(SEXTANT_SOURCE_DIR) / "tests" / "fixtures" / "collection-v1.snapshot";

StoreConfig fixture_config() {
  StoreConfig config = testing_config(3, 32);
  const auto add = [&](const char* name, VectorKind kind, size_t dim, Metric metric, ElementType type) {
    VectorConfig& vector = config.vectors.emplace_back();
    vector.name = name;
    vector.slot = config.next_slot++;
    vector.kind = kind;
    vector.dim = dim;
    vector.metric = metric;
    vector.type = type;
  };
  add("half", VectorKind::dense, 2, Metric::cosine, ElementType::float16);
  add("bits", VectorKind::dense, 12, Metric::hamming, ElementType::bit);
  add("bytes", VectorKind::dense, 3, Metric::dot, ElementType::int8);
  add("tokens", VectorKind::multi, 2, Metric::dot, ElementType::float32);
  add("words", VectorKind::sparse, 0, Metric::dot, ElementType::float32);
  config.vectors[2].index = IndexKind::flat;
  config.vectors[3].codes = CodeKind::sq8;
  config.vectors[3].degree = 12;
  config.vectors[3].build_breadth = 77;
  config.payload_schema = parse_payload_schema(
      R"({"n":"integer","color":"keyword","seen":"datetime","place":"geo","text":{"type":"text","lowercase":true}})");
  config.durability = Durability::sync;
  config.metadata = R"({"model":"builtin","made_by":"version 1"})";
  return config;
}

// Numbers, and every fifth a UUID.
PointId fixture_id(uint64_t n) { return n % 5 == 4 ? PointId::of_uuid(0x0123456789abcdef, n) : PointId::of(n); }

Point fixture_point(uint64_t n) {
  const auto x = static_cast<float>(n);
  Point point;
  point.id = fixture_id(n);
  point.vectors.push_back({"", {{x, 1, -x}, {}}});
  if (n % 2 == 0) point.vectors.push_back({"half", {{1, x / 64}, {}}});
  if (n % 3 == 0) {
    VectorValue bits;
    for (uint64_t d = 0; d < 12; ++d) bits.values.push_back(static_cast<float>(n >> d & 1));
    point.vectors.push_back({"bits", bits});
    point.vectors.push_back({"bytes", {{x - 30, 1, 2}, {}}});
  }
  if (n % 4 == 0) point.vectors.push_back({"tokens", {{x, 0, 0, 1, -1, -1}, {}}});
  if (n % 4 != 0) point.vectors.push_back({"words", {{1, x, 0.5f}, {3, 7 + static_cast<uint32_t>(n), 4'000'000'000u}}});
  constexpr const char* kColors[] = {"red", "green", "grün"};
  point.payload = fmt::format(
      R"({{"n":{},"color":["{}"],"seen":"2020-01-{:02}T00:00:00Z","place":{{"lon":{},"lat":1}},"text":"Number {}"}})",
      n, kColors[n % 3], n % 28 + 1, n, n);
  if (n == 50) point.expires_ms = kFixtureExpires;
  return point;
}

// Segments, newest rows, rows that died and payloads that changed: something of everything.
void write_fixture(PointStore& store) {
  UpsertPoints first;
  for (uint64_t n = 0; n < 40; ++n) first.points.push_back(fixture_point(n));
  store.write(first);
  store.flush();
  store.write(UpsertPoints{{fixture_point(7), fixture_point(8)}});
  store.write(ChangePayload{{fixture_id(9)}, PayloadChange::merge, R"({"changed":true})", "", {}});
  store.write(DeletePoints{{fixture_id(0), fixture_id(4)}});
  store.write(DeleteVectors{{fixture_id(6)}, {"half", "bits"}});
  UpsertPoints second;
  for (uint64_t n = 40; n < kFixturePoints; ++n) second.points.push_back(fixture_point(n));
  store.write(second);
}

// Not a test: how the fixture was written. tests/fixtures/README.md.
TEST(CollectionFixtures, DISABLED_AreWrittenAnew) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {.store = {.background = false}});
  const auto store = database.create("points", fixture_config());
  write_fixture(*store);
  EXPECT_LT(store->snapshot(kFixture).bytes, 200'000u);
}

std::vector<PointId> fixture_search(const PointStore& store, const char* vector, VectorValue query,
                                    const char* filter = "{}") {
  SearchRequest request{.vector = vector, .query = std::move(query), .limit = 3, .exact = true};
  request.filter = parse_filter(filter);
  std::vector<PointId> ids;
  for (const FoundPoint& found : store.search(request).points) ids.push_back(found.point.id);
  return ids;
}

void expect_fixture(const PointStore& store) {
  EXPECT_EQ(store.count(), kFixturePoints - 2);
  for (uint64_t n = 0; n < kFixturePoints; ++n) {
    SCOPED_TRACE(n);
    const auto found = store.get(std::vector{fixture_id(n)}, {.all_vectors = true})[0];
    ASSERT_EQ(found.has_value(), n != 0 && n != 4);
    if (!found) continue;
    Point expected = fixture_point(n);
    if (n == 6) std::erase_if(expected.vectors, [](const auto& v) { return v.first == "half" || v.first == "bits"; });
    if (n == 9) expected.payload.insert(expected.payload.size() - 1, R"(,"changed":true)");
    EXPECT_EQ(found->vectors, expected.vectors);
    EXPECT_EQ(found->payload, expected.payload);
    EXPECT_EQ(found->expires_ms, expected.expires_ms);
    EXPECT_GT(found->version, 0u);
  }
  const auto id = fixture_id;
  EXPECT_THAT(fixture_search(store, "", {{8.2f, 1, -8.2f}, {}}), ElementsAre(id(8), id(9), id(7)));
  EXPECT_THAT(fixture_search(store, "half", {{1, 0}, {}}), ElementsAre(id(2), id(8), id(10)));
  EXPECT_THAT(fixture_search(store, "bits", {{1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, {}}).at(0), id(9));
  EXPECT_THAT(fixture_search(store, "bytes", {{1, 0, 0}, {}}), ElementsAre(id(57), id(54), id(51)));
  EXPECT_THAT(fixture_search(store, "tokens", {{1, 0}, {}}), ElementsAre(id(56), id(52), id(48)));
  EXPECT_THAT(fixture_search(store, "words", {{1}, {4'000'000'000u}}, R"({"must":{"key":"n","range":{"gte":56}}})"),
              ElementsAre(id(57), id(58), id(59)));
  EXPECT_THAT(fixture_search(store, "", {{0, 0, 0}, {}}, R"({"must":{"key":"changed","match":{"value":true}}})"),
              ElementsAre(id(9)));
  const auto count = [&](const char* filter) { return store.count(parse_filter(filter)); };
  EXPECT_EQ(count(R"({"must":{"key":"color","match":{"value":"grün"}}})"), 20u);
  EXPECT_EQ(count(R"({"must":{"key":"seen","range":{"lt":"2020-01-03"}}})"), 5u);
  EXPECT_EQ(count(R"({"must":{"key":"text","match":{"text":"number 12"}}})"), 1u);
  EXPECT_EQ(count(R"({"must":{"key":"place","geo_radius":{"center":{"lon":30,"lat":1},"radius":150000}}})"), 3u);
  EXPECT_EQ(count(R"({"must":{"has_vector":"bits"}})"), 18u);
  const std::vector<FacetCount> colors = store.facet(KeyPath::parse("color"), std::nullopt, 10);
  EXPECT_EQ(colors, (std::vector<FacetCount>{{"grün", 20}, {"green", 19}, {"red", 19}}));
  EXPECT_EQ(store.ordered({.key = KeyPath::parse("n"), .descending = true}).at(0).point.id, id(59));
}

TEST(CollectionFixtures, OfVersionOneAreReadAsTheyWere) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {.store = {.background = false}});
  const SnapshotReport report = database.restore("points", kFixture);
  EXPECT_EQ(report.points, kFixturePoints - 2);
  EXPECT_EQ(report.version, 6u);
  const auto store = database.open("points");
  const StoreConfig& expected = fixture_config();
  EXPECT_EQ(store->config()->vectors, expected.vectors);
  EXPECT_EQ(store->config()->durability, expected.durability);
  EXPECT_EQ(store->config()->ttl_seconds, 0u);
  EXPECT_EQ(store->config()->tail_rows_max, expected.tail_rows_max);
  EXPECT_EQ(store->config()->next_slot, expected.next_slot);
  EXPECT_EQ(store->config()->payload_schema, expected.payload_schema);
  EXPECT_EQ(store->config()->metadata, expected.metadata);
  {
    SCOPED_TRACE("from the truth");
    expect_fixture(*store);
  }
  store->flush();
  {
    SCOPED_TRACE("from segments");
    expect_fixture(*store);
  }
  EXPECT_EQ(store->write(UpsertPoints{{fixture_point(0)}}).version, 7u);
  EXPECT_EQ(store->count(), kFixturePoints - 1);
}

std::string refusal(Database& database, const std::filesystem::path& snapshot) {
  try {
    database.restore("later", snapshot);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_FALSE(database.contains("later"));
    return error.what();
  }
  return "";
}

TEST(CollectionFixtures, OfALaterVersionAreRefused) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {.store = {.background = false}});
  // The file's own version.
  std::string bytes = base::read_file(kFixture);
  const uint32_t later = 2;
  std::memcpy(bytes.data() + 12, &later, sizeof(later));
  uint64_t sections = 0;
  std::memcpy(&sections, bytes.data() + 16, sizeof(sections));
  const size_t head = 32 + sections * 48;
  const uint64_t hash = base::hash64(std::string_view(bytes).substr(0, head));
  std::memcpy(bytes.data() + head, &hash, sizeof(hash));
  const auto path = folder.path() / "later.snapshot";
  base::write_file_atomically(path, bytes);
  EXPECT_THAT(refusal(database, path), AllOf(HasSubstr("later.snapshot"), HasSubstr("version 2")));
  // That of the collection in it.
  const auto truth = folder.path() / "truth";
  restore_snapshot(kFixture, truth);
  {
    Truth open(truth, testing_resources());
    ASSERT_TRUE(open.db().Put({}, "format", "sextant collection 2").ok());
  }
  {
    constexpr uint32_t kKind = 23, kVersion = 1;
    index::SectionFileWriter file(path, kKind, kVersion, 100);
    const std::string about = R"({"format":"sextant snapshot 1","points":58,"version":6})";
    file.add("about", std::span<const char>(about));
    for (const auto& entry : std::filesystem::directory_iterator(truth)) {
      const std::string name = entry.path().filename();
      if (name == "LOCK" || name.starts_with("LOG")) continue;
      file.add(name, std::span<const char>(base::read_file(entry.path())));
    }
    file.commit();
  }
  const auto names_both = AllOf(HasSubstr("'sextant collection 2'"), HasSubstr("'sextant collection 1'"));
  EXPECT_THAT(refusal(database, path), names_both);
  try {
    const Truth open(truth, testing_resources());
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_THAT(error.what(), names_both);
  }
}

}  // namespace
}  // namespace sextant::store
