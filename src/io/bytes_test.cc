#include "io/bytes.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

std::string compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string read_all(const std::string& path) {
  ByteReader reader(path);
  std::string out;
  char buffer[1000];
  while (size_t n = reader.read(buffer, sizeof buffer)) out.append(buffer, n);
  return out;
}

void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

ErrorCode code_of(const std::string& path) {
  try {
    read_all(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << path << " was read";
  return ErrorCode::internal;
}

class Bytes : public testing::Test {
 protected:
  std::string file(const char* name) const { return (folder.path() / name).string(); }
  base::TemporaryFolder folder;
};

TEST_F(Bytes, ReadsPlainFilesAndZstdStreamsOfSeveralFramesAlike) {
  std::string text;
  for (unsigned i = 0; i < 300000; ++i) text += static_cast<char>('a' + i * i % 23);
  put(file("plain"), text);
  put(file("one.zst"), compressed(text));
  put(file("two"), compressed(text) + compressed("tail"));
  EXPECT_EQ(read_all(file("plain")), text);
  EXPECT_EQ(read_all(file("one.zst")), text);
  EXPECT_EQ(read_all(file("two")), text + "tail");
  put(file("empty"), "");
  EXPECT_EQ(read_all(file("empty")), "");
  put(file("three bytes"), "\x28\xB5\x2F");
  EXPECT_EQ(read_all(file("three bytes")), "\x28\xB5\x2F");
}

TEST_F(Bytes, RefusesAZstdStreamThatIsCutAnywhere) {
  std::string whole = compressed(std::string(5000, 'x') + std::string(5000, 'y'));
  for (size_t length = 4; length < whole.size(); ++length) {
    put(file("cut.zst"), whole.substr(0, length));
    EXPECT_EQ(code_of(file("cut.zst")), ErrorCode::corrupted) << length;
  }
}

TEST_F(Bytes, RefusesWhatIsNotZstdUnderItsName) {
  put(file("a.zst"), "plain text");
  EXPECT_EQ(code_of(file("a.zst")), ErrorCode::corrupted);
  EXPECT_EQ(code_of(file("absent")), ErrorCode::not_found);
  EXPECT_EQ(code_of(folder.path().string()), ErrorCode::invalid_argument);
}

TEST_F(Bytes, WritesAppearOnlyWhenFinished) {
  put(file("out"), "before");
  {
    ByteWriter writer(file("out"));
    writer.write("never finished");
  }
  EXPECT_EQ(read_all(file("out")), "before");
  ByteWriter writer(file("out"));
  std::string big(700000, 'z');
  writer.write("0123456789");
  writer.write(big);
  writer.patch(2, "ab");
  EXPECT_EQ(writer.size_bytes(), 700010u);
  writer.finish();
  EXPECT_EQ(read_all(file("out")), "01ab456789" + big);
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++entries;
  EXPECT_EQ(entries, 1u) << "a temporary file was left behind";
}

TEST_F(Bytes, WritingNamesThePathThatCannotBeWritten) {
  try {
    ByteWriter writer(file("no/such/folder"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(std::string(error.what()).find("no/such/folder"), std::string::npos);
  }
  EXPECT_THROW(ByteWriter writer(folder.path().string()), Error);
  ByteWriter full("/dev/full");
  full.write("x");
  try {
    full.finish();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
  }
}

}  // namespace
}  // namespace sextant::io
