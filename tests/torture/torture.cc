// torture --writes N: how long N writes of one point take, each a batch of its own, with and without syncing each.
// torture --kills N [--seed S] [--folder F] [--milliseconds M]: kills a program that writes to a database, N times, and
// looks each time at what is there.
//
// The child opens the database and writes with three threads, two to a collection that syncs each write and one to a
// collection that syncs once a second, while others search, make segments and throw them away. It says on a pipe what
// it begins and what was acknowledged. The parent kills it (-9) after up to M milliseconds beyond its opening, often
// once more while it opens what was left, and then compares every point with what it was told: all that was
// acknowledged is there, what had begun is there as a whole or not at all, searches find what the points say.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "sextant/error.h"
#include "store/database.h"
#include "store/payload_edit.h"

namespace {

using namespace sextant;
using namespace sextant::store;

constexpr size_t kDim = 16;
constexpr size_t kWriters = 3;
constexpr uint64_t kIdsOfAWriter = 3000;
constexpr const char* kCollections[] = {"sync", "periodic"};
size_t collection_of(size_t writer) { return writer < 2 ? 0 : 1; }

uint64_t system_ms() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

StoreConfig config_of(size_t collection) {
  StoreConfig config;
  VectorConfig vector;
  vector.slot = config.next_slot++;
  vector.dim = kDim;
  vector.metric = Metric::l2;
  vector.degree = 16;
  vector.build_breadth = 60;
  config.vectors.push_back(vector);
  config.tail_rows_max = 200;
  config.durability = collection == 0 ? Durability::sync : Durability::periodic;
  return config;
}

DatabaseOptions options_of(bool background, std::function<uint64_t()> now_ms) {
  DatabaseOptions options;
  options.memory_bytes = size_t{16} << 20;
  options.store.threads = 1;
  options.store.background = background;
  options.store.now_ms = std::move(now_ms);
  return options;
}

// Each writer has points of its own, numbers and UUIDs.
PointId id_of(size_t writer, uint64_t number) {
  return number % 5 == 0 ? PointId::of_uuid(writer + 1, number) : PointId::of(number * kWriters + writer);
}
size_t writer_of(const PointId& id) {
  return id.is_uuid() ? static_cast<size_t>(id.high()) - 1 : static_cast<size_t>(id.number() % kWriters);
}

// What a writer does as its operation NUMBER at time NOW: both sides make it from these alone.
Operation operation_of(uint64_t seed, size_t writer, uint64_t number, uint64_t now) {
  std::mt19937_64 random(base::hash64(fmt::format("{} {} {}", seed, writer, number)));
  std::normal_distribution<float> normal;
  auto point = [&](bool with_payload) {
    Point made;
    made.id = id_of(writer, random() % kIdsOfAWriter);
    VectorValue vector;
    for (size_t d = 0; d < kDim; ++d) vector.values.push_back(normal(random));
    if (with_payload) {
      const auto* bytes = reinterpret_cast<const char*>(vector.values.data());
      made.payload = fmt::format(R"({{"writer":{},"batch":{},"sum":"{:016x}"}})", writer, number,
                                 base::hash64(std::string_view(bytes, kDim * sizeof(float))));
    }
    made.vectors = {{"", std::move(vector)}};
    return made;
  };
  auto ids = [&](size_t count) {
    std::vector<PointId> some;
    for (size_t i = 0; i < count; ++i) some.push_back(id_of(writer, random() % kIdsOfAWriter));
    return some;
  };
  const uint64_t what = random() % 100;
  if (what < 60) {
    UpsertPoints upsert;
    const size_t count = random() % 4 == 0 ? 1 + random() % 200 : 1 + random() % 20;
    for (size_t i = 0; i < count; ++i) {
      upsert.points.push_back(point(true));
      if (what < 8) upsert.points.back().expires_ms = now + random() % 3000;
    }
    return upsert;
  }
  if (what < 75) return DeletePoints{ids(1 + random() % 60)};
  if (what < 90) {
    ChangePayload change;
    change.ids = ids(1 + random() % 30);
    change.change = what < 82 ? PayloadChange::merge : PayloadChange::overwrite;
    change.payload = fmt::format(R"({{"changed":{}}})", number);
    return change;
  }
  UpdateVectors update;
  for (size_t i = 0; i <= random() % 20; ++i) update.points.push_back(point(false));
  return update;
}

struct PlainPoint {
  std::vector<float> vector;
  std::string payload;
  uint64_t expires_ms = 0;
  bool operator==(const PlainPoint&) const = default;
};
using PlainPoints = std::map<PointId, PlainPoint>;

void do_to(const Operation& operation, PlainPoints& points) {
  if (const auto* upsert = std::get_if<UpsertPoints>(&operation)) {
    for (const Point& point : upsert->points) {
      points[point.id] = {point.vectors[0].second.values, point.payload, point.expires_ms};
    }
  } else if (const auto* update = std::get_if<UpdateVectors>(&operation)) {
    for (const Point& point : update->points) {
      const auto found = points.find(point.id);
      if (found != points.end()) found->second.vector = point.vectors[0].second.values;
    }
  } else if (const auto* change = std::get_if<ChangePayload>(&operation)) {
    for (const PointId& id : change->ids) {
      const auto found = points.find(id);
      if (found == points.end()) continue;
      std::string& payload = found->second.payload;
      payload = change->change == PayloadChange::merge ? merge_payload(payload, "", change->payload) : change->payload;
    }
  } else if (const auto* remove = std::get_if<DeletePoints>(&operation)) {
    for (const PointId& id : remove->ids) points.erase(id);
  }
}

// ---- The child.

void say(const std::string& line) {
  // One call a line: the parent never sees half of one.
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

int child(const std::filesystem::path& folder, uint64_t seed, const std::vector<uint64_t>& next, bool writes) {
  try {
    Database database(folder, options_of(true, {}));
    std::array<std::shared_ptr<PointStore>, 2> stores;
    for (size_t c = 0; c < 2; ++c) {
      const char* name = kCollections[c];
      stores[c] = database.contains(name) ? database.open(name) : database.create(name, config_of(c));
    }
    say("o\n");
    auto guarded = [](auto work) {
      return [work] {
        try {
          work();
        } catch (const std::exception& error) {
          say(fmt::format("x {}\n", error.what()));
          ::_exit(1);
        }
      };
    };
    std::vector<std::thread> threads;
    for (size_t writer = 0; writes && writer < kWriters; ++writer) {
      threads.emplace_back(guarded([&, writer] {
        for (uint64_t number = next[writer];; ++number) {
          const uint64_t now = system_ms();
          const Operation operation = operation_of(seed, writer, number, now);
          say(fmt::format("b {} {} {}\n", writer, number, now));
          stores[collection_of(writer)]->write(operation);
          say(fmt::format("a {} {}\n", writer, number));
        }
      }));
    }
    guarded([&] {
      std::mt19937_64 random(seed ^ system_ms());
      for (uint64_t round = 0;; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
        PointStore& store = *stores[random() % 2];
        switch (random() % 10) {
          case 0:
            store.rebuild();
            break;
          case 1:
            store.compact();
            break;
          case 2:
          case 3:
            store.flush();
            break;
          case 4:
            for (const std::string& damage : store.verify()) throw Error(ErrorCode::corrupted, damage);
            break;
          case 5: {
            const std::string name = fmt::format("scratch {}", random() % 3);
            if (database.contains(name)) {
              database.remove(name);
            } else {
              database.create(name, config_of(1))->write(operation_of(seed, 0, round, system_ms()));
            }
            break;
          }
          default: {
            SearchRequest request;
            request.query.values.assign(kDim, 0.25f);
            store.search(request);
          }
        }
      }
    })();
  } catch (const std::exception& error) {
    say(fmt::format("x {}\n", error.what()));
  }
  ::_exit(1);
}

// ---- The parent.

struct Writer {
  PlainPoints points;  // all that was acknowledged
  uint64_t next = 0;
  std::optional<Operation> begun;  // and not acknowledged
};

class Torture {
 public:
  Torture(std::filesystem::path program, std::filesystem::path folder, uint64_t seed, uint64_t milliseconds_max)
      : program_(std::move(program)),
        folder_(std::move(folder)),
        seed_(seed),
        milliseconds_max_(milliseconds_max),
        random_(seed) {}

  bool run(uint64_t kills) {
    const auto start = std::chrono::steady_clock::now();
    auto report = [&] {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      std::printf(
          "%lu kills (%lu while it opened), %lu looks, %.0f s: %lu operations acknowledged, %lu begun and cut off, of "
          "which %lu are there; %zu points; opening takes %.0f ms; recall@10 %.4f of %lu queries, %lu of them by "
          "walks, least of a look "
          "%.3f; %lu rows in segments "
          "seen\n",
          kills_, open_kills_, looks_, seconds.count(), acknowledged_, begun_, begun_there_, points_, opening_ms_,
          queries_ == 0 ? 1.0 : recall_ / static_cast<double>(queries_), queries_, approximate_, recall_min_, indexed_);
      std::fflush(stdout);
    };
    while (kills_ < kills) {
      kill_one(true);
      while (kills_ < kills && random_() % 5 < 2) kill_one(false);
      try {
        look();
      } catch (const std::exception& error) {
        complain(error.what());
      }
      if (failed_) {
        std::printf("seed %lu, after kill %lu; the database is left in %s\n", seed_, kills_, folder_.c_str());
        report();
        return false;
      }
      if (looks_ % 200 == 0) report();
    }
    report();
    return true;
  }

 private:
  void complain(const std::string& what) {
    std::printf("%s\n", what.c_str());
    failed_ = true;
  }

  void kill_one(bool writes) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return complain("no pipe");
    std::vector<std::string> arguments = {program_, "--child", folder_, std::to_string(seed_), writes ? "1" : "0"};
    for (const Writer& writer : writers_) arguments.push_back(std::to_string(writer.next));
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const pid_t process = ::fork();
    if (process == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    // Any moment of its opening is as likely as any other, and so is any of what it does then.
    const double opening = opening_ms_, all = writes ? opening + static_cast<double>(milliseconds_max_) : opening;
    const auto start = std::chrono::steady_clock::now();
    const auto until = start + std::chrono::microseconds(random_() % (static_cast<uint64_t>(all * 1000) + 1));
    std::string said;
    bool ended = false, opened = false;
    auto take = [&] {
      char bytes[65536];
      const ssize_t count = ::read(ends[0], bytes, sizeof(bytes));
      ended = count <= 0;
      if (count > 0) said.append(bytes, static_cast<size_t>(count));
      if (opened || said.empty()) return;
      opened = true;
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      opening_ms_ += (took.count() - opening_ms_) / 8;
    };
    while (!ended) {
      const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) break;
      pollfd one{ends[0], POLLIN, 0};
      const timespec wait{static_cast<time_t>(left.count() / 1000000), left.count() % 1000000 * 1000};
      if (::ppoll(&one, 1, &wait, nullptr) > 0) take();
    }
    ::kill(process, SIGKILL);
    while (!ended) take();
    ::close(ends[0]);
    int status = 0;
    ::waitpid(process, &status, 0);
    ++kills_;
    if (!writes) ++open_kills_;
    if (!WIFSIGNALED(status)) complain("the child ended by itself");
    hear(said);
  }

  void hear(const std::string& said) {
    size_t at = 0;
    for (size_t end; (end = said.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string line = said.substr(at, end - at);
      if (line == "o") continue;
      unsigned long who = 0, number = 0, now = 0;
      if (std::sscanf(line.c_str(), "b %lu %lu %lu", &who, &number, &now) == 3) {
        writers_.at(who).begun = operation_of(seed_, who, number, now);
        writers_.at(who).next = number + 1;
      } else if (std::sscanf(line.c_str(), "a %lu %lu", &who, &number) == 2) {
        do_to(*writers_.at(who).begun, writers_.at(who).points);
        writers_.at(who).begun.reset();
        ++acknowledged_;
      } else {
        complain("the child says: " + line);
      }
    }
  }

  static PlainPoints alive(const PlainPoints& points, uint64_t now) {
    PlainPoints some;
    for (const auto& [id, point] : points) {
      if (point.expires_ms == 0 || point.expires_ms > now) some.emplace(id, point);
    }
    return some;
  }

  // Opens what was left and compares it with what was said.
  void look() {
    ++looks_;
    const uint64_t now = system_ms();
    Database database(folder_, options_of(false, [now] { return now; }));
    std::array<PlainPoints, 2> expected;
    points_ = 0;
    for (size_t c = 0; c < 2; ++c) {
      if (!database.contains(kCollections[c])) {
        for (size_t w = 0; w < kWriters; ++w) {
          if (collection_of(w) == c && writers_[w].next != 0) complain(std::string(kCollections[c]) + " is gone");
        }
        continue;
      }
      look_at(*database.open(kCollections[c]), c, now);
    }
    std::set<std::string> folders;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "collections")) {
      folders.insert(entry.path().filename());
    }
    if (folders.size() != database.names().size()) {
      complain(fmt::format("{} folders for {} collections", folders.size(), database.names().size()));
    }
    for (const std::string& name : database.names()) database.open(name)->count();
  }

