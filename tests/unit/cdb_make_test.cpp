// cdb_make_test.cpp - what is written is what cdb.h and tinycdb read.

#include "qmail/cdb_make.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>

#include "fake_site.h"
#include "qmail/cdb.h"

using namespace std::string_literals;

namespace {

using records = std::vector<std::pair<std::string, std::string>>;

unique_fd memory() { return unique_fd(memfd_create("cdb", MFD_CLOEXEC)); }

// The file that is made of these records.
unique_fd made(const records &all) {
  unique_fd fd = memory();
  cdb_make make(fd.get());
  for (const auto &[key, data] : all) EXPECT_EQ(make.add(key, data), 0);
  EXPECT_EQ(make.finish(), 0);
  return fd;
}

std::string bytes(const unique_fd &fd) {
  std::string text;
  lseek(fd.get(), 0, SEEK_SET);
  EXPECT_EQ(fd_slurp(fd.get(), text, [](auto) { return false; }), 0);
  return text;
}

cdb opened(unique_fd fd) {
  cdb db;
  db.adopt(std::move(fd));
  return db;
}

records many(size_t n) {
  records all;
  for (size_t i = 0; i < n; ++i) all.emplace_back("key" + std::to_string(i), std::string(i % 7, 'd'));
  return all;
}

}  // namespace

TEST(CdbMake, WritesTheBytesThatCdbmakeWrites) {
  for (const records &all : {records{}, records{{"", ""}}, records{{"a", "1"}, {"a", "2"}}, many(5000)})
    EXPECT_TRUE(bytes(made(all)) == fake_cdb(all)) << all.size();
}

TEST(CdbMake, EveryRecordIsFoundAndNoOther) {
  const records all = many(20000);
  const cdb db = opened(made(all));
  int error = 0;
  std::string data;
  for (const auto &[key, wanted] : all) {
    ASSERT_EQ(db.find(key, data, error), Look::found) << key;
    ASSERT_EQ(data, wanted);
  }
  EXPECT_EQ(db.has("key", error), Look::absent);
  EXPECT_TRUE(db.sound("key", error));
}

TEST(CdbMake, GivesTheRecordsBackInTheirOrder) {
  const records all = many(300);
  records seen;
  int error = 0;
  EXPECT_EQ(opened(made(all)).each(
                [&](std::string_view key, std::string_view data) {
                  seen.emplace_back(key, data);
                  return true;
                },
                error),
            Look::found);
  EXPECT_EQ(seen, all);
}

TEST(CdbMake, AnEmptyOneIsADatabase) {
  const cdb db = opened(made({}));
  int error = 0;
  EXPECT_EQ(db.has("a", error), Look::absent);
  EXPECT_TRUE(db.sound("a", error));
}

TEST(CdbMake, IsNoDatabaseBeforeItIsFinished) {
  const unique_fd fd = memory();
  cdb_make make(fd.get());
  for (const auto &[key, data] : many(20000)) make.add(key, data);
  int error = 0;
  EXPECT_FALSE(opened(unique_fd(dup(fd.get()))).sound("key1", error));
}

TEST(CdbMake, TooLargeIsAnError) {
  const unique_fd fd = memory();
  cdb_make make(fd.get(), 2048 + 2 * (8 + 4 + 16));
  EXPECT_EQ(make.add("abcd", ""), 0);
  EXPECT_EQ(make.add("ab", "cd"), 0);
  EXPECT_EQ(make.add("", ""), EFBIG);
  EXPECT_EQ(make.add("", ""), EFBIG);
  EXPECT_EQ(make.finish(), EFBIG);
}

TEST(CdbMake, ExactlyAsLargeAsItMayBe) {
  const unique_fd fd = memory();
  cdb_make make(fd.get(), 2048 + 2 * (8 + 4 + 16));
  EXPECT_EQ(make.add("abcd", ""), 0);
  EXPECT_EQ(make.add("ab", "cd"), 0);
  EXPECT_EQ(make.finish(), 0);
  EXPECT_EQ(bytes(fd).size(), 2048u + 2 * (8 + 4 + 16));
}

TEST(CdbMake, WhatCannotBeWrittenIsAnError) {
  const unique_fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  cdb_make early(full.get());
  int error = 0;
  for (const auto &[key, data] : many(20000))
    if ((error = early.add(key, data))) break;
  EXPECT_EQ(error, ENOSPC);
  cdb_make late(full.get());
  EXPECT_EQ(late.add("a", ""), 0);
  EXPECT_EQ(late.finish(), ENOSPC);
}

TEST(CdbMake, TinycdbReadsIt) {
  if (system("command -v cdb >/dev/null") != 0) GTEST_SKIP() << "there is no cdb (tinycdb)";
  char name[] = "/tmp/cdb_make.XXXXXX";
  const unique_fd fd(mkstemp(name));
  cdb_make make(fd.get());
  for (int i = 0; i < 1000; ++i) make.add("key" + std::to_string(i), "data" + std::to_string(i));
  EXPECT_EQ(make.finish(), 0);
  const std::string file = name;
  EXPECT_EQ(system(("test $(cdb -q " + file + " key777) = data777").c_str()), 0);
  EXPECT_NE(system(("cdb -q " + file + " key1000 >/dev/null").c_str()), 0);
  EXPECT_EQ(system(("test $(cdb -d " + file + " | grep -c .) = 1000").c_str()), 0);
  unlink(name);
}
