// escape.h - bytes written as %XX (RFC 3986, tcp_table(5)).

#ifndef GATE_ESCAPE_H
#define GATE_ESCAPE_H

#include <string>
#include <string_view>

// Takes them out. False: a % without two hexadecimal digits behind it.
bool gate_unescape(std::string_view text, std::string &bytes);

// 0x21 to 0x7e but for the % as they are, all else as %XX.
std::string gate_escape(std::string_view bytes);

#endif
