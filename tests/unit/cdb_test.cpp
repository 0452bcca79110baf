// cdb_test.cpp - constant databases, whole and damaged.

#include "qmail/cdb.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "fake_site.h"

using namespace std::string_literals;

namespace {

using records = std::vector<std::pair<std::string, std::string>>;

enum class Way { pread, mapped };

void overwrite(int fd, const std::string &bytes) {
  ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

// On a descriptor of its own, so that the test can change the file.
cdb opened(int fd, Way way) {
  cdb db;
  db.adopt(unique_fd(dup(fd)));
  if (way == Way::mapped) db.map();
  return db;
}

cdb opened(const std::string &bytes, Way way) { return opened(fake_fd(bytes).get(), way); }

// A file is mapped only if its last bytes are not all zeros.
bool tail_written(const std::string &bytes) {
  return bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 4096)).find_first_not_of('\0') != bytes.npos;
}

class Cdb : public testing::TestWithParam<Way> {
 protected:
  // Mapped where that is asked for, which needs a header.
  static cdb opened(const std::string &bytes) {
    cdb db = ::opened(bytes, GetParam());
    EXPECT_EQ(db.mapped(), GetParam() == Way::mapped && bytes.size() >= 2048 && tail_written(bytes)) << bytes.size();
    return db;
  }
};

INSTANTIATE_TEST_SUITE_P(Read, Cdb, testing::Values(Way::pread, Way::mapped),
                         [](auto &way) { return way.param == Way::mapped ? "mapped" : "pread"; });

// As many records as fill some pages.
records some_pages() {
  records all;
  for (int i = 0; i < 160; ++i) all.emplace_back("key" + std::to_string(i), "value of " + std::to_string(i));
  return all;
}

// A look-up of a key whose data are known ends in them or in CDB_DAMAGED.
bool right_or_damaged(const cdb &db, const std::pair<std::string, std::string> &record) {
  std::string data;
  int error = 0;
  const Look look = db.find(record.first, data, error);
  if (look == Look::found) {
    EXPECT_EQ(data, record.second) << record.first;
  } else if (look == Look::failed) {
    EXPECT_EQ(error, CDB_DAMAGED) << record.first;
  } else {
    ADD_FAILURE() << record.first << " was called absent";
  }
  return look == Look::found;
}

}  // namespace

TEST_P(Cdb, FindsTheFirstOfEqualKeys) {
  cdb db = opened(fake_cdb({{"a", "1"}, {"b", "2"}, {"a", "3"}, {"", "empty"}}));
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("a", data, error), Look::found);
  EXPECT_EQ(data, "1");
  EXPECT_EQ(db.find("", data, error), Look::found);
  EXPECT_EQ(data, "empty");
  EXPECT_EQ(db.find("c", data, error), Look::absent);
  EXPECT_EQ(db.has("b", error), Look::found);
}

TEST_P(Cdb, ThousandsOfKeys) {
  records all;
  for (int i = 0; i < 5000; ++i) all.emplace_back("key" + std::to_string(i), std::to_string(i));
  cdb db = opened(fake_cdb(all));
  std::string data;
  int error = 0;
  for (auto &[key, value] : all) {
    ASSERT_EQ(db.find(key, data, error), Look::found) << key;
    ASSERT_EQ(data, value);
    ASSERT_EQ(db.find(key + "x", data, error), Look::absent);
  }
}

namespace {

// What each() visits; error: 0 where it came to the end.
records visited(const cdb &db, int &error) {
  records all;
  error = 0;
  int why = 0;
  const Look look = db.each([&](auto key, auto data) { return all.emplace_back(key, data), true; }, why);
  if (look != Look::found) error = why;
  return all;
}

}  // namespace

TEST_P(Cdb, EachRecordIsVisitedInOrder) {
  records all = some_pages();
  all.emplace_back("", std::string(200000, 'x'));
  all.emplace_back("key1", "");
  for (int i = 0; i < 5000; ++i) all.emplace_back("more" + std::to_string(i), std::string(static_cast<size_t>(i) % 70, 'y'));
  int error = 0;
  EXPECT_EQ(visited(opened(fake_cdb(all)), error), all);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(visited(opened(fake_cdb({})), error), records());
  EXPECT_EQ(error, 0);
}

