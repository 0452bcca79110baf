// line.h - one line of a log, taken apart: a line of qmail-verify or of qmail-smtpd, as
// qmail-verify(8) and qmail-smtpd(8) have them in LOGGING, or something else.
//
// Those of the old qmail-verify 1.32 and its qmail-smtpd are among them; they tell less.
// Nothing is taken for granted about the bytes of a line, and no word that a client can
// choose is looked for anywhere but in its place.

#ifndef REPORT_LINE_H
#define REPORT_LINE_H

#include <optional>
#include <string_view>

enum class report_event {
  foreign,  // of another program, or damaged
  other,    // of ours, and nothing that is counted

  // qmail-verify
  permitted,      // address, user, reason, about
  denied,         // address, reason, about
  not_answered,   // address, user, reason, about
  daemon_start,
  worker_ended,
  place_hangs,    // about: the place; number: ms
  client_limited,  // number: how many clients
  daemon_trouble,  // about: what is wrong, in the daemon's words
  daemon_dropped,  // number: lines that are missing

  // qmail-smtpd: all of these have session and client
  session_begin,
  transaction_reset,  // HELO, EHLO, RSET
  sender,             // address; empty: the null sender
  recipient,          // address: answered 250
  no_gateway,         // address: 553
  bad_sender,         // 553
  too_long,           // 555
  unverified_rcpt,    // 550; told in full by verify_refused, which follows
  unverified_data,    // 554
  too_many_invalid,   // 421, at RCPT or DATA
  failure,            // 451; told in full by verify_temporary
  verify_refused,     // address, why, reason, server: 550
  verify_invalid,     // the same, answered 250
  verify_temporary,
  verify_valid,
  no_room,            // address: 452
  message_accepted,   // number: bytes
  message_rejected,
  end_quit,
  end_lost,           // the client is gone
  end_timeout,
  end_other,
  smtpd_dropped,      // number
};

struct report_line {
  report_event event = report_event::foreign;
  std::optional<long long> seconds;  // since 1970; none: the line has no time stamp
  std::string_view session;          // "pid from address" of qmail-smtpd
  std::string_view client;           // the address
  std::string_view address, user, server;
  std::string_view reason;  // a name of qmail-verify.h's or of a newer one, words of 1.32's; empty: not told
  std::string_view why;     // verify_...: all that stands behind the address
  std::string_view about;
  bool observed = false;    // OBSERVE, or the policy's: else it would not have been accepted
  unsigned would = 0;       // OBSERVE: what else would have been answered, 550, 451 or 421
  bool open = false;        // OPEN: accepted without an answer
  bool not_asked = false;   // MAXBAD: this is the recipient that was answered 421
  unsigned long long number = 0;
};

// The event in a line without its newline. What it points to is in text.
report_line report_line_read(std::string_view text);

// The seconds since 1970 of "@" and 24 hexadecimal digits (TAI64N, as multilog writes it)
// at the beginning of text, which loses them and a blank behind them. None where it does
// not begin so, or names a time before 1970 or after the year 9999.
std::optional<long long> report_tai64n(std::string_view &text);

// What a "verify:" line says about servers that did not answer.
struct report_server_trouble {
  std::string_view server;
  enum { silent, failed, cannot_tell } kind = failed;
  unsigned long long tenths = 0;  // silent: how long it was waited for, in tenths of a second
};

// Finds the next one in why, which becomes what stands behind it. False: there is none.
bool report_next_trouble(std::string_view &why, report_server_trouble &trouble);

#endif
