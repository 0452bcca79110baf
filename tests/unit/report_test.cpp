// report_test.cpp - qmail-verify-report, piece by piece: lines taken apart, points in
// time, bounded tables, counting by session, and what is printed of hostile names.

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <deque>

#include "daemon/limits.h"
#include "daemon/troubles.h"
#include "report/counts.h"
#include "report/html.h"
#include "report/json.h"
#include "report/line.h"
#include "report/options.h"
#include "report/plot.h"
#include "report/text.h"

namespace {

using event = report_event;

constexpr char SMTPD[] = "qmail-smtpd: pid 7 from 192.0.2.1: ";
constexpr char NO_MAILBOX[] = "no-mailbox: no dot-qmail file for the extension, and no default";

// Kept: what report_line_read finds points into it.
const std::string &smtpd(const std::string &text) {
  static std::deque<std::string> kept;
  return kept.emplace_back(SMTPD + text);
}

report_counts counted(const std::vector<std::string> &lines, report_period period = {}) {
  report_counts counts(period);
  for (const std::string &line : lines) counts.line(line, 0);
  counts.end();
  return counts;
}

// One session of qmail-smtpd.
report_counts session(std::vector<std::string> lines) {
  for (std::string &line : lines) line = SMTPD + line;
  return counted(lines);
}

const report_sums &row(const report_table<report_sums> &table, const char *name) {
  static const report_sums none;
  const auto at = table.rows().find(std::string_view(name));
  EXPECT_NE(at, table.rows().end()) << name;
  return at == table.rows().end() ? none : at->second.sums;
}

struct zone {
  explicit zone(const char *name) : was(getenv("TZ") ? getenv("TZ") : "") {
    setenv("TZ", name, 1);
    tzset();
  }
  ~zone() {
    setenv("TZ", was.c_str(), 1);
    tzset();
  }
  const std::string was;
};

}  // namespace

// ---- lines

TEST(ReportLine, Tai64n) {
  std::string_view text = "@400000003afff44900000000 words";
  EXPECT_EQ(report_tai64n(text), 989852735);  // 2^62 + 10 seconds before, as tai64nlocal has it
  EXPECT_EQ(text, "words");
  for (const char *broken : {"@400000003afff4490000000", "@400000003afff4490000000g w", "@400000003AFFF44900000000 w",
                             "@000000003afff44900000000 w", "@ffffffffffffffffffffffff w", "words", "@", ""}) {
    text = broken;
    EXPECT_FALSE(report_tai64n(text)) << broken;
    EXPECT_EQ(text, broken);
  }
}

TEST(ReportLine, Decisions) {
  auto line = report_line_read("qmail-verify: joe@example.org permitted for joe. dotqmail /home/joe/.qmail");
  EXPECT_EQ(line.event, event::permitted);
  EXPECT_EQ(line.address, "joe@example.org");
  EXPECT_EQ(line.user, "joe");
  EXPECT_EQ(line.reason, "dotqmail");
  EXPECT_EQ(line.about, "/home/joe/.qmail");
  EXPECT_FALSE(line.observed);

  line = report_line_read("qmail-verify: b@x permitted for bob. policy-observe home-unreachable /home/bob: No such file");
  EXPECT_TRUE(line.event == event::permitted && line.observed);
  EXPECT_EQ(line.reason, "home-unreachable");

  line = report_line_read("qmail-verify: <> denied. no-mailbox /var/qmail/alias");
  EXPECT_TRUE(line.event == event::denied && line.address.empty());
  line = report_line_read("qmail-verify: a@b not answered for UNKNOWN. cdb-trouble users/cdb: damaged");
  EXPECT_EQ(line.event, event::not_answered);
  line = report_line_read("qmail-verify: a@b denied.");  // as 1.32 has it
  EXPECT_TRUE(line.event == event::denied && line.reason.empty());
}

