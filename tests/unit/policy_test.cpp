// policy_test.cpp - control/verifypolicy as text: whom a line is for, what its
// words say, and what is said about those that cannot be read.

#include "address/policy.h"

#include <gtest/gtest.h>

namespace {

struct read_policy {
  explicit read_policy(std::string_view text) : table(text, complaints) {}

  // the words of a domain, one after the other; "-" for none
  std::string operator[](std::string_view domain) const {
    const policy_words &w = table.find(domain);
    std::string out = std::string(w.off ? " off" : "") + (w.observe ? " observe" : "") +
                      (w.refuse_delete ? " refuse-delete" : "") + (w.refuse_null ? " refuse-null" : "") +
                      (w.ext ? " ext" : "") + (w.follow ? " follow" : "");
    for (auto &program : w.refuse) out += " " + program;
    return out.empty() ? "-" : out.substr(1);
  }

  std::vector<std::string> complaints;
  policy_table table;
};

// One sentence, with all of these in it.
void expect_complaint(const read_policy &p, const std::vector<std::string> &parts) {
  ASSERT_EQ(p.complaints.size(), 1u);
  for (auto &part : parts) EXPECT_NE(p.complaints[0].find(part), std::string::npos) << part << "\n" << p.complaints[0];
  EXPECT_EQ(p.complaints[0].find('\n'), std::string::npos);
}

constexpr char UNTIL[] = "\"a.example\" is only observed",
               WORDS[] = "off, observe, refuse-delete, refuse-null, ext, follow";

}  // namespace

TEST(VerifyPolicy, NothingIsSaidWhereThereIsNoLine) {
  EXPECT_EQ(read_policy("")["a.example"], "-");
  EXPECT_EQ(read_policy("b.example:off\n")["a.example"], "-");
  EXPECT_EQ(policy_table().find("a.example").observe, false);
}

TEST(VerifyPolicy, EachWord) {
  const std::string words[] = {"off", "observe", "refuse-delete", "refuse-null", "ext", "follow"};
  for (auto &word : words) {
    read_policy p("a.example:" + word + "\n");
    EXPECT_EQ(p["a.example"], word);
    EXPECT_TRUE(p.complaints.empty());
  }
  read_policy all("a.example:follow,ext,refuse-null,refuse-delete,observe,off,refuse=/b,refuse=/a\n");
  EXPECT_EQ(all["a.example"], "off observe refuse-delete refuse-null ext follow /b /a");
  EXPECT_TRUE(all.complaints.empty());
}

TEST(VerifyPolicy, LettersMatchWhateverTheirCaseButNotInAProgram) {
  read_policy p("A.Example:OFF,Refuse-Delete,REFUSE=/Usr/Bin/X\n");
  EXPECT_EQ(p["a.eXAMPLE"], "off refuse-delete /Usr/Bin/X");
  EXPECT_TRUE(p.table.find("a.example").refuses("/Usr/Bin/X"));
  EXPECT_FALSE(p.table.find("a.example").refuses("/usr/bin/x"));
  EXPECT_FALSE(p.table.find("a.example").refuses("/Usr/Bin/X "));
  EXPECT_FALSE(p.table.find("a.example").refuses("X"));
}

TEST(VerifyPolicy, BlanksAroundWordsAndAtTheEndDoNotCount) {
  read_policy p("a.example: off ,\tobserve\t,  refuse=/x \t \nb.example:ext");
  EXPECT_EQ(p["a.example"], "off observe /x");
  EXPECT_EQ(p["b.example"], "ext");
  EXPECT_TRUE(p.complaints.empty());
}

TEST(VerifyPolicy, CommentsAndEmptyLines) {
  read_policy p("#a.example:off\n\n \t\na.example:ext\n#");
  EXPECT_EQ(p["a.example"], "ext");
  EXPECT_TRUE(p.complaints.empty());
  // a comment begins in column one
  expect_complaint(read_policy("\n #a.example:off\n"), {"line 2: "});
}

TEST(VerifyPolicy, TheNearestEntryCountsAlone) {
  read_policy p("a.b.example:off\n.b.example:observe\n.example:ext\n:follow\n");
  EXPECT_EQ(p["a.b.example"], "off");
  EXPECT_EQ(p["x.b.example"], "observe");
  EXPECT_EQ(p["x.a.b.example"], "observe");
  EXPECT_EQ(p["b.example"], "ext");
  EXPECT_EQ(p["xb.example"], "ext");
  EXPECT_EQ(p["example"], "follow");
  EXPECT_EQ(p[""], "follow");
  EXPECT_EQ(p[".b.example"], "observe");
  EXPECT_EQ(p["x.b.example."], "follow");
}

TEST(VerifyPolicy, ALineWithoutWordsShieldsFromAWiderOne) {
  read_policy p("a.example:\nb.example: \t\n:observe\n");
  EXPECT_EQ(p["a.example"], "-");
  EXPECT_EQ(p["b.example"], "-");
  EXPECT_EQ(p["c.example"], "observe");
  EXPECT_TRUE(p.complaints.empty());
}

TEST(VerifyPolicy, AWordThatCannotBeReadMakesItsDomainObserved) {
  for (const char *word : {"offf", "refuse", "on", "refuse-", "off=1", "o f f", "off;ext", "refuse-delete\r"}) {
    read_policy p(std::string("b.example:off\na.example:ext,") + word + "\n");
    EXPECT_EQ(p["a.example"], "observe ext") << word;
    EXPECT_EQ(p["b.example"], "off");
    expect_complaint(p,
                     {"control/verifypolicy line 2: \"a.example\": ", std::string("\"") + word + "\"", UNTIL, WORDS});
  }
}