  void look_at(PointStore& store, size_t collection, uint64_t now) {
    const std::string name = kCollections[collection];
    std::array<PlainPoints, kWriters> there;
    PlainPoints all;
    for (const auto& point : store.scroll({.limit = SIZE_MAX, .fields = {.all_vectors = true}}).points) {
      const PlainPoint plain{point.vectors.at(0).second.values, point.payload, point.expires_ms};
      there.at(writer_of(point.id)).emplace(point.id, plain);
      all.emplace(point.id, plain);
    }
    for (size_t w = 0; w < kWriters; ++w) {
      if (collection_of(w) != collection) continue;
      Writer& writer = writers_[w];
      bool same = there[w] == alive(writer.points, now);
      if (writer.begun) {
        ++begun_;
        PlainPoints after = writer.points;
        do_to(*writer.begun, after);
        if (there[w] == alive(after, now)) {
          if (!same) ++begun_there_;
          same = true;
          writer.points = std::move(after);
        }
        writer.begun.reset();
      }
      if (!same) {
        complain(fmt::format("{}: the points of writer {} are not what was acknowledged: {}", name, w,
                             difference(there[w], alive(writer.points, now))));
      }
    }
    points_ += all.size();
    if (store.count() != all.size()) complain(fmt::format("{}: count {} of {}", name, store.count(), all.size()));
    look_at_segments(store, name);
    search(store, name, all);
    // Else the child is always killed before it has made a large segment.
    if (looks_ % 6 == 0) store.flush();
  }

