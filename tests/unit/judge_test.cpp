// judge_test.cpp - from an address to a verdict: homes, dot-qmail files and what
// they say, on a host that a test lays out.

#include "address/judge.h"

#include <gtest/gtest.h>

#include "fake_site.h"

namespace {

class Judge : public testing::Test {
 protected:
  Judge() {
    tables.locals = control_map(control_parsefile("here\n"), control_map::Form::names);
    tables.virtualdomains = control_map(control_parsefile("virt:joe\nnot.virt:\n"), control_map::Form::colon);
    host.add_user("joe", 100, "/home/joe");
    host.add_user("alias", 7, "/alias");
  }
  void file(const std::string &path, const std::string &content, mode_t mode = 0644) {
    host.files[path] = {content, S_IFREG | mode, 0, false};
  }
  void error(const std::string &path, int e) { host.files[path] = {"", 0, e, false}; }

  // "reason position user", the user left out where there is none
  std::string judge(const std::string &address) {
    last = judge_address(host, {settings, tables, policy}, {address, std::nullopt});
    return qv_reason_name(last.reason) + std::string(" ") + std::to_string(last.position) +
           (last.user.empty() ? "" : " " + last.user);
  }

  fake_site host;
  route_tables tables;
  policy_table policy;
  address_settings settings;
  judgement last;
};

}  // namespace

TEST_F(Judge, WhatIsNotOursIsRemoteAndLooksNowhere) {
  EXPECT_EQ(judge("joe@elsewhere"), "remote 1");
  EXPECT_EQ(judge("joe@not.virt"), "exception 2");
  EXPECT_TRUE(host.log.empty() && host.asked.empty());
}

TEST_F(Judge, NothingBeforeTheAtIsAcceptedAndDiscarded) { EXPECT_EQ(judge("@here"), "empty-local 9"); }

TEST_F(Judge, AnAddressThatQmailQueueDoesNotTakeIsNotJudged) {
  EXPECT_EQ(judge(std::string(QV_ADDRESS_MAX - 5, 'x') + "@here"), "no-mailbox 14 alias");
  EXPECT_EQ(judge(std::string(QV_ADDRESS_MAX - 4, 'x') + "@here"), "too-long 15");
}

TEST_F(Judge, AUserNeedsNoDotQmail) {
  EXPECT_EQ(judge("joe@here"), "default-delivery 9 joe");
  file("/home/joe/.qmail", "./Maildir/\n");
  EXPECT_EQ(judge("joe@here"), "dotqmail 9 joe");
  error("/home/joe/.qmail", EACCES);
  EXPECT_EQ(judge("joe@here"), "dotqmail-unreadable 11 joe");
}

TEST_F(Judge, TheControllingUserIsTheAccountNotTheLocalPart) {
  file("/home/joe/.qmail-list", "&a@b\n");
  EXPECT_EQ(judge("joe-list@here"), "dotqmail 10 joe");
  EXPECT_EQ(judge("list@virt"), "dotqmail 10 joe");
  EXPECT_EQ(judge("other@virt"), "no-mailbox 14 joe");
  EXPECT_EQ(judge("nobody@here"), "no-mailbox 14 alias");
}

TEST_F(Judge, EveryLookIsMadeAsTheUserWithItsGroup) {
  judge("joe-a-b@here");
  EXPECT_EQ(host.log, (std::vector<std::string>{"100 100 /home/joe", "100 100 /home/joe/.qmail-a-b",
                                                "100 100 /home/joe/.qmail-a-default",
                                                "100 100 /home/joe/.qmail-default"}));
}

