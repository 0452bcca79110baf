// The rules of qmail-vrfy --lint over a host of the test's own: what a real one cannot
// easily be made to do.

#include "vrfy/lint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "fake_site.h"
#include "qmail/assign.h"
#include "vrfy/options.h"

namespace {

class fake_host final : public lint_host {
 public:
  fake_site machine;
  std::map<std::string, fake_file> own;  // path below the qmail directory
  int users_error = 0;

  site &looks() override { return machine; }
  control_text file(const std::string &path) override {
    control_text out;
    const auto there = own.find(path);
    if (there == own.end()) return out;
    out.error = there->second.error;
    out.look = out.error ? Look::failed : Look::found;
    out.text = there->second.content;
    return out;
  }
  int status(const std::string &path, struct stat &st) override {
    st = {};
    const auto there = own.find(path);
    if (there == own.end()) return ENOENT;
    st.st_mode = there->second.mode;
    return there->second.error;
  }
  Look database(const std::string &path, cdb &db, int &error) override {
    const auto there = own.find(path);
    if (there == own.end()) return Look::absent;
    error = there->second.error;
    if (error) return Look::failed;
    db.adopt(fake_fd(there->second.content));
    return Look::found;
  }
  void rest() override {}
  int each_user(const std::function<void(const site_passwd &entry)> &visit) override {
    for (const auto &[name, entry] : machine.users) visit(entry);
    return users_error;
  }
};

class Lint : public testing::Test {
 protected:
  Lint() {
    machine.set_control("me", "mx.example\n");
    machine.set_control("locals", "mx.example\n");
    machine.set_control("rcpthosts", "mx.example\nvirt.example\n");
    machine.set_control("virtualdomains", "virt.example:joe\n");
    for (const char *user : {"alias", "qmailp", "joe"})
      machine.add_user(user, 100 + next_++, std::string("/h/") + user);
    machine.owners["/h/qmailp"] = 0;
    for (const char *office : {"postmaster", "mailer-daemon", "root"})
      machine.files[std::string("/h/alias/.qmail-") + office];
    machine.files["/h/joe/.qmail-default"].content = "./Maildir/\n";
  }

  // "code file line" of each finding.
  std::vector<std::string> run() {
    std::vector<std::string> found;
    last.clear();
    lint_report report([&](const lint_finding &f) {
      found.push_back(std::string(lint_name(f.code)) + " " + f.at.file + " " + std::to_string(f.at.line));
      last.push_back(f);
    });
    lint_settings settings;
    lint_all(host, settings, report);
    code = report.code();
    std::sort(found.begin(), found.end());
    return found;
  }

