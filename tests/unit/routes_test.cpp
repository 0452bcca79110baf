// routes: control/verifyroutes and the lines of control/smtproutes that it follows.

#include "qmail/routes.h"

#include <gtest/gtest.h>

namespace {

class Routes : public ::testing::Test {
 protected:
  void read(const std::string &text, const std::string &smtproutes = "") {
    complaints_.clear();
    table_ = routes_table(text, &smtproutes, 0, complaints_);
  }
  // "none", the servers, or "wrong: ..."
  std::string find(std::string_view domain) const {
    const routes_table::route *r = table_.find(domain);
    if (!r) return "none";
    std::string out;
    for (const unsigned s : r->servers) {
      char text[UDP_TEXT_MAX];
      udp_format(&table_.servers()[s], text);
      out += (out.empty() ? "" : " ") + std::string(text);
    }
    return out.empty() ? "wrong: " + r->wrong : out;
  }
  void expect_complaint(const std::string &words) {
    ASSERT_EQ(complaints_.size(), 1U);
    EXPECT_NE(complaints_[0].find(words), std::string::npos) << complaints_[0];
  }

  routes_table table_;
  std::vector<std::string> complaints_;
};

}  // namespace

TEST_F(Routes, NoFileNoRoute) {
  EXPECT_FALSE(table_.any());
  EXPECT_EQ(find("example.org"), "none");
  read("# nothing\n\n");
  EXPECT_FALSE(table_.any());
}

TEST_F(Routes, MatchesAsSmtproutesDoes) {
  read("example.org:10.0.0.1\n.example.org:10.0.0.2\n.sub.example.org:10.0.0.3\n:10.0.0.4\n");
  EXPECT_EQ(find("example.org"), "10.0.0.1:11113");
  EXPECT_EQ(find("EXAMPLE.org"), "10.0.0.1:11113");
  EXPECT_EQ(find("a.example.org"), "10.0.0.2:11113");
  EXPECT_EQ(find("a.b.example.org"), "10.0.0.2:11113");
  EXPECT_EQ(find("a.Sub.example.org"), "10.0.0.3:11113");
  EXPECT_EQ(find("sub.example.org"), "10.0.0.2:11113");
  EXPECT_EQ(find("badexample.org"), "10.0.0.4:11113");
  EXPECT_EQ(find(""), "10.0.0.4:11113");
}

TEST_F(Routes, WithoutALineForAllOthersAreNotRouted) {
  read("example.org:10.0.0.1\n");
  EXPECT_EQ(find("example.com"), "none");
  EXPECT_EQ(find("a.example.org"), "none");
  EXPECT_EQ(find(""), "none");
}

TEST_F(Routes, NothingBehindTheColonIsAnException) {
  read(".example.org:10.0.0.1\nwww.example.org:\n:10.0.0.2\n");
  EXPECT_TRUE(complaints_.empty());
  EXPECT_EQ(find("www.example.org"), "none");
  EXPECT_EQ(find("a.www.example.org"), "10.0.0.1:11113");
}

TEST_F(Routes, OfTwoLinesTheLastOneCounts) {
  read("example.org:10.0.0.1\nExample.org:10.0.0.2\n");
  EXPECT_EQ(find("example.org"), "10.0.0.2:11113");
}

TEST_F(Routes, ServersAreWrittenAsInVERIFY) {
  read("a:10.0.0.1:2000,[2001:db8::1]:3000,[::1],/run/verify/socket,:4000\n");
  EXPECT_TRUE(complaints_.empty());
  EXPECT_EQ(find("a"), "10.0.0.1:2000 [2001:db8::1]:3000 [::1]:11113 /run/verify/socket 127.0.0.1:4000");
}

TEST_F(Routes, BlanksDoNotCount) {
  read("a : 10.0.0.1 , 10.0.0.2 \t\n");
  EXPECT_EQ(find("a"), "10.0.0.1:11113 10.0.0.2:11113");
}

TEST_F(Routes, AServerCountsOnce) {
  read("a:10.0.0.1,10.0.0.1:11113\nb:10.0.0.1\n");
  EXPECT_EQ(find("a"), "10.0.0.1:11113");
  EXPECT_EQ(table_.servers().size(), 1U);
}

TEST_F(Routes, NamesAreNotLookedUp) {
  read("# first\nexample.org:store.example.org\n");
  expect_complaint("control/verifyroutes line 2: \"store.example.org\": host names are not looked up; write the address");
  EXPECT_EQ(find("example.org").substr(0, 36), "wrong: control/verifyroutes line 2: ");
  EXPECT_TRUE(table_.any());
}

