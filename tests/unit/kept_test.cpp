// kept: answers in shared memory.

#include "hub/kept.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace {

constexpr long long NOW = 5000000;
constexpr long long S = 1000;

kept_answer valid(std::string_view user = "joe") { return {QV_VALID, QV_REASON_DOTQMAIL, 12, user, false}; }
kept_answer invalid() { return {QV_INVALID, QV_REASON_NO_MAILBOX, 14, "", false}; }

class Kept : public ::testing::Test {
 protected:
  void SetUp() override { set({}); }
  void set(const limits_settings &settings) { all_->set(settings); }
  // "": nothing.
  std::string get(const std::string &address, long long now = NOW, bool stale = false) {
    kept_answer a;
    if (!all_->get(address, now, stale, a)) return "";
    return std::string(qv_reason_name(a.reason)) + " " + std::to_string(a.position) + " " + std::string(a.user) +
           (a.verdict == QV_VALID ? " valid" : " invalid") + (a.stale ? " stale" : "");
  }

  std::unique_ptr<kept> all_ = kept::make(1024);
};

}  // namespace

TEST_F(Kept, WhatWasPutIsThere) {
  EXPECT_EQ(get("joe@example.org"), "");
  all_->put("joe@example.org", valid("joe-user"), NOW);
  EXPECT_EQ(get("joe@example.org"), "dotqmail 12 joe-user valid");
  EXPECT_EQ(get("jack@example.org"), "");
  all_->put("jack@example.org", invalid(), NOW);
  EXPECT_EQ(get("jack@example.org"), "no-mailbox 14  invalid");
}

TEST_F(Kept, OnlyTheDomainsLettersAreTheSameInAnyCase) {
  all_->put("Joe@Example.ORG", valid(), NOW);
  EXPECT_NE(get("Joe@example.org"), "");
  EXPECT_EQ(get("joe@example.org"), "");
  all_->put("a@B@example.org", valid(), NOW);
  EXPECT_EQ(get("a@b@example.org"), "");
}

TEST_F(Kept, ValidForFiveMinutesInvalidForASecond) {
  all_->put("v@x", valid(), NOW);
  all_->put("i@x", invalid(), NOW);
  EXPECT_NE(get("v@x", NOW + 300 * S - 1), "");
  EXPECT_EQ(get("v@x", NOW + 300 * S), "");
  EXPECT_NE(get("i@x", NOW + S - 1), "");
  EXPECT_EQ(get("i@x", NOW + S), "");
}

TEST_F(Kept, AsLongAsTheSettingsSay) {
  limits_settings other;
  other.keep_valid_ms = 10 * S;
  other.keep_invalid_ms = 0;
  other.keep_stale_ms = 20 * S;
  set(other);
  all_->put("v@x", valid(), NOW);
  all_->put("i@x", invalid(), NOW);
  EXPECT_NE(get("v@x", NOW + 9 * S), "");
  EXPECT_EQ(get("v@x", NOW + 10 * S), "");
  EXPECT_EQ(get("v@x", NOW + 10 * S, true), "dotqmail 12 joe valid stale");
  EXPECT_EQ(get("v@x", NOW + 20 * S, true), "");
  EXPECT_EQ(get("i@x"), "");
}

TEST_F(Kept, AValidOneServesForADayWhereNothingBetterIsThereAnInvalidOneNever) {
  all_->put("v@x", valid(), NOW);
  all_->put("i@x", invalid(), NOW);
  EXPECT_EQ(get("v@x", NOW + 100 * S, true), "dotqmail 12 joe valid");
  EXPECT_EQ(get("v@x", NOW + 86400 * S - 1, true), "dotqmail 12 joe valid stale");
  EXPECT_EQ(get("v@x", NOW + 86400 * S, true), "");
  EXPECT_EQ(get("i@x", NOW + S, true), "");
}

TEST_F(Kept, TheNewestAnswerCounts) {
  all_->put("a@x", valid("one"), NOW);
  all_->put("a@x", valid("two"), NOW + 1);
  EXPECT_EQ(get("a@x"), "dotqmail 12 two valid");
  all_->put("a@x", invalid(), NOW + 2);
  EXPECT_EQ(get("a@x"), "no-mailbox 14  invalid");
  EXPECT_EQ(get("a@x", NOW + 10 * S, true), "") << "an old valid answer must not come back";
  all_->put("a@x", valid("three"), NOW + 3);
  EXPECT_EQ(get("a@x"), "dotqmail 12 three valid");
}

TEST_F(Kept, WhatIsNotKeptTakesAwayWhatWasTemporaryAnswersDoNot) {
  all_->put("a@x", valid(), NOW);
  all_->put("a@x", {QV_TEMPORARY, QV_REASON_CDB_TROUBLE, 3, "", false}, NOW);
  EXPECT_NE(get("a@x"), "");
  all_->put("a@x", {QV_UNKNOWN, QV_REASON_PROGRAM, 10, "", false}, NOW);
  EXPECT_EQ(get("a@x"), "");
  all_->put("a@x", valid(), NOW);
  all_->put("a@x", {QV_REMOTE, QV_REASON_REMOTE, 1, "", false}, NOW);
  EXPECT_EQ(get("a@x"), "");
  all_->put("a@x", valid(), NOW);
  all_->put("a@x", valid(std::string(KEPT_USER_MAX + 1, 'u')), NOW);
  EXPECT_EQ(get("a@x"), "");
  all_->put("a@x", valid(std::string(KEPT_USER_MAX, 'u')), NOW);
  EXPECT_EQ(get("a@x"), "dotqmail 12 " + std::string(KEPT_USER_MAX, 'u') + " valid");
}