TEST(ReportLine, WhatTheDaemonTellsOfItself) {
  EXPECT_EQ(report_line_read("qmail-verify: Listening on socket: /s. Judging /var/qmail.").event, event::daemon_start);
  EXPECT_EQ(report_line_read("qmail-verify: worker 12 ended by signal 9: another one takes its place").event,
            event::worker_ended);
  auto line = report_line_read("qmail-verify: 12 log lines were dropped: the reader of the log did not keep up");
  EXPECT_TRUE(line.event == event::daemon_dropped && line.number == 12);
  line = report_line_read("qmail-verify: a look at /h/x/.qmail did not come back in 1003 ms: addresses that need /h are "
                          "answered \"temporary\" until it does; it is tried every 5 seconds");
  EXPECT_TRUE(line.event == event::place_hangs && line.number == 1003);
  EXPECT_EQ(line.about, "/h");
  EXPECT_EQ(report_line_read("qmail-verify: SIGTERM: done.").event, event::other);
  EXPECT_EQ(report_line_read("tcpserver: status: 1/40").event, event::foreign);
}

// An address of a client's choice stands in its own place, and nothing in it counts.
// The daemon's own sentences, from where it makes them.
TEST(ReportCounts, EveryTroubleOfTheDaemon) {
  std::vector<std::string> lines;
  troubles told{[&](const std::string &sentence) { lines.push_back("qmail-verify: " + sentence + "."); }};
  for (unsigned kind = 1; kind < TROUBLE_KINDS; ++kind) told.seen(static_cast<trouble_kind>(kind), EACCES, 0);
  ASSERT_EQ(lines.size(), TROUBLE_KINDS - 1);
  told.disproved(1);
  told.tick(troubles::CALM_MS + 1);  // the ends are no troubles
  ASSERT_EQ(lines.size(), 2 * (TROUBLE_KINDS - 1));
  lines.push_back("qmail-verify: 64 workers are stuck in homes: no home is looked at, and so on.");
  lines.push_back("qmail-verify: out of memory: some questions are not answered until there is more.");
  lines.push_back("qmail-verify: cannot fork a worker, tried again every second: Resource temporarily unavailable");
  const report_counts c = counted(lines);
  unsigned long long times = 0;
  for (const auto &[name, row] : c.troubles.rows()) times += row.sums.times;
  EXPECT_EQ(times, TROUBLE_KINDS - 1 + 3);
  EXPECT_TRUE(c.troubles.rows().contains("users/cdb cannot be used: Permission denied"));
  EXPECT_TRUE(c.troubles.rows().contains("64 workers are stuck in homes"));
  EXPECT_NE(report_json(c, 10).find("\"name\":\"users/cdb cannot be used: Permission denied\""), std::string::npos);
}

TEST(ReportLine, ATroubleInAPathIsADecision) {
  const auto line = report_line_read(
      "qmail-verify: a@b permitted for u. dotqmail /h; addresses that need this are answered \"temporary\" until that "
      "is mended: x");
  EXPECT_EQ(line.event, event::permitted);
}

// Also of those that the daemon only counts, since a minute has but so many lines.
TEST(ReportCounts, EveryClientThatWasLimited) {
  std::vector<std::string> lines, complaints;
  limits guard{[&](const std::string &sentence) { lines.push_back("qmail-verify: " + sentence + "."); }};
  guard.set(limits_settings("badperminute:1\n", complaints));
  ASSERT_TRUE(complaints.empty()) << complaints[0];
  constexpr unsigned CLIENTS = LIMITS_LINES + 7;
  for (unsigned i = 0; i < CLIENTS; ++i) {
    const unsigned char bytes[4] = {10, 0, 0, static_cast<unsigned char>(i)};
    for (unsigned n = 0; n < 3 && guard.may_know(ip_of(bytes, 4), 1); ++n) guard.count(ip_of(bytes, 4), QV_INVALID, 1);
  }
  guard.tick(1 + LIMITS_MINUTE_MS);
  ASSERT_EQ(lines.size(), LIMITS_LINES + 1);
  EXPECT_EQ(counted(lines).clients_limited, CLIENTS);
}

TEST(ReportLine, AddressesAreNotTakenForWords) {
  EXPECT_EQ(report_line_read("qmail-verify: a\\x20denied.\\x20no-mailbox@b permitted for u. dotqmail /h").event,
            event::permitted);
  EXPECT_EQ(report_line_read(smtpd("Received HELO Recipient _a@b_")).event, event::transaction_reset);
  EXPECT_EQ(report_line_read(smtpd("Sender <a> Unverified mailbox at RCPT time")).event, event::other);
}

