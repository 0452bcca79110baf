// user_test.cpp - users/cdb and passwd, as qmail-lspawn and qmail-getpw use them.

#include "address/user.h"

#include <gtest/gtest.h>

#include "fake_site.h"

using namespace std::string_literals;

namespace {

std::string shown(const user_result &r) {
  if (r.reason != QV_REASON_NONE) return qv_reason_name(r.reason);
  return r.user.name + "|" + std::to_string(r.user.uid) + "|" + r.user.home + "|" + r.user.dash + "|" + r.user.ext;
}

std::string find(fake_site &host, const std::string &local, char break_char = '-') {
  address_settings settings;
  settings.break_char = break_char;
  return shown(user_find(host, settings, local));
}

fake_site with_passwd() {
  fake_site host;
  host.add_user("joe", 100, "/home/joe");
  host.add_user("joe-list", 101, "/home/joe-list");
  host.add_user("alias", 7, "/var/qmail/alias");
  return host;
}

}  // namespace

TEST(UsersCdb, ExactThenEverShorterPrefixes) {
  fake_site host;
  host.set_users_cdb("=joe:joe:1:1:/j:::\n+joe-:jw:2:2:/j:-:pre:\n+j:jj:3:3:/j:-::\n+:all:4:4:/a:-::\n.\n");
  EXPECT_EQ(find(host, "joe"), "joe|1|/j||");
  EXPECT_EQ(find(host, "JOE"), "joe|1|/j||");
  EXPECT_EQ(find(host, "Joe-Ext"), "jw|2|/j|-|preExt");
  EXPECT_EQ(find(host, "joe-"), "jw|2|/j|-|pre");
  EXPECT_EQ(find(host, "joex"), "jj|3|/j|-|oex");
  EXPECT_EQ(find(host, "Other"), "all|4|/a|-|Other");
}

TEST(UsersCdb, AWildcardThatEndsInACapitalNeverMatches) {
  fake_site host = with_passwd();
  host.set_users_cdb("+joeX:jx:2:2:/j:-::\n.\n");
  EXPECT_EQ(find(host, "joexy"), "alias|7|/var/qmail/alias|-|joexy");
}

TEST(UsersCdb, WithoutAMatchOrAFilePasswdDecides) {
  fake_site host = with_passwd();
  EXPECT_EQ(find(host, "joe"), "joe|100|/home/joe||");
  host.set_users_cdb("=other:o:1:1:/o:::\n.\n");
  EXPECT_EQ(find(host, "joe"), "joe|100|/home/joe||");
}

TEST(UsersCdb, DamageIsNoAnswer) {
  fake_site host = with_passwd();
  host.cdb_error = 0;
  host.cdb_bytes = "short";
  EXPECT_EQ(find(host, "joe"), "cdb-trouble");
  host.cdb_bytes = fake_cdb({{"!joe\0"s, "x"}});  // lacks the empty key
  EXPECT_EQ(find(host, "joe"), "cdb-trouble");
  host.cdb_bytes = fake_cdb({{"", ""}, {"!joe\0"s, "joe\0"s "1\0"s "1\0"s "/j"s}});  // fields are missing
  EXPECT_EQ(find(host, "joe"), "cdb-trouble");
  host.cdb_error = EACCES;
  EXPECT_EQ(find(host, "joe"), "cdb-trouble");
}

TEST(UsersCdb, IdsAreReadAsScanUlongDoesAndCutToAnInt) {
  fake_site host;
  host.set_users_cdb("=a:a:4294967296:1:/j:::\n=b:b:x:1:/j:::\n=c:c:-1:1:/j:::\n=d:d:4294967295:1:/j:::\n.\n");
  EXPECT_EQ(find(host, "a"), "a|0|/j||");
  EXPECT_EQ(find(host, "b"), "b|0|/j||");
  EXPECT_EQ(find(host, "c"), "c|0|/j||");
  EXPECT_EQ(find(host, "d"), "d|4294967295|/j||");
}

