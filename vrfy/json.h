// json.h - strings as JSON has them (RFC 8259).

#ifndef VRFY_JSON_H
#define VRFY_JSON_H

#include <string>
#include <string_view>

// Appends bytes of any kind as a JSON string, with its quotes: valid UTF-8 as it is,
// control characters (C0, DEL and C1) escaped. A byte that is no part of valid UTF-8
// becomes \u00XX: the character with that number, so that the string is one for every
// reader, but no longer tells such a byte from that character.
void vrfy_json_string(std::string &to, std::string_view bytes);

#endif