TEST(ReportLine, Sessions) {
  auto line = report_line_read("@400000003afff44900000000 qmail-smtpd: pid 7 from 2001:db8::1: New session");
  EXPECT_EQ(line.event, event::session_begin);
  EXPECT_EQ(line.client, "2001:db8::1");
  EXPECT_EQ(line.session, "7 from 2001:db8::1");
  line = report_line_read("qmail-smtpd: pid 7 from (not yet set): Unable to read controls: quitting");
  EXPECT_TRUE(line.event == event::end_other && line.client == "(not yet set)");
  line = report_line_read(smtpd("Message accepted, qp 12 (3 recipients, 29 bytes)"));
  EXPECT_TRUE(line.event == event::message_accepted && line.number == 29);
  EXPECT_EQ(report_line_read("qmail-smtpd: pid x from 1: New session").event, event::foreign);
}

TEST(ReportLine, VerifyLines) {
  auto line = report_line_read(smtpd(std::string("verify: refused no@x: ") + NO_MAILBOX + ", user alias, server /var/a b/socket"));
  EXPECT_EQ(line.event, event::verify_refused);
  EXPECT_EQ(line.address, "no@x");
  EXPECT_EQ(line.reason, "no-mailbox");
  EXPECT_EQ(line.user, "alias");
  EXPECT_EQ(line.server, "/var/a b/socket");
  line = report_line_read(smtpd("verify: refused no@x: default dot-qmail, user u, server 127.0.0.1:11113"));
  EXPECT_EQ(line.reason, "default dot-qmail");
  line = report_line_read(smtpd("verify: invalid no@x: no-mailbox: words; accepted all the same (OBSERVE), else 550, user u, server s"));
  EXPECT_TRUE(line.event == event::verify_invalid && line.observed && line.would == 550);
  line = report_line_read(smtpd("verify: temporary a@x: not asked: this session has had 2 invalid recipients (MAXBAD=2)"));
  EXPECT_TRUE(line.not_asked && line.reason.empty());
  line = report_line_read(smtpd("verify: refused a@x: too many recipients, no room after 900"));
  EXPECT_EQ(line.event, event::no_room);
}

TEST(ReportLine, Troubles) {
  std::string_view why = "127.0.0.1:11113: no answer in 5.0 s, plain answer ignored (STRICT); [::1]:2: connection refused; "
                         "\"host\": a host name; /s: too many are waiting there; accepted unverified (OPEN)";
  report_server_trouble t;
  ASSERT_TRUE(report_next_trouble(why, t));
  EXPECT_TRUE(t.kind == t.silent && t.tenths == 50 && t.server == "127.0.0.1:11113");
  ASSERT_TRUE(report_next_trouble(why, t));
  EXPECT_TRUE(t.kind == t.failed && t.server == "[::1]:2");
  ASSERT_TRUE(report_next_trouble(why, t));
  EXPECT_EQ(t.server, "/s");
  EXPECT_FALSE(report_next_trouble(why, t));

  why = "home-unreachable: the home directory cannot be entered (/s cannot tell now) (10.0.0.1:1: no answer in 0.3 s)";
  ASSERT_TRUE(report_next_trouble(why, t));
  EXPECT_TRUE(t.kind == t.cannot_tell && t.server == "/s");
  ASSERT_TRUE(report_next_trouble(why, t));
  EXPECT_TRUE(t.kind == t.silent && t.tenths == 3);
  EXPECT_FALSE(report_next_trouble(why, t));
}

// ---- time

TEST(ReportPeriod, PointsInTime) {
  const zone utc("UTC");
  EXPECT_EQ(report_time_read("2026-11-20", 0), 1795132800);
  EXPECT_EQ(report_time_read("2026-11-20 13:00", 0), 1795132800 + 13 * 3600);
  EXPECT_EQ(report_time_read("2026-11-20T13:00:30", 0), 1795132800 + 13 * 3600 + 30);
  EXPECT_EQ(report_time_read("24h", 1000000), 1000000 - 86400);
  EXPECT_EQ(report_time_read("2w", 2000000), 2000000 - 14 * 86400);
  EXPECT_TRUE(report_time_read("2028-02-29", 0));
  for (const char *wrong : {"", "7", "d", "7x", "7dd", "-7d", "2026-11", "2026-11-31", "2026-02-29", "2026-13-01",
                            "2026-11-20 24:00", "2026-11-20 13", "2026-11-20 13:00:", "2026-11-20 13:00 ", "yesterday"})
    EXPECT_FALSE(report_time_read(wrong, 0)) << wrong;
}

