#include "io/vector_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "io/npy.h"
#include "io/testing_zstd.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

std::string u32(uint32_t value) { return {reinterpret_cast<const char*>(&value), 4}; }

template <class Value>
std::string raw(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + data;
}

class Vectors : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& bytes) {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  std::vector<float> all_of(VectorFile& file) {
    std::vector<float> out(file.rows() * file.dim());
    file.read(0, file.rows(), out);
    return out;
  }

  // Plain and compressed, whole, row by row and from the middle: always the same.
  void expect_rows(const std::string& name, const std::string& bytes, ElementType type, size_t dim,
                   const std::vector<float>& expected) {
    for (bool compressed : {false, true}) {
      SCOPED_TRACE(name + (compressed ? ".zst" : ""));
      VectorFile file =
          compressed ? VectorFile::open(put(name + ".zst", zstd(bytes))) : VectorFile::open(put(name, bytes));
      EXPECT_EQ(file.type(), type);
      EXPECT_EQ(file.dim(), dim);
      EXPECT_EQ(file.is_mapped(), !compressed);
      ASSERT_EQ(file.rows() * dim, expected.size());
      EXPECT_EQ(all_of(file), expected);
      std::vector<float> row(dim);
      for (size_t i = 0; i < file.rows(); ++i) {
        file.read(i, 1, row);
        EXPECT_TRUE(std::equal(row.begin(), row.end(), expected.begin() + static_cast<ptrdiff_t>(i * dim))) << i;
      }
      file.read(file.rows() - 1, 1, row);
      EXPECT_TRUE(std::equal(row.begin(), row.end(), expected.end() - static_cast<ptrdiff_t>(dim)));
      file.read(file.rows(), 0, {});
    }
  }

  // What open() says, or "" where it accepts the file; always with the file's name in front.
  std::string open_error(const std::string& name, const std::string& bytes, ErrorCode code) {
    const std::string path = put(name, bytes);
    try {
      VectorFile::open(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_EQ(std::string(error.what()).rfind(path, 0), 0u) << error.what();
      return error.what();
    }
    return "";
  }

  void expect_error(const std::string& name, const std::string& bytes, ErrorCode code, const std::string& part) {
    for (bool compressed : {false, true}) {
      const std::string message = open_error(name + (compressed ? ".zst" : ""), compressed ? zstd(bytes) : bytes, code);
      EXPECT_NE(message.find(part), std::string::npos) << name << (compressed ? ".zst" : "") << " says: " << message;
    }
  }

  base::TemporaryFolder folder;
};

const std::vector<float> kFloats = {1, -2, 0.5f, 3, 4, 5};
const std::vector<uint8_t> kBytes = {0, 1, 127, 128, 254, 255};
const std::vector<int8_t> kSigned = {0, 1, 127, -128, -2, -1};

TEST_F(Vectors, ReadsEveryBinKind) {
  expect_rows("a.fbin", u32(2) + u32(3) + raw(kFloats), ElementType::float32, 3, kFloats);
  expect_rows("a.u8bin", u32(3) + u32(2) + raw(kBytes), ElementType::uint8, 2, {0, 1, 127, 128, 254, 255});
  expect_rows("a.i8bin", u32(6) + u32(1) + raw(kSigned), ElementType::int8, 1, {0, 1, 127, -128, -2, -1});
}

TEST_F(Vectors, ReadsEveryKindOfArray) {
  expect_rows("a.npy", npy("<f4", "(2, 3)", raw(kFloats)), ElementType::float32, 3, kFloats);
  expect_rows("b.npy", npy("|u1", "(3, 2)", raw(kBytes)), ElementType::uint8, 2, {0, 1, 127, 128, 254, 255});
  expect_rows("c.npy", npy("|i1", "(1, 6)", raw(kSigned)), ElementType::int8, 6, {0, 1, 127, -128, -2, -1});
  std::vector<uint16_t> halves;
  for (float value : kFloats) halves.push_back(float_to_half(value));
  expect_rows("d.npy", npy("<f2", "(3, 2)", raw(halves)), ElementType::float16, 2, kFloats);
}

TEST_F(Vectors, ReadsRowsThatBeginWithTheirDimensions) {
  const std::vector<float> second(kFloats.begin() + 3, kFloats.end());
  const std::vector<float> first(kFloats.begin(), kFloats.begin() + 3);
  expect_rows("a.fvecs", u32(3) + raw(first) + u32(3) + raw(second), ElementType::float32, 3, kFloats);
  expect_rows("a.bvecs", u32(2) + "\x01\x02" + u32(2) + "\xFE\xFF", ElementType::uint8, 2, {1, 2, 254, 255});
  // A row of five bytes is shorter than the eight that are looked at first.
  expect_rows("b.bvecs", u32(1) + "\x07" + u32(1) + "\x08" + u32(1) + "\x09", ElementType::uint8, 1, {7, 8, 9});
  expect_rows("c.bvecs", u32(1) + "\x07", ElementType::uint8, 1, {7});
}

TEST_F(Vectors, NoRowsAreFineWhereTheHeaderSaysSo) {
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"a.fbin", u32(0) + u32(3)}, {"a.npy", npy("<f4", "(0, 3)", "")}, {"b.fbin.zst", zstd(u32(0) + u32(3))}}) {
    VectorFile file = VectorFile::open(put(name, bytes));
    EXPECT_EQ(file.rows(), 0u);
    EXPECT_EQ(file.dim(), 3u);
    file.read(0, 0, {});
  }
}

