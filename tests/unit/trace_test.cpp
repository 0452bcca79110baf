// trace_test.cpp - what a judgement tells while it is made: the steps with their files and
// lines; and that nothing comes out otherwise, and nothing more is looked at, because
// somebody listens.

#include "address/trace.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <sstream>

#include "address/controls.h"
#include "address/judge.h"
#include "fake_site.h"

namespace {

struct told_step {
  std::string step, found, file, name, text;
  unsigned line, depth;
  int error;
};

void keep(void *to, const address_step *s) {
  static_cast<std::vector<told_step> *>(to)->push_back(
      {s->step, s->found, s->file, std::string(s->name, s->name_len), s->text, s->line, s->depth, s->error});
}

class Trace : public testing::Test {
 protected:
  Trace() {
    host.set_control("me", "here\n");
    host.set_control("locals", "# ours\nhere\n\nThere\n");
    host.set_control("virtualdomains", "virt:wrong\n.below.virt:joe-b\nvirt:joe\nnot.virt:\n");
    host.add_user("joe", 100, "/home/joe");
    host.add_user("alias", 7, "/alias");
  }
  void file(const std::string &path, const std::string &content, mode_t mode = 0644) {
    host.files[path] = {content, S_IFREG | mode, 0, false};
  }

  void tables() {
    files = std::make_unique<controls>(host, [](const std::string &) {});
    files->start(0);
  }

  judgement explain(const std::string &address, std::optional<std::string_view> sender = std::nullopt) {
    tables();
    steps.clear();
    trace to(keep, &steps);
    judgement j = judge_address(host, {settings, *files->in_force().front(), policy}, {address, sender, &to});
    judge_tell(to, j);
    return j;
  }

  // "step found" of each, with "file:line" and the name where there are any.
  std::string told(const std::string &address) {
    explain(address);
    std::ostringstream out;
    for (const told_step &s : steps) {
      out << std::string(2 * s.depth, ' ') << s.step << ' ' << s.found;
      if (!s.file.empty()) out << ' ' << s.file;
      if (s.line) out << ':' << s.line;
      if (!s.name.empty()) out << " <" << s.name << '>';
      out << '\n';
    }
    return out.str();
  }

  std::vector<std::string> texts(const std::string &step) const {
    std::vector<std::string> out;
    for (const told_step &s : steps)
      if (s.step == step) out.push_back(s.text);
    return out;
  }

  void say(const std::string &text) {
    std::vector<std::string> complaints;
    policy = policy_table(text, complaints);
  }

  fake_site host;
  std::unique_ptr<controls> files;
  policy_table policy;
  address_settings settings;
  std::vector<told_step> steps;
};

}  // namespace

TEST_F(Trace, ALocalAddressThatIsNobodys) {
  EXPECT_EQ(told("joe-x@THERE"),
            "locals listed control/locals:4 <THERE>\n"
            "users-cdb absent users/cdb\n"
            "passwd no-user <joe-x>\n"
            "passwd found /home/joe <joe>\n"
            "identity taken <joe>\n"
            "home entered /home/joe\n"
            "dot-qmail absent /home/joe/.qmail-x <.qmail-x>\n"
            "dot-qmail absent /home/joe/.qmail-default <.qmail-default>\n"
            "verdict invalid /home/joe <no-mailbox>\n");
  EXPECT_EQ(texts("locals"), std::vector<std::string>{"control/locals line 4: THERE is a local domain"});
  EXPECT_EQ(texts("passwd").back(), "passwd: user joe: uid 100, gid 100, home /home/joe, dash \"-\", extension \"x\"");
  EXPECT_EQ(texts("dot-qmail").back(), "/home/joe/.qmail-default: absent");
  EXPECT_EQ(texts("verdict").back(),
            "invalid: no-mailbox: no dot-qmail file for the extension, and no default: /home/joe");
}

TEST_F(Trace, TheLastOfEqualLinesCounts) {
  explain("a@virt");
  EXPECT_EQ(texts("virtualdomains"),
            std::vector<std::string>{"control/virtualdomains line 3: virt:joe: the whole domain; judged as joe-a@virt"});
  explain("a@x.below.virt");
  EXPECT_EQ(texts("virtualdomains").back(),
            "control/virtualdomains line 2: .below.virt:joe-b: all domains that end so; judged as "
            "joe-b-a@x.below.virt");
  explain("a@not.virt");
  EXPECT_EQ(texts("virtualdomains").back(),
            "control/virtualdomains line 4: not.virt:: nothing after the colon, so it is not for this host");
}

TEST_F(Trace, WhatIsNotOurs) {
  EXPECT_EQ(told("a@far"),
            "locals not-listed control/locals <far>\n"
            "virtualdomains none control/virtualdomains <far>\n"
            "verdict remote far <remote>\n");
}

