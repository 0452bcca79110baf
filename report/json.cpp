// json.cpp - see json.h.

#include "json.h"

#include "view.h"
#include "vrfy/json.h"

namespace {

// Objects and arrays, with the commas between their members.
class writer {
 public:
  writer &open(char bracket) {
    comma();
    out += bracket;
    first_ = true;
    return *this;
  }
  writer &close(char bracket) {
    out += bracket;
    first_ = false;
    return *this;
  }
  writer &name(std::string_view name) {
    comma();
    vrfy_json_string(out, name);
    out += ':';
    first_ = true;  // no comma before the value
    return *this;
  }
  void number(std::string_view member, unsigned long long n) { name(member).raw(std::to_string(n)); }
  void text(std::string_view member, std::string_view bytes) {
    name(member).comma();
    vrfy_json_string(out, bytes);
  }
  void time(std::string_view member, const std::optional<long long> &at) {
    at ? text(member, report_time_iso(*at)) : name(member).raw("null");
  }

  std::string out;

 private:
  void raw(const std::string &value) {
    comma();
    out += value;
  }
  void comma() {
    if (!first_) out += ',';
    first_ = false;
  }
  bool first_ = true;
};

struct member {
  report_what what;
  const char *name;
};
constexpr member SMTPD[] = {{REPORT_ACCEPTED, "accepted"},       {REPORT_REFUSED, "refused"},
                            {REPORT_TEMPORARY, "temporary"},     {REPORT_WOULD_REFUSE, "would_refuse"},
                            {REPORT_WOULD_DEFER, "would_defer"}, {REPORT_UNVERIFIED, "unverified"}};
constexpr member SESSIONS[] = {{REPORT_SESSIONS, "sessions"}};
constexpr member DAEMON[] = {{REPORT_PERMITTED, "permitted"},
                             {REPORT_DENIED, "denied"},
                             {REPORT_NOT_ANSWERED, "not_answered"},
                             {REPORT_OBSERVED, "observed"},
                             {REPORT_CAUGHT, "caught"}};

template <class Members>
void put_members(writer &w, const report_sums &sums, const Members &members) {
  for (const member &m : members) w.number(m.name, sums[m.what]);
}

void put_sums(writer &w, const report_sums &sums) {
  put_members(w, sums, SESSIONS);
  put_members(w, sums, SMTPD);
  put_members(w, sums, DAEMON);
}

void put_server(writer &w, const report_server &s) {
  w.number("silent", s.silent);
  w.number("failed", s.failed);
  w.number("cannot_tell", s.cannot_tell);
  w.number("waited_ms", s.tenths * 100);
  w.number("waited_ms_max", s.tenths_max * 100);
}

void put_place(writer &w, const report_place &p) {
  w.number("hung", p.hung);
  w.number("ms_max", p.ms_max);
}

void put_trouble(writer &w, const report_trouble &t) { w.number("times", t.times); }

// put_names writes what a row is called.
template <class Sums, class Score, class Names, class Put>
void put_table(writer &w, const char *name, const report_table<Sums> &table, size_t top, Score score, Names put_names,
               Put put) {
  w.name(name).open('{');
  w.number("kept", table.keep());
  w.number("missed_max", table.missed_max());
  w.number("names", table.rows().size());
  w.name("rows").open('[');
  const auto shown = report_first(table, top, score);
  for (const auto &[row_name, row] : shown) {
    w.open('{');
    put_names(row_name);
    w.number("missed", row->missed);
    put(w, row->sums);
    w.close('}');
  }
  w.close(']');
  w.close('}');
}

void put_lines(writer &w, const report_lines &l) {
  w.name("lines").open('{');
  w.number("read", l.read);
  w.number("smtpd", l.smtpd);
  w.number("daemon", l.daemon);
  w.number("passed_over", l.passed_over);
  w.number("foreign", l.foreign);
  w.number("outside", l.outside);
  w.number("no_time", l.no_time);
  w.number("dropped", l.dropped);
  w.close('}');
}

void put_sessions(writer &w, const report_counts &c) {
  static constexpr const char *ENDS[REPORT_ENDS] = {"quit", "lost", "timeout", "maxbad", "other"};
  w.name("sessions").open('{');
  w.number("begun", c.total[REPORT_SESSIONS]);
  for (size_t i = 0; i < REPORT_ENDS; ++i) w.number(ENDS[i], c.ends[i]);
  w.close('}');
  w.name("messages").open('{');
  w.number("accepted", c.messages);
  w.number("bytes", c.bytes);
  w.number("refused_at_data", c.messages_refused);
  w.number("rejected", c.messages_rejected);
  w.close('}');
}

void put_recipients(writer &w, const report_counts &c) {
  static constexpr const char *REPLIES[REPORT_REPLIES] = {"250",           "550",     "554-data", "553-rcpthosts",
                                                          "553-badmailfrom", "555",   "451",      "421-rcpt",
                                                          "421-data",      "452"};
  w.name("recipients").open('{');
  put_members(w, c.total, SMTPD);
  w.number("put_off", c.put_off);
  w.name("replies").open('{');
  for (size_t i = 0; i < REPORT_REPLIES; ++i) w.number(REPLIES[i], c.replies[i]);
  w.close('}');
  w.close('}');
}

void put_daemon(writer &w, const report_counts &c) {
  w.name("decisions").open('{');
  put_members(w, c.total, DAEMON);
  w.close('}');
  w.name("daemon").open('{');
  w.number("listening", c.daemon_starts);
  w.number("workers_ended", c.workers_ended);
  w.number("limits_begun", c.clients_limited);
  w.close('}');
}

void put_backscatter(writer &w, const report_backscatter &b) {
  w.name("backscatter").open('{');
  w.number("bounces_at_most", b.bounces_at_most());
  w.number("recipients", b.recipients);
  w.number("transactions", b.transactions);
  w.number("null_sender", b.null_sender);
  w.number("sender_unknown", b.sender_unknown);
  w.number("discarded", b.discarded);
  w.number("passed", b.passed);
  w.close('}');
}

void put_series(writer &w, const report_series &series) {
  w.name("series").open('{');
  w.number("width", static_cast<unsigned long long>(series.width()));
  w.name("pieces").open('[');
  for (const auto &[begin, sums] : series.pieces()) {
    w.open('{');
    w.time("begin", begin);
    put_sums(w, sums);
    w.close('}');
  }
  w.close(']');
  w.close('}');
}

}  // namespace

