#include "model/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "errors.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string raw_length(uint64_t length) { return {reinterpret_cast<const char*>(&length), sizeof length}; }

// A file with this header and so many bytes of data.
std::string file_with(const std::string& header, size_t data_bytes) {
  return raw_length(header.size()) + header + std::string(data_bytes, '\0');
}

std::string tensors_error(const std::string& file) {
  return tests::error_of([&] { Safetensors tensors(bytes_of(file), "m.safetensors"); });
}

TEST(Safetensors, ReadsBackWhatItWrites) {
  const float values[6] = {1, -2, 3.5f, 0, 1e-20f, 7};
  const int8_t codes[3] = {-128, 0, 127};
  std::string file =
      write_safetensors({{"codes", DType::i8, {3}, {reinterpret_cast<const char*>(codes), 3}},
                         {"table", DType::f32, {2, 3}, {reinterpret_cast<const char*>(values), sizeof values}}},
                        {{"format", "pt"}});
  Safetensors tensors(bytes_of(file), "m");
  EXPECT_EQ(tensors.tensors().size(), 2u);
  EXPECT_THAT(tensors.at("table").shape, testing::ElementsAre(2, 3));
  EXPECT_THAT(to_float32(tensors.at("table")), testing::ElementsAreArray(values));
  EXPECT_THAT(to_float32(tensors.at("codes")), testing::ElementsAre(-128, 0, 127));
  EXPECT_EQ(tensors.find("weights"), nullptr);
  EXPECT_EQ((tensors.at("table").bytes.data() - bytes_of(file).data()) % 64, 0) << "data can be used where it lies";
}

TEST(Safetensors, ConvertsEveryDType) {
  auto one = [](DType dtype, const void* value) {
    std::string file = write_safetensors({{"x", dtype, {1}, {static_cast<const char*>(value), width_bytes(dtype)}}});
    return to_float32(Safetensors(bytes_of(file), "m").at("x"))[0];
  };
  const double f64 = -1.5;
  const uint16_t f16 = 0x3E00, bf16 = 0x3FC0;
  const int64_t i64 = -5;
  const int32_t i32 = 70000;
  const int16_t i16 = -300;
  const uint8_t u8 = 200;
  EXPECT_EQ(one(DType::f64, &f64), -1.5f);
  EXPECT_EQ(one(DType::f16, &f16), 1.5f);
  EXPECT_EQ(one(DType::bf16, &bf16), 1.5f);
  EXPECT_EQ(one(DType::i64, &i64), -5.0f);
  EXPECT_EQ(one(DType::i32, &i32), 70000.0f);
  EXPECT_EQ(one(DType::i16, &i16), -300.0f);
  EXPECT_EQ(one(DType::u8, &u8), 200.0f);
}

TEST(Safetensors, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(tensors_error("abc"), HasSubstr("corrupted: m.safetensors: is 3 bytes long"));
  EXPECT_THAT(tensors_error(std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8)), HasSubstr("header length"));
  EXPECT_THAT(tensors_error(file_with("{not json", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(tensors_error(file_with("[]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"shape":[1],"data_offsets":[0,4]}})", 4)),
              HasSubstr("'x' has no dtype"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"F6_E2M3","shape":[1],"data_offsets":[0,1]}})", 1)),
              HasSubstr("unsupported"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4)),
              HasSubstr("has 4 bytes, its shape needs 8"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 4)),
              HasSubstr("the data has 4 bytes"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4)),
              HasSubstr("[4, 0)"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4)),
              HasSubstr("shape"));
  EXPECT_THAT(
      tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4)),
      HasSubstr("overflows"));
}

