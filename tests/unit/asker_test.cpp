// asker: questions to servers on loopback, on a clock that the test sets.

#include "hub/asker.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "fakeserver.h"
#include "hub/health.h"
#include "sockbits.h"
#include "udpbits.h"

namespace {

// A server that says nothing by itself: the test takes questions and answers them.
class Store {
 public:
  Store() : Store(free_socket()) {}
  explicit Store(std::pair<int, uint16_t> s) : fd_(s.first), port_(s.second) {}
  Store(const Store &) = delete;
  ~Store() { end(); }
  void end() {
    if (fd_ != -1) close(fd_);
    fd_ = -1;
  }
  void again() { fd_ = loopback_socket(port_); }
  std::string at() const { return "127.0.0.1:" + std::to_string(port_); }

  // The next question, if one has come.
  std::optional<Question> take() {
    char buf[65536];
    Question q{};
    q.from_len = sizeof q.from;
    const ssize_t n = recvfrom(fd_, buf, sizeof buf, MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&q.from), &q.from_len);
    if (n == -1) return {};
    q.text.assign(buf, static_cast<size_t>(n));
    return q;
  }
  size_t pending() {
    size_t n = 0;
    while (take()) ++n;
    return n;
  }
  void say(const Question &to, std::string_view bytes) { FakeServer::say_from(fd_, to, bytes); }
  void valid(const Question &to, std::string_view user = "joe") { say(to, extended(to.nonce(), 0xa0, QV_REASON_DOTQMAIL, user)); }
  void invalid(const Question &to) { say(to, extended(to.nonce(), 0xe1, QV_REASON_NO_MAILBOX)); }
  void cannot_tell(const Question &to) { say(to, extended(to.nonce(), 0x32, QV_REASON_CDB_TROUBLE)); }

 private:
  int fd_;
  uint16_t port_;
};

class Asker : public ::testing::Test {
 protected:
  void begin(const std::string &verifyroutes, const std::string &verifykeys = "", size_t keep = 0, const hub_manner &manner = {}) {
    std::vector<std::string> complaints;
    const std::string none;
    routes_ = routes_table(verifyroutes, &none, 0, complaints);
    if (!verifykeys.empty()) keys_ = keys_table(verifykeys, complaints);
    EXPECT_TRUE(complaints.empty()) << complaints.front();
    if (keep) {
      store_ = kept::make(keep);
      store_->set(limits_settings());
    }
    asker_.emplace(
        routes_, keys_, store_.get(), [&](uint64_t waiter, const hub_answer &a) { answers_[waiter] = a; },
        [&](const std::string &sentence) { notes_.push_back(sentence); }, [&](hub_event what) { ++events_[what]; }, manner);
  }
  void ask(uint64_t waiter, const std::string &address, unsigned hop = 0) {
    hub_question q;
    q.address = address;
    q.hop = hop;
    q.from = "192.0.2.9:40000";
    asker_->ask(waiter, q, now_);
    asker_->tick(now_);
  }
  // Time goes by; what has come is taken.
  void pass(long long ms) {
    now_ += ms;
    serve();
    asker_->tick(now_);
  }
  void serve() {
    for (int i = 0; i < 3; ++i) asker_->serve(now_);
    asker_->tick(now_);
  }
  bool answered(uint64_t waiter) const { return answers_.contains(waiter); }
  hub_answer answer(uint64_t waiter) { return answers_.contains(waiter) ? answers_[waiter] : hub_answer{QV_REMOTE, 9999, 0, "no answer yet", ""}; }
  // A question and its valid answer: from then on the server is known.
  void meet(Store &store, const std::string &address, uint64_t waiter) {
    ask(waiter, address);
    const auto q = store.take();
    ASSERT_TRUE(q);
    store.valid(*q);
    serve();
    ASSERT_TRUE(answered(waiter));
  }

  long long now_ = 1000000;
  routes_table routes_;
  keys_table keys_;
  std::unique_ptr<kept> store_;
  std::map<uint64_t, hub_answer> answers_;
  std::vector<std::string> notes_;
  std::map<hub_event, int> events_;
  std::optional<hub_asker> asker_;
};

}  // namespace

