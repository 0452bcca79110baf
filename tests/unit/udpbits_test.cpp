// Endpoints as text, and sockets bound and connected to them.

#include "udpbits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
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
  };
  for (const auto &[text, meaning] : table) EXPECT_EQ(parse(text), meaning) << text;
}

TEST(UdpParse, WhatItRefuses) {
  for (const auto &text :
       {" "s, "x"s, "1"s, "1.2.3"s, "1.2.3.4.5"s, "1.2.3.4."s, ".1.2.3.4"s, "1..2.3"s, "256.1.1.1"s, "1.1.1.256"s,
        "99999999999.1.1.1"s, "1.2.3.4 "s, " 1.2.3.4"s, "1.2.3.-4"s, "+1.2.3.4"s, "0x7f.0.0.1"s, "1.2.3.4\0"s, "\0"s,
        ":0"s, ":65536"s, ":4294967321"s, ":18446744073709551641"s, ":25 "s, ": 25"s, ":-1"s, ":+1"s, ":1a"s, ":25\0"s,
        "1.2.3.4:0"s, "1.2.3.4:25:26"s, "::"s, "::1"s, "[::1]:25"s, "[1.2.3.4]"s, "/run/x"s, "a.example:25"s, "localhostx"s,
        "localhos"s, "localhost.:25"s})
    EXPECT_EQ(parse(text)[0], '?') << text << " is " << parse(text);
}

TEST(UdpParse, SaysWhy) {
  EXPECT_EQ(parse("mail.example.com"), "? not an IPv4 address (names are not looked up)");
  EXPECT_EQ(parse("1.2.3"), "? not an IPv4 address");
  EXPECT_EQ(parse("/run/x"), "? paths of sockets are not supported");
  EXPECT_EQ(parse("[::1]:25"), "? IPv6 is not supported");
  EXPECT_EQ(parse("::1"), "? IPv6 is not supported");
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
}

TEST(UdpFormat, AnythingElse) {
  udp_endpoint ep{};
  char out[UDP_TEXT_MAX];
  udp_format(&ep, out);
  EXPECT_EQ(out, "?"s);
}

TEST(UdpPort, OfAnEndpoint) {
  udp_endpoint ep;
  ASSERT_EQ(udp_parse(":65535", 6, "10.0.0.1", 25, &ep, nullptr), 0);
  EXPECT_EQ(udp_port(&ep), 65535u);
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

}  // namespace