TEST_F(Trace, TheDefaultHostAndPercenthack) {
  host.set_control("percenthack", "#\nhop\n");
  EXPECT_EQ(told("a%far%hop"),
            "default-host me control/me:1 <here>\n"
            "locals listed control/locals:2 <here>\n"
            "users-cdb absent users/cdb\n"
            "passwd no-user <a%far%hop>\n"
            "passwd alias /alias <alias>\n"
            "identity taken <alias>\n"
            "home entered /alias\n"
            "dot-qmail absent /alias/.qmail-a%far%hop <.qmail-a%far%hop>\n"
            "dot-qmail absent /alias/.qmail-default <.qmail-default>\n"
            "verdict invalid /alias <no-mailbox>\n");
  host.set_control("envnoathost", "hop\n");
  explain("a%far");
  EXPECT_EQ(steps[0].text, "control/envnoathost line 1: no @ in the address, so hop is put behind it");
  EXPECT_EQ(steps[1].text, "control/percenthack line 2: hop: the address becomes a@far");
}

TEST_F(Trace, MeStandsForLocalsThatAreNotThere) {
  host.controls.erase("locals");
  explain("joe@here");
  EXPECT_EQ(steps[0].text, "control/me line 1: here is the only local domain, as there is no control/locals");
  explain("joe@there");
  EXPECT_EQ(steps[0].text, "control/me line 1: there is no control/locals, and this is another name than there");
}

TEST_F(Trace, KeysOfUsersCdbAsInUsersAssign) {
  host.set_users_cdb("=joe:joe:100:100:/home/joe:::\n+j-:joe:100:100:/home/joe:-:p-:\n.\n");
  explain("JOE@here");
  EXPECT_EQ(texts("users-cdb").back(),
            "users/cdb: the exact key =joe matches: user joe, uid 100, gid 100, home /home/joe, dash \"\", extension \"\"");
  explain("j-X@here");
  EXPECT_EQ(texts("users-cdb").back(),
            "users/cdb: the wildcard key +j- matches: user joe, uid 100, gid 100, home /home/joe, dash \"-\", extension \"p-X\"");
  EXPECT_EQ(steps.at(1).found, "wildcard");
  explain("ann@here");
  EXPECT_EQ(texts("users-cdb").back(), "users/cdb: no key for ann, so passwd decides");
  host.cdb_error = EIO;
  explain("ann@here");
  EXPECT_EQ(texts("users-cdb").back(), "users/cdb cannot be used: Input/output error");
}

TEST_F(Trace, WhyAUserIsPassedOver) {
  host.add_user("r", 0, "/r");
  host.add_user("a-b-c", 101, "/a");
  host.owners["/a"] = 7;
  host.add_user("a-b", 102, "/b");
  host.owner_errors["/b"] = ENOENT;
  host.add_user("a", 103, "/c");
  host.owner_errors["/c"] = EACCES;
  explain("a-b-c@here");
  EXPECT_EQ(texts("passwd"),
            (std::vector<std::string>{
                "passwd: user a-b-c is passed over: its home /a belongs to uid 7, not 101",
                "passwd: user a-b is passed over: its home /b is not there",
                "passwd: user a is passed over: its home /c cannot be looked at as qmailp: Permission denied",
                "passwd: nobody, so user alias decides: uid 7, gid 7, home /alias, dash \"-\", extension \"a-b-c\""}));
  explain("r@here");
  EXPECT_EQ(texts("passwd").front(), "passwd: user r is passed over: uid 0");
  host.users.erase("alias");
  explain(std::string(40, 'x') + "@here");
  EXPECT_EQ(texts("passwd").front(), "passwd: " + std::string(40, 'x') + " is longer than 31 bytes, and not looked for");
  EXPECT_EQ(texts("passwd").back(), "passwd: nobody, and no user alias either");
}

TEST_F(Trace, LinesOfTheFileThatDecided) {
  file("/home/joe/.qmail-x", "# who\n./Maildir/\n\n&a@b\n|exit 100\n&never\n");
  EXPECT_EQ(told("joe-x@here"),
            "locals listed control/locals:2 <here>\n"
            "users-cdb absent users/cdb\n"
            "passwd no-user <joe-x>\n"
            "passwd found /home/joe <joe>\n"
            "identity taken <joe>\n"
            "home entered /home/joe\n"
            "dot-qmail read /home/joe/.qmail-x <.qmail-x>\n"
            "line comment /home/joe/.qmail-x:1 <# who>\n"
            "line mailbox /home/joe/.qmail-x:2 <./Maildir/>\n"
            "line forward /home/joe/.qmail-x:4 <&a@b>\n"
            "line program /home/joe/.qmail-x:5 <|exit 100>\n"
            "program kept /home/joe/.qmail-x:5 <|exit 100>\n"
            "verdict unknown /home/joe/.qmail-x <kept>\n");
}

