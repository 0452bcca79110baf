// The client library: how VERIFY is read, what is asked and how long, what an
// answer or the want of one comes to. Real loopback sockets, fake servers.

#include "verifyrcpt.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <regex>
#include <set>

#include "fakeserver.h"

using namespace std::string_literals;

namespace {
int getrandom_error = 0;
bool getrandom_short = false;
}  // namespace

// In the place of libc's: fails where a test wants it to.
extern "C" ssize_t getrandom(void *bytes, size_t size, unsigned flags) {
  if (getrandom_error) {
    errno = getrandom_error;
    return -1;
  }
  return syscall(SYS_getrandom, bytes, getrandom_short ? size / 2 : size, flags);
}

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

// How many questions: copies, which a slow machine may bring forth, are one.
size_t asked(const std::vector<Question> &all) {
  std::set<std::string> texts;
  for (const auto &q : all) texts.insert(q.text);
  return texts.size();
}

// The number before the @ of the address.
unsigned number_in(const Question &q) {
  return static_cast<unsigned>(std::stoul(q.address()));
}

std::string numbered(size_t n) {
  return std::to_string(n) + "@x";
}

size_t open_descriptors() {
  size_t n = 0;
  for (int fd = 0; fd < 1024; ++fd) n += fcntl(fd, F_GETFD) != -1;
  return n;
}

// ---- VERIFY

struct Value {
  const char *verify;
  const char *switches; // of "DEFER OBSERVE OPEN STRICT UNUSABLE MAXBAD=n", what is set
  std::vector<std::string> servers;
  size_t notes;
};

std::string switches(const struct verifyrcpt &v) {
  std::string s;
  for (auto [set, name] : {std::pair<unsigned, const char *>{v.defer, "DEFER"}, {v.observe, "OBSERVE"}, {v.open, "OPEN"}, {v.strict, "STRICT"}, {v.unusable, "UNUSABLE"}})
    if (set) s += (s.empty() ? "" : " ") + std::string(name);
  if (v.maxbad) s += (s.empty() ? "" : " ") + ("MAXBAD=" + std::to_string(v.maxbad));
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
    {"MAXBAD=3,STRICT", "STRICT MAXBAD=3", {standard}, 0},
    {"strict,Defer,maxbad=0010,:12525", "DEFER STRICT MAXBAD=10", {"127.0.0.1:12525"}, 0},
    {"OBSERVE,MAXBAD=1", "OBSERVE OPEN MAXBAD=1", {standard}, 0},
    {" MAXBAD=7 ", "MAXBAD=7", {standard}, 0},
    {"MAXBAD=4294967295", "MAXBAD=4294967295", {standard}, 0},
    {"MAXBAD=4294967296", "MAXBAD=4294967295", {standard}, 0},
    {"MAXBAD=18446744073709551617", "MAXBAD=4294967295", {standard}, 0},
    {"MAXBAD=3,MAXBAD=x", "MAXBAD=3", {standard}, 1},
    {"MAXBAD", "", {standard}, 1},
    {"MAXBAD=", "", {standard}, 1},
    {"MAXBAD=0", "", {standard}, 1},
    {"MAXBAD=-1", "", {standard}, 1},
    {"MAXBAD=+1", "", {standard}, 1},
    {"MAXBAD= 1", "", {standard}, 1},
    {"MAXBAD=1x", "", {standard}, 1},
    {"MAXBAD=1.5", "", {standard}, 1},
    {"MAXBAD:3", "UNUSABLE", {}, 1},
    {"MAXBADS=3", "", {standard}, 1},
    {"STRICTLY", "", {standard}, 1},
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

TEST(Verify, ServersAreNamedInPrintableAscii) {
  Session v("/run/a b\n\x1b[2J\x7f\xc3\xa4");
  EXPECT_EQ(v.server_text[0], "/run/a b??[2J???"s);
  EXPECT_EQ(v.notes.size(), 0u);
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
  EXPECT_EQ(asked(server.questions()), 1u);
  EXPECT_EQ(v.answer.reason, 0u) << "a plain answer has none";
  EXPECT_EQ(server.questions()[0].address(), "joe-list@example.com");
}

// What went over the wire with qmail-verify 1.32 on both ends.
const std::vector<std::pair<std::string, std::string>> captured = [] {
  auto bytes = [](std::string_view hex) {
    std::string out;
    for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
  };
  std::vector<std::pair<std::string, std::string>> all;
#define CAPTURED(question, answer) all.emplace_back(bytes(question), bytes(answer));
#include "captured-1.32.inc"
#undef CAPTURED
  return all;
}();

// Our questions are, up to their NUL, those of its client, and its answers are understood.
TEST(Answer, OfA132Daemon) {
  ASSERT_GE(captured.size(), 25u);
  FakeServer server([](FakeServer &s, size_t, const Question &q) {
    for (const auto &[question, answer] : captured)
      if (q.text.starts_with(question)) s.say(q, answer);
  });
  Session v(colon(server.port()));
  for (const auto &[question, answer] : captured) {
    const auto status = static_cast<unsigned char>(answer[0]);
    ASSERT_EQ(v.ask(question.c_str()), status % 16 ? VERIFYRCPT_INVALID : VERIFYRCPT_VALID) << question;
    EXPECT_EQ(v.answer.position, status / 16u);
    EXPECT_EQ(v.answer.user, answer.substr(1));
    EXPECT_EQ(v.answer.reason, 0u);
    EXPECT_EQ(v.answer.why, std::string(qv_position_text(status / 16u)));
  }
  EXPECT_EQ(asked(server.questions()), captured.size());
}

TEST(Answer, EveryStatusByte) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) { s.say(q, std::string(1, static_cast<char>(number_in(q)))); });
  Session v(colon(server.port()));
  for (unsigned status = 0; status < 256; ++status) {
    auto result = status % 16 == 0 ? VERIFYRCPT_VALID : status % 16 == 2 ? VERIFYRCPT_TEMPORARY : VERIFYRCPT_INVALID;
    ASSERT_EQ(v.ask(numbered(status)), result) << status;
    EXPECT_EQ(v.answer.position, status / 16);
    EXPECT_EQ(v.answer.user, ""s);
  }
  EXPECT_LT(v.waited_ms, 5000) << "answers at once are not waiting";
}

