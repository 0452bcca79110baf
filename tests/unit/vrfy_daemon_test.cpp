// The asker over the wire: order, losses, servers that are silent, gone, old or new.
// Real loopback sockets, fake servers.

#include "vrfy/daemon.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <regex>
#include <set>

#include "fakeserver.h"
#include "vrfy/say.h"

using namespace std::string_literals;

namespace {

constexpr unsigned char VALID = 10 << 4, INVALID = 14 << 4 | QV_RESULT_INVALID;

struct Answered {
  std::string address;
  vrfy_answer answer;
};

vrfy_options options_for(const std::string &servers) {
  vrfy_options options;
  options.servers = servers;
  return options;
}

// Asks about all of them.
std::vector<Answered> ask(const vrfy_options &options, const std::vector<std::string> &addresses) {
  const auto asker = vrfy_daemon(options);
  std::vector<Answered> out;
  size_t next = 0;
  asker->ask(
      [&](std::string &address) {
        if (next == addresses.size()) return false;
        address = addresses[next++];
        return true;
      },
      [&](const std::string &address, const vrfy_answer &answer) { out.push_back({address, answer}); });
  return out;
}

std::vector<std::string> names(unsigned n) {
  std::vector<std::string> out;
  for (unsigned i = 0; i < n; ++i) out.push_back("u" + std::to_string(i) + "@example.org");
  return out;
}

// The right answer to each of names(): every third is invalid, the user tells the address.
template <class Server>
void answer(Server &server, const Question &q) {
  const bool valid = std::stoul(q.address().substr(1)) % 3;
  server.say(q, extended(q.nonce(), valid ? VALID : INVALID, valid ? QV_REASON_DOTQMAIL : QV_REASON_NO_MAILBOX, q.address()));
}

// All of names(), in order, each with its own answer.
void expect_right(const std::vector<Answered> &got, unsigned n, unsigned reason = QV_REASON_DOTQMAIL) {
  const auto expected = names(n);
  ASSERT_EQ(got.size(), n);
  for (unsigned i = 0; i < n; ++i) {
    ASSERT_EQ(got[i].address, expected[i]);
    ASSERT_EQ(got[i].answer.verdict, i % 3 ? QV_VALID : QV_INVALID) << i << got[i].answer.why;
    ASSERT_EQ(got[i].answer.user, expected[i]);
    if (i % 3) {
      ASSERT_EQ(got[i].answer.reason, reason);
    }
  }
}

double seconds_of(const std::function<void()> &work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(VrfyDaemon, AnswersInAnyOrderAreHandedOutInTheirs) {
  std::vector<Question> held;
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    held.push_back(q);
    if (held.size() < 10) return;
    for (; !held.empty(); held.pop_back()) answer(s, held.back());
  });
  expect_right(ask(options_for(server.endpoint()), names(500)), 500);
}

TEST(VrfyDaemon, EachQuestionHasANonceOfItsOwnAndTheyAreFew) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) { answer(s, q); });
  expect_right(ask(options_for(server.endpoint()), names(2000)), 2000);
  std::set<std::string> nonces, ports;
  for (const Question &q : server.questions()) {
    nonces.insert(q.nonce().substr(0, QV_NONCE_SIZE - 2));
    ports.insert(std::to_string(q.port()));
  }
  EXPECT_EQ(nonces.size(), 2000u);
  EXPECT_EQ(ports.size(), 1u) << "one socket for all";
}

TEST(VrfyDaemon, NoMoreThanTheWindowAreOnTheirWay) {
  std::atomic<size_t> most = 0;
  std::vector<Question> held;
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    held.push_back(q);
    most = std::max<size_t>(most, held.size());
    if (held.size() < 64 && q.address() != "u99@example.org") return;
    for (const Question &one : held) answer(s, one);
    held.clear();
  });
  expect_right(ask(options_for(server.endpoint()), names(100)), 100);
  EXPECT_EQ(most, 64u);
}

