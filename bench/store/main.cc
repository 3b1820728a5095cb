// bench_store [--tiny] [--points N] [--folder F] [--tasks ingest,busy,open,filters] [--rates 1000,2500,5000]
// [--seconds S]: a collection of points with 384
// components and a payload of 300 bytes, as an application uses it.
//
//   ingest   points/s in batches of 100, synced and periodically, by one writer and four
//   busy     searches/s while points come in at a rate, and when nothing else happens
//   open     from nothing to the first answer in a process of its own, and the memory that it takes: at most while
//            opening, and after searching
//   filters  searches/s of a filter that a half, a tenth, ... of the points satisfy, without an index on the field and
//            with one
// Vectors lie around 1,000 centres. Times are the clock's, memory the process's resident pages.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "store/point_store.h"

namespace {

using namespace sextant;
using namespace sextant::store;
using Clock = std::chrono::steady_clock;

constexpr size_t kDim = 384;
constexpr size_t kCentres = 1000;
constexpr size_t kBatch = 100;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// FIELD of /proc/self/status: VmRSS, what is resident, or VmHWM, the most that ever was.
double memory_mb(std::string_view field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(field)) return std::strtod(line.c_str() + field.size() + 1, nullptr) * 1024 / 1e6;
  }
  return 0;
}

// Vectors and payloads, each from its number alone.
class Data {
 public:
  Data() : centres_(kCentres * kDim) {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    for (float& value : centres_) value = normal(random);
    noise_.resize(1 << 20);
    for (float& value : noise_) value = 0.6f * normal(random);
  }
  std::vector<float> vector(uint64_t number) const {
    uint64_t bits = (number + 1) * 0x9E3779B97F4A7C15u;
    bits ^= bits >> 29;
    bits *= 0xBF58476D1CE4E5B9u;
    const float* centre = centres_.data() + (bits % kCentres) * kDim;
    const float* noise = noise_.data() + (bits >> 20) % (noise_.size() - kDim);
    std::vector<float> out(kDim);
    float sum = 0;
    for (size_t i = 0; i < kDim; ++i) {
      out[i] = centre[i] + noise[i];
      sum += out[i] * out[i];
    }
    for (float& value : out) value /= std::sqrt(sum);
    return out;
  }
  static std::string payload(uint64_t number) {
    std::string text = fmt::format(R"({{"number":{},"half":{},"tenth":{},"hundredth":{},"thousandth":{},"text":")",
                                   number, number % 2, number % 10, number % 100, number % 1000);
    while (text.size() < 298) text += "lorem ";
    text.resize(298);
    return text + "\"}";
  }
  Point point(uint64_t number) const {
    Point out;
    out.id = PointId::of(number);
    out.vectors = {{"", {vector(number), {}}}};
    out.payload = payload(number);
    return out;
  }

 private:
  std::vector<float> centres_, noise_;
};

StoreConfig config_of(Durability durability) {
  StoreConfig config;
  VectorConfig vector;
  vector.slot = config.next_slot++;
  vector.dim = kDim;
  vector.metric = Metric::cosine;
  config.vectors.push_back(vector);
  config.durability = durability;
  return config;
}

struct Settings {
  size_t points = 100'000;
  std::filesystem::path folder;
  std::string tasks = "ingest,busy,open,filters";
  std::vector<double> rates = {1000, 2500, 5000};  // points/s beside which is searched
  double seconds = 5;                              // of searching, twice that beside writes
  bool has(std::string_view task) const { return tasks.find(task) != std::string::npos; }
};

// Batches are made beforehand: what is measured is the store.
std::vector<Operation> batches_of(const Data& data, uint64_t begin, uint64_t end) {
  std::vector<Operation> batches;
  for (uint64_t first = begin; first < end; first += kBatch) {
    UpsertPoints upsert;
    for (uint64_t number = first; number < std::min(end, first + kBatch); ++number)
      upsert.points.push_back(data.point(number));
    batches.emplace_back(std::move(upsert));
  }
  return batches;
}