TEST(ReportPeriod, LocalTime) {
  const zone berlin("Europe/Berlin");
  const long long summer = *report_time_read("2026-07-01 12:00", 0), winter = *report_time_read("2026-12-01 12:00", 0);
  EXPECT_EQ(report_time_offset(summer), 7200);
  EXPECT_EQ(report_time_offset(winter), 3600);
  EXPECT_EQ(report_time_text(summer), "2026-07-01 12:00:00");
  EXPECT_EQ(report_time_iso(winter), "2026-12-01T12:00:00+01:00");
}

TEST(ReportSeries, BecomesWiderAndLosesNothing) {
  const zone utc("UTC");
  report_series series;
  for (long long i = 0; i < 100000; ++i) ++series.at(1795132800 + i * 61)[REPORT_SESSIONS];
  ++series.at(4000000000)[REPORT_SESSIONS];  // a stamp from far away
  series.fit(100);
  unsigned long long n = 0;
  for (const auto &[begin, sums] : series.pieces()) n += sums[REPORT_SESSIONS];
  EXPECT_EQ(n, 100001u);
  EXPECT_LE(series.pieces().size(), 100u);
  EXPECT_EQ(report_width_text(3600), "hour");
  EXPECT_EQ(report_width_text(900), "15 minutes");
}

// ---- tables

TEST(ReportTable, KeepsWhatOccursOftenAndStatesWhatItMayLack) {
  constexpr size_t KEEP = 50;
  report_table<report_sums> table(KEEP);
  unsigned long long often = 0, all = 0;
  for (unsigned i = 0; i < 200000; ++i) {
    ++table.note("name " + std::to_string(i))[REPORT_DENIED];
    ++all;
    if (i % 10) continue;
    ++table.note("often")[REPORT_DENIED];
    ++often, ++all;
  }
  ASSERT_LE(table.rows().size(), 2 * KEEP);
  EXPECT_GT(table.missed_max(), 0u);
  EXPECT_LE(table.missed_max(), all / KEEP);
  const auto at = table.rows().find("often");
  ASSERT_NE(at, table.rows().end());
  EXPECT_LE(at->second.sums[REPORT_DENIED], often);
  EXPECT_GE(at->second.sums[REPORT_DENIED] + at->second.missed, often);
  unsigned long long sum = table.others()[REPORT_DENIED];
  for (const auto &[name, r] : table.rows()) sum += r.sums[REPORT_DENIED];
  EXPECT_EQ(sum, all);
}

TEST(ReportTable, LongNamesAreCut) {
  report_table<report_sums> table(10);
  ++table.note(std::string(1000, 'a'))[REPORT_DENIED];
  ++table.note(std::string(2000, 'a'))[REPORT_DENIED];
  ASSERT_EQ(table.rows().size(), 1u);
  EXPECT_EQ(table.rows().begin()->first.size(), REPORT_NAME_MAX);
}

// ---- counting

TEST(ReportCounts, RefusedAtRcpt) {
  const report_counts c = session({"New session", "Sender <a@b>", "Recipient <joe@x>", "Unverified mailbox at RCPT time",
                             std::string("verify: refused no@X: ") + NO_MAILBOX + ", user alias, server /s",
                             "Message accepted, qp 1 (1 recipients, 29 bytes)", "Remote end QUIT: quitting"});
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 1u);
  EXPECT_EQ(c.total[REPORT_REFUSED], 1u);
  EXPECT_EQ(c.replies[REPORT_550], 1u);
  EXPECT_EQ(row(c.reasons, "no-mailbox")[REPORT_REFUSED], 1u);
  EXPECT_EQ(row(c.domains, "x")[REPORT_REFUSED], 1u);
  EXPECT_EQ(row(c.clients, "192.0.2.1")[REPORT_REFUSED], 1u);
  EXPECT_EQ(row(c.vain, "no@x")[REPORT_REFUSED], 1u);
  EXPECT_EQ(c.backscatter.bounces_at_most(), 1u);
  EXPECT_EQ(c.ends[REPORT_END_QUIT], 1u);
  EXPECT_EQ(c.messages, 1u);
}

