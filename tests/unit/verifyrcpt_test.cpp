// The client library: how VERIFY is read, what is asked and how long, what an
// answer or the want of one comes to. Real loopback sockets, fake servers.

#include "verifyrcpt.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <regex>
#include <set>

#include "fakeserver.h"

using namespace std::string_literals;

namespace {

void take_note(void *ctx, const char *text) {
  static_cast<std::vector<std::string> *>(ctx)->push_back(text);
}

// A session that ends itself.
struct Session : verifyrcpt {
  std::vector<std::string> notes;
  verifyrcpt_answer answer{};

  explicit Session(const std::string &verify) { verifyrcpt_begin(this, verify.c_str(), take_note, &notes); }
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session() { verifyrcpt_end(this); }

  verifyrcpt_result ask(const std::string &address = "joe@example.com") {
    return ::verifyrcpt(this, address.c_str(), &answer);
  }
  verifyrcpt_reply rcpt(const std::string &address = "joe@example.com") {
    return verifyrcpt_rcpt(this, address.c_str(), &answer);
  }
  // The same where the wait is short and the machine may be busy: until there is an answer.
  verifyrcpt_reply rcpt_answered(const std::string &address) {
    verifyrcpt_reply reply = rcpt(address);
    for (int i = 0; i < 20 && !answer.server[0]; ++i) reply = rcpt(address);
    return reply;
  }
  // The explanation, each time in it as T.
  std::string why() const { return std::regex_replace(answer.why, std::regex("[0-9]+\\.[0-9] s"), "T"); }
};

// Does f take less than ms milliseconds? On a busy machine once in a few tries will do.
template <class F>
bool is_quicker_than(long long ms, F f) {
  for (int i = 0; i < 5; ++i) {
    Stopwatch watch;
    f();
    if (watch.ms() < ms) return true;
  }
  return false;
}

std::string colon(uint16_t port) {
  return ":" + std::to_string(port);
}

size_t open_descriptors() {
  size_t n = 0;
  for (int fd = 0; fd < 1024; ++fd) n += fcntl(fd, F_GETFD) != -1;
  return n;
}

// ---- VERIFY

struct Value {
  const char *verify;
  const char *switches; // of "DEFER OBSERVE OPEN UNUSABLE", what is set
  std::vector<std::string> servers;
  size_t notes;
};

std::string switches(const struct verifyrcpt &v) {
  std::string s;
  for (auto [set, name] : {std::pair<unsigned, const char *>{v.defer, "DEFER"}, {v.observe, "OBSERVE"}, {v.open, "OPEN"}, {v.unusable, "UNUSABLE"}})
    if (set) s += (s.empty() ? "" : " ") + std::string(name);
  return s;
}

const char *const standard = "127.0.0.1:11113";

const std::vector<Value> values = {
    // what 1.30 to 1.32 understood
    {":", "", {standard}, 0},
    {"DEFER", "DEFER", {standard}, 0},
    {"defer", "DEFER", {standard}, 0},
    {"D", "DEFER", {standard}, 0},
    {"d", "DEFER", {standard}, 0},
    {"Disabled", "DEFER", {standard}, 1},
    {"192.168.1.1", "", {"192.168.1.1:11113"}, 0},
    {"192.168.1.1:", "", {"192.168.1.1:11113"}, 0},
    {"192.168.1.1:10101", "", {"192.168.1.1:10101"}, 0},
    {":10101", "", {"127.0.0.1:10101"}, 0},
    {"DEFER,192.168.1.1:10101", "DEFER", {"192.168.1.1:10101"}, 0},
    {"DEFER,:10101", "DEFER", {"127.0.0.1:10101"}, 0},
    {"DEFER,:", "DEFER", {standard}, 0},
    {"DEFER,", "DEFER", {standard}, 0},
    {"D:12525", "DEFER", {"127.0.0.1:12525"}, 0},
    {"D:", "DEFER", {standard}, 0},
    {"d192.168.1.1", "DEFER", {"192.168.1.1:11113"}, 0},
    {"DEFER192.168.1.1:10101", "DEFER", {"192.168.1.1:10101"}, 0},
    {"DEFER 192.168.1.1:10101", "DEFER", {"192.168.1.1:10101"}, 0},
    {"defer;:10101", "DEFER", {"127.0.0.1:10101"}, 0},
    {"D1", "DEFER", {standard}, 1},
    {"1", "", {standard}, 1},
    {"yes", "", {standard}, 1},
    {"no", "", {standard}, 1},
    {"localhost:12525", "", {"127.0.0.1:12525"}, 0},
    {"127.000.000.001:011113", "", {standard}, 0},
    // items, in any case and order
    {"127.0.0.1:12525,DEFER", "DEFER", {"127.0.0.1:12525"}, 0},
    {"OBSERVE", "OBSERVE OPEN", {standard}, 0},
    {"Observe,Defer", "OBSERVE OPEN", {standard}, 0},
    {"DEFER,OBSERVE", "OBSERVE OPEN", {standard}, 0},
    {"OPEN", "OPEN", {standard}, 0},
    {"open,defer", "DEFER OPEN", {standard}, 0},
    {"DEFER,OPEN,10.0.0.1,10.0.0.2:1,:2", "DEFER OPEN", {"10.0.0.1:11113", "10.0.0.2:1", "127.0.0.1:2"}, 0},
    {"localhost", "", {standard}, 0},
    {"LocalHost", "", {standard}, 0},
    {"OPEN,localhost:", "OPEN", {standard}, 0},
    {" DEFER , 10.0.0.1 ,\tOPEN ", "DEFER OPEN", {"10.0.0.1:11113"}, 0},
    {",,OPEN,,", "OPEN", {standard}, 0},
    {",", "", {standard}, 0},
    {" ", "", {standard}, 0},
    {"0.0.0.0:1,255.255.255.255:65535", "", {"0.0.0.0:1", "255.255.255.255:65535"}, 0},
    // words of other versions and none: verification stays on
    {"MAXBAD=x", "", {standard}, 1},
    {"MAXBAD=3,STRICT", "", {standard}, 2},
    {"OPEN,D", "OPEN", {standard}, 1},
    {"DEFERRED", "DEFER", {standard}, 1},
    {"10.0.0.1,DEFERRED", "", {"10.0.0.1:11113"}, 1},
    {"OPENED", "", {standard}, 1},
    {"localhos", "", {standard}, 1},
    // servers that cannot be asked
    {"mail.example.com", "UNUSABLE", {}, 1},
    {"mail:11113", "UNUSABLE", {}, 1},
    {"yes:12525", "UNUSABLE", {}, 1},
    {"OPEN,mail.example.com", "OPEN UNUSABLE", {}, 1},
    {"DEFER,mail.example.com,:12525", "DEFER UNUSABLE", {"127.0.0.1:12525"}, 1},
    {"256.0.0.1", "UNUSABLE", {}, 1},
    {"10.0.0", "UNUSABLE", {}, 1},
    {"10.0.0.1.2", "UNUSABLE", {}, 1},
    {"10.0.0.", "UNUSABLE", {}, 1},
    {"10..0.1", "UNUSABLE", {}, 1},
    {"10.0.0.1x", "UNUSABLE", {}, 1},
    {"10.0.0.1 :25", "UNUSABLE", {}, 1},
    {"-1.0.0.1", "UNUSABLE", {}, 1},
    {":0", "UNUSABLE", {}, 1},
    {":65536", "UNUSABLE", {}, 1},
    {":78061", "UNUSABLE", {}, 1},
    {":4294967297", "UNUSABLE", {}, 1},
    {":99999999999999999999999", "UNUSABLE", {}, 1},
    {"4294967297.0.0.1", "UNUSABLE", {}, 1},
    {":25x", "UNUSABLE", {}, 1},
    {":+25", "UNUSABLE", {}, 1},
    {"D:0", "DEFER UNUSABLE", {}, 1},
    {"D1.2", "DEFER UNUSABLE", {}, 1},
    {"::1", "UNUSABLE", {}, 1},
    {"run/qmail-verify", "UNUSABLE", {}, 1},
    // other families
    {"[::1]", "", {"[::1]:11113"}, 0},
    {"[::1]:", "", {"[::1]:11113"}, 0},
    {"D[::1]:12525", "DEFER", {"[::1]:12525"}, 0},
    {"DEFER,[2001:DB8::1]:12525", "DEFER", {"[2001:db8::1]:12525"}, 0},
    {"/run/qmail-verify", "", {"/run/qmail-verify"}, 0},
    {"OPEN,/run/a:1,/run/B", "OPEN", {"/run/a:1", "/run/B"}, 0},
    {"[::1%lo]", "UNUSABLE", {}, 1},
};

TEST(Verify, EveryValue) {
  for (const auto &value : values) {
    SCOPED_TRACE("VERIFY="s + value.verify);
    Session v(value.verify);
    std::vector<std::string> servers(v.server_text, v.server_text + v.servers);
    EXPECT_TRUE(v.enabled);
    EXPECT_EQ(switches(v), value.switches);
    EXPECT_EQ(servers, value.servers);
    EXPECT_EQ(v.notes.size(), value.notes) << (v.notes.empty() ? "" : v.notes[0]);
    for (const auto &note : v.notes) EXPECT_NE(note.find("VERIFY="s + value.verify), note.npos) << note;
  }
}

TEST(Verify, UnsetIsOff) {
  struct verifyrcpt v;
  verifyrcpt_answer answer;
  std::vector<std::string> notes;
  EXPECT_EQ(verifyrcpt_begin(&v, nullptr, take_note, &notes), 0);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(verifyrcpt_rcpt(&v, "joe@example.com", &answer), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(answer.asked, 0);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  verifyrcpt_end(&v);
}

TEST(Verify, EmptyIsOffAndNoted) {
  Session v("");
  EXPECT_FALSE(v.enabled);
  ASSERT_EQ(v.notes.size(), 1u);
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.asked, 0);
}

TEST(Verify, WithoutANoteFunction) {
  struct verifyrcpt v;
  EXPECT_EQ(verifyrcpt_begin(&v, "foo,mail.example.com", nullptr, nullptr), 1);
  EXPECT_TRUE(v.unusable);
  verifyrcpt_end(&v);
}

TEST(Verify, TooManyServers) {
  std::string verify;
  for (int i = 1; i <= VERIFYRCPT_SERVERS_MAX + 3; ++i) verify += (i > 1 ? ",:" : ":") + std::to_string(i);
  Session v(verify);
  EXPECT_EQ(v.servers, unsigned{VERIFYRCPT_SERVERS_MAX});
  EXPECT_EQ(v.server_text[VERIFYRCPT_SERVERS_MAX - 1], "127.0.0.1:8"s);
  EXPECT_EQ(v.notes.size(), 3u);
}

TEST(Verify, NotesAreOneBoundedLine) {
  for (const auto &verify : {"a\nb\r\tc"s, "a.b\n"s, std::string(100000, 'x'), std::string(100000, '.'), "\x7f\xff.\x01"s}) {
    Session v(verify);
    ASSERT_EQ(v.notes.size(), 1u);
    EXPECT_LT(v.notes[0].size(), 4000u);
    for (char c : v.notes[0] + v.unusable_why) EXPECT_TRUE(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
  }
}

// ---- answers

TEST(Answer, WhatIsAskedAndHeard) {
  FakeServer server(always("\xe1joe"));
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask("joe-list@example.com"), VERIFYRCPT_INVALID);
  EXPECT_EQ(v.answer.asked, 1);
  EXPECT_EQ(v.answer.position, 14u);
  EXPECT_EQ(v.answer.user, "joe"s);
  EXPECT_EQ(v.answer.server, server.endpoint());
  EXPECT_EQ(v.answer.why, "no-mailbox"s);
  ASSERT_EQ(server.questions().size(), 1u);
  EXPECT_EQ(server.questions()[0].text, "joe-list@example.com\0"s);
}

TEST(Answer, EveryStatusByte) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) { s.say(q, std::string(1, static_cast<char>(number))); });
  Session v(colon(server.port()));
  for (unsigned status = 0; status < 256; ++status) {
    auto result = status % 16 == 0 ? VERIFYRCPT_VALID : status % 16 == 2 ? VERIFYRCPT_TEMPORARY : VERIFYRCPT_INVALID;
    ASSERT_EQ(v.ask(), result) << status;
    EXPECT_EQ(v.answer.position, status / 16);
    EXPECT_EQ(v.answer.user, ""s);
  }
  EXPECT_EQ(v.waited_ms, 0) << "answers at once are not waiting";
}

