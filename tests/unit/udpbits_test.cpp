// Endpoints as text, and sockets bound and connected to them.

#include "udpbits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>

#include "fakeserver.h"

using namespace std::string_literals;

namespace {

// What text means with the defaults 192.0.2.7 and 25; "?" and the reason where it means nothing.
std::string parse(const std::string &text) {
  udp_endpoint ep;
  const char *why = nullptr;
  char out[UDP_TEXT_MAX];
  if (udp_parse(text.data(), text.size(), "192.0.2.7", 25, &ep, &why) == -1) return "? "s + why;
  udp_format(&ep, out);
  return out;
}

TEST(UdpParse, WhatItMeans) {
  const std::pair<std::string, std::string> table[] = {
      {"", "192.0.2.7:25"},
      {":", "192.0.2.7:25"},
      {":1", "192.0.2.7:1"},
      {":65535", "192.0.2.7:65535"},
      {":00000000000025", "192.0.2.7:25"},
      {"10.0.0.1", "10.0.0.1:25"},
      {"10.0.0.1:", "10.0.0.1:25"},
      {"10.0.0.1:26", "10.0.0.1:26"},
      {"010.08.0.255:26", "10.8.0.255:26"},
      {"0.0.0.0", "0.0.0.0:25"},
      {"localhost", "127.0.0.1:25"},
      {"LOCALHOST:26", "127.0.0.1:26"},
      {"[::1]", "[::1]:25"},
      {"[::1]:", "[::1]:25"},
      {"[::1]:26", "[::1]:26"},
      {"[0:0:0::0:1]:026", "[::1]:26"},
      {"[::]:65535", "[::]:65535"},
      {"[2001:DB8::A]", "[2001:db8::a]:25"},
      {"[fe80::1]", "[fe80::1]:25"},
      {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"/run/qmail-verify/socket", "/run/qmail-verify/socket"},
      {"/a:25", "/a:25"},
      {"/[::1]:25", "/[::1]:25"},
      {"/a b,\n\x7f\xff", "/a b,\n\x7f\xff"},
      {"/" + std::string(106, 'x'), "/" + std::string(106, 'x')},
  };
  for (const auto &[text, meaning] : table) EXPECT_EQ(parse(text), meaning) << text;
}

TEST(UdpParse, WhatItRefuses) {
  for (const auto &text :
       {" "s, "x"s, "1"s, "1.2.3"s, "1.2.3.4.5"s, "1.2.3.4."s, ".1.2.3.4"s, "1..2.3"s, "256.1.1.1"s, "1.1.1.256"s,
        "99999999999.1.1.1"s, "1.2.3.4 "s, " 1.2.3.4"s, "1.2.3.-4"s, "+1.2.3.4"s, "0x7f.0.0.1"s, "1.2.3.4\0"s, "\0"s,
        ":0"s, ":65536"s, ":4294967321"s, ":18446744073709551641"s, ":25 "s, ": 25"s, ":-1"s, ":+1"s, ":1a"s, ":25\0"s,
        "1.2.3.4:0"s, "1.2.3.4:25:26"s, "::"s, "::1"s, "2001:db8::1"s, "[1.2.3.4]"s, "run/x"s, "./x"s, " /run/x"s,
        "a.example:25"s, "localhostx"s, "localhos"s, "localhost.:25"s, "["s, "[]"s, "[]:25"s, "[::1"s, "[::1:25"s, "[::1]25"s,
        "[::1]:0"s, "[::1]:65536"s, "[::1]:25 "s, "[::1]:2\0"s, "[::1\0]"s, "[::1] "s, " [::1]"s, "[::1]]"s, "[[::1]]"s,
        "[::1%lo]"s, "[fe80::1%eth0]:25"s, "[:::1]"s, "[1::2::3]"s, "[12345::]"s, "[::g]"s, "[localhost]"s,
        "[::ffff:127.0.0.1]"s, "["s + std::string(100, ':') + "]", "/\0"s, "/a\0b"s, "/" + std::string(107, 'x'),
        "/" + std::string(70000, 'x')})
    EXPECT_EQ(parse(text)[0], '?') << text << " is " << parse(text);
}

TEST(UdpParse, SaysWhy) {
  EXPECT_EQ(parse("mail.example.com"), "? not an IPv4 address (names are not looked up)");
  EXPECT_EQ(parse("1.2.3"), "? not an IPv4 address");
  EXPECT_EQ(parse("run/x"), "? the path of a socket begins with a slash");
  EXPECT_EQ(parse("/" + std::string(107, 'x')), "? the path is too long for a socket");
  EXPECT_EQ(parse("/a\0"s), "? there is a NUL in the path");
  EXPECT_EQ(parse("::1"), "? an IPv6 address stands in brackets, as in [::1]:11113");
  EXPECT_EQ(parse("fe80::1%eth0"), "? not an IPv4 address (names are not looked up)");
  EXPECT_EQ(parse("1.2.3.4:25:26"), "? an IPv6 address stands in brackets, as in [::1]:11113");
  EXPECT_EQ(parse("[::1"), "? an IPv6 address ends with a bracket");
  EXPECT_EQ(parse("[fe80::1%eth0]"), "? an IPv6 address with a scope (%) is not supported");
  EXPECT_EQ(parse("[::x]"), "? not an IPv6 address");
  EXPECT_EQ(parse("[::ffff:127.0.0.1]"), "? an IPv4 address stands without brackets");
  EXPECT_EQ(parse("[::1]x"), "? after an IPv6 address only a port may follow");
  EXPECT_EQ(parse("[::1]:0"), "? not a port from 1 to 65535");
  EXPECT_EQ(parse(":0"), "? not a port from 1 to 65535");
  udp_endpoint ep;
  EXPECT_EQ(udp_parse("x", 1, "1.2.3.4", 25, &ep, nullptr), -1) << "nobody has to ask why";
  EXPECT_EQ(udp_parse("", 0, "x", 25, &ep, nullptr), -1);
}

TEST(UdpParse, ReadsNoFurtherThanItsLength) {
  udp_endpoint ep;
  char out[UDP_TEXT_MAX];
  ASSERT_EQ(udp_parse("10.0.0.123:4567", 13, "1.2.3.4", 25, &ep, nullptr), 0);
  udp_format(&ep, out);
  EXPECT_EQ(out, "10.0.0.123:45"s);
  ASSERT_EQ(udp_parse(nullptr, 0, "1.2.3.4", 25, &ep, nullptr), 0);
}

TEST(UdpFormat, ThereAndBack) {
  std::mt19937 random(20);
  for (int i = 0; i < 2000; ++i) {
    auto byte = [&] { return std::to_string(random() % 256); };
    std::string text = byte() + "." + byte() + "." + byte() + "." + byte() + ":" + std::to_string(random() % 65535 + 1);
    ASSERT_EQ(parse(text), text);
  }
  for (int i = 0; i < 2000; ++i) {
    udp_endpoint ep{};
    sockaddr_in6 sin6{};
    char text[UDP_TEXT_MAX];
    sin6.sin6_family = AF_INET6;
    sin6.sin6_port = static_cast<uint16_t>(random() | 1);
    for (auto &byte : sin6.sin6_addr.s6_addr) byte = static_cast<uint8_t>(random() % 2 ? random() : 0);
    sin6.sin6_addr.s6_addr[0] = 0x20;  // no IPv4 address in disguise
    std::memcpy(&ep.addr, &sin6, ep.len = sizeof sin6);
    udp_format(&ep, text);
    ASSERT_EQ(parse(text), text);
  }
}

udp_endpoint unix_endpoint(const std::string &path, socklen_t more = 0) {
  udp_endpoint ep{};
  sockaddr_un sun{};
  sun.sun_family = AF_UNIX;
  path.copy(sun.sun_path, sizeof sun.sun_path);
  std::memcpy(&ep.addr, &sun, sizeof sun);
  ep.len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size()) + more;
  return ep;
}

