// verify.h - a session's dealings with qmail-verify: the client library's answers
// turned into log lines.
//
// The policy is verifyrcpt.c's; the reply is the session's. The first line for an
// event is the one that qmail-verify's patch has always written, the second, which
// begins "verify: ", says what that one leaves out.

#ifndef SMTP_VERIFY_H
#define SMTP_VERIFY_H

#include "log.h"
#include "path.h"
#include "verifyrcpt.h"

// Logs what an answer was and came to: "verify: refused ADDRESS: ...", nothing where it
// was no more than valid.
void verify_log(session_log &log, std::string_view recipient, verifyrcpt_reply reply, const verifyrcpt_answer &answer);

class verifier {
 public:
  explicit verifier(session_log &log) : log_(log), session_{} {}
  ~verifier() { verifyrcpt_end(&session_); }
  verifier(const verifier &) = delete;
  verifier &operator=(const verifier &) = delete;

  // Reads VERIFY (null: not set) and logs what is remarkable in it. ip: the
  // client's address, for the servers.
  void begin(const char *verify, const char *ip);

  // A new transaction's sender, for the servers.
  void mail(const address &sender);

  // What to reply to a RCPT. Logs a refusal or a failure, and that the session ends.
  verifyrcpt_reply rcpt(const address &recipient);

  // At DATA: has the session to end, is this transaction to be refused? Logs it.
  bool close();
  bool data();

  // A new transaction, or none.
  void reset() { verifyrcpt_reset(&session_); }

 private:
  void log_failure(const verifyrcpt_answer &answer);
  session_log &log_;
  struct verifyrcpt session_;  // "struct": there is a function of that name, too
};

#endif