TEST(Answer, LongAnswersAreCut) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) { s.say(q, "\x01" + std::string(number_in(q), 'a')); });
  Session v(colon(server.port()));
  for (size_t length : {31u, 32u, 33u, 1031u, 2031u}) {
    EXPECT_EQ(v.ask(numbered(length)), VERIFYRCPT_INVALID);
    EXPECT_EQ(v.answer.user, std::string(std::min<size_t>(length, 32), 'a'));
  }
}

TEST(Answer, TheUserEndsAtNul) {
  FakeServer server(always("\xa0jo\0more"s));
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  EXPECT_EQ(v.answer.user, "jo"s);
}

TEST(Answer, DoubledAnswersStayWithTheirQuestion) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) {
    std::string status(1, static_cast<char>(number_in(q) % 2));
    s.say(q, status);
    s.say(q, status);
  });
  Session v(colon(server.port()));
  for (size_t i = 0; i < 50; ++i) ASSERT_EQ(v.ask(numbered(i)), i % 2 ? VERIFYRCPT_INVALID : VERIFYRCPT_VALID);
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
  for (const auto &q : server.questions(21)) EXPECT_EQ(q.port() == first.port(), q.text == first.text);
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

// ---- extended questions and answers

const std::string no_nonce(QV_NONCE_SIZE, 0);

TEST(Extended, WhatIsAskedAndHeard) {
  FakeServer server(always_extended(0xe1, QV_REASON_NO_MAILBOX, "joe"));
  Session v(colon(server.port()));
  std::set<std::string> nonces;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(v.ask("joe-list@example.com"), VERIFYRCPT_INVALID);
  EXPECT_EQ(v.answer.position, 14u);
  EXPECT_EQ(v.answer.reason, unsigned{QV_REASON_NO_MAILBOX});
  EXPECT_EQ(v.answer.user, "joe"s);
  EXPECT_EQ(v.answer.server, server.endpoint());
  EXPECT_EQ(v.answer.why, "no-mailbox: no dot-qmail file for the extension, and no default"s);
  for (const auto &q : server.questions(100)) {
    EXPECT_EQ(q.address(), "joe-list@example.com");
    EXPECT_EQ(q.read().client, nullptr);
    EXPECT_EQ(q.read().sender, nullptr);
    EXPECT_EQ(q.text.size(), 20u + 1 + QV_MAGIC_SIZE + QV_NONCE_SIZE) << "and nothing else";
    EXPECT_NE(q.nonce(), no_nonce);
    nonces.insert(q.nonce());
  }
  EXPECT_EQ(nonces.size(), 100u) << "a nonce for each question";
}

