// conf_test.cpp - conf/: service directories, made whole or not at all.

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "conf/program.h"
#include "conf/service.h"

namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path &path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// A qmail directory, programs and a place for services; whoever runs the test owns all.
class Conf : public testing::Test {
 protected:
  Conf() {
    char name[] = "/tmp/conf-test.XXXXXX";
    top = mkdtemp(name);
    for (const char *folder : {"qmail", "qmail/control", "services"}) fs::create_directory(top / folder);
    for (const char *program : {"qmail-verify", "qmail-smtpd"}) std::ofstream(top / program) << "#!/bin/sh\n";
    host.qmail = top / "qmail";
    host.daemon = top / "qmail-verify";
    host.smtpd = top / "qmail-smtpd";
    for (const std::string &program : {host.daemon, host.smtpd}) chmod(program.c_str(), 0755);
    const passwd *const me = geteuid() ? getpwuid(geteuid()) : getpwnam("nobody");
    if (me) user = me->pw_name;
    host.qmaild = user;
    place = top / "services/one";
  }
  ~Conf() override { fs::remove_all(top); }
  void SetUp() override {
    if (user.empty()) GTEST_SKIP() << "whoever runs this has no entry in passwd";
  }

  // What is below the services' folder, and whether the socket's is there.
  size_t made() const {
    size_t count = fs::exists(top / "qmail/verify");
    for ([[maybe_unused]] const auto &entry : fs::recursive_directory_iterator(top / "services")) ++count;
    return count;
  }
  // The exit code and the sentence of a refusal; everything is as it was.
  template <class Work>
  void expect_refused(conf_exit code, const std::string &words, Work work) {
    const size_t before = made();
    try {
      work();
      ADD_FAILURE() << "not refused; expected: " << words;
    } catch (const conf_failure &failure) {
      EXPECT_EQ(failure.code, code) << failure.what();
      EXPECT_NE(std::string(failure.what()).find(words), std::string::npos) << failure.what();
      EXPECT_EQ(*failure.what() == 0, words.empty()) << failure.what();
    }
    EXPECT_EQ(made(), before) << "left behind by: " << words;
  }
  mode_t mode(const fs::path &path) const {
    struct stat st;
    return lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
  }

  fs::path top, place;
  std::string user;
  conf_host host;
};

