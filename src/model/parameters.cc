#include "model/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "model/packed_cache.h"
#include "sextant/error.h"
#include "tensor/kernels.h"

namespace sextant::model {
namespace {

// "dense.weight", "LayerNorm.weight" -> "LayerNorm.gamma"; empty where the name has no older form.
std::string older_name(const std::string& name) {
  constexpr std::string_view kWeight = "LayerNorm.weight", kBias = "LayerNorm.bias";
  if (name.ends_with(kWeight)) return name.substr(0, name.size() - 6) + "gamma";
  if (name.ends_with(kBias)) return name.substr(0, name.size() - 4) + "beta";
  return {};
}

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

std::string shape_text(std::initializer_list<size_t> shape) {
  std::string text;
  for (size_t size : shape) {
    if (!text.empty()) text += ", ";
    text += size == Parameters::kAny ? "any" : fmt::format("{}", size);
  }
  return '[' + text + ']';
}

}  // namespace

Parameters Parameters::in(std::string_view prefix) const {
  Parameters inner = *this;
  if (!prefix.empty()) inner.prefix_ += std::string(prefix) + '.';
  return inner;
}

Parameters Parameters::in_first_of(std::initializer_list<std::string_view> prefixes, std::string_view name) const {
  for (std::string_view prefix : prefixes) {
    Parameters inner = in(prefix);
    if (inner.has(name)) return inner;
  }
  return *this;
}

const TensorView* Parameters::find(std::string_view name) const {
  const std::string whole = full(name);
  const TensorView* tensor = weights_->find(whole);
  if (tensor == nullptr) {
    const std::string older = older_name(whole);
    if (!older.empty()) tensor = weights_->find(older);
  }
  return tensor;
}

bool Parameters::has(std::string_view name) const { return find(name) != nullptr; }

const TensorView& Parameters::view(std::string_view name, std::initializer_list<size_t> shape) const {
  const TensorView* tensor = find(name);
  if (tensor == nullptr) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: parameter '{}' {} is missing", weights_->source(), full(name), shape_text(shape)));
  }
  bool fits = tensor->shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape.begin()[i] == kAny || shape.begin()[i] == tensor->shape[i];
  }
  if (!fits) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: parameter '{}' has shape [{}], expected {}", weights_->source(),
                                                  full(name), fmt::join(tensor->shape, ", "), shape_text(shape)));
  }
  if (!is_float(tensor->dtype)) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: parameter '{}' is {}, expected F32, F16, BF16 or F64",
                                                    weights_->source(), full(name), model::name(tensor->dtype)));
  }
  return *tensor;
}

tensor::Table Parameters::table(std::string_view name, std::initializer_list<size_t> shape) const {
  const TensorView& tensor = view(name, shape);
  tensor::Table table;
  table.shape = tensor.shape;
  const bool is_aligned = reinterpret_cast<size_t>(tensor.bytes.data()) % width_bytes(tensor.dtype) == 0;
  if (is_aligned && (tensor.dtype == DType::f32 || tensor.dtype == DType::bf16 || tensor.dtype == DType::f16)) {
    table.kept = tensor.dtype == DType::bf16  ? tensor::Kept::bf16
                 : tensor.dtype == DType::f16 ? tensor::Kept::f16
                                              : tensor::Kept::f32;
    table.data = tensor.bytes.data();
    table.owner = weights_;
  } else {
    auto values = std::make_shared<const std::vector<float>>(to_float32(tensor));
    table.data = values->data();
    table.owner = values;
  }
  return table;
}

tensor::Parameter Parameters::get(std::string_view name, std::initializer_list<size_t> shape) const {
  const TensorView& tensor = view(name, shape);
  if (tensor.dtype == DType::f32 && reinterpret_cast<size_t>(tensor.bytes.data()) % alignof(float) == 0) {
    return {tensor.shape, reinterpret_cast<const float*>(tensor.bytes.data()), weights_};
  }
  auto values = std::make_shared<const std::vector<float>>(to_float32(tensor));
  return {tensor.shape, values->data(), values};
}

tensor::Linear Parameters::linear(std::string_view name, size_t out, size_t in, Bias bias) const {
  return stacked({{name, out}}, in, bias);
}

tensor::Linear Parameters::stacked(std::initializer_list<Part> parts, size_t in, Bias bias) const {
  std::vector<tensor::Table> weights;
  std::vector<tensor::Parameter> biases;
  std::vector<size_t> outs;
  size_t inputs = 0;  // IN may be any
  std::string name;   // of the whole
  for (const Part& part : parts) {
    const std::string stem(part.name);
    name += (name.empty() ? "" : " ") + full(stem);
    const std::vector<size_t>& shape = view(stem + ".weight", {part.out, in}).shape;
    outs.push_back(shape[0]);
    inputs = shape[1];
    weights.push_back(table(stem + ".weight", {part.out, in}));
    const bool biased = bias == Bias::required || (bias == Bias::optional && has(stem + ".bias"));
    biases.push_back(biased ? get(stem + ".bias", {outs.back()}) : tensor::Parameter());
  }
  if (settings_.packed) {
    size_t out = 0;
    for (size_t rows : outs) out += rows;
    return tensor::Linear(
        settings_.packed->take(name, out, inputs, tensor::compute_of(weights, settings_.compute), tensor::kernels()),
        biases, outs);
  }
  std::vector<float> ranges;
  if (settings_.input_ranges && !settings_.observes) {
    auto known = settings_.input_ranges->find(name);
    if (known != settings_.input_ranges->end() && known->second.size() == inputs) ranges = known->second;
  }
  tensor::Linear linear(std::move(weights), std::move(biases), settings_.compute, std::move(ranges));
  linear.prepare();
  weights_->give_up_pages_after(linear.in() * linear.out() * sizeof(float));
  if (settings_.input_ranges && settings_.observes) linear.observe((*settings_.input_ranges)[name]);
  if (settings_.made) settings_.made->push_back({name, linear});
  return linear;
}

tensor::LayerNorm Parameters::layer_norm(std::string_view name, size_t size, double epsilon, Bias bias) const {
  const std::string stem(name);
  tensor::Parameter weight = get(stem + ".weight", {size});
  const bool biased = bias == Bias::required || (bias == Bias::optional && has(stem + ".bias"));
  return tensor::LayerNorm(std::move(weight), biased ? get(stem + ".bias", {size}) : tensor::Parameter(),
                           static_cast<float>(epsilon));
}

tensor::RmsNorm Parameters::rms_norm(std::string_view name, size_t size, double epsilon,
                                     bool weight_is_offset_from_one) const {
  return tensor::RmsNorm(get(std::string(name) + ".weight", {size}), static_cast<float>(epsilon),
                         weight_is_offset_from_one);
}

}  // namespace sextant::model
