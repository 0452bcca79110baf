// local_test.cpp - connections to a UNIX socket: questions and answers, and peers
// that do not play by the rules.

#include "daemon/local.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "qmail-verify.h"
#include "qmail/fd.h"

namespace {

struct heard {
  uint64_t ticket;
  uid_t uid;
  std::string text;
};

class LocalConnections : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/local_test.XXXXXX";
    ASSERT_TRUE(mkdtemp(name));
    dir = name;
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, (dir + "/s").c_str());
    listener.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0) << strerror(errno);
    ASSERT_EQ(listen(listener.get(), 1024), 0);
    ASSERT_TRUE(local->listen_to(listener.get()));
  }
  void TearDown() override {
    local.reset();
    std::filesystem::remove_all(dir);
  }

  unique_fd connected() const {
    unique_fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), 0) << strerror(errno);
    return fd;
  }
  // As connected, but with a place already: others cannot come before it.
  unique_fd taken() {
    unique_fd fd = connected();
    serve();
    return fd;
  }
  bool busy() const {
    pollfd p{local->fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  void serve() {
    for (int n = 0; n < 1000 && busy(); ++n) local->serve(now, ask);
    EXPECT_FALSE(busy()) << "it is never done";
  }
  static void say(const unique_fd &fd, std::string_view text) {
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size())) << strerror(errno);
  }
  // What there is to read: "-" nothing yet, "." the end.
  static std::string hear(const unique_fd &fd) {
    char buf[4096];
    const ssize_t n = recv(fd.get(), buf, sizeof buf, MSG_DONTWAIT);
    if (n == -1) return errno == EAGAIN ? "-" : strerror(errno);
    return n ? std::string(buf, static_cast<size_t>(n)) : ".";
  }
  void answer(const heard &q, std::string_view text) { local->answer(q.ticket, text.data(), text.size()); }

  std::string dir;
  sockaddr_un address{};
  unique_fd listener;
  long long now = 0;
  std::vector<std::string> notes;
  std::vector<heard> questions;
  local_connections::question ask = [this](uint64_t ticket, uid_t uid, const char *bytes, size_t len) {
    questions.push_back({ticket, uid, std::string(bytes, len)});
  };
  std::unique_ptr<local_connections> local =
      std::make_unique<local_connections>([this](const std::string &sentence) { notes.push_back(sentence); });
};

// Soft limit of descriptors, as long as it lives.
class descriptors {
 public:
  explicit descriptors(rlim_t n) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    now.rlim_cur = n;
    enough = n <= now.rlim_max && setrlimit(RLIMIT_NOFILE, &now) == 0;
  }
  ~descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  bool enough;

 private:
  rlimit before_;
};

}  // namespace

TEST_F(LocalConnections, AQuestionAndItsAnswer) {
  const unique_fd peer = connected();
  say(peer, std::string("joe@example.org\0", 16));
  serve();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].text, std::string("joe@example.org\0", 16));
  EXPECT_EQ(questions[0].uid, geteuid());
  EXPECT_EQ(hear(peer), "-");
  answer(questions[0], "yes");
  EXPECT_EQ(hear(peer), "yes");
  EXPECT_EQ(local->count(), 1u);
  EXPECT_TRUE(notes.empty());
}

TEST_F(LocalConnections, AnAnswerMayBeGivenAtOnce) {
  const unique_fd peer = connected();
  ask = [this](uint64_t ticket, uid_t, const char *bytes, size_t len) { local->answer(ticket, bytes, len); };
  say(peer, "one");
  say(peer, "two");
  serve();
  EXPECT_EQ(hear(peer), "one");
  EXPECT_EQ(hear(peer), "two");
}

TEST_F(LocalConnections, EachAnswerFindsItsWay) {
  std::vector<unique_fd> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(taken());
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 20; ++i) say(peers[static_cast<size_t>(i)], std::to_string(i) + "." + std::to_string(round));
  serve();
  ASSERT_EQ(questions.size(), 60u);
  std::set<uint64_t> tickets;
  for (auto q = questions.rbegin(); q != questions.rend(); ++q) {
    tickets.insert(q->ticket);
    answer(*q, q->text);
  }
  EXPECT_EQ(tickets.size(), 60u);
  for (int i = 0; i < 20; ++i)
    for (int round = 2; round >= 0; --round)
      EXPECT_EQ(hear(peers[static_cast<size_t>(i)]), std::to_string(i) + "." + std::to_string(round));
}

TEST_F(LocalConnections, AnAnswerForOneWhoIsGoneReachesNobodyElse) {
  unique_fd peer = connected();
  say(peer, "who");
  serve();
  const heard old = questions.at(0);
  peer.reset();
  serve();
  EXPECT_EQ(local->count(), 0u);
  answer(old, "late");
  const unique_fd next = connected();  // in the same place
  say(next, "me");
  serve();
  answer(old, "late");
  EXPECT_EQ(hear(next), "-");
  EXPECT_NE(questions.at(1).ticket, old.ticket);
  answer(questions[1], "you");
  EXPECT_EQ(hear(next), "you");
  local->answer(0, "x", 1);
  local->answer(~0ull, "x", 1);
  EXPECT_EQ(hear(next), "-");
}