TEST_P(Cdb, VisitsEndWhenTheVisitorHasEnough) {
  int seen = 0, error = 0;
  EXPECT_EQ(opened(fake_cdb(some_pages())).each([&](auto, auto) { return ++seen < 3; }, error), Look::found);
  EXPECT_EQ(seen, 3);
}

TEST_P(Cdb, VisitsOfAFileThatIsCutEndInAFailure) {
  const std::string whole = fake_cdb({{"key", "value"}, {"other", "data"}});
  const records all = {{"key", "value"}, {"other", "data"}};
  for (size_t len = 0; len < 2048 + 8 + 8 + 8 + 9; ++len) {
    int error = 0;
    const records some = visited(opened(whole.substr(0, len)), error);
    EXPECT_EQ(error, CDB_DAMAGED) << len;
    EXPECT_LT(some.size(), all.size()) << len;
  }
}

TEST_P(Cdb, EveryTruncationFailsOrAnswersAsBefore) {
  const std::string whole = fake_cdb({{"key", "value"}, {"other", "data"}});
  for (size_t len = 0; len < whole.size(); ++len) {
    cdb db = opened(whole.substr(0, len));
    std::string data;
    int error = 0;
    Look look = db.find("key", data, error);
    if (look == Look::found) {
      EXPECT_EQ(data, "value");
    } else if (look == Look::failed) {
      EXPECT_EQ(error, CDB_DAMAGED);
    } else {
      ADD_FAILURE() << "cut at " << len << ": a key that is there was called absent";
    }
  }
}

TEST_P(Cdb, RandomDamageIsSurvived) {
  std::mt19937 random(1);
  const std::string whole = fake_cdb({{"key", "value"}, {"other", "data"}, {"", "w"}});
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 8; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    cdb db = opened(bytes);
    std::string data;
    int error = 0;
    for (const char *key : {"key", "other", "", "none"}) {
      Look look = db.find(key, data, error);
      EXPECT_TRUE(look == Look::found || look == Look::absent || error != 0);
    }
  }
}

TEST_P(Cdb, AHugeRecordIsAFailureNotMemory) {
  std::string bytes = fake_cdb({{"k", "v"}});
  for (int i = 0; i < 4; ++i) bytes[2052 + static_cast<size_t>(i)] = '\x7f';
  cdb db = opened(bytes);
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("k", data, error), Look::failed);
  EXPECT_EQ(db.has("k", error), Look::found);
}

TEST_P(Cdb, AHeaderIsSoundWhereItsTablesLieOneBehindTheOther) {
  const std::string whole = fake_cdb({{"key", "value"}, {"other", "data"}, {"third", ""}});
  auto sound = [](const std::string &bytes, const std::string &key = "absent") {
    int error = 0;
    const bool is = opened(bytes).sound(key, error);
    EXPECT_TRUE(is || error == CDB_DAMAGED);
    return is;
  };
  EXPECT_TRUE(sound(whole));
  EXPECT_TRUE(sound(whole.substr(0, 2048)));
  EXPECT_FALSE(sound(whole.substr(0, 2047)));
  EXPECT_FALSE(sound(""));
  EXPECT_TRUE(sound(fake_cdb({})));
  EXPECT_TRUE(sound(std::string(2048, '\0')));
  EXPECT_FALSE(sound(std::string(2049, '\0')));
  EXPECT_FALSE(sound(std::string(4096, 'x')));
  int tables = 0;
  for (size_t at = 0; at < 2048; at += 8) {
    if (whole[at + 4] == 0) continue;  // an empty table lies nowhere
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] + 8);
    EXPECT_EQ(sound(bytes), false) << at;
    ++tables;
  }
  EXPECT_EQ(tables, 3);
  EXPECT_TRUE(sound(whole, "key"));
  EXPECT_FALSE(sound(whole.substr(0, 2048), "key"));
  EXPECT_FALSE(sound(whole.substr(0, 2048) + std::string(whole.size() - 2048, '\0'), "key"));
}

