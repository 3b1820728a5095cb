#include "model/pytorch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/random.h"
#include "errors.h"
#include "model/testing_pytorch.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using namespace testing_pytorch;
using testing::ElementsAre;
using testing::HasSubstr;

// Owns the bytes that the tensors point into.
struct ReadFile {
  explicit ReadFile(std::string source) : bytes(std::move(source)), file(std::as_bytes(std::span(bytes)), "m.bin") {}

  const TensorView& at(const std::string& name) const { return file.tensors().at(name); }
  std::vector<float> floats(const std::string& name) const { return to_float32(at(name)); }
  bool is_view(const std::string& name) const {
    const auto* data = reinterpret_cast<const char*>(at(name).bytes.data());
    return data >= bytes.data() && data < bytes.data() + bytes.size();
  }

  std::string bytes;
  PytorchFile file;
};

std::string file_error(const std::string& bytes) {
  return tests::error_of([&] { ReadFile read(bytes); });
}

std::string six_floats() { return bytes_of<float>({0, 1, 2, 3, 4, 5}); }

// A file with one tensor "x" in a storage of six floats.
std::string one(int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  return zip_file(dict(text("x") + tensor(storage("FloatStorage", "0", 6), offset, shape, strides)),
                  {{"0", six_floats()}});
}

TEST(PytorchFile, ReadsTensorsWhereTheyLie) {
  const ReadFile read(zip_file(ordered_dict(text("a") + tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}) +
                                            text("b") + tensor(storage("FloatStorage", "0", 6), 4, {2}, {1}) +
                                            text("c") + tensor(storage("FloatStorage", "0", 6), 5, {}, {})),
                               {{"0", six_floats()}}));
  EXPECT_THAT(read.at("a").shape, ElementsAre(2, 3));
  EXPECT_THAT(read.floats("a"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read.floats("b"), ElementsAre(4, 5));
  EXPECT_THAT(read.at("c").shape, ElementsAre()) << "a single number has no dimensions";
  EXPECT_THAT(read.floats("c"), ElementsAre(5));
  EXPECT_TRUE(read.is_view("a") && read.is_view("b") && read.is_view("c"));
  EXPECT_EQ(read.file.copied_bytes(), 0u);
}

TEST(PytorchFile, PutsStridedTensorsInOrder) {
  EXPECT_THAT(ReadFile(one(0, {3, 2}, {1, 3})).floats("x"), ElementsAre(0, 3, 1, 4, 2, 5)) << "transposed";
  EXPECT_THAT(ReadFile(one(1, {3}, {2})).floats("x"), ElementsAre(1, 3, 5)) << "every other one";
  EXPECT_THAT(ReadFile(one(1, {2, 3}, {0, 1})).floats("x"), ElementsAre(1, 2, 3, 1, 2, 3)) << "expanded";
  EXPECT_THAT(ReadFile(one(0, {2, 2}, {3, 1})).floats("x"), ElementsAre(0, 1, 3, 4)) << "a slice";
  EXPECT_THAT(ReadFile(one(0, {1, 3, 1, 2}, {77, 1, 99, 3})).floats("x"), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ(ReadFile(one(0, {3, 2}, {1, 3})).file.copied_bytes(), 24u);
}

TEST(PytorchFile, TakesStridesOfSingleAndEmptyDimensionsAsTheyAre) {
  const ReadFile single(one(2, {1, 4, 1}, {999, 1, 5}));
  EXPECT_THAT(single.floats("x"), ElementsAre(2, 3, 4, 5));
  EXPECT_TRUE(single.is_view("x"));
  const ReadFile empty(one(0, {0, int64_t{1} << 40}, {int64_t{1} << 40, 1}));
  EXPECT_THAT(empty.at("x").shape, ElementsAre(0, size_t{1} << 40));
  EXPECT_TRUE(empty.floats("x").empty());
}

TEST(PytorchFile, ReadsEveryElementType) {
  auto read = [](const char* type, int64_t count, const std::string& bytes) {
    ReadFile file(zip_file(dict(text("x") + tensor(storage(type, "0", count), 0, {count}, {1})), {{"0", bytes}}));
    return std::pair(file.at("x").dtype, file.floats("x"));
  };
  using Floats = std::vector<float>;
  EXPECT_EQ(read("DoubleStorage", 2, bytes_of<double>({-1.5, 2})), std::pair(DType::f64, Floats{-1.5f, 2}));
  EXPECT_EQ(read("HalfStorage", 2, bytes_of<uint16_t>({0x3E00, 0xBC00})), std::pair(DType::f16, Floats{1.5f, -1}));
  EXPECT_EQ(read("BFloat16Storage", 1, bytes_of<uint16_t>({0x3FC0})), std::pair(DType::bf16, Floats{1.5f}));
  EXPECT_EQ(read("LongStorage", 1, bytes_of<int64_t>({-7})), std::pair(DType::i64, Floats{-7}));
  EXPECT_EQ(read("IntStorage", 1, bytes_of<int32_t>({-7})), std::pair(DType::i32, Floats{-7}));
  EXPECT_EQ(read("ShortStorage", 1, bytes_of<int16_t>({-7})), std::pair(DType::i16, Floats{-7}));
  EXPECT_EQ(read("CharStorage", 1, bytes_of<int8_t>({-7})), std::pair(DType::i8, Floats{-7}));
  EXPECT_EQ(read("ByteStorage", 1, bytes_of<uint8_t>({249})), std::pair(DType::u8, Floats{249}));
  EXPECT_EQ(read("BoolStorage", 1, bytes_of<uint8_t>({1})), std::pair(DType::boolean, Floats{1}));
  EXPECT_EQ(read("UntypedStorage", 1, bytes_of<uint8_t>({9})), std::pair(DType::u8, Floats{9}));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + tensor(storage("ComplexFloatStorage", "0", 1), 0, {1}, {1})), {})),
              HasSubstr("unsupported: m.bin: the pickle asks for global 'torch.ComplexFloatStorage'"));
}

