// text.h - ASCII letters as qmail compares them (case_lowerb, case_diffb), and
// lines as it reads them. No locale, no character set; every other byte is itself.

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

// Takes the first line off rest: without its newline, and without the blanks and
// tabs at its end, as control.c and qmail-local have it.
constexpr std::string_view text_line(std::string_view &rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

// Takes the NUL-terminated field off rest. False where there is no NUL any more.
constexpr bool text_field(std::string_view &rest, std::string_view &field) {
  const size_t end = rest.find('\0');
  if (end == rest.npos) return false;
  field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

#endif
