// vmailmgr_test.cpp - a line that runs vdeliver: whom passwd.cdb has, where the
// file and the default user's name come from, and what leaves it open.

#include "address/vmailmgr.h"

#include <gtest/gtest.h>

#include "fake_site.h"

namespace {

const std::string NUL(1, '\0');

// The records as vmailmgr 0.97 writes them.
std::string version_1(const std::string &expiry = "-", const std::string &aliases = "") {
  return "\x01"
         "$1$hash" +
         NUL + "./users/x" + NUL + aliases + NUL + "Info" + NUL + "-" + NUL + "-" + NUL + "-" + NUL + "-" + NUL +
         "974000000" + NUL + expiry + NUL;
}
std::string version_2(const std::string &expiry = "-", const std::string &aliases = "",
                      const std::string &flags = "\x0a\x01\x08\x01") {
  return "\x02" + flags + NUL + version_1(expiry, aliases).substr(1);
}

class Vmailmgr : public testing::Test {
 protected:
  void users(const std::vector<std::pair<std::string, std::string>> &records) {
    host.data["/home/joe/passwd.cdb"] = {fake_cdb(records)};
  }
  void setting(const std::string &path, const std::string &text) { host.data[path] = {text}; }

  // The reason, and " goes on" and " kept" where they apply.
  std::string read(const std::string &ext, const std::vector<std::string> &options = {}) {
    user.ext = ext;
    shell_command command{true, {{"/usr/bin/vdeliver", true}}};
    for (auto &option : options) command.words.push_back({option, option != "$X"});
    int error = 0;
    const auto visit = host.become(user.uid, user.gid, error);
    visit->enter(user.home);
    last = vmailmgr_read({host, *visit, settings, policy, user, found, "joe-" + ext, "here", std::nullopt}, command);
    return qv_reason_name(last.reason) + std::string(last.goes_on ? " goes on" : "") + (last.kept ? " kept" : "");
  }

  fake_site host;
  address_settings settings;
  policy_words policy;
  dotqmail_result found;
  controlling_user user{"joe", 100, 100, "/home/joe", "-", "", {}};
  outcome last;
  const std::string USER = "vmailmgr-user goes on kept", NO_USER = "vmailmgr-no-user", UNKNOWN = "program",
                    TROUBLE = "vmailmgr-trouble";
};

}  // namespace

TEST_F(Vmailmgr, AUserOfEachVersionOfRecord) {
  users({{"one", version_1()}, {"two", version_2()}, {"old", ":hash:./users/old"}, {"alias", ":hash:&a@b,c"}});
  for (const char *ext : {"one", "two", "old", "alias", "ONE", "tWo"}) EXPECT_EQ(read(ext), USER) << ext;
  for (const char *ext : {"three", "one-two", "on", "one ", "", "+"}) EXPECT_EQ(read(ext), NO_USER) << ext;
  EXPECT_EQ(last.about, "/home/joe/passwd.cdb");
}

TEST_F(Vmailmgr, TheDefaultUserTakesTheRest) {
  users({{"one", version_2()}, {"+", version_2()}});
  for (const char *ext : {"one", "two", "", "+", "\xfc"}) EXPECT_EQ(read(ext), USER) << ext;
}

TEST_F(Vmailmgr, AUserWithoutAMailboxOrWithOnlyAliasesIsAUser) {
  users({{"none", version_2("-", "", std::string("\x0a\0", 2))},
         {"disabled", version_2("-", "", std::string("\x08\0", 2))},
         {"noflags", version_2("-", "", "")},
         {"aliases", version_2("-", "a@b" + NUL + "c" + NUL)}});
  for (const char *ext : {"none", "disabled", "noflags", "aliases"}) EXPECT_EQ(read(ext), USER) << ext;
}

