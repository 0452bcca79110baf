// tcp_table.h - Postfix's tcp_table(5): lines.
//
// Question "get KEY", answer "200 VALUE", "500 WHY" (not found) or "400 WHY" (to be tried
// again); blanks, % and what is not printable as %XX. What is accepted is found, as in
// socketmap's recipients; a key that is a part of an address is not.

#ifndef GATE_TCP_TABLE_H
#define GATE_TCP_TABLE_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> tcp_table_protocol();

#endif