// Points a second until all are acknowledged.
double ingest(PointStore& store, const Data& data, uint64_t begin, uint64_t end, size_t writers) {
  constexpr uint64_t kAtOnce = 20'000;
  double seconds = 0;
  for (uint64_t first = begin; first < end; first += kAtOnce) {
    const std::vector<Operation> batches = batches_of(data, first, std::min(end, first + kAtOnce));
    std::atomic<size_t> next = 0;
    const Clock::time_point start = Clock::now();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < writers; ++i) {
      threads.emplace_back([&] {
        for (size_t at = next++; at < batches.size(); at = next++) store.write(batches[at]);
      });
    }
    for (std::thread& thread : threads) thread.join();
    seconds += seconds_since(start);
  }
  return static_cast<double>(end - begin) / seconds;
}

void ingest_task(const Settings& settings, const Data& data, const TruthResources& resources) {
  fmt::print("ingest, batches of {}, {} points each         points/s\n", kBatch, settings.points);
  for (const Durability durability : {Durability::sync, Durability::periodic}) {
    for (const size_t writers : {size_t{1}, size_t{4}}) {
      const std::filesystem::path folder = settings.folder / fmt::format("ingest_{}_{}", name(durability), writers);
      std::filesystem::remove_all(folder);
      PointStore::create(folder, config_of(durability), resources);
      {
        PointStore store(folder, resources, {});
        const double rate = ingest(store, data, 0, settings.points, writers);
        fmt::print("  {:<9} {} writer{}                                {:>10.0f}\n", name(durability), writers,
                   writers == 1 ? " " : "s", rate);
      }
      std::filesystem::remove_all(folder);
    }
  }
}

struct Searched {
  double per_second = 0, p50_ms = 0, p99_ms = 0;
};

Searched search_for(const PointStore& store, const Data& data, double seconds, const std::optional<Filter>& filter) {
  std::vector<double> ms;
  const Clock::time_point start = Clock::now();
  for (uint64_t i = 0; seconds_since(start) < seconds || i == 0; ++i) {
    SearchRequest request;
    request.query.values = data.vector((uint64_t{1} << 40) + i);
    request.filter = filter;
    const Clock::time_point begin = Clock::now();
    const SearchAnswer answer = store.search(request);
    ms.push_back(seconds_since(begin) * 1e3);
    if (answer.points.empty()) throw std::runtime_error("nothing found");
  }
  Searched out;
  double sum = 0;
  for (double value : ms) sum += value;
  out.per_second = 1e3 * static_cast<double>(ms.size()) / sum;
  std::sort(ms.begin(), ms.end());
  out.p50_ms = ms[ms.size() / 2];
  out.p99_ms = ms[ms.size() * 99 / 100];
  return out;
}

void print_searched(const std::string& what, const Searched& searched) {
  fmt::print("  {:<44} {:>10.0f}  {:>8.2f}  {:>8.2f}\n", what, searched.per_second, searched.p50_ms, searched.p99_ms);
}

}  // namespace

int open_task(const std::filesystem::path& folder, double seconds) {
  const Data data;
  const TruthResources resources(size_t{256} << 20);
  const double before = memory_mb("VmRSS");
  const Clock::time_point start = Clock::now();
  const PointStore store(folder, resources, {});
  const double opened = seconds_since(start);
  SearchRequest request;
  request.query.values = data.vector(uint64_t{1} << 41);
  store.search(request);
  const double answered = seconds_since(start), most = memory_mb("VmHWM") - before;
  search_for(store, data, seconds, std::nullopt);
  fmt::print("open {:.0f} ms, first answer {:.0f} ms, memory {:.0f} MB at most until then, {:.0f} MB after searching\n",
             opened * 1e3, answered * 1e3, most, memory_mb("VmRSS") - before);
  return 0;
}

