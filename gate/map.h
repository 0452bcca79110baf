// map.h - an answer as a look-up table has it: socketmap and tcp_table of Postfix.

#ifndef GATE_MAP_H
#define GATE_MAP_H

#include <string>
#include <string_view>

#include "protocol.h"

// Is the key a whole address? Postfix looks for parts of one as well ("user", "@domain",
// "domain"), which would find a line for all of a domain; here a part never stands for more.
bool gate_map_is_address(std::string_view key);

// The address that a key means. Postfix looks addresses up as a message's header would have them,
// "joe..x"@example.org: quotes around a local part and backslashes in them are no part of it. A
// key without such quotes is the address.
std::string gate_map_address(std::string_view key);

// The value of a recipient that is accepted: the name of the reason. Never a word that an
// access(5) table could take for an action: "OK" there would let relay whoever asks.
std::string gate_map_value(const gate_answer &answer);

#endif
