// policy.h - Postfix's policy delegation (SMTPD_POLICY_README): lines NAME=VALUE up to an
// empty one.
//
// For protocol_state RCPT the recipient is asked about; in every other state, without a
// recipient, and for an authenticated client (as for RELAYCLIENT) the answer is DUNNO
// without a question. Answers: DUNNO, "550 ..." or "451 ...". Attributes come in any order,
// unknown ones are passed over, of several with one name the first counts. What is no such
// request is not answered: Postfix then replies "451 4.3.5".

#ifndef GATE_POLICY_H
#define GATE_POLICY_H

#include <memory>

#include "protocol.h"

std::unique_ptr<gate_protocol> policy_protocol();

#endif