// One rule of the reference implementation: tensors follow each other from the first byte of the data to the last.
TEST(Safetensors, RefusesHolesAndOverlaps) {
  auto two = [](int begin_a, int end_a, int begin_b, int end_b, size_t data_bytes) {
    auto tensor = [](int begin, int end) {
      return fmt::format(R"({{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})", end - begin, begin, end);
    };
    return tensors_error(
        file_with(R"({"a":)" + tensor(begin_a, end_a) + R"(,"b":)" + tensor(begin_b, end_b) + "}", data_bytes));
  };
  EXPECT_EQ(two(0, 4, 4, 8, 8), "no error");
  EXPECT_EQ(two(4, 8, 0, 4, 8), "no error") << "in any order";
  EXPECT_EQ(two(0, 4, 4, 4, 4), "no error") << "an empty tensor takes no place";
  EXPECT_EQ(two(0, 4, 0, 0, 4), "no error");
  EXPECT_THAT(two(0, 4, 2, 6, 6), HasSubstr("tensor 'b' begins at 2, inside the tensors before it, which end at 4"));
  EXPECT_THAT(two(0, 4, 0, 4, 4), HasSubstr("begins at 0, inside the tensors before it"));
  EXPECT_THAT(two(0, 4, 5, 8, 8), HasSubstr("tensor 'b' begins at 5, after a hole behind the tensors before it"));
  EXPECT_THAT(two(1, 4, 4, 8, 8), HasSubstr("tensor 'a' begins at 1, after a hole"));
  EXPECT_THAT(two(0, 4, 4, 8, 9), HasSubstr("the data has 9 bytes, the tensors take 8"));
  EXPECT_THAT(tensors_error(file_with("{}", 1)), HasSubstr("the data has 1 bytes, the tensors take 0"));
}

TEST(Safetensors, RefusesKeysThatStandTwice) {
  const std::string tensor = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(tensors_error(file_with(R"({"x":)" + tensor + R"(,"x":)" + tensor + "}", 1)),
              HasSubstr("corrupted: m.safetensors: tensor 'x' appears twice"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"U8","shape":[9],"shape":[1],"data_offsets":[0,1]}})", 1)),
              HasSubstr("tensor 'x' has its shape twice"));
  EXPECT_THAT(tensors_error(file_with(R"({"__metadata__":{},"__metadata__":{}})", 0)),
              HasSubstr("__metadata__ appears twice"));
}

TEST(Safetensors, RefusesHeadersThatAreNotOfTheFormat) {
  EXPECT_EQ(tensors_error(file_with(R"({"__metadata__":{"format":"pt"}})", 0)), "no error");
  EXPECT_THAT(tensors_error(file_with(R"({"__metadata__":{"format":1}})", 0)), HasSubstr("not an object of strings"));
  EXPECT_THAT(tensors_error(file_with(R"({"__metadata__":[]})", 0)), HasSubstr("not an object of strings"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":[1]})", 0)), HasSubstr("tensor 'x' is no object"));
  EXPECT_THAT(
      tensors_error(file_with(R"({"x":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4)),
      HasSubstr("overflows"));
  EXPECT_THAT(tensors_error(file_with(R"({"x":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4)),
              HasSubstr("has 4 bytes, its shape needs 9223372036854775808"));
  EXPECT_THAT(
      tensors_error(file_with(R"({"x":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4]}})", 4)),
      HasSubstr("not a JSON object"));
  EXPECT_THAT(tensors_error(file_with(
                  R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[18446744073709551612,18446744073709551615]}})", 4)),
              HasSubstr("the data has 4 bytes"));
  EXPECT_THAT(tensors_error(raw_length(101'000'000) + std::string(101'000'000, ' ')),
              HasSubstr("header length is 101000000"));
}

TEST(Safetensors, EveryCutAndFlippedFileIsAnErrorOrStaysInBounds) {
  const float values[4] = {1, 2, 3, 4};
  std::string file =
      write_safetensors({{"table", DType::f32, {2, 2}, {reinterpret_cast<const char*>(values), sizeof values}}});
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_THAT(tensors_error(file.substr(0, length)), HasSubstr("corrupted")) << length;
  }
  base::Random random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = file;
    damaged[random.below(file.size())] = static_cast<char>(random.below(256));
    try {
      Safetensors tensors(bytes_of(damaged), "m");
      for (const auto& [key, tensor] : tensors.tensors()) to_float32(tensor);
    } catch (const Error&) {
    }
  }
}

TEST(Safetensors, ATensorOfEightBitFloatsMayLieBesideWhatIsUsed) {
  const std::string file = file_with(
      R"({"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U16","shape":[1],"data_offsets":[2,4]}})",
      4);
  Safetensors tensors(std::as_bytes(std::span(file)), "f.safetensors");
  EXPECT_EQ(to_float32(tensors.at("b")).size(), 1u);
  EXPECT_THAT([&] { to_float32(tensors.at("a")); }, testing::ThrowsMessage<Error>(HasSubstr("F8_E4M3")));
}

}  // namespace
}  // namespace sextant::model