TEST_F(Asker, HandsTheQuestionOnAndTheAnswerBack) {
  Store store;
  begin("example.org:" + store.at());
  hub_question q;
  const unsigned char client[] = {192, 0, 2, 77};
  q.address = "joe@Example.org";
  q.sender = "a@b";
  q.sender_len = 3;
  q.client = client;
  q.client_len = 4;
  asker_->ask(7, q, now_);
  asker_->tick(now_);
  const auto question = store.take();
  ASSERT_TRUE(question);
  const packet_question read = question->read();
  EXPECT_EQ(question->address(), "joe@Example.org");
  EXPECT_TRUE(read.extended);
  EXPECT_EQ(std::string(read.sender, read.sender_len), "a@b");
  EXPECT_EQ(read.client_len, 4U);
  EXPECT_EQ(read.hop, 1U);
  store.say(*question, extended(question->nonce(), 0xa0, QV_REASON_DOTQMAIL, "joe-user"));
  serve();
  EXPECT_EQ(answer(7).verdict, QV_VALID);
  EXPECT_EQ(answer(7).reason, unsigned{QV_REASON_DOTQMAIL});
  EXPECT_EQ(answer(7).position, 10U);
  EXPECT_EQ(answer(7).user, "joe-user");
  EXPECT_EQ(answer(7).about, store.at());
  EXPECT_EQ(asker_->flights(), 0U);
}

TEST_F(Asker, EveryVerdictComesBackAsItIs) {
  Store store;
  begin(":" + store.at());
  const std::pair<unsigned, qv_reason> kinds[] = {{0xe1, QV_REASON_NO_MAILBOX}, {0x10, QV_REASON_REMOTE}, {0xa0, QV_REASON_PROGRAM}};
  uint64_t n = 0;
  for (const auto &[status, reason] : kinds) {
    ++n;
    ask(n, "a" + std::to_string(n) + "@example.org");
    const auto q = store.take();
    ASSERT_TRUE(q);
    store.say(*q, extended(q->nonce(), static_cast<unsigned char>(status), reason));
    serve();
    EXPECT_EQ(answer(n).verdict, qv_reason_verdict(reason));
    EXPECT_EQ(answer(n).reason, unsigned{reason});
  }
}

TEST_F(Asker, AReasonOfANewerBuildCountsAsItsStatusSays) {
  Store store;
  begin(":" + store.at());
  const std::pair<unsigned, qv_verdict> kinds[] = {{0xe1, QV_INVALID}, {0xa0, QV_UNKNOWN}};
  for (const auto &[status, verdict] : kinds) {
    ask(status, std::to_string(status) + "@example.org");
    const auto q = store.take();
    ASSERT_TRUE(q);
    store.say(*q, extended(q->nonce(), static_cast<unsigned char>(status), 4711));
    serve();
    EXPECT_EQ(answer(status).verdict, verdict);
    EXPECT_EQ(answer(status).reason, 4711U);
  }
}

TEST_F(Asker, AnAnswerThatContradictsItselfIsNone) {
  Store store;
  begin(":" + store.at());
  ask(1, "a@example.org");
  const auto q = store.take();
  store.say(*q, extended(q->nonce(), 0xe1, QV_REASON_DOTQMAIL));
  store.say(*q, extended(q->nonce(), 0xa0, QV_REASON_NO_MAILBOX));
  serve();
  EXPECT_FALSE(answered(1));
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_VALID);
}

TEST_F(Asker, AnAnswerWithAnotherNonceIsNotListenedTo) {
  Store store;
  begin(":" + store.at());
  meet(store, "first@example.org", 1);
  ask(2, "a@example.org");
  const auto q = store.take();
  store.say(*q, extended(std::string(QV_NONCE_SIZE, 'x'), 0xe1, QV_REASON_NO_MAILBOX));
  store.say(*q, std::string("\xe1") + "joe");  // plain, from a server that is known to be none of that kind
  store.say(*q, "");
  serve();
  EXPECT_FALSE(answered(2));
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(2).verdict, QV_VALID);
  EXPECT_EQ(events_[hub_event::ignored], 3);
}