TEST(PytorchFile, ReadsParametersAndTheOlderAndNewerWaysToBuildTensors) {
  const std::string where = storage("FloatStorage", "0", 6);
  const std::string untyped = storage("UntypedStorage", "0", 24);
  const std::string v2 = tensor(where, 0, {2}, {1});
  auto v3 = [&](const std::string& type, const std::string& metadata) {
    return call(global("torch._utils", "_rebuild_tensor_v3"),
                untyped + number(1) + numbers({2, 2}) + numbers({2, 1}) + "\x89" + ordered_dict("") + type + metadata);
  };
  const ReadFile read(
      zip_file(dict(text("parameter") +
                    call(global("torch._utils", "_rebuild_parameter"), v2 + "\x88" + ordered_dict("")) + text("v1") +
                    call(global("torch._utils", "_rebuild_tensor"), where + number(3) + numbers({3}) + numbers({1})) +
                    text("v3") + v3(global("torch", "float32"), "}") + text("size") +
                    call(global("torch._utils", "_rebuild_tensor_v2"),
                         where + number(0) + call(global("torch", "Size"), numbers({2})) + numbers({1}) + "\x89N")),
               {{"0", six_floats()}}));
  EXPECT_THAT(read.floats("parameter"), ElementsAre(0, 1));
  EXPECT_THAT(read.floats("v1"), ElementsAre(3, 4, 5));
  EXPECT_EQ(read.at("v3").dtype, DType::f32);
  EXPECT_THAT(read.floats("v3"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read.floats("size"), ElementsAre(0, 1));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + v3(global("torch", "float8_e5m2"), "")), {{"0", six_floats()}})),
              HasSubstr("global 'torch.float8_e5m2'"));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + v3(number(1), "")), {{"0", six_floats()}})),
              HasSubstr("element type that is none"));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + v3(global("torch", "float32"), dict(text("neg") + "\x88"))),
                                  {{"0", six_floats()}})),
              HasSubstr("unsupported: m.bin: tensor 'x' carries metadata"));
}

TEST(PytorchFile, FindsTheStateDictAndLeavesOutWhatIsNoTensor) {
  const std::string x = text("x") + tensor(storage("FloatStorage", "0", 6), 0, {2}, {1});
  const ReadFile read(zip_file(dict(text("epoch") + number(3) + text("optimizer") + dict("") + text("state_dict") +
                                    ordered_dict(x) + dict(text("_metadata") + ordered_dict("")) + "b"),
                               {{"0", six_floats()}}));
  EXPECT_EQ(read.file.tensors().size(), 1u);
  EXPECT_THAT(read.floats("x"), ElementsAre(0, 1));
  EXPECT_EQ(ReadFile(zip_file(dict(x + text("epoch") + number(3)), {{"0", six_floats()}})).file.tensors().size(), 1u);
}

