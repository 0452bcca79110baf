// listen_test.cpp - LISTEN: what it names, what is opened, from where answers leave,
// and what stands in the way of a UNIX socket.

#include "daemon/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <utility>
#include <vector>

#include "qmail-verify.h"

namespace {

constexpr gid_t OWN = static_cast<gid_t>(-1);

// A port that the kernel gives to nobody by itself, and nobody has now.
unsigned quiet_port() {
  static std::mt19937 random{std::random_device()()};
  for (;;) {
    const auto port = static_cast<unsigned>(10240 + random() % 21000);
    udp_endpoint ep;
    const char *why;
    const std::string text = "0.0.0.0:" + std::to_string(port);
    EXPECT_EQ(udp_parse(text.data(), text.size(), "", 0, &ep, &why), 0);
    if (const unique_fd fd(bind_udp(&ep)); fd) return port;
  }
}

udp_endpoint endpoint(const std::string &text) {
  udp_endpoint ep;
  const char *why;
  EXPECT_EQ(udp_parse(text.data(), text.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why), 0) << text;
  return ep;
}

std::string text(const udp_endpoint &ep) {
  char out[UDP_TEXT_MAX];
  udp_format(&ep, out);
  return out;
}

bool has_ipv6() {
  const udp_endpoint ep = endpoint("[::1]:" + std::to_string(quiet_port()));
  return static_cast<bool>(unique_fd(bind_udp(&ep)));
}

// "code: sentence", "" where it was opened.
std::string open(listen_sockets &s, const std::string &listen, gid_t group = OWN) {
  listen_trouble trouble;
  if (s.open(listen, group, trouble)) return "";
  EXPECT_TRUE(s.udp().empty() && s.local().empty()) << "something stays open";
  return std::to_string(trouble.code) + ": " + trouble.sentence;
}

std::string open(const std::string &listen) {
  listen_sockets s;
  return open(s, listen);
}

unsigned descriptors() {
  return static_cast<unsigned>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// Waits for one datagram; who sent it, "nothing" after a long while.
std::string heard_from(int fd) {
  char buf[64];
  udp_endpoint from;
  pollfd p{fd, POLLIN, 0};
  if (poll(&p, 1, 10000) != 1 || udp_receive(fd, buf, sizeof buf, &from) == -1) return "nothing";
  return text(from);
}

// One datagram of at most 8 bytes from socket i: its length, or -1.
int received(const listen_sockets &s, unsigned i, listen_asker &asker) {
  char buf[4], more[4];
  size_t len = 0;
  const listen_place place{buf, sizeof buf, more, sizeof more, &len, &asker};
  const int n = s.receive(i, &place, 1);
  return n == 1 ? static_cast<int>(len) : n;
}

// Asks one of the sockets of s at an address and answers; from where the answer came.
std::string answered_from(const listen_sockets &s, unsigned i, const std::string &at, listen_asker *asked = nullptr) {
  const udp_endpoint to = endpoint(at);
  const unique_fd client(socket(to.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // not connected: hears all
  EXPECT_EQ(udp_send(client.get(), "q", 1, &to), 0) << strerror(errno);
  listen_asker asker;
  pollfd p{s.udp()[i].fd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 10000), 1);
  EXPECT_EQ(received(s, i, asker), 1) << strerror(errno);
  EXPECT_EQ(asker.socket, i);
  if (asked) *asked = asker;
  EXPECT_EQ(s.answer(asker, "a", 1), 0);
  return heard_from(client.get());
}

class ListenPath : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/listen_test.XXXXXX";
    ASSERT_TRUE(mkdtemp(name));
    dir = name;
    path = dir + "/socket";
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  struct stat look() const {
    struct stat st {};
    EXPECT_EQ(lstat(path.c_str(), &st), 0) << path << ": " << strerror(errno);
    return st;
  }
  bool there() const {
    struct stat st;
    return lstat(path.c_str(), &st) == 0;
  }
  // A socket of this type at the path, which listens where it can.
  unique_fd other(int type, bool listens) const {
    const udp_endpoint ep = endpoint(path);
    unique_fd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr *>(&ep.addr), ep.len), 0) << strerror(errno);
    if (listens && type != SOCK_DGRAM) {
      EXPECT_EQ(listen(fd.get(), 1), 0);
    }
    return fd;
  }
  int connects() const {
    const udp_endpoint ep = endpoint(path);
    return unique_fd(connect_udp(&ep)) ? 0 : errno;
  }

