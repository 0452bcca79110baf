// routes_test.cpp - control/verifyroutes and control/smtproutes as text: which servers a
// domain has, and what is said about what cannot be read.

#include "qmail/routes.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "qmail/control.h"

namespace {

using texts = std::vector<std::string>;

struct read_routes {
  explicit read_routes(std::string_view verifyroutes, const std::string &smtproutes = "")
      : table(verifyroutes, &smtproutes, 0, complaints) {}

  // The servers of a domain, "a b"; "-": not routed; "wrong: ..." where none can be asked.
  std::string operator[](std::string_view domain) const {
    const routes_table::route *route = table.find(domain);
    if (!route) return "-";
    EXPECT_EQ(route->servers.empty(), !route->wrong.empty()) << domain;
    if (route->servers.empty()) return "wrong: " + route->wrong;
    EXPECT_EQ(route, table.find(domain)) << domain;
    std::string out;
    for (const unsigned number : route->servers) out += (out.empty() ? "" : " ") + server(number);
    return out;
  }
  std::string server(unsigned number) const {
    char text[UDP_TEXT_MAX];
    udp_format(&table.servers().at(number), text);
    return text;
  }

  texts complaints;
  routes_table table;
};

constexpr const char *A = "192.0.2.1:11113", *B = "192.0.2.2:11113", *C = "192.0.2.3:11113";

}  // namespace

// ---- matching

TEST(Routes, WithoutAFileNothingIsRouted) {
  const routes_table none;
  EXPECT_FALSE(none.any() || none.follows_smtproutes());
  EXPECT_EQ(none.find("a.example"), nullptr);
  EXPECT_EQ(none.find(""), nullptr);
  const read_routes empty("# a.example:192.0.2.1\n\n \t\n#\n");
  EXPECT_TRUE(empty.complaints.empty() && !empty.table.any());
  EXPECT_EQ(empty["a.example"], "-");
}

TEST(Routes, TheLongestNameCounts) {
  const read_routes r(":192.0.2.1\n.example:192.0.2.2\nb.a.example:192.0.2.3\n.a.example:192.0.2.4\n");
  EXPECT_EQ(r["b.a.example"], C);
  EXPECT_EQ(r["c.a.example"], "192.0.2.4:11113");
  EXPECT_EQ(r["d.c.a.example"], "192.0.2.4:11113");
  EXPECT_EQ(r["x.b.a.example"], "192.0.2.4:11113") << "a name without a dot stands for nothing below it";
  EXPECT_EQ(r["a.example"], B);
  EXPECT_EQ(r["example"], A) << ".example is for what is below it";
  EXPECT_EQ(r[".example"], B);
  EXPECT_EQ(r["a.example."], A) << "the dot at the end is no exception";
  for (auto all : {"", "elsewhere.test", "[192.0.2.9]", "..", "xexample"}) EXPECT_EQ(r[all], A) << all;
  EXPECT_TRUE(r.complaints.empty() && r.table.any());
}

TEST(Routes, WithoutALineForAllTheOthersAreNotRouted) {
  const read_routes r("a.example:192.0.2.1\n.b.example:192.0.2.2\n");
  for (auto other : {"", ".", "b.example", "xa.example", "a.example.org", "x.a.example", "a.exampl"})
    EXPECT_EQ(r[other], "-") << other;
}

TEST(Routes, CaseDoesNotCount) {
  const read_routes r("A.Example:192.0.2.1\n.b.EXAMPLE:192.0.2.2\n");
  EXPECT_EQ(r["a.example"], A);
  EXPECT_EQ(r["A.EXAMPLE"], A);
  EXPECT_EQ(r["X.B.example"], B);
  EXPECT_EQ(r["A[EXAMPLE"], "-") << "only letters have a case";
}

TEST(Routes, NothingBehindTheColonIsAnException) {
  const read_routes r(
      ":192.0.2.1\n.example:192.0.2.2\na.example:\n.c.example: \t\n.b.example:\nx.b.example:192.0.2.3\n");
  for (auto out : {"a.example", "A.Example", "y.b.example", "x.c.example"}) EXPECT_EQ(r[out], "-") << out;
  EXPECT_EQ(r["x.a.example"], B);
  EXPECT_EQ(r["x.b.example"], C);
  EXPECT_TRUE(r.complaints.empty());
}