TEST(PytorchFile, ReadsTheLegacyContainer) {
  const std::string object = dict(text("a") + tensor(storage("FloatStorage", "77", 6, "N"), 0, {3, 2}, {1, 3}) +
                                  text("b") + tensor(storage("LongStorage", "9", 2, "N"), 0, {2}, {1}) + text("c") +
                                  tensor(storage("FloatStorage", "77", 6, "N"), 4, {2}, {1}));
  const std::vector<LegacyStorage> storages = {{"77", 6, six_floats()}, {"9", 2, bytes_of<int64_t>({5, -6})}};
  const ReadFile read(legacy_file(object, storages));
  EXPECT_THAT(read.floats("a"), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(read.floats("b"), ElementsAre(5, -6));
  EXPECT_THAT(read.floats("c"), ElementsAre(4, 5));
  EXPECT_TRUE(read.is_view("b") && read.is_view("c"));

  const std::string view = tuple(text("78") + number(2) + number(3));
  const ReadFile part(
      legacy_file(dict(text("x") + tensor(storage("FloatStorage", "77", 6, view), 1, {2}, {1})), {storages[0]}));
  EXPECT_THAT(part.floats("x"), ElementsAre(3, 4)) << "a storage may be a part of another";
}

TEST(PytorchFile, NamesWhatIsWrongWithALegacyFile) {
  const std::string object = dict(text("x") + tensor(storage("FloatStorage", "7", 6, "N"), 0, {6}, {1}));
  EXPECT_THAT(file_error(pickle(number(1))), HasSubstr("corrupted: m.bin: is a pickle without the number"));
  EXPECT_THAT(file_error(legacy_file(object, {{"7", 6, six_floats()}}, false)),
              HasSubstr("unsupported: m.bin: was written on a big-endian machine"));
  EXPECT_THAT(file_error(legacy_file(object, {})), HasSubstr("storage '7' is missing"));
  EXPECT_THAT(file_error(legacy_file(object, {{"8", 6, six_floats()}})),
              HasSubstr("storage '8', which no tensor names"));
  EXPECT_THAT(file_error(legacy_file(object, {{"7", 6, six_floats()}, {"7", 6, six_floats()}})), HasSubstr("twice"));
  EXPECT_THAT(file_error(legacy_file(object, {{"7", 7, six_floats()}})),
              HasSubstr("storage '7' has 7 elements of 4 bytes, the file has 24 bytes left"));
  EXPECT_THAT(file_error(legacy_file(object, {{"7", UINT64_MAX / 4 + 2, six_floats()}})), HasSubstr("bytes left"));
  EXPECT_THAT(file_error(legacy_file(object, {{"7", 5, six_floats()}})), HasSubstr("6 elements, 20 bytes of them"));
  const std::string outside = tuple(text("8") + number(4) + number(3));
  EXPECT_THAT(file_error(legacy_file(dict(text("x") + tensor(storage("FloatStorage", "7", 6, outside), 0, {1}, {1})),
                                     {{"7", 6, six_floats()}})),
              HasSubstr("elements [4, 4 + 3) of storage '7', which has 6"));
}

TEST(PytorchFile, NamesWhatIsWrongWithAnArchive) {
  const std::string object = pickle(dict(text("x") + tensor(storage("FloatStorage", "0", 6), 0, {6}, {1})));
  auto archive = [&](const std::string& name, const std::string& bytes) {
    return file_error(zip({{"m/data.pkl", object}, {"m/data/0", six_floats()}, {name, bytes}}));
  };
  EXPECT_EQ(archive("m/byteorder", "little"), "no error");
  EXPECT_THAT(archive("m/byteorder", "big"), HasSubstr("unsupported: m.bin: was written on a big-endian machine"));
  EXPECT_THAT(archive("m/byteorder", "middle"), HasSubstr("byte order 'middle'"));
  EXPECT_EQ(archive("m/version", "3\n"), "no error");
  EXPECT_THAT(archive("m/version", "11"), HasSubstr("unsupported: m.bin: has version 11"));
  EXPECT_THAT(archive("m/version", "x"), HasSubstr("version 'x', expected a number"));
  EXPECT_THAT(archive("m/constants.pkl", ""), HasSubstr("TorchScript"));
  EXPECT_THAT(file_error(zip({{"m/data/0", six_floats()}})), HasSubstr("has no entry 'm/data.pkl'"));
  EXPECT_THAT(file_error(zip({{"m/data.pkl", object}})), HasSubstr("zip entry 'm/data/0' is missing"));
  EXPECT_THAT(file_error(zip({{"m/data.pkl", object}, {"m/data/0", "abc"}})),
              HasSubstr("tensor 'x' lies in storage '0' of 6 elements, 3 bytes of them are there"));
  EXPECT_THAT(file_error(zip({{"m/data.pkl", object}}, 8)), HasSubstr("compressed by method 8"));
  EXPECT_THAT(file_error("GGUF"), HasSubstr("corrupted: m.bin: is neither a zip archive nor a pickle"));
  EXPECT_THAT(file_error(std::string(257, 'x') + "ustar" + std::string(250, 'x')),
              HasSubstr("unsupported: m.bin: is a tar"));
}

TEST(PytorchFile, NamesWhatIsWrongWithATensor) {
  constexpr int64_t kHuge = INT64_MAX;
  EXPECT_THAT(file_error(one(0, {7}, {1})),
              HasSubstr("'x' of shape [7] reaches element 6 of storage '0', which has 6"));
  EXPECT_THAT(file_error(one(5, {2}, {1})), HasSubstr("reaches element 6"));
  EXPECT_THAT(file_error(one(6, {}, {})), HasSubstr("reaches element 6"));
  EXPECT_THAT(file_error(one(0, {2}, {6})), HasSubstr("reaches element 6"));
  EXPECT_THAT(file_error(one(kHuge, {1}, {1})), HasSubstr("reaches element"));
  EXPECT_THAT(file_error(one(kHuge, {2}, {1})), HasSubstr("overflow"));
  EXPECT_THAT(file_error(one(0, {kHuge}, {1})), HasSubstr("product overflows"));
  EXPECT_THAT(file_error(one(0, {kHuge / 4, 1}, {1, 1})), HasSubstr("reaches element"));
  EXPECT_THAT(file_error(one(0, {int64_t{1} << 32, int64_t{1} << 32}, {0, 0})), HasSubstr("product overflows"));
  EXPECT_THAT(file_error(one(0, {3}, {kHuge})), HasSubstr("strides [9223372036854775807] that overflow"));
  EXPECT_THAT(file_error(one(0, {2, 2, 2}, {kHuge, kHuge, kHuge})), HasSubstr("that overflow"));
  EXPECT_THAT(file_error(one(0, {-1}, {1})), HasSubstr("a shape that is not a number from 0"));
  EXPECT_THAT(file_error(one(1, {2}, {-1})), HasSubstr("a list of strides that is not a number from 0"));
  EXPECT_THAT(file_error(one(-1, {2}, {1})), HasSubstr("a storage offset that is not a number from 0"));
  EXPECT_THAT(file_error(one(0, {2, 3}, {1})), HasSubstr("2 dimensions and 1 strides"));
  EXPECT_THAT(file_error(one(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))), HasSubstr("65 dimensions"));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + tensor(storage("FloatStorage", "0", -1), 0, {1}, {1})), {})),
              HasSubstr("storage of -1 elements"));
  EXPECT_THAT(file_error(zip_file(dict(text("x") + tensor(storage("FloatStorage", "0", kHuge), 0, {1}, {1})),
                                  {{"0", six_floats()}})),
              HasSubstr("24 bytes of them"));
}

