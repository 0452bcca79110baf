// verify.cpp - see verify.h.

#include "verify.h"

#include <cstring>
#include <string_view>

namespace {

// From an explanation, the first server's error alone: what follows its name.
std::string_view cause(const verifyrcpt_answer &answer) {
  if (answer.server[0]) return "the server cannot tell now";
  std::string_view why(answer.why);
  why = why.substr(0, why.find(';'));
  const size_t name = why.rfind(": ");
  if (name != why.npos) why.remove_prefix(name + 2);
  why = why.substr(0, why.find_first_of("()"));
  return why.substr(0, why.find_last_not_of(' ') + 1);
}

bool timed_out(std::string_view why) {
  return why.starts_with("no answer") || why.find("session has waited") != why.npos;
}

}  // namespace

void verifier::begin(const char *verify) {
  // Before 1.30 an empty VERIFY switched verification on.
  if (verify && !*verify) log_.say("Note recipient verification explicitly disabled.");
  auto note = [](void *log, const char *text) { static_cast<session_log *>(log)->verify("note: ").words(text).end(); };
  verifyrcpt_begin(&session_, verify, note, &log_);
}

void verifier::log_failure(const verifyrcpt_answer &answer) {
  const std::string_view why = cause(answer);
  if (timed_out(why))
    log_.say("Timeout (no response from verification server)");
  else
    log_.line("temporary failure (").words(why).text(")").end();
}

void verifier::log_answer(const char *what, const address &recipient, const verifyrcpt_answer &answer) {
  log_.verify(what).text(" ").safe(recipient.text());
  if (answer.why[0]) log_.text(": ").words(answer.why);
  if (answer.user[0]) log_.text(", user ").safe(answer.user);
  if (answer.server[0]) log_.text(", server ").text(answer.server);
  log_.end();
}

verifyrcpt_reply verifier::rcpt(const address &recipient) {
  verifyrcpt_answer answer;
  const verifyrcpt_reply reply = verifyrcpt_rcpt(&session_, recipient.c_str(), &answer);
  if (reply == VERIFYRCPT_REFUSE) log_.say("Unverified mailbox at RCPT time");
  if (reply == VERIFYRCPT_RETRY) log_failure(answer);
  if (answer.result == VERIFYRCPT_INVALID)
    log_answer(reply == VERIFYRCPT_REFUSE ? "refused" : "invalid", recipient, answer);
  else if (answer.result == VERIFYRCPT_TEMPORARY)
    log_answer("temporary", recipient, answer);
  return reply;
}

bool verifier::data() {
  if (!verifyrcpt_data(&session_)) return false;
  log_.say("Unverified mailbox(es) at DATA time");
  return true;
}
