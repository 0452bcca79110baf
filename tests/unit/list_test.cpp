// list_test.cpp - the pieces of qmail-vrfy --list: what a file's name answers to, what a
// line says, what of a list was lost.

#include "vrfy/list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "vrfy/list_names.h"

using namespace std::string_literals;

namespace {

// The names, and patterns with their *, as they are sorted.
std::vector<std::string> all(list_names &names) {
  names.settle();
  std::vector<std::string> out;
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names.pattern(i), names[i].ends_with('*')) << names[i];
    out.emplace_back(names[i]);
  }
  return out;
}

using strings = std::vector<std::string>;

strings dotqmail(const char *file, const char *dash, const char *pre, const char *before) {
  list_names names;
  list_dotqmail(file, dash, pre, before, names);
  return all(names);
}

list_names patterns(const strings &lines) {
  list_names out;
  for (const std::string &line : lines) out.add(line, true);
  out.settle();
  return out;
}

}  // namespace

// ---- names

TEST(ListNames, AreSortedByBytesAndThereOnce) {
  list_names names;
  for (const char *name : {"b", "a@x", "a-b@x", "\xff", "", "b", "B"}) names.add(name, false);
  EXPECT_EQ(all(names), (strings{"", "B", "a-b@x", "a@x", "b", "\xff"}));
}

TEST(ListNames, APatternStaysBesideItsName) {
  for (const bool first : {true, false}) {
    list_names names;
    names.add("a*", first);
    names.add("a*", !first);
    names.settle();
    ASSERT_EQ(names.size(), 1u);
    EXPECT_TRUE(names.pattern(0) && names.has_pattern("a*"));
    EXPECT_FALSE(names.has_pattern("a"));
  }
}

TEST(ListNames, AnyBytesAndAllLengths) {
  std::mt19937 random(1);
  strings wanted;
  list_names names;
  for (size_t length = 0; length <= list_names::NAME_MAX_BYTES; ++length) {
    std::string name(length, '\0');
    for (char &c : name) c = static_cast<char>(random());
    names.add(name, false);
    wanted.push_back(name);
  }
  names.add(std::string(list_names::NAME_MAX_BYTES + 1, 'x'), false);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  names.settle();
  ASSERT_EQ(names.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(names[i], wanted[i]);
    ASSERT_EQ(names.lower_bound(wanted[i]), i);
  }
  names.clear();
  EXPECT_EQ(names.size(), 0u);
}

// ---- dot-qmail files

TEST(ListDotqmail, ExactAndDefault) {
  EXPECT_EQ(dotqmail(".qmail", "", "", "joe"), strings{"joe"});
  EXPECT_EQ(dotqmail(".qmail-a", "-", "", "joe-"), strings{"joe-a"});
  EXPECT_EQ(dotqmail(".qmail-default", "-", "", "joe-"), (strings{"joe-*", "joe-default"}));
  EXPECT_EQ(dotqmail(".qmail-a-default", "-", "", ""), (strings{"a-*", "a-default"}));
  EXPECT_EQ(dotqmail(".qmail-adefault", "-", "", ""), strings{"adefault"});
  EXPECT_EQ(dotqmail(".qmail-", "-", "", "joe-"), strings{"joe-"});
}

TEST(ListDotqmail, WhatIsNeverLookedFor) {
  for (const char *file : {".qmail-A", ".qmail-a.b", "qmail-a", ".qmai", ".qmailx", ".forward", "x.qmail-a"})
    EXPECT_EQ(dotqmail(file, "-", "", "joe-"), strings{}) << file;
  EXPECT_EQ(dotqmail(".qmail-other", "-", "list-", "joe-list-"), strings{});
}

TEST(ListDotqmail, AColonIsADotOrAColon) {
  EXPECT_EQ(dotqmail(".qmail-a:b:c", "-", "", ""), (strings{"a.b.c", "a.b:c", "a:b.c", "a:b:c"}));
  EXPECT_EQ(dotqmail(".qmail-a:b-default", "-", "", ""),
            (strings{"a.b-*", "a.b-default", "a:b-*", "a:b-default"}));
  EXPECT_EQ(dotqmail(".qmail-1:2:3:4:5:6:7:8:9:10", "-", "", ""),
            (strings{"1.2.3.4.5.6.7.8.9.10", "1:2:3:4:5:6:7:8:9:10"}));
}

TEST(ListDotqmail, WhatStandsBeforeTheRest) {
  EXPECT_EQ(dotqmail(".qmail-list-a", "-", "list-", "joe-list-"), strings{"joe-list-a"});
  EXPECT_EQ(dotqmail(".qmail-a:b-x", "-", "A.B-", "joe-"), strings{"joe-x"});
  EXPECT_EQ(dotqmail(".qmail-default", "-", "list-", "joe-list-"), strings{"joe-list-*"});
  EXPECT_EQ(dotqmail(".qmail-list-default", "-", "list-x-", "joe-"), strings{"joe-*"});
  EXPECT_EQ(dotqmail(".qmail-list-x-y-default", "-", "list-x-", "joe-"), (strings{"joe-y-*", "joe-y-default"}));
}

