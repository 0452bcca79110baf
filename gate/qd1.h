// qd1.h - the HTTP of qmail-deliverabled (Qmail::Deliverable), which plugins of qpsmtpd and
// Haraka speak already.
//
//   GET /qd1/deliverable?ADDRESS   200 and a number in decimal
//   GET /qd1/qmail_local?ADDRESS   200 and the controlling user; 204 where there is none
//
// ADDRESS is percent-encoded; HEAD is understood, and HTTP/1.0 and 1.1 with connections that
// stay open. Numbers are those of that program, of which both plugins take every one but
// 0 and 255 as they are given here for an address that exists:
//
//   0     refused: qmail would bounce it
//   18    (0x12) a program decides
//   241   (0xf1) delivered
//   242   (0xf2) a user of vpopmail; 244 (0xf4) its catch-all
//   255   (0xff) not for this host
//
// What cannot be told now is 503, no number: Haraka's plugin then answers 450. (qpsmtpd's
// accepts, as it does for every number but 0.) Numbers for what qmail would defer (0x21,
// 0x22), and that for a mailing list (0x14), are not given: Haraka's plugin makes a lasting
// refusal of them.

#ifndef GATE_QD1_H
#define GATE_QD1_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> qd1_protocol();

#endif