// ---- the hash

TEST(CdbHash, LosesItsLastBytesAgain) {
  const std::string key = "!a-user\xff-\x80-ext\0"s;
  cdb_hash hash(key);
  for (size_t len = key.size(); len > 0; --len) {
    EXPECT_EQ(hash.value(), cdb_hash(key.substr(0, len)).value()) << len;
    hash.drop(key[len - 1]);
  }
  EXPECT_EQ(hash.value(), 5381u);
}

TEST_P(Cdb, IsAskedWithAHashMadeBefore) {
  const cdb db = opened(fake_cdb({{"!a-", "wild"}, {"!a-b\0"s, "exact"}}));
  std::string data;
  int error = 0;
  const std::string key = "!a-b\0"s;
  cdb_hash hash(key);
  EXPECT_EQ(db.find(key, hash, data, error), Look::found);
  EXPECT_EQ(data, "exact");
  for (size_t len = key.size(); len > 3; --len) hash.drop(key[len - 1]);
  EXPECT_EQ(db.find("!a-", hash, data, error), Look::found);
  EXPECT_EQ(data, "wild");
  EXPECT_EQ(db.find("!a-b", hash, data, error), Look::absent);  // not its hash
}

// ---- mapped and not mapped

TEST(CdbMapped, CountsTheReadsThatItWouldMake) {
  records all = some_pages();
  for (int i = 0; i < 40; ++i) all.emplace_back("same", std::to_string(i));
  all.emplace_back(std::string(700, 'k'), "behind what is read ahead");
  all.emplace_back(std::string(700, 'k') + "x", "");
  all.emplace_back("long", std::string(5000, 'd'));
  all.emplace_back("larger than is read", std::string((1 << 20) + 1, 'd'));
  const std::string bytes = fake_cdb(all);
  for (const std::string &key : {all[0].first, all[159].first, "same"s, std::string(700, 'k'), std::string(700, 'k') + "x",
                                 std::string(699, 'k') + "l", "long"s, "larger than is read"s, "none"s})
    for (uint64_t reads = 0; reads < 16; ++reads) {
      cdb one = opened(bytes, Way::pread), other = opened(bytes, Way::mapped);
      ASSERT_TRUE(other.mapped());
      one.bound(reads);
      other.bound(reads);
      for (int again = 0; again < 3; ++again) {
        std::string data, mapped_data;
        int error = 0, mapped_error = 0;
        const Look look = one.find(key, data, error), mapped = other.find(key, mapped_data, mapped_error);
        ASSERT_EQ(look, mapped) << key << " with " << reads;
        ASSERT_EQ(error, mapped_error) << key << " with " << reads;
        if (look == Look::found) {
          ASSERT_EQ(data, mapped_data);
        }
        ASSERT_EQ(one.has(key, error), other.has(key, mapped_error)) << key << " with " << reads;
      }
    }
}

TEST(CdbMapped, CutAnywhereWhileItIsMapped) {
  const records all = some_pages();
  const std::string bytes = fake_cdb(all);
  const unique_fd file = fake_fd(bytes);
  ASSERT_GT(bytes.size(), 8192u);
  size_t right = 0, damaged = 0;
  for (size_t len = 0; len <= bytes.size(); ++len) {
    overwrite(file.get(), bytes);
    const cdb db = opened(file.get(), Way::mapped);
    ASSERT_TRUE(db.mapped());
    ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(len)), 0);
    for (size_t i = len % 16; i < all.size(); i += 16) ++(right_or_damaged(db, all[i]) ? right : damaged);
    if (HasFailure()) FAIL() << "cut at " << len;
  }
  EXPECT_GT(right, 0u);
  EXPECT_GT(damaged, 0u);
}

TEST(CdbMapped, CutWhileItIsRead) {
  const records all = some_pages();
  const std::string bytes = fake_cdb(all);
  const unique_fd file = fake_fd(bytes);
  for (off_t pages = 0; pages < 40; ++pages) {
    overwrite(file.get(), bytes);
    const cdb db = opened(file.get(), Way::mapped);
    ASSERT_TRUE(db.mapped());
    std::atomic<bool> cut = false;
    std::thread cutter([&] {
      EXPECT_EQ(ftruncate(file.get(), pages % 3 * 4096), 0);
      cut = true;
    });
    size_t damaged = 0;
    while (!cut || damaged == 0)
      for (const auto &record : all) damaged += !right_or_damaged(db, record);
    cutter.join();
  }
}