TEST_F(Kept, NothingThatDependsOnTheSenderIsKept) {
  EXPECT_TRUE(kept_may(QV_VALID, QV_REASON_DOTQMAIL));
  EXPECT_TRUE(kept_may(QV_INVALID, QV_REASON_NO_MAILBOX));
  EXPECT_FALSE(kept_may(QV_INVALID, QV_REASON_EZMLM_NULL_SENDER));
  EXPECT_FALSE(kept_may(QV_VALID, QV_REASON_EZMLM_LIST));
  EXPECT_FALSE(kept_may(QV_VALID, QV_REASON_POLICY_OBSERVE));
  EXPECT_FALSE(kept_may(QV_UNKNOWN, QV_REASON_PROGRAM));
  EXPECT_FALSE(kept_may(QV_TEMPORARY, QV_REASON_HOME_HANGS));
}

TEST_F(Kept, ADomainOrAllIsForgotten) {
  for (int i = 0; i < 50; ++i) {
    all_->put(std::to_string(i) + "@one.example", valid(), NOW);
    all_->put(std::to_string(i) + "@two.example", i % 2 ? valid() : invalid(), NOW);
  }
  EXPECT_EQ(all_->flush("TWO.example"), 50U);
  EXPECT_EQ(get("1@two.example"), "");
  EXPECT_EQ(get("2@two.example"), "");
  EXPECT_NE(get("1@one.example"), "");
  EXPECT_EQ(all_->flush("example"), 0U);
  EXPECT_EQ(all_->flush(""), 50U);
  EXPECT_EQ(get("1@one.example"), "");
  all_->put("1@one.example", valid(), NOW);
  EXPECT_NE(get("1@one.example"), "");
}

TEST_F(Kept, MemoryIsBoundedAndInvalidOnesNeverPushOutValidOnes) {
  for (int i = 0; i < 512; ++i) all_->put("v" + std::to_string(i) + "@x", valid(), NOW);
  const size_t before = all_->count(NOW);
  EXPECT_GT(before, 505U) << "half full: hardly any bucket overflows";
  for (int i = 0; i < 20000; ++i) all_->put("i" + std::to_string(i) + "@x", invalid(), NOW + 1);
  size_t there = 0;
  for (int i = 0; i < 512; ++i) there += get("v" + std::to_string(i) + "@x").empty() ? 0 : 1;
  EXPECT_EQ(there, before);
  EXPECT_LE(all_->count(NOW + 1), before + 128);
  for (int i = 0; i < 20000; ++i) all_->put("w" + std::to_string(i) + "@x", valid(), NOW + 2);
  EXPECT_LE(all_->count(NOW + 2), 1024U + 128U);
  EXPECT_NE(get("w19999@x"), "") << "the newest one is there, the oldest ones went";
}

TEST_F(Kept, OtherProcessesSeeItAtOnce) {
  const pid_t pid = fork();
  if (pid == 0) {
    all_->put("child@x", valid("child"), NOW);
    _exit(0);
  }
  int status;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(get("child@x"), "dotqmail 12 child valid");
}

// Processes that are killed while they write: whatever they leave, an answer is whole, and
// its place can be used again after a second.
TEST_F(Kept, AWriterThatIsKilledCostsAPlaceForASecond) {
  for (int round = 0; round < 20; ++round) {
    const pid_t pid = fork();
    if (pid == 0)
      for (unsigned i = 0;; ++i) {
        const std::string name = "u" + std::to_string(i % 100);
        all_->put(name + "@x", valid(name), NOW);
      }
    usleep(2000);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
  }
  for (int i = 0; i < 100; ++i) {
    const std::string name = "u" + std::to_string(i);
    const std::string found = get(name + "@x");
    EXPECT_TRUE(found.empty() || found == "dotqmail 12 " + name + " valid") << found;
    all_->put(name + "@x", valid("again" + name), NOW + 2 * S);
    EXPECT_EQ(get(name + "@x", NOW + 2 * S), "dotqmail 12 again" + name + " valid");
  }
}

// Answers are never torn: the user tells for which address it was put.
TEST_F(Kept, ReadersAndWritersAtOnce) {
  std::atomic<bool> over{false};
  std::atomic<unsigned> wrong{0}, found{0};
  kept *const all = all_.get();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 40000; ++i) {
        const std::string name = "user" + std::to_string((i * 7 + t) % 300);
        all->put(name + "@x", i % 5 ? valid(name + name) : invalid(), NOW);
      }
      over = true;
    });
  while (!over)
    for (unsigned i = 0; i < 300; ++i) {
      const std::string name = "user" + std::to_string(i);
      kept_answer a;
      if (!all->get(name + "@x", NOW, false, a)) continue;
      ++found;
      if (a.verdict == QV_VALID ? a.user != name + name || a.reason != QV_REASON_DOTQMAIL : !a.user.empty()) ++wrong;
    }
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(found, 0U);
}

TEST(KeptSizes, AreRoundedAndBounded) {
  EXPECT_TRUE(kept::make(0));
  EXPECT_TRUE(kept::make(1000000));
}