TEST_F(Vectors, ShowsRawRowsWhereTheyLieOneAfterAnother) {
  auto raw_of = [](const VectorFile& file) {
    return std::string(reinterpret_cast<const char*>(file.mapped().data()), file.mapped().size());
  };
  EXPECT_EQ(raw_of(VectorFile::open(put("a.fbin", u32(2) + u32(3) + raw(kFloats)))), raw(kFloats));
  EXPECT_EQ(raw_of(VectorFile::open(put("a.u8bin", u32(3) + u32(2) + raw(kBytes)))), raw(kBytes));
  EXPECT_EQ(raw_of(VectorFile::open(put("a.npy", npy("<f4", "(2, 3)", raw(kFloats))))), raw(kFloats));
  EXPECT_TRUE(VectorFile::open(put("a.fvecs", u32(1) + raw(std::vector<float>{1}))).mapped().empty());
  EXPECT_TRUE(VectorFile::open(put("a.fbin.zst", zstd(u32(2) + u32(3) + raw(kFloats)))).mapped().empty());
  // A header of odd length: the floats are not aligned, so only read() gives them.
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  std::string odd = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(dict.size()) + '\0' + dict + raw(kFloats);
  ASSERT_NE((10 + dict.size()) % 4, 0u);
  VectorFile file = VectorFile::open(put("odd.npy", odd));
  EXPECT_TRUE(file.mapped().empty());
  EXPECT_EQ(all_of(file), kFloats);
}

TEST_F(Vectors, PassesNanAndInfinitiesOn) {
  const std::vector<float> values = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  VectorFile file = VectorFile::open(put("a.fbin", u32(1) + u32(2) + raw(values)));
  std::vector<float> out = all_of(file);
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], values[1]);
}

TEST_F(Vectors, CompressedFilesAreReadInAnyOrderOfBlocks) {
  constexpr size_t kRows = 5000, kDim = 100;  // several of the blocks that are decoded at a time
  std::vector<float> values(kRows * kDim);
  std::iota(values.begin(), values.end(), 0.0f);
  VectorFile file = VectorFile::open(put("a.fbin.zst", zstd(u32(kRows) + u32(kDim) + raw(values))));
  base::Random random(7);
  for (int i = 0; i < 50; ++i) {
    const size_t first = random.below(kRows), count = random.below(kRows - first) + 1;
    std::vector<float> out(count * kDim);
    file.read(first, count, out);
    ASSERT_EQ(std::memcmp(out.data(), values.data() + first * kDim, out.size() * 4), 0) << first << " " << count;
  }
}

TEST_F(Vectors, UnknownEndingsAreAnsweredWithTheKnownOnes) {
  for (const char* name : {"a.bin", "a.zst", "fbin", "a.fbin.gz", "a.csv"}) {
    const std::string message = open_error(name, "", ErrorCode::invalid_argument);
    EXPECT_NE(message.find(".fbin, .u8bin, .i8bin, .npy, .fvecs, .bvecs"), std::string::npos) << message;
  }
}

TEST_F(Vectors, MissingFilesAndFoldersAreNamed) {
  EXPECT_THROW(
      {
        try {
          VectorFile::open(folder.path() / "none.fbin");
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::not_found);
          EXPECT_NE(std::string(error.what()).find("none.fbin"), std::string::npos);
          throw;
        }
      },
      Error);
  std::filesystem::create_directory(folder.path() / "folder.fbin");
  EXPECT_THROW(VectorFile::open(folder.path() / "folder.fbin"), Error);
}

