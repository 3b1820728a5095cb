#include "model/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/utf8.h"
#include "model/shown.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using Kind = PickleValue::Kind;

// A tensor costs a pickle some 150 bytes and 20 values: this is room for 100,000 of them, in 150 MB at most.
constexpr size_t kPickleBytesMax = size_t{16} << 20;
constexpr size_t kValuesMax = 2'000'000;
constexpr size_t kMarksMax = 1000;
constexpr size_t kGlobalBytesMax = 500;

constexpr std::string_view kOrderedDict = "collections.OrderedDict";

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
  kLong4 = 0x8B,
  kShortBinUnicode = 0x8C,
  kBinUnicode8 = 0x8D,
  kBinBytes8 = 0x8E,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

// The opcodes that exist and are not read, or not everywhere, for messages that a reader of pickletools recognises.
struct Refused {
  uint8_t code;
  std::string_view name;
};
constexpr std::array<Refused, 25> kRefused = {{{'2', "DUP"},          {'F', "FLOAT"},
                                               {'I', "INT"},          {'L', "LONG"},
                                               {'P', "PERSID"},       {'S', "STRING"},
                                               {'V', "UNICODE"},      {'g', "GET"},
                                               {'i', "INST"},         {'o', "OBJ"},
                                               {'p', "PUT"},          {0x81, "NEWOBJ"},
                                               {0x82, "EXT1"},        {0x83, "EXT2"},
                                               {0x84, "EXT4"},        {0x8F, "EMPTY_SET"},
                                               {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},
                                               {0x92, "NEWOBJ_EX"},   {0x96, "BYTEARRAY8"},
                                               {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
                                               {kProto, "PROTO"},     {kBuild, "BUILD"},
                                               {kReduce, "REDUCE"}}};

std::string opcode_name(uint8_t code) {
  auto it = std::find_if(kRefused.begin(), kRefused.end(), [&](const Refused& r) { return r.code == code; });
  return it == kRefused.end() ? fmt::format("0x{:02x}", code) : std::string(it->name);
}

}  // namespace