TEST(Answer, LongAnswersAreCut) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) { s.say(q, "\x01" + std::string(31 + number * 1000, 'a')); });
  Session v(colon(server.port()));
  for (size_t length : {31u, 32u, 32u}) {
    EXPECT_EQ(v.ask(), VERIFYRCPT_INVALID);
    EXPECT_EQ(v.answer.user, std::string(length, 'a'));
  }
}

TEST(Answer, TheUserEndsAtNul) {
  FakeServer server(always("\xa0jo\0more"s));
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  EXPECT_EQ(v.answer.user, "jo"s);
}

TEST(Answer, DoubledAnswersStayWithTheirQuestion) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) {
    std::string status(1, static_cast<char>(number % 2));
    s.say(q, status);
    s.say(q, status);
  });
  Session v(colon(server.port()));
  for (int i = 0; i < 50; ++i) ASSERT_EQ(v.ask(), i % 2 ? VERIFYRCPT_INVALID : VERIFYRCPT_VALID);
}

TEST(Answer, StrangersAreNotHeard) {
  int stranger = free_socket().first;
  FakeServer server([stranger](FakeServer &s, size_t, const Question &q) {
    FakeServer::say_from(stranger, q, "\x01");
    s.say(q, "\xa0");
  });
  Session v(colon(server.port()));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  close(stranger);
}