TEST_F(Asker, TheNextServerIsAskedWhenOneIsSilent) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  const bool a_first = a.take().has_value();
  EXPECT_EQ(b.take().has_value(), !a_first);
  Store &second = a_first ? b : a;
  pass(HUB_TRY_MS - 1);
  EXPECT_FALSE(second.take());
  pass(1);
  const auto q = second.take();
  ASSERT_TRUE(q);
  second.invalid(*q);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_INVALID);
}

TEST_F(Asker, ALateAnswerStillCounts) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  auto q = a.take();
  Store &first = q ? a : b;
  if (!q) q = b.take();
  pass(HUB_TRY_MS);
  pass(HUB_TRY_MS);
  first.valid(*q);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_VALID);
}

TEST_F(Asker, TheNextServerIsAskedAtOnceWhereOneCannotTell) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  auto q = a.take();
  Store &first = q ? a : b, &second = q ? b : a;
  if (!q) q = b.take();
  first.cannot_tell(*q);
  serve();
  const auto other = second.take();
  ASSERT_TRUE(other);
  EXPECT_FALSE(answered(1));
  second.cannot_tell(*other);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_TEMPORARY);
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_CDB_TROUBLE});
}

TEST_F(Asker, OneThatCannotTellIsNotBelievedBeforeTheOthersAreHeard) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  auto q = a.take();
  Store &first = q ? a : b, &second = q ? b : a;
  if (!q) q = b.take();
  first.cannot_tell(*q);
  serve();
  ASSERT_TRUE(second.take());
  for (long long t = 0; t < HUB_ANSWER_MS + HUB_TRY_MS && !answered(1); t += HUB_TRY_MS) pass(HUB_TRY_MS);
  EXPECT_EQ(answer(1).verdict, QV_TEMPORARY);
  EXPECT_EQ(first.pending(), 0U);
}

TEST_F(Asker, SilenceIsTemporaryAndInTime) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "joe@example.org");
  const long long begun = now_;
  while (!answered(1) && now_ - begun < 5000) pass(50);
  EXPECT_EQ(now_ - begun, HUB_ANSWER_MS);
  EXPECT_EQ(answer(1).verdict, QV_TEMPORARY);
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_SERVER_SILENT});
  EXPECT_EQ(answer(1).about, store.at());
  EXPECT_EQ(store.pending(), static_cast<size_t>(HUB_ANSWER_MS / HUB_TRY_MS));
}

TEST_F(Asker, ATryThatBeginsALittleLateIsMadeAllTheSame) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "joe@example.org");
  const long long begun = now_;
  while (!answered(1) && now_ - begun < 5000) pass(HUB_TRY_MS + 3);
  EXPECT_EQ(store.pending(), static_cast<size_t>(HUB_ANSWER_MS / HUB_TRY_MS));
  EXPECT_LT(now_ - begun, HUB_ANSWER_MS + HUB_TRY_MS / 2);
}

TEST_F(Asker, AServerThatIsSilentIsSetAsideAndTriedNowAndThen) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "joe@example.org");
  for (int i = 0; i < 40 && !answered(1); ++i) pass(50);
  ASSERT_TRUE(answered(1));
  ASSERT_EQ(notes_.size(), 1U);
  EXPECT_NE(notes_[0].find(store.at() + " does not answer: set aside"), std::string::npos) << notes_[0];
  store.pending();

  ask(2, "two@example.org");  // this one tries it
  EXPECT_EQ(store.pending(), 1U);
  EXPECT_FALSE(answered(2));
  ask(3, "three@example.org");  // others are told at once
  EXPECT_EQ(answer(3).reason, unsigned{QV_REASON_SERVER_SILENT});
  EXPECT_EQ(store.pending(), 0U);

  pass(HEALTH_PROBE_MS);
  ask(4, "four@example.org");
  std::optional<Question> q;
  while (auto next = store.take()) q = next;
  ASSERT_TRUE(q);
  store.valid(*q);
  serve();
  ASSERT_EQ(notes_.size(), 2U);
  EXPECT_NE(notes_[1].find(store.at() + " answers again"), std::string::npos) << notes_[1];
  ask(5, "five@example.org");
  EXPECT_EQ(store.pending(), 1U);
}

