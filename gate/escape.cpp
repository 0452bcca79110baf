// escape.cpp - see escape.h.

#include "escape.h"

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool gate_unescape(std::string_view text, std::string &bytes) {
  bytes.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const int high = text.size() - i > 2 ? digit(text[i + 1]) : -1, low = high < 0 ? -1 : digit(text[i + 2]);
    if (low < 0) return false;
    bytes += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return true;
}

std::string gate_escape(std::string_view bytes) {
  constexpr char DIGITS[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%')
      text += c;
    else
      text.append(1, '%').append(1, DIGITS[byte >> 4]).append(1, DIGITS[byte & 15]);
  }
  return text;
}
