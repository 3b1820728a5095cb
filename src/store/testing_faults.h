// store/testing_faults.h: a script of operations on a disk that fails, is full, or forgets what was not synced, once at
// each of the disk's own operations, or at every so many of them.
#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <map>
#include <random>

#include "sextant/error.h"
#include "store/database.h"
#include "store/testing_disk.h"
#include "store/testing_points.h"

namespace sextant::store::faults {

constexpr size_t kDim = 4;
constexpr uint64_t kIds = 40;

// What the collection should hold.
struct PlainPoint {
  std::vector<float> vector;
  std::string payload;
  bool operator==(const PlainPoint&) const = default;
};
using PlainPoints = std::map<uint64_t, PlainPoint>;

struct FaultStep {
  std::string what;
  std::optional<Operation> operation;
  std::function<void(PointStore&)> call;  // where there is none
  std::function<void(PlainPoints&)> apply = [](PlainPoints&) {};
};

inline std::vector<FaultStep> script(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<FaultStep> steps;
  auto upsert = [&](size_t count) {
    UpsertPoints points;
    PlainPoints plain;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t id = random() % kIds;
      const std::vector<float> vector = random_vector(random, kDim);
      const std::string payload = fmt::format(R"({{"step":{}}})", steps.size());
      points.points.push_back(testing_point(id, vector, payload));
      plain[id] = {vector, payload};
    }
    steps.push_back({"upsert", points, nullptr, [plain](PlainPoints& all) {
                       for (const auto& [id, point] : plain) all[id] = point;
                     }});
  };
  auto remove = [&] {
    DeletePoints points;
    for (size_t i = 0; i < 5; ++i) points.ids.push_back(PointId::of(random() % kIds));
    steps.push_back({"delete", points, nullptr, [points](PlainPoints& all) {
                       for (const PointId& id : points.ids) all.erase(id.number());
                     }});
  };
  auto change = [&] {
    ChangePayload points;
    for (size_t i = 0; i < 8; ++i) points.ids.push_back(PointId::of(random() % kIds));
    points.change = PayloadChange::overwrite;
    points.payload = fmt::format(R"({{"changed":{}}})", steps.size());
    steps.push_back({"payload", points, nullptr, [points](PlainPoints& all) {
                       for (const PointId& id : points.ids) {
                         if (all.contains(id.number())) all[id.number()].payload = points.payload;
                       }
                     }});
  };
  auto vectors = [&] {
    UpdateVectors points;
    for (size_t i = 0; i < 3; ++i) points.points.push_back(testing_point(random() % kIds, random_vector(random, kDim)));
    steps.push_back({"vectors", points, nullptr, [points](PlainPoints& all) {
                       for (const Point& point : points.points) {
                         const auto found = all.find(point.id.number());
                         if (found != all.end()) found->second.vector = point.vectors[0].second.values;
                       }
                     }});
  };
  auto call = [&](const char* what, auto function) { steps.push_back({what, std::nullopt, function}); };
  upsert(12);
  upsert(3);
  change();
  remove();
  call("flush", [](PointStore& store) { store.flush(); });
  call("index", [](PointStore& store) {
    for (const char* path : {"step", "changed"}) {
      store.set_payload_field(KeyPath::parse(path), parse_field_schema(R"("integer")"));
    }
  });
  upsert(20);
  vectors();
  remove();
  call("flush", [](PointStore& store) { store.flush(); });
  change();
  upsert(8);
  call("rebuild", [](PointStore& store) { store.rebuild(); });
  remove();
  call("compact", [](PointStore& store) { store.compact(); });
  // The vector gives way to another, in one step. Steps that failed may have been done.
  auto next_of = [](uint64_t id) { return std::vector<float>{static_cast<float>(id), 1, 2, 3}; };
  call("add a vector", [](PointStore& store) {
    VectorConfig next = store.config()->at("");
    next.name = "next";
    if (store.config()->find("next") != nullptr) return;
    try {
      store.change_vectors({.add = {next}});
    } catch (const Error& error) {
      // As below, where it is put in the other's place.
      if (error.code() != ErrorCode::invalid_argument || store.config()->find("next") == nullptr) throw;
    }
  });
  UpdateVectors all;
  for (uint64_t id = 0; id < kIds; ++id) {
    all.points.push_back(testing_point(id, next_of(id)));
    all.points.back().vectors[0].first = "next";
  }
  steps.push_back({"fill it", all});
  call("flush", [](PointStore& store) { store.flush(); });
  steps.push_back({"replace a vector", std::nullopt,
                   [](PointStore& store) {
                     if (store.config()->find("next") == nullptr) return;
                     try {
                       store.change_vectors({.replace = {{"", "next"}}});
                     } catch (const Error& error) {
                       // An attempt that failed had done it, which shows once the truth was opened again.
                       if (error.code() != ErrorCode::not_found || store.config()->find("next") != nullptr) throw;
                     }
                   },
                   [next_of](PlainPoints& points) {
                     for (auto& [id, point] : points) point.vector = next_of(id);
                   }});
  upsert(4);
  vectors();
  call("compact", [](PointStore& store) { store.compact(); });
  return steps;
}

