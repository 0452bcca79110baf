// listing_test.cpp - what a listing proves, when, and what it costs: in a home made up
// with a clock of its own, and in real ones.

#include "address/listing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "qmail/text.h"

namespace {

constexpr int64_t MS = 1'000'000, SECOND = 1'000'000'000;

timespec as_timespec(int64_t ns) { return {ns / SECOND, ns % SECOND}; }

// ---- a home made up

class made_up : public listing_machine {
 public:
  int64_t real = 1'000'000 * SECOND + 12'345'678, steady = 500 * SECOND;
  int64_t tick = 4 * MS;  // of the coarse clock
  int64_t store = 1;      // what the file system rounds its times down to
  struct stat st {};
  std::set<std::string> names;
  unsigned long fs = EXT4_SUPER_MAGIC;
  bool veil = false, blind = false;  // blind: to case
  int open_error = 0;
  size_t piece = 1000;           // entries at a time
  int64_t cost = 0;              // of each piece
  std::function<void()> during;  // before each piece but the first
  std::function<void(listing_now &)> distort;
  mutable int opened = 0;

  made_up() {
    st.st_dev = 2049;
    st.st_ino = 131;
    st.st_mode = S_IFDIR | 0755;
    st.st_uid = 1000;
    st.st_gid = 1001;
    changed();
    pass(10 * SECOND);
  }

  int64_t coarse(int64_t t) const { return t / tick * tick; }
  void pass(int64_t ns) { real += ns, steady += ns; }
  void changed() { st.st_mtim = st.st_ctim = as_timespec(coarse(real) / store * store); }
  void create(const std::string &name) { names.insert(name), changed(); }
  void remove(const std::string &name) { names.erase(name), changed(); }
  void age(int64_t ns) { st.st_mtim = st.st_ctim = as_timespec(coarse(real) - ns); }

  listing_now now() const override {
    listing_now is{coarse(real), coarse(steady)};
    if (distort) distort(is);
    return is;
  }
  int64_t fine() const override { return steady; }
  unsigned long type(int) const override { return fs; }
  int stat(int, struct stat &out) const override {
    out = st;
    return 0;
  }
  bool veiled(int) const override { return veil; }
  int look(int, const char *name, struct stat &out) const override {
    out = {};
    out.st_ino = 7;
    for (const std::string &each : names) {
      if (blind ? text_equal(each, name) : each == name) return 0;
      ++out.st_ino;
    }
    return ENOENT;
  }
  ssize_t entries(int, char *buf, size_t size) const override {
    auto *const self = const_cast<made_up *>(this);
    if (!last_.empty() && during) during();
    if (entries_error) return -1;
    self->pass(cost);
    size_t used = 0, count = 0;
    for (auto at = names.upper_bound(last_); at != names.end() && count < piece; ++at, ++count) {
      const auto length = static_cast<uint16_t>((19 + at->size() + 1 + 7) / 8 * 8);
      if (used + length > size) break;
      memset(buf + used, 0, length);
      memcpy(buf + used + 16, &length, sizeof length);
      memcpy(buf + used + 19, at->data(), at->size());
      used += length;
      self->last_ = *at;
    }
    return static_cast<ssize_t>(used);
  }
  bool entries_error = false;

  int open() const {
    ++opened;
    const_cast<made_up *>(this)->last_.clear();
    errno = open_error;
    return open_error ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }

 private:
  std::string last_;
};

class Listing : public testing::Test {
 protected:
  home_listing look(uid_t uid = 1000, gid_t gid = 1001) {
    const struct stat asked = home.st;
    return kept.of(uid, gid, asked, [&] { return home.open(); });
  }
  bool absent(const std::string &name) { return look().absent(name); }
  // Whether a listing is kept, after so many looks.
  bool proves(int looks = 3) {
    bool so = false;
    for (int i = 0; i < looks; ++i) so = absent(".qmail-certainly-not");
    return so;
  }
  void renew(const listing_limits &limits) {
    kept.~listings();
    new (&kept) listings(&home, limits);
  }

  made_up home;
  listings kept{&home};
};

}  // namespace

// ---- what is proved