TEST_F(Routes, AServerThatCannotBeReadIsLeftOut) {
  read("example.org:10.0.0.1,10.0.0.300\n");
  expect_complaint("this server is left out");
  EXPECT_EQ(find("example.org"), "10.0.0.1:11113");
}

TEST_F(Routes, ALineWithoutAColonIsNoLine) {
  read("example.org\n");
  expect_complaint("no colon");
  EXPECT_EQ(find("example.org"), "none");
}

TEST_F(Routes, AnEmptyItemIsComplainedOf) {
  read("a:10.0.0.1,\n");
  expect_complaint("comma");
  EXPECT_EQ(find("a"), "10.0.0.1:11113");
}

TEST_F(Routes, TheWordSmtproutesFollowsThatFile) {
  const std::string smtp = "a.example:10.0.0.1\nb.example:10.0.0.2:26\n.c.example:[10.0.0.3]\nd.example:\n[x]:y\n:10.0.0.9\n";
  read(":smtproutes\n", smtp);
  EXPECT_TRUE(table_.follows_smtproutes());
  EXPECT_EQ(find("A.example"), "10.0.0.1:11113");
  EXPECT_EQ(find("b.example"), "10.0.0.2:11113");
  EXPECT_EQ(find("x.c.example"), "10.0.0.3:11113");
  EXPECT_EQ(find("d.example"), "none");
  EXPECT_EQ(find("other.example"), "10.0.0.9:11113");
}

TEST_F(Routes, OnlyForTheDomainsThatFollowIt) {
  read("a.example:SMTPROUTES\nb.example:10.0.0.7\n", "a.example:10.0.0.1\nb.example:mail.b.example\n");
  EXPECT_TRUE(complaints_.empty()) << complaints_.front();
  EXPECT_EQ(find("a.example"), "10.0.0.1:11113");
  EXPECT_EQ(find("b.example"), "10.0.0.7:11113");
  EXPECT_EQ(find("c.example"), "none");
}

TEST_F(Routes, WithoutALineThereADomainIsNotRouted) {
  read("a.example:smtproutes\n", "");
  EXPECT_EQ(find("a.example"), "none");
}

TEST_F(Routes, BesideOtherServers) {
  read("a.example:10.0.0.7,smtproutes\nb.example:10.0.0.7,smtproutes\n", "a.example:10.0.0.1\n");
  EXPECT_EQ(find("a.example"), "10.0.0.7:11113 10.0.0.1:11113");
  EXPECT_EQ(find("a.example"), "10.0.0.7:11113 10.0.0.1:11113");
  EXPECT_EQ(find("b.example"), "10.0.0.7:11113");
}

TEST_F(Routes, ANameInSmtproutesCannotBeFollowed) {
  read("a.example:smtproutes\n", "# x\na.example:mail.a.example:25\n");
  expect_complaint("\"a.example\" follows control/smtproutes line 2: \"mail.a.example\": host names are not looked up");
  EXPECT_EQ(find("a.example").substr(0, 34), "wrong: control/smtproutes line 2: ");
  read(":smtproutes\n", "a.example:mail.a.example\n");
  expect_complaint("control/smtproutes line 1: \"mail.a.example\": host names");
}

TEST_F(Routes, AnUnreadableSmtproutesLetsNobodyThroughByMistake) {
  table_ = routes_table("a.example:smtproutes\nb.example:10.0.0.1\n", nullptr, EACCES, complaints_);
  ASSERT_EQ(complaints_.size(), 1U);
  EXPECT_NE(complaints_[0].find("control/smtproutes cannot be read: Permission denied"), std::string::npos);
  EXPECT_EQ(find("a.example"), "wrong: control/smtproutes cannot be read: Permission denied");
  EXPECT_EQ(find("b.example"), "10.0.0.1:11113");
}

TEST_F(Routes, ItIsNotLookedAtWhereNothingFollowsIt) {
  table_ = routes_table("b.example:10.0.0.1\n", nullptr, EACCES, complaints_);
  EXPECT_TRUE(complaints_.empty());
  EXPECT_FALSE(table_.follows_smtproutes());
}

TEST_F(Routes, AHundredThousandDomains) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "d" + std::to_string(i) + ".example:10.0." + std::to_string(i % 200) + ".1\n";
  read(text);
  EXPECT_EQ(table_.servers().size(), 200U);
  EXPECT_EQ(find("d99999.example"), "10.0.199.1:11113");
  EXPECT_EQ(find("d100000.example"), "none");
}

TEST_F(Routes, SecretsOfSmtproutesAreNotTakenForAHost) {
  read("a.example:smtproutes\n", "a.example:10.0.0.1:587 user password\n");
  EXPECT_EQ(find("a.example"), "10.0.0.1:11113");
}