TEST(Extended, EveryReasonInWords) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) {
    const auto reason = static_cast<qv_reason>(number_in(q));
    s.say(q, extended(q.nonce(), static_cast<unsigned char>(qv_reason_position(reason) << 4), reason));
  });
  Session v(colon(server.port()));
  for (unsigned number = 0; number < 60; ++number) {
    const auto reason = static_cast<qv_reason>(number);
    ASSERT_EQ(v.ask(numbered(number)), VERIFYRCPT_VALID);
    EXPECT_EQ(v.answer.reason, number);
    if (qv_reason_name(reason) == "none"s)
      EXPECT_EQ(v.answer.why, number ? "home or user (reason " + std::to_string(number) + ")" : "home or user"s);
    else
      EXPECT_EQ(v.answer.why, qv_reason_name(reason) + ": "s + qv_reason_text(reason));
  }
}

TEST(Extended, LongUsers) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    s.say(q, extended(q.nonce(), 0xe1, QV_REASON_NO_MAILBOX, std::string(number_in(q), 'u')));
  });
  Session v(colon(server.port()));
  for (size_t length : {0, 32, 33, 254, 255, 256, 300}) {
    EXPECT_EQ(v.ask(numbered(length)), VERIFYRCPT_INVALID);
    EXPECT_EQ(v.answer.user, std::string(std::min<size_t>(length, VERIFYRCPT_USER_MAX), 'u'));
  }
}

// The n-th question is answered with these, in this order.
FakeServer::Handler answers(std::vector<std::function<std::string(const Question &)>> bytes) {
  return [bytes](FakeServer &s, size_t, const Question &q) {
    for (const auto &each : bytes) s.say(q, each(q));
  };
}

std::string valid(const Question &q) {
  return extended(q.nonce(), 0xa0, QV_REASON_DOTQMAIL);
}

std::string invalid(const Question &q) {
  return extended(q.nonce(), 0xe1, QV_REASON_NO_MAILBOX);
}

std::string plain_invalid(const Question &) {
  return "\xe1joe";
}

std::string empty(const Question &) {
  return "";
}

TEST(Extended, AnotherNonceIsPassedOver) {
  FakeServer server(answers({
      [](const Question &) { return extended(no_nonce, 0xe1, QV_REASON_NO_MAILBOX); },
      [](const Question &q) {
        std::string nonce = q.nonce();
        nonce.back() = static_cast<char>(nonce.back() ^ 1);
        return extended(nonce, 0xe1, QV_REASON_NO_MAILBOX);
      },
      valid,
  }));
  Session v(colon(server.port()));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(v.ask(), VERIFYRCPT_VALID);
}

TEST(Extended, DamagedAnswersArePassedOver) {
  FakeServer server(answers({
      [](const Question &q) { return invalid(q).substr(0, invalid(q).size() - 1); },
      [](const Question &q) { return invalid(q) + "\x03"; },
      [](const Question &q) { return invalid(q) + "\x03\x01\x01u"; },
      valid,
  }));
  Session v(colon(server.port()));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(v.ask(), VERIFYRCPT_VALID);
}

TEST(Extended, FieldsThatAreNotKnownArePassedOver) {
  FakeServer server(answers({[](const Question &q) { return invalid(q) + "\x2a\0\x03xyz\xff\0\0"s; }}));
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_INVALID);
}

TEST(Extended, PlainAnswersNoLongerCountAfterOne) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    const bool forged = q.address() != "first@x";
    if (forged) s.say(q, plain_invalid(q));
    if (forged) s.say(q, empty(q));
    s.say(q, valid(q));
  });
  Session v(colon(server.port()));
  ASSERT_EQ(v.ask("first@x"), VERIFYRCPT_VALID);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(v.ask(), VERIFYRCPT_VALID) << v.answer.why;
}