  std::string dir, path;
};

constexpr char HOW[] = "; set it to ip, ip:port, :port, [ipv6]:port or /path, or several of them with commas between";

}  // namespace

// ---- what LISTEN says

TEST(Listen, SeveralEndpoints) {
  const std::string a = std::to_string(quiet_port()), b = std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, " 127.0.0.1:" + a + " ,\t:" + b + ",127.0.0.2:" + a + " "), "");
  ASSERT_EQ(s.udp().size(), 3u);
  EXPECT_EQ(text(s.udp()[0].own), "127.0.0.1:" + a);
  EXPECT_EQ(text(s.udp()[1].own), "127.0.0.1:" + b);
  EXPECT_EQ(text(s.udp()[2].own), "127.0.0.2:" + a);
  EXPECT_TRUE(s.local().empty() && s.warnings().empty());
  EXPECT_TRUE(s.own_port(static_cast<unsigned>(std::stoul(a))));
  EXPECT_TRUE(s.own_port(static_cast<unsigned>(std::stoul(b))));
  EXPECT_FALSE(s.own_port(quiet_port()));
  EXPECT_FALSE(s.own_port(0));
}

TEST(Listen, NothingSaidIsTheDefault) {
  for (const char *listen : {"", " "}) {
    listen_sockets s;
    const std::string trouble = open(s, listen);  // the port may be somebody else's
    if (trouble.empty())
      EXPECT_EQ(text(s.udp().at(0).own), "127.0.0.1:11113");
    else
      EXPECT_EQ(trouble, "111: cannot listen on 127.0.0.1:11113: Address already in use");
  }
}

TEST(Listen, WhatCannotBeRead) {
  const std::string port = ":" + std::to_string(quiet_port());
  EXPECT_EQ(open("mail.example"), std::string("100: LISTEN=mail.example: not an IPv4 address (names are not looked up)") + HOW);
  EXPECT_EQ(open(port + ",:0"), std::string("100: LISTEN=:0: not a port from 1 to 65535") + HOW);
  EXPECT_EQ(open("127.0.0.1 " + port), std::string("100: LISTEN=127.0.0.1\\x20") + port +
                                           ": not an IPv4 address (names are not looked up)" + HOW);
  EXPECT_EQ(open("a\nb\x1b"), std::string("100: LISTEN=a\\x0ab\\x1b: not an IPv4 address (names are not looked up)") + HOW);
  for (const std::string &listen : {port + ",", "," + port, port + ",," + port, std::string(",")})
    EXPECT_EQ(open(listen), "100: LISTEN=" + listen + ": nothing stands before or behind a comma; take it out");
}

TEST(Listen, TheSameTwice) {
  const std::string port = std::to_string(quiet_port()), a = "127.0.0.1:" + port, any = "0.0.0.0:" + port;
  const char *behind = " stands before it and is the same, or has it within; take one of them out";
  EXPECT_EQ(open(a + ",localhost:" + port), "100: LISTEN=localhost:" + port + ": this is " + a + ", and " + a + behind);
  EXPECT_EQ(open(any + "," + a), "100: LISTEN=" + a + ": this is " + a + ", and " + any + behind);
  EXPECT_EQ(open(a + "," + any), "100: LISTEN=" + any + ": this is " + any + ", and " + a + behind);
  EXPECT_EQ(open("[::1]:" + port + ",[::]:" + port).substr(0, 4), "100:");
  EXPECT_EQ(open("/nowhere/x,/nowhere/x"), std::string("100: LISTEN=/nowhere/x: this is /nowhere/x, and /nowhere/x") + behind);
}

