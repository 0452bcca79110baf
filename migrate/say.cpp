// say.cpp - see say.h.

#include "say.h"

#include <cstdio>

namespace {

const char *speaker = "qmail-verify-migrate";

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

void put_escaped(std::string &out, char c) {
  constexpr char DIGITS[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out.append("\\x").append(1, DIGITS[byte >> 4]).append(1, DIGITS[byte & 15]);
}

}  // namespace

std::string say_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (is_printable(c) && c != '\\')
      out += c;
    else
      put_escaped(out, c);
  }
  return out;
}

std::string say_word(std::string_view name) {
  constexpr std::string_view PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+,:@%=-";
  if (!name.empty() && name.find_first_not_of(PLAIN) == name.npos) return std::string(name);
  std::string out = "'";
  for (const char c : name) {
    if (c == '\'')
      out += "'\\''";
    else if (is_printable(c))
      out += c;
    else
      put_escaped(out, c);
  }
  return out + "'";
}

std::string say_diff(std::string_view diff) {
  std::string out;
  for (const char c : diff) {
    if (is_printable(c) || c == '\n' || c == '\t')
      out += c;
    else
      put_escaped(out, c);
  }
  return out;
}

void say_as(const char *program) { speaker = program; }

void say(std::string_view sentence) {
  const std::string line = std::string(speaker).append(": ").append(sentence).append("\n");
  fwrite(line.data(), 1, line.size(), stderr);
}