TEST(Extended, APlainAnswerAloneIsThenNone) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) { s.say(q, number ? plain_invalid(q) : valid(q)); });
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  v.waited_ms = VERIFYRCPT_SESSION_MS - 1500;
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(watch.ms(), 1500) << "the answer may still come";
  EXPECT_EQ(v.why(), server.endpoint() + ": no answer in T, plain answer ignored");
  EXPECT_EQ(v.kept, 1u);
  EXPECT_EQ(v.answer.user, ""s);
}

TEST(Extended, EachServerForItself) {
  FakeServer first([](FakeServer &s, size_t, const Question &q) {
    if (q.address() == "first@x") s.say(q, valid(q));
  });
  FakeServer second([](FakeServer &s, size_t, const Question &q) { s.say(q, q.address() == "first@x" ? "\xa0" : "\xe1"); });
  Session v(colon(first.port()) + "," + colon(second.port()));
  EXPECT_EQ(v.ask("first@x"), VERIFYRCPT_VALID);
  EXPECT_EQ(v.ask("second@x"), VERIFYRCPT_INVALID) << "the second is an old one";
  EXPECT_EQ(v.answer.server, second.endpoint());
}

TEST(Extended, EachSessionForItself) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) { s.say(q, number ? plain_invalid(q) : valid(q)); });
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
  Session next(colon(server.port()));
  EXPECT_EQ(next.ask(), VERIFYRCPT_INVALID) << "an old daemon may have come back meanwhile";
}

TEST(Extended, StrictTakesNoPlainAnswer) {
  FakeServer server(answers({plain_invalid, empty, valid}));
  Session v("STRICT," + colon(server.port()));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(v.ask(), VERIFYRCPT_VALID);
}

TEST(Extended, StrictTellsOfAnOldServer) {
  FakeServer server(always("\xe1joe"));
  Session v("STRICT," + colon(server.port()));
  v.waited_ms = VERIFYRCPT_SESSION_MS - 1500;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.why(), server.endpoint() + ": no answer in T, plain answer ignored (STRICT)");
  EXPECT_EQ(std::regex_replace(v.answer.cause, std::regex("[0-9]+\\.[0-9] s"), "T"), "no answer in T, plain answer ignored (STRICT)");
  EXPECT_EQ(v.answer.user, ""s);
  EXPECT_EQ(v.answer.timed_out, 1);
}

TEST(Extended, TemporaryIsAnAnswerAndNoWait) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) {
    s.say(q, number_in(q) % 2 ? valid(q) : extended(q.nonce(), 0xf2, QV_REASON_HOME_HANGS, "joe"));
  });
  Session v("OPEN," + colon(server.port()));
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(v.rcpt(numbered(i)), i % 2 ? VERIFYRCPT_ACCEPT : VERIFYRCPT_RETRY) << i;
    EXPECT_FALSE(v.impatient);
    if (i % 2) continue;
    EXPECT_EQ(v.answer.user, "joe"s);
    EXPECT_EQ(v.answer.why, "home-hangs: the home, or its file system, does not answer (" + server.endpoint() + " cannot tell now)");
    EXPECT_EQ(v.answer.cause, "home-hangs"s);
    EXPECT_EQ(v.answer.timed_out, 0);
  }
  EXPECT_LT(v.waited_ms, 5000) << "bad, good, bad, good costs the session nothing";
  EXPECT_EQ(asked(server.questions()), 100u);
}

TEST(Extended, TheSmtpClientsAddress) {
  const std::pair<const char *, std::string> table[] = {
      {"192.0.2.7", "\xc0\0\x02\x07"s},
      {"0.0.0.0", "\0\0\0\0"s},
      {"::ffff:192.0.2.7", "\xc0\0\x02\x07"s},
      {"2001:db8::7", "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"s},
      {"::1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"s},
      {nullptr, ""}, {"", ""}, {"unknown", ""}, {"192.0.2", ""}, {"192.0.2.7.", ""}, {" 192.0.2.7", ""}, {"[::1]", ""}, {"::1%lo", ""},
  };
  FakeServer server(answers({valid}));
  Session v(colon(server.port()));
  size_t n = 0;
  for (const auto &[ip, bytes] : table) {
    verifyrcpt_client(&v, ip);
    ASSERT_EQ(v.ask(), VERIFYRCPT_VALID);
    verifyrcpt_reset(&v);
    const Question q = server.questions(++n).back();
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(q.read().client), q.read().client_len), bytes) << (ip ? ip : "");
    EXPECT_EQ(q.read().client != nullptr, !bytes.empty());
  }
}

