// log.h - what a session says on descriptor 2.
//
// One line an event, as the qmail-logmsg patch has it, each in one write that
// never waits (logbits.h). A line begins "qmail-smtpd: pid P from IP: "; what
// goes beyond that patch has "verify: " after this. qmail-rcptcheck's have its name.

#ifndef SMTP_LOG_H
#define SMTP_LOG_H

#include <string>
#include <string_view>

#include "logbits.h"

class session_log {
 public:
  explicit session_log(int fd, std::string_view program = "qmail-smtpd");

  // The client's address, for the lines from now on.
  void remote(std::string_view ip);

  // A whole line.
  void say(std::string_view text);

  // A line in pieces: line() or verify(), pieces in any order, end().
  session_log &line(std::string_view text = {});
  session_log &verify(std::string_view text = {});  // one that begins "verify: "
  session_log &text(std::string_view ours);         // as it is
  session_log &number(unsigned long long n);
  session_log &clean(std::string_view foreign);  // the patch's way: what is no name becomes '_'
  session_log &safe(std::string_view foreign);   // nothing lost: \xNN
  // A sentence that may hold foreign bytes: those that are not printable as \xNN.
  session_log &words(std::string_view sentence);
  void end();

 private:
  void prefix(std::string_view ip);
  int fd_;
  std::string_view program_;
  std::string prefix_, verify_;
  log_line line_;
  log_state state_{};
};

#endif