// ---- lines

TEST(ListLine, WhichStarsStandForMany) {
  for (const char *line : {"*@a", "x-*@a", "x@*", "x@*.a", "x-*%b@a", "x%*.b@a", "x-*", "*"})
    EXPECT_TRUE(list_reads_as_pattern(line)) << line;
  for (const char *line : {"a*b@a", "*a@b", "a@b*", "a@x.*", "", "a", "*b"})
    EXPECT_FALSE(list_reads_as_pattern(line)) << line;
  EXPECT_EQ(list_instance("a*-*@*.b*c", "N"), "a*-N@N.b*c");
}

TEST(ListLine, CoveredByAPattern) {
  const list_names names = patterns({"joe-*@a", "*@b", "x-*"});
  for (const char *line : {"joe-*x@a", "joe-@a", "y*@b", "x-*y"}) EXPECT_TRUE(list_covered(line, names)) << line;
  for (const char *line : {"joe-*@a", "joe@a", "joe-x@c", "x*"}) EXPECT_FALSE(list_covered(line, names)) << line;
}

TEST(ListLine, Keys) {
  std::string key;
  const auto key_of = [&](const char *line, bool pattern) { return list_key(line, pattern, key) ? key : "none"; };
  EXPECT_EQ(key_of("joe@a", false), "joe@a");
  EXPECT_EQ(key_of("joe", false), "joe");
  EXPECT_EQ(key_of("joe-*@a", false), "joe-*@a");
  EXPECT_EQ(key_of("*@a", true), "@a");
  EXPECT_EQ(key_of("joe-*@a", true), "joe-default@a");
  EXPECT_EQ(key_of("joe-*", true), "joe-default");
  for (const char *line : {"joe*@a", "joe@*", "joe@*.a", "*@*", "*", "joe-*%b@a", "a*-*@a", "-*@a"})
    EXPECT_EQ(key_of(line, true), "none") << line;
  EXPECT_EQ(key_of("-joe@a", false), "none");
}

TEST(ListLine, TheDomain) {
  EXPECT_EQ(list_domain_of("a@b@c"), "c");
  EXPECT_EQ(list_domain_of("@c"), "c");
  EXPECT_EQ(list_domain_of("abc"), "");
}

// ---- what was lost

TEST(ListShrink, ByMoreThanItMay) {
  std::vector<std::string> says;
  EXPECT_TRUE(list_may_shrink({{"a", 100}}, {{"a", 90}}, 10, says));
  EXPECT_TRUE(says.empty());
  EXPECT_FALSE(list_may_shrink({{"a", 100}, {"b", 3}, {"c", 50}}, {{"a", 80}, {"c", 50}}, 10, says));
  ASSERT_EQ(says.size(), 3u);
  EXPECT_EQ(says[0], "the list would shrink from 153 to 130, by more than 10%");
  EXPECT_EQ(says[1], "a: lost 20 of 100");
  EXPECT_EQ(says[2], "b: lost 3 of 3");
}

TEST(ListShrink, ADomainThatLostEverythingIsNamed) {
  std::vector<std::string> says;
  EXPECT_TRUE(list_may_shrink({{"a", 100}, {"", 1}, {"c", 5}}, {{"a", 100}, {"c", 4}}, 10, says));
  EXPECT_EQ(says, strings{"addresses without a domain: lost 1 of 1"});
}

TEST(ListShrink, EmptyLists) {
  std::vector<std::string> says;
  EXPECT_TRUE(list_may_shrink({}, {}, 0, says));
  EXPECT_TRUE(list_may_shrink({}, {{"a", 1}}, 0, says));
  EXPECT_FALSE(list_may_shrink({{"a", 1}}, {}, 99, says));
  EXPECT_TRUE(list_may_shrink({{"a", 1}}, {}, 100, says));
}

TEST(ListShrink, OnlyTheWorstDomainsAreNamed) {
  list_counts before;
  for (unsigned long i = 1; i <= 30; ++i) before["d" + std::to_string(i) + "\n"] = i;
  std::vector<std::string> says;
  EXPECT_FALSE(list_may_shrink(before, {}, 10, says));
  ASSERT_EQ(says.size(), 12u);
  EXPECT_EQ(says[1], "d30\\x0a: lost 30 of 30");
  EXPECT_EQ(says[11], "20 more domains have lost some");
}

// ---- where passwd comes from

TEST(ListSources, ThatNeedNotBeListed) {
  for (const char *none : {"", "passwd: files\n", "passwd:\tfiles systemd\n", "passwd: compat\ngroup: ldap\n",
                           "#passwd: ldap\npasswd: files [NOTFOUND=return] db\n", "passwd_: nis\n"})
    EXPECT_EQ(list_unlisted_sources(none), "") << none;
  EXPECT_EQ(list_unlisted_sources("passwd: files [!SUCCESS=continue]ldap sss\n"), "ldap, sss");
  EXPECT_EQ(list_unlisted_sources(" passwd:nis [x"), "nis");
}
