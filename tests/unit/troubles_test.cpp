// troubles_test.cpp - what keeps many questions from being answered is told once.

#include "daemon/troubles.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

namespace {
struct Troubles : testing::Test {
  std::vector<std::string> said;
  troubles t{[this](const std::string &sentence) { said.push_back(sentence); }};
};
}  // namespace

TEST_F(Troubles, are_known_by_reason_and_error) {
  EXPECT_EQ(trouble_of(QV_REASON_CDB_TROUBLE, EBADMSG), trouble_kind::cdb);
  EXPECT_EQ(trouble_of(QV_REASON_CDB_TROUBLE, ENFILE), trouble_kind::descriptors);
  EXPECT_EQ(trouble_of(QV_REASON_HOME_UNREACHABLE, EMFILE), trouble_kind::descriptors);
  EXPECT_EQ(trouble_of(QV_REASON_RESOURCE_TROUBLE, ENOMEM), trouble_kind::memory);
  EXPECT_EQ(trouble_of(QV_REASON_PASSWD_TROUBLE, EIO), trouble_kind::passwd);
  EXPECT_EQ(trouble_of(QV_REASON_NO_ALIAS_USER, 0), trouble_kind::alias);
  EXPECT_EQ(trouble_of(QV_REASON_HOME_UNREACHABLE, EACCES), trouble_kind::none) << "one user's own";
  EXPECT_EQ(trouble_of(QV_REASON_NO_MAILBOX, 0), trouble_kind::none);
  EXPECT_TRUE(trouble_disproved(QV_REASON_NO_MAILBOX));
  EXPECT_FALSE(trouble_disproved(QV_REASON_REMOTE));
  EXPECT_FALSE(trouble_disproved(QV_REASON_HOME_HANGS));
}

TEST_F(Troubles, one_line_when_it_begins_and_one_when_it_is_over) {
  for (int i = 0; i < 100; ++i) t.seen(trouble_kind::cdb, EBADMSG, 1000 + i);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0], "users/cdb cannot be used: damaged; addresses that need this are answered \"temporary\" until "
                     "that is mended: run qmail-newu");
  t.tick(5000);
  EXPECT_EQ(said.size(), 1u) << "nothing shows that it is over";
  t.disproved(5000);
  t.tick(5001);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[1], "users/cdb can be used again");
  t.tick(6000);
  EXPECT_EQ(said.size(), 2u);
  t.seen(trouble_kind::cdb, EIO, 7000);
  EXPECT_EQ(said.size(), 3u);
}

TEST_F(Troubles, one_that_comes_and_goes_is_one) {
  t.seen(trouble_kind::passwd, EIO, 1000);
  for (long long now = 1000; now < 20000; now += 1000) {
    t.disproved(now + 10);
    t.seen(trouble_kind::passwd, EIO, now + 20);
    t.tick(now + 30);
  }
  EXPECT_EQ(said.size(), 1u);
}

TEST_F(Troubles, kinds_are_told_apart) {
  t.seen(trouble_kind::memory, 0, 1000);
  t.seen(trouble_kind::descriptors, ENFILE, 1000);
  t.seen(trouble_kind::none, EIO, 1000);
  EXPECT_EQ(said.size(), 2u);
}