// The answer to question 1 comes when question 2 has just been asked.
TEST(Answer, ALateAnswerIsNotTakenForTheNextQuestions) {
  Question first{};
  FakeServer server([&first](FakeServer &s, size_t number, const Question &q) {
    if (number == 0) {
      first = q;
      return;
    }
    s.say(first, "\xe1late");
    s.say(q, "\xa0now");
  });
  Session v(colon(server.port()));
  v.impatient = 1;
  EXPECT_EQ(v.ask("one@example.com"), VERIFYRCPT_TEMPORARY);
  EXPECT_EQ(v.kept, 1u);
  v.impatient = 0;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(v.ask("two@example.com"), VERIFYRCPT_VALID);
    EXPECT_EQ(v.answer.user, "now"s);
  }
  for (const auto &q : server.questions(21)) EXPECT_EQ(q.from.sin_port == first.from.sin_port, q.text == first.text);
}

TEST(Answer, AnEmptyDatagramIsNone) {
  FakeServer server(always(""));
  Session v(colon(server.port()));
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_LT(watch.ms(), 2000);
  EXPECT_EQ(v.answer.why, server.endpoint() + ": empty answer");
  EXPECT_EQ(v.answer.cause, "empty answer"s);
  EXPECT_EQ(v.answer.timed_out, 0);
  EXPECT_EQ(server.questions().size(), 1u);
}

