// line.h - for whatever can open a socket: Exim's ${readsocket}, scripts.
//
// Question: a line with the address, then perhaps "sender=ADDRESS" and "client=IP", up to an
// empty line or the end of what is sent. Answer: a line "valid", "invalid" or "temporary".
// Other NAME=VALUE lines are passed over. A question without an address is answered
// "temporary". Further questions may follow on the connection.

#ifndef GATE_LINE_H
#define GATE_LINE_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> line_protocol();

#endif