TEST_F(Conf, DaemonsServiceIsComplete) {
  const mode_t before = umask(077);  // modes are what they have to be, whatever it is
  const std::string next = conf_verify(host, {user, place});
  umask(before);
  EXPECT_EQ(next, "To start it, now and at each boot: ln -s " + place.string() + " /service/\n");
  EXPECT_EQ(slurp(place / "env/LISTEN"), host.qmail + "/verify/socket\n");
  const std::string run = slurp(place / "run");
  EXPECT_EQ(run.rfind("#!/bin/sh\n", 0), 0u);
  EXPECT_NE(run.find("\nexec 2>&1\nexec env - PATH=\"$PATH\" envdir ./env softlimit -d 200000000 \\\n  " + host.daemon + "\n"),
            run.npos) << run;
  EXPECT_EQ(slurp(place / "log/run"), "#!/bin/sh\nexec setuidgid " + user + " multilog t s1000000 n20 ./main\n");
  for (const char *path : {"", "run", "env", "log", "log/run"}) EXPECT_EQ(mode(place / path), 0755u) << path;
  EXPECT_EQ(mode(place / "env/LISTEN"), 0644u);
  EXPECT_EQ(mode(place / "log/main"), 0750u);
  struct stat st;
  ASSERT_EQ(stat((place / "log/main").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, getpwnam(user.c_str())->pw_uid);
  EXPECT_EQ(st.st_gid, getpwnam(user.c_str())->pw_gid);
  EXPECT_TRUE(fs::is_directory(host.qmail + "/verify"));
}

TEST_F(Conf, DaemonIsAskedAtAnIpToo) {
  EXPECT_EQ(conf_verify(host, {user, place, "127.0.0.1"}).find("verifyclients"), std::string::npos);
  EXPECT_EQ(slurp(place / "env/LISTEN"), host.qmail + "/verify/socket,127.0.0.1\n");
  const std::string other = top / "services/two///";
  EXPECT_NE(conf_verify(host, {user, other, "[2001:db8::1]:999"}).find("verifyclients"), std::string::npos);
  EXPECT_EQ(slurp(top / "services/two/env/LISTEN"), host.qmail + "/verify/socket,[2001:db8::1]:999\n");
  for (const std::string wrong : {"example.org", "", "/a/path", "127.0.0.1,::1", "192.0.2.300", "1.2.3.4 "})
    expect_refused(CONF_MISUSE, "IP ", [&] { conf_verify(host, {user, top / "services/three", wrong}); });
}

TEST_F(Conf, UsageIsForWrongArguments) {
  for (const std::vector<std::string> &wrong : std::vector<std::vector<std::string>>{
           {}, {user}, {user, "relative"}, {user, ""}, {user, "/"}, {user, "///"}, {user, place, "127.0.0.1", "more"}})
    expect_refused(CONF_MISUSE, "", [&] { conf_verify(host, wrong); });
  for (const std::vector<std::string> &wrong : std::vector<std::vector<std::string>>{
           {}, {user, user, place}, {user, user, "relative", "0"}, {"-x", user, user, place, "0"},
           {"-d", "-o", user, user, place, "0"}, {user, user, place, "0", "more"}})
    expect_refused(CONF_MISUSE, "", [&] { conf_smtpd(host, wrong); });
}

TEST_F(Conf, NothingIsLeftBehindWhereSomethingIsMissing) {
  expect_refused(CONF_TROUBLE, "unknown account no-such-user-here", [&] { conf_verify(host, {"no-such-user-here", place}); });
  expect_refused(CONF_TROUBLE, "unknown account a\\x20b", [&] { conf_verify(host, {"a b", place}); });
  expect_refused(CONF_TROUBLE, "unknown account -v", [&] { conf_smtpd(host, {user, "-v", place, "0"}); });
  expect_refused(CONF_TROUBLE, "cannot make a directory in ", [&] { conf_verify(host, {user, top / "nowhere/one"}); });
  host.qmail = top / "no-qmail";
  expect_refused(CONF_TROUBLE, "no-qmail/verify, for the socket: No such file",
                 [&] { conf_verify(host, {user, place}); });
  fs::remove(host.daemon);
  expect_refused(CONF_TROUBLE, "qmail-verify cannot be run", [&] { conf_verify(host, {user, place}); });
  fs::remove(host.smtpd);
  expect_refused(CONF_TROUBLE, "qmail-smtpd cannot be run", [&] { conf_smtpd(host, {user, user, place, "0"}); });
}

TEST_F(Conf, WhatIsThereIsLeftAlone) {
  fs::create_directory(place);  // an empty one, which a rename would replace
  expect_refused(CONF_TROUBLE, "exists already", [&] { conf_verify(host, {user, place}); });
  expect_refused(CONF_TROUBLE, "exists already", [&] { conf_smtpd(host, {user, user, place.string() + "/", "0"}); });
  fs::remove(place);
  fs::create_symlink("/nowhere", place);
  expect_refused(CONF_TROUBLE, "exists already", [&] { conf_verify(host, {user, place}); });
  EXPECT_EQ(fs::read_symlink(place), "/nowhere");
  {
    const fs::path late = top / "services/late";
    conf_tree tree(late);
    tree.file("file", 0644, "text");
    fs::create_directory(late);
    EXPECT_THROW(tree.put(), conf_failure);
  }
  EXPECT_TRUE(fs::is_empty(top / "services/late"));
  EXPECT_EQ(made(), 2u);
}

TEST_F(Conf, SocketDirectoryIsRootsAlone) {
  conf_verify(host, {user, place});
  chmod((host.qmail + "/verify").c_str(), 0775);
  expect_refused(CONF_TROUBLE, "chmod it to 755", [&] { conf_verify(host, {user, top / "services/two"}); });
  fs::remove(host.qmail + "/verify");
  std::ofstream(host.qmail + "/verify") << "a file";
  expect_refused(CONF_TROUBLE, "is not a directory", [&] { conf_verify(host, {user, top / "services/two"}); });
}

bool have_tcprules() { return std::system("command -v tcprules >/dev/null 2>&1") == 0; }

TEST_F(Conf, SmtpServiceIsComplete) {
  if (!have_tcprules()) GTEST_SKIP() << "needs tcprules of ucspi-tcp";
  const std::string next = conf_smtpd(host, {user, user, place, "192.0.2.25"});
  EXPECT_NE(next.find("OBSERVE the active line"), next.npos);
  EXPECT_NE(next.find("/control/rcpthosts"), next.npos);
  EXPECT_EQ(next.find("SOCKETGROUP"), next.npos);
  EXPECT_EQ(slurp(place / "env/IP"), "192.0.2.25\n");
  EXPECT_EQ(slurp(place / "Makefile"), "tcp.cdb: tcp\n\ttcprules tcp.cdb tcp.tmp <tcp\n");
  const std::string run = slurp(place / "run");
  EXPECT_NE(run.find("exec envuidgid " + user + " softlimit -m 40000000"), run.npos) << run;
  EXPECT_NE(run.find(" 25 \\\n  " + host.smtpd + "\n"), run.npos) << run;
  for (const char *path : {"", "run", "env", "log", "log/run"}) EXPECT_EQ(mode(place / path), 0755u) << path;
  for (const char *path : {"tcp", "tcp.cdb", "Makefile", "env/IP"}) EXPECT_EQ(mode(place / path), 0644u) << path;
  EXPECT_FALSE(fs::exists(place / "tcp.tmp"));
}

// Of the rules the lines that count.
std::string active(const fs::path &tcp) {
  std::istringstream in(slurp(tcp));
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') out += line + "\n";
  return out;
}

TEST_F(Conf, OneOfTheThreeLinesForTheWorldCounts) {
  if (!have_tcprules()) GTEST_SKIP() << "needs tcprules of ucspi-tcp";
  const std::string relay = "127.:allow,RELAYCLIENT=\"\"\n", end = "STRICT," + host.socket() + "\"\n";
  conf_smtpd(host, {user, user, top / "services/1", "0"});
  EXPECT_EQ(active(top / "services/1/tcp"), relay + ":allow,VERIFY=\"" + end);
  conf_smtpd(host, {"-d", user, user, top / "services/2", "0"});
  EXPECT_EQ(active(top / "services/2/tcp"), relay + ":allow,VERIFY=\"DEFER," + end);
  const std::string next = conf_smtpd(host, {"-o", user, user, top / "services/3", "0"});
  EXPECT_EQ(active(top / "services/3/tcp"), relay + ":allow,VERIFY=\"OBSERVE," + end);
  EXPECT_EQ(next.find("OBSERVE"), next.npos);
  for (const char *one : {"1", "2", "3"})
    for (const char *word : {"", "DEFER,", "OBSERVE,"})
      EXPECT_NE(slurp(top / "services" / one / "tcp").find(std::string(":allow,VERIFY=\"") + word + end), std::string::npos);
}

TEST_F(Conf, SmtpServiceRefuses) {
  expect_refused(CONF_MISUSE, "must not be run by root", [&] { conf_smtpd(host, {"root", user, place, "0"}); });
  for (const std::string wrong : {"", "::1", "localhost", "192.0.2", "192.0.2.1:25"})
    expect_refused(CONF_MISUSE, "IP ", [&] { conf_smtpd(host, {user, user, place, wrong}); });
}

TEST_F(Conf, AccountOfAnotherGroupIsTold) {
  if (!have_tcprules()) GTEST_SKIP() << "needs tcprules of ucspi-tcp";
  host.qmaild = "no-such-user-here";
  const std::string next = conf_smtpd(host, {user, user, place, "0"});
  EXPECT_NE(next.find("write the number " + std::to_string(getpwnam(user.c_str())->pw_gid) + "\ninto env/SOCKETGROUP"),
            next.npos) << next;
}

TEST_F(Conf, PathsWithOddCharactersStayOneWord) {
  EXPECT_EQ(conf_quoted("/var/qmail/bin/qmail-verify"), "/var/qmail/bin/qmail-verify");
  EXPECT_EQ(conf_quoted("/a b"), "'/a b'");
  EXPECT_EQ(conf_quoted("it's $x"), "'it'\\''s $x'");
  EXPECT_EQ(conf_quoted(""), "''");
}

}  // namespace
