// period.cpp - see period.h.

#include "period.h"

#include <cstdio>
#include <ctime>

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number of exactly so many digits at the front, which is taken off.
bool cut(std::string_view &text, unsigned digits, int &number) {
  number = 0;
  if (text.size() < digits) return false;
  for (unsigned i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return false;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool cut(std::string_view &text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == any_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

// "90m"
std::optional<long long> ago(std::string_view text, long long now) {
  long long n = 0, unit;
  size_t i = 0;
  for (; i < text.size() && i < 9 && is_digit(text[i]); ++i) n = n * 10 + (text[i] - '0');
  if (i == 0 || i + 1 != text.size()) return {};
  switch (text[i]) {
    case 'm': unit = 60; break;
    case 'h': unit = 3600; break;
    case 'd': unit = 86400; break;
    case 'w': unit = 7 * 86400; break;
    default: return {};
  }
  return now - n * unit;
}

int days_in(int year, int month) {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

bool read_clock(std::string_view text, tm &t) {
  if (text.empty()) return true;
  if (!cut(text, " T") || !cut(text, 2, t.tm_hour) || !cut(text, ":") || !cut(text, 2, t.tm_min)) return false;
  if (!text.empty() && (!cut(text, ":") || !cut(text, 2, t.tm_sec))) return false;
  return text.empty() && t.tm_hour < 24 && t.tm_min < 60 && t.tm_sec < 60;
}

tm local(long long seconds) {
  const time_t at = seconds;
  tm t{};
  localtime_r(&at, &t);
  return t;
}

}  // namespace

std::optional<long long> report_time_read(std::string_view text, long long now) {
  if (const auto before = ago(text, now)) return before;
  tm t{};
  int year, month, day;
  if (!cut(text, 4, year) || !cut(text, "-") || !cut(text, 2, month) || !cut(text, "-") || !cut(text, 2, day))
    return {};
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return {};
  if (!read_clock(text, t)) return {};
  t.tm_year = year - 1900;
  t.tm_mon = month - 1;
  t.tm_mday = day;
  t.tm_isdst = -1;
  return mktime(&t);
}

std::string report_time_format(long long seconds, const char *format) {
  char text[64];
  const tm t = local(seconds);
  return {text, strftime(text, sizeof text, format, &t)};
}

std::string report_time_text(long long seconds) { return report_time_format(seconds, "%Y-%m-%d %H:%M:%S"); }

long report_time_offset(long long seconds) { return local(seconds).tm_gmtoff; }

std::string report_time_iso(long long seconds) {
  const long offset = report_time_offset(seconds), minutes = (offset < 0 ? -offset : offset) / 60;
  char zone[40];
  snprintf(zone, sizeof zone, "%c%02ld:%02ld", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
  return report_time_format(seconds, "%Y-%m-%dT%H:%M:%S") + zone;
}
