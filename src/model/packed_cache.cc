#include "model/packed_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>

#include "base/files.h"
#include "base/hash.h"
#include "model/shown.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "tensor/kernels.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMagic = 0x44454b4341505853;  // "SXPACKED" where the smallest byte comes first
// Counts up with whatever changes the bytes of a layer or what a check finds.
constexpr uint64_t kFormat = 2;

using Head = std::array<uint64_t, 8>;
enum HeadField { magic, format, file_bytes, index_offset, index_bytes, index_hash, reserved, head_hash };

constexpr uint64_t filled_up(uint64_t bytes) {
  return (bytes + tensor::kPackedAlignment - 1) / tensor::kPackedAlignment * tensor::kPackedAlignment;
}

uint64_t hash_of_head(const Head& head) {
  return base::hash64(base::text_of(std::as_bytes(std::span(head).first(head_hash))));
}

Error damaged(const std::string& what) { return {ErrorCode::corrupted, what}; }

// A number that says how a string goes on, so that no two lists of strings read alike.
void add(std::string& key, std::string_view text) { key += fmt::format("{}:{}\n", text.size(), text); }

// Where a model lies, links followed; what cannot be asked stays as it was named.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  fs::path found = fs::canonical(path, error);
  return error ? fs::absolute(path, error) : found;
}

bool decides(const fs::path& file) {
  constexpr std::string_view kEndings[] = {".json",        ".txt", ".model", ".tiktoken",
                                           ".safetensors", ".bin", ".pt",    ".pth"};
  return std::find(std::begin(kEndings), std::end(kEndings), file.extension().string()) != std::end(kEndings);
}