TEST_F(Listing, IsReadAtTheSecondQuestionAndOnce) {
  EXPECT_FALSE(proves(1));
  EXPECT_EQ(home.opened, 0);
  EXPECT_TRUE(proves(1));
  EXPECT_TRUE(proves(100));
  EXPECT_EQ(home.opened, 1);
}

TEST_F(Listing, ProvesOnlyThatANameIsNotThere) {
  for (const int count : {0, 1, 2, 3, 5, 1000}) {
    while (home.names.size() < static_cast<size_t>(count)) home.names.insert(".qmail-" + std::to_string(home.names.size()));
    home.age(SECOND + count);
    ASSERT_TRUE(proves());
    for (const std::string &name : home.names) ASSERT_FALSE(absent(name)) << name;
    for (int i = count; i < count + 1000; ++i) ASSERT_TRUE(absent(".qmail-" + std::to_string(i))) << i;
    EXPECT_TRUE(absent(".qmail"));
    EXPECT_TRUE(absent(".qmail-"));
    EXPECT_TRUE(absent(".qmail-" + std::string(248, 'x')));
  }
}

TEST_F(Listing, KnowsNothingOfOtherNames) {
  ASSERT_TRUE(proves());
  using namespace std::string_literals;
  for (const std::string &name :
       {""s, "."s, ".."s, ".qmai"s, "Maildir"s, "x.qmail"s, ".QMAIL-x"s, ".qmail-a/b"s, ".qmail-abcdefgh/"s, "/.qmail-a"s,
        ".qmail-a\0b"s, ".qmail-abcdefghi\0"s, ".qmail-\x80"s, ".qmail-abcdefgh\xff"s, ".qmail-m\xc3\xbcller"s,
        ".qmail-" + std::string(249, 'x')})
    EXPECT_FALSE(absent(name)) << name;
  EXPECT_FALSE(home_listing().absent(".qmail-x"));
}

// ---- while the stamp is what it was

TEST_F(Listing, AnyDifferenceOfTheStampIsTheEndOfIt) {
  const std::vector<std::function<void()>> differences = {
      [&] { home.st.st_mtim.tv_nsec ^= 1; }, [&] { home.st.st_mtim.tv_sec -= 1; },
      [&] { home.st.st_ctim.tv_nsec ^= 1; }, [&] { home.st.st_ctim.tv_sec -= 1; },
      [&] { home.st.st_mode ^= 0100; },      [&] { home.st.st_uid ^= 1; },
      [&] { home.st.st_gid ^= 1; },          [&] { home.st.st_dev ^= 1; },
      [&] { home.st.st_ino ^= 1; }};
  for (size_t i = 0; i < differences.size(); ++i) {
    ASSERT_TRUE(proves()) << i;
    differences[i]();
    EXPECT_FALSE(proves(1)) << i;
  }
}

TEST_F(Listing, IsOfOneUserAndGroup) {
  home.create(".qmail-x");
  home.pass(SECOND);
  ASSERT_TRUE(proves());
  EXPECT_FALSE(look(1001).absent(".qmail-y"));
  EXPECT_FALSE(look(1000, 1000).absent(".qmail-y"));
  EXPECT_FALSE(look(1001, 1000).absent(".qmail-y"));
  EXPECT_TRUE(absent(".qmail-y")) << "theirs are other places";
}

TEST_F(Listing, WhatComesWithinOneTickIsNeverMissed) {
  home.create(".qmail-a");
  EXPECT_FALSE(proves(10));
  const struct stat before = home.st;
  home.create(".qmail-b");
  ASSERT_EQ(memcmp(&before.st_ctim, &home.st.st_ctim, sizeof before.st_ctim), 0) << "the trap is not there";
  EXPECT_FALSE(absent(".qmail-b"));
  home.pass(SECOND);
  EXPECT_TRUE(proves(1)) << "it was seen often enough";
  EXPECT_FALSE(absent(".qmail-a"));
  EXPECT_FALSE(absent(".qmail-b"));
}

TEST_F(Listing, AHomeIsReadOnceItIsOlderThanTheGrain) {
  home.tick = 1;
  home.changed();
  home.pass(50 * MS);
  EXPECT_FALSE(proves());
  home.pass(1);
  EXPECT_TRUE(proves(1));
}

