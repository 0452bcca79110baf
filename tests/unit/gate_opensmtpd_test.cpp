// gate_opensmtpd_test.cpp - OpenSMTPD's table process, in both protocols.

#include "gate/opensmtpd.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "gate_talk.h"

namespace {

// ---- lines

const std::string CONFIG = "config|smtpd-version|7.8.0\nconfig|protocol|0.1\nconfig|tablename|recipients\nconfig|ready\n";
const std::string SERVICES = "register|mailaddr\nregister|ready\n";

std::string line(const std::string &operation) { return "table|0.1|1713795082.354255|recipients|" + operation + "\n"; }

struct text_talk : talk {
  text_talk() : talk(opensmtpd_protocol()) { EXPECT_EQ(say(CONFIG), SERVICES); }
};

TEST(GateOpensmtpd, Check) {
  text_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(line("check|mailaddr|b72508d|joe@example.org")), "check-result|b72508d|found\n");
  EXPECT_EQ(t.questions.at(0).second.address, "joe@example.org");
  t.at_once = &refused;
  EXPECT_EQ(t.say(line("check|mailaddr|1|joe@example.org")), "check-result|1|not-found\n");
  t.at_once = &retry;
  EXPECT_EQ(t.say(line("check|mailaddr|2|joe@example.org")), "check-result|2|error|qmail-verify cannot tell now\n");
  EXPECT_TRUE(t.complaints.empty() && t.connection.wants_input());
}

TEST(GateOpensmtpd, LookupGivesTheAddress) {
  text_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(line("lookup|mailaddr|1|joe@example.org")), "lookup-result|1|found|joe@example.org\n");
  t.at_once = &refused;
  EXPECT_EQ(t.say(line("lookup|mailaddr|2|joe@example.org")), "lookup-result|2|not-found\n");
}

TEST(GateOpensmtpd, TheKeyMayHoldBars) {
  text_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(line("check|mailaddr|1|a|b@example.org")), "check-result|1|found\n");
  EXPECT_EQ(t.questions.at(0).second.address, "a|b@example.org");
}

TEST(GateOpensmtpd, AnswersCarryTheirIdAndWaitForNobody) {
  text_talk t;
  EXPECT_EQ(t.say(line("check|mailaddr|1|a@x") + line("check|mailaddr|2|b@x")), "");
  t.connection.answered(t.questions.at(1).first, refused);
  EXPECT_EQ(t.heard(), "check-result|2|not-found\n");
  t.connection.answered(t.questions.at(0).first, accepted);
  EXPECT_EQ(t.heard(), "check-result|1|found\n");
}

TEST(GateOpensmtpd, Update) {
  text_talk t;
  EXPECT_EQ(t.say(line("update|478ff0d2")), "update-result|478ff0d2|ok\n");
  EXPECT_TRUE(t.questions.empty());
}

// Found or not would be an answer, and one that nobody looked up.
TEST(GateOpensmtpd, OtherServicesAreErrors) {
  text_talk t;
  for (const auto &[asked, answer] : {std::pair("check|domain|1|example.org", "check-result|1|error|"),
                                      std::pair("lookup|alias|2|joe", "lookup-result|2|error|"),
                                      std::pair("check|regex|3|joe@example.org", "check-result|3|error|"),
                                      std::pair("fetch|mailaddr|4", "fetch-result|4|error|"),
                                      std::pair("sing|mailaddr|5|joe@example.org", "sing-result|5|error|"),
                                      std::pair("check|mailaddr|6|", "check-result|6|error|"),
                                      std::pair("check|mailaddr|7", "check-result|7|error|")})
    EXPECT_EQ(t.say(line(asked)).substr(0, strlen(answer)), answer) << asked;
  EXPECT_EQ(t.say(line(std::string("check|mailaddr|8|a\0b@example.org", 32))), "check-result|8|error|no address\n");
  EXPECT_TRUE(t.questions.empty());
  EXPECT_EQ(t.complaints.size(), 8u);
  EXPECT_TRUE(t.connection.wants_input());
}

TEST(GateOpensmtpd, AnotherVersionIsAnsweredAndNoted) {
  text_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say("table|0.2|1.0|recipients|check|mailaddr|1|a@x\n"), "check-result|1|found\n");
  EXPECT_EQ(t.complaints.size(), 1u);
}

// OpenSMTPD would wait for its answer for ever.
TEST(GateOpensmtpd, ARequestWithoutAnIdEndsIt) {
  text_talk t;
  EXPECT_EQ(t.say("table|0.1|1.0|recipients|check\n"), "");
  EXPECT_TRUE(t.connection.is_over());
  EXPECT_EQ(t.complaints.size(), 1u);
}

TEST(GateOpensmtpd, LinesThatWantNoAnswerAreLeftOut) {
  text_talk t;
  t.at_once = &refused;
  EXPECT_EQ(t.say("report|x\n\n" + line("check|mailaddr|1|a@x")), "check-result|1|not-found\n");
  EXPECT_EQ(t.complaints.size(), 2u);
}

TEST(GateOpensmtpd, EndsWithItsInput) {
  text_talk t;
  t.connection.end();
  EXPECT_EQ(t.say(""), "");
  EXPECT_TRUE(t.connection.is_over());
  EXPECT_TRUE(t.complaints.empty());
}

TEST(GateOpensmtpd, LinesInAnyPieces) {
  talk t(opensmtpd_protocol());
  t.at_once = &accepted;
  std::string heard;
  for (const char c : CONFIG + line("check|mailaddr|1|a@x")) heard += t.say({&c, 1});
  EXPECT_EQ(heard, SERVICES + "check-result|1|found\n");
}