TEST(Listen, WhatTheSystemRefusesLeavesNothingOpen) {
  const std::string port = std::to_string(quiet_port()), free = std::to_string(quiet_port());
  const udp_endpoint taken = endpoint("127.0.0.1:" + port);
  const unique_fd other(bind_udp(&taken));
  const unsigned before = descriptors();
  EXPECT_EQ(open(":" + free + ",:" + port), "111: cannot listen on 127.0.0.1:" + port + ": Address already in use");
  EXPECT_EQ(descriptors(), before);
  EXPECT_EQ(open("192.0.2.1:" + free), "111: cannot listen on 192.0.2.1:" + free + ": Cannot assign requested address");
}

// ---- UDP

TEST(Listen, UdpSocketsAreClosedOnExecAndSharedWithNobody) {
  const std::string at = "127.0.0.1:" + std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, at), "");
  const int fd = s.udp()[0].fd.get();
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  int on = 1;
  socklen_t size = sizeof on;
  for (int option : {SO_REUSEADDR, SO_REUSEPORT}) {
    ASSERT_EQ(getsockopt(fd, SOL_SOCKET, option, &on, &size), 0);
    EXPECT_EQ(on, 0);
    on = 1;
    const unique_fd beside(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(setsockopt(beside.get(), SOL_SOCKET, option, &on, sizeof on), 0);
    const udp_endpoint ep = endpoint(at);
    EXPECT_EQ(bind(beside.get(), reinterpret_cast<const sockaddr *>(&ep.addr), ep.len), -1);
  }
}

TEST(Listen, NothingThereIsNotWaitedFor) {
  listen_sockets s;
  ASSERT_EQ(open(s, ":" + std::to_string(quiet_port())), "");
  listen_asker asker;
  EXPECT_EQ(received(s, 0, asker), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(Listen, SeveralDatagramsAtOnceEachToItsPlaceAndEachAnsweredToWhoAsked) {
  const std::string port = std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, "127.0.0.1:" + port), "");
  const udp_endpoint at = endpoint("127.0.0.1:" + port);
  unique_fd clients[3];
  const char *questions[3] = {"a", "", "longer than its place"};
  for (int k = 0; k < 3; ++k) {
    clients[k].reset(connect_udp(&at));
    ASSERT_EQ(send(clients[k].get(), questions[k], strlen(questions[k]), 0), static_cast<ssize_t>(strlen(questions[k])));
  }
  char bytes[4][4], more[4][64];
  size_t len[4];
  listen_asker askers[4];
  listen_place places[4];
  for (int k = 0; k < 4; ++k) places[k] = {bytes[k], 4, more[k], 64, &len[k], &askers[k]};
  ASSERT_EQ(s.receive(0, places, 4), 3);
  listen_reply replies[3];
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(len[k], strlen(questions[k]));
    EXPECT_EQ(memcmp(bytes[k], questions[k], std::min<size_t>(len[k], 4)), 0);
    replies[k] = {&askers[k], bytes[k], std::min<size_t>(len[k] + 1, 4)};
  }
  EXPECT_EQ(memcmp(more[2], questions[2] + 4, strlen(questions[2]) - 4), 0);
  listen_asker to;
  EXPECT_EQ(s.answer(replies, 3, to), 0);
  for (int k = 0; k < 3; ++k) {
    char answer[8];
    EXPECT_EQ(recv(clients[k].get(), answer, sizeof answer, 0), static_cast<ssize_t>(replies[k].len)) << k;
  }
}

