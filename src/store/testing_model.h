// store/testing_model.h: random steps on a collection and on a plain map (testing_plain_points.h), and a complaint
// where the two do not say the same.
//
//   run_model({.steps = 20'000, .seed = 1, .folder = folder})   "" or what was wrong, with the world's seed and step
//
// The steps are cut into worlds: each begins with an empty collection of another configuration. Everything is by chance
// and follows from the seed, but for what the background does meanwhile, which must not show.
#pragma once

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "store/snapshot.h"
#include "store/testing_chance.h"
#include "store/testing_points.h"

namespace sextant::store::testing_model {

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline std::string shown(const StoredPoint& point) {
  std::string out =
      fmt::format("{} version {} expires {} {}", point.id.text(), point.version, point.expires_ms, point.payload);
  for (const auto& [name, value] : point.vectors) out += fmt::format(" '{}' of {}", name, value.values.size());
  return out;
}

// One collection and its map.
class World {
 public:
  World(uint64_t seed, std::filesystem::path folder)
      : chance_(seed), folder_(std::move(folder)), plain_(chance_.config()) {
    base::make_folders(folder_);
    path_ = folder_ / "points_0";
    PointStore::create(path_, plain_.config(), testing_resources());
    open();
  }
  ~World() {
    store_.reset();
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  void step() {
    const uint64_t what = random().below(1000);
    plain_.forget_expired(now_ms_);
    if (what < 560) {
      write();
    } else if (what < 590) {
      write_where();
    } else if (what < 600) {
      refuse();
    } else if (what < 640) {
      now_ms_ += random().below(3000);
    } else if (what < 980) {
      read(what);
    } else if (what < 984) {
      index_field();
    } else if (what < 988) {
      call_ = "flush";
      store_->flush();
      is_damaged_ = false;
      compare_all();
    } else if (random().below(3) == 0) {
      rare();
      plain_.forget_expired(now_ms_);
      compare_all();
    }
  }

  // Whatever can be read of it.
  void compare_all() {
    plain_.forget_expired(now_ms_);
    std::optional<PointId> from;
    auto expected = plain_.points().begin();
    const Fields all{.all_vectors = true};
    do {
      const ScrollAnswer page = store_->scroll({.from = from, .limit = 64, .fields = all});
      for (const StoredPoint& point : page.points) {
        if (expected == plain_.points().end()) fail("scroll: {} too many", shown(point));
        expect_same("scroll", point, plain_.stored(expected->first, all));
        ++expected;
      }
      from = page.next;
    } while (from);
    if (expected != plain_.points().end()) fail("scroll: {} is missing", expected->first.text());
    expect_equal("count()", store_->count(), plain_.points().size());
    const StoreInfo info = store_->info();
    expect_equal("info().points", info.points, plain_.points().size());
    if (!info.last_error.empty()) fail("the background: {}", info.last_error);
    for (const VectorConfig& vector : plain_.config().vectors) search(vector, std::nullopt);
  }

  const std::string& call() const { return call_; }

 private:
  base::Random& random() { return chance_.random; }

  template <class... Values>
  [[noreturn]] void fail(fmt::format_string<Values...> format, Values&&... values) const {
    throw Mismatch(fmt::format(format, std::forward<Values>(values)...));
  }
  template <class A, class B>
  void expect_equal(const char* what, const A& found, const B& expected) const {
    if (found != expected) fail("{} is {}, expected {}", what, found, expected);
  }
  void expect_same(const char* what, const StoredPoint& found, const StoredPoint& expected) const {
    const bool same = found.id == expected.id && found.version == expected.version &&
                      found.expires_ms == expected.expires_ms && found.vectors == expected.vectors &&
                      found.payload == expected.payload;
    if (!same) fail("{}: {}, expected {}", what, shown(found), shown(expected));
  }

  void open() {
    StoreOptions options;
    options.threads = 1;
    options.background = chance(random(), 3);
    options.changed_rows_max = chance(random(), 2) ? 0 : 1000;
    options.now_ms = [this] { return now_ms_.load(); };
    store_.reset();
    store_ = std::make_unique<PointStore>(path_, testing_resources(), options);
  }

  void expect_written(const Written& found, const Written& expected) {
    expect_equal("inserted", found.inserted, expected.inserted);
    expect_equal("updated", found.updated, expected.updated);
    expect_equal("removed", found.removed, expected.removed);
    expect_equal("missing", found.missing, expected.missing);
    if (found.version <= version_) fail("version {} after {}", found.version, version_);
    version_ = found.version;
  }

  void write() {
    const Operation operation = chance_.operation(plain_, now_ms_);
    call_ = fmt::format("write of kind {}", operation.index());
    const auto* upsert = std::get_if<UpsertPoints>(&operation);
    const bool accepts = upsert == nullptr || plain_.accepts(*upsert);
    try {
      const Written written = store_->write(operation);
      if (!accepts) fail("it was done, although a version is not the expected one");
      expect_written(written, plain_.apply(operation, written.version, now_ms_));
    } catch (const Error& error) {
      if (accepts || error.code() != ErrorCode::invalid_argument) throw;
    }
    if (chance(random(), 4)) {
      plain_.forget_expired(now_ms_);
      expect_equal("count()", store_->count(), plain_.points().size());
    }
  }

  void write_where() {
    // Not everything each time.
    const Filter filter = parse_filter(fmt::format(R"({{"must":[{{"slice":{{"index":{},"total":6}}}},{}]}})",
                                                   random().below(6), testing_payloads::any_filter(random(), 1)));
    Operation operation;
    switch (random().below(3)) {
      case 0:
        operation = DeletePoints{};
        break;
      case 1:
        operation = chance_.delete_vectors(plain_);
        break;
      default:
        operation = chance_.change_payload();
    }
    const auto set_ids = [&](std::vector<PointId> ids) {
      std::visit(
          [&](auto& one) {
            if constexpr (requires { one.ids; }) one.ids = std::move(ids);
          },
          operation);
    };
    call_ = fmt::format("write_where {} of kind {}", filter_json(filter), operation.index());
    set_ids({});
    const Written written = store_->write_where(filter, operation);
    set_ids(plain_.matching(filter));
    expect_written(written, plain_.apply(operation, written.version, now_ms_));
  }

  // Operations with something wrong in them, after something that is right.
  void refuse() {
    Operation operation;
    UpsertPoints upsert = chance_.upsert(plain_, now_ms_);
    upsert.expected_version.reset();
    Point bad = chance_.point(plain_.config(), now_ms_);
    switch (random().below(5)) {
      case 0:
        bad.vectors = {{"", {{1, 2, 3}, {}}}};
        break;
      case 1:
        bad.payload = "[1]";
        break;
      case 2:
        bad.vectors = {{"no such vector", {{1, 2, 3, 4}, {}}}};
        break;
      case 3:
        bad.vectors = {{"words", {{1, 2}, {7, 7}}}};
        break;
      default:
        bad.vectors = {{"", {{1, 2, 3, 4}, {}}}, {"", {{1, 2, 3, 4}, {}}}};
    }
    upsert.points.push_back(bad);
    operation = upsert;
    if (chance(random(), 4)) operation = ChangePayload{chance_.ids(), PayloadChange::merge, "{}", "a..b", {}};
    call_ = "a write that is to be refused";
    try {
      store_->write(operation);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::not_found) return compare_all();
      throw;
    }
    fail("it was done");
  }