std::string report_json(const report_counts &c, size_t top) {
  writer w;
  w.open('{');
  w.number("format", 1);
  w.name("period").open('{');
  w.time("since", c.period.since);
  w.time("until", c.period.until);
  w.time("first", c.first);
  w.time("last", c.last);
  w.close('}');
  put_lines(w, c.lines);
  put_sessions(w, c);
  put_recipients(w, c);
  put_daemon(w, c);
  put_backscatter(w, c.backscatter);
  const auto name = [&](std::string_view text) { w.text("name", text); };
  const auto domain_and_reason = [&](std::string_view text) {
    w.text("domain", text.substr(text.find(' ') + 1));
    w.text("reason", text.substr(0, text.find(' ')));
  };
  const auto vain = [](writer &to, const report_sums &sums) {
    to.number("by_clients", sums[REPORT_REFUSED]);
    to.number("denied", sums[REPORT_DENIED]);
  };
  const auto caught = [](writer &to, const report_sums &sums) { to.number("accepted", sums[REPORT_CAUGHT]); };
  put_table(w, "domains", c.domains, top, report_score_domain, name, put_sums);
  put_table(w, "clients", c.clients, top, report_score_client, name, put_sums);
  put_table(w, "reasons", c.reasons, top, report_score_reason, name, put_sums);
  put_table(w, "vain", c.vain, top, report_score_vain, name, vain);
  put_table(w, "catchalls", c.catchalls, top, report_score_catchall, domain_and_reason, caught);
  put_table(w, "servers", c.servers, top, report_score_server, name, put_server);
  put_table(w, "places", c.places, top, report_score_place, name, put_place);
  put_table(w, "troubles", c.troubles, top, report_score_trouble, name, put_trouble);
  put_series(w, c.series);
  w.close('}');
  return std::move(w.out) + '\n';
}