class IndexWriter {
 public:
  void number(uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void real(double value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class IndexReader {
 public:
  explicit IndexReader(std::string_view bytes) : bytes_(bytes) {}

  uint64_t number() { return value<uint64_t>(); }
  double real() { return value<double>(); }
  std::string_view text() { return take(number()); }
  // Of entries of at least BYTES each, which the rest must have room for.
  uint64_t count(uint64_t bytes) {
    const uint64_t entries = number();
    if (entries > bytes_.size() / bytes) throw damaged("its index is cut short");
    return entries;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::string_view take(uint64_t count) {
    if (count > bytes_.size()) throw damaged("its index is cut short");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  template <class T>
  T value() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view bytes_;
};

Compute precision_from(uint64_t number) {
  if (number >= static_cast<uint64_t>(Compute::automatic)) throw damaged("its index names no precision");
  return static_cast<Compute>(number);
}

PrecisionMeasure measure_from(uint64_t number) {
  if (number > static_cast<uint64_t>(PrecisionMeasure::spread)) throw damaged("its index names no measure");
  return static_cast<PrecisionMeasure>(number);
}

}  // namespace

std::string packed_cache_key(const ModelFiles& model, std::string_view use, Compute wanted) {
  const tensor::Kernels& kernels = tensor::kernels();
  std::string key;
  add(key, simd::name(kernels.tier));
  for (const tensor::ProductKernel* kernel : {&kernels.f32, &kernels.bf16, &kernels.i8}) {
    add(key, fmt::format("panel {} {} {}", kernel->panel.width, kernel->panel.group, kernel->panel.depth));
  }
  add(key, fmt::format("bytes to {}, bf16 {}", kernels.i8_max, kernels.bf16_native));
  add(key, name(wanted));
  add(key, use);
  for (Compute compute : {Compute::bfloat16, Compute::int8}) {
    for (PrecisionMeasure measure : {PrecisionMeasure::cosine, PrecisionMeasure::spread}) {
      add(key, fmt::format("{}", precision_bar(compute, measure)));
    }
  }
  for (std::string_view text : check_texts()) add(key, text);
  for (const CheckPair& pair : check_pairs()) {
    add(key, pair.query);
    add(key, pair.document);
  }
  add(key, model.weights.empty() ? "" : real_path(model.weights).string());
  std::set<fs::path> files;
  for (const fs::path& folder : model.folders) {
    std::error_code error;
    for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      if (decides(entry->path())) files.insert(entry->path());
    }
  }
  for (const fs::path& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    add(key, file.filename().string());
    add(key, real_path(file).string());
    add(key, fmt::format("{} {}.{:09} {}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino));
  }
  return key;
}

fs::path packed_cache_file(const fs::path& cache, const ModelFiles& files, std::string_view use, Compute wanted) {
  const std::string_view tier = simd::name(tensor::kernels().tier);
  std::string model;
  for (const fs::path& path : {files.folders.at(0), files.weights}) {
    add(model, path.empty() ? "" : real_path(path).string());
  }
  add(model, use);
  return cache / fmt::format("{:016x}-{}-{}.packed", base::hash64(model), tier, name(wanted));
}

void write_packed_cache(const fs::path& file, std::string_view key, Compute compute,
                        std::span<const PrecisionCheck> checks, std::span<const NamedLinear> layers) {
  base::FileReplacement out(file);
  Head head{};
  out.append(base::text_of(std::as_bytes(std::span(head))));
  IndexWriter index;
  index.text(key);
  index.number(static_cast<uint64_t>(compute));
  index.number(checks.size());
  for (const PrecisionCheck& check : checks) {
    index.number(static_cast<uint64_t>(check.compute));
    index.number(static_cast<uint64_t>(check.measure));
    index.real(check.value);
  }
  // Layers that share their parameters have one entry.
  std::map<std::string_view, const tensor::PackedWeights*> entries;
  for (const NamedLinear& layer : layers) entries[layer.name] = &layer.linear.packed();
  index.number(entries.size());
  for (const auto& [name, weights] : entries) {
    const tensor::PackedBytes kept = weights->kept_bytes();
    const uint64_t offset = out.size_bytes();
    base::Hash64 hash;
    auto append = [&](std::string_view bytes) {
      out.append(bytes);
      hash.add(bytes);
    };
    for (const std::span<const std::byte>& part : {kept.panels, kept.columns, kept.factors}) {
      append(base::text_of(part));
      append(std::string(filled_up(part.size()) - part.size(), '\0'));
    }
    index.text(name);
    for (uint64_t number :
         {uint64_t{weights->out()}, uint64_t{weights->in()}, static_cast<uint64_t>(weights->compute()), offset,
          uint64_t{kept.panels.size()}, uint64_t{kept.columns.size()}, uint64_t{kept.factors.size()}, hash.value()}) {
      index.number(number);
    }
  }
  head[magic] = kMagic;
  head[format] = kFormat;
  head[index_offset] = out.size_bytes();
  head[index_bytes] = index.bytes().size();
  head[index_hash] = base::hash64(index.bytes());
  out.append(index.bytes());
  head[file_bytes] = out.size_bytes();
  head[head_hash] = hash_of_head(head);
  out.overwrite(0, base::text_of(std::as_bytes(std::span(head))));
  out.commit();
}

std::shared_ptr<const PackedCache> PackedCache::open(const fs::path& file, std::string_view key) {
  std::shared_ptr<PackedCache> cache(new PackedCache);
  cache->file_ = std::make_shared<const base::MappedFile>(file);
  cache->read(key);
  return cache;
}

void PackedCache::read(std::string_view key) {
  const std::string_view bytes = file_->text();
  Head head;
  if (bytes.size() < sizeof head) throw damaged("it is cut short");
  std::memcpy(head.data(), bytes.data(), sizeof head);
  if (head[magic] != kMagic) throw damaged("it is no packed cache");
  if (head[format] != kFormat) throw damaged(fmt::format("it has format {}, not {}", head[format], kFormat));
  if (head[head_hash] != hash_of_head(head)) throw damaged("the checksum of its head differs");
  if (head[file_bytes] != bytes.size()) {
    throw damaged(fmt::format("it has {} bytes, not {}", bytes.size(), head[file_bytes]));
  }
  if (head[index_offset] > bytes.size() || head[index_bytes] != bytes.size() - head[index_offset]) {
    throw damaged("its index lies outside of it");
  }
  const std::string_view index = bytes.substr(head[index_offset]);
  if (head[index_hash] != base::hash64(index)) throw damaged("the checksum of its index differs");
  layers_end_ = head[index_offset];

  IndexReader reader(index);
  if (reader.text() != key) throw damaged("the model's files, or the kernels, are others now");
  compute_ = precision_from(reader.number());
  const uint64_t checks = reader.count(3 * sizeof(uint64_t));
  for (uint64_t i = 0; i < checks; ++i) {
    const Compute compute = precision_from(reader.number());
    const PrecisionMeasure measure = measure_from(reader.number());
    checks_.push_back({compute, measure, reader.real()});
  }
  const uint64_t layers = reader.count(sizeof(Layer));
  for (uint64_t i = 0; i < layers; ++i) {
    const std::string name(reader.text());
    Layer layer{};
    for (uint64_t* field : {&layer.out, &layer.in, &layer.compute, &layer.offset, &layer.panels, &layer.columns,
                            &layer.factors, &layer.hash}) {
      *field = reader.number();
    }
    layers_[name] = layer;
  }
  if (!reader.done()) throw damaged("its index goes on after its end");
}

tensor::PackedWeights PackedCache::take(const std::string& name, size_t out, size_t in, tensor::Compute compute,
                                        const tensor::Kernels& kernels) const {
  const auto found = layers_.find(name);
  if (found == layers_.end()) throw damaged(fmt::format("layer {} is missing", shown(name)));
  const Layer& layer = found->second;
  if (layer.out != out || layer.in != in || layer.compute != static_cast<uint64_t>(compute)) {
    throw damaged(fmt::format("layer {} is another", shown(name)));
  }
  std::span<const std::byte> rest = file_->bytes().first(layers_end_);
  if (layer.offset > rest.size() || layer.offset % tensor::kPackedAlignment != 0) {
    throw damaged(fmt::format("layer {} lies outside of it", shown(name)));
  }
  rest = rest.subspan(layer.offset);
  const std::span<const std::byte> from = rest;
  auto part = [&](uint64_t bytes) {
    // Asked first for its own size: filled up, a huge one would be a small one.
    if (bytes > rest.size() || filled_up(bytes) > rest.size()) {
      throw damaged(fmt::format("layer {} lies outside of it", shown(name)));
    }
    const std::span<const std::byte> taken = rest.first(bytes);
    rest = rest.subspan(filled_up(bytes));
    return taken;
  };
  tensor::PackedBytes kept;
  kept.panels = part(layer.panels);
  kept.columns = part(layer.columns);
  kept.factors = part(layer.factors);
  if (base::hash64(base::text_of(from.first(from.size() - rest.size()))) != layer.hash) {
    throw damaged(fmt::format("the checksum of layer {} differs", shown(name)));
  }
  return tensor::PackedWeights(out, in, compute, kernels, kept, file_);
}

}  // namespace sextant::model
