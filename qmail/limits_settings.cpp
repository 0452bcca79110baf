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

// A line, and which of the two numbers have been given already.
struct reader {
  limits_settings &settings;
  bool minute_seen = false, hour_seen = false;

  std::string line(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view value = colon == text.npos ? "" : trim(text.substr(colon + 1));
    if (colon != text.npos && text_equal(name, "badperminute")) return number(text, value, settings.badperminute, minute_seen);
    if (colon != text.npos && text_equal(name, "badperhour")) return number(text, value, settings.badperhour, hour_seen);
    if (colon != text.npos && text_equal(name, "exempt")) return exempt(text, value);
    return lines_quoted(text) +
           " is not understood, and changes nothing: write badperminute:number, badperhour:number or exempt:prefix";
  }

 private:
  std::string number(std::string_view text, std::string_view value, unsigned long &to, bool &seen) {
    if (!read_number(value, to))
      return lines_quoted(text) + " changes nothing: write a number from 1 to " + std::to_string(LIMITS_BAD_MAX) +
             " behind the colon, or 0 for no limit";
    const bool twice = seen;
    seen = true;
    if (!twice) return "";
    return lines_quoted(text) + " stands below a line of the same name, which no longer counts: take one of them out";
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