std::string format(const udp_endpoint &ep) {
  char text[UDP_TEXT_MAX];
  udp_format(&ep, text);
  return text;
}

// As getsockname and accept give them.
TEST(UdpFormat, PathsFromTheKernel) {
  EXPECT_EQ(format(unix_endpoint("/run/x")), "/run/x") << "without a NUL";
  EXPECT_EQ(format(unix_endpoint("/run/x", 1)), "/run/x") << "with one";
  EXPECT_EQ(format(unix_endpoint("/" + std::string(107, 'x'))), "/" + std::string(106, 'x')) << "no room for one";
  EXPECT_EQ(format(unix_endpoint("")), "?") << "no name";
  EXPECT_EQ(format(unix_endpoint("\0abstract"s)), "?");
}

TEST(UdpFormat, AnythingElse) {
  udp_endpoint ep{};
  EXPECT_EQ(format(ep), "?");
  for (int family : {AF_INET, AF_INET6, AF_UNIX}) {
    ep.addr.ss_family = static_cast<sa_family_t>(family);
    ep.len = 2;
    EXPECT_EQ(format(ep), "?") << "cut, family " << family;
  }
}

TEST(UdpPort, OfAnEndpoint) {
  udp_endpoint ep;
  ASSERT_EQ(udp_parse(":65535", 6, "10.0.0.1", 25, &ep, nullptr), 0);
  EXPECT_EQ(udp_port(&ep), 65535u);
  ASSERT_EQ(udp_parse("[::1]:65534", 11, "10.0.0.1", 25, &ep, nullptr), 0);
  EXPECT_EQ(udp_port(&ep), 65534u);
  ASSERT_EQ(udp_parse("/1", 2, "10.0.0.1", 25, &ep, nullptr), 0);
  EXPECT_EQ(udp_port(&ep), 0u);
  const udp_endpoint none{};
  EXPECT_EQ(udp_port(&none), 0u);
}

udp_endpoint loopback(uint16_t port) {
  udp_endpoint ep;
  EXPECT_EQ(udp_parse("", 0, "127.0.0.1", port, &ep, nullptr), 0);
  return ep;
}

