// users/assign, held against qmail-newu.c.

#include "qmail/assign.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(Assign, AnExactNameAndAPrefix) {
  const assign_table t = assign_read("=Joe:joe:1001:1002:/home/joe:::\n+joe-:joe:1001:1002:/home/joe:-:pre-:\n.\n");
  ASSERT_EQ(2u, t.records.size());
  EXPECT_TRUE(t.faults.empty());
  EXPECT_EQ(3u, t.end);
  EXPECT_EQ("!joe\0"s, t.records[0].key);
  EXPECT_FALSE(t.records[0].wild());
  EXPECT_EQ(
      "joe\0"
      "1001\0"
      "1002\0/home/joe\0\0"s,
      t.records[0].data);
  EXPECT_EQ("!joe-", t.records[1].key);
  EXPECT_TRUE(t.records[1].wild());
  EXPECT_EQ(2u, t.records[1].line);
  EXPECT_EQ(
      "joe\0"
      "1001\0"
      "1002\0/home/joe\0-\0pre-"s,
      t.records[1].data);
  EXPECT_EQ("-", t.wild);
}

TEST(Assign, ThePrefixOfAllHasNoLastByte) {
  const assign_table t = assign_read("+:alias:1:2:/a:-::\n.");
  EXPECT_EQ("!", t.records.at(0).key);
  EXPECT_TRUE(t.records[0].wild());
  EXPECT_EQ("", t.wild);
  EXPECT_TRUE(t.faults.empty());
}

TEST(Assign, LastBytesStayAsTypedAndStandOnce) {
  EXPECT_EQ("X-", assign_read("+X:u:1:2:/a:-::\n+y-:u:1:2:/a:-::\n+z-:u:1:2:/a:-::\n.\n").wild);
}

TEST(Assign, AnyOtherFirstByteIsTakenForAnEqualsSign) {
  EXPECT_EQ("!oe\0"s, assign_read("joe:joe:1:2:/h:::\n.\n").records.at(0).key);
}

TEST(Assign, WhatStandsBehindTheDotDoesNotCount) {
  const assign_table t = assign_read("=a:b:1:2:/h:::\n.end\nrubbish\n");
  EXPECT_EQ(1u, t.records.size());
  EXPECT_TRUE(t.faults.empty());
}

TEST(Assign, WhatStandsBehindTheSeventhColonIsDropped) {
  EXPECT_EQ(
      "b\0"
      "1\0"
      "2\0/h\0-\0x"s,
      assign_read("=a:b:1:2:/h:-:x:more:and:more\n.\n").records.at(0).data);
}

TEST(Assign, FaultsAreToldWithTheirLinesAndPassedOver) {
  const assign_table t =
      assign_read("=a:b:1:2:/h:::\n\nrubbish\n:a:b:c:d:e:f:g:\n=x:y:1:2:/h::\n=n\0:y:1:2:/h:::\n=z:y:1:2:/h:::\n.\n"s);
  ASSERT_EQ(5u, t.faults.size());
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(i + 2, t.faults[i].line);
  EXPECT_EQ(2u, t.records.size());
  EXPECT_EQ(7u, t.records[1].line);
}

TEST(Assign, TheDotMayNotBeMissing) {
  assign_table t = assign_read("=a:b:1:2:/h:::\n");
  ASSERT_EQ(1u, t.faults.size());
  EXPECT_EQ(1u, t.faults[0].line);
  EXPECT_EQ(0u, t.end);
  t = assign_read("");
  ASSERT_EQ(1u, t.faults.size());
  EXPECT_EQ(0u, t.faults[0].line);
  t = assign_read("=a:b:1:2:/h:::");
  ASSERT_EQ(1u, t.faults.size());
  EXPECT_TRUE(t.records.empty());
}

TEST(Assign, FieldsOfARecord) {
  assign_fields f;
  ASSERT_TRUE(
      assign_split("joe\0"
                   "1\0"
                   "2\0/h\0-\0x-"sv,
                   f));
  EXPECT_EQ("joe", f.user);
  EXPECT_EQ("1", f.uid);
  EXPECT_EQ("2", f.gid);
  EXPECT_EQ("/h", f.home);
  EXPECT_EQ("-", f.dash);
  EXPECT_EQ("x-", f.ext);
  EXPECT_FALSE(
      assign_split("joe\0"
                   "1\0"
                   "2\0/h\0-"sv,
                   f));
  EXPECT_TRUE(
      assign_split("joe\0"
                   "1\0"
                   "2\0/h\0\0"sv,
                   f));
  EXPECT_EQ("", f.ext);
}

}  // namespace
