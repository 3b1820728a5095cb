#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <unicode/uchar.h>

#include <map>

#include "sextant/error.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

constexpr uint32_t kMatchSteps = 100'000'000;  // about a second, far beyond what an honest pattern needs
constexpr size_t kPatternBytesMax = 1 << 16;

// \w, as the two read differently.
constexpr std::string_view kWordSet = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

[[noreturn]] void refuse(std::string_view pattern, const std::string& why) {
  throw Error(ErrorCode::unsupported, "the pattern \"" + std::string(pattern) + "\" " + why);
}

// Ruby's pattern syntax into PCRE2's.
class Translation {
 public:
  explicit Translation(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (i_ < pattern_.size()) {
      char c = pattern_[i_];
      if (c == '\\') {
        escape(false, out_);
      } else if (c == '[') {
        out_ += character_class();
      } else if (c == '(' && pattern_.substr(i_, 2) == "(?") {
        group();
      } else {
        out_ += c;
        ++i_;
      }
    }
    return std::move(out_);
  }

 private:
  void escape(bool in_class, std::string& out) {
    if (i_ + 1 >= pattern_.size()) refuse(pattern_, "ends with a backslash");
    char c = pattern_[i_ + 1];
    i_ += 2;
    switch (c) {
      case 's':
        out += "\\p{White_Space}";
        return;
      case 'S':
        out += "\\P{White_Space}";
        return;
      case 'h':
        out += in_class ? "0-9a-fA-F" : "[0-9a-fA-F]";
        return;
      case 'w':
        if (!in_class) out += '[';
        out += kWordSet;
        if (!in_class) out += ']';
        return;
      case 'W':
      case 'H':
        if (in_class) refuse(pattern_, std::string("has \\") + c + " inside a class");
        out += "[^";
        out += c == 'W' ? kWordSet : std::string_view("0-9a-fA-F");
        out += ']';
        return;
      case 'p':
      case 'P': {
        size_t close = pattern_.find('}', i_);
        if (i_ >= pattern_.size() || pattern_[i_] != '{' || close == std::string_view::npos) {
          refuse(pattern_, "has \\p without a name in braces");
        }
        out += '\\';
        out += c;
        out += '{';
        out += property(pattern_.substr(i_ + 1, close - i_ - 1));
        out += '}';
        i_ = close + 1;
        return;
      }
      case 'u': {
        std::string_view digits = pattern_.substr(i_, 4);
        if (digits.size() < 4) refuse(pattern_, "has \\u without four hexadecimal digits");
        out += "\\x{" + std::string(digits) + "}";
        i_ += 4;
        return;
      }
      default:
        out += '\\';
        out += c;
    }
  }

  // A property's name as PCRE2 has it: short categories, scripts without their extensions.
  std::string property(std::string_view name) {
    static const std::map<std::string_view, std::string_view> kRenamed = {
        {"Letter", "L"}, {"Mark", "M"},          {"Number", "N"},        {"Punctuation", "P"},
        {"Symbol", "S"}, {"Separator", "Z"},     {"Other", "C"},         {"Alpha", "Alphabetic"},
        {"Digit", "Nd"}, {"Upper", "Uppercase"}, {"Lower", "Lowercase"}, {"Space", "White_Space"}};
    std::string negation;
    if (name.starts_with('^')) {
      negation = "^";
      name.remove_prefix(1);
    }
    if (auto renamed = kRenamed.find(name); renamed != kRenamed.end()) return negation + std::string(renamed->second);
    std::string copy(name);
    if (name.size() > 2 && u_getPropertyValueEnum(UCHAR_SCRIPT, copy.c_str()) != UCHAR_INVALID_CODE) {
      return negation + "sc:" + copy;
    }
    return negation + copy;
  }