inline PlainPoints stored(PointStore& store) {
  PlainPoints all;
  for (const StoredPoint& point : store.scroll({.limit = 10000, .fields = {.all_vectors = true}}).points) {
    all[point.id.number()] = {point.vectors.at(0).second.values, point.payload};
  }
  EXPECT_EQ(store.count(), all.size());
  return all;
}

// Search must say what the points say.
inline void expect_found(PointStore& store, const PlainPoints& expected) {
  SearchRequest request;
  request.query.values = {0.1f, 0.2f, 0.3f, 0.4f};
  request.limit = 3000;
  request.exact = true;
  const SearchAnswer answer = store.search(request);
  ASSERT_EQ(answer.points.size(), expected.size());
  for (const FoundPoint& found : answer.points) {
    const auto point = expected.find(found.point.id.number());
    ASSERT_NE(point, expected.end());
    double sum = 0;
    for (size_t d = 0; d < kDim; ++d) {
      sum += std::pow(double{point->second.vector[d]} - double{request.query.values[d]}, 2);
    }
    EXPECT_NEAR(found.score, std::sqrt(sum), 1e-6 * (100 + std::sqrt(sum)));
  }
  // Payloads are {"step":N} and {"changed":N}.
  std::map<std::string, uint64_t> payloads;
  for (const auto& [id, point] : expected) {
    if (point.payload != "{}") ++payloads[point.payload];
  }
  for (const auto& [payload, count] : payloads) {
    const size_t colon = payload.find(':');
    const Filter filter =
        parse_filter(fmt::format(R"({{"must":{{"key":{},"match":{{"value":{}}}}}}})", payload.substr(1, colon - 1),
                                 payload.substr(colon + 1, payload.size() - colon - 2)));
    EXPECT_EQ(store.count(filter), count) << payload;
  }
}

// A database on a disk in trouble.
class Faults {
 public:
  explicit Faults(Durability durability) : config_(testing_config(kDim, 16)), disk_(root()) {
    config_.durability = durability;
    std::filesystem::create_directory(root());
  }
  ~Faults() { close(); }

  std::atomic<uint64_t> now_ms = 1000;
  bool background = false;
  TestingDisk& disk() { return disk_; }
  Database& database() { return *database_; }
  PointStore& store() { return *store_; }
  void open() {
    if (!database_) {
      DatabaseOptions options;
      options.memory_bytes = 8 << 20;
      options.store.background = background;
      options.store.now_ms = [this] { return now_ms.load(); };
      options.store.threads = 1;
      options.store.changed_rows_max = 0;
      options.env = disk_.env();
      database_ = std::make_unique<Database>(root() / "db", options);
    }
    if (store_) return;
    try {
      store_ = database_->contains("points") ? database_->open("points") : database_->create("points", config_);
    } catch (const Error& error) {
      // An attempt that failed has made it.
      if (error.code() != ErrorCode::already_exists) throw;
      store_ = database_->open("points");
    }
    store_folder_ = store_->folder();
  }
  void close() {
    store_.reset();
    database_.reset();
  }
  // Of the collection that was opened last.
  const std::filesystem::path& store_folder() const { return store_folder_; }
  // The last segments listed are the only ones.
  void expect_no_orphans() {
    size_t folders = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(store_folder_ / "segments")) {
      ++folders;
    }
    size_t listed = 0;
    for (const auto& segment : store_->info().segments) listed += segment.info.rows > 0 ? 1 : 0;
    EXPECT_EQ(folders, listed);
  }
  static void run(const FaultStep& step, PointStore& store) {
    if (step.operation) {
      store.write(*step.operation);
    } else {
      step.call(store);
    }
  }

 private:
  std::filesystem::path root() const { return folder_.path() / "disk"; }
  const bool in_memory_ = use_memory();
  base::TemporaryFolder folder_;
  StoreConfig config_;
  TestingDisk disk_;
  base::ScopedFileSystem scope_{disk_};
  std::unique_ptr<Database> database_;
  std::shared_ptr<PointStore> store_;
  std::filesystem::path store_folder_;
};