  void read(uint64_t what) {
    const Fields fields = chance_.fields(plain_.config());
    const std::optional<Filter> filter = chance_.maybe_filter();
    const std::string with = filter ? filter_json(*filter) : "no filter";
    if (what < 740) {
      const auto& vectors = plain_.config().vectors;
      search(vectors[random().below(vectors.size())], filter);
    } else if (what < 790) {
      call_ = "get";
      const std::vector<PointId> ids = chance_.ids();
      const auto found = store_->get(ids, fields);
      expect_equal("points", found.size(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        if (found[i].has_value() != (plain_.find(ids[i]) != nullptr)) fail("{} is there or not", ids[i].text());
        if (found[i]) expect_same("get", *found[i], plain_.stored(ids[i], fields));
      }
    } else if (what < 840) {
      call_ = "scroll with " + with;
      scroll(filter, fields);
    } else if (what < 890) {
      call_ = "count with " + with;
      expect_equal("count", store_->count(filter.value_or(Filter())),
                   plain_.matching(filter.value_or(Filter())).size());
    } else if (what < 920) {
      facet(filter);
    } else if (what < 950) {
      ordered(filter, fields);
    } else {
      sample(filter, fields);
    }
  }

  void scroll(const std::optional<Filter>& filter, const Fields& fields) {
    ScrollRequest request{.limit = 1 + random().below(40), .filter = filter, .fields = fields};
    if (chance(random(), 2)) request.from = chance_.id();
    std::vector<PointId> expected = plain_.matching(filter.value_or(Filter()));
    if (request.from) std::erase_if(expected, [&](const PointId& id) { return id < *request.from; });
    std::optional<PointId> next;
    if (expected.size() > request.limit) next = expected[request.limit];
    expected.resize(std::min(expected.size(), request.limit));
    const ScrollAnswer page = store_->scroll(request);
    expect_equal("points", page.points.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      expect_same("scroll", page.points[i], plain_.stored(expected[i], fields));
    }
    if (page.next != next) fail("next is not the point after the last");
  }

  void facet(const std::optional<Filter>& filter) {
    const KeyPath path = chance_.path();
    const size_t limit = chance(random(), 2) ? 1000 : 1 + random().below(4);
    call_ = fmt::format("facet {} with {}", path.text(), filter ? filter_json(*filter) : "no filter");
    std::optional<std::vector<FacetCount>> expected, found;
    const auto ask = [](auto& out, const auto& counts) {
      try {
        out = counts();
      } catch (const Error& error) {
        if (error.code() != ErrorCode::invalid_argument) throw;
      }
    };
    ask(expected, [&] { return plain_.facet(path, filter, limit); });
    ask(found, [&] { return store_->facet(path, filter, limit); });
    if (found != expected) fail("{} values, expected {}, or other ones", found ? found->size() : 0, expected->size());
  }

  void ordered(const std::optional<Filter>& filter, const Fields& fields) {
    OrderRequest request{.key = chance_.path(), .descending = chance(random(), 2), .limit = 1 + random().below(20)};
    request.filter = filter;
    request.fields = fields;
    if (chance(random(), 2)) {
      const auto start = static_cast<int64_t>(random().below(4)) - 1;
      request.start_from = chance(random(), 2) ? OrderValue(start) : OrderValue(static_cast<double>(start) + 0.5);
    }
    call_ = fmt::format("ordered by {} with {}", request.key.text(), filter ? filter_json(*filter) : "no filter");
    const auto expected = plain_.ordered(request);
    std::vector<OrderedPoint> found;
    try {
      found = store_->ordered(request);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument || expected) throw;
      return;
    }
    if (!expected) fail("points were ordered by what orders nothing");
    expect_equal("points", found.size(), expected->size());
    for (size_t i = 0; i < found.size(); ++i) {
      expect_same("ordered", found[i].point, plain_.stored((*expected)[i].second, fields));
      if (found[i].value != (*expected)[i].first) fail("point {} has another value", found[i].point.id.text());
    }
  }

