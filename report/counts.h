// counts.h - what the lines of the logs come to.
//
// Lines of qmail-smtpd are put together by session (process id and client), so that a
// recipient is counted for what came of it: one that was answered 250 is refused all the
// same where the message is, at DATA. Memory is bounded: see table.h for names, and
// SESSIONS_MAX in counts.cpp for sessions that were never seen to end.

#ifndef REPORT_COUNTS_H
#define REPORT_COUNTS_H

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "line.h"
#include "period.h"
#include "series.h"
#include "sums.h"
#include "table.h"

// How many names of each kind are kept.
constexpr size_t REPORT_KEEP = 5000;

// Replies to recipients, in the order in which they are shown.
enum report_reply : size_t {
  REPORT_250,
  REPORT_550,             // no mailbox
  REPORT_554_DATA,        // a recipient of the message is invalid (DEFER)
  REPORT_553_RCPTHOSTS,
  REPORT_553_BADMAILFROM,
  REPORT_555,             // too long
  REPORT_451,             // could not be verified
  REPORT_421_RCPT,        // MAXBAD
  REPORT_421_DATA,        // MAXBAD with DEFER
  REPORT_452,             // too many recipients
  REPORT_REPLIES
};

enum report_end : size_t {
  REPORT_END_QUIT,
  REPORT_END_LOST,
  REPORT_END_TIMEOUT,
  REPORT_END_MAXBAD,
  REPORT_END_OTHER,
  REPORT_ENDS
};

// What was heard of a server, or not, by qmail-smtpd's lines.
struct report_server {
  unsigned long long silent = 0, failed = 0, cannot_tell = 0;
  unsigned long long tenths = 0, tenths_max = 0;  // that it was waited for in vain
  report_server &operator+=(const report_server &other);
};

// What was told of a place that hung, by qmail-verify's.
struct report_place {
  unsigned long long hung = 0, ms_max = 0;
  report_place &operator+=(const report_place &other);
};

// How often one of qmail-verify's troubles began.
struct report_trouble {
  unsigned long long times = 0;
  report_trouble &operator+=(const report_trouble &other);
};

// Recipients that were found invalid, and what qmail would have sent for them. By
// qmail-smtpd's lines, since only they tell the sender.
struct report_backscatter {
  unsigned long long recipients = 0;      // refused, 550 or 554 at DATA, that would have bounced
  unsigned long long transactions = 0;    // MAIL commands with such recipients
  unsigned long long null_sender = 0;     // of these: nobody would have got the bounce
  unsigned long long sender_unknown = 0;  // of these: MAIL is not in what was read
  unsigned long long discarded = 0;       // recipients refused whose mail would have been thrown away (policy-delete)
  unsigned long long passed = 0;          // messages accepted with a recipient that bounces (OBSERVE), of a sender
  // At most one for each transaction of a sender that may be somebody.
  unsigned long long bounces_at_most() const { return transactions - null_sender; }
};

struct report_lines {
  unsigned long long read = 0;
  unsigned long long daemon = 0, smtpd = 0;  // of qmail-verify and of qmail-smtpd
  unsigned long long passed_over = 0;        // of these: of a kind that is not counted
  unsigned long long foreign = 0;            // not understood
  unsigned long long outside = 0;            // not of the period
  unsigned long long no_time = 0;            // without a time stamp
  unsigned long long dropped = 0;            // that the log itself says are missing
};

class report_counts {
 public:
  explicit report_counts(report_period period = {});
  ~report_counts();
  report_counts(report_counts &&) noexcept;
  report_counts &operator=(report_counts &&) noexcept;

  // The next line of a log, without its newline. source: lines of different ones are of
  // different sessions.
  void line(std::string_view text, unsigned source);
  // There are no more.
  void end();

  report_period period;
  std::optional<long long> first, last;  // time stamps that were counted, the least and the greatest
  report_lines lines;
  report_sums total;
  unsigned long long replies[REPORT_REPLIES] = {};
  unsigned long long ends[REPORT_ENDS] = {};
  unsigned long long messages = 0, bytes = 0, messages_rejected = 0, messages_refused = 0;
  unsigned long long put_off = 0;  // recipients found invalid, and answered 250 until DATA (DEFER)
  unsigned long long daemon_starts = 0, workers_ended = 0, clients_limited = 0;
  report_backscatter backscatter;
  report_series series;

  report_table<report_sums> domains{REPORT_KEEP}, clients{REPORT_KEEP}, reasons{REPORT_KEEP};
  // Asked for in vain: REFUSED (found invalid by qmail-smtpd's lines, whatever the
  // reply) and DENIED (by qmail-verify's, policy observe included) alone count.
  report_table<report_sums> vain{REPORT_KEEP};
  // "reason domain" of what takes any address: CAUGHT alone.
  report_table<report_sums> catchalls{REPORT_KEEP};
  report_table<report_server> servers{REPORT_KEEP};
  report_table<report_place> places{REPORT_KEEP};
  report_table<report_trouble> troubles{REPORT_KEEP};  // by what the daemon calls them

 private:
  struct session;
  struct sessions;
  using time = std::optional<long long>;
  session &session_of(const report_line &line, unsigned source);
  void give_up_sessions();
  void daemon_line(const report_line &line);
  void decision(const report_line &line);
  void smtpd_line(const report_line &line, session &s);
  void begin_session(const report_line &line, session &s);
  void transaction_line(const report_line &line, session &s);
  void taken(const report_line &line, session &s);
  void verify_line(const report_line &line, session &s);
  void rcpt_answered(const report_line &line, session &s, report_reply reply, std::string_view reason);
  void found_invalid(const report_line &line, session &s);
  void would(const report_line &line, session &s);
  void untold(session &s);
  void server_troubles(const report_line &line);
  void accept_pending(session &s);
  void refuse_pending(session &s, report_reply reply, const time &at);
  void end_transaction(session &s);
  void end_session(session &s, report_end how);
  void bounced(session &s, std::string_view reason, unsigned long long recipients);
  void count(report_what what, std::string_view domain, std::string_view client, const time &at,
             unsigned long long n = 1);
  void count_reason(report_what what, std::string_view reason, unsigned long long n = 1);

  std::unique_ptr<sessions> sessions_;
};

// The domain of an address, in small letters; "(none)" where it has none.
std::string report_domain(std::string_view address);

#endif