TEST(Listen, AnAnswerThatCannotBeSentKeepsNoOtherBack) {
  const std::string port = std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, "127.0.0.1:" + port), "");
  const udp_endpoint own = endpoint("127.0.0.1:" + std::to_string(quiet_port()));
  const unique_fd client(bind_udp(&own));
  listen_asker good, bad, to;
  good.from = own;
  bad.from = endpoint("127.0.0.1:1");
  reinterpret_cast<sockaddr_in &>(bad.from.addr).sin_port = 0;  // nobody can be asked from there
  const listen_reply replies[] = {{&good, "1", 1}, {&bad, "2", 1}, {&good, "3", 1}};
  EXPECT_EQ(s.answer(replies, 3, to), EINVAL);
  EXPECT_EQ(udp_port(&to.from), 0u);
  char answer[8];
  EXPECT_EQ(recv(client.get(), answer, sizeof answer, 0), 1);
  EXPECT_EQ(answer[0], '1');
  EXPECT_EQ(recv(client.get(), answer, sizeof answer, 0), 1);
  EXPECT_EQ(answer[0], '3');
}

TEST(Listen, LoopbackIsKnown) {
  const std::string port = std::to_string(quiet_port());
  listen_sockets s, any;
  ASSERT_EQ(open(s, "127.0.0.2:" + port), "");
  EXPECT_TRUE(s.udp()[0].loopback);
  ASSERT_EQ(open(any, "0.0.0.0:" + std::to_string(quiet_port())), "");
  EXPECT_FALSE(any.udp()[0].loopback);
}

TEST(Listen, AnswersLeaveFromTheAddressThatWasAsked) {
  const std::string port = std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, "0.0.0.0:" + port), "");
  for (const char *ip : {"127.0.0.1", "127.0.0.2", "127.1.2.3"})
    EXPECT_EQ(answered_from(s, 0, std::string(ip) + ":" + port), std::string(ip) + ":" + port);
}

TEST(Listen, WithoutALocalAddressTheSystemChooses) {
  const std::string port = std::to_string(quiet_port());
  listen_sockets s;
  listen_asker asker;
  ASSERT_EQ(open(s, "0.0.0.0:" + port), "");
  ASSERT_EQ(answered_from(s, 0, "127.0.0.2:" + port, &asker), "127.0.0.2:" + port);
  asker.local_size = 0;
  const udp_endpoint own = endpoint("127.0.0.1:" + std::to_string(quiet_port()));
  const unique_fd client(bind_udp(&own));
  asker.from = own;
  EXPECT_EQ(s.answer(asker, "a", 1), 0);
  EXPECT_EQ(heard_from(client.get()), "127.0.0.1:" + port);
}

TEST(Listen, IPv6BesideIPv4) {
  if (!has_ipv6()) GTEST_SKIP() << "this system has no ::1";
  const std::string port = std::to_string(quiet_port());
  listen_sockets s;
  ASSERT_EQ(open(s, "0.0.0.0:" + port + ",[::]:" + port), "");
  ASSERT_EQ(s.udp().size(), 2u);
  EXPECT_EQ(answered_from(s, 0, "127.0.0.2:" + port), "127.0.0.2:" + port);
  listen_asker asker;
  EXPECT_EQ(answered_from(s, 1, "[::1]:" + port, &asker), "[::1]:" + port);
  EXPECT_EQ(asker.local_size, sizeof(in6_pktinfo));
  EXPECT_EQ(ip_text(ip_of(asker.from.addr)), "::1");
  listen_sockets one;
  const std::string own = "[::1]:" + std::to_string(quiet_port());
  ASSERT_EQ(open(one, own), "");
  EXPECT_TRUE(one.udp()[0].loopback);
  EXPECT_EQ(answered_from(one, 0, own), own);
}

// ---- UNIX sockets