  static std::string difference(const PlainPoints& there, const PlainPoints& expected) {
    for (const auto& [id, point] : expected) {
      const auto found = there.find(id);
      if (found == there.end()) return fmt::format("point {} is missing", id.text());
      if (!(found->second == point)) {
        return fmt::format("point {} has payload {}, expected {}", id.text(), found->second.payload, point.payload);
      }
    }
    for (const auto& [id, point] : there) {
      if (!expected.contains(id)) return fmt::format("point {} is there", id.text());
    }
    return "nothing";
  }

  void look_at_segments(PointStore& store, const std::string& name) {
    std::set<std::string> listed, folders;
    for (const auto& segment : store.info().segments) {
      if (!segment.damage.empty()) complain(fmt::format("{}: {}", name, segment.damage));
      if (segment.info.rows > 0) listed.insert(fmt::format("{:08}", segment.info.number));
    }
    for (const auto& entry : std::filesystem::directory_iterator(store.folder() / "segments")) {
      folders.insert(entry.path().filename());
    }
    if (listed != folders) {
      complain(fmt::format("{}: {} folders of segments, {} are listed", name, folders.size(), listed.size()));
    }
    indexed_ += store.info().indexed_points;
    if (looks_ % 10 == 0) {
      for (const std::string& damage : store.verify()) complain(fmt::format("{}: {}", name, damage));
    }
  }

  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t d = 0; d < kDim; ++d) sum += (double{a[d]} - double{b[d]}) * (double{a[d]} - double{b[d]});
    return std::sqrt(sum);
  }

  // Empty where FOUND is as near as NEAREST, which was computed in double: of two points that single precision cannot
  // tell apart either may be there.
  static std::string wrong_with(const std::vector<FoundPoint>& found, const std::vector<float>& query,
                                const std::vector<std::pair<double, const PointId*>>& nearest, const PlainPoints& all) {
    constexpr double kTolerance = 1e-4;
    if (found.size() != nearest.size()) return fmt::format("{} points, expected {}", found.size(), nearest.size());
    std::set<PointId> ids;
    for (size_t i = 0; i < found.size(); ++i) {
      const PointId& id = found[i].point.id;
      const auto point = all.find(id);
      if (point == all.end()) return fmt::format("point {} is not there", id.text());
      if (!ids.insert(id).second) return fmt::format("point {} is there twice", id.text());
      const double its = distance(point->second.vector, query);
      if (std::abs(its - found[i].score) > kTolerance) {
        return fmt::format("point {} has score {}, expected {}", id.text(), found[i].score, its);
      }
      if (std::abs(its - nearest[i].first) > kTolerance) {
        return fmt::format("the {}. point is {} at {}, expected {} at {}", i + 1, id.text(), its,
                           nearest[i].second->text(), nearest[i].first);
      }
    }
    return {};
  }

  void search(PointStore& store, const std::string& name, const PlainPoints& all) {
    constexpr size_t kExact = 10, kApproximate = 100, kNearest = 10;
    // Comparing takes longer than all else, so not every look asks a hundred times.
    const bool measures_recall = looks_ % 4 == 0;
    std::normal_distribution<float> normal;
    double recall = 0;
    for (size_t q = 0; q < (measures_recall ? kApproximate : kExact); ++q) {
      SearchRequest request;
      for (size_t d = 0; d < kDim; ++d) request.query.values.push_back(normal(random_));
      request.limit = kNearest;
      std::vector<std::pair<double, const PointId*>> nearest;
      nearest.reserve(all.size());
      for (const auto& [id, point] : all) {
        nearest.emplace_back(distance(point.vector, request.query.values), &id);
      }
      const size_t count = std::min(kNearest, nearest.size());
      std::partial_sort(nearest.begin(), nearest.begin() + static_cast<ptrdiff_t>(count), nearest.end());
      nearest.resize(count);
      std::set<PointId> ids;
      for (const auto& [score, id] : nearest) ids.insert(*id);
      if (q < kExact) {
        request.exact = true;
        const auto found = store.search(request).points;
        const std::string wrong = wrong_with(found, request.query.values, nearest, all);
        if (!wrong.empty()) complain(fmt::format("{}: an exact search: {}", name, wrong));
        request.exact = false;
      }
      if (!measures_recall) continue;
      size_t hits = 0;
      const SearchAnswer answer = store.search(request);
      for (const FoundPoint& found : answer.points) hits += ids.contains(found.point.id) ? 1 : 0;
      recall += count == 0 ? 1.0 : static_cast<double>(hits) / static_cast<double>(count);
      ++queries_;
      if (!answer.exact) ++approximate_;
    }
    if (!measures_recall) return;
    recall_ += recall;
    recall_min_ = std::min(recall_min_, recall / kApproximate);
    if (recall / kApproximate < 0.95) complain(fmt::format("{}: recall {:.3f}", name, recall / kApproximate));
  }

  std::filesystem::path program_, folder_;
  uint64_t seed_, milliseconds_max_;
  std::mt19937_64 random_;
  std::array<Writer, kWriters> writers_;
  bool failed_ = false;
  double opening_ms_ = 1000;  // how long it takes, lately
  uint64_t kills_ = 0, open_kills_ = 0, looks_ = 0, acknowledged_ = 0, begun_ = 0, begun_there_ = 0, queries_ = 0;
  uint64_t indexed_ = 0, approximate_ = 0;
  double recall_ = 0, recall_min_ = 1;
  size_t points_ = 0;
};