TEST_F(Vectors, SizesThatDifferFromTheHeaderAreStatedBoth) {
  expect_error("a.fbin", u32(2) + u32(3) + std::string(23, '\0'), ErrorCode::corrupted,
               "2 rows of 3 x float32, a file of 32 bytes, but it has 31");
  expect_error("a.u8bin", u32(3) + u32(2) + "12345", ErrorCode::corrupted,
               "3 rows of 2 x uint8, a file of 14 bytes, but it has 13");
  expect_error("a.npy", npy("<f2", "(2, 2)", "1234567"), ErrorCode::corrupted,
               "2 rows of 2 x float16, a file of 136 bytes, but it has 135");
  EXPECT_NE(open_error("a.fbin", u32(1) + u32(1) + std::string(5, '\0'), ErrorCode::corrupted).find("it has 13"),
            std::string::npos);
  EXPECT_NE(open_error("a.fbin.zst", zstd(u32(1) + u32(1) + std::string(5, '\0')), ErrorCode::corrupted).find("more"),
            std::string::npos);
}

TEST_F(Vectors, FilesTooShortForTheirHeaderAreRefused) {
  expect_error("a.fbin", "", ErrorCode::corrupted, "has 0 bytes");
  expect_error("a.fbin", "1234567", ErrorCode::corrupted, "has 7 bytes, expected a header of 8");
  expect_error("a.fvecs", "", ErrorCode::corrupted, "has 0 bytes");
  expect_error("a.bvecs", "123", ErrorCode::corrupted, "has 3 bytes");
  expect_error("a.npy", "", ErrorCode::corrupted, "not a .npy file");
}

TEST_F(Vectors, DimensionsLieBetween1And65536) {
  expect_error("a.fbin", u32(0) + u32(0), ErrorCode::corrupted, "no dimensions");
  expect_error("a.u8bin", u32(9) + u32(0), ErrorCode::corrupted, "no dimensions");
  expect_error("a.fvecs", u32(0), ErrorCode::corrupted, "no dimensions");
  expect_error("a.npy", npy("<f4", "(3, 0)", ""), ErrorCode::corrupted, "no dimensions");
  expect_error("a.u8bin", u32(1) + u32(65537) + std::string(65537, '\0'), ErrorCode::unsupported, "65537 dimensions");
  expect_error("a.fvecs", u32(0xFFFFFFFF), ErrorCode::unsupported, "4294967295 dimensions");
  VectorFile widest = VectorFile::open(put("b.u8bin", u32(1) + u32(65536) + std::string(65536, '\1')));
  EXPECT_EQ(all_of(widest), std::vector<float>(65536, 1.0f));
  VectorFile packed = VectorFile::open(put("b.fvecs.zst", zstd(u32(65536) + std::string(4 * 65536, '\0'))));
  EXPECT_EQ(all_of(packed), std::vector<float>(65536, 0.0f));
}

TEST_F(Vectors, ArraysOfOtherKindsAreRefusedByName) {
  expect_error("a.npy", npy("<f8", "(1, 1)", "12345678"), ErrorCode::unsupported, "holds float64, expected float32");
  expect_error("a.npy", npy("<f4", "(1,)", "1234"), ErrorCode::unsupported, "array of 1 dimension, expected 2");
  expect_error("a.npy", npy("<f4", "(1, 1, 1)", "1234"), ErrorCode::unsupported, "array of 3 dimensions, expected 2");
  expect_error("a.npy", npy(">f4", "(1, 1)", "1234"), ErrorCode::unsupported, "big-endian");
}

TEST_F(Vectors, ARowOfAnotherDimIsNamedByItsNumber) {
  const std::string row = u32(1) + "\x07";
  // Seen when it is opened, because the sizes do not add up, or because all of it is decoded.
  expect_error("a.bvecs", row + row + u32(2) + "\x07\x08", ErrorCode::corrupted, "row 2 has 2 dimensions, row 0 has 1");
  const std::string same_size = u32(6) + "123456" + u32(1) + "\x07" + u32(1) + "\x08";
  EXPECT_NE(
      open_error("b.bvecs.zst", zstd(same_size), ErrorCode::corrupted).find("row 1 has 1 dimensions, row 0 has 6"),
      std::string::npos);
  // Seen when the row is read, because the sizes happen to add up.
  VectorFile file = VectorFile::open(put("b.bvecs", same_size));
  EXPECT_EQ(file.rows(), 2u);
  std::vector<float> out(6);
  file.read(0, 1, out);
  try {
    file.read(1, 1, out);
    FAIL() << "row 1 was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("row 1 has 1 dimensions, row 0 has 6"), std::string::npos) << error.what();
  }
}