TEST(CdbMapped, CutAndWrittenAgainItIsReadAsItIs) {
  const std::string bytes = fake_cdb(some_pages()), next = fake_cdb({{"new", "1"}, {"other", "2"}});
  const unique_fd file = fake_fd(bytes);
  const cdb db = opened(file.get(), Way::mapped);
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("key7", data, error), Look::found);
  ASSERT_EQ(ftruncate(file.get(), 0), 0);
  EXPECT_EQ(db.find("key7", data, error), Look::failed);
  EXPECT_FALSE(db.mapped());
  overwrite(file.get(), next);
  EXPECT_EQ(db.find("new", data, error), Look::found);
  EXPECT_EQ(db.find("key7", data, error), Look::absent);
  EXPECT_TRUE(db.sound("key7", error));
  overwrite(file.get(), bytes);
  EXPECT_EQ(db.find("key7", data, error), Look::found);
  EXPECT_EQ(data, "value of 7");
}

TEST(CdbMapped, WhatIsWrittenInPlaceShows) {
  records all = some_pages();
  const unique_fd file = fake_fd(fake_cdb(all));
  const cdb db = opened(file.get(), Way::mapped);
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("key7", data, error), Look::found);
  all[7].second = "VALUE OF 7";
  overwrite(file.get(), fake_cdb(all));
  EXPECT_EQ(db.find("key7", data, error), Look::found);
  EXPECT_EQ(data, "VALUE OF 7");
  EXPECT_TRUE(db.mapped());
  for (auto &record : all) record.first[0] = 'y';  // other hashes, other slots
  overwrite(file.get(), fake_cdb(all));
  EXPECT_EQ(db.find("key7", data, error), Look::absent);
  EXPECT_EQ(db.find("yey7", data, error), Look::found);
}

TEST(CdbMapped, WhatHasGrownIsReadBehindTheMapping) {
  records all = some_pages();
  const unique_fd file = fake_fd(fake_cdb(all));
  const cdb db = opened(file.get(), Way::mapped);
  for (int i = 0; i < 1000; ++i) all.emplace_back("more" + std::to_string(i), std::to_string(i));
  overwrite(file.get(), fake_cdb(all));
  for (const auto &record : all) EXPECT_TRUE(right_or_damaged(db, record));
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("none", data, error), Look::absent);
}

// A table that lies behind what was mapped while all that was mapped is as it was.
TEST(CdbMapped, ATableBehindTheMappingIsRead) {
  const std::string bytes = fake_cdb({{"a", "1"}});
  const unique_fd file = fake_fd(bytes);
  std::string shorter = bytes.substr(0, bytes.size() - 16);  // ends with the record
  ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(shorter.size())), 0);
  const cdb db = opened(file.get(), Way::mapped);
  ASSERT_TRUE(db.mapped());
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("a", data, error), Look::failed);
  EXPECT_EQ(error, CDB_DAMAGED);
  overwrite(file.get(), bytes);
  EXPECT_EQ(db.find("a", data, error), Look::found);
  EXPECT_EQ(data, "1");
  EXPECT_TRUE(db.mapped());
}

TEST(CdbMapped, IsAsSoundAsWhereItIsRead) {
  records all;
  for (int i = 0; i < 40000; ++i) all.emplace_back("key" + std::to_string(i), "");
  const std::string whole = fake_cdb(all);
  std::string bytes = whole;
  const size_t tables = whole.size() - 16 * all.size();
  // tables of which the first bytes were not written
  for (size_t at = tables; at + 2500 < bytes.size(); at += 2500) std::fill_n(bytes.begin() + static_cast<long>(at), 1400, '\0');
  const cdb one = opened(bytes, Way::pread), other = opened(bytes, Way::mapped);
  ASSERT_TRUE(other.mapped());
  size_t sound = 0, unsound = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "none" + std::to_string(i);
    int error = 0;
    ASSERT_EQ(one.has(key, error), other.has(key, error));
    const bool is = one.sound(key, error);
    ASSERT_EQ(is, other.sound(key, error)) << key;
    ++(is ? sound : unsound);
  }
  EXPECT_GT(sound, 0u);
  EXPECT_GT(unsound, 0u);
}