  using findings = std::vector<std::string>;
  fake_host host;
  fake_site &machine = host.machine;
  uid_t next_ = 0;
  std::vector<lint_finding> last;
  int code = -1;
};

TEST_F(Lint, AHealthyHostHasNoFinding) {
  EXPECT_EQ(findings{}, run());
  EXPECT_EQ(VRFY_OK, code);
}

TEST_F(Lint, NoHomeIsLookedAtAsRoot) {
  machine.add_user("toor", 0, "/root");
  machine.set_users_cdb("=x:root:0:0:/root:::\n.\n");
  run();
  for (const std::string &look : machine.log) EXPECT_FALSE(look.starts_with("0 ")) << look;
  EXPECT_FALSE(machine.log.empty());
}

TEST_F(Lint, WhatCannotBeReadIsNamedAndSaysNothingElse) {
  for (const char *name : {"locals", "virtualdomains", "rcpthosts", "smtproutes", "verifypolicy"}) {
    const auto before = machine.controls;
    machine.break_control(name, EIO);
    EXPECT_EQ(findings{"unread control/" + std::string(name) + " 0"}, run()) << name;
    EXPECT_EQ(VRFY_TROUBLE, code);
    machine.controls = before;
  }
}

TEST_F(Lint, AHomeThatFailsIsUnreadOneThatIsClosedIsAFault) {
  machine.home_errors["/h/joe"] = EIO;
  EXPECT_EQ(findings{"unread /h/joe 0"}, run());
  machine.home_errors["/h/joe"] = EACCES;
  EXPECT_EQ(findings{"home-closed /h/joe 0"}, run());
  EXPECT_EQ(VRFY_FOUND, code);
}

TEST_F(Lint, AFileThatFailsIsUnread) {
  machine.files["/h/joe/.qmail-x"].error = EIO;
  EXPECT_EQ(findings{"unread /h/joe/.qmail-x 0"}, run());
  machine.files["/h/joe/.qmail-x"].error = EACCES;
  EXPECT_EQ(findings{"dotqmail-closed /h/joe/.qmail-x 0"}, run());
  machine.files["/h/joe/.qmail-x"].error = ELOOP;
  EXPECT_EQ(findings{"dotqmail-dangling /h/joe/.qmail-x 0"}, run());
}

TEST_F(Lint, PasswdThatFailsIsUnread) {
  machine.passwd_errors["alias"] = EIO;
  const findings found = run();
  EXPECT_NE(found.end(), std::find(found.begin(), found.end(), "unread passwd:alias 0"));
  EXPECT_EQ(VRFY_TROUBLE, code);
  machine.passwd_errors.clear();
  host.users_error = EIO;
  EXPECT_EQ(findings{"unread passwd 0"}, run());
}

TEST_F(Lint, UsersCdbThatFailsIsUnreadOneThatIsDamagedIsAFault) {
  machine.cdb_error = EIO;
  EXPECT_EQ(findings{"unread users/cdb 0"}, run());
  machine.cdb_error = 0;
  machine.cdb_bytes = "rubbish";
  EXPECT_EQ(findings{"users-cdb-damaged users/cdb 0"}, run());
  // whole, but with a record that qmail-lspawn cannot split
  machine.cdb_bytes = fake_cdb({{"!x", "joe"}, {"", "x"}});
  EXPECT_EQ(findings{"users-cdb-damaged users/cdb 0"}, run());
  // without the record of the last bytes
  machine.cdb_bytes = fake_cdb({});
  EXPECT_EQ(findings{"users-cdb-damaged users/cdb 0"}, run());
}

TEST_F(Lint, WherePasswdIsNotAskedItsUsersAreNotLookedAt) {
  machine.set_users_cdb("+:joe:102:102:/h/joe:-::\n.\n");
  machine.home_modes["/h/alias"] = 0777;
  EXPECT_EQ(findings{}, run());
}

TEST_F(Lint, AHomeIsLookedAtOnceForAllOfItsRecords) {
  machine.set_users_cdb("=a:joe:102:102:/h/joe:::\n+b-:joe:102:102:/h/joe:-::\n+c-:joe:102:102:/h/joe:-:c-:\n.\n");
  machine.home_modes["/h/joe"] = 0757;
  EXPECT_EQ(findings{"home-writable /h/joe 0"}, run());
}

TEST_F(Lint, TheModeThatCountsIsThatOfTheBuild) {
  machine.home_modes["/h/joe"] = 0775;
  EXPECT_EQ(findings{}, run());
  lint_report report([&](const lint_finding &f) { last.push_back(f); });
  lint_settings settings;
  settings.judged.patrn = 022;
  lint_all(host, settings, report);
  ASSERT_EQ(1u, last.size());
  EXPECT_EQ(lint_code::HOME_WRITABLE, last[0].code);
}

TEST_F(Lint, FilesOfAnotherNameThanMailHasAreNobodysBusiness) {
  for (const char *name :
       {".qmailrc", ".qmail.old", ".qmail-x.bak", ".qmail-x~", ".qmail-Old.orig", ".qmail-x.20240131", "x.Y"})
    machine.files[std::string("/h/joe/") + name] = {"\nMaildir/\r\n", S_IFREG | 0777, 0, false};
  EXPECT_EQ(findings{}, run());
}

TEST_F(Lint, DirectoriesAreNoDotQmailFiles) {
  machine.files["/h/joe/.qmail-dir"] = {"", S_IFDIR | 0777, 0, false};
  EXPECT_EQ(findings{}, run());
}

TEST_F(Lint, AnySuffixOrAddressIsEnoughForADomainToLeadSomewhere) {
  machine.set_control("rcpthosts", "mx.example\nvirt.example\na.sub.example\n.deep.example\nby.address.example\n");
  EXPECT_EQ((findings{"rcpthost-nowhere control/rcpthosts 3", "rcpthost-nowhere control/rcpthosts 4",
                      "rcpthost-nowhere control/rcpthosts 5"}),
            run());
  machine.set_control(
      "virtualdomains",
      "virt.example:joe\n.sub.example:joe\nx.deep.example:joe\nme@by.address.example:joe\n.deep.example:\n");
  EXPECT_EQ((findings{"not-in-rcpthosts control/virtualdomains 2"}), run());
}

TEST_F(Lint, AnExceptionLeadsNowhere) {
  machine.set_control("virtualdomains", "virt.example:joe\n:joe\nnot.example:\n");
  machine.set_control("rcpthosts", "mx.example\nvirt.example\nnot.example\nany.example\n");
  EXPECT_EQ(findings{"rcpthost-nowhere control/rcpthosts 3"}, run());
}

TEST_F(Lint, ALookThatIsRefusedIsUnread) {
  machine.unbecomable.insert(102);
  EXPECT_EQ(findings{"unread /h/joe 0"}, run());
  EXPECT_EQ("run this as root", last[0].advice);
}

TEST_F(Lint, NothingGoesWrongWithStrangeFiles) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (const std::string &text :
       {std::string(), std::string("\n"), std::string(":\n"), std::string("\0\0", 2), all, "@" + all, std::string("."),
        std::string("*"), std::string(" \t:\n:\n::\n"), std::string("[1.2.3.4]:\n")}) {
    for (const char *name :
         {"me", "locals", "virtualdomains", "rcpthosts", "morercpthosts", "smtproutes", "percenthack", "badmailfrom",
          "verifypolicy", "verifyroutes", "verifyclients", "verifykeys", "verifylimits", "databytes"}) {
      const auto before = machine.controls;
      machine.set_control(name, text);
      run();
      for (const lint_finding &f : last) EXPECT_FALSE(f.text.empty() || f.advice.empty()) << lint_name(f.code);
      machine.controls = before;
    }
    host.own["users/assign"].content = text;
    host.own["control/morercpthosts.cdb"].content = text;
    machine.files["/h/joe/.qmail"].content = text;
    run();
    host.own.clear();
  }
}

}  // namespace
