#include "model/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "model/testing_pytorch.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing::HasSubstr;
using testing_pytorch::raw;
using testing_pytorch::zip;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The first entry's bytes, or what is wrong.
std::string first_of(const std::string& file) {
  try {
    StoredZip archive(std::as_bytes(std::span(file)), "z");
    return std::string(text_of(archive.at(archive.first_name())));
  } catch (const Error& e) {
    return std::string(name(e.code())) + ": " + e.what();
  }
}

// The file with a number written over what lies AT bytes before its end.
template <class T>
std::string with(std::string file, size_t at, T value) {
  return file.replace(file.size() - at, sizeof value, raw(value));
}

// The same archive with its sizes and places in 64-bit fields, as archives beyond 4 GiB have them.
std::string zip64(const std::string& name, const std::string& bytes) {
  const std::string field = raw(uint16_t{1}) + raw(uint16_t{24}) + raw(uint64_t{bytes.size()}) +
                            raw(uint64_t{bytes.size()}) + raw(uint64_t{0});
  const std::string narrow = raw(uint16_t{45}) + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(uint32_t{0}) +
                             raw(uint32_t{0}) + raw(UINT32_MAX) + raw(UINT32_MAX) +
                             raw(static_cast<uint16_t>(name.size()));
  const std::string local = "PK\x03\x04" + narrow + raw(uint16_t{0}) + name + bytes;
  const std::string directory = "PK\x01\x02" + raw(uint16_t{45}) + narrow + raw(static_cast<uint16_t>(field.size())) +
                                raw(uint16_t{0}) + raw(uint16_t{UINT16_MAX}) + raw(uint16_t{0}) + raw(uint32_t{0}) +
                                raw(UINT32_MAX) + name + field;
  const std::string end64 = "PK\x06\x06" + raw(uint64_t{44}) + raw(uint16_t{45}) + raw(uint16_t{45}) +
                            raw(uint32_t{0}) + raw(uint32_t{0}) + raw(uint64_t{1}) + raw(uint64_t{1}) +
                            raw(uint64_t{directory.size()}) + raw(uint64_t{local.size()});
  const std::string locator =
      "PK\x06\x07" + raw(uint32_t{0}) + raw(uint64_t{local.size() + directory.size()}) + raw(uint32_t{1});
  return local + directory + end64 + locator + "PK\x05\x06" + raw(uint32_t{0}) + raw(uint16_t{UINT16_MAX}) +
         raw(uint16_t{UINT16_MAX}) + raw(UINT32_MAX) + raw(UINT32_MAX) + raw(uint16_t{0});
}

TEST(StoredZip, ShowsEntriesWhereTheyLie) {
  const std::string file = zip({{"a/x", "first"}, {"a/y", ""}, {"b", "third"}});
  const StoredZip archive(std::as_bytes(std::span(file)), "z");
  EXPECT_EQ(archive.entry_count(), 3u);
  EXPECT_EQ(archive.first_name(), "a/x");
  EXPECT_EQ(text_of(archive.at("a/x")), "first");
  EXPECT_EQ(text_of(archive.at("a/y")), "");
  EXPECT_EQ(text_of(archive.at("b")), "third");
  EXPECT_EQ(text_of(archive.at("b")).data(), file.data() + file.find("third")) << "a view, not a copy";
  EXPECT_TRUE(archive.contains("b"));
  EXPECT_FALSE(archive.contains("c"));
  EXPECT_THROW(archive.at("c"), Error);
}

TEST(StoredZip, ReadsSizesOf64Bits) { EXPECT_EQ(first_of(zip64("a", "content")), "content"); }

TEST(StoredZip, FindsItsEndBehindAComment) {
  std::string file = with(zip({{"a", "content"}}), 2, uint16_t{7}) + "comment";
  EXPECT_EQ(first_of(file), "content");
  EXPECT_THAT(first_of(file + "!"), HasSubstr("no zip directory at its end"));
}

TEST(StoredZip, RefusesWhatIsNotStored) {
  EXPECT_THAT(first_of(zip({{"a", "content"}}, 8)),
              HasSubstr("unsupported: z: zip entry 'a' is compressed by method 8; only stored entries"));
  std::string encrypted = zip({{"a", "content"}});
  encrypted[encrypted.find("PK\x01\x02") + 8] = 1;
  EXPECT_THAT(first_of(encrypted), HasSubstr("zip entry 'a' is encrypted"));
}

TEST(StoredZip, NamesWhatIsBroken) {
  const std::string file = zip({{"a", "content"}});
  const size_t central = file.find("PK\x01\x02");
  const size_t from_end = file.size() - central;
  EXPECT_THAT(first_of(""), HasSubstr("corrupted: z: has no zip directory"));
  EXPECT_THAT(first_of(file.substr(0, file.size() - 1)), HasSubstr("has no zip directory"));
  EXPECT_THAT(first_of(with(file, 6, UINT32_MAX)), HasSubstr("reaches beyond its end"));
  EXPECT_THAT(first_of(with(file, 12, uint16_t{9})), HasSubstr("claims 9 entries"));
  EXPECT_THAT(first_of(with(file, 18, uint16_t{1})), HasSubstr("several disks"));
  EXPECT_THAT(first_of(with(file, from_end, uint32_t{0})), HasSubstr("breaks off before entry 1"));
  EXPECT_THAT(first_of(with(file, from_end - 28, uint16_t{9})), HasSubstr("breaks off inside entry 1"));
  EXPECT_THAT(first_of(with(file, from_end - 20, uint32_t{900})), HasSubstr("reaches beyond the file"));
  EXPECT_THAT(first_of(with(file, from_end - 20, UINT32_MAX)), HasSubstr("reaches beyond the file"));
  EXPECT_THAT(first_of(with(file, from_end - 24, uint32_t{900})), HasSubstr("stored, yet has 7 bytes for 900"));
  EXPECT_THAT(first_of(with(file, from_end - 42, uint32_t{5})), HasSubstr("is not at 5"));
  EXPECT_THAT(first_of(with(file, from_end - 46, 'b')), HasSubstr("another name in the directory"));
  EXPECT_THAT(first_of(zip({{"a", "x"}, {"a", "y"}})), HasSubstr("zip entry 'a' appears twice"));
  EXPECT_THAT(first_of(with(zip64("a", "content"), 34, uint64_t{1} << 63)), HasSubstr("no 64-bit zip directory"));
}

TEST(StoredZip, EveryCutAndFlippedArchiveIsAnErrorOrStaysInBounds) {
  base::Random random(9);
  for (const std::string& whole : {zip({{"a", "content"}, {"b/c", "more"}}), zip64("a", "content")}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_THAT(first_of(whole.substr(0, length)), HasSubstr("corrupted")) << length;
    }
    for (int round = 0; round < 20000; ++round) {
      std::string damaged = whole;
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
      first_of(damaged);
    }
  }
}

}  // namespace
}  // namespace sextant::model
