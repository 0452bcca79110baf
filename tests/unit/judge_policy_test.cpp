// judge_policy_test.cpp - what control/verifypolicy makes of a verdict: off,
// observe and follow.

#include <gtest/gtest.h>

#include <algorithm>

#include "address/judge.h"
#include "fake_site.h"

namespace {

// At most one identity at a time: each look into a home begins by becoming its user.
class watched_site final : public site {
 public:
  explicit watched_site(site &host) : host_(host) {}
  int most = 0, now = 0;

  control_text control(const char *name) override { return host_.control(name); }
  site_stamp control_stamp(const char *name) override { return host_.control_stamp(name); }
  Look users_cdb(const cdb *&db, int &error) override { return host_.users_cdb(db, error); }
  Look passwd(const std::string &name, site_passwd &entry, int &error) override {
    return host_.passwd(name, entry, error);
  }
  Look home_owner(const site_passwd &entry, uid_t &owner, int &error) override {
    return host_.home_owner(entry, owner, error);
  }
  std::unique_ptr<site_visit> become(uid_t uid, gid_t gid, int &error) override {
    auto inner = host_.become(uid, gid, error);
    return inner ? std::make_unique<visit>(*this, std::move(inner)) : nullptr;
  }

 private:
  class visit final : public site_visit {
   public:
    visit(watched_site &host, std::unique_ptr<site_visit> inner) : host_(host), inner_(std::move(inner)) {
      host_.most = std::max(host_.most, ++host_.now);
    }
    ~visit() override { --host_.now; }
    int enter(const std::string &home) override { return inner_->enter(home); }
    int mode(mode_t &mode) override { return inner_->mode(mode); }
    int open(const std::string &name, site_dotqmail &file) override { return inner_->open(name, file); }
    int open_data(const std::string &path, unique_fd &fd) override { return inner_->open_data(path, fd); }
    Runs runs(const std::string &path) override { return inner_->runs(path); }
    bool present(const std::string &path) override { return inner_->present(path); }
    bool writable(const std::string &path) override { return inner_->writable(path); }
    int names(const std::string &dir, const std::function<bool(const std::string &name)> &each) override {
      return inner_->names(dir, each);
    }
    bool bare(const std::string &dir) override { return inner_->bare(dir); }

   private:
    watched_site &host_;
    std::unique_ptr<site_visit> inner_;
  };
  site &host_;
};

class JudgePolicy : public testing::Test {
 protected:
  JudgePolicy() {
    tables.locals = control_map(control_parsefile("here\nthere\n"), control_map::Form::names);
    tables.virtualdomains = control_map(control_parsefile("virt:joe\nnot.virt:\n"), control_map::Form::colon);
    host.add_user("joe", 100, "/home/joe");
    host.add_user("ann", 101, "/home/ann");
    host.add_user("alias", 7, "/alias");
    host.programs = {"/var/qmail/bin/bouncesaying"};
  }
  void file(const std::string &path, const std::string &content, mode_t mode = 0644) {
    host.files[path] = {content, S_IFREG | mode, 0, false};
  }
  void say(const std::string &text) {
    std::vector<std::string> complaints;
    policy = policy_table(text, complaints);
    EXPECT_TRUE(complaints.empty());
  }
  // The reason.
  std::string judge(const std::string &address) {
    watched_site watched(host);
    last = judge_address(watched, {settings, tables, policy}, {address, std::nullopt});
    EXPECT_LE(watched.most, 1);
    EXPECT_EQ(watched.now, 0);
    return qv_reason_name(last.reason);
  }
  // The reason for joe-x@here, whose dot-qmail file says this.
  std::string judge_file(const std::string &content, mode_t mode = 0644) {
    file("/home/joe/.qmail-x", content, mode);
    return judge("joe-x@here");
  }
  size_t looks_into(const std::string &path) const {
    size_t n = 0;
    for (auto &look : host.log) n += look.ends_with(" " + path);
    return n;
  }

  fake_site host;
  route_tables tables;
  policy_table policy;
  address_settings settings;
  judgement last;
};

// The policy word "follow" for the domain here.
class Follow : public JudgePolicy {
 protected:
  Follow() { say("here:follow\n"); }
};

}  // namespace

TEST_F(JudgePolicy, OffIsValidAndLooksNowhere) {
  say("here:off,observe\n");
  EXPECT_EQ(judge("nobody-x@HERE"), "policy-off");
  EXPECT_EQ(last.verdict(), QV_VALID);
  EXPECT_EQ(last.position, 15u);
  EXPECT_EQ(last.domain, "HERE");
  EXPECT_TRUE(host.log.empty() && host.asked.empty());
  EXPECT_EQ(judge("nobody@there"), "no-mailbox");
}

