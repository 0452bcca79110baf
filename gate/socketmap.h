// socketmap.h - Postfix's socketmap_table(5), as sendmail has it, too: netstrings.
//
// Question "MAP KEY", answer "OK VALUE", "NOTFOUND ", "TEMP WHY" or "PERM WHY". Maps:
//
//   recipients   for relay_recipient_maps: what is accepted is found
//   access       for check_recipient_access: what is refused is found, with "550 ..." for its
//                value; what is accepted is not, so that later restrictions decide
//
// A key that is a part of an address is not found in either.

#ifndef GATE_SOCKETMAP_H
#define GATE_SOCKETMAP_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> socketmap_protocol();

#endif