// What a synced write costs, alone and where eight come together.
void measure_writes(const std::filesystem::path& folder, uint64_t writes) {
  Database database(folder, options_of(true, {}));
  for (size_t c = 0; c < 2; ++c) {
    StoreConfig config = config_of(c);
    config.tail_rows_max = 1 << 20;  // no segments meanwhile
    const auto store = database.create(kCollections[c], config);
    for (const uint64_t threads : {1, 8}) {
      const auto start = std::chrono::steady_clock::now();
      std::vector<std::thread> all;
      for (uint64_t t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
          for (uint64_t i = t; i < writes; i += threads) {
            Point point;
            point.id = PointId::of(threads * writes + i);
            point.vectors = {{"", {std::vector<float>(kDim, static_cast<float>(i)), {}}}};
            store->write(UpsertPoints{{point}});
          }
        });
      }
      for (std::thread& thread : all) thread.join();
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      std::printf("%s, %lu at once: %.3f ms a write, %.0f writes a second\n", kCollections[c], threads,
                  took.count() * static_cast<double>(threads) / static_cast<double>(writes),
                  static_cast<double>(writes) / took.count() * 1000);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 4 + kWriters && arguments[0] == "--child") {
    std::vector<uint64_t> next;
    for (size_t w = 0; w < kWriters; ++w) next.push_back(std::stoull(arguments[4 + w]));
    return child(arguments[1], std::stoull(arguments[2]), next, arguments[3] == "1");
  }
  uint64_t kills = 60, writes = 0, seed = system_ms(), milliseconds = 300;
  std::filesystem::path folder;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--kills") kills = std::stoull(arguments[i + 1]);
    if (arguments[i] == "--writes") writes = std::stoull(arguments[i + 1]);
    if (arguments[i] == "--seed") seed = std::stoull(arguments[i + 1]);
    if (arguments[i] == "--milliseconds") milliseconds = std::stoull(arguments[i + 1]);
    if (arguments[i] == "--folder") folder = arguments[i + 1];
  }
  std::optional<base::TemporaryFolder> temporary;
  if (folder.empty()) folder = temporary.emplace().path() / "db";
  if (writes > 0) {
    measure_writes(folder, writes);
    return 0;
  }
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  Torture torture(std::filesystem::read_symlink("/proc/self/exe"), folder, seed, milliseconds);
  const bool good = torture.run(kills);
  if (!good && temporary) {
    const std::filesystem::path kept = std::filesystem::current_path() / fmt::format("torture-failure-{}", seed);
    std::error_code error;
    std::filesystem::copy(folder, kept, std::filesystem::copy_options::recursive, error);
    std::printf("copied to %s\n", kept.c_str());
  }
  return good ? 0 : 1;
}