TEST(Routes, OfTwoLinesTheLastCounts) {
  const read_routes r(
      "a.example:192.0.2.1\nA.EXAMPLE:192.0.2.2\nb.example:192.0.2.1\nb.example:\nc.example:nohost\n"
      "c.example:192.0.2.1\n");
  EXPECT_EQ(r["a.example"], B);
  EXPECT_EQ(r["b.example"], "-");
  EXPECT_EQ(r["c.example"], A);
}

TEST(Routes, WhichLineCounts) {
  const read_routes r("# x\na.example:192.0.2.1\n\nb.example\n .b.example :\na.example:mx\n");
  EXPECT_EQ(r.table.line_of("A.example"), 6U);
  EXPECT_EQ(r.table.line_of("x.b.example"), 5U);
  EXPECT_EQ(r.table.line_of("b.example"), 0U);
  EXPECT_EQ(routes_table().line_of("a.example"), 0U);
}

TEST(Routes, BlanksAndMissingNewline) {
  const read_routes r("a.example : 192.0.2.1 ,\t192.0.2.2 \t\n\t b.example:192.0.2.2\nc.example:192.0.2.3");
  EXPECT_EQ(r["a.example"], std::string(A) + " " + B);
  EXPECT_EQ(r["b.example"], B);
  EXPECT_EQ(r["c.example"], C);
  EXPECT_TRUE(r.complaints.empty());
}

TEST(Routes, OddDomainsAreLookedUpAsAnyOther) {
  const std::string longest(100000, 'x'), dots(2000, '.'), bytes("\0\xff\n.a.example", 13);
  const read_routes r(".a.example:192.0.2.1\n" + longest + ":192.0.2.2\n");
  EXPECT_EQ(r[longest], B);
  EXPECT_EQ(r[longest + ".a.example"], A);
  EXPECT_EQ(r[bytes], A);
  EXPECT_EQ(r[dots + "a.example"], A);
  EXPECT_EQ(r[dots], "-");
}

// As control_map finds what qmail-remote would, for names that are alike.
TEST(Routes, MatchesAsConstmapDoes) {
  std::mt19937 random(8);
  const auto name = [&] {
    std::string s;
    for (auto n = random() % 5; n; --n) s += "ab.AB."[random() % 6];
    return s;
  };
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int line = 0; line < 8; ++line)
      text += name() + (random() % 4 ? ":192.0.2." + std::to_string(line) : ":") + "\n";
    const read_routes r(text);
    const control_map map(control_parsefile(text), control_form::colon);
    for (int asked = 0; asked < 30; ++asked) {
      const std::string domain = name();
      std::string_view found;
      for (size_t i = 0; i <= domain.size(); ++i)
        if (i == 0 || i == domain.size() || domain[i] == '.')
          if (const auto value = map.find(std::string_view(domain).substr(i))) {
            found = *value;
            break;
          }
      EXPECT_EQ(r[domain], found.empty() ? "-" : std::string(found) + ":11113") << text << "\n" << domain;
    }
  }
}

// ---- servers

TEST(Routes, EachKindOfServer) {
  const read_routes r(
      "a:192.0.2.1\nb:192.0.2.1:1\nc:[2001:db8::1]\nd:[2001:db8::1]:2\ne:/var/qmail/verify/a:b\nf::3\n"
      "g:localhost:4\nh::\n");
  EXPECT_TRUE(r.complaints.empty());
  const std::vector<std::pair<const char *, std::string>> expected = {{"a", A},
                                                                      {"b", "192.0.2.1:1"},
                                                                      {"c", "[2001:db8::1]:11113"},
                                                                      {"d", "[2001:db8::1]:2"},
                                                                      {"e", "/var/qmail/verify/a:b"},
                                                                      {"f", "127.0.0.1:3"},
                                                                      {"g", "127.0.0.1:4"},
                                                                      {"h", "127.0.0.1:11113"}};
  for (const auto &[domain, servers] : expected) EXPECT_EQ(r[domain], servers) << domain;
}

TEST(Routes, SeveralServersInTheirOrderEachOnce) {
  const read_routes r("a.example:192.0.2.2,192.0.2.1,192.0.2.2:11113,/s,192.0.2.1,/s\nb.example:192.0.2.1,192.0.2.3\n");
  EXPECT_EQ(r["a.example"], std::string(B) + " " + A + " /s");
  EXPECT_EQ(r["b.example"], std::string(A) + " " + C);
  EXPECT_EQ(r.table.servers().size(), 4U) << "of all lines, each once";
  EXPECT_TRUE(r.complaints.empty());
}