TEST(Extended, TheSender) {
  FakeServer server(answers({valid}));
  Session v(colon(server.port()));
  size_t n = 0;
  auto told = [&]() -> std::string {
    EXPECT_EQ(v.ask(), VERIFYRCPT_VALID);
    const Question q = server.questions(++n).back();
    const packet_question p = q.read();
    return p.sender ? "<" + std::string(p.sender, p.sender_len) + ">" : "none";
  };
  EXPECT_EQ(told(), "none");
  std::string sender = "ann@example.org";
  verifyrcpt_sender(&v, sender.c_str());
  sender = "bob";
  EXPECT_EQ(told(), "<ann@example.org>") << "copied";
  EXPECT_EQ(told(), "<ann@example.org>") << "for each recipient";
  verifyrcpt_sender(&v, "");
  EXPECT_EQ(told(), "<>") << "the null sender is one";
  verifyrcpt_reset(&v);
  EXPECT_EQ(told(), "none");
  const std::string longest(QV_ADDRESS_MAX, 's');
  verifyrcpt_sender(&v, longest.c_str());
  EXPECT_EQ(told(), "<" + longest + ">");
  verifyrcpt_sender(&v, (longest + "s").c_str());
  EXPECT_EQ(told(), "none");
  verifyrcpt_sender(&v, "x");
  verifyrcpt_sender(&v, nullptr);
  EXPECT_EQ(told(), "none");
}

TEST(Extended, NothingOfASessionIsLeftToTheNext) {
  FakeServer server(answers({valid}));
  const std::string verify = "MAXBAD=1,STRICT," + colon(server.port());
  Session v(verify);
  verifyrcpt_client(&v, "192.0.2.7");
  verifyrcpt_sender(&v, "x");
  v.bad = 1;
  verifyrcpt_end(&v);
  verifyrcpt_begin(&v, colon(server.port()).c_str(), nullptr, nullptr);
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(server.questions()[0].read().client, nullptr);
  EXPECT_EQ(server.questions()[0].read().sender, nullptr);
  EXPECT_EQ(switches(v), "");
}

TEST(Extended, NoRandomNumbersNoQuestion) {
  FakeServer server(answers({valid}));
  Session v(colon(server.port())), open("OPEN," + colon(server.port()));
  for (int mode : {EAGAIN, ENOSYS}) {
    getrandom_error = mode;
    EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
    EXPECT_EQ(v.answer.asked, 0);
    EXPECT_EQ(v.answer.why, "not asked: no random numbers: "s + strerror(mode));
    EXPECT_EQ(v.answer.cause, "no random numbers"s);
    EXPECT_EQ(open.rcpt(), VERIFYRCPT_ACCEPT);
    getrandom_error = 0;
  }
  getrandom_short = true;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY) << "half a nonce is a weak one";
  getrandom_short = false;
  EXPECT_EQ(server.questions().size(), 0u);
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT);
}

// ---- other families

TEST(IPv6, AsksAndHears) {
  if (!has_ipv6()) GTEST_SKIP() << "no ::1 here";
  FakeServer server = FakeServer::ipv6(answers({valid}));
  Session v(server.endpoint());
  EXPECT_EQ(v.ask(), VERIFYRCPT_VALID) << v.answer.why;
  EXPECT_EQ(v.answer.server, server.endpoint());
  Session refused("[::1]:" + std::to_string(unused_port()));
  refused.retried = 1;
  EXPECT_EQ(refused.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(refused.answer.cause, "connection refused"s);
}

FakeUnixServer::Handler unix_answers(std::function<std::string(const Question &)> bytes) {
  return [bytes](FakeUnixServer &s, size_t, const Question &q) { s.say(q, bytes(q)); };
}

TEST(UnixSocket, AFreshConnectionAQuestion) {
  TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), unix_answers(invalid));
  Session v(folder.path("s"));
  size_t before = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE) << v.answer.why;
    EXPECT_EQ(v.answer.server, folder.path("s"));
  }
  EXPECT_EQ(v.kept, 0u);
  EXPECT_LE(open_descriptors(), before + 5) << "the server's ends may still be open, ours are not";
  EXPECT_EQ(server.connections().first, 5u);
  ASSERT_EQ(server.questions().size(), 5u);
  EXPECT_EQ(server.questions()[0].address(), "joe@example.com");
}