TEST(PytorchFile, NamesWhatIsWrongWithTheObject) {
  const std::string x = text("x") + tensor(storage("FloatStorage", "0", 6), 0, {2}, {1});
  auto object = [](const std::string& body) { return file_error(zip_file(body, {{"0", six_floats()}})); };
  EXPECT_THAT(object(dict(x + x)), HasSubstr("tensor 'x' appears twice"));
  EXPECT_THAT(object(dict("")), HasSubstr("holds no tensors"));
  EXPECT_THAT(object(list(number(1))), HasSubstr("holds no dict of tensors"));
  EXPECT_THAT(object(tensor(storage("FloatStorage", "0", 6), 0, {2}, {1})), HasSubstr("holds no dict of tensors"));
  EXPECT_THAT(object(dict(number(1) + tensor(storage("FloatStorage", "0", 6), 0, {2}, {1}))),
              HasSubstr("name is not a string"));
  EXPECT_THAT(object(dict(text("x") + tensor(number(1), 0, {2}, {1}))), HasSubstr("tensor 'x' has no storage"));
  EXPECT_THAT(object(dict(text("x") + tensor(tuple(text("module")) + "Q", 0, {2}, {1}))), HasSubstr("no storage"));
  EXPECT_THAT(object(dict(text("x") + call(global("torch._utils", "_rebuild_tensor_v2"), ""))),
              HasSubstr("tensor 'x' is not built as torch.save writes it"));
  const std::string parameter = global("torch._utils", "_rebuild_parameter");
  EXPECT_THAT(object(dict(text("x") + call(parameter, call(parameter, "N")))), HasSubstr("is not built as"));
  EXPECT_THAT(object(dict(text("x") + call(global("os", "system"), text("true")))),
              "unsupported: m.bin: the pickle asks for global 'os.system'; only tensors and containers are read");
}