TEST_F(Listing, WholeSecondsTakeTwo) {
  home.store = SECOND;
  home.real = home.real / SECOND * SECOND;
  home.changed();
  home.pass(2 * SECOND - home.tick);
  EXPECT_FALSE(proves());
  home.pass(home.tick);
  EXPECT_FALSE(proves(1));
  home.pass(home.tick);
  EXPECT_TRUE(proves(1));
}

TEST_F(Listing, EitherTimeOfTheFutureProvesNothing) {
  for (timespec *const time : {&home.st.st_mtim, &home.st.st_ctim}) {
    home.age(SECOND);
    for (const int64_t seconds : {home.real / SECOND + 1, home.real / SECOND + 100'000, std::numeric_limits<int64_t>::max()}) {
      *time = {seconds, 1};
      EXPECT_FALSE(proves(10)) << seconds;
    }
    *time = {std::numeric_limits<int64_t>::min(), 1};
    EXPECT_TRUE(proves());
  }
}

TEST_F(Listing, AHomeThatChangesWhileItIsReadIsNotKept) {
  home.piece = 1;
  for (const char *name : {"a", "b", "c", ".qmail-z"}) home.names.insert(name);
  int left = 1;
  home.during = [&] {
    if (left-- > 0) home.create(".qmail-0");  // behind what was read
  };
  EXPECT_FALSE(proves());
  EXPECT_EQ(home.opened, 1);
  EXPECT_FALSE(absent(".qmail-0"));
  home.pass(10 * SECOND);
  EXPECT_TRUE(proves());
  EXPECT_FALSE(absent(".qmail-0"));
}

TEST_F(Listing, AnotherDirectoryThanTheOneStatedIsNotRead) {
  const struct stat asked = home.st;
  home.st.st_ino += 1;
  const auto look_at = [&] { return kept.of(1000, 1001, asked, [&] { return home.open(); }).absent(".qmail-x"); };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(look_at());
}

TEST_F(Listing, AClockSetBackForgetsEverything) {
  home.store = SECOND;
  home.changed();
  const struct stat before = home.st;
  home.pass(10 * SECOND);
  ASSERT_TRUE(proves());
  home.real -= 10 * SECOND;
  home.create(".qmail-x");
  ASSERT_EQ(before.st_ctim.tv_sec, home.st.st_ctim.tv_sec) << "the trap is not there";
  home.pass(20 * SECOND);
  EXPECT_FALSE(absent(".qmail-x"));
}

TEST_F(Listing, SmallStepsOfTheClockAddUp) {
  ASSERT_TRUE(proves());
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(absent(".qmail-x")) << i;
    home.real -= 4 * MS;
  }
  home.real -= 4 * MS;
  EXPECT_FALSE(absent(".qmail-x"));
}

TEST_F(Listing, WaitingBetweenTwoClocksIsNoStep) {
  ASSERT_TRUE(proves());
  int calls = 0;
  home.distort = [&](listing_now &now) {
    if (calls++ == 0) now.real -= SECOND;
  };
  EXPECT_TRUE(absent(".qmail-x"));
  EXPECT_EQ(calls, 2);
}

// ---- where nothing is proved

TEST_F(Listing, OnlyOnFileSystemsThatTell) {
  for (const unsigned long each : {0xEF53ul, 0x58465342ul, 0x9123683Eul, 0x01021994ul, 0x858458f6ul, 0xF2F52010ul, 0x52654973ul,
                                   0x3434ul, 0x2fc12fc1ul, 0xca451a4eul, 0x3153464aul}) {
    home.fs = each;
    home.st.st_ino += 1;
    EXPECT_TRUE(proves()) << std::hex << each;
  }
  for (const unsigned long each : {0ul, 0x6969ul, 0xFF534D42ul, 0xFE534D42ul, 0x517Bul, 0x01021997ul, 0x00c36400ul, 0x65735546ul,
                                   0x01161970ul, 0x7461636ful, 0x5346414Ful, 0x6B414653ul, 0x4d44ul, 0x2011BAB0ul, 0x5346544eul,
                                   0x7366746eul, 0x0187ul, 0xf15ful, 0x794c7630ul, 0x9fa0ul, 0x12345678ul}) {
    home.fs = each;
    home.st.st_ino += 1;
    const int opened = home.opened;
    EXPECT_FALSE(proves(10)) << std::hex << each;
    EXPECT_EQ(home.opened, opened + 1) << "remembered for this stamp";
  }
}