TEST(ReportCounts, DeferTakesBackTheWholeMessage) {
  const std::string invalid = std::string("verify: invalid no@x: ") + NO_MAILBOX + ", user alias, server /s";
  report_counts c = session({"New session", "Sender <a@b>", "Recipient <joe@x>", invalid, "Recipient <no@x>",
                             "Recipient <c@y>", "Unverified mailbox(es) at DATA time", "Session RSET", "Sender <a@b>",
                             "Recipient <joe@x>", "Message accepted, qp 1 (1 recipients, 29 bytes)"});
  EXPECT_EQ(c.replies[REPORT_554_DATA], 3u);
  EXPECT_EQ(c.total[REPORT_REFUSED], 3u);
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 1u);
  EXPECT_EQ(c.put_off, 1u);
  EXPECT_EQ(c.messages_refused, 1u);
  EXPECT_EQ(row(c.reasons, "no-mailbox")[REPORT_REFUSED], 1u);
  EXPECT_EQ(row(c.reasons, "(another recipient of the message)")[REPORT_REFUSED], 2u);
  EXPECT_EQ(c.backscatter.recipients, 1u);
  // without DATA it was accepted, and nobody was told
  c = session({"New session", "Sender <a@b>", invalid, "Recipient <no@x>", "Read error (disconnect?): quitting"});
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 1u);
  EXPECT_EQ(c.total[REPORT_REFUSED], 0u);
  EXPECT_EQ(c.backscatter.transactions, 0u);
}

TEST(ReportCounts, Observe) {
  const report_counts c = session(
      {"New session", "Sender <a@b>",
       std::string("verify: invalid no@x: ") + NO_MAILBOX + "; accepted all the same (OBSERVE), else 550, user u, server /s",
       "Recipient <no@x>", "verify: temporary t@x: /s: no answer in 0.3 s; accepted all the same (OBSERVE), else 451",
       "Recipient <t@x>", "Message accepted, qp 1 (2 recipients, 29 bytes)"});
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 2u);
  EXPECT_EQ(c.total[REPORT_WOULD_REFUSE], 1u);
  EXPECT_EQ(c.total[REPORT_WOULD_DEFER], 1u);
  EXPECT_EQ(c.total[REPORT_REFUSED] + c.total[REPORT_TEMPORARY], 0u);
  EXPECT_EQ(c.backscatter.transactions, 0u);
  EXPECT_EQ(c.backscatter.passed, 1u);
  EXPECT_EQ(row(c.vain, "no@x")[REPORT_REFUSED], 1u);
}

TEST(ReportCounts, MaxbadAtRcptAndAtData) {
  report_counts c = session({"New session", "Sender <>", "Recipient <joe@x>", "Unverified mailbox at RCPT time",
                             "verify: refused no@x: no-mailbox, user u, server /s", "Too many invalid recipients: quitting",
                             "verify: temporary b@x: not asked: this session has had 1 invalid recipients (MAXBAD=1)"});
  EXPECT_EQ(c.replies[REPORT_421_RCPT], 1u);
  EXPECT_EQ(c.total[REPORT_TEMPORARY], 1u);
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 1u);
  EXPECT_EQ(c.ends[REPORT_END_MAXBAD], 1u);
  EXPECT_EQ(c.backscatter.null_sender, 1u);
  EXPECT_EQ(c.backscatter.bounces_at_most(), 0u);
  c = session({"New session", "Sender <a@b>", "verify: invalid no@x: no-mailbox, user u, server /s", "Recipient <no@x>",
               "Recipient <joe@x>", "Too many invalid recipients: quitting"});
  EXPECT_EQ(c.replies[REPORT_421_DATA], 2u);
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 0u);
  EXPECT_EQ(c.total[REPORT_TEMPORARY], 2u);
}

// The lines of 1.32 have neither addresses nor reasons where something is refused.
TEST(ReportCounts, LinesThatTellLess) {
  const report_counts c = session({"New session", "Sender <a@b>", "Unverified mailbox at RCPT time",
                                   "Unverified mailbox at RCPT time", "temporary failure (connection refused)",
                                   "Recipient <joe@x>", "Unverified mailbox(es) at DATA time", "Remote end QUIT: quitting"});
  EXPECT_EQ(c.replies[REPORT_550], 2u);
  EXPECT_EQ(c.replies[REPORT_451], 1u);
  EXPECT_EQ(c.replies[REPORT_554_DATA], 1u);
  EXPECT_EQ(c.backscatter.bounces_at_most(), 1u);
}