// ---- waiting

TEST(Waiting, ASilentServer) {
  FakeServer server(silent());
  Session v(colon(server.port()));
  size_t before = open_descriptors();
  Stopwatch first;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(first.ms(), 5000);
  EXPECT_LT(first.ms(), 8000);
  EXPECT_EQ(v.why(), server.endpoint() + ": no answer in T");
  EXPECT_EQ(std::string(v.answer.why).substr(server.endpoint().size(), 17), ": no answer in 5.");
  EXPECT_EQ(v.answer.timed_out, 1);
  EXPECT_EQ(v.answer.server, ""s);
  EXPECT_GE(v.waited_ms, 5000);

  auto asked = server.questions(2);
  ASSERT_EQ(asked.size(), 2u) << "once more, and only once";
  EXPECT_EQ(asked[0].from.sin_port, asked[1].from.sin_port) << "from the same socket";
  EXPECT_EQ(asked[0].text, asked[1].text);
  EXPECT_GE(asked[1].at - asked[0].at, std::chrono::milliseconds(2150)) << "an answer after 2 s comes to one question";

  Stopwatch second;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(second.ms(), 300);
  EXPECT_LT(second.ms(), 3000);
  EXPECT_EQ(v.kept, 2u);
  EXPECT_EQ(open_descriptors(), before + 2);
  verifyrcpt_end(&v);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Waiting, ALostQuestionIsAskedAgain) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) {
    if (number) s.say(q, "\xa0");
  });
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  EXPECT_GE(v.waited_ms, 2150) << "a slow answer is waiting";
  EXPECT_EQ(v.kept, 1u) << "a second answer may still come";
  EXPECT_FALSE(v.impatient);
}

