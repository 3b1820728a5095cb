#include "model/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "errors.h"
#include "model/testing_pytorch.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using namespace testing_pytorch;
using Kind = PickleValue::Kind;
using testing::HasSubstr;

constexpr std::array<std::string_view, 2> kKnown = {"torch.Size", "torch.device"};

// Owns the bytes that the values point into.
struct ReadPickle {
  explicit ReadPickle(std::string source)
      : bytes(std::move(source)), pickle(std::as_bytes(std::span(bytes)), kKnown, "p") {}

  const PickleValue& root() const { return pickle.root(); }
  const PickleValue& item(size_t i) const { return pickle[root().items[i]]; }

  std::string bytes;
  Pickle pickle;
};

std::string pickle_error(const std::string& bytes) {
  return tests::error_of([&] { ReadPickle read(bytes); });
}

TEST(Pickle, ReadsNumbersOfEveryWidth) {
  auto integer = [](const std::string& body) { return ReadPickle(pickle(body)).root().integer; };
  EXPECT_EQ(integer("K\xFF"), 255);
  EXPECT_EQ(integer(std::string("M\x00\x01", 3)), 256);
  EXPECT_EQ(integer("J\xFE\xFF\xFF\xFF"), -2);
  EXPECT_EQ(integer(std::string("\x8A\x00", 2)), 0);
  EXPECT_EQ(integer("\x8A\x01\xFF"), -1);
  EXPECT_EQ(integer(std::string("\x8A\x02\xFF\x00", 4)), 255);
  EXPECT_EQ(integer(number(INT64_MIN)), INT64_MIN);
  EXPECT_EQ(integer(std::string("\x8B\x02\x00\x00\x00\x00\x80", 7)), -32768);
  EXPECT_EQ(integer("\x88"), 1);
  EXPECT_EQ(ReadPickle(pickle("\x89")).root().kind, Kind::boolean);
  EXPECT_EQ(ReadPickle(pickle("N")).root().kind, Kind::none);
  EXPECT_EQ(ReadPickle(pickle(std::string("G\xBF\xF8\x00\x00\x00\x00\x00\x00", 9))).root().real, -1.5);
  const ReadPickle big(pickle("\x8A\x09" + std::string(9, '\x7F')));
  EXPECT_EQ(big.root().kind, Kind::big_integer);
  EXPECT_EQ(big.root().text, std::string(9, '\x7F'));
}

TEST(Pickle, ReadsStringsOfEveryProtocol) {
  const std::string four = raw(uint32_t{2}), eight = raw(uint64_t{2});
  for (const std::string& body : {"X" + four + "ab", "T" + four + "ab",
                                  std::string("U\x02"
                                              "ab"),
                                  std::string("\x8C\x02"
                                              "ab"),
                                  "\x8D" + eight + "ab"}) {
    const ReadPickle read(pickle(body));
    EXPECT_EQ(read.root().kind, Kind::text);
    EXPECT_EQ(read.root().text, "ab");
  }
  for (const std::string& body : {"B" + four + "\xFF\xFE", std::string("C\x02\xFF\xFE"), "\x8E" + eight + "\xFF\xFE"}) {
    const ReadPickle read(pickle(body));
    EXPECT_EQ(read.root().kind, Kind::bytes);
    EXPECT_EQ(read.root().text, "\xFF\xFE");
  }
  EXPECT_THAT(pickle_error(pickle(text("\xFF"))),
              HasSubstr("corrupted: p: pickle has a string at byte 7 that is not UTF-8"));
}

TEST(Pickle, BuildsTuplesListsAndDicts) {
  EXPECT_EQ(ReadPickle(pickle("K\x01\x85")).root().items.size(), 1u);
  EXPECT_EQ(ReadPickle(pickle("K\x01K\x02\x86")).root().items.size(), 2u);
  const ReadPickle three(pickle("K\x01K\x02K\x03\x87"));
  EXPECT_EQ(three.root().kind, Kind::tuple);
  EXPECT_EQ(three.item(0).integer, 1);
  EXPECT_EQ(three.item(2).integer, 3);
  EXPECT_EQ(ReadPickle(pickle("K\x07(K\x01K\x02t\x86")).item(1).items.size(), 2u) << "a mark ends where it began";
  EXPECT_EQ(ReadPickle(pickle("](K\x01K\x02"
                              "eK\x03"
                              "a"))
                .root()
                .items.size(),
            3u);
  EXPECT_EQ(ReadPickle(pickle("(K\x01l")).root().kind, Kind::list);
  EXPECT_EQ(ReadPickle(pickle("(K\x01K\x02"
                              "d"))
                .root()
                .kind,
            Kind::dict);
  const ReadPickle table(pickle(dict(text("a") + number(1)) + text("b") + number(2) + "s"));
  EXPECT_EQ(table.root().items.size(), 4u);
  EXPECT_EQ(table.item(2).text, "b");
  EXPECT_EQ(ReadPickle(pickle("K\x01(K\x02K\x03"
                              "1K\x04"
                              "0"))
                .root()
                .integer,
            1)
      << "values that are dropped leave nothing behind";
}