TEST_F(ListenPath, OwnerGroupAndMode) {
  listen_sockets s;
  const gid_t group = geteuid() == 0 ? 2107 : getegid();
  const mode_t before = umask(022);
  ASSERT_EQ(open(s, path, group), "");
  EXPECT_EQ(umask(before), 022u) << "the umask was left changed";
  const struct stat st = look();
  EXPECT_TRUE(S_ISSOCK(st.st_mode));
  EXPECT_EQ(st.st_mode & 07777, 0660u);
  EXPECT_EQ(st.st_uid, geteuid());
  EXPECT_EQ(st.st_gid, group);
  ASSERT_EQ(s.local().size(), 1u);
  EXPECT_EQ(s.local()[0].path, path);
  const int fd = s.local()[0].fd.get();
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_EQ(accept(fd, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(connects(), 0);
  EXPECT_TRUE(unique_fd(accept(fd, nullptr, nullptr)));
}

TEST_F(ListenPath, WithoutAGroupItIsThisProcesss) {
  listen_sockets s;
  ASSERT_EQ(open(s, path), "");
  EXPECT_EQ(look().st_gid, getegid());
}

TEST_F(ListenPath, BesideUdp) {
  listen_sockets s;
  const std::string port = std::to_string(quiet_port());
  ASSERT_EQ(open(s, ":" + port + ", " + path + ",127.0.0.2:" + port + "," + path + "2"), "");
  EXPECT_EQ(s.udp().size(), 2u);
  EXPECT_EQ(s.local().size(), 2u);
  EXPECT_EQ(answered_from(s, 1, "127.0.0.2:" + port), "127.0.0.2:" + port);
}

TEST_F(ListenPath, AGroupThatItMayNotHave) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  listen_sockets s;
  std::filesystem::permissions(dir, std::filesystem::perms::all);
  ASSERT_EQ(seteuid(60001), 0);
  const std::string trouble = open(s, path, 2107);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(trouble, "111: cannot listen on " + path + ": its group and mode cannot be set: Operation not permitted");
  EXPECT_FALSE(there());
}

TEST_F(ListenPath, AStalePathIsReplaced) {
  for (int type : {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM}) {
    other(type, true);  // closed at once: the path stays
    ASSERT_TRUE(there());
    const ino_t before = look().st_ino;
    const unique_fd keeps_the_number(::open(path.c_str(), O_PATH));
    listen_sockets s;
    EXPECT_EQ(open(s, path), "") << type;
    EXPECT_NE(look().st_ino, before);
    EXPECT_EQ(connects(), 0);
    s.unlink_paths();
  }
}

TEST_F(ListenPath, ALiveOneIsLeftAlone) {
  listen_sockets first;
  ASSERT_EQ(open(first, path), "");
  const ino_t before = look().st_ino;
  const std::string port = std::to_string(quiet_port());
  EXPECT_EQ(open(":" + port + "," + path),
            "111: cannot listen on " + path + ": another program listens there; stop it, or name another path in LISTEN");
  EXPECT_EQ(look().st_ino, before);
  EXPECT_EQ(connects(), 0);
}

TEST_F(ListenPath, ALiveOneWithAFullBacklogIsLeftAlone) {
  const unique_fd busy = other(SOCK_SEQPACKET, true);
  std::vector<unique_fd> waiting;
  const udp_endpoint ep = endpoint(path);
  for (unique_fd fd(connect_udp(&ep)); fd; fd.reset(connect_udp(&ep))) waiting.push_back(std::move(fd));
  ASSERT_EQ(errno, EAGAIN);
  EXPECT_EQ(open(path).substr(0, 4), "111:");
  EXPECT_TRUE(there());
}

TEST_F(ListenPath, ALiveOneOfAnotherTypeIsLeftAlone) {
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    const unique_fd alive = other(type, true);
    EXPECT_EQ(open(path), "111: cannot listen on " + path +
                              ": another program listens there; stop it, or name another path in LISTEN");
    EXPECT_TRUE(there());
    unlink(path.c_str());
  }
}