TEST_F(Asker, OneThatAnswersOthersIsNotSetAsideForOneAddress) {
  Store store;
  begin("example.org:" + store.at());
  meet(store, "first@example.org", 1);
  ask(2, "silent@example.org");
  for (uint64_t n = 10; n < 50; ++n) {
    ask(n, std::to_string(n) + "@example.org");
    while (const auto q = store.take())
      if (q->address() != "silent@example.org") store.valid(*q);
    pass(100);
  }
  EXPECT_TRUE(notes_.empty()) << notes_.front();
  EXPECT_EQ(answer(2).reason, unsigned{QV_REASON_SERVER_SILENT});
  EXPECT_EQ(answer(49).verdict, QV_VALID);
}

TEST_F(Asker, OneThatIsSetAsideIsPassedOverAsLongAsAnotherAnswers) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  const bool a_first = a.pending() == 1;
  Store &dead = a_first ? a : b, &alive = a_first ? b : a;
  uint64_t n = 1;
  for (int i = 0; i < 60; ++i) {
    while (const auto q = alive.take()) alive.valid(*q);
    pass(50);
    ++n;
    ask(n, std::to_string(n) + "@example.org");
  }
  ASSERT_EQ(notes_.size(), 1U);
  dead.pending();
  alive.pending();
  now_ += 10;
  int asked = 0;
  for (int i = 0; i < 100; ++i) {
    ++n;
    ask(n, std::to_string(n) + "@example.org");
    asked += static_cast<int>(alive.pending());
    now_ += 1;
  }
  EXPECT_EQ(asked, 100);
  EXPECT_LE(dead.pending(), 1U);
}

TEST_F(Asker, DomainsAreSpreadOverServers) {
  Store a, b;
  begin(":" + a.at() + "," + b.at());
  for (uint64_t n = 0; n < 200; ++n) ask(n, "joe@d" + std::to_string(n) + ".example");
  const size_t at_a = a.pending(), at_b = b.pending();
  EXPECT_EQ(at_a + at_b, 200U);
  EXPECT_GT(at_a, 50U);
  EXPECT_GT(at_b, 50U);
}

TEST_F(Asker, ADomainKeepsItsServer) {
  Store a, b;
  begin(":" + a.at() + "," + b.at());
  for (uint64_t n = 0; n < 20; ++n) ask(n, "u" + std::to_string(n) + (n % 2 ? "@Example.ORG" : "@example.org"));
  const size_t at_a = a.pending(), at_b = b.pending();
  EXPECT_TRUE(at_a == 20 || at_b == 20) << at_a << " " << at_b;
}

TEST_F(Asker, TheSameQuestionIsAskedOnce) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "joe@example.org");
  ask(2, "joe@example.org");
  ask(3, "other@example.org");
  const auto q = store.take();
  EXPECT_EQ(store.pending(), 1U);
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_VALID);
  EXPECT_EQ(answer(2).verdict, QV_VALID);
  EXPECT_FALSE(answered(3));
  EXPECT_EQ(events_[hub_event::shared], 1);
}

TEST_F(Asker, AnOlderServerAnswersPlainly) {
  Store store;
  begin("example.org:" + store.at());
  struct {
    unsigned char status;
    qv_verdict verdict;
    unsigned reason;
  } const kinds[] = {{0xa0, QV_VALID, QV_REASON_DOTQMAIL},   {0xc0, QV_VALID, QV_REASON_DOTQMAIL},
                     {0x90, QV_VALID, QV_REASON_DEFAULT_DELIVERY}, {0x10, QV_REMOTE, QV_REASON_REMOTE},
                     {0xe1, QV_INVALID, QV_REASON_NO_MAILBOX},     {0xc1, QV_INVALID, QV_REASON_FASTFORWARD_ABSENT},
                     {0xb0, QV_UNKNOWN, QV_REASON_PLAIN_UNSURE},   {0x30, QV_UNKNOWN, QV_REASON_PLAIN_UNSURE},
                     {0x81, QV_TEMPORARY, QV_REASON_NO_ALIAS_USER}};
  uint64_t n = 0;
  for (const auto &kind : kinds) {
    ++n;
    ask(n, std::to_string(n) + "@example.org");
    const auto q = store.take();
    ASSERT_TRUE(q);
    store.say(*q, std::string(1, static_cast<char>(kind.status)) + "joe-x");
    serve();
    EXPECT_EQ(answer(n).verdict, kind.verdict) << n;
    EXPECT_EQ(answer(n).reason, kind.reason) << n;
    EXPECT_EQ(answer(n).user, "joe-x");
  }
}

