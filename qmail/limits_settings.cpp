// limits_settings.cpp - see limits_settings.h.

#include "limits_settings.h"

#include <algorithm>

#include "lines.h"
#include "text.h"

namespace {

std::string_view trim(std::string_view s) {
  const size_t begin = std::min(s.find_first_not_of(" \t"), s.size());
  return s.substr(begin, s.find_last_not_of(" \t") + 1 - begin);
}

bool read_number(std::string_view text, unsigned long &number) {
  unsigned long n = 0;
  if (text.empty()) return false;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    n = n * 10 + static_cast<unsigned long>(c - '0');
    if (n > LIMITS_BAD_MAX) return false;
  }
  number = n;
  return true;
}

// A line, and which of the numbers have been given already.
struct reader {
  limits_settings &settings;
  bool minute_seen = false, hour_seen = false, valid_seen = false, invalid_seen = false, stale_seen = false,
       answers_seen = false;

  std::string line(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view value = colon == text.npos ? "" : trim(text.substr(colon + 1));
    if (colon != text.npos && text_equal(name, "badperminute")) return number(text, value, settings.badperminute, minute_seen);
    if (colon != text.npos && text_equal(name, "badperhour")) return number(text, value, settings.badperhour, hour_seen);
    if (colon != text.npos && text_equal(name, "exempt")) return exempt(text, value);
    if (colon != text.npos && text_equal(name, "keepvalid"))
      return seconds(text, value, LIMITS_VALID_MAX_S, settings.keep_valid_ms, valid_seen);
    if (colon != text.npos && text_equal(name, "keepinvalid"))
      return seconds(text, value, LIMITS_INVALID_MAX_S, settings.keep_invalid_ms, invalid_seen);
    if (colon != text.npos && text_equal(name, "keepstale"))
      return seconds(text, value, LIMITS_STALE_MAX_S, settings.keep_stale_ms, stale_seen);
    if (colon != text.npos && text_equal(name, "keepanswers")) return answers(text, value);
    return lines_quoted(text) +
           " is not understood, and changes nothing: write badperminute:number, badperhour:number, exempt:prefix, "
           "keepvalid:seconds, keepinvalid:seconds, keepstale:seconds or keepanswers:number";
  }

 private:
  std::string number(std::string_view text, std::string_view value, unsigned long &to, bool &seen) {
    if (!read_number(value, to))
      return lines_quoted(text) + " changes nothing: write a number from 1 to " + std::to_string(LIMITS_BAD_MAX) +
             " behind the colon, or 0 for no limit";
    return once(text, seen);
  }

  static std::string once(std::string_view text, bool &seen) {
    const bool twice = seen;
    seen = true;
    if (!twice) return "";
    return lines_quoted(text) + " stands below a line of the same name, which no longer counts: take one of them out";
  }

  static std::string seconds(std::string_view text, std::string_view value, unsigned long max, long long &to_ms, bool &seen) {
    unsigned long n;
    if (!read_number(value, n) || n > max)
      return lines_quoted(text) + " changes nothing: write a number of seconds behind the colon, from 0 to " + std::to_string(max);
    to_ms = static_cast<long long>(n) * 1000;
    return once(text, seen);
  }

  std::string answers(std::string_view text, std::string_view value) {
    unsigned long n;
    if (!read_number(value, n) || n < LIMITS_KEEP_MIN || n > LIMITS_KEEP_MAX)
      return lines_quoted(text) + " changes nothing: write a number from " + std::to_string(LIMITS_KEEP_MIN) + " to " +
             std::to_string(LIMITS_KEEP_MAX) + " behind the colon";
    settings.keep_answers = n;
    return once(text, answers_seen);
  }

  std::string exempt(std::string_view text, std::string_view value) {
    ip_prefix prefix;
    const char *why;
    if (!prefix_read(value, prefix, why)) return lines_quoted(text) + " exempts nobody: " + why;
    settings.exempt.push_back(prefix);
    return "";
  }
};

}  // namespace

limits_settings::limits_settings(std::string_view text, std::vector<std::string> &complaints) {
  reader r{*this};
  lines_read(text, "control/verifylimits", complaints, [&](std::string_view line) { return r.line(line); });
}
