// reply.h - every reply text, once and by name, and the way out to the client.
//
// The texts are netqmail 1.06's (qmail-smtpd.c) and qmail-verify's, byte for
// byte. Replies are gathered and written when the session would wait for input,
// so that a pipelining client gets its answers together.

#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <cstddef>
#include <string_view>

#include "log.h"

inline constexpr std::string_view reply_ok = "250 ok\r\n";
inline constexpr std::string_view reply_flushed = "250 flushed\r\n";
inline constexpr std::string_view reply_vrfy = "252 send some mail, i'll try my best\r\n";
inline constexpr std::string_view reply_help = "214 netqmail home page: http://qmail.org/netqmail\r\n";
inline constexpr std::string_view reply_go_ahead = "354 go ahead\r\n";
inline constexpr std::string_view reply_unimplemented = "502 unimplemented (#5.5.1)\r\n";
inline constexpr std::string_view reply_syntax = "555 syntax error (#5.5.4)\r\n";
inline constexpr std::string_view reply_want_mail = "503 MAIL first (#5.5.1)\r\n";
inline constexpr std::string_view reply_want_rcpt = "503 RCPT first (#5.5.1)\r\n";
inline constexpr std::string_view reply_bad_sender =
    "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)\r\n";
inline constexpr std::string_view reply_no_gateway =
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n";
inline constexpr std::string_view reply_no_mailbox = "550 sorry, no mailbox here by that name. (#5.1.1)\r\n";
inline constexpr std::string_view reply_invalid_mailboxes = "554 sorry, invalid mailbox name(s). (#5.1.1)\r\n";
inline constexpr std::string_view reply_verify_failure = "451 qv temporary failure (#4.3.0)\r\n";
inline constexpr std::string_view reply_too_many_recipients = "452 sorry, too many recipients (#4.5.3)\r\n";
inline constexpr std::string_view reply_queue_failure = "451 qqt failure (#4.3.0)\r\n";
inline constexpr std::string_view reply_too_long =
    "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n";
inline constexpr std::string_view reply_looping = "554 too many hops, this message is looping (#5.4.6)\r\n";

// The session ends after these.
inline constexpr std::string_view reply_too_many_invalid = "421 too many invalid recipients (#4.7.0)\r\n";
inline constexpr std::string_view reply_timeout = "451 timeout (#4.4.2)\r\n";
inline constexpr std::string_view reply_stray_newline = "451 See http://pobox.com/~djb/docs/smtplf.html.\r\n";
inline constexpr std::string_view reply_no_memory = "421 out of memory (#4.3.0)\r\n";
inline constexpr std::string_view reply_no_controls = "421 unable to read controls (#4.3.0)\r\n";
inline constexpr std::string_view reply_no_addresses = "421 unable to figure out my IP addresses (#4.3.0)\r\n";

class reply_writer {
 public:
  reply_writer(int fd, session_log &log) : fd_(fd), log_(log) {}

  // How many seconds one write may wait.
  void timeout(int seconds) { timeout_ = seconds; }

  // Adds to what is to be sent. What does not fit is sent first.
  void put(std::string_view text);

  // Sends all. False: the client is gone. This is logged once; from then on
  // nothing is sent and the session has to end.
  bool flush();

  bool failed() const { return failed_; }

 private:
  void send(std::string_view text);
  int fd_;
  session_log &log_;
  int timeout_ = 1200;
  bool failed_ = false;
  size_t used_ = 0;
  char buffer_[512];
};

// Waits until events (poll(2)) come to fd. False: not in that time.
bool reply_wait(int fd, short events, int seconds);

#endif
