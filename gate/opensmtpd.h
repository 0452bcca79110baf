// opensmtpd.h - OpenSMTPD's table process, in both of its protocols.
//
// Lines (smtpd-tables(7), OpenSMTPD 7.5 and later): a handshake, then
// "table|0.1|TIME|TABLE|check|mailaddr|ID|ADDRESS", answered "check-result|ID|found",
// "check-result|ID|not-found" or "check-result|ID|error|WHY". Before 7.5 (6.8.0p2 of Debian
// 12) the same as binary messages: imsg(3) with the contents of table_proc.c and table_api.c,
// in this machine's byte order and sizes. The first byte tells which it is.
//
// Served are check, lookup (whose value is the address) and update of the service mailaddr,
// which is what "match ... rcpt-to <table>" asks. What is accepted is found, what is refused is
// not; "cannot tell", other services, fetch and what is not understood are errors, which
// OpenSMTPD answers with 451. It ends when a table process does, and waits for ever for an
// answer: so only what can neither be answered nor left out ends a connection.

#ifndef GATE_OPENSMTPD_H
#define GATE_OPENSMTPD_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> opensmtpd_protocol();

#endif
