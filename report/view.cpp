// view.cpp - see view.h.

#include "view.h"

#include <cstdio>
#include <iterator>

namespace {

using tone = report_tone;

constexpr size_t CATCHALL_MANY = 1;  // accepted by a catch-all, nothing denied: worth a word

std::string words(unsigned long long n, const char *one, const char *many) {
  return report_number(n) + ' ' + (n == 1 ? one : many);
}

std::string seconds_text(unsigned long long tenths) {
  return report_number(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

// ---- tables of sums

// What the policy observe kept from being refused is in qmail-verify's lines alone, and
// never added to what OBSERVE did, which is in qmail-smtpd's.

struct sums_column {
  report_column column;
  unsigned long long (*number)(const report_sums &);
};

template <report_what what>
unsigned long long sum(const report_sums &s) {
  return s[what];
}
unsigned long long would(const report_sums &s) { return s.would(); }
unsigned long long judged_plainly(const report_sums &s) { return s[REPORT_PERMITTED] - s[REPORT_OBSERVED]; }

const sums_column SMTP[] = {{{"accepted", tone::accepted}, sum<REPORT_ACCEPTED>},
                            {{"refused", tone::refused}, sum<REPORT_REFUSED>},
                            {{"observed", tone::would}, would},
                            {{"temporary", tone::temporary}, sum<REPORT_TEMPORARY>}};
const sums_column BY_POLICY = {{"by policy", tone::would}, sum<REPORT_OBSERVED>};
const sums_column JUDGED[] = {{{"permitted", tone::accepted}, sum<REPORT_PERMITTED>},
                              {{"denied", tone::refused}, sum<REPORT_DENIED>},
                              BY_POLICY,
                              {{"unanswered", tone::temporary}, sum<REPORT_NOT_ANSWERED>}};

template <class Columns>
std::vector<sums_column> columns_of(const Columns &columns) {
  return {std::begin(columns), std::end(columns)};
}

report_row row_of(std::string_view name, const report_sums &sums, const std::vector<sums_column> &columns,
                  unsigned long long missed) {
  report_row row;
  row.name = name;
  row.missed = missed;
  for (const sums_column &c : columns) row.numbers.push_back(c.number(sums));
  return row;
}

// What the sums of all rows but these come to.
report_sums rest_of(const report_table<report_sums> &table, const std::vector<report_named<report_sums>> &shown) {
  report_sums rest = table.others();
  for (const auto &[name, row] : table.rows()) rest += row.sums;
  for (const auto &[name, row] : shown)
    for (size_t i = 0; i < REPORT_WHATS; ++i) rest.of[i] -= row->sums.of[i];
  return rest;
}

void say_observed(const report_counts &c, std::vector<std::string> &about) {
  if (c.total.would())
    about.push_back("observed: of the accepted, those that OBSERVE alone kept from being refused or put off.");
}

void say_by_policy(const report_counts &c, std::vector<std::string> &about) {
  if (c.total[REPORT_OBSERVED])
    about.push_back("by policy: questions that the policy observe alone kept from \"denied\" or \"not answered\", by "
                    "qmail-verify's lines.");
}

void say_bound(const report_table<report_sums> &table, const char *things, std::vector<std::string> &notes) {
  if (!table.missed_max()) return;
  notes.push_back("There were more " + std::string(things) + " than are kept (" + report_number(table.keep()) +
                  "): a number with + may be too small by as much as stands behind it, and a name that is not here "
                  "was counted at most " + report_number(table.missed_max()) + " times.");
}

void fill_table(report_section &section, const report_table<report_sums> &table, size_t top,
                const std::vector<sums_column> &columns, unsigned long long (*score)(const report_sums &),
                const char *things) {
  for (const sums_column &c : columns) section.columns.push_back(c.column);
  const auto shown = report_first(table, top, score);
  for (const auto &[name, row] : shown) section.rows.push_back(row_of(name, row->sums, columns, row->missed));
  const report_sums rest = rest_of(table, shown);
  if (score(rest)) section.rows.push_back(row_of("(all others)", rest, columns, 0));
  std::erase_if(section.rows, [](const report_row &row) {
    return std::all_of(row.numbers.begin(), row.numbers.end(), [](unsigned long long n) { return n == 0; });
  });
  say_bound(table, things, section.notes);
}

// ---- the sections

report_section recipients(const report_counts &c) {
  struct reply {
    report_reply reply;
    const char *words;
    report_tone tone;
  };
  static constexpr reply REPLIES[] = {
      {REPORT_250, "250  accepted", tone::accepted},
      {REPORT_550, "550  no mailbox", tone::refused},
      {REPORT_554_DATA, "554  at DATA: a recipient is invalid (DEFER)", tone::refused},
      {REPORT_553_RCPTHOSTS, "553  domain not in rcpthosts", tone::refused},
      {REPORT_553_BADMAILFROM, "553  sender in badmailfrom", tone::refused},
      {REPORT_555, "555  address too long", tone::refused},
      {REPORT_451, "451  could not be verified", tone::temporary},
      {REPORT_421_RCPT, "421  too many invalid ones (MAXBAD)", tone::temporary},
      {REPORT_421_DATA, "421  the same at DATA (DEFER)", tone::temporary},
      {REPORT_452, "452  too many recipients", tone::temporary},
  };
  report_section s{"recipients", "Recipients", {}, "reply to RCPT", {{"recipients"}}, {}, {}, true};
  for (const reply &r : REPLIES)
    if (c.replies[r.reply] || r.reply == REPORT_250) s.rows.push_back({r.words, {c.replies[r.reply]}, r.tone, 0, ""});
  const report_sums &t = c.total;
  const auto of_accepted = [&](unsigned long long n, const std::string &what) {
    if (n) s.notes.push_back("Of the accepted " + report_number(n) + what);
  };
  of_accepted(t[REPORT_WOULD_REFUSE], " would have been refused without OBSERVE.");
  of_accepted(t[REPORT_WOULD_DEFER], " would have been answered 451 without OBSERVE.");
  of_accepted(t[REPORT_UNVERIFIED], " were not verified, since no server answered (OPEN).");
  return s;
}

report_section sessions(const report_counts &c) {
  static constexpr const char *HOW[REPORT_ENDS] = {"ended by QUIT", "client gone", "timed out",
                                                   "closed: too many invalid recipients (MAXBAD)", "ended otherwise"};
  report_section s{"sessions", "SMTP sessions", {}, "how they ended", {{"sessions"}}, {}, {}, true};
  unsigned long long ended = 0;
  for (size_t i = 0; i < REPORT_ENDS; ++i) {
    ended += c.ends[i];
    if (c.ends[i]) s.rows.push_back({HOW[i], {c.ends[i]}, i == REPORT_END_MAXBAD ? tone::refused : tone::plain, 0, ""});
  }
  const unsigned long long begun = c.total[REPORT_SESSIONS];
  if (begun > ended) s.rows.push_back({"not seen to end", {begun - ended}, tone::plain, 0, ""});
  s.notes.push_back(words(begun, "session", "sessions") + " began; " + words(c.messages, "message", "messages") +
                    " accepted (" + words(c.bytes, "byte", "bytes") + "), " + report_number(c.messages_refused) +
                    " refused at DATA for an invalid recipient, " + report_number(c.messages_rejected) +
                    " for other reasons.");
  return s;
}

report_section decisions(const report_counts &c) {
  const report_sums &t = c.total;
  report_section s{"decisions", "Decisions of qmail-verify", {}, "verdict", {{"questions"}}, {}, {}, true};
  s.rows = {{"permitted", {judged_plainly(t)}, tone::accepted, 0, ""},
            {"denied", {t[REPORT_DENIED]}, tone::refused, 0, ""},
            {"permitted by policy observe, else denied or not answered", {t[REPORT_OBSERVED]}, tone::would, 0, ""},
            {"not answered", {t[REPORT_NOT_ANSWERED]}, tone::temporary, 0, ""}};
  std::erase_if(s.rows, [](const report_row &r) { return !r.numbers[0]; });
  const auto say = [&](unsigned long long n, const char *one, const char *many, const char *what) {
    if (n) s.notes.push_back(words(n, one, many) + what);
  };
  say(c.clients_limited, "limit", "limits", " of control/verifylimits began.");
  say(c.daemon_starts, "time", "times", " it began to listen, counted for each address.");
  say(c.workers_ended, "worker", "workers", " ended unexpectedly: see the log.");
  return s;
}

report_section domains(const report_counts &c, size_t top) {
  report_section s{"domains", "By domain", {}, "domain", {}, {}, {}};
  std::vector<sums_column> columns = c.lines.smtpd ? columns_of(SMTP) : columns_of(JUDGED);
  if (c.lines.smtpd && c.total[REPORT_OBSERVED]) columns.push_back(BY_POLICY);
  say_observed(c, s.about);
  say_by_policy(c, s.about);
  fill_table(s, c.domains, top, columns, report_score_domain, "domains");
  return s;
}

report_section clients(const report_counts &c, size_t top) {
  report_section s{"clients", "By client", {}, "client", {}, {}, {}};
  say_observed(c, s.about);
  std::vector<sums_column> columns = columns_of(SMTP);
  columns.insert(columns.begin(), {{"sessions"}, sum<REPORT_SESSIONS>});
  fill_table(s, c.clients, top, columns, report_score_client, "clients");
  return s;
}

report_section reasons(const report_counts &c, size_t top) {
  report_section s{"reasons", "By reason", {}, "reason", {}, {}, {}};
  std::vector<sums_column> columns;
  if (c.lines.smtpd) columns = {SMTP[1], SMTP[2], SMTP[3]};
  if (c.total.judged()) {
    columns.push_back(JUDGED[1]);
    columns.push_back(JUDGED[2]);
    columns.push_back(JUDGED[3]);
    columns.push_back({{"permitted", tone::accepted}, sum<REPORT_PERMITTED>});
  }
  if (c.lines.smtpd && c.total.judged())
    s.about.push_back("The first three columns are recipients, by qmail-smtpd's lines; the others questions, by "
                      "qmail-verify's. They are mostly the same addresses, seen from two sides.");
  fill_table(s, c.reasons, top, columns, report_score_reason, "reasons");
  return s;
}

report_section vain(const report_counts &c, size_t top) {
  report_section s{"vain", "Addresses asked for in vain", {}, "address", {}, {}, {}};
  std::vector<sums_column> columns;
  if (c.lines.smtpd) columns.push_back({{"recipients", tone::refused}, sum<REPORT_REFUSED>});
  if (c.total.judged()) columns.push_back({{"denied", tone::refused}, sum<REPORT_DENIED>});
  const bool all = !c.vain.missed_max();
  s.about.push_back((all ? "" : "At least ") + words(c.vain.rows().size(), "address", "addresses") +
                    " that do not exist were asked for. Many different ones from few clients are somebody who tries "
                    "out names; the same one over and over is an old address, or one spelt wrong.");
  fill_table(s, c.vain, top, columns, report_score_vain, "addresses");
  return s;
}

report_section catchalls(const report_counts &c, size_t top) {
  report_section s{"catchalls", "Catch-alls", {}, "domain",
                   {{"accepted", tone::accepted}, {"denied", tone::refused}}, {}, {}};
  s.about.push_back("Addresses that were permitted because something in their domain takes any: the log cannot tell "
                    "whether they exist. \"denied\" is what was denied in the domain; where that is nothing, the "
                    "catch-all probably lets everything in.");
  for (const auto &[name, row] : report_first(c.catchalls, top, report_score_catchall)) {
    const size_t blank = name.find(' ');  // a reason has none
    const std::string domain(name.substr(blank + 1));
    const auto at = c.domains.rows().find(domain);
    const unsigned long long denied = at == c.domains.rows().end() ? 0 : at->second.sums[REPORT_DENIED];
    std::string note(name.substr(0, blank));
    if (!denied && row->sums[REPORT_CAUGHT] > CATCHALL_MANY) note += ", lets everything in";
    s.rows.push_back({domain, {row->sums[REPORT_CAUGHT], denied}, tone::plain, row->missed, note});
  }
  say_bound(c.catchalls, "domains", s.notes);
  return s;
}

report_section servers(const report_counts &c, size_t top) {
  report_section s{"servers", "Servers that did not answer", {}, "server",
                   {{"silent", tone::temporary}, {"failed", tone::temporary}, {"cannot tell", tone::temporary}},
                   {}, {}};
  s.about.push_back("By qmail-smtpd's lines: no answer in time; refused or not to be reached; answered \"temporary\".");
  for (const auto &[name, row] : report_first(c.servers, top, report_score_server)) {
    const report_server &r = row->sums;
    std::string note;
    if (r.silent) note = "waited " + seconds_text(r.tenths) + ", at most " + seconds_text(r.tenths_max);
    s.rows.push_back({std::string(name), {r.silent, r.failed, r.cannot_tell}, tone::plain, row->missed, note});
  }
  return s;
}

report_section places(const report_counts &c, size_t top) {
  report_section s{"places", "Homes and file systems that hung", {}, "place", {{"times", tone::temporary}}, {}, {}};
  for (const auto &[name, row] : report_first(c.places, top, report_score_place))
    s.rows.push_back({std::string(name), {row->sums.hung}, tone::plain, row->missed,
                      "noticed after " + report_number(row->sums.ms_max) + " ms at most"});
  return s;
}

report_section troubles(const report_counts &c, size_t top) {
  report_section s{"troubles", "Troubles of qmail-verify", {}, "what began", {{"times", tone::temporary}}, {}, {}};
  s.about.push_back("While one lasts, what cannot be judged is answered \"temporary\". What to do stands in the log.");
  for (const auto &[name, row] : report_first(c.troubles, top, report_score_trouble))
    s.rows.push_back({std::string(name), {row->sums.times}, tone::plain, row->missed, ""});
  return s;
}

report_section backscatter(const report_counts &c) {
  const report_backscatter &b = c.backscatter;
  report_section s{"backscatter", "Backscatter saved", {}, "", {}, {}, {}};
  if (b.transactions) {
    s.about.push_back("At most " + words(b.bounces_at_most(), "bounce.", "bounces."));
    s.about.push_back("Made of: " + words(b.recipients, "recipient", "recipients") +
                      " refused whose mail qmail would have accepted and bounced, in " +
                      words(b.transactions, "transaction", "transactions") +
                      ". qmail sends one bounce a message, however many of its recipients fail" +
                      (b.null_sender ? "; the " + words(b.null_sender, "transaction", "transactions") +
                                           " of the null sender would have brought nobody a bounce"
                                     : std::string()) +
                      ". Which of these clients would have sent the message after RCPT, the log cannot tell, nor how "
                      "many senders were forged.");
    if (b.sender_unknown)
      s.about.push_back("The sender of " + report_number(b.sender_unknown) +
                        " of them is not in the log, and is taken for somebody.");
  } else if (!c.lines.smtpd && c.total[REPORT_DENIED]) {
    s.about.push_back("There are no lines of qmail-smtpd, which alone tell of senders: no more than that " +
                      words(c.total[REPORT_DENIED], "question was", "questions were") + " answered \"invalid\".");
  }
  if (b.discarded)
    s.about.push_back(words(b.discarded, "recipient", "recipients") +
                      " refused by policy refuse-delete would not have bounced, but been thrown away: not counted.");
  if (b.passed)
    s.about.push_back("Not saved: " + words(b.passed, "message was", "messages were") +
                      " accepted under OBSERVE with a recipient that bounces, and a sender.");
  return s;
}

report_section log_section(const report_counts &c) {
  const report_lines &l = c.lines;
  report_section s{"log", "The logs", {}, "", {}, {}, {}};
  s.about.push_back(words(l.read, "line", "lines") + " read: " + report_number(l.smtpd) + " of qmail-smtpd, " +
                    report_number(l.daemon) + " of qmail-verify (of both, " + report_number(l.passed_over) +
                    " of kinds that are not counted), " + report_number(l.foreign) + " of other programs or damaged" +
                    (c.period.bounded() ? ", " + report_number(l.outside) + " outside the period." : std::string(".")));
  if (l.no_time)
    s.about.push_back(words(l.no_time, "line has", "lines have") + " no time stamp" +
                      (c.period.bounded() ? ": not counted, since a period was asked for."
                                          : ": counted, but in no plot over time."));
  if (l.dropped)
    s.about.push_back("The logs themselves say that " + words(l.dropped, "line is", "lines are") +
                      " missing: all numbers are too small.");
  return s;
}

}  // namespace

unsigned long long report_score_domain(const report_sums &s) { return s.recipients() ? s.recipients() : s.judged(); }
unsigned long long report_score_client(const report_sums &s) {
  // who was refused comes before who was not
  constexpr unsigned long long FIRST = 1ull << 40;
  return (s[REPORT_REFUSED] + s.would() + s[REPORT_TEMPORARY]) * FIRST + s[REPORT_ACCEPTED] + s[REPORT_SESSIONS];
}
unsigned long long report_score_reason(const report_sums &s) {
  const unsigned long long smtp = s[REPORT_REFUSED] + s.would() + s[REPORT_TEMPORARY];
  return std::max(smtp, s[REPORT_OBSERVED] + s.judged());
}
unsigned long long report_score_vain(const report_sums &s) { return std::max(s[REPORT_REFUSED], s[REPORT_DENIED]); }
unsigned long long report_score_catchall(const report_sums &s) { return s[REPORT_CAUGHT]; }
unsigned long long report_score_server(const report_server &s) { return s.silent + s.failed + s.cannot_tell; }
unsigned long long report_score_place(const report_place &p) { return p.hung; }
unsigned long long report_score_trouble(const report_trouble &t) { return t.times; }

std::string report_number(unsigned long long n) {
  std::string out = std::to_string(n);
  for (size_t i = out.size(); i > 3;) out.insert(i -= 3, ",");
  return out;
}

std::string report_view_period(const report_counts &c) {
  std::string asked;
  if (c.period.since) asked = "from " + report_time_text(*c.period.since) + ' ';
  if (c.period.until) asked += "until " + report_time_text(*c.period.until) + ' ';
  const std::string had = c.first ? "lines of " + report_time_text(*c.first) + " to " + report_time_text(*c.last) +
                                        report_time_format(*c.last, " (%Z)")
                                  : "no line has a time";
  return asked.empty() ? had : asked.substr(0, asked.size() - 1) + "; " + had;
}

std::vector<report_section> report_view(const report_counts &c, size_t top) {
  std::vector<report_section> all;
  const auto add = [&](report_section s) {
    if (!s.rows.empty() || (s.columns.empty() && !s.about.empty())) all.push_back(std::move(s));
  };
  if (c.lines.smtpd) {
    add(recipients(c));
    add(sessions(c));
  }
  if (c.total.judged()) add(decisions(c));
  add(backscatter(c));
  add(domains(c, top));
  if (c.lines.smtpd) add(clients(c, top));
  add(reasons(c, top));
  add(vain(c, top));
  add(catchalls(c, top));
  add(servers(c, top));
  add(places(c, top));
  add(troubles(c, top));
  add(log_section(c));
  return all;
}