int usage() {
  fmt::print(stderr,
             "usage: bench_store [--tiny] [--points N] [--folder F] [--tasks ingest,busy,open,filters]\n"
             "                   [--rates 1000,2500,5000] [--seconds S]\n");
  return 2;
}

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--open") return open_task(argv[2], std::strtod(argv[3], nullptr));
  Settings settings;
  settings.folder = std::filesystem::temp_directory_path() / fmt::format("bench_store_{}", getpid());
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--tiny") {
      settings.points = 2000;
      settings.seconds = 0.2;
    } else if (flag == "--points" && i + 1 < argc) {
      settings.points = std::strtoul(argv[++i], nullptr, 10);
    } else if (flag == "--folder" && i + 1 < argc) {
      settings.folder = argv[++i];
    } else if (flag == "--tasks" && i + 1 < argc) {
      settings.tasks = argv[++i];
    } else if (flag == "--rates" && i + 1 < argc) {
      settings.rates.clear();
      for (const char* at = argv[++i]; *at != 0;) {
        char* end = nullptr;
        settings.rates.push_back(std::strtod(at, &end));
        if (end == at || !(settings.rates.back() > 0)) return usage();
        at = *end == ',' ? end + 1 : end;
      }
    } else if (flag == "--seconds" && i + 1 < argc) {
      settings.seconds = std::strtod(argv[++i], nullptr);
    } else {
      return usage();
    }
  }
  const double seconds = settings.seconds;
  const Data data;
  const TruthResources resources(size_t{256} << 20);
  std::filesystem::create_directories(settings.folder);
  if (settings.has("ingest")) ingest_task(settings, data, resources);

  const std::filesystem::path folder = settings.folder / "points";
  std::filesystem::remove_all(folder);
  PointStore::create(folder, config_of(Durability::sync), resources);
  {
    PointStore store(folder, resources, {});
    const double rate = ingest(store, data, 0, settings.points, 2);
    Clock::time_point start = Clock::now();
    store.wait();
    const StoreInfo info = store.info();
    uint64_t segment_bytes = 0;
    for (const auto& segment : info.segments) segment_bytes += segment.disk_bytes;
    fmt::print(
        "{} points in {} segments after {:.0f} points/s and {:.1f} s more; bytes a point: {:.0f} of points, {:.0f} of "
        "indexes (the vectors alone: {})\n",
        info.points, info.segments.size(), rate, seconds_since(start),
        static_cast<double>(info.truth_bytes) / static_cast<double>(info.points),
        static_cast<double>(segment_bytes) / static_cast<double>(info.points), 4 * kDim);
    if (settings.has("busy")) {
      fmt::print("searches for the 10 nearest, one at a time      searches/s    p50 ms    p99 ms\n");
      print_searched("quiet", search_for(store, data, seconds, std::nullopt));
      std::atomic<uint64_t> number = settings.points;  // every rate has points of its own
      for (const double rate_of_points : settings.rates) {
        std::atomic<bool> done = false;
        std::atomic<uint64_t> written = 0;
        std::thread writer([&] {
          const Clock::time_point begin = Clock::now();
          while (!done) {
            UpsertPoints upsert;
            for (size_t i = 0; i < kBatch; ++i) upsert.points.push_back(data.point(number++));
            store.write(upsert);
            written += kBatch;
            const double due = static_cast<double>(written) / rate_of_points;
            const double now = seconds_since(begin);
            if (due > now) std::this_thread::sleep_for(std::chrono::duration<double>(due - now));
          }
        });
        const Clock::time_point begin = Clock::now();
        const Searched searched = search_for(store, data, 2 * seconds, std::nullopt);
        const double reached = static_cast<double>(written) / seconds_since(begin);
        done = true;
        writer.join();
        print_searched(fmt::format("while {:.0f} points/s are written", reached), searched);
      }
    }
    store.wait();
    if (settings.has("filters")) {
      const char* const keys[] = {"half", "tenth", "hundredth", "thousandth"};
      for (const bool indexed : {false, true}) {
        fmt::print("with a filter on a field {} index{:<15}searches/s    p50 ms    p99 ms\n",
                   indexed ? "with an" : "without", "");
        for (const char* key : keys) {
          const Filter filter = parse_filter(fmt::format(R"({{"must":{{"key":"{}","match":{{"value":1}}}}}})", key));
          if (indexed) store.set_payload_field(KeyPath::parse(key), FieldSchema{.kind = FieldKind::integer});
          print_searched(fmt::format("a {} of the points", key), search_for(store, data, seconds, filter));
        }
      }
    }
  }
  if (settings.has("open")) {
    std::fflush(stdout);
    const std::string again = fmt::format("{} --open {} {}", std::filesystem::read_symlink("/proc/self/exe").string(),
                                          folder.string(), seconds);
    if (std::system(again.c_str()) != 0) fmt::print("opening failed\n");
  }
  std::filesystem::remove_all(settings.folder);
  return 0;
}
