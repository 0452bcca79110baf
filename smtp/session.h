// session.h - an SMTP session: commands in, replies out.
//
// Follows qmail-smtpd.c and commands.c. The table of commands stands in
// session.cpp. Nothing here ends the process; run() and its like return the exit
// status that netqmail's qmail-smtpd would have: 0 after QUIT, 1 for all else.

#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include <string>
#include <string_view>

#include "data.h"
#include "env.h"
#include "ipme.h"
#include "line.h"
#include "log.h"
#include "path.h"
#include "policy.h"
#include "queue.h"
#include "reply.h"
#include "verify.h"

// What a session finds when it begins.
struct session_host {
  smtp_env env;
  policy rules;
  ipme own;
};

struct session_command;

class session : private line_listener {
 public:
  // The bytes of HELO's argument that are kept.
  static constexpr size_t HELO_MAX = 1000;

  // Reads from descriptor in, answers on out, logs on log. host and to outlive it.
  session(session_host &host, queue &to, int in, int out, int log);

  // Before a session can begin: what could not be read. Both say so to the client.
  int controls_unreadable();
  int addresses_unknown();

  // The client is known, the rules are read.
  void begin();
  // Greeting to QUIT.
  int run();

  // Says so to the client, with what memory there is.
  void out_of_memory();

 private:
  friend struct session_command;
  enum class Step { go_on, quit, lost };

  Step helo();
  Step ehlo();
  Step mail();
  Step rcpt();
  Step data();
  Step rset();
  Step noop();
  Step vrfy();
  Step help();
  Step quit();
  Step unimplemented();

  void verb(std::string_view word) override;
  void argument(std::string_view piece) override;

  int end(std::string_view event, std::string_view reply);
  Step close(std::string_view reply);
  Step say(std::string_view reply);
  Step say(std::string_view event, std::string_view reply);
  void note_databytes();
  void note_old_variables();
  void set_helo();
  bool parse(std::string_view command, address &parsed);
  bool admit(const address &recipient, Step &answered);
  Step receive();
  void outcome(unsigned long id, const data_message &message, const queue_result &result);

  session_host &host_;
  queue &queue_;
  session_log log_;
  reply_writer replies_;
  line_input input_;
  verifier verify_;

  const session_command *command_;  // the one that is being read
  path_parser path_;                // its argument: MAIL, RCPT
  std::string word_;                // its argument: HELO, EHLO

  std::string helo_;
  bool helo_differs_ = false;  // from the client's name in the DNS
  bool seen_mail_ = false;     // a transaction is open
  bool bad_sender_ = false;    // its sender is in badmailfrom
  envelope envelope_;
};

#endif