TEST_F(ListenPath, WhatIsNoSocketIsLeftAlone) {
  const std::string expected =
      "111: cannot listen on " + path + ": something else than a socket is there; remove it, or name another path in LISTEN";
  std::ofstream(path) << "precious";
  EXPECT_EQ(open(path), expected);
  EXPECT_TRUE(S_ISREG(look().st_mode));
  unlink(path.c_str());
  mkdir(path.c_str(), 0700);
  EXPECT_EQ(open(path), expected);
  rmdir(path.c_str());
  ASSERT_EQ(symlink((dir + "/elsewhere").c_str(), path.c_str()), 0);
  EXPECT_EQ(open(path), expected);
  EXPECT_TRUE(S_ISLNK(look().st_mode));
  EXPECT_FALSE(std::filesystem::exists(dir + "/elsewhere"));
}

TEST_F(ListenPath, NoDirectory) {
  EXPECT_EQ(open(dir + "/none/s"), "111: cannot listen on " + dir + "/none/s: No such file or directory");
}

TEST_F(ListenPath, ALaterFailureTakesThePathAway) {
  const std::string port = std::to_string(quiet_port());
  const udp_endpoint taken = endpoint(":" + port);
  const unique_fd holder(bind_udp(&taken));
  const unsigned before = descriptors();
  EXPECT_EQ(open(path + ",:" + port), "111: cannot listen on 127.0.0.1:" + port + ": Address already in use");
  EXPECT_FALSE(there());
  EXPECT_EQ(descriptors(), before);
}

TEST_F(ListenPath, ADirectoryWhereOthersWriteIsWarnedOf) {
  {
    listen_sockets s;  // below a sticky /tmp, in a directory of our own
    ASSERT_EQ(open(s, path), "");
    EXPECT_TRUE(s.warnings().empty()) << s.warnings()[0];
    s.unlink_paths();
  }
  for (mode_t mode : {0777, 01777, 0702}) {
    ASSERT_EQ(chmod(dir.c_str(), mode), 0);
    listen_sockets s;
    ASSERT_EQ(open(s, path), "");
    ASSERT_EQ(s.warnings().size(), 1u) << mode;
    EXPECT_EQ(s.warnings()[0], "LISTEN=" + path + ": others than root can write in " + dir +
                                   ", and could answer in our place; use a directory that root alone can write, as are "
                                   "those above it");
    s.unlink_paths();
  }
  ASSERT_EQ(chmod(dir.c_str(), 0777), 0);  // the one above counts, too
  ASSERT_EQ(mkdir((dir + "/sub").c_str(), 0755), 0);
  listen_sockets s;
  ASSERT_EQ(open(s, dir + "/sub/s"), "");
  ASSERT_EQ(s.warnings().size(), 1u);
  EXPECT_NE(s.warnings()[0].find(" write in " + dir + ","), std::string::npos) << s.warnings()[0];
}

TEST_F(ListenPath, ADirectoryOfAnotherUserIsWarnedOf) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(chown(dir.c_str(), 60001, 0), 0);
  listen_sockets s;
  ASSERT_EQ(open(s, path), "");
  EXPECT_EQ(s.warnings().size(), 1u);
}

TEST_F(ListenPath, OnlyItsOwnPathIsRemoved) {
  listen_sockets s, second;
  ASSERT_EQ(open(s, path), "");
  unlink(path.c_str());
  ASSERT_EQ(open(second, path), "");  // the path belongs to another daemon now
  s.unlink_paths();
  EXPECT_TRUE(there());
  second.unlink_paths();
  EXPECT_FALSE(there());
  second.unlink_paths();
}

TEST_F(ListenPath, AWorkerForgetsThem) {
  listen_sockets s;
  ASSERT_EQ(open(s, path + ",:" + std::to_string(quiet_port())), "");
  const unsigned before = descriptors();
  s.close_local();
  EXPECT_EQ(descriptors(), before - 1);
  EXPECT_EQ(s.udp().size(), 1u);
  EXPECT_EQ(connects(), ECONNREFUSED);
  s.unlink_paths();
  EXPECT_TRUE(there());
}