TEST(Waiting, AnAnswerMakesPatientAgain) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) {
    if (number) s.say(q, "\xa0");
  });
  Session v(colon(server.port()));
  v.impatient = 1;
  EXPECT_EQ(v.ask(), VERIFYRCPT_TEMPORARY);
  EXPECT_TRUE(v.impatient);
  EXPECT_EQ(v.rcpt_answered("joe@example.com"), VERIFYRCPT_ACCEPT);
  EXPECT_FALSE(v.impatient);
}

TEST(Waiting, TheSessionsTimeIsUsedUp) {
  FakeServer server(silent());
  Session v(colon(server.port()));
  v.waited_ms = VERIFYRCPT_SESSION_MS - 50;
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_LT(watch.ms(), 3000) << "only what is left";
  EXPECT_GE(v.waited_ms, VERIFYRCPT_SESSION_MS);
  EXPECT_EQ(server.questions(1).size(), 1u);
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.asked, 0);
  EXPECT_EQ(v.answer.why, "not asked: this session has waited 15 s for answers"s);
  EXPECT_EQ(v.answer.cause, "no time left"s);
  EXPECT_EQ(v.answer.timed_out, 1);
  EXPECT_EQ(server.questions().size(), 1u);
}

TEST(Waiting, TheLast64SocketsAreKept) {
  FakeServer server(silent());
  Session v(colon(server.port()));
  size_t before = open_descriptors();
  for (int i = 0; i < VERIFYRCPT_KEPT_MAX + 10; ++i) {
    v.waited_ms = VERIFYRCPT_SESSION_MS - 1;
    ASSERT_EQ(v.ask(), VERIFYRCPT_TEMPORARY);
  }
  EXPECT_EQ(v.kept, unsigned{VERIFYRCPT_KEPT_MAX});
  EXPECT_EQ(open_descriptors(), before + VERIFYRCPT_KEPT_MAX);
  std::set<int> distinct(v.kept_fd, v.kept_fd + v.kept);
  EXPECT_EQ(distinct.size(), size_t{VERIFYRCPT_KEPT_MAX});
  EXPECT_GT(*distinct.begin(), 2) << "each one a socket of ours";
  verifyrcpt_end(&v);
  EXPECT_EQ(open_descriptors(), before);
}

// ---- refused ports

TEST(Refused, AskedAgainOnceASession) {
  Session v(colon(unused_port()));
  size_t before = open_descriptors();
  Stopwatch first;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(first.ms(), 2200);
  EXPECT_LT(first.ms(), 4500);
  EXPECT_EQ(v.answer.why, v.server_text[0] + ": connection refused"s);
  EXPECT_EQ(v.answer.cause, "connection refused"s);
  EXPECT_EQ(v.answer.timed_out, 0);
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY); }));
  EXPECT_FALSE(v.impatient);
  EXPECT_EQ(open_descriptors(), before) << "nothing can arrive on a refused socket";
}

TEST(Refused, ARestartIsNotNoticed) {
  uint16_t port = unused_port();
  Session v(colon(port));
  std::unique_ptr<FakeServer> server;
  std::thread restart([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    server = std::make_unique<FakeServer>(always("\xe1"), port);
  });
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE);
  EXPECT_GE(watch.ms(), 950);
  restart.join();
  EXPECT_EQ(server->questions().size(), 1u);
}

TEST(Refused, ADaemonThatDiesMeanwhileIsAskedAgain) {
  uint16_t port = unused_port();
  Session v(colon(port));
  auto server = std::make_unique<FakeServer>(silent(), port);
  std::thread restart([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    server.reset();
    std::this_thread::sleep_for(std::chrono::milliseconds(1300));
    server = std::make_unique<FakeServer>(always("\xa0"), port);
  });
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT) << v.answer.why;
  restart.join();
}