TEST_F(Trace, ForwardsThatAreFollowedAreDeeper) {
  say("here:follow\n");
  file("/home/joe/.qmail-x", "&gone@virt\n");
  EXPECT_EQ(told("joe-x@here"),
            "locals listed control/locals:2 <here>\n"
            "policy applies control/verifypolicy:1 <here:follow>\n"
            "users-cdb absent users/cdb\n"
            "passwd no-user <joe-x>\n"
            "passwd found /home/joe <joe>\n"
            "identity taken <joe>\n"
            "home entered /home/joe\n"
            "dot-qmail read /home/joe/.qmail-x <.qmail-x>\n"
            "line forward /home/joe/.qmail-x:1 <&gone@virt>\n"
            "follow to <gone@virt>\n"
            "  locals not-listed control/locals <virt>\n"
            "  virtualdomains domain control/virtualdomains:3 <virt:joe>\n"
            "  policy none control/verifypolicy <virt>\n"
            "  users-cdb absent users/cdb\n"
            "  passwd no-user <joe-gone>\n"
            "  passwd found /home/joe <joe>\n"
            "  identity taken <joe>\n"
            "  home entered /home/joe\n"
            "  dot-qmail absent /home/joe/.qmail-gone <.qmail-gone>\n"
            "  dot-qmail absent /home/joe/.qmail-default <.qmail-default>\n"
            "  verdict invalid /home/joe <no-mailbox>\n"
            "follow refused <gone@virt>\n"
            "verdict invalid /home/joe/.qmail-x:&gone@virt <policy-follow>\n");
}

TEST_F(Trace, WhatComesFromOutsideIsPrintable) {
  explain("joe-\x1b[1m\xff\\@here");
  EXPECT_EQ(texts("dot-qmail").front(), "/home/joe/.qmail-\\x1b[1m\\xff\\\\: absent");
  EXPECT_EQ(steps.at(6).name, ".qmail-\x1b[1m\xff\\");
}

// ---- somebody listens, and nothing comes out otherwise

namespace {

// A host of many accidents, for addresses that lead to them.
class dice {
 public:
  explicit dice(unsigned seed) : random_(seed) {}
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <class T>
  const T &of(const std::vector<T> &all) {
    return all[below(all.size())];
  }