TEST(UnixSocket, PlainAnswersCountAsByUdp) {
  TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), unix_answers(plain_invalid));
  Session v(folder.path("s")), strict("STRICT," + folder.path("s"));
  EXPECT_EQ(v.ask(), VERIFYRCPT_INVALID);
  strict.impatient = 1;
  EXPECT_EQ(strict.ask(), VERIFYRCPT_TEMPORARY);
}

TEST(UnixSocket, ASilentServerIsNotAskedAgain) {
  TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), [](FakeUnixServer &, size_t, const Question &) {});
  Session v(folder.path("s"));
  v.waited_ms = VERIFYRCPT_SESSION_MS - 1500;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.why(), folder.path("s") + ": no answer in T");
  EXPECT_EQ(v.answer.timed_out, 1);
  EXPECT_EQ(v.kept, 0u) << "nothing can come late on a connection that is closed";
  EXPECT_EQ(server.questions().size(), 1u) << "a connection loses nothing";
}

TEST(UnixSocket, AConnectionThatBreaksIsMadeAnew) {
  TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), [](FakeUnixServer &s, size_t number, const Question &q) {
    number < 2 ? s.hang_up(q) : s.say(q, invalid(q));
  });
  Session v(folder.path("s"));
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE) << v.answer.why;
  EXPECT_GE(watch.ms(), 1000);
  auto asked = server.questions(3);
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[0].text, asked[2].text) << "the same question";
  EXPECT_GE(asked[1].at - asked[0].at, std::chrono::milliseconds(50));
  EXPECT_GE(asked[2].at - asked[0].at, std::chrono::milliseconds(750));
}

TEST(UnixSocket, OnceASession) {
  TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), [](FakeUnixServer &s, size_t, const Question &q) { s.hang_up(q); });
  Session v(folder.path("s"));
  Stopwatch watch;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(watch.ms(), 2200);
  EXPECT_LT(watch.ms(), 4500);
  EXPECT_EQ(v.answer.why, folder.path("s") + ": connection closed");
  EXPECT_EQ(server.questions(4).size(), 4u);
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY); }));
  EXPECT_FALSE(v.impatient);
}

TEST(UnixSocket, AnAbsentPath) {
  TemporaryFolder folder;
  Session v(folder.path("s"));
  v.retried = 1;
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY); }));
  EXPECT_EQ(v.answer.why, folder.path("s") + ": No such file or directory");
  EXPECT_EQ(v.answer.cause, "No such file or directory"s);
  v.retried = 0;
  std::unique_ptr<FakeUnixServer> server;
  std::thread start([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    server = std::make_unique<FakeUnixServer>(folder.path("s"), unix_answers(invalid));
  });
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE) << v.answer.why;
  start.join();
}

TEST(UnixSocket, AStalePath) {
  TemporaryFolder folder;
  close(listen_on_path(folder.path("s"), 5));
  Session v(folder.path("s"));
  v.retried = 1;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.cause, "connection refused"s);
}

TEST(UnixSocket, AFullBacklog) {
  TemporaryFolder folder;
  int listening = listen_on_path(folder.path("s"), 0);
  const timeval patience{10, 0};
  setsockopt(listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  Session v(folder.path("s"));
  udp_endpoint ep;
  ASSERT_EQ(udp_parse(folder.path("s").data(), folder.path("s").size(), "", 1, &ep, nullptr), 0);
  int before_us = connect_udp(&ep);
  ASSERT_NE(before_us, -1);
  v.retried = 1;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.why, folder.path("s") + ": too many are waiting there");
  v.retried = 0;
  std::thread server([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    close(accept(listening, nullptr, nullptr));
    int peer = accept(listening, nullptr, nullptr);
    char buf[4096];
    Question q{};
    const ssize_t n = recv(peer, buf, sizeof buf, 0);
    if (n <= 0) return;
    q.text.assign(buf, static_cast<size_t>(n));
    send(peer, valid(q).data(), valid(q).size(), 0);
    close(peer);
  });
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_ACCEPT) << v.answer.why;
  server.join();
  close(before_us);
  close(listening);
}