// ---- several servers

TEST(Servers, TheNextWhenOneIsSilent) {
  FakeServer mute(silent()), good(always("\xa0"));
  Session v(colon(mute.port()) + "," + colon(good.port()));
  Stopwatch first;
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  EXPECT_GE(first.ms(), 300);
  EXPECT_EQ(v.answer.server, good.endpoint());
  EXPECT_EQ(v.why(), "dot-qmail (" + mute.endpoint() + ": no answer in T)");
  EXPECT_EQ(mute.questions(1).size(), 1u);
  EXPECT_EQ(v.kept, 1u);
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.ask(), VERIFYRCPT_VALID); }))
      << "a server that was silent comes last from then on";
}

TEST(Servers, TheFirstMayStillAnswer) {
  std::mutex mutex;
  std::unique_ptr<Question> waiting;
  FakeServer first([&](FakeServer &, size_t, const Question &q) {
    std::lock_guard lock(mutex);
    waiting = std::make_unique<Question>(q);
  });
  FakeServer second([&](FakeServer &, size_t, const Question &) {
    std::lock_guard lock(mutex);
    first.say(*waiting, "\xe1");
  });
  Session v(colon(first.port()) + "," + colon(second.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_INVALID);
  EXPECT_EQ(v.answer.server, first.endpoint());
}

TEST(Servers, TheNextAtOnceWhenOneRefuses) {
  FakeServer good(always("\xe1"));
  uint16_t refused = unused_port();
  Session v(colon(refused) + "," + colon(good.port()));
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE); }));
  EXPECT_EQ(v.answer.why, "no-mailbox (127.0.0.1:" + std::to_string(refused) + ": connection refused)");
}

TEST(Servers, TheNextAtOnceAfterAnEmptyAnswer) {
  FakeServer empty(always("")), good(always("\xe1"));
  Session v(colon(empty.port()) + "," + colon(good.port()));
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE); }));
}

TEST(Servers, AllAreAskedWithinAShortWait) {
  FakeServer a(silent()), b(silent()), c(always("\xa0"));
  Session v(colon(a.port()) + "," + colon(b.port()) + "," + colon(c.port()));
  v.impatient = 1;
  v.ask("first@example.com");
  for (auto *server : {&a, &b, &c}) {
    auto asked = server->questions(1);
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked[0].text, "first@example.com\0"s);
  }
  EXPECT_EQ(v.rcpt_answered("second@example.com"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.server, c.endpoint());
}

TEST(Servers, AllAreNamedWhereNoneAnswers) {
  FakeServer mute(silent()), empty(always(""));
  std::string refused = "127.0.0.1:" + std::to_string(unused_port());
  Session v(refused + "," + empty.endpoint() + "," + mute.endpoint() + ",mail.example.com");
  v.impatient = 1;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.why(), refused + ": connection refused; " + empty.endpoint() + ": empty answer; " + mute.endpoint() +
                         ": no answer in T; \"mail.example.com\": not an IPv4 address (names are not looked up)");
}

TEST(Servers, AGoodOneIsAskedBesideOneThatCannotBe) {
  FakeServer good(always("\xe1"));
  Session v("mail.example.com," + colon(good.port()));
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE);
}

TEST(Servers, NoneThatCanBeAsked) {
  Session v("mail.example.com");
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.asked, 0);
  EXPECT_EQ(v.answer.why, "\"mail.example.com\": not an IPv4 address (names are not looked up)"s);
  EXPECT_EQ(v.answer.cause, "VERIFY names no server that can be asked"s);
  EXPECT_EQ(v.answer.timed_out, 0);
  Session open("OPEN,mail.example.com");
  EXPECT_EQ(open.rcpt(), VERIFYRCPT_ACCEPT);
  EXPECT_NE(open.answer.why, ""s);
}

// ---- policy

