// verify.cpp - see verify.h.

#include "verify.h"

#include <cstring>

namespace {

constexpr std::string_view too_many = "Too many invalid recipients: quitting";

void log_answer(session_log &log, const char *what, std::string_view recipient, const verifyrcpt_answer &answer) {
  log.verify(what).text(" ").safe(recipient);
  if (answer.why[0]) log.text(": ").words(answer.why);
  if (answer.user[0]) log.text(", user ").safe(answer.user);
  if (answer.server[0]) log.text(", server ").safe(answer.server);
  log.end();
}

}  // namespace

void verify_log(session_log &log, std::string_view recipient, verifyrcpt_reply reply, const verifyrcpt_answer &answer) {
  if (answer.result == VERIFYRCPT_INVALID)
    log_answer(log, reply == VERIFYRCPT_REFUSE ? "refused" : "invalid", recipient, answer);
  else if (answer.result == VERIFYRCPT_TEMPORARY)
    log_answer(log, "temporary", recipient, answer);
  else if (strstr(answer.why, "(OBSERVE)"))  // the session would have been over
    log_answer(log, "valid", recipient, answer);
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

verifyrcpt_reply verifier::rcpt(const address &recipient) {
  verifyrcpt_answer answer;
  const verifyrcpt_reply reply = verifyrcpt_rcpt(&session_, recipient.c_str(), &answer);
  if (reply == VERIFYRCPT_REFUSE) log_.say("Unverified mailbox at RCPT time");
  if (reply == VERIFYRCPT_RETRY) log_failure(answer);
  if (reply == VERIFYRCPT_CLOSE) log_.say(too_many);
  verify_log(log_, recipient.text(), reply, answer);
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