TEST_F(LocalConnections, PeersThatEndTheirSideAreGone) {
  for (int how : {SHUT_WR, SHUT_RDWR}) {
    const unique_fd peer = taken();
    EXPECT_EQ(local->count(), 1u);
    shutdown(peer.get(), how);
    serve();
    EXPECT_EQ(local->count(), 0u) << how;
    EXPECT_EQ(hear(peer), ".");
  }
}

TEST_F(LocalConnections, WhatWasAskedBeforeOneSideEndedIsHeard) {
  const unique_fd peer = connected();
  say(peer, "");
  say(peer, "last");
  shutdown(peer.get(), SHUT_WR);
  serve();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].text, "last");
  EXPECT_EQ(local->count(), 0u);
}

TEST_F(LocalConnections, NobodyIsAskedForWhoIsGoneAlready) {
  const unique_fd others = taken();
  for (int i = 0; i < 100; ++i) say(connected(), "gone");
  serve();
  EXPECT_EQ(local->count(), 1u);
  EXPECT_TRUE(questions.empty());
}

TEST_F(LocalConnections, AKilledPeerIsGone) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    const unique_fd fd = connected();
    say(fd, "x");
    if (write(ready[1], "", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  serve();
  EXPECT_EQ(local->count(), 1u);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  serve();
  EXPECT_EQ(local->count(), 0u);
  answer(questions.at(0), "x");
  close(ready[0]);
  close(ready[1]);
}

TEST_F(LocalConnections, EmptyMessagesAreIgnored) {
  const unique_fd peer = connected();
  for (int i = 0; i < 100; ++i) say(peer, "");
  say(peer, "then");
  serve();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].text, "then");
  EXPECT_EQ(local->count(), 1u);
}

TEST_F(LocalConnections, LongMessages) {
  const unique_fd peer = connected();
  const std::string longest(QV_QUESTION_MAX, 'a');
  say(peer, longest);
  serve();
  for (int i = 0; i < 3; ++i) say(peer, longest + "b");
  serve();
  say(peer, "short");
  serve();
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].text, longest);
  EXPECT_EQ(questions[1].text, "short");
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "a question of 65537 bytes from uid " + std::to_string(geteuid()) +
                          " was ignored: it may have 65536");
  now = LOCAL_NOTE_MS;
  say(peer, longest + "b");
  serve();
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[1].find("(and 2 times since this was last said)"), std::string::npos) << notes[1];
}

TEST_F(LocalConnections, WhoDoesNotReadIsClosedAndOthersAreServed) {
  const unique_fd deaf = taken(), peer = taken();
  int sent = 0;
  for (; local->count() == 2 && sent < 100000; ++sent) {
    if (send(deaf.get(), "q", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1) break;
    serve();
    answer(questions.back(), std::string(100, 'x'));
  }
  EXPECT_EQ(local->count(), 1u);
  EXPECT_GT(sent, 20);
  say(peer, "here");
  serve();
  answer(questions.back(), "fine");
  EXPECT_EQ(hear(peer), "fine");
  while (hear(deaf).size() == 100) --sent;
  EXPECT_EQ(hear(deaf), ".");
}

TEST_F(LocalConnections, OneCallDoesNotServeOnePeerAlone) {
  const unique_fd loud = taken(), quiet = taken();
  for (int i = 0; i < 100; ++i) say(loud, "loud");
  say(quiet, "quiet");
  local->serve(now, ask);
  EXPECT_LT(questions.size(), 50u);
  EXPECT_TRUE(std::any_of(questions.begin(), questions.end(), [](const heard &q) { return q.text == "quiet"; }));
  EXPECT_TRUE(busy());
  serve();
  EXPECT_EQ(questions.size(), 101u);
}

TEST_F(LocalConnections, OneUidHasHalfOfThePlaces) {
  const descriptors room(4 * LOCAL_MAX);
  if (!room.enough) GTEST_SKIP() << "needs " << 4 * LOCAL_MAX << " descriptors";
  std::vector<unique_fd> peers;
  for (unsigned i = 0; i < LOCAL_UID_MAX; ++i) peers.push_back(taken());
  EXPECT_EQ(local->count(), LOCAL_UID_MAX);
  EXPECT_TRUE(notes.empty());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(hear(taken()), ".");
  EXPECT_EQ(local->count(), LOCAL_UID_MAX);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "uid " + std::to_string(geteuid()) + " has 512 connections to the UNIX socket: one more was not taken");
  peers.pop_back();
  serve();
  const unique_fd again = taken();
  EXPECT_EQ(hear(again), "-");
  now = LOCAL_NOTE_MS;
  taken();
  EXPECT_EQ(notes.size(), 2u);
}