TEST(VerifyPolicy, AnEmptyWordBetweenCommasIsNotOverlooked) {
  for (const char *text : {"a.example:,off\n", "a.example:off,,ext\n"}) {
    read_policy p(text);
    EXPECT_TRUE(p.table.find("a.example").observe);
    expect_complaint(p, {"line 1: ", "\"\"", UNTIL});
  }
  EXPECT_TRUE(read_policy("a.example:off, \n").complaints.empty());
}

TEST(VerifyPolicy, AProgramNeedsItsFullPathAndNothingElse) {
  for (const char *word :
       {"refuse=", "refuse=x", "refuse=bin/x", "refuse= /x", "refuse=/x y", "refuse=/x\ty", "refuse=\"/x\""}) {
    read_policy p(std::string("a.example:") + word + "\n");
    EXPECT_EQ(p["a.example"], "observe") << word;
    expect_complaint(p, {std::string("\"") + word + "\" must have a program's full path", UNTIL, WORDS});
  }
  EXPECT_EQ(read_policy("a.example:refuse=/x:y=z\n")["a.example"], "/x:y=z");
}

TEST(VerifyPolicy, AProgramThatIsReadIsNotRefusedByName) {
  for (const char *name : {"vdelivermail", "vdeliver", "fastforward", "bouncesaying", "except", "condredirect", "true",
                           "false", "ezmlm-send"}) {
    read_policy p(std::string("a.example:ext,refuse=/some/bin/") + name + "\n");
    EXPECT_EQ(p["a.example"], "ext") << name;
    expect_complaint(p, {"line 1: \"a.example\": ", name, "has no effect"});
  }
  EXPECT_EQ(read_policy("a.example:refuse=/bin/vdeliverx\n")["a.example"], "/bin/vdeliverx");
  EXPECT_EQ(read_policy("a.example:refuse=/vdeliver/x\n")["a.example"], "/vdeliver/x");
}

TEST(VerifyPolicy, ALineWithoutAColonIsForItsFirstWord) {
  for (const char *line : {"A.example", "a.example off", "a.example\toff,ext", "\ta.example off"}) {
    read_policy p(std::string(line) + "\n:off\n");
    EXPECT_EQ(p["a.example"], "observe") << line;
    EXPECT_EQ(p["b.example"], "off") << line;
    expect_complaint(p, {"control/verifypolicy line 1: ", "has no colon", UNTIL});
  }
}

TEST(VerifyPolicy, WhatIsNoDomainIsObservedAsFarAsItCanBeTold) {
  struct {
    std::string line, observed;
  } rows[] = {
      {"a.example x:off", "a.example"},   {"a.example :off", "a.example"},
      {" a.example:off", "a.example"},    {std::string("a.example\0x:off", 15), "a.example"},
      {"joe@a.example:off", "a.example"}, {"x@joe@A.example:off", "a.example"},
      {"*a.example:off", "a.example"},    {std::string("\0a.example:off", 14), "a.example"},
  };
  for (auto &row : rows) {
    read_policy p(row.line + "\n");
    EXPECT_EQ(p[row.observed], "observe") << row.line;
    EXPECT_EQ(p["b.example"], "-") << row.line;
    expect_complaint(p, {"line 1: ", "does not begin with a domain", UNTIL});
  }
  EXPECT_EQ(read_policy("*.example:off")["a.example"], "observe");
  EXPECT_EQ(read_policy("*.example:off")["a.test"], "-");
  for (const char *line : {"*:off", "joe@:off"}) {
    read_policy p(line);
    EXPECT_EQ(p["a.example"], "observe") << line;
    expect_complaint(p, {"every domain without a line of its own is only observed"});
  }
}

TEST(VerifyPolicy, OfTwoLinesForADomainTheLastOneCounts) {
  read_policy p("a.example:off,refuse=/x\nb.example:off\nA.EXAMPLE:ext\n");
  EXPECT_EQ(p["a.example"], "ext");
  EXPECT_EQ(p["b.example"], "off");
  expect_complaint(p, {"control/verifypolicy line 3: \"a.example\" has a line already"});
  EXPECT_EQ(p.complaints[0].find("observed"), std::string::npos);
}

TEST(VerifyPolicy, ADomainIsObservedWhicheverOfItsLinesIsBroken) {
  for (const char *text : {"a.example:oops\na.example:ext\n", "a.example:ext\na.example:oops\n",
                           "joe@a.example:ext\na.example:\n", "a.example:oops\na.example:ext\na.example:ext\n"})
    EXPECT_TRUE(read_policy(text).table.find("a.example").observe) << text;
}

TEST(VerifyPolicy, EveryWordThatCannotBeReadIsNamed) {
  read_policy p("a.example:x,y,refuse=z\nb.example\n");
  ASSERT_EQ(p.complaints.size(), 4u);
  EXPECT_NE(p.complaints[1].find("line 1: \"a.example\": there is no word \"y\""), std::string::npos);
  EXPECT_NE(p.complaints[3].find("line 2: "), std::string::npos);
}

TEST(VerifyPolicy, WhatIsSaidHasItsBounds) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "d" + std::to_string(i) + "\n";
  read_policy many(text);
  EXPECT_EQ(many.complaints.size(), 101u);
  EXPECT_EQ(many["d999"], "observe");
  read_policy one("a.example:" + std::string(100000, 'x') + "\n");
  ASSERT_EQ(one.complaints.size(), 1u);
  EXPECT_LT(one.complaints[0].size(), 500u);
}

TEST(VerifyPolicy, AFileThatCannotBeReadObservesEveryDomain) {
  const policy_table table = policy_table::unreadable();
  for (const char *domain : {"", "a", "a.example"}) {
    EXPECT_TRUE(table.find(domain).observe);
    EXPECT_FALSE(table.find(domain).off);
  }
}