TEST(UserByPasswd, TheLongestNameWins) {
  fake_site host = with_passwd();
  EXPECT_EQ(find(host, "joe-list"), "joe-list|101|/home/joe-list||");
  EXPECT_EQ(find(host, "joe-list-x"), "joe-list|101|/home/joe-list|-|x");
  EXPECT_EQ(find(host, "joe-other-x"), "joe|100|/home/joe|-|other-x");
  EXPECT_EQ(find(host, "JOE-Other"), "joe|100|/home/joe|-|Other");
  EXPECT_EQ(find(host, "joe+x"), "alias|7|/var/qmail/alias|-|joe+x");
  EXPECT_EQ(find(host, "joe+x", '+'), "joe|100|/home/joe|-|x");
}

TEST(UserByPasswd, NamesHaveAtMost31Bytes) {
  fake_site host = with_passwd();
  const std::string n31(31, 'n'), n32(32, 'n');
  host.add_user(n31, 200, "/n31");
  host.add_user(n32, 201, "/n32");
  EXPECT_EQ(find(host, n31), n31 + "|200|/n31||");
  EXPECT_EQ(find(host, n32), "alias|7|/var/qmail/alias|-|" + n32);
  host.asked.clear();
  find(host, n32 + "-x");
  EXPECT_EQ(host.asked, std::vector<std::string>{"alias"});
}

TEST(UserByPasswd, PassedOver) {
  fake_site host = with_passwd();
  host.users["root"] = {"root", 0, 0, "/root"};
  host.owners["/root"] = 0;
  host.users["away"] = {"away", 300, 300, "/away"};
  host.users["other"] = {"other", 301, 301, "/other"};
  host.owners["/other"] = 5;
  EXPECT_EQ(find(host, "root"), "alias|7|/var/qmail/alias|-|root");
  EXPECT_EQ(find(host, "away"), "alias|7|/var/qmail/alias|-|away");
  EXPECT_EQ(find(host, "other"), "alias|7|/var/qmail/alias|-|other");
  host.users["joe-list"].uid = 0;
  EXPECT_EQ(find(host, "joe-list"), "joe|100|/home/joe|-|list");
  host.owner_errors["/home/joe"] = EACCES;
  EXPECT_EQ(find(host, "joe-list"), "alias|7|/var/qmail/alias|-|joe-list");
}

TEST(UserByPasswd, AFailedLookIsNoAnswer) {
  fake_site host = with_passwd();
  host.passwd_errors["joe"] = ENOENT;
  EXPECT_EQ(find(host, "joe"), "passwd-trouble");
  EXPECT_EQ(find(host, "joe-x"), "passwd-trouble");
  EXPECT_EQ(find(host, "x"), "alias|7|/var/qmail/alias|-|x");
  host.passwd_errors.clear();
  for (int error : {EIO, ESTALE, ETIMEDOUT, ENOMEM, EMFILE}) {
    host.owner_errors["/home/joe"] = error;
    EXPECT_EQ(find(host, "joe"), "home-stat-trouble") << error;
  }
}

TEST(UserByPasswd, TheAliasUserIsNotLookedAt) {
  fake_site host;
  host.users["alias"] = {"alias", 7, 7, "relative"};
  EXPECT_EQ(find(host, "x"), "alias|7|relative|-|x");
  host.users.clear();
  EXPECT_EQ(find(host, "x"), "no-alias-user");
  host.passwd_errors["alias"] = EIO;
  EXPECT_EQ(find(host, "x"), "passwd-trouble");
}

TEST(UserByPasswd, TheEmptyNameIsAskedWhereTheAddressBeginsWithTheBreak) {
  fake_site host = with_passwd();
  find(host, "-x");
  EXPECT_EQ(host.asked, (std::vector<std::string>{"-x", "", "alias"}));
}
