#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sextant/error.h"

namespace sextant::base {
namespace {

size_t files_in(const std::filesystem::path& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

TEST(FileReplacement, TakesItsPlaceWhenItIsCommittedAndNotBefore) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file_atomically(path, "old");
  FileReplacement file(path);
  file.append("....");
  file.append("and the rest");
  file.overwrite(0, "head");
  EXPECT_EQ(file.size_bytes(), 16u);
  EXPECT_EQ(read_file(path), "old");
  file.commit();
  EXPECT_EQ(read_file(path), "headand the rest");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(FileReplacement, WithoutCommitLeavesNothing) {
  const TemporaryFolder folder;
  { FileReplacement(folder.path() / "file").append("half"); }
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(FileReplacement, NamesThePathThatCannotBeWritten) {
  const TemporaryFolder folder;
  try {
    FileReplacement(folder.path() / "nowhere" / "file");
    FAIL() << "there is no such folder";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_found);
    EXPECT_NE(std::string(e.what()).find("nowhere/file"), std::string::npos) << e.what();
  }
}

TEST(Files, APipeIsRefusedAndNotWaitedFor) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(read_file(pipe), Error);
  EXPECT_THROW(MappedFile{pipe}, Error);
}

}  // namespace
}  // namespace sextant::base
