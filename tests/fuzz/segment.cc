// Files of a segment, of dense, sparse and several vectors a point: as they are, and with the head's checksum made
// right again, which lets damage get further. The first byte says which file the rest is.
#include "store/segment.h"

#include <cstring>
#include <fstream>
#include <random>

#include "base/files.h"
#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "sextant/error.h"
#include "store/testing_points.h"

namespace {

using namespace sextant::store;

constexpr size_t kDim = 4;
constexpr const char* kFiles[] = {"rows", "vector_1", "vector_2", "vector_3"};

// A folder with a good segment, of which one file is replaced at a time.
struct Sample {
  sextant::base::TemporaryFolder folder;
  StoreConfig config = testing_config(kDim);
  SegmentInfo info;
  std::filesystem::path good, path;

  Sample() : good(folder.path() / "good"), path(folder.path() / "segment") {
    VectorConfig sparse;
    sparse.name = "sparse";
    sparse.slot = 2;
    sparse.kind = VectorKind::sparse;
    sparse.metric = sextant::Metric::dot;
    VectorConfig multi;
    multi.name = "multi";
    multi.slot = 3;
    multi.kind = VectorKind::multi;
    multi.dim = kDim;
    config.vectors.push_back(sparse);
    config.vectors.push_back(multi);
    config.next_slot = 4;
    PointStore::create(folder.path() / "store", config, testing_resources());
    PointStore store(folder.path() / "store", testing_resources(), {.background = false});
    std::mt19937_64 random(1);
    UpsertPoints points;
    for (uint64_t i = 0; i < 60; ++i) {
      Point point;
      point.id = i % 2 == 0 ? PointId::of(i) : PointId::of_uuid(1, i);
      if (i % 7 != 0) point.vectors.push_back({"", {random_vector(random, kDim), {}}});
      if (i % 3 != 0) point.vectors.push_back({"sparse", {{1, 2}, {static_cast<uint32_t>(i), 70}}});
      if (i % 5 != 0) point.vectors.push_back({"multi", {random_vector(random, kDim * (1 + i % 3)), {}}});
      points.points.push_back(point);
    }
    store.write(points);
    const ViewPointer view = store.view();
    info.number = 1;
    info.row_end = 60;
    info = Segment::build(good, info, config, *view->moment, {.threads = 1});
    std::filesystem::copy(good, path);
  }
};

Sample& sample() {
  static Sample one;
  return one;
}

// Where the head ends is in the head: 32 bytes, 48 a section.
void mend(std::string& bytes) {
  if (bytes.size() < 32) return;
  uint64_t count;
  std::memcpy(&count, bytes.data() + 16, sizeof(count));
  if (count > 1000 || bytes.size() < 40 + count * 48) return;
  const uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 24, &size, sizeof(size));
  const size_t end = 32 + count * 48;
  const uint64_t hash = sextant::base::hash64(std::string_view(bytes).substr(0, end));
  std::memcpy(bytes.data() + end, &hash, sizeof(hash));
}

void use(const std::filesystem::path& folder) {
  const Sample& given = sample();
  const Segment segment(folder, given.info, given.config);
  for (uint32_t place = 0; place < segment.size(); ++place) {
    segment.id(place);
    segment.find(segment.row(place));
  }
  const VectorValue query{{0.5f, 0.25f, -1, 2}, {}}, sparse{{1, 2, 3}, {4, 44, 70}};
  const sextant::AllowedIds few = sextant::AllowedIds::of(std::vector<uint64_t>{3});
  for (const VectorConfig& config : given.config.vectors) {
    const Segment::Column* column = segment.column(config);
    if (column == nullptr) continue;
    if (column->dense) {
      for (const bool exact : {false, true}) column->dense->search(query.values, {.k = 5, .exact = exact});
    } else if (column->multi) {
      for (const bool exact : {false, true}) column->multi->search(query.values, {.k = 5, .exact = exact});
    } else {
      for (const sextant::AllowedIds* allowed : {static_cast<const sextant::AllowedIds*>(nullptr), &few}) {
        column->sparse->score(sparse, allowed, [](uint32_t, float) {});
      }
    }
    for (size_t i = 0; i < column->size; ++i) segment.row(column->place(i));
  }
  segment.verify();
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds;
  for (size_t file = 0; file < std::size(kFiles); ++file) {
    seeds.push_back(std::string(1, static_cast<char>(file)) + sextant::base::read_file(sample().good / kFiles[file]));
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::filesystem::path file = sample().path / kFiles[data[0] % std::size(kFiles)];
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const bool mended : {false, true}) {
    if (mended) mend(bytes);
    // A new file: what is mapped must not change underneath.
    std::filesystem::remove(file);
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      use(sample().path);
    } catch (const sextant::Error&) {
    }
  }
  std::filesystem::copy_file(sample().good / file.filename(), file, std::filesystem::copy_options::overwrite_existing);
  return 0;
}