TEST(UdpSockets, BindReceiveSendAndAnswer) {
  udp_endpoint here = loopback(unused_port()), from;
  int server = bind_udp(&here), client = connect_udp(&here);
  ASSERT_NE(server, -1);
  ASSERT_NE(client, -1);
  EXPECT_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(client, F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(client, F_GETFL) & O_NONBLOCK);

  char buf[16];
  EXPECT_EQ(udp_receive(server, buf, sizeof buf, &from), -1);
  EXPECT_EQ(errno, EAGAIN);
  ASSERT_EQ(send(client, "question", 8, 0), 8);
  EXPECT_EQ(udp_receive(server, buf, 5, &from), 5) << "at most max bytes";
  EXPECT_EQ(std::string(buf, 5), "quest");
  EXPECT_EQ(udp_send(server, "answer", 6, &from), 0);
  EXPECT_EQ(recv(client, buf, sizeof buf, 0), 6);
  EXPECT_EQ(udp_send(server, "", 0, &from), 0);
  EXPECT_EQ(recv(client, buf, sizeof buf, 0), 0);
  EXPECT_EQ(udp_send(server, std::string(70000, 'x').data(), 70000, &from), -1);
  EXPECT_EQ(errno, EMSGSIZE);
  close(server);
  close(client);
}

TEST(UdpSockets, NobodyBindsBeside) {
  udp_endpoint here = loopback(unused_port());
  int one = bind_udp(&here);
  ASSERT_NE(one, -1);
  EXPECT_EQ(bind_udp(&here), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  int on = 1, other = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  EXPECT_EQ(bind(other, reinterpret_cast<sockaddr *>(&here.addr), here.len), -1);
  close(other);
  close(one);
}

TEST(UdpSockets, AnAddressOfAnotherHost) {
  udp_endpoint ep;
  ASSERT_EQ(udp_parse("192.0.2.1", 9, "", 25, &ep, nullptr), 0);
  EXPECT_EQ(bind_udp(&ep), -1);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
}

udp_endpoint parsed(const std::string &text) {
  udp_endpoint ep{};
  EXPECT_EQ(udp_parse(text.data(), text.size(), "127.0.0.1", 25, &ep, nullptr), 0) << text;
  return ep;
}

TEST(UdpSockets, IPv6) {
  if (!has_ipv6()) GTEST_SKIP() << "no ::1 here";
  udp_endpoint here = parsed("[::1]:" + std::to_string(unused_port())), from;
  int server = bind_udp(&here), client = connect_udp(&here);
  ASSERT_NE(server, -1);
  ASSERT_NE(client, -1);
  EXPECT_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(bind_udp(&here), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  ASSERT_EQ(send(client, "question", 8, 0), 8);
  char buf[16];
  EXPECT_EQ(udp_receive(server, buf, sizeof buf, &from), 8);
  EXPECT_EQ(format(from).substr(0, 6), "[::1]:");
  EXPECT_EQ(udp_send(server, "answer", 6, &from), 0);
  EXPECT_EQ(recv(client, buf, sizeof buf, 0), 6);
  close(server);
  close(client);
}

TEST(UdpSockets, IPv6LeavesIPv4Alone) {
  if (!has_ipv6()) GTEST_SKIP() << "no ::1 here";
  const std::string port = ":" + std::to_string(unused_port());
  udp_endpoint all6 = parsed("[::]" + port), all4 = parsed("0.0.0.0" + port);
  int six = bind_udp(&all6), four = bind_udp(&all4);
  EXPECT_NE(six, -1);
  EXPECT_NE(four, -1) << "one for IPv6 hears no IPv4";
  close(six);
  close(four);
}

TEST(UdpSockets, APath) {
  TemporaryFolder folder;
  udp_endpoint here = parsed(folder.path("socket"));
  EXPECT_EQ(bind_udp(&here), -1);
  EXPECT_EQ(errno, EAFNOSUPPORT);
  EXPECT_EQ(connect_udp(&here), -1);
  EXPECT_EQ(errno, ENOENT);
  int server = listen_on_path(folder.path("socket"), 0);
  ASSERT_NE(server, -1);
  int client = connect_udp(&here);
  ASSERT_NE(client, -1);
  EXPECT_EQ(fcntl(client, F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(client, F_GETFL) & O_NONBLOCK);
  EXPECT_EQ(connect_udp(&here), -1) << "nobody accepts, and nobody waits for it";
  EXPECT_EQ(errno, EAGAIN);
  int peer = accept(server, nullptr, nullptr);
  ASSERT_EQ(send(client, "one", 3, 0), 3);
  ASSERT_EQ(send(client, "two", 3, 0), 3);
  char buf[16];
  EXPECT_EQ(recv(peer, buf, sizeof buf, 0), 3) << "packets, no stream";
  close(peer);
  close(client);
  close(server);
  EXPECT_EQ(connect_udp(&here), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

}  // namespace