 private:
  std::mt19937 random_;
};

const std::vector<std::string> LINES = {
    "./Maildir/", "&gone@here", "&joe@here", "joe-a@virt", "# x", "", " ", "+list", "+other", "|true", "|exit 100",
    "|exit 99", "|exit 111", "|/bin/sh -c x", "|bouncesaying no", "|fastforward -d f.cdb", "|fastforward -p f.cdb",
    "|fastforward f.cdb", "|fastforward", "|/var/qmail/bin/vdelivermail '' bounce-no-mailbox",
    "|/var/qmail/bin/vdelivermail '' delete", "|/var/qmail/bin/vdelivermail '' x@y", "|vdeliver", "|ezmlm-send /l",
    "|/x/filter"};
const std::vector<std::string> NAMES = {"joe", "joe-a", "joe-a-b", "ann", "root", "gone", "x-y-z", "", "A.b-c",
                                        "joe-\xff", "odd!name,", "list-a"};
const std::vector<std::string> DOMAINS = {"@here", "@virt", "@x.virt", "@not.virt", "@far", "", "@hop", "@all.there"};
const std::vector<int> ERRORS = {EACCES, EIO, ENOENT, ENOTDIR, ELOOP, ESTALE, ETIMEDOUT, EPERM};

std::string some_file(dice &d) {
  std::string text;
  for (size_t n = d.below(4); n > 0; --n) text += d.of(LINES) + "\n";
  return text;
}

void some_host(fake_site &host, dice &d) {
  host.set_control("me", "here\n");
  if (d.one_in(2)) host.set_control("locals", "here\nthere\n");
  host.set_control("virtualdomains", "virt:joe\n.virt:joe-a\nnot.virt:\n" + std::string(d.one_in(3) ? ":list\n" : ""));
  if (d.one_in(2)) host.set_control("percenthack", "hop\n");
  host.add_user("root", 0, "/root");
  if (!d.one_in(8)) host.add_user("alias", 7, d.one_in(8) ? "alias" : "/alias");
  host.add_user("joe", 100, "/home/joe");
  host.add_user("ann", d.one_in(4) ? 0 : 101, "/home/ann");
  if (d.one_in(6)) host.owner_errors["/home/joe"] = d.of(ERRORS);
  if (d.one_in(6)) host.owners["/home/joe"] = 5;
  if (d.one_in(9)) host.passwd_errors["ann"] = EIO;
  if (d.one_in(9)) host.unbecomable.insert(100);
  for (const char *home : {"/home/joe", "/home/ann", "/alias"}) {
    if (d.one_in(9)) host.home_errors[home] = d.of(ERRORS);
    if (d.one_in(9)) host.home_modes[home] = d.one_in(2) ? 0777 : 01755;
    for (const char *name : {"/.qmail", "/.qmail-a", "/.qmail-default", "/.qmail-a-default", "/.qmail-gone"}) {
      if (d.one_in(2)) continue;
      fake_file f{some_file(d), S_IFREG | 0644, 0, false};
      if (d.one_in(8)) f.mode = d.of(std::vector<mode_t>{S_IFREG | 0744, S_IFREG | 0666, S_IFDIR | 0755});
      if (d.one_in(8)) f.error = d.of(ERRORS);
      f.too_large = d.one_in(20);
      host.files[std::string(home) + name] = f;
    }
    const std::string f_cdb = fake_cdb({{":a@virt", std::string("&x@y\0", 5)}, {":@here", std::string("|p\0", 3)}});
    if (!d.one_in(3)) host.data[std::string(home) + "/f.cdb"] = {f_cdb, 0, d.one_in(5) ? EACCES : 0, false};
    if (d.one_in(2)) host.data[std::string(home) + "/passwd.cdb"] = {fake_cdb({}), 0, 0, false};
    if (d.one_in(2)) host.data[std::string(home) + "/vpasswd"] = {"a:x:1:16:g:/d:q\n", 0, 0, false};
  }
  if (d.one_in(2))
    host.set_users_cdb("=ann:ann:101:101:/home/ann:::\n+joe-:joe:100:100:/home/joe:-::\n"
                       "+virt-:virt:100:100:/home/joe:-::\n+x:bad:0:1:/:-::\n.\n");
  else if (d.one_in(6))
    host.cdb_error = EIO;
  host.programs = {"/var/qmail/bin/bouncesaying", "/var/qmail/bin/fastforward", "/var/qmail/bin/vdelivermail",
                   "/usr/bin/vdeliver", "/usr/bin/ezmlm-send"};
}

std::string shown(const judgement &j) {
  return std::string(qv_reason_name(j.reason)) + " " + std::to_string(j.position) + " " + std::to_string(j.error) +
         " " + j.user + " " + j.about + " " + j.domain + " " + j.advice;
}

}  // namespace

TEST(TraceRandom, WhoListensChangesNothing) {
  std::set<std::string> words, reasons;
  for (unsigned seed = 0; seed < 600; ++seed) {
    dice d(seed);
    fake_site host;
    some_host(host, d);
    std::vector<std::string> complaints;
    const policy_table policy(d.one_in(2) ? "virt:follow\nhere:follow,refuse-delete\n.virt:observe\nfar:off\n" : "",
                              complaints);
    controls files(host, [](const std::string &) {});
    files.start(0);
    const address_settings settings;
    const judge_rules rules{settings, *files.in_force().front(), policy};
    for (int i = 0; i < 30; ++i) {
      const std::string address = d.of(NAMES) + d.of(DOMAINS);
      std::vector<told_step> steps;
      trace to(keep, &steps);
      host.log.clear();
      host.asked.clear();
      const judgement silent = judge_address(host, rules, {address, std::nullopt});
      const auto log = std::exchange(host.log, {});
      const auto asked = std::exchange(host.asked, {});
      const judgement told = judge_address(host, rules, {address, std::nullopt, &to});
      judge_tell(to, told);
      ASSERT_EQ(shown(silent), shown(told)) << address << " on host " << seed;
      ASSERT_EQ(log, host.log) << "other looks because somebody listens";
      ASSERT_EQ(asked, host.asked);
      ASSERT_FALSE(steps.empty());
      ASSERT_EQ(steps.back().step, "verdict");
      ASSERT_EQ(steps.back().depth, 0u);
      ASSERT_EQ(steps.back().name, qv_reason_name(told.reason));
      for (const told_step &s : steps) {
        words.insert(s.step + " " + s.found);
        for (const char c : s.text) ASSERT_TRUE(c >= ' ' && c <= '~') << s.text;
      }
      reasons.insert(qv_reason_name(told.reason));
    }
  }
  // that the dice fell everywhere, more or less
  EXPECT_GT(words.size(), 70u);
  EXPECT_GT(reasons.size(), 25u);
}
