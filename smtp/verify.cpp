// verify.cpp - see verify.h.

#include "verify.h"

#include <cstring>

namespace {
constexpr std::string_view too_many = "Too many invalid recipients: quitting";
}

void verifier::begin(const char *verify, const char *ip) {
  // Before 1.30 an empty VERIFY switched verification on.
  if (verify && !*verify) log_.say("Note recipient verification explicitly disabled.");
  auto note = [](void *log, const char *text) { static_cast<session_log *>(log)->verify("note: ").words(text).end(); };
  verifyrcpt_begin(&session_, verify, note, &log_);
  verifyrcpt_client(&session_, ip);
}

void verifier::mail(const address &sender) {
  verifyrcpt_reset(&session_);
  verifyrcpt_sender(&session_, sender.c_str());
}

void verifier::log_failure(const verifyrcpt_answer &answer) {
  if (answer.timed_out)
    log_.say("Timeout (no response from verification server)");
  else
    log_.line("temporary failure (").words(answer.cause).text(")").end();
}

void verifier::log_answer(const char *what, const address &recipient, const verifyrcpt_answer &answer) {
  log_.verify(what).text(" ").safe(recipient.text());
  if (answer.why[0]) log_.text(": ").words(answer.why);
  if (answer.user[0]) log_.text(", user ").safe(answer.user);
  if (answer.server[0]) log_.text(", server ").safe(answer.server);
  log_.end();
}

verifyrcpt_reply verifier::rcpt(const address &recipient) {
  verifyrcpt_answer answer;
  const verifyrcpt_reply reply = verifyrcpt_rcpt(&session_, recipient.c_str(), &answer);
  if (reply == VERIFYRCPT_REFUSE) log_.say("Unverified mailbox at RCPT time");
  if (reply == VERIFYRCPT_RETRY) log_failure(answer);
  if (reply == VERIFYRCPT_CLOSE) log_.say(too_many);
  if (answer.result == VERIFYRCPT_INVALID)
    log_answer(reply == VERIFYRCPT_REFUSE ? "refused" : "invalid", recipient, answer);
  else if (answer.result == VERIFYRCPT_TEMPORARY)
    log_answer("temporary", recipient, answer);
  else if (strstr(answer.why, "(OBSERVE)"))  // the session would have been over
    log_answer("valid", recipient, answer);
  return reply;
}

bool verifier::close() {
  if (!verifyrcpt_close(&session_)) return false;
  log_.say(too_many);
  return true;
}

bool verifier::data() {
  if (!verifyrcpt_data(&session_)) return false;
  log_.say("Unverified mailbox(es) at DATA time");
  return true;
}