TEST_F(Vmailmgr, AnExpiredUserIsRefusedWhateverTheDefault) {
  users({{"gone", version_2("1000000000")},
         {"zero", version_1("0")},
         {"later", version_2("4294967294")},
         {"+", version_2()}});
  EXPECT_EQ(read("gone"), NO_USER);
  EXPECT_EQ(last.about, "/home/joe/passwd.cdb:expired");
  EXPECT_EQ(read("zero"), NO_USER);
  EXPECT_EQ(read("later"), USER);
  // no digits at all are a zero
  users({{"gone", version_2("")}});
  EXPECT_EQ(read("gone"), NO_USER);
  users({{"+", version_2("1")}});
  EXPECT_EQ(read("x"), NO_USER);
}

TEST_F(Vmailmgr, ARecordThatVdeliverDoesNotReadLeavesItOpen) {
  const std::string whole = version_2();
  std::vector<std::string> strange = {
      "",          "x",         "\x03" + whole.substr(1),       ":nodestination", std::string(":no\0:x", 6),
      whole + "x", whole + NUL, version_2("-", "", "\x09\x01"), version_2("1x"),  version_2("1 ")};
  for (size_t n = 1; n < whole.size(); ++n) strange.push_back(whole.substr(0, n));
  for (auto &record : strange) {
    users({{"one", record}});
    EXPECT_EQ(read("one"), UNKNOWN) << testing::PrintToString(record);
    EXPECT_NE(last.advice.find("/home/joe/passwd.cdb"), std::string::npos);
    EXPECT_EQ(read("two"), NO_USER);
    users({{"+", record}});
    EXPECT_EQ(read("two"), UNKNOWN);
  }
}

TEST_F(Vmailmgr, NoRecordIsEverShown) {
  users({{"one", "\x02secret"}, {"gone", version_2("1")}});
  for (const char *ext : {"one", "gone", "none"}) {
    read(ext);
    EXPECT_EQ((last.about + last.advice).find("secret"), std::string::npos);
    EXPECT_EQ((last.about + last.advice).find("hash"), std::string::npos);
  }
}

// vmailmgr's hash of a byte above 127 depends on the machine it was built for.
TEST_F(Vmailmgr, ANameThatIsNotAsciiIsNeverSurelyAbsent) {
  users({{"one", version_2()}, {"h\xfc", version_2()}});
  EXPECT_EQ(read("h\xfc"), USER);
  EXPECT_EQ(read("j\xf6rg"), UNKNOWN);
  users({{"+", version_2("1")}});
  EXPECT_EQ(read("j\xf6rg"), UNKNOWN);
}

TEST_F(Vmailmgr, AFileThatIsNotThereLeavesItOpen) {
  EXPECT_EQ(read("one"), UNKNOWN);
  EXPECT_NE(last.advice.find("/home/joe/passwd.cdb"), std::string::npos);
}

TEST_F(Vmailmgr, AFileThatCannotBeReadIsNoAnswer) {
  for (int e : {EACCES, EIO, EMFILE, EISDIR, EINVAL}) {
    host.data["/home/joe/passwd.cdb"] = {"", 0, e};
    EXPECT_EQ(read("one"), TROUBLE);
    EXPECT_EQ(last.error, e);
    EXPECT_EQ(last.about, "/home/joe/passwd.cdb");
  }
}

TEST_F(Vmailmgr, ADamagedFileIsNoAnswer) {
  const std::string whole = fake_cdb({{"one", version_2()}});
  for (size_t size : {size_t{0}, size_t{100}, whole.size() - 1, size_t{2060}}) {
    host.data["/home/joe/passwd.cdb"] = {whole.substr(0, size)};
    EXPECT_EQ(read("one"), TROUBLE) << size;
    EXPECT_NE(last.error, 0);
  }
}

