// watch_test.cpp - one of our own control files: when a change of it is read.

#include "address/watch.h"

#include <gtest/gtest.h>

#include "fake_site.h"

namespace {

class Watch : public testing::Test {
 protected:
  // what is there is read, which has to be said
  void expect_read(bool changed, const std::string &text) {
    EXPECT_TRUE(changed);
    EXPECT_EQ(file.file().look, Look::found);
    EXPECT_EQ(file.file().text, text);
  }
  bool tick(long long ms = 1000) { return file.tick(now += ms); }

  fake_site host;
  watch file{host, "verifypolicy"};
  long long now = 5000;
};

}  // namespace

TEST_F(Watch, TheStartReadsAtOnce) {
  host.set_control("verifypolicy", "a");
  expect_read(file.start(now), "a");
}

TEST_F(Watch, TheStartTellsOfAFileThatIsNotThereOrCannotBeRead) {
  EXPECT_TRUE(file.start(now));
  EXPECT_EQ(file.file().look, Look::absent);
  host.break_control("verifypolicy", EISDIR);
  EXPECT_TRUE(file.start(now));
  EXPECT_EQ(file.file().look, Look::failed);
  EXPECT_EQ(file.file().error, EISDIR);
}

TEST_F(Watch, AReaderOfItsOwn) {
  control_text given{Look::failed, EPERM, "belongs to uid 7"};
  watch keys{host, "verifykeys", [&] { return given; }};
  host.set_control("verifykeys", "secret");
  EXPECT_TRUE(keys.start(now));
  EXPECT_EQ(keys.file().look, Look::failed);
  EXPECT_EQ(keys.file().text, "belongs to uid 7");
  EXPECT_FALSE(keys.tick(now += 1000));
  given.text = "has mode 0644";  // tried again each second, and what is wrong now is told
  EXPECT_TRUE(keys.tick(now += 1000));
  given = {Look::found, 0, "secret"};
  EXPECT_TRUE(keys.tick(now += 1000));
  EXPECT_EQ(keys.file().text, "secret");
  EXPECT_FALSE(keys.tick(now += 1000));
}

TEST_F(Watch, NothingIsToldWhereNothingChanged) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(tick());
  host.set_control("verifypolicy", "a");  // written anew, with the same content
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(tick());
}

TEST_F(Watch, AChangeIsReadOnceItHasStood) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  tick();
  host.set_control("verifypolicy", "b");
  EXPECT_FALSE(tick());
  EXPECT_FALSE(tick(999));
  expect_read(tick(1), "b");
  EXPECT_FALSE(tick());
}

TEST_F(Watch, AFileThatIsBeingWrittenIsNotRead) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  for (const char *text : {"b", "bc", "bcd"}) {
    host.set_control("verifypolicy", text);
    EXPECT_FALSE(tick());
  }
  expect_read(tick(), "bcd");
}

TEST_F(Watch, AFileThatGoesAwayIsAChange) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  host.controls.clear();
  host.break_control("verifypolicy", ENOENT);
  host.controls.clear();
  EXPECT_FALSE(tick());
  EXPECT_TRUE(tick());
  EXPECT_EQ(file.file().look, Look::absent);
}

TEST_F(Watch, OneThatCannotBeReadIsToldOnceAndTriedAgainEachSecond) {
  host.break_control("verifypolicy", EIO);
  file.start(now);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(tick());
  host.controls["verifypolicy"] = {"a"};  // can be read again, its stamp as it was
  expect_read(tick(), "a");
  EXPECT_FALSE(tick());
}

TEST_F(Watch, ALaterFaultIsAChangeAndSoIsItsEnd) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  host.break_control("verifypolicy", EACCES);
  EXPECT_FALSE(tick());
  EXPECT_TRUE(tick());
  EXPECT_EQ(file.file().error, EACCES);
  host.set_control("verifypolicy", "a");
  EXPECT_FALSE(tick());
  expect_read(tick(), "a");
}

TEST_F(Watch, HangupReadsAtOnceAndTellsOnlyOfAChange) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  EXPECT_FALSE(file.hangup(now));
  host.set_control("verifypolicy", "b");
  expect_read(file.hangup(now), "b");
  EXPECT_FALSE(tick());
}

// Two changes within one tick of the file system's clock, the first of which was
// read: the stamps are the same.
TEST_F(Watch, AChangeRightBehindAHangupIsNotMissed) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  host.set_control("verifypolicy", "b");
  expect_read(file.hangup(now), "b");
  host.controls["verifypolicy"] = {"c"};
  expect_read(tick(), "c");
}

// Its stamp changes between the look at it and the end of reading it.
TEST_F(Watch, AFileThatIsBeingWrittenWhileItIsReadIsLeftToItsWriter) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  tick();
  host.set_control("verifypolicy", "half");
  EXPECT_FALSE(tick());
  host.when_read = [&] {
    host.when_read = nullptr;
    host.set_control("verifypolicy", "whole");
  };
  EXPECT_FALSE(tick());
  EXPECT_EQ(file.file().text, "a");
  EXPECT_FALSE(tick(500));
  expect_read(tick(1000), "whole");
}

TEST_F(Watch, WhatCanBeReadAgainAsItWasIsNoChange) {
  host.set_control("verifypolicy", "a");
  file.start(now);
  tick();
  host.break_control("verifypolicy", ENFILE);
  tick();
  EXPECT_TRUE(tick());
  EXPECT_FALSE(file.again());
  host.set_control("verifypolicy", "a");
  tick();
  expect_read(tick(), "a");
  EXPECT_TRUE(file.again());
  host.break_control("verifypolicy", ENFILE);
  tick();
  tick();
  host.set_control("verifypolicy", "b");
  tick();
  expect_read(tick(), "b");
  EXPECT_FALSE(file.again());
}