TEST(Pickle, RemembersValues) {
  const ReadPickle read(pickle(text("a") + "q\x05r" + raw(uint32_t{70000}) + "h\x05j" + raw(uint32_t{70000}) + "\x87"));
  EXPECT_EQ(read.root().items[0], read.root().items[2]) << "the same value, not a copy";
  EXPECT_EQ(ReadPickle("\x80\x04\x95" + std::string(8, '\0') + "K\x01\x94K\x02\x94h\x01\x87.").item(2).integer, 2)
      << "protocol 4 numbers what it remembers";
  EXPECT_THAT(pickle_error(pickle("h\x01")), HasSubstr("recalls value 1, which it did not remember"));
  const ReadPickle circle(
      pickle("]q\x01h\x01"
             "a"));
  EXPECT_EQ(&circle.item(0), &circle.root()) << "a list may hold itself";
}

TEST(Pickle, KeepsListedCallsAndPersistentIdsAsData) {
  const ReadPickle size(pickle(call(global("torch", "Size"), number(3))));
  EXPECT_EQ(size.root().kind, Kind::call);
  EXPECT_EQ(size.root().text, "torch.Size");
  EXPECT_EQ(size.item(0).integer, 3);
  EXPECT_EQ(ReadPickle(pickle(text("torch") + text("device") + "\x93")).root().text, "torch.device");
  const ReadPickle outside(pickle(text("storage 1") + "Q"));
  EXPECT_EQ(outside.root().kind, Kind::persistent);
  EXPECT_EQ(outside.item(0).text, "storage 1");
}

TEST(Pickle, ReadsOrderedDictsAsDicts) {
  const ReadPickle read(pickle(ordered_dict(text("a") + number(1)) + dict(text("_metadata") + ordered_dict("")) + "b"));
  EXPECT_EQ(read.root().kind, Kind::dict);
  EXPECT_EQ(read.root().items.size(), 2u) << "attributes are left out";
  const ReadPickle python2(
      pickle(call(global("collections", "OrderedDict"), list(list(text("a") + number(1)) + tuple(text("b") + "N")))));
  EXPECT_EQ(python2.root().items.size(), 4u);
  EXPECT_THAT(pickle_error(pickle(call(global("collections", "OrderedDict"), list(number(1))))),
              HasSubstr("list of pairs"));
}

TEST(Pickle, RefusesEveryOtherGlobalByName) {
  EXPECT_THAT(pickle_error(pickle(call(global("os", "system"), text("true")))),
              "unsupported: p: the pickle asks for global 'os.system'; only tensors and containers are read");
  EXPECT_THAT(pickle_error(pickle(global("builtins", "eval"))), HasSubstr("'builtins.eval'"));
  EXPECT_THAT(pickle_error(pickle(text("posix") + text("system") + "\x93")), HasSubstr("'posix.system'"));
  EXPECT_THAT(pickle_error(pickle(global("torch", "Size.__class__"))), HasSubstr("'torch.Size.__class__'"));
  EXPECT_THAT(pickle_error(pickle(global("o\x1B[2Js", std::string(300, 'x')))), HasSubstr("'o?[2Js.xxx"));
}