TEST(UnixSocket, APathThatIsNoSocket) {
  Session v("/dev/null");
  v.retried = 1;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_EQ(v.answer.cause, "connection refused"s);
}

TEST(UnixSocket, TheNextServerAtOnce) {
  TemporaryFolder folder;
  FakeServer next(answers({invalid}));
  Session v(folder.path("s") + "," + colon(next.port()));
  EXPECT_TRUE(is_quicker_than(290, [&] { EXPECT_EQ(v.rcpt(), VERIFYRCPT_REFUSE); }));
  EXPECT_NE(std::string(v.answer.why).find(" (" + folder.path("s") + ": No such file or directory)"), std::string::npos);
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

  Stopwatch second;
  EXPECT_EQ(v.rcpt(), VERIFYRCPT_RETRY);
  EXPECT_GE(second.ms(), 300);
  EXPECT_LT(second.ms(), 3000);
  EXPECT_EQ(v.kept, 2u);
  EXPECT_EQ(open_descriptors(), before + 2);
  verifyrcpt_end(&v);
  EXPECT_EQ(open_descriptors(), before);
}

// The copies of a question that a silent server gets. (On a machine that stands still
// for a while two of them become one: then once more.)
TEST(Waiting, TheQuestionIsRepeatedAtItsTimes) {
  const long long since[] = {0, 300, 1000, 2200};
  std::vector<Question> copies;
  for (int i = 0; i < 4 && copies.size() != 4; ++i) {
    FakeServer server(silent());
    Session v(colon(server.port()));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(v.ask(), VERIFYRCPT_TEMPORARY);
    copies = server.questions(3);
    for (size_t n = 0; n < copies.size() && copies.size() == 4; ++n) {
      EXPECT_EQ(copies[n].port(), copies[0].port()) << "from the same socket";
      EXPECT_EQ(copies[n].text, copies[0].text) << "with the same nonce";
      EXPECT_GE(copies[n].at - begin, std::chrono::milliseconds(since[n] - 1));
      EXPECT_LT(copies[n].at - begin, std::chrono::milliseconds(since[n] + 2500));
    }
  }
  EXPECT_EQ(copies.size(), 4u);
}

// Each of the copies may be the one that is answered, in either form.
TEST(Waiting, ALostQuestionIsAskedAgain) {
  const long long since[] = {300, 1000, 2200};
  for (size_t copy = 1; copy <= 3; ++copy)
    for (bool plain : {true, false}) {
      Stopwatch watch;
      FakeServer server([&](FakeServer &s, size_t, const Question &q) {
        if (watch.ms() >= since[copy - 1]) s.say(q, plain ? "\xa0" : extended(q.nonce(), 0xa0, QV_REASON_DOTQMAIL));
      });
      Session v(colon(server.port()));
      EXPECT_EQ(v.ask(), VERIFYRCPT_VALID) << copy << v.answer.why;
      EXPECT_GE(watch.ms(), since[copy - 1]);
      EXPECT_TRUE(copy == 1 || v.waited_ms >= since[copy - 1]) << "a slow answer is waiting";
      EXPECT_EQ(v.kept, 1u) << "a second answer may still come";
      EXPECT_FALSE(v.impatient);
    }
}

// All copies are answered at last, and each answer comes twice.
TEST(Waiting, DoubledAnswersToRepeatsStayWithTheirQuestion) {
  std::vector<Question> seen;
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    seen.push_back(q);
    if (q.address()[0] == 'b' || (q.address() == "a@x" && seen.size() == 2))
      for (int twice = 0; twice < 2; ++twice)
        for (const auto &each : seen)
          s.say(each, extended(each.nonce(), each.address()[0] == 'a' ? 0xa0 : 0xe1, each.address()[0] == 'a' ? QV_REASON_DOTQMAIL : QV_REASON_NO_MAILBOX));
  });
  Session v(colon(server.port()));
  EXPECT_EQ(v.ask("a@x"), VERIFYRCPT_VALID);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(v.ask("b" + std::to_string(i) + "@x"), VERIFYRCPT_INVALID);
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
  EXPECT_FALSE(mute.questions(1).empty());
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
    EXPECT_EQ(asked[0].address(), "first@example.com");
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
  EXPECT_EQ(asked(server.questions()), 3u);
  verifyrcpt_reset(&v);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.answer.asked, 1);
}