// "N log lines were dropped" comes between two lines that belong together.
TEST(ReportCounts, DroppedLines) {
  const report_counts c =
      session({"New session", "Unverified mailbox at RCPT time",
               "verify: 3 log lines were dropped: the reader of the log did not keep up",
               "verify: refused no@x: no-mailbox, user u, server /s", "verify: refused lost@x: no-mailbox"});
  EXPECT_EQ(c.replies[REPORT_550], 2u);
  EXPECT_EQ(c.lines.dropped, 3u);
}

TEST(ReportCounts, TwoSessionsAndTwoLogsDoNotMix) {
  report_counts c;
  const auto line = [&](const char *who, const char *text, unsigned source) {
    c.line(std::string("qmail-smtpd: pid ") + who + ": " + text, source);
  };
  for (const unsigned source : {1u, 2u})
    for (const char *who : {"7 from 192.0.2.1", "8 from 192.0.2.1"}) line(who, "New session", source);
  line("7 from 192.0.2.1", "Recipient <a@x>", 1);
  line("8 from 192.0.2.1", "Recipient <b@y>", 1);
  line("7 from 192.0.2.1", "Unverified mailbox(es) at DATA time", 2);  // another host's
  line("8 from 192.0.2.1", "Unverified mailbox(es) at DATA time", 1);
  c.end();
  EXPECT_EQ(c.total[REPORT_SESSIONS], 4u);
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 1u);
  EXPECT_EQ(row(c.domains, "y")[REPORT_REFUSED], 1u);
}

TEST(ReportCounts, TheDaemon) {
  const report_counts c = counted({"qmail-verify: a@x permitted for u. vpopmail-delete /v/vpasswd.cdb",
                                   "qmail-verify: b@x permitted for u. dotqmail /h/.qmail-default",
                                   "qmail-verify: c@x permitted for u. dotqmail /h/.qmail-c",
                                   "qmail-verify: d@x permitted for u. policy-observe no-mailbox /h",
                                   "qmail-verify: e@y denied. no-mailbox /h", "tcpserver: ok 7"});
  EXPECT_EQ(c.total[REPORT_PERMITTED], 4u);
  EXPECT_EQ(c.total[REPORT_OBSERVED], 1u);
  EXPECT_EQ(c.total[REPORT_CAUGHT], 2u);
  EXPECT_EQ(row(c.catchalls, "vpopmail-delete x")[REPORT_CAUGHT], 1u);
  EXPECT_EQ(row(c.catchalls, "dotqmail x")[REPORT_CAUGHT], 1u);
  EXPECT_EQ(row(c.vain, "d@x")[REPORT_DENIED], 1u);
  EXPECT_EQ(c.lines.foreign, 1u);
  EXPECT_EQ(c.lines.daemon, 5u);
}

TEST(ReportCounts, Period) {
  const std::vector<std::string> lines = {"@400000003afff44900000000 qmail-verify: a@x denied. no-mailbox",
                                          "@400000003afff44a00000000 qmail-verify: b@x denied. no-mailbox",
                                          "@400000003afff44b00000000 qmail-verify: c@x denied. no-mailbox",
                                          "qmail-verify: d@x denied. no-mailbox"};
  report_counts c = counted(lines, {989852736, 989852737});
  EXPECT_EQ(c.total[REPORT_DENIED], 1u);
  EXPECT_EQ(c.lines.outside, 2u);
  EXPECT_EQ(c.lines.no_time, 1u);
  EXPECT_EQ(counted(lines).total[REPORT_DENIED], 4u);
}

// Whoever opens sessions without end, to addresses without end, costs no memory without end.
TEST(ReportCounts, MemoryIsBounded) {
  report_counts c;
  for (unsigned i = 0; i < 60000; ++i) {
    const std::string n = std::to_string(i);
    const std::string front = "qmail-smtpd: pid " + n + " from 10.0." + std::to_string(i / 256) + '.' + n + ": ";
    c.line(front + "New session", 0);
    c.line(front + "Recipient <" + n + "@domain-" + n + ">", 0);
  }
  c.end();
  EXPECT_EQ(c.total[REPORT_ACCEPTED], 60000u);
  EXPECT_LE(c.domains.rows().size(), 2 * REPORT_KEEP);
  EXPECT_LE(c.clients.rows().size(), 2 * REPORT_KEEP);
  const std::string text = report_text("", report_view(c, 10), {});
  EXPECT_NE(text.find("(all others)"), text.npos);
  EXPECT_NE(text.find("There were more domains than are kept (5,000)"), text.npos);
}