// Calls work; returns whether it failed as a failing disk may make it fail.
template <class Work>
bool failed(Work work, Trouble trouble) {
  try {
    work();
    return false;
  } catch (const Error& error) {
    const bool fair = error.code() == ErrorCode::unavailable ||
                      (trouble == Trouble::no_space && error.code() == ErrorCode::exhausted);
    EXPECT_TRUE(fair) << static_cast<int>(error.code()) << " " << error.what();
    return true;
  }
}

// Once with the trouble at each operation of the script; what failed is tried again when the trouble is over.
inline void run_with(Trouble trouble, Durability durability, uint64_t stride) {
  const uint64_t seed = 7;
  const std::vector<FaultStep> steps = script(seed);
  uint64_t at = 1;
  for (bool hit = true; hit && !testing::Test::HasFailure(); at += stride) {
    SCOPED_TRACE(fmt::format("trouble at operation {}", at));
    Faults faults(durability);
    faults.disk().plan(trouble, at);
    auto retry = [&](const std::string& what, const auto& work, const auto& between) {
      for (size_t attempt = 0;; ++attempt) {
        SCOPED_TRACE(what);
        if (!failed(work, trouble)) return;
        ASSERT_LT(attempt, 3u);
        between();
        hit = faults.disk().hit() || hit;
        faults.disk().end_trouble();
      }
    };
    hit = false;
    PlainPoints plain;
    retry(
        "open", [&] { faults.open(); }, [] {});
    for (const FaultStep& step : steps) {
      PlainPoints after = plain;
      step.apply(after);
      retry(
          step.what, [&] { Faults::run(step, faults.store()); },
          // Reads go on, and see all that was acknowledged.
          [&] {
            const PlainPoints now = stored(faults.store());
            EXPECT_TRUE(now == plain || now == after);
            expect_found(faults.store(), now);
          });
      plain = std::move(after);
      if (testing::Test::HasFailure()) return;
    }
    hit = faults.disk().hit() || hit;
    faults.disk().end_trouble();
    EXPECT_EQ(stored(faults.store()), plain);
    faults.close();
    faults.open();
    EXPECT_EQ(stored(faults.store()), plain);
    expect_found(faults.store(), plain);
    faults.expect_no_orphans();
  }
  std::printf("%lu operations\n", static_cast<unsigned long>(at));
}

// The power goes at each operation of the script.
inline void cut_power(Durability durability, bool with_chance, uint64_t stride) {
  const std::vector<FaultStep> steps = script(8);
  uint64_t at = 1;
  size_t torn = 0;
  for (bool hit = true; hit && !testing::Test::HasFailure(); at += stride) {
    SCOPED_TRACE(fmt::format("power cut at operation {}", at));
    std::mt19937_64 random(at);
    Faults faults(durability);
    faults.disk().plan(Trouble::power_cut, at);
    // What may be there afterwards: the points after each step that was acknowledged, and after the one that was not.
    std::vector<PlainPoints> states = {{}};
    bool created = false;
    try {
      faults.open();
      created = true;
      for (const FaultStep& step : steps) {
        PlainPoints after = states.back();
        step.apply(after);
        states.push_back(std::move(after));
        Faults::run(step, faults.store());
      }
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::unavailable) << error.what();
    }
    hit = faults.disk().hit();
    faults.close();
    faults.disk().restore(with_chance ? &random : nullptr);
    if (created) {
      EXPECT_TRUE(std::filesystem::exists(faults.store_folder() / "truth")) << "a collection that was acknowledged";
    }
    faults.open();
    const PlainPoints now = stored(faults.store());
    const auto found = std::find(states.rbegin(), states.rend(), now);
    ASSERT_NE(found, states.rend()) << "half of an operation is there";
    const auto lost = static_cast<size_t>(found - states.rbegin());
    if (durability == Durability::sync) {
      // The last was not acknowledged, unless nothing was cut.
      EXPECT_LE(lost, hit ? 1u : 0u);
      torn += lost;
    }
    expect_found(faults.store(), now);
    faults.expect_no_orphans();
    for (const auto& segment : faults.store().info().segments) EXPECT_EQ(segment.damage, "");
    PlainPoints after = now;
    Faults::run(steps[0], faults.store());
    steps[0].apply(after);
    faults.store().flush();
    faults.close();
    faults.open();
    EXPECT_EQ(stored(faults.store()), after);
  }
  std::printf("%lu operations, %zu cut off\n", static_cast<unsigned long>(at), torn);
}

}  // namespace sextant::store::faults