TEST_F(Listing, NotInAnEncryptedOrFoldedDirectory) {
  home.veil = true;
  EXPECT_FALSE(proves(10));
  EXPECT_EQ(home.opened, 1);
}

TEST_F(Listing, NotWhereCaseIsIgnored) {
  home.blind = true;
  for (const char *name : {"a", "123", ".qmail-1", ".QMAIL-X", "Z"}) {
    home.names = {"0", "1.2", name};
    home.st.st_ino += 1;
    EXPECT_EQ(proves(10), !strcmp(name, "123")) << name << ": where there are no letters, there is no .qmail";
  }
  home.names = {};
  home.st.st_ino += 1;
  EXPECT_TRUE(proves());
  home.names = {"\xe2\x84\xaa"};  // a Kelvin sign folds to k
  home.st.st_ino += 1;
  EXPECT_FALSE(proves(10));
}

TEST_F(Listing, TwoNamesThatDifferInCaseAreTwo) {
  home.names = {"MAIL", "mail"};
  EXPECT_TRUE(proves());
}

// Normalized, a ligature of f and i is an f and an i.
TEST_F(Listing, NotBesideANameThatZfsMayNormalize) {
  home.names = {"a", ".qmail-\xef\xac\x81"};
  EXPECT_TRUE(proves());
  home.fs = 0x2fc12fc1;
  home.st.st_ino += 1;
  EXPECT_FALSE(proves(10));
}

TEST_F(Listing, AHomeThatMayNotBeReadIsNotTriedAgain) {
  home.open_error = EACCES;
  EXPECT_FALSE(proves(1000));
  EXPECT_EQ(home.opened, 1);
  home.pass(1000 * SECOND);
  EXPECT_FALSE(proves(1000));
  EXPECT_EQ(home.opened, 1);
  home.open_error = 0;
  home.changed();
  home.pass(SECOND);
  EXPECT_TRUE(proves());
}

TEST_F(Listing, AnyOtherFailureIsTriedAgainInASecond) {
  home.open_error = EMFILE;
  EXPECT_FALSE(proves(1000));
  EXPECT_EQ(home.opened, 1);
  home.pass(SECOND + home.tick);
  home.open_error = 0;
  home.entries_error = true;
  EXPECT_FALSE(proves(1000));
  EXPECT_EQ(home.opened, 2);
  home.pass(SECOND + home.tick);
  home.entries_error = false;
  EXPECT_TRUE(proves(1));
}

// ---- cost