TEST_F(Judge, TheSearchGoesFromTheRight) {
  host.log.clear();
  judge("joe-A.B-c-@here");
  EXPECT_EQ(host.log, (std::vector<std::string>{"100 100 /home/joe", "100 100 /home/joe/.qmail-a:b-c-",
                                                "100 100 /home/joe/.qmail-a:b-c-default",
                                                "100 100 /home/joe/.qmail-a:b-default",
                                                "100 100 /home/joe/.qmail-default"}));
  file("/home/joe/.qmail-a:b-default", "&x\n");
  EXPECT_EQ(judge("joe-A.B-c-@here"), "dotqmail 12 joe");
}

TEST_F(Judge, SlashesReachIntoDirectories) {
  file("/home/joe/.qmail-dir/x", "&x\n");
  EXPECT_EQ(judge("joe-dir/x@here"), "dotqmail 10 joe");
}

TEST_F(Judge, OnlyRegularFilesCount) {
  for (mode_t kind : {S_IFDIR, S_IFIFO, S_IFCHR, S_IFBLK}) {
    host.files["/home/joe/.qmail-x"] = {"", kind | 0644, 0, false};
    EXPECT_EQ(judge("joe-x@here"), "no-mailbox 14 joe");
  }
}

TEST_F(Judge, TheseErrorsMeanThatNothingIsThere) {
  for (int e : {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENXIO, ENODEV}) {
    error("/home/joe/.qmail-x", e);
    EXPECT_EQ(judge("joe-x@here"), "no-mailbox 14 joe") << e;
  }
}

TEST_F(Judge, EveryOtherErrorIsNoAnswerAndStopsTheSearch) {
  file("/home/joe/.qmail-default", "&x\n");
  for (int e : {EACCES, EPERM, EIO, ESTALE, EINTR, ENOMEM, EMFILE, ENFILE, ETIMEDOUT, EAGAIN, EBUSY, ETXTBSY, EINVAL,
                EOVERFLOW, ENOSYS}) {
    error("/home/joe/.qmail-x", e);
    EXPECT_EQ(judge("joe-x@here"), "dotqmail-unreadable 11 joe") << e;
    EXPECT_EQ(last.error, e);
    EXPECT_EQ(last.about, "/home/joe/.qmail-x");
  }
}

TEST_F(Judge, HomesThatMakeQmailDefer) {
  host.home_modes["/home/joe"] = 0757;
  EXPECT_EQ(judge("joe-x@here"), "home-writable 15 joe");
  host.home_modes["/home/joe"] = 01755;
  EXPECT_EQ(judge("joe-x@here"), "home-sticky 15 joe");
  host.home_modes["/home/joe"] = 0775;
  EXPECT_EQ(judge("joe-x@here"), "no-mailbox 14 joe");
  settings.patrn = 022;
  EXPECT_EQ(judge("joe-x@here"), "home-writable 15 joe");
}

TEST_F(Judge, HomesThatCannotBeEntered) {
  for (int e : {ENOENT, ENOTDIR, EACCES, EIO, ESTALE, ELOOP}) {
    host.home_errors["/home/joe"] = e;
    EXPECT_EQ(judge("joe@here"), "home-unreachable 15 joe") << e;
    EXPECT_EQ(last.verdict(), QV_TEMPORARY);
  }
}

TEST_F(Judge, AHomeMustBeginWithASlash) {
  for (const char *home : {"", "relative", "./x"}) {
    host.users["alias"].home = home;
    EXPECT_EQ(judge("x@here"), "home-not-absolute 15 alias");
    EXPECT_EQ(last.verdict(), QV_INVALID);
  }
}

TEST_F(Judge, RootIsNeverLookedAt) {
  host.users["alias"].uid = 0;
  EXPECT_EQ(judge("x@here"), "root 15 alias");
  EXPECT_TRUE(host.log.empty());
}

TEST_F(Judge, AGroupThatCannotBeHadComesBeforeRoot) {
  host.set_users_cdb("=joe:joe:0:4294967295:/home/joe:::\n.\n");
  host.unbecomable.insert(0);
  EXPECT_EQ(judge("joe@here"), "identity-trouble 15 joe");
}

