#include "store/payload/datetime.h"

#include <fmt/format.h>

#include <array>

namespace sextant::store {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

// Days since 1970 of a day in the Gregorian calendar, and back (Howard Hinnant, "chrono-compatible low-level date
// algorithms"): years are counted from March, in eras of 400.
constexpr int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

struct Date {
  int64_t year, month, day;
};

constexpr Date date_of(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t of_era = days - era * 146'097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t month = (5 * of_year + 2) / 153;
  return {year + era * 400 + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9,
          of_year - (153 * month + 2) / 5 + 1};
}

constexpr int64_t kFirst = days_of(0, 1, 1) * kDay;
constexpr int64_t kEnd = days_of(10'000, 1, 1) * kDay;

// What is left of a text.
struct Reader {
  std::string_view rest;

  bool take(char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  }
  // COUNT digits of a number from FIRST to LAST.
  bool number(size_t count, int64_t first, int64_t last, int64_t& out) {
    if (rest.size() < count) return false;
    out = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest[i] < '0' || rest[i] > '9') return false;
      out = out * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return out >= first && out <= last;
  }
  bool fraction(int64_t& microseconds) {
    microseconds = 0;
    int64_t unit = kSecond / 10;
    size_t digits = 0;
    for (; digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9'; ++digits) {
      microseconds += (rest[digits] - '0') * unit;
      unit /= 10;
    }
    rest.remove_prefix(digits);
    return digits > 0;
  }
  // The zone's distance from UTC; all that is left must be a zone.
  bool zone(int64_t& offset) {
    offset = 0;
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest == "Z" || rest == "z" || rest == "UTC") return true;
    const bool west = rest.starts_with('-');
    if (!west && !rest.starts_with('+')) return false;
    rest.remove_prefix(1);
    int64_t hours = 0, minutes = 0;
    if (!number(2, 0, 23, hours)) return false;
    if (!rest.empty()) {
      take(':');
      if (!number(2, 0, 59, minutes)) return false;
    }
    offset = (hours * 60 + minutes) * 60 * kSecond;
    if (west) offset = -offset;
    return rest.empty();
  }
};

}  // namespace

std::optional<int64_t> read_datetime(std::string_view text) {
  Reader reader{text};
  int64_t year = 0, month = 0, day = 0;
  if (!reader.number(4, 0, 9999, year) || !reader.take('-') || !reader.number(2, 1, 12, month) || !reader.take('-') ||
      !reader.number(2, 1, 31, day)) {
    return std::nullopt;
  }
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  constexpr std::array<int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (day > kDays[static_cast<size_t>(month - 1)] + (leap && month == 2 ? 1 : 0)) return std::nullopt;
  const int64_t date = days_of(year, month, day) * kDay;
  if (reader.rest.empty()) return date;

  const bool space = reader.rest.starts_with(' ');
  if (!space && !reader.rest.starts_with('T') && !reader.rest.starts_with('t')) return std::nullopt;
  reader.rest.remove_prefix(1);
  int64_t hour = 0, minute = 0, second = 0, fraction = 0, offset = 0;
  if (!reader.number(2, 0, 23, hour) || !reader.take(':') || !reader.number(2, 0, 59, minute)) return std::nullopt;
  if (!(space && reader.rest.empty())) {
    // A leap second is the first one of the next minute.
    if (!reader.take(':') || !reader.number(2, 0, 60, second)) return std::nullopt;
    if (reader.take('.') && !reader.fraction(fraction)) return std::nullopt;
    if (!reader.rest.empty() && !reader.zone(offset)) return std::nullopt;
  }
  return date + ((hour * 60 + minute) * 60 + second) * kSecond + fraction - offset;
}

bool is_writable_datetime(int64_t microseconds) { return microseconds >= kFirst && microseconds < kEnd; }

std::string datetime_text(int64_t microseconds) {
  int64_t days = microseconds / kDay;
  if (microseconds % kDay < 0) --days;
  const Date date = date_of(days);
  const int64_t of_day = microseconds - days * kDay;
  const int64_t seconds = of_day / kSecond;
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month, date.day, seconds / 3600,
                                seconds / 60 % 60, seconds % 60);
  if (of_day % kSecond != 0) out += fmt::format(".{:06}", of_day % kSecond);
  return out + 'Z';
}

}  // namespace sextant::store
