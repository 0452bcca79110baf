// kept_test.cpp - answers in shared memory: which are kept, for how long, where they are
// full, and what processes see that read and write and die at any point.

#include "hub/kept.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <set>
#include <thread>
#include <vector>

namespace {

constexpr long long NOW = 5000000;
constexpr long long S = 1000;

kept_answer valid(std::string_view user = "joe") { return {QV_VALID, QV_REASON_DOTQMAIL, 12, user, false}; }
kept_answer invalid() { return {QV_INVALID, QV_REASON_NO_MAILBOX, 14, "", false}; }

// Where shared memory without a name is mapped, and how much.
std::set<std::pair<char *, size_t>> mappings() {
  std::set<std::pair<char *, size_t>> found;
  FILE *maps = fopen("/proc/self/maps", "re");
  for (char line[1000]; maps && fgets(line, sizeof line, maps);) {
    unsigned long begin, end;
    char rights[5];
    if (sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && strcmp(rights, "rw-s") == 0)
      found.emplace(reinterpret_cast<char *>(begin), end - begin);
  }
  if (maps) fclose(maps);
  return found;
}

// What a process that died, or one that was stopped for a while, leaves behind: a look at
// the memory itself, which is an entry each KEPT_ENTRY_SIZE bytes, its sequence first.
class inside {
 public:
  using word = std::atomic<uint64_t>;

  explicit inside(size_t entries) {
    const auto before = mappings();
    all = kept::make(entries);
    for (const auto &[at, size] : mappings())
      if (!before.contains({at, size})) {
        at_ = at;
        size_ = size;
        places_ = entries + entries / 8;
      }
  }
  template <class Do>
  void each(Do &&what) {
    for (size_t i = 0; i < places_; ++i) what(reinterpret_cast<word *>(at_ + i * KEPT_ENTRY_SIZE));
  }
  unsigned odd() {
    unsigned n = 0;
    each([&](word *w) { n += w->load() & 1 ? 1 : 0; });
    return n;
  }

  // How many are in memory.
  size_t pages() {
    std::vector<unsigned char> there(size_ / static_cast<size_t>(sysconf(_SC_PAGESIZE)) + 1);
    if (mincore(at_, size_, there.data()) == -1) return SIZE_MAX;
    return static_cast<size_t>(std::count_if(there.begin(), there.end(), [](unsigned char c) { return c & 1; }));
  }

  std::unique_ptr<kept> all;

 private:
  char *at_ = nullptr;
  size_t size_ = 0, places_ = 0;
};

class Kept : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(all_);
    set({});
  }
  void set(const limits_settings &settings) { all_->set(settings); }
  // "": nothing.
  std::string get(const std::string &address, long long now = NOW, bool stale = false) {
    kept_answer a;
    if (!all_->get(address, now, stale, a)) return "";
    return std::string(qv_reason_name(a.reason)) + " " + std::to_string(a.position) + " " + std::string(a.user) +
           (a.verdict == QV_VALID ? " valid" : " invalid") + (a.stale ? " stale" : "");
  }

  inside inside_{1024};
  kept *all_ = inside_.all.get();
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

TEST_F(Kept, AServerThatIsAlwaysAskedLeavesAnswersForWhenItIsSilent) {
  limits_settings other;
  other.keep_valid_ms = 0;
  set(other);
  all_->put("v@x", valid(), NOW);
  EXPECT_EQ(get("v@x"), "");
  EXPECT_EQ(get("v@x", NOW, true), "dotqmail 12 joe valid stale");
  other.keep_stale_ms = 0;
  set(other);
  EXPECT_EQ(get("v@x", NOW, true), "");
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
  all_->put("a@x", {QV_UNKNOWN, QV_REASON_PLAIN_UNSURE, 15, "", false}, NOW);
  EXPECT_NE(get("a@x"), "") << "that server could not look, either";
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
  EXPECT_FALSE(kept_may(QV_TEMPORARY, QV_REASON_LIMITED));
  EXPECT_FALSE(kept_may(QV_INVALID, QV_REASON_LIMITED));
  EXPECT_FALSE(kept_may(QV_REMOTE, QV_REASON_REMOTE));
  EXPECT_FALSE(kept_may(QV_INVALID, QV_REASON_NONE));
  EXPECT_FALSE(kept_may(QV_INVALID, static_cast<qv_reason>(63))) << "who knows what it depends on";
  all_->put("list@x", valid(), NOW);
  all_->put("list@x", {QV_INVALID, QV_REASON_EZMLM_NULL_SENDER, 10, "", false}, NOW);
  EXPECT_EQ(get("list@x"), "");
}

