// IndexImpl, to and from files.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/memory.h"
#include "index/index_impl.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

constexpr uint32_t kFileKind = 1;
constexpr uint32_t kVersion = 1;

// What is not an array. Of plain numbers, so that it is the same bytes everywhere.
struct Head {
  uint64_t dim, degree, build_breadth, seed, rows, alive, height, entry, measured_rows, points;
  uint32_t metric, type, kind, codes, ids_are_rows, any_gone, has_graph, longest_bits;
  double code_error;
};
static_assert(sizeof(Head) == 10 * 8 + 8 * 4 + 8);

// A section of as many as it holds.
template <class T>
std::vector<T> all_of(const SectionFile& file, std::string_view section) {
  constexpr size_t kMost = 1024;
  const auto found = file.get<T>(section, std::min(kMost, file.get(section).size() / sizeof(T)));
  return {found.begin(), found.end()};
}

std::string layer_name(size_t number, std::string_view what) { return fmt::format("layer{}.{}", number, what); }

}  // namespace

void IndexImpl::write_sections(SectionFileWriter& file) const {
  const size_t rows = row_count_;
  Head head{};
  head.dim = options_.dim;
  head.degree = options_.degree;
  head.build_breadth = options_.build_breadth;
  head.seed = options_.seed;
  head.rows = rows;
  head.alive = alive_;
  head.metric = static_cast<uint32_t>(options_.metric);
  head.type = static_cast<uint32_t>(options_.type);
  head.kind = static_cast<uint32_t>(options_.kind);
  head.codes = static_cast<uint32_t>(options_.codes);
  head.ids_are_rows = ids_are_rows_ ? 1 : 0;
  head.any_gone = any_gone_ ? 1 : 0;
  head.has_graph = graph_ ? 1 : 0;
  head.code_error = code_error_;
  const std::shared_ptr<const Calibration> measured = calibration();
  head.measured_rows = measured->rows();
  head.points = measured->points().size();
  if (graph_) {
    head.height = graph_->height();
    head.entry = graph_->entry();
    const float longest = space_->longest();
    std::memcpy(&head.longest_bits, &longest, sizeof(longest));
  }
  file.add("head", std::span<const Head>(&head, 1));
  file.add("calibration", std::span(measured->points()));
  if (!measured->model().empty()) {
    file.add("walk_settings", std::span(measured->model().settings()));
    file.add("walk_weights", std::span(measured->model().weights()));
  }
  if (any_gone_) file.add("gone", std::span(gone_, (rows + 63) / 64));
  if (!ids_are_rows_) file.add("ids", std::span(ids_, rows));
  if (graph_) {
    file.add("centre", space_->centre());
    // The layers above first: walks start there.
    for (size_t l = graph_->height(); l-- > 0;) {
      const Layer& layer = graph_->layer(l);
      if (l > 0) {
        file.add(layer_name(l, "rows"), layer.all_rows());
        file.add(layer_name(l, "below"), layer.all_below());
      }
      file.add(layer_name(l, "links"), layer.all_links());
    }
    if (landmarks_ != nullptr) {
      file.add("landmarks", landmarks_->rows());
      if (codes_) {
        file.add("landmark_factors", landmarks_->codes().factors(landmarks_->rows().size()));
        file.add("landmark_codes", landmarks_->codes().codes(landmarks_->rows().size()));
      }
      if (!landmarks_->bits().empty()) file.add("landmark_bits", landmarks_->bits());
    }
    if (codes_) {
      file.add("factors", codes_->factors(rows));
      file.add("codes", codes_->codes(rows));
    }
  }
  if (bounded_) {
    file.add("bounded_factors", bounded_->factors(rows));
    file.add("bounded_codes", bounded_->codes(rows));
  }
  file.add("vectors", std::span(rows_.at(0), rows * rows_.row_bytes()), pages_);
}

void IndexImpl::save_into(SectionFileWriter& file) {
  if (calibration()->rows() * 2 < size()) calibrate(200, 0);
  std::lock_guard lock(writer_);
  write_sections(file);
}

void IndexImpl::save(const std::filesystem::path& path) {
  SectionFileWriter file(path, kFileKind, kVersion, kSectionsMax);
  save_into(file);
  file.commit();
}

IndexImpl::IndexImpl(const std::filesystem::path& path, const OpenOptions& options)
    : IndexImpl(std::make_unique<SectionFile>(path, kFileKind, kVersion), options) {}

