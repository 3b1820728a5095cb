// model/parameters.h: a model's parameters by the names they have in its files, checked as they are read.
//
// A parameter that is missing, of another shape or not of floats is an error that names it: nothing is made up.
// LayerNorm.gamma and .beta, as TensorFlow named them, stand for .weight and .bias.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/weights.h"
#include "tensor/layers.h"

namespace sextant::model {

class PackedCache;

enum class Bias { none, required, optional };

// A layer by its full name: that of its parameters, or of all of them where several are put together.
struct NamedLinear {
  std::string name;
  tensor::Linear linear;
};

// What linear layers are made with.
struct LinearSettings {
  tensor::Compute compute = tensor::Compute::float32;  // what they round their operands to
  // The largest magnitude of each input, by the layers' full names: taken down by the layers made where OBSERVES, and
  // what int8 is fitted to elsewhere. A layer that is not among them does without.
  std::shared_ptr<std::map<std::string, std::vector<float>>> input_ranges;
  bool observes = false;
  // Where given, all layers are taken from there, and their weights are not read.
  std::shared_ptr<const PackedCache> packed;
  // Where given, all layers that are made are put down here.
  std::shared_ptr<std::vector<NamedLinear>> made;
};

class Parameters {
 public:
  // A dimension of a wanted shape that may have any size.
  static constexpr size_t kAny = static_cast<size_t>(-1);

  explicit Parameters(std::shared_ptr<const Weights> weights, LinearSettings settings = {})
      : weights_(std::move(weights)), settings_(std::move(settings)) {}

  // The parameters whose names begin with PREFIX and a dot; PREFIX may hold dots and be empty.
  Parameters in(std::string_view prefix) const;
  // The first of PREFIXES under which there is a parameter NAME; "" where there is none under any.
  Parameters in_first_of(std::initializer_list<std::string_view> prefixes, std::string_view name) const;

  bool has(std::string_view name) const;
  tensor::Parameter get(std::string_view name, std::initializer_list<size_t> shape) const;
  // The same in the type that the file keeps.
  tensor::Table table(std::string_view name, std::initializer_list<size_t> shape) const;
  // NAME.weight [out, in] and NAME.bias [out].
  tensor::Linear linear(std::string_view name, size_t out, size_t in, Bias bias = Bias::required) const;
  // Several that share their input, as one: NAME.weight [out, in] and NAME.bias [out] of each, their outputs side by
  // side.
  struct Part {
    std::string_view name;
    size_t out;
  };
  tensor::Linear stacked(std::initializer_list<Part> parts, size_t in, Bias bias = Bias::required) const;
  // NAME.weight [size] and NAME.bias [size].
  tensor::LayerNorm layer_norm(std::string_view name, size_t size, double epsilon, Bias bias = Bias::required) const;
  tensor::RmsNorm rms_norm(std::string_view name, size_t size, double epsilon,
                           bool weight_is_offset_from_one = false) const;

  const Weights& weights() const { return *weights_; }
  const std::string& source() const { return weights_->source(); }

 private:
  std::string full(std::string_view name) const { return prefix_ + std::string(name); }
  // Checked; throws as get() does.
  const TensorView& view(std::string_view name, std::initializer_list<size_t> shape) const;
  // nullptr where there is none, under either of the names it may have.
  const TensorView* find(std::string_view name) const;

  std::shared_ptr<const Weights> weights_;
  LinearSettings settings_;
  std::string prefix_;  // with its dot
};

}  // namespace sextant::model