// The answer is the first letter of the address: v, i, t; anything else: silence.
FakeServer::Handler by_letter() {
  return [](FakeServer &s, size_t, const Question &q) {
    if (q.text[0] == 'v') s.say(q, "\xa0");
    if (q.text[0] == 'i') s.say(q, "\xe1");
    if (q.text[0] == 't') s.say(q, "\xf2");
  };
}

TEST(Policy, AtRcpt) {
  FakeServer server(by_letter());
  Session v(colon(server.port()));
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_REFUSE);
  EXPECT_EQ(v.rcpt("t@x"), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.why, "home or user (" + server.endpoint() + " cannot tell now)");
  EXPECT_EQ(v.answer.cause, "the server cannot tell now"s);
  EXPECT_EQ(v.answer.timed_out, 0);
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
}

TEST(Policy, Defer) {
  FakeServer server(by_letter());
  Session v("DEFER," + colon(server.port()));
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt("t@x"), VERIFYRCPT_RETRY);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.result, VERIFYRCPT_INVALID);
  EXPECT_EQ(verifyrcpt_data(&v), 1);
  EXPECT_EQ(v.rcpt("t@x"), VERIFYRCPT_ACCEPT) << "already refused: nothing more is asked";
  EXPECT_EQ(v.answer.asked, 0);
  EXPECT_EQ(server.questions().size(), 3u);
  verifyrcpt_reset(&v);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.asked, 1);
}

TEST(Policy, OpenIsForTheWantOfAnAnswer) {
  FakeServer server(by_letter());
  Session v("OPEN," + colon(server.port()));
  v.impatient = 1;
  EXPECT_EQ(v.rcpt("silence@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.result, VERIFYRCPT_TEMPORARY);
  EXPECT_EQ(v.why(), server.endpoint() + ": no answer in T; accepted unverified (OPEN)");
  v.impatient = 0;
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_REFUSE);
  EXPECT_EQ(v.rcpt("t@x"), VERIFYRCPT_RETRY);
  v.waited_ms = VERIFYRCPT_SESSION_MS;
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.asked, 0);
}

TEST(Policy, ObserveAcceptsAndTells) {
  FakeServer server(by_letter());
  Session v("DEFER,OBSERVE," + colon(server.port()));
  EXPECT_EQ(v.rcpt_answered("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.why, "dot-qmail"s);
  EXPECT_EQ(v.rcpt_answered("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.result, VERIFYRCPT_INVALID);
  EXPECT_EQ(v.answer.why, "no-mailbox; accepted all the same (OBSERVE), else 550"s);
  EXPECT_EQ(v.rcpt_answered("t@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt_answered("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.asked, 1) << "every recipient is asked about";
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  Stopwatch watch;
  EXPECT_EQ(v.rcpt("silence@x"), VERIFYRCPT_ACCEPT);
  EXPECT_LT(watch.ms(), 3000);
  EXPECT_GE(watch.ms(), 300);
}

TEST(Policy, ObserveDoesNotWaitForARestart) {
  Session v("OBSERVE," + colon(unused_port()));
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT); }));
}

// ---- a machine in trouble

TEST(Trouble, NoDescriptorsLeft) {
  rlimit was{};
  Session v(":");
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
  rlimit none = was;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto reply = v.rcpt();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
  EXPECT_EQ(reply, VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.why, standard + ": Too many open files"s);
}

TEST(Trouble, AnAddressLargerThanADatagram) {
  FakeServer server(always("\xe1"));
  Session v(colon(server.port()));
  EXPECT_EQ(v.rcpt(std::string(100000, 'a')), VERIFYRCPT_RETRY);
  EXPECT_NE(std::string(v.answer.why).find("too long"), std::string::npos) << v.answer.why;
  EXPECT_EQ(v.rcpt("a@x"), VERIFYRCPT_REFUSE);
}

TEST(Trouble, NothingIsInheritedByTheQueueProgram) {
  FakeServer server(silent());
  Session v(colon(server.port()));
  v.waited_ms = VERIFYRCPT_SESSION_MS - 1;
  v.ask();
  ASSERT_EQ(v.kept, 1u);
  EXPECT_EQ(fcntl(v.kept_fd[0], F_GETFD), FD_CLOEXEC);
}

}  // namespace
