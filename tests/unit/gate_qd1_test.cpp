// gate_qd1_test.cpp - the HTTP of qmail-deliverabled.

#include <gtest/gtest.h>

#include <string>

#include "gate/qd1.h"
#include "gate_talk.h"

namespace {

std::string get(const std::string &target, const std::string &fields = "", const std::string &method = "GET", const std::string &version = "HTTP/1.1") {
  return method + " " + target + " " + version + "\r\n" + fields + "\r\n";
}
std::string ok(const std::string &body, const std::string &connection = "keep-alive") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: " + connection + "\r\n\r\n" + body;
}
const std::string JOE = "/qd1/deliverable?joe%40example.org";

struct qd1_talk : talk {
  qd1_talk() : talk(qd1_protocol()) {}
  std::string number(gate_decision decision, qv_reason reason) {
    const gate_answer a = answer(decision, reason);
    at_once = &a;
    std::string said = say(get(JOE));
    at_once = nullptr;
    return said.substr(said.find("\r\n\r\n") + 4);
  }
};

}  // namespace

TEST(GateQd1, Numbers) {
  qd1_talk t;
  const auto valid = [&](qv_reason reason) { return t.number(gate_decision::accept, reason); };
  EXPECT_EQ(t.number(gate_decision::refuse, QV_REASON_NO_MAILBOX), "0");
  EXPECT_EQ(valid(QV_REASON_DOTQMAIL), "241");
  EXPECT_EQ(valid(QV_REASON_VPOPMAIL_USER), "242");
  EXPECT_EQ(valid(QV_REASON_VPOPMAIL_CATCHALL), "244");
  EXPECT_EQ(valid(QV_REASON_PROGRAM), "18");
  EXPECT_EQ(valid(QV_REASON_PROGRAM_ACCEPTS), "18");
  EXPECT_EQ(valid(QV_REASON_REMOTE), "255");
  EXPECT_EQ(valid(QV_REASON_EXCEPTION), "255");
}

// Haraka's plugin refuses for good what is not one of these; so whatever qmail would take gets one.
TEST(GateQd1, WhatIsAcceptedIsNeverANumberThatAPluginRefuses) {
  qd1_talk t;
#define EACH(n, symbol, name, verdict, position, text)                                                       \
  if (verdict != QV_REMOTE) {                                                                                \
    const std::string said = t.number(gate_decision::accept, QV_REASON_##symbol);                            \
    EXPECT_TRUE(said == "241" || said == "242" || said == "244" || said == "18") << name << ": " << said;    \
  }
  QV_REASONS(EACH)
#undef EACH
}

TEST(GateQd1, WhatCannotBeToldIsNoNumber) {
  qd1_talk t;
  t.at_once = &retry;
  EXPECT_EQ(t.say(get(JOE)), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

TEST(GateQd1, TheAddressIsDecoded) {
  qd1_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(get(JOE)), ok("241"));
  EXPECT_EQ(t.questions[0].second.address, "joe@example.org");
  t.say(get("/qd1/deliverable?a%2Bb+c@example.org"));
  EXPECT_EQ(t.questions[1].second.address, "a+b+c@example.org");
  t.say(get("http://127.0.0.1:8998" + JOE));
  EXPECT_EQ(t.questions[2].second.address, "joe@example.org");
}

TEST(GateQd1, TheControllingUser) {
  qd1_talk t;
  gate_answer a = accepted;
  a.user = "joe";
  t.at_once = &a;
  EXPECT_EQ(t.say(get("/qd1/qmail_local?joe%40example.org")), ok("joe"));
  a.user.clear();
  EXPECT_EQ(t.say(get("/qd1/qmail_local?joe%40example.org")), "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

TEST(GateQd1, ConnectionsStayOpenAsTheVersionHasIt) {
  for (const auto &[fields, version, closes] :
       {std::tuple{"", "HTTP/1.1", false}, {"Connection: Close\r\n", "HTTP/1.1", true}, {"", "HTTP/1.0", true},
        {"connection:keep-alive\r\n", "HTTP/1.0", false}}) {
    qd1_talk t;
    t.at_once = &accepted;
    EXPECT_EQ(t.say(get(JOE, fields, "GET", version)), ok("241", closes ? "close" : "keep-alive")) << fields << version;
    EXPECT_EQ(t.connection.is_over(), closes) << fields << version;
  }
}

TEST(GateQd1, HeadHasNoBody) {
  qd1_talk t;
  t.at_once = &accepted;
  EXPECT_EQ(t.say(get(JOE, "", "HEAD")), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
}

TEST(GateQd1, SeveralRequestsInAnyPieces) {
  qd1_talk t;
  t.at_once = &accepted;
  std::string heard;
  for (const char c : get(JOE) + get(JOE, "Host: x\r\n")) heard += t.say({&c, 1});
  EXPECT_EQ(heard, ok("241") + ok("241"));
  EXPECT_EQ(t.say("GET " + JOE + " HTTP/1.1\n\n"), ok("241"));
}

TEST(GateQd1, OthersAreNotAsked) {
  for (const auto &[request, status] :
       {std::pair{get("/"), "404"}, {get("/qd1/deliverable"), "400"}, {get("/qd1/deliverable?"), "400"},
        {get("/qd1/deliverable?a%4"), "400"}, {get("/qd1/deliverable?a%00b"), "400"}, {get(JOE, "", "DELETE"), "405"},
        {get(JOE, "Content-Length: 12\r\n"), "413"}, {get(JOE, "Transfer-Encoding: chunked\r\n"), "413"}}) {
    qd1_talk t;
    EXPECT_EQ(t.say(request).substr(9, 3), status) << request;
    EXPECT_TRUE(t.questions.empty());
  }
}

TEST(GateQd1, WhatIsNoRequestIsClosed) {
  for (const std::string &bad : {std::string("hello\r\n\r\n"), std::string("GET  \r\n\r\n"), std::string("\r\n\r\n"),
                                 get(JOE, "", "GET", "HTTP/2"), "GET " + std::string(20000, 'x')}) {
    qd1_talk t;
    t.say(bad);
    EXPECT_TRUE(t.connection.is_over()) << bad.substr(0, 30);
    EXPECT_TRUE(t.questions.empty());
  }
}