TEST_F(LocalConnections, AllUidsTogether) {
  const descriptors room(4 * LOCAL_MAX);
  if (!room.enough || geteuid() != 0) GTEST_SKIP() << "needs root and " << 4 * LOCAL_MAX << " descriptors";
  chmod(dir.c_str(), 0711);
  chmod(address.sun_path, 0666);
  std::vector<unique_fd> peers;
  for (uid_t uid : {60001, 60002, 0}) {
    ASSERT_EQ(seteuid(uid), 0);
    for (unsigned i = 0; i < LOCAL_UID_MAX; ++i) peers.push_back(connected());
    ASSERT_EQ(seteuid(0), 0);
    serve();
  }
  EXPECT_EQ(local->count(), LOCAL_MAX);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "there are 1024 connections to the UNIX socket: one of uid 0 was not taken");
  EXPECT_EQ(hear(peers.back()), ".");
  say(peers[0], "still");
  serve();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].uid, 60001u);
}

TEST_F(LocalConnections, WithoutDescriptorsTheyWait) {
  const unique_fd peer = connected(), more = connected();
  const int last = dup(0);
  close(last);
  {
    const descriptors none(static_cast<rlim_t>(last));
    serve();  // it does not spin
    EXPECT_EQ(local->count(), 0u);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_EQ(notes[0], "no descriptor or memory for one more connection to the UNIX socket: Too many open files");
    now += LOCAL_PAUSE_MS;
    local->expire(now);
    serve();
    EXPECT_EQ(notes.size(), 1u);
  }
  EXPECT_EQ(hear(peer), "-");
  local->expire(now + LOCAL_PAUSE_MS - 1);
  EXPECT_FALSE(busy());
  now += LOCAL_PAUSE_MS;
  local->expire(now);
  say(peer, "patient");
  serve();
  EXPECT_EQ(local->count(), 2u);
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].text, "patient");
}

TEST_F(LocalConnections, IdleConnectionsAreClosed) {
  const unique_fd idle = taken(), asks = taken(), hears = taken(), empty = taken();
  say(hears, "slow");
  serve();
  now = LOCAL_IDLE_MS - 1;
  local->expire(now);
  EXPECT_EQ(local->count(), 4u);
  say(asks, "x");
  say(empty, "");
  serve();
  answer(questions.at(0), "at last");
  now = LOCAL_IDLE_MS;
  local->expire(now);
  EXPECT_EQ(local->count(), 2u);
  EXPECT_EQ(hear(idle), ".");
  EXPECT_EQ(hear(empty), ".");
  EXPECT_EQ(hear(asks), "-");
  EXPECT_EQ(hear(hears), "at last");
  now = 2 * LOCAL_IDLE_MS;
  local->expire(now);
  EXPECT_EQ(local->count(), 0u);
}

TEST_F(LocalConnections, AForkedProcessHoldsNothing) {
  const unique_fd peer = taken();
  int go[2], abandoned[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(abandoned), 0);
  char byte = 0;
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {  // lives on with copies of all descriptors, then gives them up
    if (read(go[0], &byte, 1) != 1) _exit(1);
    local.reset();
    _exit(write(abandoned[1], "", 1) == 1 ? 0 : 1);
  }
  const unique_fd second = taken();
  local->expire(LOCAL_IDLE_MS);  // what the child still has open is closed all the same
  EXPECT_EQ(hear(peer), ".");
  EXPECT_FALSE(busy());
  const unique_fd third = taken();
  EXPECT_EQ(write(go[1], "", 1), 1);
  EXPECT_EQ(read(abandoned[0], &byte, 1), 1);
  int status;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  say(third, "still here");
  serve();
  EXPECT_EQ(questions.size(), 1u);
  for (int fd : {go[0], go[1], abandoned[0], abandoned[1]}) close(fd);
}

TEST_F(LocalConnections, AForkedProcessEndsNoConnection) {
  const unique_fd peer = taken();
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    local.reset();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  say(peer, "here");
  serve();
  ASSERT_EQ(questions.size(), 1u);
  answer(questions[0], "yes");
  EXPECT_EQ(hear(peer), "yes");
}

TEST_F(LocalConnections, TheEndIsSeenByThePeers) {
  const unique_fd peer = taken();
  local = std::make_unique<local_connections>([](const std::string &) {});
  EXPECT_EQ(hear(peer), ".");
}

TEST_F(LocalConnections, ThousandsOfConnectsLeaveNothing) {
  for (int i = 0; i < 3000; ++i) {
    const unique_fd fd = connected();
    if (i % 3 == 0) shutdown(fd.get(), SHUT_WR);
    if (i % 2 == 0) local->serve(now, ask);
  }
  serve();
  EXPECT_EQ(local->count(), 0u);
}