TEST(Routes, WhatCannotBeReadIsNamedAndAnsweredTemporary) {
  const read_routes r(
      "a.example:192.0.2.1\n\nb.example:mail.example.org\nc.example\nd.example:192.0.2.300\n"
      "e.example:192.0.2.1\r\nf.example:192.0.2.1:smtp\ng.example:2001:db8::1\nh.example:x/y\n"
      "i.example:MX:25,/" +
      std::string(107, 's') + "\n:192.0.2.2\n");
  const std::string file = "control/verifyroutes line ",
                    name = ": host names are not looked up; write the address, as in 192.0.2.1:11113",
                    until = "; until this is mended the addresses of that domain are answered \"temporary\"";
  const texts what = {"3: \"mail.example.org\"" + name,
                      "5: \"192.0.2.300\": not an IPv4 address",
                      "6: \"192.0.2.1\\x0d\": not an IPv4 address (names are not looked up)",
                      "7: \"192.0.2.1:smtp\": not a port from 1 to 65535",
                      "8: \"2001:db8::1\": an IPv6 address stands in brackets, as in [::1]:11113",
                      "9: \"x/y\": the path of a socket begins with a slash",
                      "10: \"MX:25\"" + name};
  const texts domains = {"b.example", "d.example", "e.example", "f.example", "g.example", "h.example", "i.example"};
  texts expected;
  for (size_t i = 0; i < what.size(); ++i) {
    expected.push_back(file + what[i] + until);
    EXPECT_EQ(r[domains[i]], "wrong: " + file + what[i]);
  }
  expected.insert(expected.begin() + 1, file + "4: \"c.example\": no colon; write domain:server");
  EXPECT_EQ(r.complaints, expected);
  EXPECT_EQ(r["a.example"], A);
  EXPECT_EQ(r["c.example"], B) << "the line changes nothing";
}

TEST(Routes, AServerThatCannotBeReadIsLeftOut) {
  const read_routes r(
      "a.example:192.0.2.1,mx,192.0.2.2,my\nb.example:192.0.2.1,\nc.example:,\nd.example:,,192.0.2.2\n");
  EXPECT_EQ(r["a.example"], std::string(A) + " " + B);
  EXPECT_EQ(r["b.example"], A);
  EXPECT_EQ(r["d.example"], B);
  const std::string comma = ": nothing stands before or behind a comma; take the comma out",
                    file = "control/verifyroutes line ", left = "; until this is mended it is left out";
  EXPECT_EQ(r["c.example"], "wrong: " + file + "3" + comma);
  ASSERT_EQ(r.complaints.size(), 4U);
  EXPECT_EQ(r.complaints[0],
            file + "1: \"mx\": host names are not looked up; write the address, as in 192.0.2.1:11113" + left);
  EXPECT_EQ(r.complaints[1], file + "2" + comma + left);
  EXPECT_EQ(r.complaints[3], file + "4" + comma + left);
}

TEST(Routes, ComplaintsAreBoundedAndPrintable) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + ":" + std::string(5000, '\x1b') + "\n";
  text += "a.example:192.0.2.1\nb.example:smtproutes\n";
  std::string relays;
  for (int i = 0; i < 1000; ++i) relays += "." + std::to_string(i) + ":\x1b[2J\n";
  const read_routes r(text + ":smtproutes\n", relays);
  ASSERT_EQ(r.complaints.size(), 202U);
  for (const std::string &sentence : r.complaints) {
    EXPECT_LT(sentence.size(), 1000U);
    for (const char c : sentence) EXPECT_TRUE(c >= ' ' && c <= '~') << sentence;
  }
  EXPECT_EQ(r.complaints[100], "control/verifyroutes: more cannot be read than is told here");
  EXPECT_EQ(r["a.example"], A);
  EXPECT_EQ(r["999"].substr(0, 40), "wrong: control/verifyroutes line 1000: \"");
  EXPECT_LT(r["999"].size(), 1000U);
  EXPECT_EQ(r["x.999"],
            "wrong: control/smtproutes line 1000: \"\\x1b[2J\": not an IP address, so that "
            "control/verifyroutes cannot follow this line; write an address here, or the domain with a "
            "server there");
}

