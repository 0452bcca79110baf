// json.cpp - see json.h.

#include "json.h"

#include <cstdio>

namespace {

unsigned char byte_at(std::string_view bytes, size_t i) {
  return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
}

// How many bytes the UTF-8 character at the beginning has (RFC 3629: none that is longer
// than it needs to be, no surrogate, nothing above U+10FFFF); 0: it is none.
size_t utf8_length(std::string_view bytes) {
  const unsigned char first = byte_at(bytes, 0), second = byte_at(bytes, 1);
  if (first < 0x80) return bytes.empty() ? 0 : 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length > bytes.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte_at(bytes, i) & 0xc0) != 0x80) return 0;
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

void put_number(std::string &to, unsigned number) {
  char text[8];
  snprintf(text, sizeof text, "\\u%04x", number);
  to += text;
}

// One character of length bytes.
void put(std::string &to, std::string_view character) {
  const unsigned char first = byte_at(character, 0), second = byte_at(character, 1);
  if (first == '"' || first == '\\')
    to.append(1, '\\').append(character);
  else if (first < 0x20 || first == 0x7f)
    put_number(to, first);
  else if (first == 0xc2 && second < 0xa0)
    put_number(to, second);
  else
    to += character;
}

}  // namespace

void vrfy_json_string(std::string &to, std::string_view bytes) {
  to += '"';
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes);
    if (length)
      put(to, bytes.substr(0, length));
    else
      put_number(to, byte_at(bytes, 0));
    bytes.remove_prefix(length ? length : 1);
  }
  to += '"';
}
