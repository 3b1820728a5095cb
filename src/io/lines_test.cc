#include "io/lines.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

class Lines : public testing::Test {
 protected:
  std::vector<std::string> read(const std::string& bytes, LineOptions options = {}) {
    std::string path = (folder.path() / "lines").string();
    std::ofstream(path, std::ios::binary) << bytes;
    LineReader reader(path, options);
    std::vector<std::string> out;
    std::string_view line;
    while (reader.next(line)) {
      out.emplace_back(line);
      EXPECT_EQ(reader.line_number(), out.size());
    }
    return out;
  }
  base::TemporaryFolder folder;
};

using Strings = std::vector<std::string>;

TEST_F(Lines, EndWithLfOrCrLfAndTheLastNeedsNoEnd) {
  EXPECT_EQ(read("a\nb\r\n\nc"), (Strings{"a", "b", "", "c"}));
  EXPECT_EQ(read("a\n"), (Strings{"a"}));
  EXPECT_EQ(read(""), Strings{});
  EXPECT_EQ(read("\n"), (Strings{""}));
  EXPECT_EQ(read("\r\n\r\n"), (Strings{"", ""}));
}

TEST_F(Lines, KeepNulsAndStrayCarriageReturnsAndLoseTheByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a\n\xEF\xBB\xBF"
                 "b"),
            (Strings{"a",
                     "\xEF\xBB\xBF"
                     "b"}));
  EXPECT_EQ(read(std::string("x\0y\rz\n", 6)), (Strings{std::string("x\0y\rz", 5)}));
}

TEST_F(Lines, OfEveryLengthAroundTheBufferComeBackWhole) {
  std::string bytes;
  Strings expected;
  for (size_t length : {262142, 262143, 262144, 262145, 1, 600000, 0, 524288}) {
    expected.emplace_back(length, static_cast<char>('a' + expected.size()));
    bytes += expected.back() + "\r\n";
  }
  EXPECT_EQ(read(bytes), expected);
}

TEST_F(Lines, OverTheLimitAreRefusedWithTheirNumber) {
  EXPECT_EQ(read("12345\r\n12345\n", {.line_bytes_max = 5}).size(), 2u);
  for (const char* bytes : {"ok\n123456\n", "ok\n123456", "ok\n1234567\r\n"}) {
    try {
      read(bytes, {.line_bytes_max = 5});
      ADD_FAILURE() << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::exhausted);
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
    }
  }
  // The limit holds before the line's end was seen: memory does not grow with it.
  EXPECT_THROW(read(std::string(3000000, 'x'), {.line_bytes_max = 1000}), Error);
}

TEST_F(Lines, OfTenMegabytesTakeLinearTime) {
  Strings lines = read(std::string(10 << 20, 'x') + "\nend");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].size(), size_t{10} << 20);
}

}  // namespace
}  // namespace sextant::io
