// counts.cpp - see counts.h.

#include "counts.h"

#include <algorithm>
#include <vector>

#include "qmail-verify.h"

namespace {

using event = report_event;

constexpr size_t SESSIONS_MAX = 4096;  // that may be open at a time; of more, the quietest are given up
constexpr size_t PENDING_MAX = 16;     // kinds of recipients of one message

// What stands where a log has no reason; the parentheses tell it from one.
constexpr std::string_view NOT_TOLD = "(not told)", NO_ANSWER = "(no answer)",
                           RCPTHOSTS = "(rcpthosts)", BADMAILFROM = "(badmailfrom)", TOO_LONG = "(address too long)",
                           TOO_MANY = "(too many recipients)", MAXBAD = "(MAXBAD)",
                           ANOTHER = "(another recipient of the message)";

std::string_view or_else(std::string_view text, std::string_view otherwise) { return text.empty() ? otherwise : text; }

report_what what_of(report_reply reply) {
  switch (reply) {
    case REPORT_250: return REPORT_ACCEPTED;
    case REPORT_451:
    case REPORT_421_RCPT:
    case REPORT_421_DATA:
    case REPORT_452: return REPORT_TEMPORARY;
    default: return REPORT_REFUSED;
  }
}

std::string small(std::string_view text) {
  std::string out(text.substr(0, REPORT_NAME_MAX));
  for (char &c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Would the recipient have been refused for good? For what no reason is known of: yes,
// since only "invalid" comes without one.
bool is_invalid(std::string_view reason) {
#define QV_X(number, symbol, name, verdict, position, text) \
  if (reason == name) return verdict == QV_INVALID;
  QV_REASONS(QV_X)
#undef QV_X
  return true;
}

// Has the address been accepted by something that takes any? Some reasons say so, and
// with others it is the name of the file: .qmail-default, .qmail-list-default.
bool catches_all(const report_line &line) {
  for (const std::string_view always : {"vpopmail-delete", "vpopmail-catchall", "vpopmail-elsewhere", "policy-off"})
    if (line.reason == always) return true;
  for (const std::string_view by_file : {"program", "program-accepts", "program-defers", "kept", "dotqmail",
                                         "dotqmail-empty", "dotqmail-blank", "dotqmail-xbit", "dotqmail-large",
                                         "dotqmail-writable"}) {
    if (line.reason != by_file) continue;
    const std::string_view file = line.about.substr(0, line.about.find_first_of(" :"));
    return file.substr(file.rfind('/') + 1).starts_with(".qmail") && file.ends_with("default");
  }
  return false;
}

}  // namespace

std::string report_domain(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == address.npos || at + 1 == address.size() ? "(none)" : small(address.substr(at + 1));
}

report_server &report_server::operator+=(const report_server &other) {
  silent += other.silent;
  failed += other.failed;
  cannot_tell += other.cannot_tell;
  tenths += other.tenths;
  tenths_max = std::max(tenths_max, other.tenths_max);
  return *this;
}

report_place &report_place::operator+=(const report_place &other) {
  hung += other.hung;
  ms_max = std::max(ms_max, other.ms_max);
  return *this;
}

report_trouble &report_trouble::operator+=(const report_trouble &other) {
  times += other.times;
  return *this;
}

// ---- sessions

// Recipients of the message at hand that were answered 250.
struct pending_recipients {
  std::string domain, reason;  // of those found invalid; empty for the others
  unsigned long long n;
};

struct report_counts::session {
  std::string client;
  unsigned long long used = 0;  // when its last line came, counted in lines
  std::optional<report_reply> awaits;  // a reply that the next line tells more about
  time awaits_at, pending_at;
  std::vector<pending_recipients> pending;
  std::string next_reason;      // why the recipient of the next line is invalid (DEFER)
  bool next_invalid = false;
  bool defer = false;           // one was found invalid and answered 250
  bool closed = false;          // MAXBAD: nothing follows but what awaits
  bool sender_known = false, sender_null = false;
  bool bouncing = false;        // a recipient was refused that would have bounced
  bool would_bounce = false;    // one was accepted that bounces (OBSERVE)
};

struct report_counts::sessions {
  report_names<session> open;
  unsigned long long clock = 0;
  std::string key;
};

report_counts::report_counts(report_period p) : period(p), sessions_(std::make_unique<sessions>()) {}
report_counts::~report_counts() = default;
report_counts::report_counts(report_counts &&) noexcept = default;
report_counts &report_counts::operator=(report_counts &&) noexcept = default;

// ---- counting

void report_counts::count(report_what what, std::string_view domain, std::string_view client, const time &at,
                          unsigned long long n) {
  total[what] += n;
  if (!domain.empty()) domains.note(domain, n)[what] += n;
  if (!client.empty()) clients.note(client, n)[what] += n;
  if (at) series.at(*at)[what] += n;
}

void report_counts::count_reason(report_what what, std::string_view reason, unsigned long long n) {
  reasons.note(reason, n)[what] += n;
}

void report_counts::line(std::string_view text, unsigned source) {
  const report_line line = report_line_read(text);
  ++lines.read;
  if (!line.seconds) ++lines.no_time;
  if (line.seconds ? !period.has(*line.seconds) : period.bounded()) {
    if (line.seconds) ++lines.outside;
    return;
  }
  if (line.event == event::foreign) {
    ++lines.foreign;
    return;
  }
  if (line.seconds) {
    first = std::min(first.value_or(*line.seconds), *line.seconds);
    last = std::max(last.value_or(*line.seconds), *line.seconds);
  }
  if (line.session.empty()) {
    ++lines.daemon;
    daemon_line(line);
    return;
  }
  ++lines.smtpd;

  session &s = session_of(line, source);
  smtpd_line(line, s);
  const bool over = s.closed || line.event == event::end_quit || line.event == event::end_lost ||
                    line.event == event::end_timeout || line.event == event::end_other;
  if (over && !s.awaits) sessions_->open.erase(sessions_->key);
}

// As it is, or a new one.
report_counts::session &report_counts::session_of(const report_line &line, unsigned source) {
  sessions &all = *sessions_;
  all.key.assign(line.session).append(1, ' ').append(std::to_string(source));
  auto at = all.open.find(all.key);
  if (at == all.open.end()) {
    if (all.open.size() >= SESSIONS_MAX) give_up_sessions();
    at = all.open.try_emplace(all.key).first;
    at->second.client = std::string(line.client.substr(0, REPORT_NAME_MAX));
  }
  at->second.used = ++all.clock;
  return at->second;
}

// The half that was quiet for longest.
void report_counts::give_up_sessions() {
  std::vector<unsigned long long> used;
  for (const auto &[key, s] : sessions_->open) used.push_back(s.used);
  const auto middle = used.begin() + static_cast<long>(used.size() / 2);
  std::nth_element(used.begin(), middle, used.end());
  const unsigned long long limit = *middle;
  for (auto old = sessions_->open.begin(); old != sessions_->open.end();) {
    if (old->second.used >= limit) {
      ++old;
      continue;
    }
    untold(old->second);
    end_transaction(old->second);
    old = sessions_->open.erase(old);
  }
}

void report_counts::end() {
  for (auto &[key, s] : sessions_->open) {
    untold(s);
    end_transaction(s);
  }
  sessions_->open.clear();
}

// ---- qmail-verify

void report_counts::daemon_line(const report_line &line) {
  switch (line.event) {
    case event::permitted:
    case event::denied:
    case event::not_answered: return decision(line);
    case event::daemon_start: ++daemon_starts; return;
    case event::worker_ended: ++workers_ended; return;
    case event::client_limited: clients_limited += line.number; return;
    case event::daemon_dropped: lines.dropped += line.number; return;
    case event::daemon_trouble: troubles.note(line.about) += {1}; return;
    case event::place_hangs: places.note(line.about) += {1, line.number}; return;
    default: ++lines.passed_over;
  }
}

void report_counts::decision(const report_line &line) {
  const std::string domain = report_domain(line.address);
  const std::string_view reason = or_else(line.reason, NOT_TOLD);
  const report_what what = line.event == event::permitted ? REPORT_PERMITTED
                           : line.event == event::denied  ? REPORT_DENIED
                                                          : REPORT_NOT_ANSWERED;
  count(what, domain, {}, line.seconds);
  if (line.observed) count(REPORT_OBSERVED, domain, {}, line.seconds);
  count_reason(line.observed ? REPORT_OBSERVED : what, reason);
  if (what == REPORT_DENIED || (line.observed && is_invalid(line.reason)))
    ++vain.note(small(line.address))[REPORT_DENIED];
  if (what == REPORT_PERMITTED && !line.observed && catches_all(line)) {
    count(REPORT_CAUGHT, domain, {}, line.seconds);
    ++catchalls.note(std::string(reason) + ' ' + domain)[REPORT_CAUGHT];
  }
}

// ---- qmail-smtpd

void report_counts::smtpd_line(const report_line &line, session &s) {
  const bool tells_more = (line.event == event::verify_refused && s.awaits == REPORT_550) ||
                          (line.event == event::verify_temporary && s.awaits && s.awaits != REPORT_550);
  if (!tells_more && line.event != event::smtpd_dropped) untold(s);
  switch (line.event) {
    case event::session_begin: return begin_session(line, s);
    case event::end_quit: return end_session(s, REPORT_END_QUIT);
    case event::end_lost: return end_session(s, REPORT_END_LOST);
    case event::end_timeout: return end_session(s, REPORT_END_TIMEOUT);
    case event::end_other: return end_session(s, REPORT_END_OTHER);
    case event::too_many_invalid:
      s.closed = true;
      if (s.defer)
        refuse_pending(s, REPORT_421_DATA, line.seconds);
      else
        s.awaits = REPORT_421_RCPT, s.awaits_at = line.seconds;
      return end_session(s, REPORT_END_MAXBAD);
    case event::smtpd_dropped: lines.dropped += line.number; return;
    case event::other: ++lines.passed_over; return;
    default: transaction_line(line, s);
  }
}

// Perhaps of a process id that was used before.
void report_counts::begin_session(const report_line &line, session &s) {
  end_transaction(s);
  session fresh;
  fresh.client = std::move(s.client);
  fresh.used = s.used;
  s = std::move(fresh);
  count(REPORT_SESSIONS, {}, s.client, line.seconds);
}

void report_counts::transaction_line(const report_line &line, session &s) {
  switch (line.event) {
    case event::transaction_reset: return end_transaction(s);
    case event::sender:
      end_transaction(s);
      s.sender_known = true;
      s.sender_null = line.address.empty();
      return;
    case event::recipient: return taken(line, s);
    case event::no_gateway: return rcpt_answered(line, s, REPORT_553_RCPTHOSTS, RCPTHOSTS);
    case event::bad_sender: return rcpt_answered(line, s, REPORT_553_BADMAILFROM, BADMAILFROM);
    case event::too_long: return rcpt_answered(line, s, REPORT_555, TOO_LONG);
    case event::no_room: return rcpt_answered(line, s, REPORT_452, TOO_MANY);
    case event::unverified_rcpt: s.awaits = REPORT_550, s.awaits_at = line.seconds; return;
    case event::failure: s.awaits = REPORT_451, s.awaits_at = line.seconds; return;
    case event::unverified_data:
      ++messages_refused;
      refuse_pending(s, REPORT_554_DATA, line.seconds);
      return end_transaction(s);
    case event::message_accepted:
      ++messages;
      bytes += line.number;
      if (s.would_bounce && !s.sender_null) ++backscatter.passed;
      return end_transaction(s);
    case event::message_rejected: ++messages_rejected; return end_transaction(s);
    default: verify_line(line, s);
  }
}

void report_counts::taken(const report_line &line, session &s) {
  std::string domain = report_domain(line.address);
  std::string reason(s.next_invalid ? or_else(s.next_reason, NOT_TOLD) : std::string_view());
  s.next_invalid = false;
  s.pending_at = line.seconds;
  for (pending_recipients &p : s.pending)
    if (p.domain == domain && p.reason == reason) {
      ++p.n;
      return;
    }
  if (s.pending.size() == PENDING_MAX) accept_pending(s);  // a message to very many domains
  s.pending.push_back({std::move(domain), std::move(reason), 1});
}

// The lines that tell more, and those under OBSERVE, DEFER and OPEN.
void report_counts::verify_line(const report_line &line, session &s) {
  server_troubles(line);
  if (line.observed) return would(line, s);
  switch (line.event) {
    case event::verify_refused:
      ++vain.note(small(line.address))[REPORT_REFUSED];
      rcpt_answered(line, s, REPORT_550, or_else(line.reason, NOT_TOLD));
      return bounced(s, line.reason, 1);
    case event::verify_invalid: return found_invalid(line, s);
    case event::verify_temporary:
      if (line.open)
        count(REPORT_UNVERIFIED, report_domain(line.address), s.client, line.seconds);
      else if (line.not_asked)
        rcpt_answered(line, s, REPORT_421_RCPT, MAXBAD);
      else
        rcpt_answered(line, s, REPORT_451, or_else(line.reason, NO_ANSWER));
      return;
    default: ++lines.passed_over;
  }
}

void report_counts::rcpt_answered(const report_line &line, session &s, report_reply reply, std::string_view reason) {
  const std::string domain = line.address.empty() ? std::string(NOT_TOLD) : report_domain(line.address);
  s.awaits.reset();
  ++replies[reply];
  count(what_of(reply), domain, s.client, line.seconds);
  count_reason(what_of(reply), reason);
}

// Something else came in the place of the line that would have told more: 1.32 has none,
// or it was lost.
void report_counts::untold(session &s) {
  if (!s.awaits) return;
  report_line nothing;
  nothing.seconds = s.awaits_at;
  const report_reply reply = *s.awaits;
  rcpt_answered(nothing, s, reply, reply == REPORT_421_RCPT ? MAXBAD : NOT_TOLD);
  if (reply == REPORT_550) bounced(s, {}, 1);
}

// Answered 250; at DATA 554.
void report_counts::found_invalid(const report_line &line, session &s) {
  ++put_off;
  ++vain.note(small(line.address))[REPORT_REFUSED];
  s.defer = s.next_invalid = true;
  s.next_reason = line.reason;
}

void report_counts::would(const report_line &line, session &s) {
  const bool refuse = line.would != 451;
  const std::string_view reason = line.would == 421 ? MAXBAD : line.reason;
  count(refuse ? REPORT_WOULD_REFUSE : REPORT_WOULD_DEFER, report_domain(line.address), s.client, line.seconds);
  count_reason(refuse ? REPORT_WOULD_REFUSE : REPORT_WOULD_DEFER, or_else(reason, refuse ? NOT_TOLD : NO_ANSWER));
  if (line.event != event::verify_invalid) return;
  ++vain.note(small(line.address))[REPORT_REFUSED];
  if (line.reason != "policy-delete") s.would_bounce = true;
}

void report_counts::server_troubles(const report_line &line) {
  std::string_view why = line.why;
  report_server_trouble t;
  while (report_next_trouble(why, t)) {
    report_server one;
    one.silent = t.kind == t.silent;
    one.failed = t.kind == t.failed;
    one.cannot_tell = t.kind == t.cannot_tell;
    one.tenths = one.tenths_max = t.tenths;
    servers.note(t.server) += one;
  }
}

// ---- the recipients of a message that were answered 250

void report_counts::accept_pending(session &s) {
  for (const pending_recipients &p : s.pending) {
    replies[REPORT_250] += p.n;
    count(REPORT_ACCEPTED, p.domain, s.client, s.pending_at, p.n);
  }
  s.pending.clear();
}

void report_counts::refuse_pending(session &s, report_reply reply, const time &at) {
  // 1.32 does not tell which
  const bool told = std::any_of(s.pending.begin(), s.pending.end(), [](const auto &p) { return !p.reason.empty(); });
  if (!told) bounced(s, {}, 1);
  for (const pending_recipients &p : s.pending) {
    replies[reply] += p.n;
    count(what_of(reply), p.domain, s.client, at, p.n);
    count_reason(what_of(reply), or_else(p.reason, told ? ANOTHER : NOT_TOLD), p.n);
    if (!p.reason.empty()) bounced(s, p.reason, p.n);
  }
  s.pending.clear();
}

// Recipients were refused that the log calls invalid for this reason.
void report_counts::bounced(session &s, std::string_view reason, unsigned long long recipients) {
  if (reason == "policy-delete") {
    backscatter.discarded += recipients;
    return;
  }
  backscatter.recipients += recipients;
  s.bouncing = true;
}

void report_counts::end_transaction(session &s) {
  accept_pending(s);
  if (s.bouncing) {
    ++backscatter.transactions;
    if (!s.sender_known) ++backscatter.sender_unknown;
    if (s.sender_null) ++backscatter.null_sender;
  }
  s.sender_known = s.sender_null = s.bouncing = s.would_bounce = s.next_invalid = false;
}

void report_counts::end_session(session &s, report_end how) {
  ++ends[how];
  end_transaction(s);
}