TEST(Pickle, RefusesEveryOtherOpcodeByName) {
  EXPECT_THAT(pickle_error(pickle("(ios\nsystem\n")),
              "unsupported: p: the pickle has opcode INST at byte 3; only tensors and containers are read");
  EXPECT_THAT(pickle_error(pickle(global("torch", "Size") + ")\x81")), HasSubstr("opcode NEWOBJ"));
  EXPECT_THAT(pickle_error(pickle("}}}\x92")), HasSubstr("opcode NEWOBJ_EX"));
  EXPECT_THAT(pickle_error(pickle("(o")), HasSubstr("opcode OBJ"));
  EXPECT_THAT(pickle_error(pickle("\x82\x01")), HasSubstr("opcode EXT1"));
  EXPECT_THAT(pickle_error(pickle("\x97")), HasSubstr("opcode NEXT_BUFFER"));
  EXPECT_THAT(pickle_error(pickle("I1\n")), HasSubstr("opcode INT"));
  EXPECT_THAT(pickle_error(pickle("K\x01"
                                  "2")),
              HasSubstr("opcode DUP"));
  EXPECT_THAT(pickle_error(pickle("\xFF")), HasSubstr("opcode 0xff"));
  EXPECT_THAT(pickle_error(pickle("K\x01K\x02R")), HasSubstr("opcode REDUCE at byte 6 that does not call a global"));
  EXPECT_THAT(pickle_error(pickle(call(global("torch", "Size"), "") + "}b")), HasSubstr("opcode BUILD at byte"));
}

TEST(Pickle, NamesWhatIsBroken) {
  EXPECT_THAT(pickle_error(""), HasSubstr("corrupted: p: is not a pickle"));
  EXPECT_THAT(pickle_error("(lp0\n."), HasSubstr("is not a pickle"));
  EXPECT_THAT(pickle_error(std::string("\x80\x06N.", 4)), HasSubstr("unsupported: p: pickle has protocol 6"));
  EXPECT_THAT(pickle_error("\x80\x02N"), HasSubstr("breaks off"));
  EXPECT_THAT(pickle_error(pickle("X" + raw(uint32_t{0xFFFFFFFF}) + "ab")), HasSubstr("4294967295 bytes are needed"));
  EXPECT_THAT(pickle_error(pickle("\x8D" + raw(UINT64_MAX) + "ab")),
              HasSubstr("18446744073709551615 bytes are needed"));
  EXPECT_THAT(pickle_error(pickle("")), HasSubstr("empty stack"));
  EXPECT_THAT(pickle_error(pickle("K\x02(K\x01"
                                  "(0")),
              HasSubstr("empty stack"))
      << "nothing below a mark may be taken";
  EXPECT_THAT(pickle_error(pickle("K\x01t")), HasSubstr("mark that is not there"));
  EXPECT_THAT(pickle_error(pickle("K\x01K\x02"
                                  "a")),
              HasSubstr("no list"));
  EXPECT_THAT(pickle_error(pickle("]K\x01K\x02s")), HasSubstr("no dict"));
  EXPECT_THAT(pickle_error(pickle("}(K\x01u")), HasSubstr("key without a value"));
  EXPECT_THAT(pickle_error(pickle("cos")), HasSubstr("global without end"));
}

TEST(Pickle, EndsAtItsLimits) {
  EXPECT_THAT(pickle_error(pickle(std::string(1001, '('))), HasSubstr("exhausted: p: pickle nests more than 1000"));
  EXPECT_THAT(pickle_error(pickle(std::string(2'000'001, 'N'))), HasSubstr("exhausted: p: pickle builds more than"));
  EXPECT_THAT(pickle_error(pickle("X" + raw(uint32_t{20 << 20}) + std::string(20 << 20, 'x'))),
              HasSubstr("exhausted: p: pickle goes on after 16777216 bytes"));
  std::string calls = tuple(std::string(1000, 'N')) + "q\x01" + "0" + global("torch", "Size") + "q\x02" + "0";
  for (int i = 0; i < 10000; ++i) calls += "h\x02h\x01R";
  EXPECT_THAT(pickle_error(pickle(calls)), HasSubstr("exhausted: p: pickle's calls have too many arguments"));
}

TEST(Pickle, EveryCutAndFlippedPickleIsAnErrorOrStaysInBounds) {
  const std::string whole = pickle(ordered_dict(text("a") + "q\x01" + numbers({1, 2, 3}) + "h\x01" +
                                                call(global("torch", "Size"), list(number(4)))));
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(pickle_error(whole.substr(0, length)), HasSubstr("corrupted")) << length;
  }
  base::Random random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (uint64_t times = 1 + random.below(3); times > 0; --times) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    }
    pickle_error(damaged);
  }
}

}  // namespace
}  // namespace sextant::model