// ---- messages, as smtpd-api.h of 6.8 has them

enum : uint32_t { OK, FAIL, OPEN, CLOSE, UPDATE, CHECK, LOOKUP, FETCH };
constexpr uint32_t DOMAIN = 2, MAILADDR = 0x40;

template <typename number>
std::string raw(number n) {
  return {reinterpret_cast<const char *>(&n), sizeof n};
}

std::string message(uint32_t type, const std::string &contents, uint32_t pid = 4711) {
  return raw(type) + raw(static_cast<uint16_t>(16 + contents.size())) + raw(uint16_t{0}) + raw(uint32_t{0}) + raw(pid) + contents;
}

std::string open_message(uint32_t version = 2) { return message(OPEN, raw(version) + "recipients" + std::string(2038, '\0')); }
std::string question(const std::string &key, uint32_t service = MAILADDR) {
  return raw(service) + raw(size_t{0}) + key + std::string(1, '\0');
}
std::string result(int32_t r, const std::string &value = "") { return message(OK, raw(r) + value, 0); }

struct message_talk : talk {
  message_talk() : talk(opensmtpd_protocol()) { EXPECT_EQ(say(open_message()), message(OK, "", 0)); }
};

TEST(GateOpensmtpdMessages, Check) {
  message_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(message(CHECK, question("joe@example.org"))), result(1));
  EXPECT_EQ(t.questions.at(0).second.address, "joe@example.org");
  t.at_once = &refused;
  EXPECT_EQ(t.say(message(CHECK, question("joe@example.org"))), result(0));
  t.at_once = &retry;
  EXPECT_EQ(t.say(message(CHECK, question("joe@example.org"))), result(-1));
  EXPECT_TRUE(t.complaints.empty() && t.connection.wants_input());
}

TEST(GateOpensmtpdMessages, LookupGivesTheAddress) {
  message_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(message(LOOKUP, question("joe@example.org"))), result(1, std::string("joe@example.org\0", 16)));
  t.at_once = &refused;
  EXPECT_EQ(t.say(message(LOOKUP, question("joe@example.org"))), result(0));
}

TEST(GateOpensmtpdMessages, ParametersAreLeftOut) {
  message_talk t;
  t.at_once = &accepted;
  const std::string pairs("mail-from\0a@b\0x\0y\0", 18);
  EXPECT_EQ(t.say(message(CHECK, raw(MAILADDR) + raw(size_t{2}) + pairs + std::string("joe@example.org\0", 16))), result(1));
  EXPECT_EQ(t.questions.at(0).second.address, "joe@example.org");
}

TEST(GateOpensmtpdMessages, AnswersHaveNoIdAndKeepTheirOrder) {
  message_talk t;
  EXPECT_EQ(t.say(message(CHECK, question("a@x")) + message(CHECK, question("b@x"))), "");
  t.connection.answered(t.questions.at(1).first, refused);
  EXPECT_EQ(t.heard(), "");
  t.connection.answered(t.questions.at(0).first, accepted);
  EXPECT_EQ(t.heard(), result(1) + result(0));
}

TEST(GateOpensmtpdMessages, UpdateAndClose) {
  message_talk t;
  EXPECT_EQ(t.say(message(UPDATE, "")), result(1));
  EXPECT_EQ(t.say(message(CLOSE, "")), "");
  EXPECT_TRUE(t.connection.is_over() && t.complaints.empty());
}

TEST(GateOpensmtpdMessages, WhatCannotBeAskedIsAnError) {
  message_talk t;
  for (const std::string &bad :
       {message(CHECK, question("example.org", DOMAIN)), message(FETCH, raw(MAILADDR) + raw(size_t{0})), message(CHECK, ""),
        message(CHECK, raw(MAILADDR)), message(CHECK, raw(MAILADDR) + raw(size_t{0})), message(CHECK, question("")),
        message(CHECK, raw(MAILADDR) + raw(size_t{0}) + "joe@example.org"), message(CHECK, raw(MAILADDR) + raw(~size_t{0}) + "a"),
        message(LOOKUP, question(std::string("a\0b@example.org", 15)))})
    EXPECT_EQ(t.say(bad), result(-1));
  EXPECT_TRUE(t.questions.empty());
  EXPECT_EQ(t.complaints.size(), 9u);
  EXPECT_TRUE(t.connection.wants_input());
}

TEST(GateOpensmtpdMessages, WhatIsNoMessageEndsIt) {
  for (const std::string &bad : {open_message(3), message(OPEN, ""), message(98, ""), message(FAIL, ""), raw(uint32_t{2}) + std::string(12, '\0'),
                                 raw(uint32_t{2}) + std::string(12, '\xff'), std::string(16, 'x')}) {
    talk t(opensmtpd_protocol());
    EXPECT_EQ(t.say(bad), "");
    EXPECT_TRUE(t.connection.is_over()) << testing::PrintToString(bad.substr(0, 20));
    EXPECT_EQ(t.complaints.size(), 1u);
  }
}

TEST(GateOpensmtpdMessages, AnyPieces) {
  talk t(opensmtpd_protocol());
  t.at_once = &accepted;
  std::string heard;
  for (const char c : open_message() + message(CHECK, question("a@x"))) heard += t.say({&c, 1});
  EXPECT_EQ(heard, message(OK, "", 0) + result(1));
}

}  // namespace