TEST(VrfyDaemon, LostDatagramsAreSentAgain) {
  std::set<std::string> seen;
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    const bool again = !seen.insert(q.address()).second;
    if (again || std::hash<std::string>()(q.address()) % 4) answer(s, q);
  });
  expect_right(ask(options_for(server.endpoint()), names(400)), 400);
  EXPECT_GT(server.questions().size(), 400u);
}

TEST(VrfyDaemon, WhatIsNoAnswerIsPassedOver) {
  std::string before(QV_NONCE_SIZE, 'x');
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    s.say(q, extended(before, INVALID, QV_REASON_NO_MAILBOX, "mallory"));
    std::string almost = q.nonce();
    almost[0] = static_cast<char>(almost[0] ^ 1);
    s.say(q, extended(almost, INVALID, QV_REASON_NO_MAILBOX, "mallory"));
    s.say(q, extended(std::string(QV_NONCE_SIZE, '\xff'), INVALID, QV_REASON_NO_MAILBOX, "mallory"));
    s.say(q, extended(q.nonce(), INVALID, QV_REASON_NO_MAILBOX, "mallory") + "\x01");
    answer(s, q);
    s.say(q, extended(q.nonce(), INVALID, QV_REASON_NO_MAILBOX, "mallory"));
    before = q.nonce();
  });
  // as many as the socket has room for, whatever is sent for each
  expect_right(ask(options_for(server.endpoint()), names(30)), 30);
}

TEST(VrfyDaemon, ALongUserComesWholeForAShortAddress) {
  const std::string user(255, 'u');
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    s.say(q, extended(q.nonce(), VALID, QV_REASON_DOTQMAIL, user, 2 * q.text.size()));
  });
  EXPECT_EQ(ask(options_for(server.endpoint()), {""})[0].answer.user, user);
}

TEST(VrfyDaemon, WhatAReasonMeans) {
  const std::map<std::string, std::pair<unsigned char, unsigned>> table = {
      {"program", {VALID, QV_REASON_PROGRAM}},       {"remote", {1 << 4, QV_REASON_REMOTE}},
      {"new", {INVALID, 999}},                        {"newvalid", {VALID, 1000}},
      {"newtemporary", {QV_RESULT_TEMPORARY, 1001}},  {"contradiction", {VALID, QV_REASON_NO_MAILBOX}},
      {"temporary", {QV_RESULT_TEMPORARY, QV_REASON_CDB_TROUBLE}}, {"otherresult", {7, 1002}}};
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    const auto &[status, reason] = table.at(q.address());
    s.say(q, extended(q.nonce(), status, reason));
  });
  const auto got = ask(options_for(server.endpoint()), {"program", "remote", "new", "newvalid", "newtemporary",
                                                        "contradiction", "temporary", "otherresult"});
  const qv_verdict expected[] = {QV_UNKNOWN, QV_REMOTE, QV_INVALID, QV_VALID, QV_TEMPORARY, QV_VALID, QV_TEMPORARY, QV_INVALID};
  ASSERT_EQ(got.size(), std::size(expected));
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].answer.verdict, expected[i]) << got[i].address;
    EXPECT_EQ(got[i].answer.reason, table.at(got[i].address).second);
    EXPECT_EQ(got[i].answer.why, "");
  }
}

TEST(VrfyDaemon, TheSenderIsSent) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    const packet_question p = q.read();
    s.say(q, extended(q.nonce(), VALID, 5, p.sender ? "<" + std::string(p.sender, p.sender_len) + ">" : "nobody"));
  });
  vrfy_options options = options_for(server.endpoint());
  EXPECT_EQ(ask(options, {"a"})[0].answer.user, "nobody");
  options.sender = "";
  EXPECT_EQ(ask(options, {"a"})[0].answer.user, "<>");
  options.sender = "me@x";
  EXPECT_EQ(ask(options, {"a"})[0].answer.user, "<me@x>");
}