// ---- control/smtproutes

TEST(Routes, FollowsSmtproutes) {
  const std::string relays =
      "a.example:192.0.2.1\n.b.example:[192.0.2.2]:26\n:192.0.2.3:587\nc.example:\n"
      ".d.example:[2001:db8::1]:25\n# x\ne.example\nf.example:192.0.2.1 name password\n";
  const read_routes all(":SmtpRoutes\n", relays);
  EXPECT_TRUE(all.table.follows_smtproutes() && all.complaints.empty());
  EXPECT_EQ(all["a.example"], A);
  EXPECT_EQ(all["x.b.example"], B) << "SMTP's port is not ours";
  EXPECT_EQ(all["elsewhere.test"], C);
  EXPECT_EQ(all["c.example"], "-") << "qmail-remote asks the DNS";
  EXPECT_EQ(all["x.d.example"], "[2001:db8::1]:11113");
  EXPECT_EQ(all["e.example"], C) << "a line without a colon is passed over";
  EXPECT_EQ(all["f.example"], A);
  const read_routes one("a.example:smtproutes\n.b.example:smtproutes\n", relays);
  EXPECT_EQ(one["A.example"], A);
  EXPECT_EQ(one["x.b.example"], B);
  EXPECT_EQ(one["c.example"], "-");
  EXPECT_EQ(one["elsewhere.test"], "-") << "only what follows is routed";
  EXPECT_EQ(one.table.servers().size(), 2U) << "a line that nobody follows has no server";
}

TEST(Routes, TheLineOfTheDomainAskedAboutIsFollowed) {
  const read_routes r(".example:smtproutes\n",
                      "a.example:192.0.2.1\nx.b.example:192.0.2.2\n:192.0.2.3\nA.EXAMPLE:192.0.2.2\n");
  EXPECT_EQ(r["a.example"], B) << "the last of two lines";
  EXPECT_EQ(r["x.b.example"], B);
  EXPECT_EQ(r["y.b.example"], C);
  EXPECT_EQ(r["example"], "-");
}

TEST(Routes, NoLineThereMeansNotRouted) {
  for (const char *relays :
       {"", "b.example:192.0.2.1\n", "a.example:\n", "a.example\n", "a.example::25\n", "a.example:[]\n"}) {
    const read_routes r("a.example:smtproutes\n:192.0.2.2\n", relays);
    EXPECT_EQ(r["a.example"], "-") << relays;
    EXPECT_EQ(r["c.example"], B) << relays;
    EXPECT_TRUE(r.complaints.empty()) << relays;
  }
}

TEST(Routes, OnlyAnAddressCanBeFollowed) {
  for (const char *relay :
       {"mail.example.org", "mail.example.org:25", "cafe", "localhost", "[mx]", "/socket", "192.0.2.300", "192.0.2",
        "2001:db8::1", "[192.0.2.1", "[192.0.2.1]x", "[192.0.2.1%eth0]", "192.0.2.1\r"}) {
    const read_routes r("a.example:smtproutes\n", "\na.example:" + std::string(relay) + "\n");
    EXPECT_TRUE(r["a.example"].starts_with("wrong: control/smtproutes line 2: \"")) << relay;
    ASSERT_EQ(r.complaints.size(), 1U) << relay;
    EXPECT_NE(r.complaints[0].find(", so that control/verifyroutes cannot follow this line; write an address"),
              std::string::npos);
    EXPECT_TRUE(r.table.servers().empty()) << relay;
  }
  const read_routes name("a.example:smtproutes\n", "a.example:mail.example.org:25\n");
  EXPECT_EQ(name.complaints,
            texts{"control/smtproutes line 1: \"mail.example.org\": host names are not looked up, so that "
                  "control/verifyroutes cannot follow this line; write an address here, or the domain with "
                  "a server there; until then the domains that follow it have no server by it"});
}

