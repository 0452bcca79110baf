// ask.h - one recipient's question to qmail-verify, with what VERIFY says, and what is
// said of it on descriptor 2.
//
// Follows qmail-smtpd's own client (smtp/verify.h), for a session of one RCPT: a refusal
// that DEFER would keep for DATA is given at once, and MAXBAD has nothing to count.

#ifndef RCPTCHECK_ASK_H
#define RCPTCHECK_ASK_H

#include "door.h"

// Asks the servers of env.verify about address (null-terminated, as in the envelope) for
// the client env.remote_ip and sender (null: not told). Waits at most 5 seconds. accept
// without a question where nothing is to be verified.
verdict ask(const door_env &env, const char *address, const char *sender);

// A line of the log: what is wrong with the way this program was run. Our own words.
void ask_complain(const door_env &env, const char *words);

#endif
