// answer.h - an answer in words, as qmail-vrfy prints it.

#ifndef VRFY_ANSWER_H
#define VRFY_ANSWER_H

#include <string>

#include "address/address.h"
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

// The beginning of that object with all its members, and without its end; and that of one
// without the address.
std::string vrfy_json_members(const std::string &address, const vrfy_answer &answer);
std::string vrfy_json_answer(const vrfy_answer &answer);
// Adds a member to an object that has been begun.
void vrfy_json_member(std::string &to, const char *name, std::string_view value);

// What a judgement made by this process says.
vrfy_answer vrfy_answer_of(const address_answer &from);

// errno in words; nothing for 0.
std::string vrfy_error_words(int error);

// What qmail-smtpd replies to RCPT, as far as the verdict goes; and with DEFER, at DATA,
// where an address was invalid.
struct vrfy_smtp_reply {
  unsigned code;
  std::string text;  // the code, and what follows, without the end of line
};
vrfy_smtp_reply vrfy_reply(qv_verdict verdict);
vrfy_smtp_reply vrfy_reply_deferred();

#endif