TEST_F(Vmailmgr, TheDefaultUserMayHaveAnotherName) {
  users({{"one", version_2()}, {"catchall", version_2()}});
  setting("/etc/vmailmgr/default-username", " \tCatchAll \nmore\n");
  EXPECT_EQ(read("two"), USER);
  setting("/home/joe/.vmailmgr/default-username", "nobody\n");
  EXPECT_EQ(read("two"), NO_USER);
  // what is empty does not count
  setting("/home/joe/.vmailmgr/default-username", " \n");
  EXPECT_EQ(read("two"), USER);
  setting("/etc/vmailmgr/default-username", "");
  EXPECT_EQ(read("two"), NO_USER);
}

TEST_F(Vmailmgr, ThePasswordFileMayBeElsewhere) {
  users({{"one", version_2()}});
  host.data["/home/joe/other/users.cdb"] = {fake_cdb({{"two", version_2()}})};
  setting("/etc/vmailmgr/password-file", "other/users");
  EXPECT_EQ(read("one"), NO_USER);
  EXPECT_EQ(last.about, "/home/joe/other/users.cdb");
  EXPECT_EQ(read("two"), USER);
  setting("/etc/vmailmgr/password-file", "/home/joe/other/users\n");
  EXPECT_EQ(read("two"), USER);
}

TEST_F(Vmailmgr, ASettingThatCannotBeReadLeavesItOpen) {
  users({{"one", version_2()}});
  for (const std::string name : {"password-file", "default-username"})
    for (const std::string dir : {"/etc/vmailmgr/", "/home/joe/.vmailmgr/"}) {
      for (const fake_file &file : {fake_file{"", 0, EACCES}, fake_file{"", 0, EIO}, fake_file{std::string("a\0b", 3)},
                                    fake_file{std::string(100000, 'x')}}) {
        host.data[dir + name] = file;
        EXPECT_EQ(read("two"), UNKNOWN) << dir + name;
        EXPECT_NE(last.advice.find(dir + name), std::string::npos);
      }
      for (int e : {ENOENT, ENOTDIR}) {
        host.data[dir + name] = {"", 0, e};
        EXPECT_EQ(read("two"), NO_USER);
      }
      host.data.erase(dir + name);
    }
}

TEST_F(Vmailmgr, OptionsThatSayNothingOfUsers) {
  users({{"one", version_2()}});
  for (const char *option :
       {"-D", "-F", "-R", "-d", "-f", "-r", "-dFr", "--quiet", "--no-predeliver", "--no-postdeliver"}) {
    EXPECT_EQ(read("one", {option, "-D"}), USER) << option;
    EXPECT_EQ(read("two", {"-D", option}), NO_USER) << option;
  }
}

TEST_F(Vmailmgr, EverythingElseBehindItLeavesItOpen) {
  users({{"one", version_2()}});
  for (const char *option : {"-h", "--help", "-x", "-Dx", "-", "--", "arg", "", "--quiet=1", "--qui", "$X", "-D-"}) {
    EXPECT_EQ(read("two", {option}), UNKNOWN) << option;
    EXPECT_EQ(read("one", {"-D", option}), UNKNOWN) << option;
  }
}

TEST_F(Vmailmgr, AScriptMayRefuseTheUserButNotAdmitAnother) {
  users({{"one", version_2()}});
  for (const std::string name : {"predeliver", "postdeliver"})
    for (const std::string dir : {"/etc/vmailmgr/", "/home/joe/.vmailmgr/"}) {
      host.programs = {dir + "vdeliver-" + name};
      EXPECT_EQ(read("one"), UNKNOWN);
      EXPECT_EQ(read("two"), NO_USER);
      EXPECT_EQ(read("one", {"--no-" + name}), USER);
    }
}

TEST_F(Vmailmgr, EverythingIsReadAsTheUser) {
  users({{"one", version_2()}});
  read("one");
  for (auto &look : host.log) EXPECT_EQ(look.substr(0, 8), "100 100 ");
  EXPECT_EQ(host.log.back(), "100 100 /home/joe/passwd.cdb");
}
