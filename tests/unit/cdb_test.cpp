// cdb_test.cpp - constant databases, whole and damaged.

#include "qmail/cdb.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <random>

#include "fake_site.h"

using namespace std::string_literals;

namespace {

cdb opened(const std::string &bytes) {
  unique_fd fd(memfd_create("cdb", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  cdb db;
  db.adopt(std::move(fd));
  return db;
}

}  // namespace

TEST(Cdb, FindsTheFirstOfEqualKeys) {
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

TEST(Cdb, ThousandsOfKeys) {
  std::vector<std::pair<std::string, std::string>> records;
  for (int i = 0; i < 5000; ++i) records.emplace_back("key" + std::to_string(i), std::to_string(i));
  cdb db = opened(fake_cdb(records));
  std::string data;
  int error = 0;
  for (auto &[key, value] : records) {
    ASSERT_EQ(db.find(key, data, error), Look::found) << key;
    ASSERT_EQ(data, value);
    ASSERT_EQ(db.find(key + "x", data, error), Look::absent);
  }
}

TEST(Cdb, EveryTruncationFailsOrAnswersAsBefore) {
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

TEST(Cdb, RandomDamageIsSurvived) {
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

TEST(Cdb, AHugeRecordIsAFailureNotMemory) {
  std::string bytes = fake_cdb({{"k", "v"}});
  for (int i = 0; i < 4; ++i) bytes[2052 + static_cast<size_t>(i)] = '\x7f';
  cdb db = opened(bytes);
  std::string data;
  int error = 0;
  EXPECT_EQ(db.find("k", data, error), Look::failed);
  EXPECT_EQ(db.has("k", error), Look::found);
}

TEST(Cdb, AHeaderIsSoundWhereItsTablesLieOneBehindTheOther) {
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
