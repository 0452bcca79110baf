// answer.h - an answer in words, as qmail-vrfy prints it.

#ifndef VRFY_ANSWER_H
#define VRFY_ANSWER_H

#include <string>

#include "asker.h"

// "valid", "remote", "unknown", "invalid" or "temporary".
const char *vrfy_verdict_name(qv_verdict verdict);

// The name of the reason; the number of one that only a newer daemon knows; what the
// position says where the answer was plain; "none" where there was no answer.
std::string vrfy_reason_name(const vrfy_answer &answer);

// Why it could not be answered, for QV_TEMPORARY: printable ASCII.
std::string vrfy_trouble(const vrfy_answer &answer);

// address, verdict, reason and controlling user with tabs between, and a newline.
std::string vrfy_line(const std::string &address, const vrfy_answer &answer);

// The same as a JSON object, and a newline: see qmail-vrfy(1).
std::string vrfy_json_line(const std::string &address, const vrfy_answer &answer);

#endif
