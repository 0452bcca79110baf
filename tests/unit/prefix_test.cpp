// prefix_test.cpp - IP addresses and prefixes as the daemon's control files have them.

#include "qmail/prefix.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace {

// What a text means, as address/bits; "? " and the reason where it means nothing.
std::string meaning(std::string_view text) {
  ip_prefix prefix;
  const char *why = nullptr;
  if (!prefix_read(text, prefix, why)) return std::string("? ") + why;
  return ip_text(prefix.base) + "/" + std::to_string(prefix.bits);
}

ip_address ip(const char *text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) return ip_of(bytes, 4);
  EXPECT_EQ(inet_pton(AF_INET6, text, bytes), 1) << text;
  return ip_of(bytes, 16);
}

bool has(std::string_view prefix, const char *address) {
  ip_prefix p;
  const char *why;
  EXPECT_TRUE(prefix_read(prefix, p, why)) << prefix;
  return prefix_has(p, ip(address));
}

}  // namespace

TEST(Prefix, WhatItMeans) {
  const std::pair<const char *, const char *> table[] = {
      {"192.0.2.1", "192.0.2.1/32"},      {"192.0.2.0/24", "192.0.2.0/24"},
      {"192.0.2.", "192.0.2.0/24"},       {"10.", "10.0.0.0/8"},
      {"172.16.", "172.16.0.0/16"},       {"010.008.000.255", "10.8.0.255/32"},
      {"0.0.0.0/0", "0.0.0.0/0"},         {"192.0.2.128/25", "192.0.2.128/25"},
      {"192.0.2.1/32", "192.0.2.1/32"},   {"255.255.255.254/31", "255.255.255.254/31"},
      {"2001:db8::1", "2001:db8::1/128"}, {"2001:db8::/32", "2001:db8::/32"},
      {"2001:DB8::/032", "2001:db8::/32"}, {"::/0", "::/0"},
      {"::1", "::1/128"},                 {"2001:db8:8000::/33", "2001:db8:8000::/33"}};
  for (auto &[text, means] : table) EXPECT_EQ(meaning(text), means) << text;
}

TEST(Prefix, WhatItRefuses) {
  const std::string_view texts[] = {
      "", " ", ".", "192", "192.0", "192.0.2", "192.0.2.1.", "192.0.2.1.5", ".192.0.2.1", "192..2.1", "256.0.0.1",
      "1.2.3.256", "1.2.3.1000", "1.2.3.0001", "-1.2.3.4", "+1.2.3.4", "0x7f.0.0.1", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/",
      "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/ 8", "1.2.3.4/8x", "1.2.3.4/4294967328", "1.2.3.4/24/8", "10./8", "/8", "a.example",
      "localhost", "1.2.3.4:25", "[::1]", "::1%lo", ":", ":::", "2001:db8::/129", "2001:db8::1::1", "12345::", "::/",
      "::1/x", std::string_view("1.2.3.4\0", 8), std::string_view("::1\0", 4), std::string_view("::1\0x/128", 9)};
  for (auto text : texts) EXPECT_EQ(meaning(text)[0], '?') << text << " is " << meaning(text);
}

TEST(Prefix, SaysWhy) {
  EXPECT_EQ(meaning("mail.example.org"),
            "? not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or 2001:db8::/32)");
  EXPECT_EQ(meaning("192.0.2.1/24"), "? there are bits set behind the prefix");
  EXPECT_EQ(meaning("2001:db8::1/32"), "? there are bits set behind the prefix");
  EXPECT_EQ(meaning("10./8"), "? write either whole octets with a dot at the end, or /bits");
  EXPECT_EQ(meaning("10.0.0.0/33"), "? the bits behind the slash are not a number from 0 to 32");
  EXPECT_EQ(meaning("2001:db8::/200"), "? the bits behind the slash are not a number from 0 to 128");
  EXPECT_EQ(meaning("::ffff:10.0.0.1"), "? write an IPv4 address without ::ffff:");
  EXPECT_EQ(meaning("fe80::1%eth0"), "? not an IPv6 address");
}

TEST(Prefix, WhatIsInIt) {
  EXPECT_TRUE(has("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(has("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(has("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(has("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(has("10.", "10.255.0.1"));
  EXPECT_FALSE(has("10.", "11.0.0.1"));
  EXPECT_TRUE(has("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(has("192.0.2.1", "192.0.2.0"));
  EXPECT_TRUE(has("2001:db8:8000::/33", "2001:db8:ffff::1"));
  EXPECT_FALSE(has("2001:db8:8000::/33", "2001:db8:7fff::1"));
  EXPECT_TRUE(has("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(has("::/0", "2001:db8::1"));
}

TEST(Prefix, FamiliesAreApartButIPv4InIPv6IsIPv4) {
  EXPECT_FALSE(has("::/0", "192.0.2.1"));
  EXPECT_FALSE(has("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(has("192.0.2.0/24", "::ffff:192.0.2.7"));
  EXPECT_EQ(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
  EXPECT_EQ(ip_text(ip("::ffff:192.0.2.7")), "192.0.2.7");
}

TEST(Prefix, NoAddressIsNowhere) {
  ip_prefix all;
  const char *why;
  ASSERT_TRUE(prefix_read("0.0.0.0/0", all, why));
  EXPECT_FALSE(prefix_has(all, ip_address()));
  EXPECT_FALSE(prefix_has(ip_prefix(), ip_address()));
  EXPECT_EQ(ip_text(ip_address()), "?");
  const unsigned char bytes[17] = {};
  for (size_t len : {0, 1, 3, 5, 15, 17}) EXPECT_EQ(ip_of(bytes, len).size, 0u) << len;
}

TEST(Prefix, AnyOfSeveral) {
  std::vector<ip_prefix> list(2);
  const char *why;
  EXPECT_FALSE(prefix_any({}, ip("192.0.2.1")));
  ASSERT_TRUE(prefix_read("192.0.2.0/24", list[0], why) && prefix_read("2001:db8::/32", list[1], why));
  EXPECT_TRUE(prefix_any(list, ip("192.0.2.1")));
  EXPECT_TRUE(prefix_any(list, ip("2001:db8::1")));
  EXPECT_FALSE(prefix_any(list, ip("198.51.100.1")));
}

TEST(Prefix, AddressesOfSockets) {
  sockaddr_storage addr{};
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  inet_pton(AF_INET, "192.0.2.1", &sin.sin_addr);
  memcpy(&addr, &sin, sizeof sin);
  EXPECT_EQ(ip_of(addr), ip("192.0.2.1"));
  sockaddr_in6 sin6{};
  sin6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr);
  memcpy(&addr, &sin6, sizeof sin6);
  EXPECT_EQ(ip_of(addr), ip("2001:db8::1"));
  inet_pton(AF_INET6, "::ffff:192.0.2.1", &sin6.sin6_addr);
  memcpy(&addr, &sin6, sizeof sin6);
  EXPECT_EQ(ip_of(addr), ip("192.0.2.1"));
  addr.ss_family = AF_UNIX;
  EXPECT_EQ(ip_of(addr).size, 0u);
}

TEST(Prefix, Loopback) {
  for (auto text : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) EXPECT_TRUE(ip_is_loopback(ip(text))) << text;
  for (auto text : {"128.0.0.1", "126.255.255.255", "0.0.0.0", "::", "::2", "7f00::1"})
    EXPECT_FALSE(ip_is_loopback(ip(text))) << text;
  EXPECT_FALSE(ip_is_loopback(ip_address()));
}