TEST(Routes, OnlyLinesThatAreFollowedAreComplainedAbout) {
  const std::string relays =
      "a.example:mx1\n.b.example:mx2\nc.example:mx3\n:mx4\n.x.d.example:mx5\n.x.e.example:mx6\n"
      "a.example:mx7\n";
  const auto lines = [&](const char *routes) {
    const read_routes r(routes, relays);
    std::string out;
    for (const std::string &sentence : r.complaints) out += sentence.substr(sentence.find("\"mx") + 3, 1);
    return out;
  };
  EXPECT_EQ(lines("a.example:192.0.2.1\n"), "");
  EXPECT_EQ(lines("a.example:smtproutes\n"), "7");
  EXPECT_EQ(lines("y.b.example:smtproutes\n"), "2");
  EXPECT_EQ(lines(".b.example:smtproutes\n"), "2");
  EXPECT_EQ(lines(".y.b.example:smtproutes\n"), "2");
  EXPECT_EQ(lines("b.example:smtproutes\n"), "4");
  EXPECT_EQ(lines(".d.example:smtproutes\n"), "45");
  EXPECT_EQ(lines(":smtproutes\n"), "234567");
  EXPECT_EQ(lines(":smtproutes\nc.example:192.0.2.1\n.b.example:\n"), "4567");
}

TEST(Routes, TheWordAmongServers) {
  const std::string relays = "a.example:192.0.2.3\nb.example:mx\nc.example:192.0.2.1\n";
  const read_routes r(":192.0.2.1,smtproutes,192.0.2.2,smtproutes\n", relays);
  EXPECT_EQ(r["a.example"], std::string(A) + " " + C + " " + B) << "in the order of the line";
  EXPECT_EQ(r["b.example"], std::string(A) + " " + B) << "what can be asked is asked";
  EXPECT_EQ(r["c.example"], std::string(A) + " " + B) << "each once";
  EXPECT_EQ(r["d.example"], std::string(A) + " " + B);
  EXPECT_EQ(r.complaints.size(), 1U);
}

TEST(Routes, TheWordBesideAServerThatCannotBeRead) {
  const read_routes r(":smtproutes,mx\n", "a.example:192.0.2.3\nb.example:my\nc.example:\n");
  EXPECT_EQ(r["a.example"], C);
  EXPECT_EQ(r["b.example"].substr(0, 40), "wrong: control/smtproutes line 2: \"my\": ");
  const std::string wrong =
      "wrong: control/verifyroutes line 1: \"mx\": host names are not looked up; write the "
      "address, as in 192.0.2.1:11113";
  EXPECT_EQ(r["c.example"], wrong) << "a server was meant: not let in by mistake";
  EXPECT_EQ(r["d.example"], wrong);
}

TEST(Routes, SmtproutesCannotBeRead) {
  texts complaints;
  read_routes r("");
  r.table = routes_table("a.example:smtproutes\nb.example:smtproutes,192.0.2.1\nc.example:192.0.2.2\n", nullptr, EACCES,
                         complaints);
  const std::string why = "control/smtproutes cannot be read: Permission denied";
  EXPECT_EQ(complaints, texts{why + "; until then the domains that follow it have no server by it"});
  EXPECT_EQ(r["a.example"], "wrong: " + why);
  EXPECT_EQ(r["b.example"], A);
  EXPECT_EQ(r["c.example"], B);
  EXPECT_EQ(r["d.example"], "-");
  complaints.clear();
  const routes_table other("c.example:192.0.2.2\n", nullptr, EACCES, complaints);
  EXPECT_TRUE(complaints.empty() && !other.follows_smtproutes()) << "it does not matter where nobody follows it";
}

// ---- many

TEST(Routes, AHundredThousandLines) {
  std::string text = "# all stores\n", relays;
  for (int i = 0; i < 100000; ++i) {
    const std::string n = std::to_string(i), server = "10.0." + std::to_string(i % 5) + ".1";
    text += (i % 10 ? "d" + n + ".example:" : ".d" + n + ".example:") + (i % 2 ? "smtproutes" : server) + "\n";
    if (i % 2) relays += "d" + n + ".example:" + server + "\n";
  }
  const read_routes r(text, relays);
  EXPECT_TRUE(r.complaints.empty());
  EXPECT_EQ(r.table.servers().size(), 5U);
  size_t wrong = 0;
  for (int i = 0; i < 100000; ++i) {
    const std::string n = std::to_string(i), below = i % 10 ? "" : "x.",
                      server = "10.0." + std::to_string(i % 5) + ".1:11113";
    wrong += r[below + "D" + n + ".Example"] != server;
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(r["d100000.example"], "-");
}