// One run over one pickle.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, std::span<const std::string_view> globals, const std::string& source,
                Pickle& out)
      : source_(source), globals_(globals), out_(out) {
    limited_ = bytes.size() > kPickleBytesMax;
    bytes_ = bytes.first(std::min(bytes.size(), kPickleBytesMax));
  }

  void run() {
    if (bytes_.size() < 2 || static_cast<uint8_t>(bytes_[0]) != kProto) {
      throw bad("is not a pickle of protocol 2 or later");
    }
    const auto protocol = static_cast<uint8_t>(bytes_[1]);
    if (protocol < 2 || protocol > 5) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: pickle has protocol {}, 2 to 5 are read", source_, protocol));
    }
    at_ = 2;
    while (step(number<uint8_t>())) {
    }
    out_.size_bytes_ = at_;
  }

 private:
  Error bad(const std::string& what) const { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source_, what)); }
  Error refused_opcode(uint8_t code, std::string_view why = "") const {
    return Error(ErrorCode::unsupported,
                 fmt::format("{}: the pickle has opcode {} at byte {}{}; only tensors and containers are read", source_,
                             opcode_name(code), at_ - 1, why));
  }

  // The next COUNT bytes.
  std::span<const std::byte> take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      if (limited_) {
        throw Error(ErrorCode::exhausted,
                    fmt::format("{}: pickle goes on after {} bytes, the limit", source_, bytes_.size()));
      }
      throw bad(fmt::format("pickle breaks off: {} bytes are needed at byte {}, {} are there", count, at_,
                            bytes_.size() - at_));
    }
    std::span<const std::byte> taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view characters(uint64_t count) {
    std::span<const std::byte> taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  std::string_view line() {
    const void* begin = bytes_.data() + at_;
    const size_t rest = std::min(bytes_.size() - at_, kGlobalBytesMax);
    const void* end = std::memchr(begin, '\n', rest);
    if (end == nullptr) throw bad(fmt::format("pickle has a global without end at byte {}", at_));
    std::string_view text = characters(static_cast<const char*>(end) - static_cast<const char*>(begin));
    take(1);
    return text;
  }

  PickleValue& value(PickleRef ref) { return out_.values_[static_cast<size_t>(ref)]; }

  PickleRef push(PickleValue made) {
    if (out_.values_.size() >= kValuesMax) {
      throw Error(ErrorCode::exhausted, fmt::format("{}: pickle builds more than {} values", source_, kValuesMax));
    }
    out_.values_.push_back(std::move(made));
    stack_.push_back(static_cast<PickleRef>(out_.values_.size() - 1));
    return stack_.back();
  }
  void push_integer(int64_t integer) { push({.kind = Kind::integer, .integer = integer}); }
  void push_characters(Kind kind, uint64_t count) {
    const size_t where = at_;
    std::string_view text = characters(count);
    if (kind == Kind::text && !base::is_valid_utf8(text)) {
      throw bad(fmt::format("pickle has a string at byte {} that is not UTF-8", where));
    }
    push({.kind = kind, .text = text});
  }
  void push_long(uint64_t count) {
    std::string_view text = characters(count);
    if (text.size() > 8) {
      push({.kind = Kind::big_integer, .text = text});
      return;
    }
    // Two's complement of as many bytes as it takes, none for zero.
    uint64_t bits = 0;
    for (size_t i = 0; i < text.size(); ++i) bits |= uint64_t{static_cast<uint8_t>(text[i])} << (8 * i);
    const size_t unused = 64 - 8 * text.size();
    push_integer(text.empty() ? 0 : static_cast<int64_t>(bits << unused) >> unused);
  }

  // Values above the last mark; what lies below belongs to an unfinished container.
  size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  PickleRef top() const {
    if (available() == 0) throw bad(fmt::format("pickle takes a value from an empty stack at byte {}", at_ - 1));
    return stack_.back();
  }
  PickleRef pop() {
    PickleRef ref = top();
    stack_.pop_back();
    return ref;
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) throw bad(fmt::format("pickle goes back to a mark that is not there at byte {}", at_ - 1));
    std::vector<PickleRef> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleRef> pop_many(size_t count) {
    std::vector<PickleRef> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void extend(Kind kind, const std::vector<PickleRef>& items) {
    PickleValue& target = value(top());
    if (target.kind != kind) {
      throw bad(
          fmt::format("pickle adds items to what is no {} at byte {}", kind == Kind::dict ? "dict" : "list", at_ - 1));
    }
    if (kind == Kind::dict && items.size() % 2 != 0) {
      throw bad(fmt::format("pickle gives a dict a key without a value at byte {}", at_ - 1));
    }
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void memorise(uint32_t index) {
    if (memo_.size() >= kValuesMax) {
      throw Error(ErrorCode::exhausted, fmt::format("{}: pickle remembers more than {} values", source_, kValuesMax));
    }
    memo_[index] = top();
  }
  void recall(uint32_t index) {
    auto it = memo_.find(index);
    if (it == memo_.end()) throw bad(fmt::format("pickle recalls value {}, which it did not remember", index));
    stack_.push_back(it->second);
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string full = fmt::format("{}.{}", module, name);
    auto it = std::find(globals_.begin(), globals_.end(), full);
    if (it == globals_.end() && full != kOrderedDict) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: the pickle asks for global {}; only tensors and containers are read", source_, shown(full)));
    }
    push({.kind = Kind::global, .text = it == globals_.end() ? kOrderedDict : *it});
  }

  // OrderedDict() and OrderedDict([[key, value], ...]), the latter as Python 2 wrote it.
  std::vector<PickleRef> ordered_items(const std::vector<PickleRef>& arguments) {
    std::vector<PickleRef> items;
    if (arguments.empty()) return items;
    const PickleValue& pairs = value(arguments[0]);
    bool fits = arguments.size() == 1 && pairs.kind == Kind::list;
    for (size_t i = 0; fits && i < pairs.items.size(); ++i) {
      const PickleValue& pair = value(pairs.items[i]);
      fits = (pair.kind == Kind::list || pair.kind == Kind::tuple) && pair.items.size() == 2;
      if (fits) items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    if (!fits) throw bad("pickle makes an OrderedDict of what is no list of pairs");
    return items;
  }

  void reduce() {
    const PickleRef arguments = pop(), callee = pop();
    if (value(arguments).kind != Kind::tuple || value(callee).kind != Kind::global) {
      throw refused_opcode(kReduce, " that does not call a global with a tuple");
    }
    PickleValue made{.kind = Kind::call, .text = value(callee).text, .items = value(arguments).items};
    if (made.text == kOrderedDict) made = {.kind = Kind::dict, .items = ordered_items(made.items)};
    call_items_ += made.items.size();
    // One tuple may be the argument of many calls: this alone could grow faster than the file.
    if (call_items_ > 4 * kValuesMax) {
      throw Error(ErrorCode::exhausted, fmt::format("{}: pickle's calls have too many arguments", source_));
    }
    push(std::move(made));
  }

  // Attributes of a dict (state dicts carry `_metadata`) say nothing about tensors and are left out.
  void build() {
    const PickleRef state = pop();
    if (value(top()).kind != Kind::dict || value(state).kind != Kind::dict) {
      throw refused_opcode(kBuild, " for what is no dict");
    }
  }

  // False once the pickle is complete.
  bool step(uint8_t code) {
    switch (code) {
      case kStop:
        out_.root_ = static_cast<size_t>(pop());
        return false;
      case kMark:
        if (marks_.size() >= kMarksMax) {
          throw Error(ErrorCode::exhausted,
                      fmt::format("{}: pickle nests more than {} unfinished containers", source_, kMarksMax));
        }
        marks_.push_back(stack_.size());
        break;
      case kPop:
        pop();
        break;
      case kPopMark:
        pop_to_mark();
        break;
      case kFrame:
        take(8);
        break;
      case kNone:
        push({});
        break;
      case kNewTrue:
      case kNewFalse:
        push({.kind = Kind::boolean, .integer = code == kNewTrue});
        break;
      case kBinInt:
        push_integer(number<int32_t>());
        break;
      case kBinInt1:
        push_integer(number<uint8_t>());
        break;
      case kBinInt2:
        push_integer(number<uint16_t>());
        break;
      case kLong1:
        push_long(number<uint8_t>());
        break;
      case kLong4:
        push_long(number<uint32_t>());
        break;
      case kBinFloat:
        push({.kind = Kind::real, .real = std::bit_cast<double>(__builtin_bswap64(number<uint64_t>()))});
        break;
      case kShortBinUnicode:
      case kShortBinString:
        push_characters(Kind::text, number<uint8_t>());
        break;
      case kBinUnicode:
      case kBinString:
        push_characters(Kind::text, number<uint32_t>());
        break;
      case kBinUnicode8:
        push_characters(Kind::text, number<uint64_t>());
        break;
      case kShortBinBytes:
        push_characters(Kind::bytes, number<uint8_t>());
        break;
      case kBinBytes:
        push_characters(Kind::bytes, number<uint32_t>());
        break;
      case kBinBytes8:
        push_characters(Kind::bytes, number<uint64_t>());
        break;
      case kEmptyTuple:
        push({.kind = Kind::tuple});
        break;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push({.kind = Kind::tuple, .items = pop_many(code - kTuple1 + 1)});
        break;
      case kTuple:
        push({.kind = Kind::tuple, .items = pop_to_mark()});
        break;
      case kEmptyList:
        push({.kind = Kind::list});
        break;
      case kList:
        push({.kind = Kind::list, .items = pop_to_mark()});
        break;
      case kAppend:
        extend(Kind::list, {pop()});
        break;
      case kAppends:
        extend(Kind::list, pop_to_mark());
        break;
      case kEmptyDict:
        push({.kind = Kind::dict});
        break;
      case kDict: {
        std::vector<PickleRef> items = pop_to_mark();
        push({.kind = Kind::dict});
        extend(Kind::dict, items);
        break;
      }
      case kSetItem:
        extend(Kind::dict, pop_many(2));
        break;
      case kSetItems:
        extend(Kind::dict, pop_to_mark());
        break;
      case kBinPut:
        memorise(number<uint8_t>());
        break;
      case kLongBinPut:
        memorise(number<uint32_t>());
        break;
      case kMemoize:
        memorise(static_cast<uint32_t>(memo_.size()));
        break;
      case kBinGet:
        recall(number<uint8_t>());
        break;
      case kLongBinGet:
        recall(number<uint32_t>());
        break;
      case kGlobal: {
        std::string_view module = line();
        push_global(module, line());
        break;
      }
      case kStackGlobal: {
        const PickleRef name = pop(), module = pop();
        if (value(name).kind != Kind::text || value(module).kind != Kind::text) {
          throw bad(fmt::format("pickle asks for a global without a name at byte {}", at_ - 1));
        }
        push_global(value(module).text, value(name).text);
        break;
      }
      case kReduce:
        reduce();
        break;
      case kBuild:
        build();
        break;
      case kBinPersId:
        push({.kind = Kind::persistent, .items = {pop()}});
        break;
      default:
        throw refused_opcode(code);
    }
    return true;
  }

  const std::string& source_;
  std::span<const std::string_view> globals_;
  Pickle& out_;
  std::span<const std::byte> bytes_;
  bool limited_ = false;
  size_t at_ = 0;
  size_t call_items_ = 0;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleRef> memo_;
};

Pickle::Pickle(std::span<const std::byte> bytes, std::span<const std::string_view> globals, std::string source) {
  PickleMachine(bytes, globals, source, *this).run();
}

}  // namespace sextant::model
