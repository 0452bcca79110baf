// controls_test.cpp - when a change of a control file counts.

#include "address/controls.h"

#include <gtest/gtest.h>

#include "fake_site.h"

namespace {

class Controls : public testing::Test {
 protected:
  Controls() : files(host, [this](const std::string &s) { notes.push_back(s); }) {}

  void start() { files.start(now); }
  // one look a second, as the daemon makes them
  void seconds(int n) {
    for (; n > 0; --n) files.tick(now += 1000);
  }
  // the kinds of route in all sets in force, newest first: l(ocal), r(emote), e(xception)
  std::string routes(const std::string &address) {
    std::string s;
    for (auto &tables : files.in_force()) s += "lre"[static_cast<int>(route_find(*tables, address).kind)];
    return s;
  }
  std::string noted() {
    std::string s = notes.empty() ? "" : notes.back();
    notes.clear();
    return s;
  }

  fake_site host;
  std::vector<std::string> notes;
  controls files;
  long long now = 1000;
};

}  // namespace

TEST_F(Controls, Defaults) {
  host.set_control("me", "me.host \n");
  start();
  EXPECT_EQ(routes("a@me.host"), "l");
  EXPECT_EQ(routes("a"), "l");
  EXPECT_EQ(files.in_force()[0]->envnoathost, "me.host");
}

TEST_F(Controls, AnEmptyLocalsMakesNothingLocal) {
  host.set_control("me", "me.host\n");
  host.set_control("locals", "");
  host.set_control("envnoathost", "");
  start();
  EXPECT_EQ(routes("a@me.host"), "r");
  EXPECT_EQ(files.in_force()[0]->envnoathost, "");
}

TEST_F(Controls, WithoutMeTheDefaultHostIsTheWordItself) {
  host.set_control("locals", "envnoathost\n");
  start();
  EXPECT_EQ(routes("a"), "l");
}

TEST_F(Controls, AnEmptyMeIsAnEmptyDomain) {
  host.set_control("me", "\n");
  start();
  EXPECT_EQ(routes("a@"), "l");
  EXPECT_EQ(routes("a"), "l");
}

TEST_F(Controls, NothingCountsUntilTheFilesCanBeRead) {
  start();
  EXPECT_TRUE(files.in_force().empty());
  EXPECT_NE(noted().find("neither control/me nor control/locals exists"), std::string::npos);
  seconds(5);
  EXPECT_EQ(noted(), "");
  host.break_control("locals", EIO);
  seconds(2);
  EXPECT_NE(noted().find("control/locals cannot be read: Input/output error"), std::string::npos);
  host.set_control("locals", "here\n");
  seconds(1);
  EXPECT_EQ(routes("a@here"), "l");
  EXPECT_EQ(noted(), "control files can be read again");
}

TEST_F(Controls, SighupTakesOverLocalsAndVirtualdomainsAtOnce) {
  host.set_control("me", "old\n");
  host.set_control("locals", "old\n");
  start();
  host.set_control("locals", "new\n");
  host.set_control("virtualdomains", "virt:x\n");
  host.set_control("me", "other\n");
  host.set_control("percenthack", "new\n");
  files.hangup(now);
  EXPECT_EQ(routes("a@old"), "r");
  EXPECT_EQ(routes("a@new"), "l");
  EXPECT_EQ(routes("a@virt"), "l");
  EXPECT_EQ(routes("a%virt2@new"), "l") << "percenthack counts from the next start on";
  EXPECT_EQ(files.in_force()[0]->envnoathost, "old");
}

TEST_F(Controls, AChangeHasToStandForTenSeconds) {
  host.set_control("locals", "old\n");
  start();
  host.set_control("locals", "new\n");
  seconds(10);
  EXPECT_EQ(routes("a@new"), "r");
  host.set_control("locals", "new\nnewer\n");
  seconds(10);
  EXPECT_EQ(routes("a@new"), "r") << "the second change has not stood yet";
  EXPECT_EQ(noted(), "");
  seconds(1);
  EXPECT_EQ(routes("a@newer"), "lr");
  EXPECT_EQ(routes("a@old"), "rl");
  EXPECT_NE(noted().find("control/locals changed 10 seconds ago without SIGHUP"), std::string::npos);
  seconds(30);
  EXPECT_EQ(noted(), "");
}

TEST_F(Controls, EveryStateSinceSighupHasItsSay) {
  host.set_control("locals", "a\n");
  start();
  for (const char *domain : {"b\n", "c\n"}) {
    host.set_control("locals", domain);
    seconds(12);
  }
  EXPECT_EQ(routes("x@b"), "rlr");
  files.hangup(now);
  EXPECT_EQ(routes("x@b"), "r");
  EXPECT_EQ(routes("x@c"), "l");
}

TEST_F(Controls, SighupDoesNotMakeAChangeOfMeCountAlone) {
  host.set_control("me", "old\n");
  host.set_control("locals", "old\n");
  start();
  host.set_control("envnoathost", "new\n");
  seconds(12);
  EXPECT_EQ(routes("a"), "rl");
  files.hangup(now);
  EXPECT_EQ(routes("a"), "rl") << "qmail-send reads envnoathost at start only";
  seconds(12);
  EXPECT_EQ(routes("a"), "rl");
}

TEST_F(Controls, TheSameContentAgainIsNoChange) {
  host.set_control("locals", "a\n");
  start();
  host.set_control("locals", "a\n");
  seconds(20);
  EXPECT_EQ(routes("x@a"), "l");
  EXPECT_EQ(noted(), "");
}

TEST_F(Controls, WhatCannotBeReadReplacesNothing) {
  host.set_control("locals", "a\n");
  start();
  host.break_control("locals", EISDIR);
  files.hangup(now);
  EXPECT_EQ(routes("x@a"), "l");
  EXPECT_NE(noted().find("what was read before stays in force"), std::string::npos);
  seconds(40);
  EXPECT_EQ(noted(), "") << "once, not once a second";
  host.set_control("locals", "a\nb\n");
  seconds(12);
  EXPECT_EQ(routes("x@b"), "lr");
}

TEST_F(Controls, TheStatesAreBounded) {
  host.set_control("locals", "first\n");
  start();
  for (int i = 0; i < 40; ++i) {
    host.set_control("locals", "d" + std::to_string(i) + "\n");
    seconds(12);
  }
  EXPECT_EQ(files.in_force().size(), controls::SETS_MAX);
  EXPECT_EQ(routes("x@first").back(), 'l');
  EXPECT_EQ(routes("x@d39").front(), 'l');
}
