// clients_test.cpp - control/verifyclients as text: who is let in, and what is said
// about lines that cannot be read.

#include "qmail/clients.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "qmail/lines.h"

namespace {

ip_address ip(const char *text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) return ip_of(bytes, 4);
  EXPECT_EQ(inet_pton(AF_INET6, text, bytes), 1) << text;
  return ip_of(bytes, 16);
}

struct read_clients {
  explicit read_clients(std::string_view text) : table(text, complaints) {}
  bool operator[](const char *address) const { return table.may_ask(ip(address)); }

  std::vector<std::string> complaints;
  clients_table table;
};

}  // namespace

TEST(VerifyClients, WithoutAFileEverybody) {
  const clients_table none;
  EXPECT_FALSE(none.known());
  for (auto address : {"192.0.2.1", "127.0.0.1", "2001:db8::1"}) EXPECT_TRUE(none.may_ask(ip(address)));
}

TEST(VerifyClients, WhoIsNamed) {
  const read_clients c("192.0.2.1\n10.1.\n198.51.100.0/25\n2001:db8::/32\n");
  EXPECT_TRUE(c.table.known());
  EXPECT_TRUE(c.complaints.empty());
  for (auto in : {"192.0.2.1", "10.1.2.3", "198.51.100.127", "2001:db8::1", "::ffff:192.0.2.1"}) EXPECT_TRUE(c[in]) << in;
  for (auto out : {"192.0.2.2", "10.2.0.1", "198.51.100.128", "2001:db9::1", "0.0.0.0"}) EXPECT_FALSE(c[out]) << out;
  EXPECT_FALSE(c.table.may_ask(ip_address()));
}

TEST(VerifyClients, LoopbackNeedsNoLine) {
  for (auto &c : {read_clients("192.0.2.1\n").table, read_clients("").table, clients_table::nobody()}) {
    EXPECT_TRUE(c.known());
    EXPECT_TRUE(c.may_ask(ip("127.0.0.2")) && c.may_ask(ip("::1")));
    EXPECT_FALSE(c.may_ask(ip("203.0.113.1")));
  }
}

TEST(VerifyClients, CommentsAndBlanks) {
  const read_clients c("# 192.0.2.9\n\n \t\n192.0.2.1 \t\n#\n192.0.2.2");
  EXPECT_TRUE(c.complaints.empty());
  EXPECT_TRUE(c["192.0.2.1"] && c["192.0.2.2"]);
  EXPECT_FALSE(c["192.0.2.9"]);
}

TEST(VerifyClients, ALineThatCannotBeReadLetsNobodyIn) {
  const read_clients c("192.0.2.1\n\n192.0.2.2/24\n 192.0.2.3\n192.0.2.4 # mx\n192.0.2.5\r\nmx.example.org\n192.0.2.6\n");
  EXPECT_TRUE(c["192.0.2.1"] && c["192.0.2.6"]);
  for (auto out : {"192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}) EXPECT_FALSE(c[out]) << out;
  const std::string wrong = ": not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or 2001:db8::/32)",
                    until = "; until this is mended it lets nobody in", file = "control/verifyclients line ";
  const std::vector<std::string> expected = {
      file + "3: \"192.0.2.2/24\": there are bits set behind the prefix" + until,
      file + "4: \" 192.0.2.3\"" + wrong + until, file + "5: \"192.0.2.4 # mx\"" + wrong + until,
      file + "6: \"192.0.2.5\\x0d\"" + wrong + until, file + "7: \"mx.example.org\"" + wrong + until};
  EXPECT_EQ(c.complaints, expected);
}

TEST(VerifyClients, ComplaintsAreBoundedAndPrintable) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(5000, '\x1b') + "\n";
  text += "192.0.2.1\n";
  const read_clients c(text);
  ASSERT_EQ(c.complaints.size(), 101u);
  EXPECT_EQ(c.complaints[100], "control/verifyclients: more cannot be read than is told here");
  EXPECT_TRUE(c["192.0.2.1"]);
  for (auto &complaint : c.complaints) {
    EXPECT_LT(complaint.size(), 700u);
    EXPECT_TRUE(std::all_of(complaint.begin(), complaint.end(), [](char b) { return b >= ' ' && b <= '~'; }));
  }
}

TEST(VerifyClients, QuotedPieces) {
  EXPECT_EQ(lines_quoted("a b"), "\"a b\"");
  EXPECT_EQ(lines_quoted(std::string_view("a\\\0\n", 4)), "\"a\\\\\\x00\\x0a\"");
  EXPECT_EQ(lines_quoted(std::string(100, 'x')), "\"" + std::string(100, 'x') + "\"");
  EXPECT_EQ(lines_quoted(std::string(101, 'x')), "\"" + std::string(100, 'x') + "...\"");
}