TEST(MaxBad, AtRcpt) {
  FakeServer server(by_letter());
  Session v("MAXBAD=3," + colon(server.port()));
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_REFUSE);
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt("t@x"), VERIFYRCPT_RETRY) << "is none";
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_REFUSE) << "the same again is one more";
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  verifyrcpt_reset(&v);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_REFUSE) << "the last one still hears 550";
  for (const char *address : {"v@x", "i@x"}) {
    EXPECT_EQ(v.rcpt(address), VERIFYRCPT_CLOSE);
    EXPECT_EQ(v.answer.asked, 0);
    EXPECT_EQ(v.answer.result, VERIFYRCPT_TEMPORARY);
    EXPECT_EQ(v.answer.why, "not asked: this session has had 3 invalid recipients (MAXBAD=3)"s);
    EXPECT_EQ(v.answer.cause, "too many invalid recipients"s);
    verifyrcpt_reset(&v);
  }
  EXPECT_EQ(asked(server.questions()), 6u);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  EXPECT_EQ(verifyrcpt_close(&v), 0) << "who was accepted before gets his mail";
}

TEST(MaxBad, Defer) {
  FakeServer server(by_letter());
  Session v("DEFER,MAXBAD=3," + colon(server.port()));
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt("v@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(verifyrcpt_data(&v), 1);
  EXPECT_EQ(verifyrcpt_close(&v), 0);
  verifyrcpt_reset(&v);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
  EXPECT_EQ(verifyrcpt_close(&v), 1);
  EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT) << "nothing is said before DATA";
  EXPECT_EQ(asked(server.questions()), 5u) << "every recipient is asked about";
  verifyrcpt_reset(&v);
  EXPECT_EQ(verifyrcpt_close(&v), 1) << "the count is the session's";
}

TEST(MaxBad, NotSet) {
  FakeServer server(by_letter());
  Session v("DEFER," + colon(server.port())), now(colon(server.port()));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(v.rcpt("i@x"), VERIFYRCPT_ACCEPT);
    EXPECT_EQ(now.rcpt("i@x"), VERIFYRCPT_REFUSE);
  }
  EXPECT_EQ(verifyrcpt_close(&v), 0);
}

TEST(MaxBad, ObserveWins) {
  FakeServer server(by_letter());
  Session v("OBSERVE,MAXBAD=2,DEFER," + colon(server.port()));
  const std::pair<const char *, std::string> table[] = {{"i@x", "550"}, {"i@x", "550"}, {"i@x", "421"}, {"v@x", "421"}, {"t@x", "421"}};
  for (const auto &[address, would] : table) {
    EXPECT_EQ(v.rcpt_answered(address), VERIFYRCPT_ACCEPT);
    EXPECT_NE(std::string(v.answer.why).find("; accepted all the same (OBSERVE), else " + would), std::string::npos) << v.answer.why;
    EXPECT_EQ(v.answer.asked, 1) << "goes on observing";
  }
  EXPECT_EQ(verifyrcpt_close(&v), 0);
  EXPECT_EQ(verifyrcpt_data(&v), 0);
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
  EXPECT_EQ(v.answer.why, "not asked: the address is too long for a question"s);
  EXPECT_EQ(v.answer.cause, "address too long"s);
  EXPECT_EQ(v.answer.asked, 0);
  EXPECT_EQ(v.rcpt("a@x"), VERIFYRCPT_REFUSE);
  verifyrcpt_sender(&v, std::string(QV_ADDRESS_MAX, 's').c_str());
  verifyrcpt_client(&v, "2001:db8::1");
  EXPECT_EQ(v.rcpt(std::string(QV_ADDRESS_MAX + 1, 'a')), VERIFYRCPT_REFUSE) << "the daemon is who judges the length";
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
