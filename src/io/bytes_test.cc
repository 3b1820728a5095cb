#include "io/bytes.h"

#include <gtest/gtest.h>
#include <zlib.h>
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

TEST_F(Bytes, ReadsGzipStreamsOfSeveralMembers) {
  auto gzip = [](const std::string& bytes) {
    z_stream stream{};
    EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(::deflateBound(&stream, bytes.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
  };
  std::string text;
  for (unsigned i = 0; i < 900000; ++i) text += static_cast<char>('a' + i * i % 23);
  const std::string packed = gzip(text);
  put(file("one.gz"), packed);
  put(file("two"), packed + gzip("") + gzip("tail") + std::string(300, '\0'));
  EXPECT_EQ(read_all(file("one.gz")), text);
  EXPECT_EQ(read_all(file("two")), text + "tail");
  put(file("cut.gz"), packed.substr(0, packed.size() / 2));
  EXPECT_EQ(code_of(file("cut.gz")), ErrorCode::corrupted);
  put(file("cut in its checksum.gz"), packed.substr(0, packed.size() - 3));
  EXPECT_EQ(code_of(file("cut in its checksum.gz")), ErrorCode::corrupted);
  std::string damaged = packed;
  damaged[damaged.size() / 2] ^= 0x55;
  put(file("damaged.gz"), damaged);
  EXPECT_EQ(code_of(file("damaged.gz")), ErrorCode::corrupted);
  damaged = packed;
  damaged[damaged.size() - 6] ^= 0x55;
  put(file("another checksum.gz"), damaged);
  EXPECT_EQ(code_of(file("another checksum.gz")), ErrorCode::corrupted);
  put(file("no.gz"), "plain");
  EXPECT_EQ(code_of(file("no.gz")), ErrorCode::corrupted);
  put(file("followed.gz"), packed + "plain");
  EXPECT_EQ(code_of(file("followed.gz")), ErrorCode::corrupted);
}

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