TEST_F(Kept, ADomainOrAllIsForgotten) {
  for (int i = 0; i < 50; ++i) {
    all_->put(std::to_string(i) + "@one.example", valid(), NOW);
    all_->put(std::to_string(i) + "@two.example", i % 10 == 2 ? invalid() : valid(), NOW);
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

TEST_F(Kept, OldAnswersAreForgottenWithTheirDomainToo) {
  all_->put("a@one.example", valid(), NOW);
  all_->put("noat", valid(), NOW);
  EXPECT_EQ(all_->count(NOW + 400 * S), 0U);
  EXPECT_EQ(all_->flush("one.example"), 1U);
  EXPECT_EQ(get("a@one.example", NOW + 400 * S, true), "");
  EXPECT_NE(get("noat"), "");
  EXPECT_EQ(all_->flush(""), 1U);
}

TEST_F(Kept, AClockThatIsAtOddsByALittleDoesNotMatter) {
  all_->put("v@x", valid(), NOW);
  all_->put("i@x", invalid(), NOW);
  EXPECT_EQ(get("v@x", NOW - 5), "dotqmail 12 joe valid");
  EXPECT_EQ(get("v@x", NOW - 5, true), "dotqmail 12 joe valid");
  EXPECT_EQ(get("i@x", NOW - 5), "no-mailbox 14  invalid");
}

// Ten times as many as there is room for, of each kind.
TEST_F(Kept, MemoryIsBoundedAndInvalidOnesNeverPushOutValidOnes) {
  for (int i = 0; i < 512; ++i) all_->put("v" + std::to_string(i) + "@x", valid(), NOW);
  const size_t before = all_->count(NOW);
  EXPECT_GT(before, 490U) << "half full: hardly any bucket overflows";
  for (int i = 0; i < 1280; ++i) all_->put("i" + std::to_string(i) + "@x", invalid(), NOW + 1);
  size_t there = 0;
  for (int i = 0; i < 512; ++i) there += get("v" + std::to_string(i) + "@x").empty() ? 0 : 1;
  EXPECT_EQ(there, before);
  EXPECT_LE(all_->count(NOW + 1), before + 128);
  EXPECT_GT(all_->count(NOW + 1), before + 100);
  for (int i = 0; i < 10240; ++i) all_->put("w" + std::to_string(i) + "@x", valid(), NOW + 2 + i / 1000);
  EXPECT_LE(all_->count(NOW + 12), 1024U + 128U);
  EXPECT_GE(all_->count(NOW + 12), 1024U);
  EXPECT_NE(get("w10239@x"), "") << "the newest one is there,";
  for (int i = 0; i < 512; ++i) EXPECT_EQ(get("v" + std::to_string(i) + "@x"), "") << "the oldest ones went";
}

TEST_F(Kept, OfAFullBucketTheOldestGoes) {
  for (int i = 0; i < 4000; ++i) all_->put("old" + std::to_string(i) + "@x", valid(), NOW);
  for (int i = 0; i < 100; ++i) all_->put("new" + std::to_string(i) + "@x", valid(), NOW + 1);
  size_t there = 0;
  for (int i = 0; i < 100; ++i) there += get("new" + std::to_string(i) + "@x").empty() ? 0 : 1;
  EXPECT_GE(there, 99U) << "more than eight of a hundred in one of 128 buckets: not in a lifetime";
}

TEST(KeptHits, NearlyAllAreFoundWhereThereIsRoomForTwiceAsMany) {
  constexpr size_t ENTRIES = 131072;
  const auto all = kept::make(ENTRIES);
  ASSERT_TRUE(all);
  const auto name = [](size_t i) { return "user" + std::to_string(i) + "@" + std::to_string(i % 100) + ".example"; };
  for (size_t i = 0; i < ENTRIES / 2; ++i) all->put(name(i), valid(), NOW);
  size_t found = 0;
  kept_answer a;
  for (size_t i = 0; i < ENTRIES / 2; ++i) found += all->get(name(i), NOW, false, a) ? 1 : 0;
  EXPECT_GE(found * 100, ENTRIES / 2 * 99);
  EXPECT_EQ(all->count(NOW), found);
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

// Every place was being written when its writer ended.
TEST_F(Kept, APlaceThatIsLeftWhileItIsWrittenCanBeWrittenASecondLater) {
  all_->put("a@x", valid("before"), NOW);
  inside_.each([](inside::word *w) { w->store(uint64_t{NOW} << 24 | 1); });
  EXPECT_EQ(get("a@x"), "");
  all_->put("a@x", valid("soon"), NOW + 999);
  EXPECT_EQ(get("a@x"), "") << "its writer may be alive";
  EXPECT_EQ(all_->count(NOW), 0U);
  EXPECT_EQ(all_->flush(""), 0U);
  for (int i = 0; i < 100; ++i) {
    all_->put("v" + std::to_string(i) + "@x", valid("later"), NOW + 1000);
    all_->put("i" + std::to_string(i) + "@x", invalid(), NOW + 1000);
    EXPECT_EQ(get("v" + std::to_string(i) + "@x", NOW + 1000), "dotqmail 12 later valid") << i;
    EXPECT_EQ(get("i" + std::to_string(i) + "@x", NOW + 1000), "no-mailbox 14  invalid") << i;
  }
}

// Half of the places of each bucket: they must come into use again while the others do, too.
TEST_F(Kept, DeadPlacesAreTakenBeforeOthersHaveToGo) {
  unsigned n = 0;
  inside_.each([&](inside::word *w) { w->store(n++ % 2 ? uint64_t{NOW} << 24 | 1 : 0); });
  ASSERT_GT(inside_.odd(), 500U);
  for (int i = 0; i < 20000; ++i) all_->put(std::to_string(i) + "@x", valid(), NOW + 2 * S);
  EXPECT_EQ(all_->count(NOW + 2 * S), 1024U);
}

// One who was taken for dead writes on, into what another one has written meanwhile.
TEST_F(Kept, WhatTwoHaveWrittenIsNoAnswerAndItsPlaceIsFree) {
  for (int i = 0; i < 20000; ++i) all_->put(std::to_string(i) + "@x", valid(), NOW);
  ASSERT_EQ(all_->count(NOW), 1024U);
  inside_.each([](inside::word *w) { w[4].fetch_add(1); });
  EXPECT_EQ(all_->count(NOW), 0U);
  for (int i = 0; i < 20000; ++i) ASSERT_EQ(get(std::to_string(i) + "@x"), "");
  for (int i = 0; i < 20000; ++i) all_->put(std::to_string(i) + "@x", valid(), NOW);
  EXPECT_EQ(all_->count(NOW), 1024U);
}

// A process puts an answer, one instruction at a time. After each of them another one asks:
// it hears the old answer, none, or the new one. Then the process is killed while it writes.
TEST_F(Kept, AtEachInstructionOfAWriterAnAnswerIsWhole) {
  const std::string address = "joe@example.org", old_user(KEPT_USER_MAX, 'o'), new_user(KEPT_USER_MAX - 1, 'n');
  const std::string before = "dotqmail 12 " + old_user + " valid", after = "home-sticky 15 " + new_user + " valid";
  for (const bool kill_it : {false, true}) {
    all_->put(address, valid(old_user), NOW);
    const pid_t pid = fork();
    if (pid == 0) {
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == -1) _exit(99);
      raise(SIGSTOP);
      all_->put(address, {QV_VALID, QV_REASON_HOME_STICKY, 15, new_user, false}, NOW + 1);
      _exit(0);
    }
    int status;
    bool was_odd = false;
    std::set<std::string> heard;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) GTEST_SKIP() << "this system does not let a process trace its child";
    while (!WIFEXITED(status) && heard.size() < 4) {
      heard.insert(get(address, NOW + 1));
      was_odd = was_odd || inside_.odd();
      if (kill_it && was_odd) break;
      if (ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == -1 || waitpid(pid, &status, 0) != pid) break;
    }
    kill(pid, SIGKILL);
    if (!WIFEXITED(status)) waitpid(pid, &status, 0);
    EXPECT_TRUE(was_odd);
    EXPECT_EQ(heard, kill_it ? (std::set<std::string>{"", before}) : (std::set<std::string>{"", before, after}));
  }
  EXPECT_EQ(inside_.odd(), 1U);
  for (int i = 0; i < 20000; ++i) all_->put(std::to_string(i) + "@x", valid(), NOW + 1001);
  EXPECT_EQ(inside_.odd(), 0U) << "its place is in use again";
  EXPECT_EQ(all_->count(NOW + 1001), 1024U);
}

TEST_F(Kept, WhatIsLookedForTakesNoMemory) {
  for (int i = 0; i < 1000; ++i) get(std::to_string(i) + "@x");
  const kept_answer unknown{QV_UNKNOWN, QV_REASON_PROGRAM, 10, "", false};
  for (int i = 0; i < 1000; ++i) all_->put(std::to_string(i) + "@x", unknown, NOW);
  all_->flush("");
  all_->count(NOW);
  EXPECT_LE(inside_.pages(), 1U) << "that in which is noted which were written";
  all_->put("a@x", valid(), NOW);
  EXPECT_EQ(inside_.pages(), 2U);
}

// Answers are never torn: the user tells for which address it was put.
TEST_F(Kept, ReadersAndWritersAtOnce) {
  std::atomic<unsigned> writing{2};
  unsigned wrong = 0, found = 0;
  kept *const all = all_;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 40000; ++i) {
        const std::string name = "user" + std::to_string((i * 7 + t) % 300);
        all->put(name + "@x", i % 5 ? valid(name + name) : invalid(), NOW);
      }
      --writing;
    });
  for (bool last = false; !last;) {
    last = writing == 0;
    for (unsigned i = 0; i < 300; ++i) {
      const std::string name = "user" + std::to_string(i);
      kept_answer a;
      if (!all->get(name + "@x", NOW, false, a)) continue;
      ++found;
      if (a.verdict == QV_VALID ? a.user != name + name || a.reason != QV_REASON_DOTQMAIL : !a.user.empty()) ++wrong;
    }
  }
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(found, 0U);
}

TEST(KeptSizes, AreRoundedAndBounded) {
  for (const auto &[asked, got] : {std::pair<size_t, size_t>{0, 1024}, {1024, 1024}, {1025, 2048}, {3000, 4096}}) {
    const auto all = kept::make(asked);
    ASSERT_TRUE(all);
    for (size_t i = 0; i < 20 * got; ++i) all->put(std::to_string(i) + "@x", valid(), NOW);
    EXPECT_EQ(all->count(NOW), got) << asked;
  }
  EXPECT_TRUE(kept::make(1000000));
}

TEST(KeptSizes, NobodyCanChooseAddressesThatFallTogether) {
  const auto one = kept::make(1024), two = kept::make(1024);
  const auto found = [](kept &all) {
    std::string which;
    kept_answer a;
    for (int i = 0; i < 2000; ++i) all.put(std::to_string(i) + "@x", valid(), NOW);
    for (int i = 0; i < 2000; ++i) which += all.get(std::to_string(i) + "@x", NOW, false, a) ? 'y' : 'n';
    return which;
  };
  EXPECT_NE(found(*one), found(*two)) << "each has a key of its own";
}