TEST_F(JudgePolicy, WhatIsNotOursStaysRemote) {
  say(":off\n");
  EXPECT_EQ(judge("x@elsewhere"), "remote");
  EXPECT_EQ(judge("x@not.virt"), "exception");
}

TEST_F(JudgePolicy, OffIsForTheDomainThatIsMeantInTheEnd) {
  tables.percenthack = control_map(control_parsefile("there\n"), control_map::Form::names);
  tables.envnoathost = "here";
  say("here:off\n");
  EXPECT_EQ(judge("nobody%here@there"), "policy-off");
  EXPECT_EQ(judge("nobody"), "policy-off");
}

TEST_F(JudgePolicy, ObserveAcceptsWhatWouldBeRefusedAndSaysSo) {
  say("here:observe\n");
  EXPECT_EQ(judge("joe-x@here"), "policy-observe");
  EXPECT_EQ(last.verdict(), QV_VALID);
  EXPECT_EQ(last.about, "no-mailbox /home/joe");
  EXPECT_EQ(last.user, "joe");
  EXPECT_EQ(last.domain, "here");
  EXPECT_EQ(judge("joe-x@there"), "no-mailbox");
}

TEST_F(JudgePolicy, ObserveAcceptsWhatCouldNotBeAnswered) {
  say("here:observe\n");
  host.home_errors["/home/joe"] = EIO;
  EXPECT_EQ(judge("joe-x@here"), "policy-observe");
  EXPECT_EQ(last.about, "home-unreachable /home/joe");
  EXPECT_EQ(last.error, EIO);
  host.passwd_errors["ann"] = EIO;
  EXPECT_EQ(judge("ann@here"), "policy-observe");
  EXPECT_EQ(last.about.substr(0, 14), "passwd-trouble");
}

TEST_F(JudgePolicy, ObserveLeavesWhatIsAcceptedAsItIs) {
  say("here:observe\n");
  EXPECT_EQ(judge("joe@here"), "default-delivery");
  EXPECT_EQ(judge("@here"), "empty-local");
  EXPECT_EQ(judge_file("|some program\n"), "program");
  EXPECT_EQ(last.verdict(), QV_UNKNOWN);
  EXPECT_EQ(judge_file("&a@b\n"), "dotqmail");
  EXPECT_EQ(last.about, "/home/joe/.qmail-x");
}

TEST_F(JudgePolicy, AFileThatCannotBeReadRefusesNothing) {
  policy = policy_table::unreadable();
  EXPECT_EQ(judge("joe-x@here"), "policy-observe");
  EXPECT_EQ(judge("x@virt"), "policy-observe");
  EXPECT_EQ(judge("joe@here"), "default-delivery");
}

TEST_F(JudgePolicy, ForwardsAreNotFollowedWithoutTheWord) {
  EXPECT_EQ(judge_file("&nobody@here\n"), "dotqmail");
  EXPECT_EQ(host.asked.back(), "joe");  // nobody else was asked for
}

TEST_F(Follow, AllForwardsRefused) {
  for (const char *content :
       {"&nobody@here\n", "nobody@here", "&nobody@here\n&joe-y@here\n", "# x\n&ann-y@here\n\n", "&y@virt\n"}) {
    EXPECT_EQ(judge_file(content), "policy-follow") << content;
    EXPECT_EQ(last.verdict(), QV_INVALID);
    EXPECT_EQ(last.user, "joe");
    EXPECT_EQ(last.position, 10u);
  }
  EXPECT_EQ(last.about, "/home/joe/.qmail-x:&y@virt");
}

TEST_F(Follow, ADefaultFileIsFollowedToo) {
  file("/home/joe/.qmail-default", "&nobody@here\n");
  EXPECT_EQ(judge("joe-z@here"), "policy-follow");
  EXPECT_EQ(last.position, 12u);
}

TEST_F(Follow, OneThatIsNotRefusedIsEnough) {
  for (const char *content : {"&nobody@here\n&ann@here\n", "&ann@here\n&nobody@here\n", "&x@elsewhere\n",
                              "&nobody@here\n&x@elsewhere\n", "&x@not.virt\n", "&@here\n"})
    EXPECT_EQ(judge_file(content), "dotqmail") << content;
}

TEST_F(Follow, ALookThatFailedRefusesNothing) {
  host.home_errors["/home/ann"] = EIO;
  EXPECT_EQ(judge_file("&nobody@here\n&ann-y@here\n"), "dotqmail");
  host.home_errors["/home/ann"] = 0;
  EXPECT_EQ(judge_file("&nobody@here\n&ann-y@here\n"), "policy-follow");
}

TEST_F(Follow, NothingElseMayBeDelivered) {
  for (const char *content : {"./Mailbox\n&nobody@here\n", "&nobody@here\n/Maildir/\n"})
    EXPECT_EQ(judge_file(content), "dotqmail") << content;
  for (const char *content : {"|some program\n&nobody@here\n", "&nobody@here\n|some program\n"})
    EXPECT_EQ(judge_file(content), "program") << content;
}