// ---- a file with a name

class CdbKept : public testing::Test {
 protected:
  CdbKept() {
    std::string name = testing::TempDir() + "/cdbXXXXXX";
    dir = mkdtemp(name.data());
    write("cdb", fake_cdb(some_pages()));
    int error = 0;
    EXPECT_EQ(db.open(path("cdb").c_str(), error), Look::found);
    EXPECT_TRUE(db.map());
  }
  ~CdbKept() override { std::filesystem::remove_all(dir); }

  std::string path(const std::string &name) const { return dir + "/" + name; }
  void write(const std::string &name, const std::string &bytes) const {
    const unique_fd fd(open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    overwrite(fd.get(), bytes);
  }
  bool same() const {
    struct stat st;
    EXPECT_EQ(stat(path("cdb").c_str(), &st), 0);
    return db.same_file(st);
  }

  std::string dir;
  cdb db;
};

TEST_F(CdbKept, IsTheSameWhileNothingHappens) {
  EXPECT_TRUE(same());
  EXPECT_TRUE(right_or_damaged(db, {"key1", "value of 1"}));
  EXPECT_TRUE(same());
  cdb moved = std::move(db);
  EXPECT_FALSE(same());
  db = std::move(moved);
  EXPECT_TRUE(same());
}

TEST_F(CdbKept, GoesOnWhereAnotherTookItsName) {
  write("tmp", fake_cdb(some_pages()));
  ASSERT_EQ(rename(path("tmp").c_str(), path("cdb").c_str()), 0);
  EXPECT_FALSE(same());
  EXPECT_TRUE(db.mapped());
  for (const auto &record : some_pages()) EXPECT_TRUE(right_or_damaged(db, record));
}

TEST_F(CdbKept, IsNotTheSameWithAnotherSizeOrTime) {
  struct stat st;
  ASSERT_EQ(stat(path("cdb").c_str(), &st), 0);
  ASSERT_TRUE(db.same_file(st));
  auto other = [&](auto change) {
    struct stat changed = st;
    change(changed);
    return !db.same_file(changed);
  };
  EXPECT_TRUE(other([](struct stat &s) { ++s.st_size; }));
  EXPECT_TRUE(other([](struct stat &s) { ++s.st_ino; }));
  EXPECT_TRUE(other([](struct stat &s) { ++s.st_dev; }));
  EXPECT_TRUE(other([](struct stat &s) { ++s.st_mtim.tv_nsec; }));
  EXPECT_TRUE(other([](struct stat &s) { ++s.st_ctim.tv_sec; }));
}

TEST_F(CdbKept, IsNotTheSameOnceTheMappingWasLost) {
  const std::string bytes = fake_cdb(some_pages());
  struct stat st;
  ASSERT_EQ(stat(path("cdb").c_str(), &st), 0);
  ASSERT_EQ(truncate(path("cdb").c_str(), 100), 0);
  EXPECT_FALSE(same());
  EXPECT_TRUE(db.same_file(st));  // nobody has looked yet
  EXPECT_FALSE(right_or_damaged(db, {"key1", "value of 1"}));
  EXPECT_FALSE(db.same_file(st));
  EXPECT_FALSE(db.mapped());
}

TEST_F(CdbKept, IsNotMappedAnyMoreWhereAnotherIsOpened) {
  int error = 0;
  EXPECT_EQ(db.open(path("cdb").c_str(), error), Look::found);
  EXPECT_FALSE(db.mapped());
  EXPECT_FALSE(same());
  EXPECT_TRUE(right_or_damaged(db, {"key1", "value of 1"}));
  EXPECT_EQ(db.open(path("none").c_str(), error), Look::absent);
  EXPECT_FALSE(db.map());
}