TEST_F(Asker, PlainAnswersToTwoQuestionsAreNotMistaken) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "a@example.org");
  ask(2, "b@example.org");
  const auto qa = store.take(), qb = store.take();
  ASSERT_TRUE(qa && qb);
  ASSERT_NE(qa->port(), qb->port());
  store.say(*qb, "\xe1" "b");
  serve();
  EXPECT_FALSE(answered(1));
  EXPECT_EQ(answer(2).verdict, QV_INVALID);
  store.say(*qa, "\xa0" "a");
  serve();
  EXPECT_EQ(answer(1).verdict, QV_VALID);
}

TEST_F(Asker, ThousandsAtATimeThroughOneSocket) {
  Store store;
  begin("example.org:" + store.at());
  meet(store, "first@example.org", 9999);
  std::map<in_port_t, int> ports;
  for (uint64_t n = 0; n < 2000; ++n) {
    ask(n, "u" + std::to_string(n) + "@example.org");
    if (n % 50 != 49) continue;
    while (const auto q = store.take()) {
      ++ports[q->port()];
      (q->address()[1] % 2) ? store.valid(*q, q->address()) : store.invalid(*q);
    }
    serve();
  }
  EXPECT_EQ(ports.size(), 1U);
  for (uint64_t n = 0; n < 2000; ++n) {
    const std::string address = "u" + std::to_string(n) + "@example.org";
    EXPECT_EQ(answer(n).verdict, address[1] % 2 ? QV_VALID : QV_INVALID) << n;
    if (address[1] % 2) {
      EXPECT_EQ(answer(n).user, address);
    }
  }
}

TEST_F(Asker, NoMoreQuestionsAtATimeThanThereIsRoomFor) {
  Store store;
  begin("example.org:" + store.at());
  meet(store, "first@example.org", 1);
  for (uint64_t n = 0; n < HUB_FLIGHTS_MAX + 10; ++n) ask(100 + n, std::to_string(n) + "@example.org");
  EXPECT_EQ(asker_->flights(), HUB_FLIGHTS_MAX);
  EXPECT_EQ(answer(100 + HUB_FLIGHTS_MAX).reason, unsigned{QV_REASON_RESOURCE_TROUBLE});
}

TEST_F(Asker, MoreServersThanThereMayBeSockets) {
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 4096) GTEST_SKIP() << "needs 4096 descriptors";
  const rlimit more{4096, files.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &more), 0);
  constexpr size_t SERVERS = HUB_SHARED_MAX + 100;
  std::vector<std::unique_ptr<Store>> stores;
  std::string routes;
  for (size_t n = 0; n < SERVERS; ++n) {
    stores.push_back(std::make_unique<Store>());
    routes += "d" + std::to_string(n) + ".example:" + stores.back()->at() + "\n";
  }
  begin(routes);
  const auto sockets = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = sockets();
  // the first question makes a server known, the second one is sent on its socket
  for (const char *user : {"a", "b"})
    for (size_t n = 0; n < SERVERS; ++n) {
      now_ += 1;
      const uint64_t waiter = n + (*user == 'b' ? SERVERS : 0);
      ask(waiter, user + ("@d" + std::to_string(n) + ".example"));
      const auto q = stores[n]->take();
      ASSERT_TRUE(q);
      stores[n]->valid(*q);
      serve();
      ASSERT_EQ(answer(waiter).verdict, QV_VALID) << n;
    }
  EXPECT_LE(sockets() - before, static_cast<std::ptrdiff_t>(HUB_SHARED_MAX) + 256 + 1);
  asker_.reset();
  setrlimit(RLIMIT_NOFILE, &files);
}