TEST(VrfyDaemon, WhatCannotBeAskedIsAnsweredInItsPlace) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) {
    s.say(q, extended(q.nonce(), VALID, 5, std::to_string(q.address().size())));
  });
  const auto got = ask(options_for(server.endpoint()),
                       {"a", "b\0c"s, std::string(VRFY_ADDRESS_MAX, 'd'), std::string(VRFY_ADDRESS_MAX + 1, 'e'), ""});
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[0].answer.user, "1");
  EXPECT_EQ(got[1].answer.why, "not asked: there is a NUL in it");
  EXPECT_EQ(got[2].answer.user, std::to_string(VRFY_ADDRESS_MAX));
  EXPECT_EQ(got[3].answer.why, "not asked: it is too long");
  EXPECT_EQ(got[4].answer.user, "0");
  EXPECT_EQ(server.questions().size(), 3u);
}

// ---- several servers

TEST(VrfyDaemon, TheNextServerIsAskedAtOnceWhereOneRefuses) {
  FakeServer server([&](FakeServer &s, size_t, const Question &q) { answer(s, q); });
  const std::string refusing = "127.0.0.1:" + std::to_string(unused_port());
  EXPECT_LT(seconds_of([&] {
              expect_right(ask(options_for(refusing + ",/nonexistent/socket," + server.endpoint()), names(300)), 300);
            }),
            5);
}

TEST(VrfyDaemon, ASilentServerDelaysTheFirstQuestionsAlone) {
  FakeServer silent([](FakeServer &, size_t, const Question &) {});
  FakeServer server([&](FakeServer &s, size_t, const Question &q) { answer(s, q); });
  expect_right(ask(options_for(silent.endpoint() + "," + server.endpoint()), names(2000)), 2000);
  EXPECT_LT(silent.questions().size(), 3 * 64u);
}

TEST(VrfyDaemon, TheFirstOfTwoIsAsked) {
  FakeServer first([&](FakeServer &s, size_t, const Question &q) { answer(s, q); });
  std::atomic<size_t> late = 0;
  FakeServer second([&](FakeServer &s, size_t, const Question &q) {
    ++late;
    answer(s, q);
  });
  expect_right(ask(options_for(first.endpoint() + "," + second.endpoint()), names(200)), 200);
  EXPECT_LT(late, 100u) << "none, unless the machine is very busy";
}

// ---- nobody

void expect_nobody(const std::vector<Answered> &got, unsigned n, const std::string &why) {
  const std::regex asked(why), not_asked("not asked, as nobody answers: " + why);
  ASSERT_EQ(got.size(), n);
  for (unsigned i = 0; i < n; ++i) {
    ASSERT_EQ(got[i].answer.verdict, QV_TEMPORARY);
    ASSERT_EQ(got[i].answer.reason, 0u);
    ASSERT_TRUE(std::regex_match(got[i].answer.why, i < 64 ? asked : not_asked)) << i << got[i].answer.why;
  }
}

TEST(VrfyDaemon, ManyAreNotWaitedForWhereNobodyListens) {
  const std::string refusing = "127.0.0.1:" + std::to_string(unused_port());
  EXPECT_LT(seconds_of([&] {
              expect_nobody(ask(options_for(refusing + ",/nonexistent/socket"), names(5000)), 5000,
                            refusing + ": connection refused; /nonexistent/socket: No such file or directory");
            }),
            20);
}

TEST(VrfyDaemon, ManyAreNotWaitedForWhereNoAnswerCounts) {
  FakeServer plain([](FakeServer &s, size_t, const Question &q) { s.say(q, "\xa0joe"); });
  EXPECT_LT(seconds_of([&] {
              expect_nobody(ask(options_for("STRICT," + plain.endpoint()), names(5000)), 5000,
                            plain.endpoint() + ": no answer in [5-9]\\.. s, plain answer ignored \\(STRICT\\)");
            }),
            20);
  EXPECT_LE(plain.questions().size(), 4 * 64u) << "the first ones, and three times more";
}