// ---- what is printed

TEST(ReportOutput, HostileNames) {
  const std::vector<std::string> names = {"<script>alert(1)</script>", "\"'&@x", "\x1b[2J@x", "\xff\xfe@x",
                                          std::string(5000, 'a') + "@x", "\u202e@x"};
  std::vector<std::string> lines;
  for (const std::string &name : names) {
    lines.push_back("qmail-verify: " + name + " denied. no-mailbox /h");
    lines.push_back("qmail-verify: b@" + name + " permitted for " + name + ". program /h/.qmail-default");
    lines.push_back("qmail-smtpd: pid 7 from " + name + ": verify: temporary a@x: /" + name + ": no answer in 1.0 s");
    lines.push_back("qmail-verify: a look at /h did not come back in 9 ms: addresses that need " + name + " are answered");
  }
  const report_counts c = counted(lines);
  const auto sections = report_view(c, 100);
  const std::string text = report_text("p", sections, {}), page = report_html("p", c, sections);
  for (const std::string *out : {&text, &page})
    for (const char byte : *out) ASSERT_TRUE(byte == '\n' || (byte >= ' ' && byte <= '~'));
  EXPECT_EQ(page.find("<script"), page.npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)&lt;/script&gt;"), page.npos);
  EXPECT_NE(page.find("&quot;&#39;&amp;@x"), page.npos);
  EXPECT_NE(text.find("\\x1b[2J@x"), text.npos);
  EXPECT_NE(report_json(c, 100).find("\\u001b[2J@x"), std::string::npos);
  EXPECT_EQ(report_html_safe("a<b>&\"'\x1b\xff"), "a&lt;b&gt;&amp;&quot;&#39;\\x1b\\xff");
}

TEST(ReportOutput, PlainWhereItIsNoTerminal) {
  const report_counts c = session({"New session", "Recipient <a@x>", "Remote end QUIT: quitting"});
  const auto sections = report_view(c, 10);
  EXPECT_EQ(report_text("", sections, {}).find('\033'), std::string::npos);
  report_paper terminal;
  terminal.colours = terminal.cut = true;
  EXPECT_NE(report_text("", sections, terminal).find("\033["), std::string::npos);
  for (unsigned columns : {1u, 20u, 40u, 1000u}) {
    terminal.columns = columns;
    EXPECT_NE(report_text("", sections, terminal).find("Recipients"), std::string::npos);
  }
}

TEST(ReportOutput, Numbers) {
  EXPECT_EQ(report_number(0), "0");
  EXPECT_EQ(report_number(999), "999");
  EXPECT_EQ(report_number(1000), "1,000");
  EXPECT_EQ(report_number(1234567), "1,234,567");
}

TEST(ReportOutput, AxisSteps) {
  EXPECT_EQ(report_axis_step(1), 1u);
  EXPECT_EQ(report_axis_step(5), 1u);
  EXPECT_EQ(report_axis_step(6), 2u);
  EXPECT_EQ(report_axis_step(26), 10u);
  EXPECT_EQ(report_axis_step(310), 100u);
  EXPECT_GT(report_axis_step(~0ull), 0u);
}

// ---- the command line

TEST(ReportOptions, Misuse) {
  const auto code = [](std::vector<const char *> arguments) {
    arguments.insert(arguments.begin(), "qmail-verify-report");
    report_options options;
    return report_options_read(static_cast<int>(arguments.size()), const_cast<char **>(arguments.data()), 1795132800,
                               options);
  };
  EXPECT_EQ(code({"log"}), 0);
  EXPECT_EQ(code({"--since=24h", "--until", "1h", "--top=3", "--json", "log"}), 0);
  for (const std::vector<const char *> &wrong :
       {std::vector<const char *>{"--since=x", "log"}, {"--since", "1h", "--until=2h", "log"}, {"--top=0", "log"},
        {"--top=1001", "log"}, {"--top=1x", "log"}, {"--json", "--html", "log"}, {"-x", "log"}, {"--since"}})
    EXPECT_EQ(code(wrong), REPORT_MISUSE) << wrong[0];
}