TEST_F(Asker, AUnixSocketIsAServerToo) {
  TemporaryFolder folder;
  FakeUnixServer store(folder.path("socket"),
                       [](FakeUnixServer &s, size_t, const Question &q) { s.say(q, extended(q.nonce(), 0xa0, QV_REASON_DOTQMAIL, "joe")); });
  begin("example.org:" + folder.path("socket"));
  ask(1, "joe@example.org");
  for (int i = 0; i < 1000 && !answered(1); ++i) {
    pollfd fd{asker_->fd(), POLLIN, 0};
    poll(&fd, 1, 10);
    serve();
  }
  EXPECT_EQ(answer(1).verdict, QV_VALID);
}

TEST_F(Asker, ASocketWhereNobodyListensIsSetAside) {
  TemporaryFolder folder;
  begin("example.org:" + folder.path("nobody"));
  uint64_t n = 0;
  for (int i = 0; i < 40; ++i) {
    ++n;
    ask(n, std::to_string(n) + "@example.org");
    pass(50);
  }
  ASSERT_EQ(notes_.size(), 1U);
  pass(HUB_ANSWER_MS);
  for (uint64_t i = 1; i < n; ++i) EXPECT_EQ(answer(i).verdict, QV_TEMPORARY) << i;
}

TEST_F(Asker, ACircleIsNoticedAndBothFilesNamed) {
  Store store;
  begin("example.org:" + store.at());
  ask(1, "joe@example.org", QV_HOPS_MAX - 1);
  EXPECT_EQ(store.pending(), 1U);
  ask(2, "joe@example.org", QV_HOPS_MAX);
  EXPECT_EQ(store.pending(), 0U);
  EXPECT_EQ(answer(2).verdict, QV_TEMPORARY);
  EXPECT_EQ(answer(2).reason, unsigned{QV_REASON_ROUTE_LOOP});
  ASSERT_EQ(notes_.size(), 1U);
  EXPECT_NE(notes_[0].find("control/verifyroutes here names " + store.at()), std::string::npos) << notes_[0];
  EXPECT_NE(notes_[0].find("control/verifyroutes of 192.0.2.9:40000"), std::string::npos) << notes_[0];
  ask(3, "jack@example.org", QV_HOPS_MAX);
  EXPECT_EQ(notes_.size(), 1U) << "said once a minute";
}

TEST_F(Asker, WithKeysThatCannotBeUsedNobodyBeyondThisHostIsAsked) {
  Store store;
  keys_ = keys_table::unusable();
  begin("far.example:192.0.2.1\nnear.example:" + store.at() + "\nboth.example:192.0.2.1," + store.at());
  ask(1, "joe@far.example");
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_SERVER_SILENT}) << "at once";
  EXPECT_EQ(events_[hub_event::sent], 0);
  meet(store, "joe@near.example", 2);
  meet(store, "joe@both.example", 3);
}

TEST_F(Asker, WhereALineNamesNoServerNobodyIsAsked) {
  std::vector<std::string> complaints;
  const std::string none;
  routes_ = routes_table("example.org:mail.example.org", &none, 0, complaints);
  ASSERT_EQ(complaints.size(), 1U);
  asker_.emplace(
      routes_, keys_, nullptr, [&](uint64_t waiter, const hub_answer &a) { answers_[waiter] = a; },
      [&](const std::string &) {}, [&](hub_event) {});
  ask(1, "joe@example.org");
  EXPECT_EQ(answer(1).verdict, QV_TEMPORARY);
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_ROUTE_TROUBLE});
  EXPECT_FALSE(answer(1).about.empty());
}

// ---- answers that are kept

TEST_F(Asker, WhatWasAnsweredIsKept) {
  Store store;
  begin("example.org:" + store.at(), "", 1024);
  meet(store, "joe@example.org", 1);
  ask(2, "joe@EXAMPLE.org");
  EXPECT_EQ(store.pending(), 0U);
  EXPECT_EQ(answer(2).verdict, QV_VALID);
  EXPECT_EQ(answer(2).user, "joe");
  EXPECT_EQ(answer(2).about, "kept");
}

