// Pages of a collection, whichever way the points of a filter are looked for.
#include <gmock/gmock.h>

#include <functional>
#include <map>

#include "store/testing_points.h"

namespace sextant::store {
namespace {

constexpr uint64_t kScrolled = 3000;

struct Numbers {
  int thousandth, third, plain;
};

// In a segment and two tails; "plain" has no index. Ids do not lie in the order in which they were written.
struct ScrolledStore : TestingStore {
  ScrolledStore() : TestingStore(testing_config(2, 512)) {
    store->set_payload_field(KeyPath::parse("thousandth"), parse_field_schema(R"("integer")"));
    store->set_payload_field(KeyPath::parse("third"), parse_field_schema(R"("integer")"));
    UpsertPoints some;
    for (uint64_t n = 0; n < kScrolled; ++n) {
      const uint64_t id = n * 7919 % kScrolled;
      points[id] = {static_cast<int>(n % 1000), static_cast<int>(n % 3), static_cast<int>(n % 500)};
      some.points.push_back(testing_point(id, {static_cast<float>(n), 0}, payload(points[id])));
      if (some.points.size() < 100) continue;
      store->write(some);
      some.points.clear();
      if (n == 2399) store->flush();
    }
    // What an index has not seen, of its segment and of the newest rows.
    for (const uint64_t n : {7, 2900}) {
      Numbers& numbers = points.at(n * 7919 % kScrolled);
      numbers = {3, 5, -1};
      store->write(ChangePayload{{PointId::of(n * 7919 % kScrolled)}, PayloadChange::merge, payload(numbers), "", {}});
    }
    store->write(DeletePoints{{PointId::of(3 * 7919 % kScrolled)}, {}});
    points.erase(3 * 7919 % kScrolled);
  }
  static std::string payload(const Numbers& of) {
    return fmt::format(R"({{"thousandth":{},"third":{},"plain":{}}})", of.thousandth, of.third, of.plain);
  }

  // All that match, page by page; each page but the last is full, and the next one begins where it said.
  std::vector<uint64_t> pages(const Filter& filter, size_t limit) const {
    std::vector<uint64_t> ids;
    ScrollRequest request{.limit = limit, .filter = filter};
    for (;;) {
      const ScrollAnswer page = store->scroll(request);
      for (const StoredPoint& point : page.points) ids.push_back(point.id.number());
      if (!page.next) return ids;
      EXPECT_EQ(page.points.size(), limit);
      if (page.points.empty()) return ids;
      EXPECT_LT(page.points.back().id, *page.next);
      request.from = page.next;
    }
  }
  std::map<uint64_t, Numbers> points;
};

TEST(Scrolling, FindsThePointsOfAFilterPageByPageWhateverIndexesSay) {
  ScrolledStore store;
  struct Case {
    const char* filter;
    std::function<bool(const Numbers&)> matches;
    size_t about;
  };
  const Case cases[] = {
      {R"({"must":{"key":"thousandth","match":{"value":3}}})", [](const Numbers& of) { return of.thousandth == 3; }, 4},
      {R"({"must":{"key":"third","match":{"value":1}}})", [](const Numbers& of) { return of.third == 1; }, 999},
      {R"({"must":{"key":"plain","match":{"value":9}}})", [](const Numbers& of) { return of.plain == 9; }, 6},
      {R"({"must":[{"key":"third","match":{"value":1}},{"key":"plain","range":{"lt":5}}]})",
       [](const Numbers& of) { return of.third == 1 && of.plain < 5; }, 10},
      {R"({"should":[{"key":"thousandth","range":{"gte":990}},{"key":"plain","match":{"value":-1}}]})",
       [](const Numbers& of) { return of.thousandth >= 990 || of.plain == -1; }, 32},
      {R"({"must":{"key":"thousandth","match":{"value":-5}}})", [](const Numbers&) { return false; }, 0},
  };
  const auto hold = [&] {
    for (const Case& one : cases) {
      SCOPED_TRACE(one.filter);
      std::vector<uint64_t> expected;
      for (const auto& [id, numbers] : store.points) {
        if (one.matches(numbers)) expected.push_back(id);
      }
      EXPECT_NEAR(static_cast<double>(expected.size()), static_cast<double>(one.about), 2.0);
      const Filter filter = parse_filter(one.filter);
      for (const size_t limit : {1, 2, 7, 100, 5000}) EXPECT_EQ(store.pages(filter, limit), expected) << limit;
      EXPECT_EQ(store->count(filter), expected.size());
      const ScrollAnswer none = store->scroll({.limit = 0, .filter = filter});
      EXPECT_TRUE(none.points.empty());
      EXPECT_EQ(none.next.has_value(), !expected.empty());
    }
  };
  hold();
  {
    SCOPED_TRACE("with a damaged segment");
    store.store.reset();
    for (const auto& entry : std::filesystem::directory_iterator(store.path() / "segments")) {
      std::filesystem::resize_file(entry.path() / "rows", 16);
    }
    store.open();
    ASSERT_EQ(store->view()->segments.at(0).segment, nullptr);
    hold();
  }
}

}  // namespace
}  // namespace sextant::store