  void sample(const std::optional<Filter>& filter, const Fields& fields) {
    const size_t limit = random().below(30);
    call_ = fmt::format("sample of {} with {}", limit, filter ? filter_json(*filter) : "no filter");
    const std::vector<PointId> all = plain_.matching(filter.value_or(Filter()));
    std::vector<StoredPoint> found = store_->sample(limit, filter, random().next(), fields);
    expect_equal("points", found.size(), std::min(limit, all.size()));
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (size_t i = 0; i < found.size(); ++i) {
      if (!std::binary_search(all.begin(), all.end(), found[i].id)) fail("{} is not to be found", found[i].id.text());
      if (i > 0 && found[i].id == found[i - 1].id) fail("{} is there twice", found[i].id.text());
      expect_same("sample", found[i], plain_.stored(found[i].id, fields));
    }
  }

  void search(const VectorConfig& vector, const std::optional<Filter>& filter) {
    constexpr double kTolerance = 1e-4;
    SearchRequest request;
    request.vector = vector.name;
    request.query = chance_.value(vector);
    request.limit = chance(random(), 8) ? 1000 : 1 + random().below(12);
    request.exact = !chance(random(), 4);
    request.filter = filter;
    request.fields = chance_.fields(plain_.config());
    if (chance(random(), 4)) request.score_threshold = static_cast<float>(random().normal() * 2);
    call_ =
        fmt::format("search of '{}' limit {}, exact {}, threshold {} with {}", vector.name, request.limit,
                    request.exact, request.score_threshold.value_or(0), filter ? filter_json(*filter) : "no filter");
    const bool higher = higher_is_nearer(vector.metric);
    std::vector<PlainPoints::Scored> all = plain_.search(vector.name, request.query, filter);
    // Single precision does not say on which side of the threshold such a score is.
    const auto is_near = [&](const auto& one) {
      return vector.kind != VectorKind::sparse && request.score_threshold &&
             std::abs(one.score - *request.score_threshold) < kTolerance;
    };
    if (std::any_of(all.begin(), all.end(), is_near)) request.score_threshold.reset();
    const auto is_good = [&](double score) {
      return !request.score_threshold ||
             (higher ? score >= *request.score_threshold : score <= *request.score_threshold);
    };
    const SearchAnswer answer = store_->search(request);
    const size_t good =
        static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const auto& one) { return is_good(one.score); }));
    // Where it need not find the nearest it may find fewer that are good enough, but never fewer in all.
    if (request.exact || !request.score_threshold) {
      expect_equal("points", answer.points.size(), std::min(request.limit, good));
    }
    std::map<PointId, double> scores;
    for (const auto& one : all) scores.emplace(one.id, one.score);
    for (size_t i = 0; i < answer.points.size(); ++i) {
      const FoundPoint& found = answer.points[i];
      const auto its = scores.find(found.point.id);
      if (its == scores.end()) fail("{} is not to be found, or there twice", found.point.id.text());
      const double bound = kTolerance * (1 + std::abs(its->second));
      if (!is_good(its->second)) fail("{} has score {}", found.point.id.text(), its->second);
      if (std::abs(its->second - found.score) > bound) {
        fail("{} has score {}, expected {}", found.point.id.text(), found.score, its->second);
      }
      if (request.exact && std::abs(its->second - all[i].score) > bound) {
        fail("the {}. is {} at {}, expected {} at {}", i + 1, found.point.id.text(), its->second, all[i].id.text(),
             all[i].score);
      }
      if (vector.kind == VectorKind::sparse && (found.point.id != all[i].id || found.score != all[i].score)) {
        fail("the {}. is {}, expected {}", i + 1, found.point.id.text(), all[i].id.text());
      }
      const bool follows =
          i == 0 || found.score != answer.points[i - 1].score || answer.points[i - 1].point.id < found.point.id;
      if (!follows) fail("{} comes after a greater id with the same score", found.point.id.text());
      expect_same("search", found.point, plain_.stored(found.point.id, request.fields));
      scores.erase(its);
    }
  }

  void index_field() {
    const KeyPath path = KeyPath::parse(testing_payloads::any_path(random()));
    PayloadSchema& schema = plain_.payload_schema();
    if (chance(random(), 3)) {
      call_ = "no index on " + path.text();
      const bool there = schema.remove(path);
      try {
        store_->set_payload_field(path, std::nullopt);
        if (!there) fail("there was one");
      } catch (const Error& error) {
        if (there || error.code() != ErrorCode::not_found) throw;
      }
      return;
    }
    const auto some = parse_payload_schema(testing_payloads::any_schema(random()));
    const FieldSchema* field = some.find(path.text());
    if (field == nullptr) return;
    call_ = fmt::format("index {} as {}", path.text(), field_schema_json(*field));
    schema.set(path, *field);
    store_->set_payload_field(path, *field);
  }

  void rare() {
    switch (random().below(8)) {
      case 0:
        call_ = "rebuild";
        store_->rebuild();
        is_damaged_ = false;
        break;
      case 1:
        call_ = "compact";
        store_->compact();
        is_damaged_ = false;
        break;
      case 2:
        snapshot();
        break;
      case 3: {
        call_ = "verify";
        const std::vector<std::string> found = store_->verify();
        if (!found.empty() && !is_damaged_) fail("{}", found.front());
        break;
      }
      case 4:
        call_ = "opening it with a file of a segment gone or torn";
        store_.reset();
        damage();
        open();
        break;
      default:
        call_ = "opening it again";
        open();
    }
  }

  // Goes on with what a snapshot gives back.
  void snapshot() {
    call_ = "snapshot";
    const auto file = folder_ / "snapshot";
    const auto next = folder_ / fmt::format("points_{}", ++snapshots_);
    const SnapshotReport written = store_->snapshot(file);
    expect_equal("points in it", written.points, store_->count());
    call_ = "restoring it";
    base::make_folders(next / "segments");
    restore_snapshot(file, next / "truth");
    store_.reset();
    std::filesystem::remove_all(path_);
    std::filesystem::remove(file);
    path_ = next;
    is_damaged_ = true;  // a snapshot has no segments
    open();
  }

  void damage() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ / "segments")) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    if (files.empty()) return;
    std::sort(files.begin(), files.end());
    const std::filesystem::path& file = files[random().below(files.size())];
    is_damaged_ = true;
    if (chance(random(), 2)) {
      std::filesystem::remove(file);
    } else {
      std::filesystem::resize_file(file, random().below(std::filesystem::file_size(file)));
    }
  }

  Chance chance_;
  std::filesystem::path folder_, path_;
  PlainPoints plain_;
  std::atomic<uint64_t> now_ms_ = 1'000'000;
  uint64_t version_ = 0, snapshots_ = 0;
  bool is_damaged_ = false;
  std::string call_;
  std::unique_ptr<PointStore> store_;
};

struct ModelRun {
  uint64_t steps = 0;
  uint64_t seed = 0;
  std::filesystem::path folder;
  uint64_t steps_a_world = 4000;
  // Called after each world, with the steps that are done.
  std::function<void(uint64_t)> progress = {};
};

inline std::string run_model(const ModelRun& run) {
  for (uint64_t done = 0, world_number = 0; done < run.steps; ++world_number) {
    const uint64_t seed = run.seed + world_number;
    std::string call = "making it";
    const auto end = std::min(run.steps, done + run.steps_a_world);
    uint64_t step = 0;
    try {
      World world(seed, run.folder / fmt::format("world_{}", seed));
      for (; done < end; ++done, ++step) {
        try {
          world.step();
          if (done + 1 == end) world.compare_all();
        } catch (const std::exception&) {
          call = world.call();
          throw;
        }
      }
    } catch (const std::exception& error) {
      return fmt::format("seed {}, step {}: {}: {}", seed, step, call, error.what());
    }
    if (run.progress) run.progress(done);
  }
  return {};
}

}  // namespace sextant::store::testing_model