TEST(VrfyDaemon, AServerThatCannotBeAskedIsNamed) {
  testing::internal::CaptureStderr();
  const auto got = ask(options_for("host.example"), {"a", "b"});
  testing::internal::GetCapturedStderr();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].answer.why.find("not asked: \"host.example\": "), 0u) << got[1].answer.why;
}

TEST(VrfyDaemon, ADaemonThatIsStartedAnewIsWaitedFor) {
  const uint16_t port = unused_port();
  const auto handler = [](FakeServer &s, size_t, const Question &q) { answer(s, q); };
  auto server = std::make_unique<FakeServer>(handler, port);
  const auto asker = vrfy_daemon(options_for("127.0.0.1:" + std::to_string(port)));
  unsigned next = 0;
  std::vector<Answered> got;
  std::thread later;
  asker->ask(
      [&](std::string &address) {
        if (next == 100) {
          server.reset();
          later = std::thread([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(600));  // the time in which it is down
            server = std::make_unique<FakeServer>(handler, port);
          });
        }
        address = "u" + std::to_string(next) + "@example.org";
        return next++ < 300;
      },
      [&](const std::string &address, const vrfy_answer &a) { got.push_back({address, a}); });
  later.join();
  expect_right(got, 300);
}

// ---- 1.32

TEST(VrfyDaemon, PlainAnswersAreAskedForOneByOne) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) {
    const bool valid = std::stoul(q.address().substr(1)) % 3;
    s.say(q, static_cast<char>(valid ? VALID : INVALID) + q.address());
  });
  const auto got = ask(options_for(server.endpoint()), names(200));
  expect_right(got, 200, 0);
  EXPECT_EQ(got[1].answer.position, 10u);
  std::map<in_port_t, std::set<std::string>> by_port;
  for (const Question &q : server.questions()) by_port[q.port()].insert(q.address());
  EXPECT_GT(by_port.size(), 100u) << "from sockets of their own; the kernel may give a port twice";
}

TEST(VrfyDaemon, APlainAnswerDoesNotCountBehindAnExtendedOne) {
  FakeServer server([](FakeServer &s, size_t number, const Question &q) {
    if (number > 0) s.say(q, "\xe1mallory");
    answer(s, q);
  });
  const auto asker = vrfy_daemon(options_for(server.endpoint()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(asker->ask("u1@example.org").reason, static_cast<unsigned>(QV_REASON_DOTQMAIL));
}

// ---- UNIX sockets

TEST(VrfyDaemon, OneConnectionForAll) {
  const TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), [](FakeUnixServer &s, size_t, const Question &q) { answer(s, q); });
  expect_right(ask(options_for(folder.path("s")), names(2000)), 2000);
  EXPECT_EQ(server.connections().first, 1u);
  EXPECT_EQ(server.questions().size(), 2000u) << "nothing is lost there, and nothing sent twice";
}

TEST(VrfyDaemon, AConnectionThatEndsIsMadeAnew) {
  const TemporaryFolder folder;
  FakeUnixServer server(folder.path("s"), [](FakeUnixServer &s, size_t number, const Question &q) {
    if (number % 100 == 99) return s.hang_up(q);
    answer(s, q);
  });
  EXPECT_LT(seconds_of([&] { expect_right(ask(options_for(folder.path("s")), names(1000)), 1000); }), 20);
  EXPECT_GT(server.connections().first, 5u);
}

// ---- a source that waits

TEST(VrfyDaemon, AnswersAreHandedOutBeforeTheNextAddressIsWaitedFor) {
  FakeServer server([](FakeServer &s, size_t, const Question &q) { answer(s, q); });
  const auto asker = vrfy_daemon(options_for(server.endpoint()));
  unsigned asked = 0, answered = 0;
  asker->ready_when([] { return false; });
  asker->ask(
      [&](std::string &address) {
        EXPECT_EQ(asked, answered);
        address = "u1@example.org";
        return asked++ < 5;
      },
      [&](const std::string &, const vrfy_answer &) { ++answered; });
  EXPECT_EQ(answered, 5u);
}

}  // namespace