TEST_F(Judge, AnIdentityThatCannotBeHadIsNoAnswer) {
  host.unbecomable.insert(100);
  EXPECT_EQ(judge("joe@here"), "identity-trouble 15 joe");
}

TEST_F(Judge, AWritableDotQmailDefers) {
  file("/home/joe/.qmail-x", "&x\n", 0646);
  EXPECT_EQ(judge("joe-x@here"), "dotqmail-writable 10 joe");
  file("/home/joe/.qmail-x", "&x\n", 0664);
  EXPECT_EQ(judge("joe-x@here"), "dotqmail 10 joe");
}

TEST_F(Judge, WhatTheFileSays) {
  struct {
    const char *content, *expected;
    mode_t mode;
  } rows[] = {
      {"", "dotqmail-empty", 0644},
      {"", "dotqmail-empty", 0744},
      {"\n&x\n", "dotqmail-blank", 0644},
      {" \t\n&x\n", "dotqmail-blank", 0644},
      {" &x\n", "dotqmail", 0644},
      {"# only a comment", "dotqmail", 0644},
      {"#\n\n&x\n", "dotqmail", 0644},
      {"./Mailbox\n", "dotqmail", 0644},
      {"&x\n./Mailbox\n", "dotqmail-xbit", 0744},
      {"&x\n|cat\n", "dotqmail-xbit", 0744},
      {"+list\n|cat\n", "dotqmail-xbit", 0644},
      {"+list \n/mbox\n", "dotqmail-xbit", 0644},
      {"+other\n/mbox\n", "dotqmail", 0644},
      {"&x\n", "dotqmail", 0744},
      {"|exit 100", "program-refuses", 0644},
      {"./Mailbox\n|cat\n", "program", 0644},
      {"x|cat\n", "dotqmail", 0644},
  };
  for (auto &row : rows) {
    file("/home/joe/.qmail-x", row.content, row.mode);
    judge("joe-x@here");
    EXPECT_STREQ(qv_reason_name(last.reason), row.expected) << row.content;
  }
  host.files["/home/joe/.qmail-x"].too_large = true;
  EXPECT_EQ(judge("joe-x@here"), "dotqmail-large 10 joe");
}

TEST_F(Judge, AUsersCdbEntryWithAnotherDash) {
  host.set_users_cdb("+j:joe:100:100:/home/joe:/:pre.:\n.\n");
  file("/home/joe/.qmail/pre:oe", "&x\n");
  EXPECT_EQ(judge("joe@here"), "dotqmail 10 joe");
}

TEST_F(Judge, AnEmptyDashWithAnExtension) {
  host.set_users_cdb("=joe:joe:100:100:/home/joe::Ext.x:\n.\n");
  host.log.clear();
  EXPECT_EQ(judge("joe@here"), "default-delivery 9 joe");
  EXPECT_EQ(host.log, (std::vector<std::string>{"100 100 /home/joe", "100 100 /home/joe/.qmailext:x",
                                                "100 100 /home/joe/.qmaildefault"}));
}

// Each reason's verdict, as design and manual have it.
TEST(Reasons, WhatWasSeenIsValidAndWhatWasNotSeenIsTemporary) {
  EXPECT_EQ(qv_reason_verdict(QV_REASON_HOME_STICKY), QV_VALID);
  EXPECT_EQ(qv_reason_verdict(QV_REASON_DOTQMAIL_BLANK), QV_VALID);
  EXPECT_EQ(qv_reason_verdict(QV_REASON_NO_ALIAS_USER), QV_TEMPORARY);
  EXPECT_EQ(qv_reason_verdict(QV_REASON_NONE), QV_TEMPORARY);
  unsigned last = 0;
#define QV_X(number, symbol, name, verdict, position, text) \
  EXPECT_EQ(number, ++last);                                \
  EXPECT_TRUE(position >= 1 && position <= 15);
  QV_REASONS(QV_X)
#undef QV_X
}
