// text.h - ASCII letters as qmail compares them: case_lowerb, case_diffb.
// No locale, no character set; every other byte is itself.

#ifndef QMAIL_TEXT_H
#define QMAIL_TEXT_H

#include <string>
#include <string_view>

constexpr char text_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

inline std::string text_lower(std::string_view s) {
  std::string out(s);
  for (char &c : out) c = text_lower(c);
  return out;
}

constexpr bool text_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (text_lower(a[i]) != text_lower(b[i])) return false;
  return true;
}

#endif