  // [...], nested classes and a trailing "&&[...]" included; i_ is at the bracket.
  std::string character_class() {
    if (++depth_ > 16) refuse(pattern_, "nests classes too deeply");
    ++i_;
    bool negated = i_ < pattern_.size() && pattern_[i_] == '^';
    if (negated) ++i_;
    std::string members;
    std::string condition;  // a look-ahead that the class must satisfy as well
    bool first = true;
    for (;; first = false) {
      if (i_ >= pattern_.size()) refuse(pattern_, "has a class that does not end");
      char c = pattern_[i_];
      if (c == ']' && !first) {
        ++i_;
        break;
      }
      if (c == '\\') {
        escape(true, members);
      } else if (pattern_.substr(i_, 2) == "[:") {
        size_t close = pattern_.find(":]", i_);
        if (close == std::string_view::npos) refuse(pattern_, "has a class that does not end");
        std::string_view bracket = pattern_.substr(i_, close + 2 - i_);
        members += bracket == "[:punct:]" ? std::string_view("\\p{P}\\p{S}") : bracket;
        i_ = close + 2;
      } else if (c == '[') {
        std::string nested = character_class();
        if (nested.starts_with("[^") || !nested.starts_with('['))
          refuse(pattern_, "has a negated class inside a class");
        members += nested.substr(1, nested.size() - 2);
      } else if (pattern_.substr(i_, 2) == "&&") {
        i_ += 2;
        if (i_ >= pattern_.size() || pattern_[i_] != '[' || negated) {
          refuse(pattern_, "intersects classes in a way that is not supported");
        }
        condition += "(?=" + character_class() + ")";
        if (i_ >= pattern_.size() || (pattern_[i_] != ']' && pattern_.substr(i_, 2) != "&&")) {
          refuse(pattern_, "intersects classes in a way that is not supported");
        }
      } else {
        members += c;
        ++i_;
      }
    }
    --depth_;
    std::string out = std::string(negated ? "[^" : "[") + members + "]";
    return condition.empty() ? out : "(?:" + condition + out + ")";
  }

  // (?...: Ruby's m is the others' s, and its ^ and $ always stand at lines.
  void group() {
    out_ += "(?";
    i_ += 2;
    while (i_ < pattern_.size() &&
           (pattern_[i_] == 'i' || pattern_[i_] == 'm' || pattern_[i_] == 'x' || pattern_[i_] == '-')) {
      out_ += pattern_[i_] == 'm' ? 's' : pattern_[i_];
      ++i_;
    }
  }

  std::string_view pattern_;
  size_t i_ = 0;
  int depth_ = 0;
  std::string out_;
};

struct MatchState {
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
  MatchState() {
    context = pcre2_match_context_create(nullptr);
    stack = pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr);
    if (context == nullptr || stack == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(context, kMatchSteps);
    pcre2_set_heap_limit(context, 64 << 10);  // KiB
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
  ~MatchState() {
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

struct MatchData {
  explicit MatchData(const pcre2_code* code) : data(pcre2_match_data_create_from_pattern(code, nullptr)) {
    if (data == nullptr) throw std::bad_alloc();
  }
  MatchData(const MatchData&) = delete;
  MatchData& operator=(const MatchData&) = delete;
  ~MatchData() { pcre2_match_data_free(data); }
  pcre2_match_data* data;
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern) : pattern_(pattern), code_(std::make_unique<Code>()) {
  if (pattern.size() > kPatternBytesMax) {
    throw Error(ErrorCode::unsupported, "a pattern of " + std::to_string(pattern.size()) + " bytes: at most " +
                                            std::to_string(kPatternBytesMax) + " are supported");
  }
  std::string translated = Translation(pattern).run();
  int error = 0;
  PCRE2_SIZE place = 0;
  code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C,
                              &error, &place, nullptr);
  if (code_->code == nullptr) {
    unsigned char message[256];
    pcre2_get_error_message(error, message, sizeof message);
    refuse(pattern, std::string("is not one that Sextant can run: ") + reinterpret_cast<const char*>(message));
  }
  // Without a compiler for this processor the interpreter does the same, more slowly.
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::string Regex::escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && (char_classes(static_cast<unsigned char>(c)) & kPunctuation))
      out += '\\';
    out += c;
  }
  return out;
}

void Regex::find_all(std::string_view text, std::vector<TokenOffset>& out) const {
  thread_local MatchState state;
  MatchData match(code_->code);
  size_t position = 0;
  size_t last_end = static_cast<size_t>(-1);
  while (position <= text.size()) {
    int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), position,
                            PCRE2_NO_UTF_CHECK, match.data, state.context);
    if (count == PCRE2_ERROR_NOMATCH) return;
    if (count < 0) {
      unsigned char message[256];
      pcre2_get_error_message(count, message, sizeof message);
      throw Error(ErrorCode::exhausted, "the pattern \"" + pattern_ + "\" gave up on a text of " +
                                            std::to_string(text.size()) +
                                            " bytes: " + reinterpret_cast<const char*>(message));
    }
    const PCRE2_SIZE* found = pcre2_get_ovector_pointer(match.data);
    size_t begin = found[0];
    size_t end = found[1];
    if (begin == end && end == last_end) {
      if (position >= text.size()) return;
      position += static_cast<size_t>(utf8_size_of_lead(text[position]));
      continue;
    }
    position = end;
    last_end = end;
    out.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }
}

}  // namespace sextant::text