TEST_F(Follow, AProgramThatOnlyAcceptsDoesNotStandInItsWay) {
  EXPECT_EQ(judge_file("|true\n&nobody@here\n"), "policy-follow");
  EXPECT_EQ(judge_file("|exit 0\n&nobody@here\n"), "policy-follow");
  EXPECT_EQ(judge_file("&nobody@here\n|exit 99\n&ann@here\n"), "program-accepts");
  EXPECT_NE(judge_file("&nobody@here\n|exit 111\n"), "policy-follow");
}

TEST_F(Follow, AForwardThatIsItselfAForward) {
  file("/home/ann/.qmail-y", "&nobody@here\n");
  EXPECT_EQ(judge_file("&ann-y@here\n"), "policy-follow");
  // whose own domain decides whether it is followed further
  EXPECT_EQ(judge_file("&ann-y@there\n"), "dotqmail");
}

TEST_F(Follow, ALoopIsNotRefused) {
  EXPECT_EQ(judge_file("&joe-x@here\n"), "dotqmail");
  EXPECT_EQ(judge_file("&JOE-X@Here\n"), "dotqmail");
  EXPECT_EQ(judge_file("&x@virt\n"), "dotqmail");
  say("here:follow\nvirt:follow\n");
  EXPECT_EQ(judge_file("&x@virt\n"), "dotqmail");
  file("/home/ann/.qmail-y", "&joe-x@here\n");
  EXPECT_EQ(judge_file("&ann-y@here\n"), "dotqmail");
  EXPECT_EQ(judge_file("&nobody@here\n&ann-y@here\n"), "dotqmail");
}

TEST_F(Follow, AChainIsFollowedSoFarAndNoFurther) {
  auto chain = [&](int links) {
    host.files.clear();
    for (int i = 1; i <= links; ++i)
      file("/home/joe/.qmail-c" + std::to_string(i),
           i == links ? "&nobody@here\n" : "&joe-c" + std::to_string(i + 1) + "@here\n");
    return judge("joe-c1@here");
  };
  EXPECT_EQ(chain(8), "policy-follow");
  EXPECT_EQ(chain(9), "dotqmail");
  EXPECT_EQ(chain(100), "dotqmail");
}

TEST_F(Follow, SoManyAddressesAreJudgedAndNoMore) {
  auto wide = [&](int forwards) {
    std::string content;
    for (int i = 0; i < forwards; ++i) content += "&ann-z" + std::to_string(i) + "@here\n";
    host.log.clear();
    return judge_file(content);
  };
  EXPECT_EQ(wide(64), "policy-follow");
  EXPECT_EQ(wide(65), "dotqmail");
  EXPECT_EQ(wide(5000), "dotqmail");
  EXPECT_EQ(looks_into("/home/ann"), 64u);
}

TEST_F(Follow, TheBoundIsForAllForwardsOfForwardsTogether) {
  std::string twenty;
  for (int i = 0; i < 20; ++i) twenty += "&nobody-" + std::to_string(i) + "@here\n";
  for (const char *name : {"a", "b", "c", "d"}) file(std::string("/home/ann/.qmail-") + name, twenty);
  EXPECT_EQ(judge_file("&ann-a@here\n&ann-b@here\n&ann-c@here\n"), "policy-follow");
  EXPECT_EQ(judge_file("&ann-a@here\n&ann-b@here\n&ann-c@here\n&ann-d@here\n"), "dotqmail");
}

TEST_F(Follow, ATargetInADomainThatIsOnlyObservedIsNotRefused) {
  say("here:follow\nthere:observe\n");
  EXPECT_EQ(judge_file("&nobody@there\n"), "dotqmail");
  say("here:follow\nthere:off\n");
  EXPECT_EQ(judge_file("&nobody@there\n"), "dotqmail");
  say("here:follow\n");
  EXPECT_EQ(judge_file("&nobody@there\n"), "policy-follow");
}

TEST_F(Follow, ObserveSaysWhatFollowWouldRefuse) {
  say("here:follow\nthere:follow,observe\n");
  file("/home/joe/.qmail-x", "&nobody@here\n");
  EXPECT_EQ(judge("joe-x@there"), "policy-observe");
  EXPECT_EQ(last.about, "policy-follow /home/joe/.qmail-x:&nobody@here");
}

// What qmail-local makes of a forward before it is sent: nothing, even where it
// holds blanks or has no domain.
TEST_F(Follow, AForwardIsJudgedAsItIsWritten) {
  tables.envnoathost = "here";
  EXPECT_EQ(judge_file("&joe\n"), "dotqmail");
  EXPECT_EQ(judge_file("&nobody\n"), "policy-follow");
  EXPECT_EQ(judge_file("& ann@here\n"), "policy-follow");
}