TEST_F(Asker, AValidAnswerServesWhileNobodyAnswersAnInvalidOneDoesNot) {
  Store store;
  begin("example.org:" + store.at(), "", 1024);
  meet(store, "joe@example.org", 1);
  ask(2, "nobody@example.org");
  const auto q = store.take();
  store.invalid(*q);
  serve();
  ASSERT_EQ(answer(2).verdict, QV_INVALID);

  now_ += 3600 * 1000;
  ask(3, "joe@example.org");
  ask(4, "nobody@example.org");
  EXPECT_FALSE(answered(3)) << "too old where there may be an answer";
  for (int i = 0; i < 50; ++i) pass(50);
  EXPECT_EQ(answer(3).verdict, QV_VALID);
  EXPECT_EQ(answer(3).about, "stale: no server answers");
  EXPECT_EQ(answer(4).reason, unsigned{QV_REASON_SERVER_SILENT});

  now_ += 25LL * 3600 * 1000;
  ask(5, "joe@example.org");
  for (int i = 0; i < 50; ++i) pass(50);
  EXPECT_EQ(answer(5).reason, unsigned{QV_REASON_SERVER_SILENT}) << "older than a day";
}

TEST_F(Asker, AKeptAnswerServesAtOnceAlsoWhereItsQuestionTriesTheServer) {
  Store store;
  begin("example.org:" + store.at(), "", 1024);
  meet(store, "joe@example.org", 1);
  now_ += 3600 * 1000;
  for (uint64_t n = 10; n < 20; ++n) {
    ask(n, "silent" + std::to_string(n) + "@example.org");
    pass(300);
  }
  ASSERT_EQ(notes_.size(), 1U);
  pass(HUB_ANSWER_MS + HEALTH_PROBE_MS);
  store.pending();
  ask(2, "joe@example.org");
  EXPECT_EQ(answer(2).about, "stale: no server answers");
  const auto q = store.take();
  ASSERT_TRUE(q) << "the server is tried all the same";
  ask(3, "joe@example.org");
  EXPECT_EQ(answer(3).about, "stale: no server answers");
  EXPECT_EQ(events_[hub_event::stale], 2);
  store.valid(*q);
  serve();
  EXPECT_EQ(asker_->flights(), 0U);
  ask(4, "joe@example.org");
  EXPECT_EQ(answer(4).about, "kept");
}

TEST_F(Asker, AServerThatCannotTellTakesNoKeptAnswerAway) {
  Store store;
  begin("example.org:" + store.at(), "", 1024);
  meet(store, "joe@example.org", 1);
  now_ += 3600 * 1000;
  ask(2, "joe@example.org");
  const auto q = store.take();
  store.cannot_tell(*q);
  serve();
  EXPECT_EQ(answer(2).verdict, QV_TEMPORARY);
  for (int i = 0; i < 50; ++i) pass(50);
  ask(3, "joe@example.org");
  for (int i = 0; i < 50; ++i) pass(50);
  EXPECT_EQ(answer(3).verdict, QV_VALID);
}

// ---- a server that refuses its port

TEST_F(Asker, ARefusedPortIsAskedAgainUntilItIsThere) {
  Store store;
  begin("example.org:" + store.at());
  meet(store, "first@example.org", 1);
  store.end();
  ask(2, "joe@example.org");
  serve();
  EXPECT_FALSE(answered(2)) << "a restart is not noticed";
  store.again();
  pass(HUB_TRY_MS);
  const auto q = store.take();
  ASSERT_TRUE(q);
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(2).verdict, QV_VALID);
}

TEST_F(Asker, ARefusedPortSendsTheQuestionToTheNextServerAtOnce) {
  Store a, b;
  begin("example.org:" + a.at() + "," + b.at());
  ask(1, "joe@example.org");
  auto q = a.take();
  Store &first = q ? a : b, &second = q ? b : a;
  if (!q) q = b.take();
  first.valid(*q);
  serve();
  first.end();
  ask(2, "jack@example.org");
  serve();
  EXPECT_TRUE(second.take());
}