// Strides of zero ask for any amount of memory with a few bytes of file.
TEST(PytorchFile, BoundsWhatIsCopied) {
  EXPECT_THAT(file_error(one(0, {int64_t{1} << 40, 2}, {0, 1})), HasSubstr("exhausted: m.bin: tensor 'x' of shape"));
  std::string many;
  for (int i = 0; i < 17; ++i) {
    many += text("x" + std::to_string(i)) + tensor(storage("ByteStorage", "0", 1), 0, {1 << 10, 1 << 10}, {0, 0});
  }
  EXPECT_THAT(file_error(zip_file(dict(many), {{"0", std::string("a")}})), HasSubstr("exhausted: m.bin: tensor 'x16'"));
}

TEST(PytorchFile, EveryCutAndFlippedFileIsAnErrorOrStaysInBounds) {
  const std::string object = ordered_dict(text("a") + tensor(storage("FloatStorage", "0", 6, "N"), 0, {3, 2}, {1, 3}) +
                                          text("b") + tensor(storage("FloatStorage", "0", 6, "N"), 4, {2}, {1}));
  base::Random random(11);
  for (const std::string& whole :
       {zip_file(object, {{"0", six_floats()}}), legacy_file(object, {{"0", 6, six_floats()}})}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_THAT(file_error(whole.substr(0, length)), HasSubstr("corrupted")) << length;
    }
    for (int round = 0; round < 20000; ++round) {
      std::string damaged = whole;
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
      try {
        const ReadFile read(damaged);
        for (const auto& [name, tensor] : read.file.tensors()) to_float32(tensor);
      } catch (const Error&) {
      }
    }
  }
}

// gather() against the definition, for shapes and strides of every kind.
TEST(PytorchFile, StridedTensorsAreWhatTheirStridesSay) {
  base::Random random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<int64_t> shape, strides;
    int64_t last = static_cast<int64_t>(random.below(4));
    const int64_t offset = last;
    for (uint64_t d = random.below(5); d > 0; --d) {
      shape.push_back(1 + static_cast<int64_t>(random.below(4)));
      strides.push_back(static_cast<int64_t>(random.below(7)));
      last += (shape.back() - 1) * strides.back();
    }
    std::vector<int16_t> elements(static_cast<size_t>(last) + 1);
    std::iota(elements.begin(), elements.end(), int16_t{0});
    const ReadFile read(zip_file(
        dict(text("x") +
             tensor(storage("ShortStorage", "0", static_cast<int64_t>(elements.size())), offset, shape, strides)),
        {{"0", bytes_of(elements)}}));
    std::vector<float> expected = {static_cast<float>(offset)};
    for (size_t d = 0; d < shape.size(); ++d) {
      std::vector<float> next;
      for (float base : expected) {
        for (int64_t i = 0; i < shape[d]; ++i) next.push_back(base + static_cast<float>(i * strides[d]));
      }
      expected = next;
    }
    EXPECT_EQ(read.floats("x"), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace sextant::model
