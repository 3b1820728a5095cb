#include "store/database.h"

#include <gmock/gmock.h>

#include <fstream>

#include "sextant/error.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Databases, KeepCollectionsAndAliases) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "db";
  {
    Database database(path, {});
    database.create("books", testing_config(2))->write(UpsertPoints{{testing_point(1, {1, 2})}});
    database.create("films", testing_config(3));
    database.change_aliases({{"library", "books"}, {"old", "books"}});
    database.change_aliases({{"old", ""}});
    EXPECT_THAT(message_of([&] { database.create("books", testing_config(2)); }), HasSubstr("'books' exists"));
    EXPECT_THAT(message_of([&] { database.create("library", testing_config(2)); }), HasSubstr("exists"));
    EXPECT_THAT(message_of([&] { database.change_aliases({{"films", "books"}}); }), HasSubstr("is a collection"));
  }
  Database database(path, {});
  EXPECT_THAT(database.names(), ElementsAre("books", "films"));
  EXPECT_EQ(database.open("library")->count(), 1u);
  EXPECT_THAT(message_of([&] { database.open("music"); }), HasSubstr("no collection 'music'; it has 'books', 'films'"));
  database.remove("books");
  EXPECT_FALSE(database.contains("library"));
  EXPECT_TRUE(database.aliases().empty());
}

TEST(Databases, AreOpenedByOneProcessAtATime) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {});
  EXPECT_THAT(message_of([&] { Database second(folder.path() / "db", {}); }), HasSubstr("in use by process"));
}

TEST(Databases, LeaveFoldersOfOthersAlone) {
  base::TemporaryFolder folder;
  std::ofstream(folder.path() / "letter.txt") << "dear";
  EXPECT_THAT(message_of([&] { Database database(folder.path(), {}); }), HasSubstr("is no database"));
  EXPECT_THAT(message_of([&] { Database database(folder.path() / "none", {.create_if_missing = false}); }),
              HasSubstr("no database there"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "none"));
}

TEST(Databases, RefuseNamesThatAreNone) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {});
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string("a/b"), std::string("a\nb"), std::string("\xff")}) {
    EXPECT_THROW(database.create(name, testing_config(2)), Error) << name;
  }
}

}  // namespace
}  // namespace sextant::store
