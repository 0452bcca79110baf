// query_skt and its parts, on loopback UDP and on a pair of Unix sockets.

#include "sockbits.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <cerrno>

#include "fakeserver.h"
#include "udpbits.h"

using namespace std::string_literals;

namespace {

int connect_to(uint16_t port) {
  udp_endpoint ep;
  std::string text = ":" + std::to_string(port);
  EXPECT_EQ(udp_parse(text.data(), text.size(), "127.0.0.1", 1, &ep, nullptr), 0);
  return connect_udp(&ep);
}

ssize_t ask(int fd, char *buf, size_t max, int ms) {
  return query_skt(fd, "ping", 4, buf, max, ms);
}

TEST(QuerySkt, AsksAndHears) {
  FakeServer server(always("pong"));
  int fd = connect_to(server.port());
  char buf[16];
  EXPECT_EQ(ask(fd, buf, sizeof buf, 5000), 4);
  EXPECT_EQ(std::string(buf, 4), "pong");
  EXPECT_EQ(ask(fd, buf, 2, 5000), 2) << "at most max bytes";
  EXPECT_EQ(server.questions()[0].text, "ping");
  close(fd);
}

TEST(QuerySkt, AnEmptyAnswerIsAnAnswer) {
  FakeServer server(always(""));
  int fd = connect_to(server.port());
  char buf[16];
  EXPECT_EQ(ask(fd, buf, sizeof buf, 5000), 0);
  close(fd);
}

TEST(QuerySkt, SilenceTimesOut) {
  FakeServer server(silent());
  int fd = connect_to(server.port());
  char buf[16];
  Stopwatch watch;
  errno = 0;
  EXPECT_EQ(ask(fd, buf, sizeof buf, 100), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_GE(watch.ms(), 100);
  close(fd);
}

TEST(QuerySkt, ZeroAndLessDoNotWait) {
  FakeServer server(silent());
  int fd = connect_to(server.port());
  char buf[16];
  for (int ms : {0, -1}) {
    EXPECT_EQ(ask(fd, buf, sizeof buf, ms), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
  }
  close(fd);
}

TEST(QuerySkt, RefusedAndListeningAgain) {
  uint16_t port = unused_port();
  int fd = connect_to(port);
  char buf[16];
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(fd, buf, sizeof buf, 5000), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
  }
  sockbits_send(fd, "x", 1);  // leaves an error behind
  FakeServer server(always("pong"), port);
  EXPECT_EQ(ask(fd, buf, sizeof buf, 5000), 4) << "an old error is not this question's";
  close(fd);
}

TEST(QuerySkt, BadDescriptor) {
  char buf[16];
  EXPECT_EQ(ask(-1, buf, sizeof buf, 100), -1);
  EXPECT_EQ(errno, EBADF);
}

void nothing(int) {}

TEST(QuerySkt, SignalsDoNotMoveTheDeadline) {
  struct sigaction act {}, old {};
  act.sa_handler = nothing;
  sigaction(SIGALRM, &act, &old);
  itimerval often{{0, 5000}, {0, 5000}}, never{}, was{};
  setitimer(ITIMER_REAL, &often, &was);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  char buf[16];
  Stopwatch watch;
  EXPECT_EQ(ask(pair[0], buf, sizeof buf, 200), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &old, nullptr);
  EXPECT_GE(watch.ms(), 200);
  EXPECT_LT(watch.ms(), 3000);
  close(pair[0]);
  close(pair[1]);
}

TEST(QuerySkt, WaitsForRoomToSend) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  while (sockbits_send(pair[0], "x", 1) == 0) {
  }
  ASSERT_EQ(errno, EAGAIN);
  char buf[16];
  EXPECT_EQ(ask(pair[0], buf, sizeof buf, 50), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  std::thread reader([fd = pair[1]] {
    char b[16];
    ssize_t n;
    do n = recv(fd, b, sizeof b, 0);
    while (n == 1);
    if (n == 4) send(fd, "pong", 4, 0);
  });
  EXPECT_EQ(ask(pair[0], buf, sizeof buf, 5000), 4);
  reader.join();
  close(pair[0]);
  close(pair[1]);
}

TEST(SockbitsWait, LooksOnceAfterTheDeadline) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  pollfd p{pair[0], POLLIN, 0};
  EXPECT_EQ(sockbits_wait(&p, 1, sockbits_now_ms() - 1000), 0);
  ASSERT_EQ(send(pair[1], "x", 1, 0), 1);
  EXPECT_EQ(sockbits_wait(&p, 1, sockbits_now_ms() - 1000), 1);
  char c;
  EXPECT_EQ(sockbits_hear(pair[0], &c, 1), 1);
  EXPECT_EQ(sockbits_hear(pair[0], &c, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(pair[0]);
  close(pair[1]);
}

}  // namespace