// 10 ms for each reading of a home that changes for each question.
TEST_F(Listing, AHomeThatChangesAllTheTimeIsReadForATwentiethOfIt) {
  home.cost = 5 * MS;
  home.names = {"a"};
  home.real += SECOND;
  const int64_t begun = home.steady;
  while (home.steady - begun < 100 * SECOND) {
    home.age(SECOND);
    proves(3);
    home.pass(MS);
  }
  EXPECT_LE(home.opened * 10, 100'000 / 20 + 20);
  EXPECT_GE(home.opened * 10, 100'000 / 20 / 2) << "and it is read";
}

TEST_F(Listing, AllReadingTogetherTakesAFifth) {
  home.cost = 5 * MS;
  home.names = {"a"};
  const int64_t begun = home.steady;
  while (home.steady - begun < 100 * SECOND) {
    home.st.st_ino += 1;
    proves(3);
    home.pass(MS);
  }
  EXPECT_LE(home.opened * 10, 100'000 / 5 + 220);
  EXPECT_GE(home.opened * 10, 100'000 / 5 - 1000) << "and they are read";
}

TEST_F(Listing, AReadingIsGivenUp) {
  listing_limits limits;
  limits.entries = 5000;
  renew(limits);
  for (int i = 0; i < 5001; ++i) home.names.insert(std::to_string(i) + "x");
  EXPECT_FALSE(proves(10));
  home.pass(1000 * SECOND);
  EXPECT_FALSE(proves(10));
  EXPECT_EQ(home.opened, 1) << "never, while it is what it was";
  home.changed();
  home.pass(SECOND);
  EXPECT_FALSE(proves(10));
  EXPECT_EQ(home.opened, 2);
  home.remove("0x");
  home.pass(10 * SECOND);
  EXPECT_FALSE(proves(10));
  EXPECT_EQ(home.opened, 2) << "not so soon";
  home.pass(300 * SECOND);
  EXPECT_TRUE(proves(1));

  home.cost = 50 * MS;  // 250 ms
  home.st.st_ino += 1;
  EXPECT_FALSE(proves(10));
  EXPECT_EQ(home.opened, 4);
}

// ---- memory

TEST_F(Listing, AHundredThousandHomesTakeSixMegabytes) {
  EXPECT_EQ(kept.bytes(), 0u);
  proves();
  EXPECT_LE(kept.bytes(), 2048u);
  home.names = {".qmail", ".qmail-default"};
  for (int round = 0; round < 3; ++round)
    for (unsigned i = 0; i < 100'000; ++i) {
      home.st.st_ino = 1000 + i;
      if (i % 1000 == 0) home.pass(SECOND);
      look();
    }
  EXPECT_LE(kept.bytes(), 6u << 20);
  EXPECT_GE(kept.homes(), 99'990u) << "a few look alike, and take the place from each other";
  const int opened = home.opened;
  unsigned proved = 0;
  for (unsigned i = 0; i < 100'000; ++i) {
    home.st.st_ino = 1000 + i;
    proved += absent(".qmail-x") && !absent(".qmail-default");
  }
  EXPECT_GE(proved, 99'980u);
  EXPECT_EQ(home.opened, opened);
}

TEST_F(Listing, MoreHomesThanThereArePlacesMakeRoomForEachOther) {
  listing_limits limits;
  limits.homes_slots = 256;
  renew(limits);
  proves();
  for (unsigned i = 0; i < 10'000; ++i) {
    home.st.st_ino = 1000 + i;
    look();
    ASSERT_LE(kept.homes(), 160u);
    ASSERT_LE(kept.bytes(), 256 * 24u);
    home.st.st_ino = 131;
    ASSERT_TRUE(absent(".qmail-x")) << i << ": it is used all the time";
  }
  EXPECT_EQ(kept.homes(), 160u);
  int listed = 0;
  for (int i = 9999; i > 9930; --i) {
    home.st.st_ino = static_cast<ino_t>(1000 + i);
    home.pass(MS);
    listed += proves(2);
  }
  EXPECT_GE(listed, 60) << "of 69 that came last";
}

TEST_F(Listing, ToFindAHomeStaysShortHoweverManyHaveComeAndGone) {
  listing_limits limits;
  limits.homes_slots = 4096;
  renew(limits);
  for (unsigned i = 0; i < 50'000; ++i) {
    home.st.st_ino = 1000 + i;
    look();
  }
  EXPECT_LT(kept.farthest(), 120u);
}

TEST_F(Listing, AHomeWithAHundredThousandNames) {
  for (int i = 0; i < 100'000; ++i) home.names.insert(".qmail-" + std::to_string(i));
  ASSERT_TRUE(proves());
  EXPECT_LE(kept.bytes(), 1'600'000u);
  int unproved = 0;
  for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(absent(".qmail-" + std::to_string(i)));
  for (int i = 100'000; i < 200'000; ++i) unproved += !absent(".qmail-" + std::to_string(i));
  EXPECT_LE(unproved, 100);
}

TEST_F(Listing, ManyNamesMakeRoomForEachOther) {
  listing_limits limits;
  limits.names_bytes = 100'000;
  renew(limits);
  for (int i = 0; i < 1000; ++i) home.names.insert(".qmail-" + std::to_string(i));
  int listed = 0;
  for (unsigned i = 0; i < 200; ++i) {
    home.st.st_ino = 1000 + i % 50;
    home.pass(SECOND);
    listed += proves();
    ASSERT_LE(kept.bytes(), 100'000u + 64 * 24);
  }
  EXPECT_EQ(listed, 200) << "there is always room for another";
  for (int i = 0; i < 20'000; ++i) home.names.insert(".qmail-" + std::to_string(i));
  home.st.st_ino = 10;
  EXPECT_FALSE(proves()) << "but not for this one";
  kept.forget();
  EXPECT_EQ(kept.bytes(), 0u);
}

// ---- look-alikes, and all of it at random

TEST_F(Listing, NamesThatLookAlikeAreNotProvedAbsent) {
  listing_limits limits;
  limits.hash_mask = 0xff;
  renew(limits);
  for (int i = 0; i < 20; ++i) home.names.insert(".qmail-" + std::to_string(i));
  ASSERT_TRUE(proves(3) || !absent(".qmail-certainly-not"));
  for (const std::string &name : home.names) EXPECT_FALSE(absent(name));
  int proved = 0;
  for (int i = 100; i < 1100; ++i) proved += absent(".qmail-" + std::to_string(i));
  EXPECT_GT(proved, 700);
  EXPECT_LT(proved, 990);
}

// Homes of one tag, on whole seconds and nanoseconds, with a clock that is set at
// times: never a name that is there, in any order of events.
TEST_F(Listing, NoNameThatIsThereIsEverCalledAbsent) {
  unsigned long asked = 0, proved = 0;
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    std::mt19937 random(seed);
    const auto any = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
    made_up machine;
    listing_limits limits;
    limits.homes_slots = 64;
    limits.names_bytes = 400;
    limits.hash_mask = seed % 2 ? 0xffff : 0x1f;
    listings all(&machine, limits);
    std::vector<made_up> homes(70);
    for (size_t i = 0; i < homes.size(); ++i) {
      homes[i].st.st_ino = 200 + i;
      homes[i].store = i % 3 ? 1 : SECOND;
      homes[i].piece = 1 + i % 5;
    }
    for (int step = 0; step < 60'000; ++step) {
      const int which = any(10) ? any(5) : any(70);
      made_up &one = homes[static_cast<size_t>(which)];
      one.real = machine.real;
      one.steady = machine.steady;
      const std::string name = ".qmail-" + std::to_string(any(12));
      const auto change = [&] { any(2) ? one.create(name) : one.remove(name); };
      one.during = [&] {
        if (any(8) == 0) change();
      };
      if (any(5) == 0) change();
      if (any(6) == 0) machine.pass(any(3) ? any(8) * MS : any(2) ? any(100) * MS : any(4) * SECOND);
      if (any(3000) == 0) machine.real -= any(8) * SECOND;
      static_cast<std::set<std::string> &>(machine.names) = one.names;
      machine.st = one.st;
      machine.store = one.store;
      machine.piece = one.piece;
      machine.during = [&] {
        one.real = machine.real;
        one.during();
        machine.names = one.names;
        machine.st = one.st;
      };
      const struct stat asked_at = one.st;
      const home_listing listing = all.of(1000, 1001, asked_at, [&] { return machine.open(); });
      // what changed while it was read was changed behind the stat
      if (memcmp(&asked_at, &one.st, sizeof asked_at) != 0) continue;
      for (int i = 0; i < 12; ++i) {
        const std::string each = ".qmail-" + std::to_string(i);
        const bool absent = listing.absent(each);
        ++asked;
        proved += absent;
        ASSERT_FALSE(absent && one.names.contains(each)) << each << " seed " << seed << " step " << step;
      }
    }
  }
  EXPECT_GT(proved, asked / 20) << "or nothing was tried";
}

// ---- real homes

namespace {

// The kernel, on a file system that tells, whatever /tmp is on.
class real_machine : public listing_machine {
 public:
  explicit real_machine(bool any_type) : any_(any_type) {}
  unsigned long type(int fd) const override { return any_ ? EXT4_SUPER_MAGIC : listing_machine::type(fd); }

 private:
  const bool any_;
};

// Waits until what was done before is older than the grain: a time may be a tick ahead
// of the coarse clock.
void wait_for_age() {
  const listing_machine kernel;
  const int64_t until = kernel.now().real + 61 * MS;
  while (kernel.now().real <= until) sched_yield();
}

class RealListing : public testing::Test {
 protected:
  void SetUp() override { make("/tmp"); }
  void TearDown() override {
    if (!top.empty()) std::filesystem::remove_all(top);
  }
  void make(const std::string &where) {
    std::string name = where + "/listing.XXXXXX";
    ASSERT_TRUE(mkdtemp(name.data()));
    top = name;
    home = top / "home";
    std::filesystem::create_directory(home);
  }

  home_listing look() {
    struct stat st;
    EXPECT_EQ(stat((home / ".").c_str(), &st), 0);
    return kept->of(geteuid(), getegid(), st, [&] {
      ++opened;
      return open((home / ".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    });
  }
  bool absent(const std::string &name) { return look().absent(name); }
  bool proves() {
    wait_for_age();
    absent("");
    absent("");
    return absent(".qmail-certainly-not");
  }
  void create(const std::string &name) { std::ofstream(home / name).put('#'); }
  bool is_there(const std::string &name) {
    struct stat st;
    return lstat((home / name).c_str(), &st) == 0;
  }

  std::filesystem::path top, home;
  real_machine machine{true};
  std::unique_ptr<listings> kept = std::make_unique<listings>(&machine);
  int opened = 0;
};

}  // namespace

TEST_F(RealListing, WhatComesIsSeenAtOnceHoweverItComes) {
  const std::vector<std::function<void()>> ways = {
      [&] { create(".qmail-x"); },
      [&] { std::filesystem::create_directory(home / ".qmail-x"); },
      [&] { std::filesystem::create_symlink("nowhere", home / ".qmail-x"); },
      [&] { std::filesystem::create_hard_link(top / "file", home / ".qmail-x"); },
      [&] { std::filesystem::rename(top / "file", home / ".qmail-x"); },
      [&] { std::filesystem::rename(home / "inside", home / ".qmail-x"); },
      [&] { std::filesystem::rename(home / ".qmail-other", home / ".qmail-x"); },
      [&] {
        const int fd = open(home.c_str(), O_TMPFILE | O_WRONLY, 0600);
        if (fd == -1 || linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(fd)).c_str(), AT_FDCWD,
                               (home / ".qmail-x").c_str(), AT_SYMLINK_FOLLOW) == -1)
          create(".qmail-x");
        close(fd);
      }};
  for (size_t i = 0; i < ways.size(); ++i) {
    std::filesystem::remove_all(home / ".qmail-x");
    std::ofstream(top / "file").put('#');
    create("inside");
    create(".qmail-other");
    ASSERT_TRUE(proves()) << i;
    ASSERT_TRUE(absent(".qmail-x")) << i;
    EXPECT_FALSE(absent(".qmail-other")) << i;
    ways[i]();
    ASSERT_TRUE(is_there(".qmail-x")) << i;
    EXPECT_FALSE(absent(".qmail-x")) << i;
    ASSERT_TRUE(proves()) << i;
    EXPECT_FALSE(absent(".qmail-x")) << i;
  }
}

TEST_F(RealListing, WhatGoesIsProvedLater) {
  create(".qmail-x");
  ASSERT_TRUE(proves());
  EXPECT_FALSE(absent(".qmail-x"));
  std::filesystem::remove(home / ".qmail-x");
  EXPECT_FALSE(absent(".qmail-x"));
  ASSERT_TRUE(proves());
  EXPECT_TRUE(absent(".qmail-x"));
}

TEST_F(RealListing, APermissionThatChangesIsTheEndOfIt) {
  ASSERT_TRUE(proves());
  chmod(home.c_str(), 0750);
  EXPECT_FALSE(absent(".qmail-x"));
}

TEST_F(RealListing, AnotherDirectoryInItsPlace) {
  std::filesystem::create_directory(top / "other");
  std::ofstream(top / "other" / ".qmail-x").put('#');
  ASSERT_TRUE(proves());
  ASSERT_TRUE(absent(".qmail-x"));
  std::filesystem::rename(home, top / "old");
  std::filesystem::rename(top / "other", home);
  EXPECT_FALSE(absent(".qmail-x"));
  ASSERT_TRUE(proves());
  EXPECT_FALSE(absent(".qmail-x"));
}

TEST_F(RealListing, ANewDirectoryWithTheOldInode) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(proves());
    std::filesystem::remove_all(home);
    std::filesystem::create_directory(home);
    create(".qmail-x");
    EXPECT_FALSE(absent(".qmail-x"));
    std::filesystem::remove(home / ".qmail-x");
  }
}

TEST_F(RealListing, AHomeByALinkIsTheDirectory) {
  std::filesystem::create_directory(top / "other");
  std::filesystem::rename(home, top / "real");
  std::filesystem::create_symlink("real", home);
  ASSERT_TRUE(proves());
  std::ofstream(top / "real" / ".qmail-x").put('#');
  EXPECT_FALSE(absent(".qmail-x"));
  ASSERT_TRUE(proves());
  std::ofstream(top / "other" / ".qmail-y").put('#');
  std::filesystem::remove(home);
  std::filesystem::create_symlink("other", home);
  EXPECT_FALSE(absent(".qmail-y"));
}

TEST_F(RealListing, AHomeThatMayOnlyBeSearchedIsOpenedOnce) {
  if (geteuid() == 0) {
    ASSERT_EQ(chmod(top.c_str(), 0755), 0);
    ASSERT_EQ(chown(home.c_str(), 7001, 7001), 0);
    ASSERT_EQ(seteuid(7001), 0);
  }
  chmod(home.c_str(), 0311);
  wait_for_age();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(absent(".qmail-x"));
  EXPECT_EQ(opened, 1);
  chmod(home.c_str(), 0711);
  EXPECT_TRUE(proves());
  EXPECT_EQ(opened, 2);
  if (getuid() == 0) { ASSERT_EQ(seteuid(0), 0); }
}

TEST_F(RealListing, OnTmpfs) {
  struct statfs fs;
  if (statfs("/dev/shm", &fs) == -1 || fs.f_type != TMPFS_MAGIC || access("/dev/shm", W_OK) == -1)
    GTEST_SKIP() << "/dev/shm is no tmpfs";
  std::filesystem::remove_all(top);
  make("/dev/shm");
  kept = std::make_unique<listings>();
  ASSERT_TRUE(proves());
  create(".qmail-x");
  EXPECT_FALSE(absent(".qmail-x"));
  ASSERT_TRUE(proves());
  EXPECT_FALSE(absent(".qmail-x"));
}

TEST_F(RealListing, NotOnProc) {
  kept = std::make_unique<listings>();
  home = "/proc/self";
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(absent(".qmail-x"));
}

// As fast as it goes, so that much of it comes in one tick; and with the home left
// alone for once, so that listings are kept.
TEST_F(RealListing, NoNameThatIsThereIsEverCalledAbsentHereEither) {
  std::mt19937 random(5);
  int proved = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::string name = ".qmail-" + std::to_string(random() % 8);
    switch (random() % 8) {
      case 0: create(name); break;
      case 1: unlink((home / name).c_str()); break;
      case 2: rename((home / name).c_str(), (home / (".qmail-" + std::to_string(random() % 8))).c_str()); break;
      default: break;
    }
    if (step % 2000 == 0) wait_for_age();
    for (int i = 0; i < (step % 2000 ? 1 : 4); ++i) {
      const home_listing listing = look();
      for (int j = 0; j < 8; ++j) {
        const std::string each = ".qmail-" + std::to_string(j);
        const bool absent = listing.absent(each);
        proved += absent;
        ASSERT_FALSE(absent && is_there(each)) << each << " step " << step;
      }
    }
  }
  EXPECT_GT(proved, 0);
}

// In a mount namespace, on a file system of its own: 0 it is not kept, 1 it is, 2 no such thing here.
TEST_F(RealListing, NotInAnExt4DirectoryThatIgnoresCase) {
  const std::string image = top / "image", mount_at = top / "mnt";
  std::filesystem::create_directory(mount_at);
  const pid_t pid = fork();
  if (pid == 0) {
    const std::string make_it = "{ truncate -s 8M " + image + " && mkfs.ext4 -q -O casefold " + image + " && mount -o loop " +
                                image + " " + mount_at + " && mkdir " + mount_at + "/home && chattr +F " + mount_at +
                                "/home; } >/dev/null 2>&1";
    if (unshare(CLONE_NEWNS) == -1 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == -1 || system(make_it.c_str()) != 0)
      _exit(2);
    home = mount_at + "/home";
    create("a");
    if (!is_there("A")) _exit(2);
    kept = std::make_unique<listings>();
    _exit(proves() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) GTEST_SKIP() << "needs root, loop devices and a kernel with casefold";
  EXPECT_EQ(status, 0);
}