TEST_F(Vectors, ALastRowThatIsCutIsNamedByItsNumber) {
  expect_error("a.fvecs", u32(2) + "12345678" + u32(2) + "1234", ErrorCode::corrupted,
               "row 1 is cut short: 8 bytes are left of 12");
  expect_error("a.fvecs", u32(2) + "12345678" + "12", ErrorCode::corrupted, "row 1 is cut short: 2 bytes are left");
  expect_error("a.fvecs", u32(2), ErrorCode::corrupted, "row 0 is cut short: 4 bytes are left of 12");
}

TEST_F(Vectors, HeadersThatPromiseBillionsOfRowsCostNothing) {
  for (const char* name : {"a.fbin", "a.i8bin"}) {
    expect_error(name, u32(0xFFFFFFFF) + u32(65536) + std::string(84, '\0'), ErrorCode::corrupted, "but it has 92");
  }
  expect_error("a.npy", npy("<f4", "(9223372036854775807, 4)", ""), ErrorCode::corrupted, "more than any file holds");
  expect_error("a.npy", npy("<f4", "(4611686018427387904, 4)", ""), ErrorCode::corrupted, "more than any file holds");
}

TEST_F(Vectors, DamagedCompressionIsAnErrorAndNeverACrash) {
  std::vector<float> values(4000);
  std::iota(values.begin(), values.end(), 0.0f);
  const std::string whole = zstd(u32(40) + u32(100) + raw(values));
  EXPECT_FALSE(open_error("a.fbin.zst", whole.substr(0, whole.size() / 2), ErrorCode::corrupted).empty());
  EXPECT_FALSE(open_error("a.fbin.zst", u32(1) + u32(1) + "1234", ErrorCode::corrupted).empty());
  base::Random random(3);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    damaged[random.below(damaged.size())] ^= static_cast<char>(1 << random.below(8));
    try {
      VectorFile file = VectorFile::open(put("b.fbin.zst", damaged));
      all_of(file);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("b.fbin.zst"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Vectors, ACompressedFileThatShrinksMeanwhileIsAnErrorAndTheNextReadStartsAnew) {
  std::vector<float> values(300000, 1.5f);
  const std::string good = zstd(u32(3000) + u32(100) + raw(values));
  const std::string path = put("a.fbin.zst", good);
  VectorFile file = VectorFile::open(path);
  put("a.fbin.zst", zstd(u32(3000) + u32(100) + raw(std::vector<float>(1000))));
  std::vector<float> out(values.size());
  EXPECT_THROW(file.read(0, 3000, out), Error);
  put("a.fbin.zst", good);
  file.read(0, 3000, out);
  EXPECT_EQ(out, values);
}

TEST_F(Vectors, RowsThatDoNotExistAreRefused) {
  VectorFile file = VectorFile::open(put("a.fbin", u32(2) + u32(3) + raw(kFloats)));
  std::vector<float> out(3);
  EXPECT_THROW(file.read(2, 1, out), Error);
  EXPECT_THROW(file.read(1, std::numeric_limits<size_t>::max(), out), Error);
  EXPECT_THROW(file.read(0, 2, out), Error);
}

TEST_F(Vectors, TheWriterWritesWhatTheReaderReads) {
  const std::string path = (folder.path() / "w.fbin").string();
  {
    VectorFileWriter unfinished(path, 3);
    unfinished.append(kFloats);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  VectorFileWriter writer(path, 3);
  writer.append(kFloats);
  writer.append(std::span(kFloats).first(3));
  EXPECT_THROW(writer.append(std::span(kFloats).first(2)), Error);
  writer.finish();
  EXPECT_EQ(base::read_file(path), u32(3) + u32(3) + raw(kFloats) + raw(kFloats).substr(0, 12));
  EXPECT_EQ(VectorFile::open(path).rows(), 3u);
  EXPECT_THROW(VectorFileWriter("-", 3), Error);
}

TEST_F(Vectors, ReadsTheSharedDigits) {
  const std::string path = std::string(SEXTANT_SHARED_DIR) + "/data/ann/mnist_vectors.u8bin.zst";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  VectorFile file = VectorFile::open(path);
  EXPECT_EQ(file.rows(), 63000u);
  EXPECT_EQ(file.dim(), 784u);
  EXPECT_EQ(file.type(), ElementType::uint8);
  std::vector<float> out(784 * 10);
  file.read(62990, 10, out);
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  EXPECT_GT(sum, 10 * 784 * 10);  // a digit is a fifth ink
  EXPECT_LT(sum, 10 * 784 * 80);
}

}  // namespace
}  // namespace sextant::io