TEST(ServerHealth, IsSetAsideAfterSilenceOnlyAndTriedOnceASecond) {
  server_health h;
  long long now = 5000;
  h.sent(now);
  h.sent(now);
  h.sent(now);
  EXPECT_FALSE(h.failed(now + HEALTH_SILENT_MS - 1));
  EXPECT_TRUE(h.failed(now + HEALTH_SILENT_MS));
  EXPECT_TRUE(h.aside());
  EXPECT_FALSE(h.failed(now + HEALTH_SILENT_MS)) << "said once";
  now += HEALTH_SILENT_MS;
  EXPECT_TRUE(h.probe(now));
  EXPECT_FALSE(h.probe(now + HEALTH_PROBE_MS - 1));
  EXPECT_TRUE(h.probe(now + HEALTH_PROBE_MS));
  EXPECT_TRUE(h.heard());
  EXPECT_FALSE(h.heard());
  EXPECT_FALSE(h.probe(now + 10 * HEALTH_PROBE_MS));
}

TEST(ServerHealth, FewQuestionsAreNoSilence) {
  server_health h;
  h.sent(0);
  h.sent(0);
  EXPECT_FALSE(h.failed(100000));
  h.sent(100000);
  EXPECT_TRUE(h.failed(100000));
}

TEST_F(Asker, AskingForOneWhoIsNoDaemonTheQuestionHasNotBeenHandedOn) {
  Store store;
  hub_manner manner;
  manner.own_question = true;
  begin(":" + store.at(), "", 0, manner);
  ask(1, "joe@example.org");
  const auto q = store.take();
  ASSERT_TRUE(q);
  EXPECT_EQ(q->read().hop, 0U);
}

TEST_F(Asker, InOrderTheFirstServerIsAskedFirstWhateverTheDomain) {
  Store first, second;
  hub_manner manner;
  manner.in_order = true;
  begin(":" + first.at() + "," + second.at(), "", 0, manner);
  for (unsigned i = 0; i < 32; ++i) ask(i, "joe@example" + std::to_string(i) + ".org");
  EXPECT_EQ(first.pending(), 32U);
  EXPECT_EQ(second.pending(), 0U);
}

TEST_F(Asker, StrictTakesNoPlainAnswer) {
  Store store;
  hub_manner manner;
  manner.strict = true;
  begin(":" + store.at(), "", 0, manner);
  ask(1, "joe@example.org");
  const auto q = store.take();
  ASSERT_TRUE(q);
  store.say(*q, "\xe1");
  serve();
  EXPECT_FALSE(answered(1));
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(1).verdict, QV_VALID);
}

// Who asks one question at a time asks the one that tries the server, each time.
TEST_F(Asker, TheTimeForServersThatWereSetAsideIsTheCallers) {
  Store store;
  hub_manner manner;
  manner.answer_ms = 4500;
  manner.probe_ms = HUB_TRY_MS;
  begin(":" + store.at(), "", 0, manner);
  ask(1, "joe@example.org");
  for (int i = 0; i < 15; ++i) pass(HUB_TRY_MS);
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_SERVER_SILENT});
  ask(2, "joe@example.org");
  EXPECT_FALSE(answered(2));
  pass(HUB_TRY_MS);
  EXPECT_EQ(answer(2).reason, unsigned{QV_REASON_SERVER_SILENT});
  while (store.take()) {
  }
  pass(HEALTH_PROBE_MS);
  ask(3, "joe@example.org");
  const auto q = store.take();
  ASSERT_TRUE(q);
  store.valid(*q);
  serve();
  EXPECT_EQ(answer(3).verdict, QV_VALID);
  ask(4, "joe@example.org");
  for (int i = 0; i < 14; ++i) pass(HUB_TRY_MS);
  EXPECT_FALSE(answered(4)) << "it has answered since";
}

TEST_F(Asker, TheTimeForAllServersAndTheirPlaceAreTheCallers) {
  Store silent;
  hub_manner manner;
  manner.answer_ms = 4500;
  manner.named_in = "VERIFY";
  begin(":" + silent.at(), "", 0, manner);
  ask(1, "joe@example.org");
  for (int i = 0; i < 14; ++i) pass(HUB_TRY_MS);
  EXPECT_FALSE(answered(1));
  pass(HUB_TRY_MS);
  EXPECT_EQ(answer(1).reason, unsigned{QV_REASON_SERVER_SILENT});
  ASSERT_FALSE(notes_.empty());
  EXPECT_EQ(notes_[0].find("VERIFY: " + silent.at() + " does not answer"), 0U) << notes_[0];
}