IndexImpl::IndexImpl(std::unique_ptr<SectionFile> opened, const OpenOptions& options) : file_(std::move(opened)) {
  if (options.verify) file_->verify();
  const SectionFile& file = *file_;
  const Head head = file.get<Head>("head", 1)[0];
  auto expect = [&](bool good, std::string_view what, uint64_t found) {
    if (!good) file.fail(fmt::format("{} is {}", what, found));
  };
  expect(head.dim >= 1 && head.dim <= kDimMax, "dim", head.dim);
  expect(head.rows < (uint64_t{1} << 31), "the number of rows", head.rows);
  expect(head.alive <= head.rows, "the number of vectors", head.alive);
  expect(head.degree >= 4 && head.degree <= kDegreeMax, "degree", head.degree);
  expect(head.metric <= static_cast<uint32_t>(Metric::hamming), "metric", head.metric);
  expect(head.type <= static_cast<uint32_t>(ElementType::bit), "element type", head.type);
  const bool bits = head.type == static_cast<uint32_t>(ElementType::bit);
  expect((head.metric == static_cast<uint32_t>(Metric::hamming)) == bits, "metric beside this element type",
         head.metric);
  expect(head.kind <= static_cast<uint32_t>(IndexKind::flat), "kind", head.kind);
  expect(head.codes >= static_cast<uint32_t>(CodeKind::none) && head.codes <= static_cast<uint32_t>(CodeKind::sq1),
         "the kind of codes", head.codes);
  expect(!bits || head.codes == static_cast<uint32_t>(CodeKind::none), "the kind of codes of bits", head.codes);
  expect(head.points <= 1024, "the number of measured points", head.points);
  expect(head.has_graph == 0 || (head.height >= 1 && head.height <= kLayersMax), "the number of layers", head.height);
  options_.dim = head.dim;
  options_.metric = static_cast<Metric>(head.metric);
  options_.type = static_cast<ElementType>(head.type);
  options_.kind = static_cast<IndexKind>(head.kind);
  options_.codes = static_cast<CodeKind>(head.codes);
  options_.degree = head.degree;
  options_.build_breadth = head.build_breadth;
  options_.seed = head.seed;
  options_.capacity = head.rows;

  // What walks look at, where it lies or in memory, unless that would take too much of it.
  const bool load = options.load && file.before("vectors").size() <= base::memory_limit_bytes() / 2;
  if (!load) mapped_codes_.emplace(base::ScatteredReads::codes(), file.before("vectors"));
  auto near = [&]<class T>(std::span<const T> mapped) -> std::span<const T> {
    if (!load || mapped.empty()) return mapped;
    base::GrowingArray<std::byte>& copy = loaded_.emplace_back(mapped.size_bytes());
    std::memcpy(copy.data(), mapped.data(), mapped.size_bytes());
    return {reinterpret_cast<const T*>(copy.data()), mapped.size()};
  };
  const size_t rows = head.rows;
  rows_ = Rows::of_file(options_.type, options_.dim,
                        file.get<std::byte>("vectors", rows * row_bytes(options_.type, options_.dim)));
  vectors_.rows = linking_.rows = &rows_;
  if (head.ids_are_rows == 0) ids_ = file.get<uint64_t>("ids", rows).data();
  ids_are_rows_ = head.ids_are_rows != 0;
  if (head.any_gone != 0) {
    gone_ = file.get<uint64_t>("gone", (rows + 63) / 64).data();
    any_gone_ = true;
  }
  const auto points = file.get<Calibration::Point>("calibration", head.points);
  for (const Calibration::Point& point : points) {
    if (point.k == 0 || point.breadth == 0 || !(point.recall >= 0 && point.recall <= 1)) {
      file.fail("a point of its calibration is out of range");
    }
  }
  RecallModel model;
  if (file.has("walk_settings")) {
    auto settings = all_of<RecallModel::Setting>(file, "walk_settings");
    auto weights = all_of<RecallModel::Weights>(file, "walk_weights");
    for (const RecallModel::Weights& each : weights) {
      if (first_not_finite(each.of.data(), each.of.size()) < each.of.size()) {
        file.fail("a weight of its model of recall is not finite");
      }
    }
    model = RecallModel(std::move(settings), std::move(weights));
  }
  calibration_ = std::make_shared<const Calibration>(std::vector(points.begin(), points.end()), head.measured_rows,
                                                     std::move(model));
  row_count_ = rows;
  alive_ = head.alive;
  if (options_.kind == IndexKind::flat && options_.codes != CodeKind::none) {
    expect(options_.codes == CodeKind::sq8 && BoundedRows::suits(options_.metric) && head.has_graph == 0,
           "the kind of codes of a flat index", head.codes);
    bounded_.emplace(options_.metric, options_.dim, near(file.get<int8_t>("bounded_codes", rows * options_.dim)),
                     near(file.get<BoundedRows::Factors>("bounded_factors", rows)));
  }
  if (head.has_graph == 0) return;

  float longest;
  std::memcpy(&longest, &head.longest_bits, sizeof(longest));
  const auto centre = file.get<float>("centre", options_.dim);
  if (first_not_finite(centre.data(), centre.size()) < centre.size() || !std::isfinite(longest)) {
    file.fail("its centre is not finite");
  }
  space_.emplace(options_.metric, options_.dim, std::vector(centre.begin(), centre.end()), longest, options_.seed);
  vectors_.space = &*space_;
  if (options_.codes != CodeKind::none) {
    const size_t dim = space_->padded_dim();
    codes_.emplace(options_.codes, dim,
                   near(file.get<std::byte>("codes", rows * Codes::row_bytes(options_.codes, dim))),
                   near(file.get<CodeFactors>("factors", rows)));
    vectors_.codes = &*codes_;
    code_error_ = std::isfinite(head.code_error) && head.code_error >= 0 ? head.code_error : 0;
  }
  std::vector<Layer> layers;
  size_t below_size = 0;
  for (size_t l = 0; l < head.height; ++l) {
    const size_t degree = l == 0 ? options_.degree : std::max<size_t>(4, options_.degree / 2);
    const std::span<const std::byte> bytes = file.get(layer_name(l, "links"));
    const size_t size = bytes.size() / (degree * sizeof(uint32_t));
    if (bytes.size() % (degree * sizeof(uint32_t)) != 0 || size == 0 || (l == 0 && size != rows)) {
      file.fail(fmt::format("layer {} has {} bytes of links for {} rows", l, bytes.size(), rows));
    }
    std::span<const uint32_t> row_numbers, below;
    if (l > 0) {
      row_numbers = file.get<uint32_t>(layer_name(l, "rows"), size);
      below = file.get<uint32_t>(layer_name(l, "below"), size);
      for (size_t i = 0; i < size; ++i) {
        if (row_numbers[i] >= rows || below[i] >= below_size) {
          file.fail(fmt::format("node {} of layer {} leads out of the index", i, l));
        }
      }
    }
    layers.emplace_back(degree, near(file.get<uint32_t>(layer_name(l, "links"), size * degree)), near(row_numbers),
                        near(below));
    below_size = size;
  }
  if (head.entry >= below_size) file.fail(fmt::format("its entry {} lies out of the index", head.entry));
  graph_.emplace(Graph::Shape{options_.degree, options_.build_breadth, options_.seed}, std::move(layers),
                 static_cast<uint32_t>(head.entry));
  if (!file.has("landmarks")) return;
  const size_t count = file.get("landmarks").size() / sizeof(uint32_t);
  const auto landmarks = file.get<uint32_t>("landmarks", count);
  for (size_t i = 0; i < count; ++i) {
    if (landmarks[i] >= rows || (i > 0 && landmarks[i] <= landmarks[i - 1])) {
      file.fail(fmt::format("landmark {} is row {} of {}, which must ascend", i, landmarks[i], rows));
    }
  }
  Codes codes;
  if (codes_) {
    const size_t dim = space_->padded_dim();
    codes = Codes(options_.codes, dim,
                  near(file.get<std::byte>("landmark_codes", count * Codes::row_bytes(options_.codes, dim))),
                  near(file.get<CodeFactors>("landmark_factors", count)));
  }
  std::span<const std::byte> landmark_bits;
  if (bits) landmark_bits = file.get<std::byte>("landmark_bits", count * rows_.row_bytes());
  set_landmarks(std::make_unique<const Landmarks>(std::vector(landmarks.begin(), landmarks.end()), std::move(codes),
                                                  std::vector(landmark_bits.begin(), landmark_bits.end())));
  graph_ready_ = true;
}

}  // namespace sextant::index
