// gate_test.cpp - protocols of qmail-verify-gate, and the order of a connection.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "gate/asking.h"
#include "gate/escape.h"
#include "gate/line.h"
#include "gate/map.h"
#include "gate/policy.h"
#include "gate/socketmap.h"
#include "gate/tcp_table.h"
#include "gate_talk.h"

namespace {

using kind = gate_request::kind;

std::string netstring(const std::string &s) { return std::to_string(s.size()) + ":" + s + ","; }

// ---- parts

TEST(Gate, OnlyWholeAddressesAreKeys) {
  EXPECT_TRUE(gate_map_is_address("joe@example.org"));
  EXPECT_TRUE(gate_map_is_address("a@b@example.org"));
  for (const char *part : {"@example.org", "joe", "joe@", "", "@", "example.org"}) EXPECT_FALSE(gate_map_is_address(part)) << part;
}

TEST(Gate, QuotesOfAKeyAreNoPartOfTheAddress) {
  for (const auto &[key, address] :
       {std::pair(R"("joe..x"@example.org)", "joe..x@example.org"), std::pair(R"("a b"@example.org)", "a b@example.org"),
        std::pair(R"("a\"b\\"@example.org)", R"(a"b\@example.org)"), std::pair(R"("a@b"@example.org)", "a@b@example.org"),
        std::pair("joe@example.org", "joe@example.org"), std::pair(R"(a"b@example.org)", R"(a"b@example.org)"),
        std::pair(R"("a"b@example.org)", R"("a"b@example.org)"), std::pair(R"("a@example.org)", R"("a@example.org)"),
        std::pair(R"("a\)", R"("a\)")})
    EXPECT_EQ(gate_map_address(key), address);
  for (const auto &make : {socketmap_protocol, tcp_table_protocol}) {
    talk t(make());
    t.say(make == tcp_table_protocol ? "get %22joe..x%22@example.org\n" : netstring(R"(access "joe..x"@example.org)"));
    EXPECT_EQ(t.questions.at(0).second.address, "joe..x@example.org");
  }
}

// What check_recipient_access would take for an action, or a restriction, is never a value.
TEST(Gate, ValuesOfATableAreNoActions) {
  EXPECT_EQ(gate_map_value(accepted), "dotqmail");
  EXPECT_EQ(gate_map_value(answer(gate_decision::accept, QV_REASON_SERVER_SILENT)), "unverified");
  EXPECT_EQ(gate_map_value(answer(gate_decision::accept, QV_REASON_NONE)), "unverified");
  gate_answer newer = accepted;
  newer.reason = 60000;
  EXPECT_EQ(gate_map_value(newer), "valid");
}

TEST(Gate, Escapes) {
  std::string bytes;
  EXPECT_TRUE(gate_unescape("a%20b%25%0a%C3", bytes));
  EXPECT_EQ(bytes, "a b%\n\xc3");
  EXPECT_EQ(gate_escape(bytes), "a%20b%25%0A%C3");
  for (const char *bad : {"%", "a%2", "%zz", "%2", "%%20"}) EXPECT_FALSE(gate_unescape(bad, bytes)) << bad;
  EXPECT_TRUE(gate_unescape("%41%42", bytes));
  EXPECT_EQ(bytes, "AB");
}

// ---- socketmap

TEST(GateSocketmap, Recipients) {
  talk t(socketmap_protocol());
  t.at_once = &accepted;
  EXPECT_EQ(t.say("26:recipients joe@example.org,"), "11:OK dotqmail,");
  EXPECT_EQ(t.questions[0].second.address, "joe@example.org");
  EXPECT_FALSE(t.questions[0].second.sender);
  t.at_once = &refused;
  EXPECT_EQ(t.say(netstring("recipients joe@example.org")), "9:NOTFOUND ,");
  t.at_once = &retry;
  EXPECT_EQ(t.say(netstring("recipients joe@example.org")), "33:TEMP qmail-verify cannot tell now,");
  EXPECT_TRUE(t.connection.wants_input());
}

TEST(GateSocketmap, AccessFindsWhatIsRefused) {
  talk t(socketmap_protocol());
  t.at_once = &accepted;
  EXPECT_EQ(t.say(netstring("access joe@example.org")), "9:NOTFOUND ,");
  t.at_once = &refused;
  EXPECT_EQ(t.say(netstring("access joe@example.org")),
            netstring("OK 550 5.1.1 sorry, no mailbox here by that name. (#5.1.1)"));
  t.at_once = &retry;
  EXPECT_EQ(t.say(netstring("access joe@example.org")), netstring("TEMP qmail-verify cannot tell now"));
}

TEST(GateSocketmap, PartsOfAnAddressAreNotFoundAndNotAsked) {
  talk t(socketmap_protocol());
  for (const char *key : {"@example.org", "joe", "example.org", "", " "})
    EXPECT_EQ(t.say(netstring("recipients " + std::string(key))), "9:NOTFOUND ,") << key;
  EXPECT_TRUE(t.questions.empty());
}

TEST(GateSocketmap, AnotherMapIsTheAdministratorsMistake) {
  talk t(socketmap_protocol());
  EXPECT_EQ(t.say(netstring("virtual joe@example.org")).substr(3, 5), "PERM ");
  EXPECT_EQ(t.say(netstring("recipients")).substr(3, 5), "PERM ");
  ASSERT_EQ(t.complaints.size(), 2u);
  EXPECT_NE(t.complaints[0].find("\"virtual\""), std::string::npos);
}

TEST(GateSocketmap, WhatIsNoNetstringIsClosed) {
  for (const char *bad : {"x", ":", "26recipients", "999999:", "123456", "10001:", "3:abcd", " 1:a,", "-1:,"}) {
    talk t(socketmap_protocol());
    EXPECT_EQ(t.say(bad), "") << bad;
    EXPECT_TRUE(t.connection.is_over()) << bad;
    EXPECT_EQ(t.complaints.size(), 1u) << bad;
  }
}

TEST(GateSocketmap, AnyPieces) {
  talk t(socketmap_protocol());
  t.at_once = &accepted;
  std::string heard;
  for (const char c : std::string("26:recipients joe@example.org,26:recipients joe@example.org,")) heard += t.say({&c, 1});
  EXPECT_EQ(heard, "11:OK dotqmail,11:OK dotqmail,");
}

// ---- tcp_table

TEST(GateTcpTable, Answers) {
  talk t(tcp_table_protocol());
  t.at_once = &accepted;
  EXPECT_EQ(t.say("get joe%25x@example.org\n"), "200 dotqmail\n");
  EXPECT_EQ(t.questions[0].second.address, "joe%x@example.org");
  t.at_once = &refused;
  EXPECT_EQ(t.say("get joe@example.org\r\n"), "500 no%20mailbox%20here%20by%20that%20name\n");
  EXPECT_EQ(t.questions[1].second.address, "joe@example.org");
  t.at_once = &retry;
  EXPECT_EQ(t.say("get joe@example.org\n").substr(0, 4), "400 ");
}

TEST(GateTcpTable, OthersAreNotAsked) {
  talk t(tcp_table_protocol());
  for (const char *line : {"put a b\n", "get\n", "get a%2\n", "\n", "GET a@b\n", "get a%00@b\n"})
    EXPECT_EQ(t.say(line).substr(0, 4), "400 ") << line;
  EXPECT_EQ(t.say("get example.org\n").substr(0, 4), "500 ");
  EXPECT_TRUE(t.questions.empty());
  t.say("get " + std::string(5000, 'a'));
  EXPECT_TRUE(t.connection.is_over());
}

// ---- policy

const std::string RCPT = "request=smtpd_access_policy\nprotocol_state=RCPT\n";

TEST(GatePolicy, Answers) {
  talk t(policy_protocol());
  t.at_once = &accepted;
  EXPECT_EQ(t.say(RCPT + "sender=a@b\nrecipient=joe@example.org\nclient_address=192.0.2.7\nnew=x=y\n\n"), "action=DUNNO\n\n");
  EXPECT_EQ(t.questions[0].second.address, "joe@example.org");
  EXPECT_EQ(t.questions[0].second.sender, "a@b");
  EXPECT_EQ(t.questions[0].second.client, "192.0.2.7");
  t.at_once = &refused;
  EXPECT_EQ(t.say(RCPT + "sender=\nrecipient=joe@example.org\n\n"),
            "action=550 5.1.1 sorry, no mailbox here by that name. (#5.1.1)\n\n");
  EXPECT_EQ(t.questions[1].second.sender, "");
  t.at_once = &retry;
  EXPECT_EQ(t.say("request=smtpd_access_policy\nrecipient=joe@example.org\n\n"),
            "action=451 4.3.0 qv temporary failure (#4.3.0)\n\n");
  EXPECT_FALSE(t.questions[2].second.sender);
}

TEST(GatePolicy, NotAsked) {
  talk t(policy_protocol());
  for (const std::string &request :
       {RCPT + "recipient=joe@example.org\nsasl_username=joe\n\n", RCPT + "recipient=\n\n", RCPT + "\n",
        std::string("request=smtpd_access_policy\nprotocol_state=DATA\nrecipient=joe@example.org\n\n"),
        std::string("request=smtpd_access_policy\nprotocol_state=END-OF-MESSAGE\nrecipient=\n\n")})
    EXPECT_EQ(t.say(request), "action=DUNNO\n\n") << request;
  EXPECT_TRUE(t.questions.empty());
}

TEST(GatePolicy, TheFirstOfSeveralCounts) {
  talk t(policy_protocol());
  t.say(RCPT + "recipient=a@example.org\nrecipient=b@example.org\n\n");
  EXPECT_EQ(t.questions.at(0).second.address, "a@example.org");
}

TEST(GatePolicy, WhatIsNoRequestIsClosedWithoutAnAnswer) {
  for (const std::string &bad :
       {std::string("hello\n\n"), std::string("\n"), std::string("recipient=a@b\n\n"), std::string("request=other\nrecipient=a@b\n\n"),
        RCPT + std::string("recipient=a\0b@c\n\n", 17), "request=" + std::string(70000, 'x')}) {
    talk t(policy_protocol());
    EXPECT_EQ(t.say(bad), "");
    EXPECT_TRUE(t.connection.is_over()) << bad.substr(0, 40);
    EXPECT_EQ(t.complaints.size(), 1u);
  }
}

// ---- line

TEST(GateLine, Answers) {
  talk t(line_protocol());
  t.at_once = &accepted;
  EXPECT_EQ(t.say("joe@example.org\nsender=a@b\nclient=192.0.2.7\nnew=x\n\n"), "valid\n");
  EXPECT_EQ(t.questions[0].second.sender, "a@b");
  EXPECT_EQ(t.questions[0].second.client, "192.0.2.7");
  t.at_once = &refused;
  EXPECT_EQ(t.say("joe@example.org\r\n\r\n"), "invalid\n");
  EXPECT_EQ(t.questions[1].second.address, "joe@example.org");
  t.at_once = &retry;
  EXPECT_EQ(t.say("joe@example.org\n"), "");
  t.connection.end();
  EXPECT_EQ(t.say(""), "temporary\n");
  EXPECT_TRUE(t.connection.is_over());
}

TEST(GateLine, TheEndOfInputEndsALine) {
  talk t(line_protocol());
  t.at_once = &accepted;
  t.connection.end();
  EXPECT_EQ(t.say("joe@example.org"), "valid\n");
}

TEST(GateLine, WithoutAnAddressItIsTemporary) {
  talk t(line_protocol());
  EXPECT_EQ(t.say("\n\n"), "temporary\n");
  EXPECT_EQ(t.say(std::string("a\0b@example.org\n\n", 17)), "temporary\n");
  EXPECT_TRUE(t.questions.empty());
}

// ---- the connection

TEST(GateConnection, AnswersKeepTheirOrder) {
  talk t(line_protocol());
  t.say("a@x\n\nb@x\n\nc@x\n\n");
  ASSERT_EQ(t.questions.size(), 3u);
  t.connection.answered(t.questions[2].first, refused);
  t.connection.answered(t.questions[1].first, accepted);
  EXPECT_EQ(t.heard(), "");
  t.connection.answered(t.questions[0].first, retry);
  EXPECT_EQ(t.heard(), "temporary\nvalid\ninvalid\n");
  t.connection.answered(t.questions[0].first, accepted);  // nobody waits for it any more
  EXPECT_EQ(t.heard(), "");
}

TEST(GateConnection, TooManyQuestionsWait) {
  talk t(line_protocol());
  std::string all;
  for (size_t i = 0; i < GATE_PENDING_MAX + 10; ++i) all += "a@x\n\n";
  t.say(all);
  EXPECT_EQ(t.questions.size(), GATE_PENDING_MAX);
  EXPECT_FALSE(t.connection.wants_input());
  for (size_t i = 0; i < GATE_PENDING_MAX; ++i) t.connection.answered(t.questions[i].first, accepted);
  t.connection.work();
  EXPECT_EQ(t.questions.size(), GATE_PENDING_MAX + 10);
  EXPECT_TRUE(t.connection.wants_input());
}

TEST(GateConnection, WhoDoesNotReadIsNotReadEither) {
  talk t(line_protocol());
  t.at_once = &accepted;
  for (int i = 0; i < 20000 && t.connection.wants_input(); ++i) {
    t.connection.feed("a@x\n\n");
    t.connection.work();
  }
  EXPECT_FALSE(t.connection.wants_input());
  EXPECT_LT(t.connection.output().size(), GATE_OUTPUT_MAX + 4096);
  t.heard();
  t.connection.work();
  EXPECT_TRUE(t.connection.wants_input());
}

TEST(GateConnection, EndsOnceAllIsSaid) {
  talk t(line_protocol());
  t.connection.end();
  t.say("a@x\n\n");
  EXPECT_FALSE(t.connection.is_over());
  t.connection.answered(t.questions[0].first, accepted);
  t.connection.work();
  EXPECT_FALSE(t.connection.is_over());
  EXPECT_EQ(t.heard(), "valid\n");
  EXPECT_TRUE(t.connection.is_over());
}

// ---- VERIFY

TEST(GatePolicyOfVerify, WhatItSays) {
  gate_policy none, one, several, observed, wrong;
  EXPECT_EQ(gate_policy_read(nullptr, none), "");
  EXPECT_EQ(none.servers, "127.0.0.1:11113");
  EXPECT_TRUE(none.notes.empty());
  EXPECT_EQ(gate_policy_read("/var/qmail/verify/socket,STRICT", one), "");
  EXPECT_EQ(one.servers, "/var/qmail/verify/socket");
  EXPECT_TRUE(one.strict && !one.open && !one.observe);
  EXPECT_EQ(gate_policy_read("DEFER,OPEN,MAXBAD=2,127.0.0.1:1234,[::1]:5", several), "");
  EXPECT_EQ(several.servers, "127.0.0.1:1234,[::1]:5");
  EXPECT_TRUE(several.open && !several.observe);
  EXPECT_EQ(several.notes.size(), 2u);
  EXPECT_EQ(gate_policy_read("OBSERVE", observed), "");
  EXPECT_TRUE(observed.observe);
  EXPECT_EQ(observed.servers, "127.0.0.1:11113");
  EXPECT_NE(gate_policy_read("mail.example.org:25", wrong).find("mail.example.org"), std::string::npos);
}

}  // namespace
