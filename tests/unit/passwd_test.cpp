// passwd_test.cpp - /etc/passwd as an index: the same names, numbers and homes as
// getpwnam_r's, absent only where nobody else could have a name, and no answer that is
// older than a second.

#include "address/passwd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "address/nsswitch.h"

namespace fs = std::filesystem;

namespace {

constexpr int64_t MS = 1'000'000, SECOND = 1000 * MS;

// ---- the table alone

passwd_memory memory(const std::string &text) {
  passwd_memory bytes(text.size() + 1);
  memcpy(bytes.get(), text.data(), text.size());
  return bytes;
}

bool build(passwd_table &table, const std::string &text) { return table.build(memory(text), text.size()); }

std::string told(const site_passwd &u) {
  return u.name + " " + std::to_string(u.uid) + " " + std::to_string(u.gid) + " " + u.home;
}

// "name uid gid home", "" where it is not there, "ask", "?" where the text is not followed.
std::string in(const std::string &text, const std::string &name) {
  passwd_table table;
  if (!build(table, text)) return "?";
  site_passwd entry;
  const passwd_says says = table.find(name, entry);
  return says == passwd_says::found ? told(entry) : says == passwd_says::ask ? "ask" : "";
}

// The same by fgetpwent_r, and getpwnam_r's test for + and -.
std::string glibc(std::string text, const std::string &name) {
  FILE *const file = fmemopen(text.data(), text.size(), "r");
  std::vector<char> buf(text.size() + 1024);
  struct passwd pw, *result = nullptr;
  std::string found;
  while (found.empty() && fgetpwent_r(file, &pw, buf.data(), buf.size(), &result) == 0)
    if (name == pw.pw_name && name[0] != '+' && name[0] != '-') found = told({pw.pw_name, pw.pw_uid, pw.pw_gid, pw.pw_dir});
  fclose(file);
  return found;
}

std::string expect_same(const std::string &text, const std::string &name) {
  const std::string ours = in(text, name);
  EXPECT_EQ(ours, glibc(text, name)) << text;
  return ours;
}

}  // namespace

TEST(PasswdTable, ReadsLinesAsGlibcDoes) {
  EXPECT_EQ(expect_same("joe:x:1:2:Joe:/home/joe:/bin/sh\n", "joe"), "joe 1 2 /home/joe");
  EXPECT_EQ(expect_same("joe:x:1:2:Joe:/home/joe:/bin/sh", "joe"), "joe 1 2 /home/joe");
  EXPECT_EQ(expect_same("joe:x:1:2::/home/joe", "joe"), "joe 1 2 /home/joe");
  EXPECT_EQ(expect_same("joe:x:1:2", "joe"), "joe 1 2 ");
  EXPECT_EQ(expect_same("joe:x:1:2:\n", "joe"), "joe 1 2 ");
  EXPECT_EQ(expect_same("\n \t joe:x:1:2::/a b/c:\n", "joe"), "joe 1 2 /a b/c");
  EXPECT_EQ(expect_same("\v\f\r joe:x:1:2::/h:\r\n", "joe"), "joe 1 2 /h");
  EXPECT_EQ(expect_same("joe :x:1:2::/h:\n", "joe "), "joe  1 2 /h");
  EXPECT_EQ(expect_same(":x:1:2::/h:\n", ""), " 1 2 /h");
  EXPECT_EQ(expect_same("j\xc3\xb6:x:1:2::/h:\n", "j\xc3\xb6"), "j\xc3\xb6 1 2 /h");
}

TEST(PasswdTable, PassesOverWhatGlibcPassesOver) {
  const std::string joe = "joe:x:1:2::/h:/s\n";
  for (const char *line : {"#joe:x:1:2::/c:\n", " # joe:x:1:2\n", "joe\n", "joe:\n", "joe:x\n", "joe:x:\n", "joe:x:1\n",
                           "joe:x:1:\n", "joe:x::2::/c:\n", "joe:x:1::/c:\n", "joe:x:a:2::/c:\n", "joe:x:1a:2::/c:\n",
                           "joe:x:1:2 ::/c:\n", "joe:x:+:2::/c:\n", "joe:x:1:0x2::/c:\n", "+joe:x:1:2::/c:\n", "JOE:x:1:2::/c:\n",
                           "joe2:x:1:2::/c:\n", "jo:x:1:2::/c:\n", "x:joe:x:1:2::/c:\n", "+\n", "-\n", "+@joe::::::\n", "\r\n", " \n"})
    EXPECT_EQ(expect_same(line + joe, "joe"), "joe 1 2 /h") << line;
  for (const char *name : {"+joe", "-joe", "joe:x", "joe\n", "oe", "j", "", "x", "#joe"}) {
    EXPECT_EQ(expect_same("+joe:x:1:2::/c:\n-joe:x:1:2::/c:\n" + joe, name), "") << name;
  }
}

TEST(PasswdTable, NumbersAreStrtouls) {
  for (const char *number :
       {"0", "007", "4294967294", "4294967295", "+7", " 8", "\t9", "--1", "+-1", "- 1", "+ 1", "", "-", "1 ", "1-", "-a"}) {
    expect_same(std::string("joe:x:") + number + ":2::/h:\n", "joe");
    expect_same(std::string("joe:x:1:") + number + "\njoe:x:3:4\n", "joe");
  }
  EXPECT_EQ(in("joe:x:+1: 4294967295\n", "joe"), "joe 1 4294967295 ");
}

TEST(PasswdTable, ANumberThatIsNotReadAlikeIsAskedForThatNameAlone) {
  for (const char *number : {"4294967296", "99999999999999999999999", "-1", " -5", "-0", "18446744073709551615",
                             "18446744073709551616", "18446744073709551621", "-18446744073709551615"}) {
    const std::string text = std::string("ann:x:1:1\njoe:x:") + number + ":2::/h:\njoe:x:3:4\n";
    EXPECT_EQ(in(text, "joe"), "ask") << number;
    EXPECT_EQ(in(text, "ann"), "ann 1 1 ") << number;
    EXPECT_EQ(in(text, "bob"), "") << number;
    EXPECT_EQ(in(std::string("joe:x:1:") + number + ":\n", "joe"), "ask") << number;
    EXPECT_EQ(expect_same("joe:x:3:4::/h\n" + text, "joe"), "joe 3 4 /h");
    EXPECT_EQ(expect_same(std::string("joe:x:") + number + ":b:\njoe:x:3:4\n", "joe"), "joe 3 4 ");
  }
}

TEST(PasswdTable, OfOneNameTheFirstLineCounts) {
  EXPECT_EQ(expect_same("joe:x:1\njoe:x:1:2::/first:\njoe:x:3:4::/second:\n", "joe"), "joe 1 2 /first");
  // and the others are not gone through for each: this would not end
  std::string text = "joe:x:1:2::/first:\n";
  for (int i = 0; i < 400000; ++i) text += "joe:x:3:4::/h:\n";
  EXPECT_EQ(in(text, "joe"), "joe 1 2 /first");
}

TEST(PasswdTable, SaysWhatItDoesNotFollow) {
  const std::string joe = "joe:x:1:2::/h:/s\n", longest(passwd_table::LINE_MAX_BYTES, 'x');
  EXPECT_EQ(in(joe + std::string(1, '\0'), "joe"), "?");
  EXPECT_EQ(in(joe + "#" + longest + "\n", "joe"), "?");
  EXPECT_EQ(in(longest + "\n" + joe, "joe"), "joe 1 2 /h");
  EXPECT_EQ(in(joe + " last:x:1:2::/last", "last"), "ask");
  EXPECT_EQ(in(joe + " last:x:1", "last"), "ask");
  EXPECT_EQ(in(" l:", "l"), "ask");
  EXPECT_EQ(in(joe + " last:x:1:2::/last", "joe"), "joe 1 2 /h");
  EXPECT_EQ(glibc(joe + " last:x:1:2::/last", "last"), "last 1 2 /lastt");  // which is why
  EXPECT_EQ(expect_same(joe + " last:x:1:2::/last\n", "last"), "last 1 2 /last");
  EXPECT_EQ(in(joe + " # comment", "joe"), "joe 1 2 /h");
  EXPECT_EQ(in(joe + " \t", "joe"), "joe 1 2 /h");
}

TEST(PasswdTable, ATextThatIsNotFollowedLeavesNothing) {
  passwd_table table;
  site_passwd entry;
  ASSERT_TRUE(build(table, "joe:x:1:2\n"));
  ASSERT_FALSE(build(table, std::string("joe:x:1:2\n\0", 11)));
  EXPECT_EQ(table.find("joe", entry), passwd_says::absent);
  EXPECT_EQ(table.memory(), 0u);
  EXPECT_TRUE(table.build({}, 0));
  EXPECT_EQ(table.find("joe", entry), passwd_says::absent);
}

TEST(PasswdTable, ManyUsersAreAllFoundAndNobodyElse) {
  std::string text;
  constexpr int users = 20000;
  for (int i = 0; i < users; ++i)
    text += "u" + std::to_string(i) + ":x:" + std::to_string(i + 1000) + ":100::/home/u" + std::to_string(i) + ":/bin/sh\n";
  passwd_table table;
  ASSERT_TRUE(build(table, text));
  site_passwd entry;
  for (int i = 0; i < users; ++i) {
    const std::string name = "u" + std::to_string(i);
    ASSERT_EQ(table.find(name, entry), passwd_says::found);
    ASSERT_EQ(told(entry), name + " " + std::to_string(i + 1000) + " 100 /home/" + name);
    ASSERT_EQ(table.find("v" + std::to_string(i), entry), passwd_says::absent);
  }
}

// ---- nsswitch.conf

TEST(Nsswitch, FilesFirstAndNobodyElseOrSystemd) {
  const auto files = nsswitch_passwd::files, both = nsswitch_passwd::files_systemd, others = nsswitch_passwd::files_others,
             unknown = nsswitch_passwd::unknown;
  const std::pair<const char *, nsswitch_passwd> cases[] = {
      {"passwd: files\n", files},
      {"passwd:files\n", files},
      {" passwd :: files \t\n", files},
      {"passwd files\n", files},
      {"passwd:         files systemd\ngroup:          files systemd\n", both},
      {"# passwd: compat\npasswd: files systemd\n", both},
      {"passwd: files systemd systemd [NOTFOUND=return]\n", both},
      {"passwd: files [NOTFOUND=return] ldap\n", files},
      {"passwd: files [notfound=Return]ldap\n", files},
      {"passwd: files[!SUCCESS=return] ldap\n", files},
      {"passwd: files [ NOTFOUND = return UNAVAIL=continue ] ldap\n", files},
      {"passwd: files [!NOTFOUND=return] systemd\n", both},
      {"passwd: files [UNAVAIL=return TRYAGAIN=return] systemd\n", both},
      {"passwd: files systemd [\n", unknown},
      {"passwd: files ldap\n", others},
      {"passwd: files systemd ldap\n", others},
      {"passwd: files systemd [NOTFOUND=return] ldap\n", others},
      {"passwd: files # systemd\n", others},
      {"passwd: systemd files\n", unknown},
      {"passwd: compat\n", unknown},
      {"passwd: compat systemd\n", unknown},
      {"passwd: FILES\n", unknown},
      {"passwd: db files\n", unknown},
      {"passwd: files [SUCCESS=continue] systemd\n", unknown},
      {"passwd: files [SUCCESS=merge] systemd\n", unknown},
      {"passwd: files [!NOTFOUND=continue] systemd\n", unknown},
      {"passwd: files [NOTFOUND=merge] systemd\n", unknown},
      {"passwd: files [NOTFOUND=return\n", unknown},
      {"passwd: files []\n", unknown},
      {"passwd: files [NOTFOUND return]\n", unknown},
      {"passwd: files [NOTFOUND=stop]\n", unknown},
      {"passwd: files [ENOENT=return]\n", unknown},
      {"passwd:\n", unknown},
      {"passwd\n", unknown},
      {"", unknown},
      {"\n:\ngroup: files\n", unknown},
      {"passwd: files", unknown},
      {"passwd: files\npasswd: compat", unknown},
      {"passwd: files\ngroup: compat", files},
      {"passwd: files\nhosts: files [x=y]\n", unknown},
      {"passwd: files\nautomount: files [x=y]\n", files},
      {"Passwd: files\n", unknown},
      {"passwd_compat: files\n", unknown},
      {"passwd: files\npasswd: files\n", files},
      {"passwd: files\npasswd: files systemd\n", unknown},
      {"passwd: compat\npasswd: files\n", unknown},
  };
  for (const auto &[text, says] : cases) EXPECT_EQ(nsswitch_read(text), says) << text;
  EXPECT_EQ(nsswitch_read(std::string_view("passwd: files\n\0", 15)), unknown);
}

TEST(Nsswitch, SourcesWhoseFailureIsHidden) {
  using lines = std::vector<std::string>;
  const std::string behind = "files [UNAVAIL=return TRYAGAIN=return] ";
  const std::pair<const char *, lines> cases[] = {
      {"files", {}},
      {"files ldap", {"files"}},
      {"files systemd", {"files"}},
      {"files ldap systemd", {behind + "ldap"}},
      {"sss files systemd", {behind + "sss"}},
      {"files sss nis systemd", {behind + "sss", behind + "nis"}},
      {"compat ldap", {behind + "compat"}},
      {"files ldap [NOTFOUND=return] systemd", {behind + "ldap"}},
      {"files [NOTFOUND=return] ldap", {"files"}},
      {"files ldap [NOTFOUND=return] nis systemd", {behind + "ldap"}},
      {"files ldap [UNAVAIL=return] systemd", {behind + "ldap"}},
      {"files ldap [UNAVAIL=return TRYAGAIN=return] systemd", {"files"}},
      {"files [!SUCCESS=return] ldap systemd", {}},
      {"files [UNAVAIL=return TRYAGAIN=return] ldap [!NOTFOUND=return] systemd", {}},
  };
  for (const auto &[text, alone] : cases) {
    const nsswitch_chain chain = nsswitch_chain_read("group: files\npasswd: " + std::string(text) + "\n");
    EXPECT_EQ(chain.whole, text);
    EXPECT_EQ(chain.alone, alone) << text;
  }
  for (const char *text : {"", "group: files\n", "passwd:\n", "passwd: files ldap", "passwd: files [x]\n",
                           "passwd: files [SUCCESS=continue] ldap\n", "passwd: files [NOTFOUND=merge] ldap\n",
                           "passwd: files ldap\npasswd: files\n"}) {
    const nsswitch_chain chain = nsswitch_chain_read(text);
    EXPECT_TRUE(chain.whole.empty() && chain.alone.empty()) << text;
  }
  EXPECT_EQ(nsswitch_chain_read("passwd: files\npasswd: files\n").whole, "files");
}

// ---- the index over files

namespace {

// Steady time as the test sets it; each look at it takes `step`. The wall clock is the
// real one, put on by `ahead`, and may do something when it is looked at.
class test_clock final : public passwd_clock {
 public:
  int64_t now = 5 * SECOND, step = 0, ahead = 10 * SECOND;
  std::function<void()> at_wall;

  int64_t steady() override { return now += step; }
  int64_t wall() override {
    if (at_wall) at_wall();
    return passwd_clock::wall() + ahead;
  }
};

class Passwd : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "passwd-test-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root = name;
    fs::permissions(root, fs::perms(0755));
    fs::create_directories(root + "/etc");
    conf("passwd: files systemd\n");
    write(JOE);
    index.emplace(root, &clock);
  }
  void TearDown() override { fs::remove_all(root); }

  void put(const std::string &path, const std::string &text) {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path, std::ios::binary) << text;
  }
  void conf(const std::string &text) { put("/etc/nsswitch.conf", text); }
  void write(const std::string &text) { put("/etc/passwd", text); }
  // As vipw and useradd do it.
  void replace(const std::string &text) {
    put("/etc/passwd+", text);
    fs::rename(root + "/etc/passwd+", root + "/etc/passwd");
  }
  void socket_at(const std::string &path) {
    fs::create_directories(fs::path(root + path).parent_path());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    strncpy(to.sun_path, (root + path).c_str(), sizeof to.sun_path - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&to), sizeof to), 0);
    close(fd);
  }

  std::string find(const std::string &name) {
    switch (index->find(name, entry)) {
      case passwd_says::found: return told(entry);
      case passwd_says::absent: return "absent";
      case passwd_says::ask: return "ask";
    }
    return "";
  }
  // After the sources were looked at anew.
  std::string fresh(const std::string &name) {
    clock.now += 200 * MS;
    return again(name);
  }
  // At once.
  std::string again(const std::string &name) {
    index->fresh();
    return find(name);
  }

  const std::string JOE = "joe:x:1:2::/home/joe:\n", ANN = "ann:x:3:4::/home/ann:\n";
  const std::string joe = "joe 1 2 /home/joe", ann = "ann 3 4 /home/ann";
  std::string root;
  test_clock clock;
  std::optional<passwd_index> index;
  site_passwd entry;
};

}  // namespace

TEST_F(Passwd, FoundAndAbsent) {
  EXPECT_EQ(find("joe"), joe);
  EXPECT_EQ(find("ann"), "absent");
  EXPECT_EQ(find(std::string("joe\0", 4)), "ask");
  EXPECT_EQ(find(std::string("ann\0", 4)), "ask");
  EXPECT_FALSE(index->denied());
}

TEST_F(Passwd, LooksOnceUntilFresh) {
  EXPECT_EQ(find("joe"), joe);
  replace(ANN);
  EXPECT_EQ(find("joe"), joe);
  EXPECT_EQ(again("joe"), "absent");
  EXPECT_EQ(find("ann"), ann);
  EXPECT_EQ(index->readings(), 2u);
}

TEST_F(Passwd, AnUnchangedFileIsReadOnce) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fresh("joe"), joe);
  EXPECT_EQ(index->readings(), 1u);
}

TEST_F(Passwd, EachKindOfChangeShowsAtOnce) {
  EXPECT_EQ(find("joe"), joe);
  std::ofstream(root + "/etc/passwd", std::ios::app) << ANN;
  EXPECT_EQ(again("ann"), ann);
  write(ANN);
  EXPECT_EQ(again("joe"), "absent");
  replace(JOE);
  EXPECT_EQ(again("joe"), joe);
  // the same size and mtime: only the ctime tells
  struct stat st;
  ASSERT_EQ(stat((root + "/etc/passwd").c_str(), &st), 0);
  do {
    write(ANN);
    const timespec times[] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, (root + "/etc/passwd").c_str(), times, 0), 0);
    struct stat now;
    ASSERT_EQ(stat((root + "/etc/passwd").c_str(), &now), 0);
    if (now.st_ctim.tv_sec != st.st_ctim.tv_sec || now.st_ctim.tv_nsec != st.st_ctim.tv_nsec) break;
  } while (true);
  EXPECT_EQ(again("ann"), ann);
  // an older file in its place
  put("/etc/old", JOE);
  const timespec past[] = {{1000, 1}, {1000, 1}};
  ASSERT_EQ(utimensat(AT_FDCWD, (root + "/etc/old").c_str(), past, 0), 0);
  fs::rename(root + "/etc/old", root + "/etc/passwd");
  EXPECT_EQ(again("joe"), joe);
  fs::remove(root + "/etc/passwd");
  fs::create_symlink("other", root + "/etc/passwd");
  put("/etc/other", ANN);
  EXPECT_EQ(again("ann"), ann);
}

TEST_F(Passwd, AFileThatCannotBeReadIsAsked) {
  EXPECT_EQ(find("joe"), joe);
  fs::rename(root + "/etc/passwd", root + "/etc/gone");
  EXPECT_EQ(again("joe"), "ask");
  EXPECT_EQ(find("ann"), "ask");
  EXPECT_FALSE(index->denied());
  fs::rename(root + "/etc/gone", root + "/etc/passwd");
  EXPECT_EQ(again("joe"), joe);
  fs::remove(root + "/etc/passwd");
  fs::create_directory(root + "/etc/passwd");
  EXPECT_EQ(again("joe"), "ask");
  fs::remove(root + "/etc/passwd");
  ASSERT_EQ(mkfifo((root + "/etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(again("joe"), "ask");
  fs::remove(root + "/etc/passwd");
  write("");
  EXPECT_EQ(again("joe"), "absent");
}

TEST_F(Passwd, WithoutRightsSomebodyElseHasToAsk) {
  const auto as_user = [&](const std::string &name) {
    const uid_t before = geteuid();
    EXPECT_EQ(seteuid(before ? before : 65534), 0);
    const std::string says = again(name);
    EXPECT_EQ(seteuid(before), 0);
    return says;
  };
  EXPECT_EQ(as_user("joe"), joe);
  replace(JOE);
  fs::permissions(root + "/etc/passwd", fs::perms(0));
  EXPECT_EQ(as_user("joe"), "ask");
  EXPECT_TRUE(index->denied());
  fs::permissions(root + "/etc/passwd", fs::perms(0644));
  EXPECT_EQ(again("joe"), joe);
  EXPECT_FALSE(index->denied());
  // a look that was refused does not put off the next, with more rights
  if (geteuid() == 0) {
    clock.now += SECOND;
    clock.step = 10 * MS;
    replace(ANN);
    fs::permissions(root + "/etc/passwd", fs::perms(0));
    EXPECT_EQ(as_user("ann"), "ask");
    EXPECT_EQ(again("ann"), ann);
    clock.step = 0;
    clock.now += SECOND;
    replace(JOE);
    EXPECT_EQ(again("joe"), joe);
  }
  // the same behind a directory, and what was read before is not lost
  const unsigned before = index->readings();
  fs::permissions(root + "/etc", fs::perms(0));
  EXPECT_EQ(as_user("joe"), "ask");
  EXPECT_TRUE(index->denied());
  fs::permissions(root + "/etc", fs::perms(0755));
  EXPECT_EQ(again("joe"), joe);
  EXPECT_FALSE(index->denied());
  EXPECT_EQ(index->readings(), before);
}

TEST_F(Passwd, ATextThatIsNotFollowedIsAskedAndNotReadAgain) {
  write(JOE + std::string(1, '\0'));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(fresh("joe"), "ask");
    EXPECT_EQ(find("ann"), "ask");
  }
  EXPECT_EQ(index->readings(), 1u);
  replace(JOE);
  EXPECT_EQ(fresh("joe"), joe);
}

// ---- freshness

TEST(PasswdSettled, TimesAreOlderThanTheClocksGrain) {
  const int64_t now = 1000 * SECOND + 500 * MS;
  const auto at = [](int64_t ns) { return timespec{ns / SECOND, ns % SECOND}; };
  site_stamp stamp;
  stamp.mtime = stamp.ctime = at(now - 51 * MS);
  EXPECT_TRUE(passwd_settled(stamp, now));
  stamp.ctime = at(now - 50 * MS);
  EXPECT_FALSE(passwd_settled(stamp, now));
  stamp.ctime = at(now - SECOND), stamp.mtime = at(now - 49 * MS);
  EXPECT_FALSE(passwd_settled(stamp, now));
  stamp.mtime = at(now + SECOND);
  EXPECT_FALSE(passwd_settled(stamp, now));
  stamp.mtime = stamp.ctime = at(999 * SECOND);
  EXPECT_FALSE(passwd_settled(stamp, now));
  stamp.ctime = at(999 * SECOND + 1);
  EXPECT_TRUE(passwd_settled(stamp, now));
  stamp.mtime = stamp.ctime = at(998 * SECOND);
  EXPECT_TRUE(passwd_settled(stamp, now));
}

TEST_F(Passwd, AFileReadTooSoonIsReadAgain) {
  clock.ahead = 0;
  clock.at_wall = [&] { clock.ahead -= 60 * SECOND; };  // always in the future
  EXPECT_EQ(find("joe"), joe);
  EXPECT_EQ(find("joe"), joe);
  EXPECT_EQ(index->readings(), 1u);
  EXPECT_EQ(again("joe"), joe);
  EXPECT_EQ(again("joe"), joe);
  EXPECT_EQ(index->readings(), 3u);
  clock.at_wall = nullptr;
  clock.ahead = 10 * SECOND;
  EXPECT_EQ(again("joe"), joe);
  EXPECT_EQ(again("joe"), joe);
  EXPECT_EQ(index->readings(), 4u);
}

TEST_F(Passwd, TimesInTheFutureAreNeverTrusted) {
  const timespec times[] = {{4000000000, 1}, {4000000000, 1}};
  ASSERT_EQ(utimensat(AT_FDCWD, (root + "/etc/passwd").c_str(), times, 0), 0);
  for (unsigned i = 1; i <= 5; ++i) {
    EXPECT_EQ(again("joe"), joe);
    EXPECT_EQ(index->readings(), i);
  }
}

TEST_F(Passwd, AFileThatChangesWhileItIsReadIsReadAgain) {
  int changes = 1;
  clock.at_wall = [&] {
    if (changes-- > 0) std::ofstream(root + "/etc/passwd", std::ios::app) << ANN;
  };
  EXPECT_EQ(find("ann"), ann);
  replace(JOE);
  changes = 1000;
  EXPECT_EQ(again("joe"), "ask");
  EXPECT_EQ(index->memory(), 0u);
  // of the same size: what was read goes with the times that it has
  clock.at_wall = nullptr;
  replace(JOE);
  EXPECT_EQ(fresh("joe"), joe);
  const unsigned before = index->readings();
  replace(JOE);
  changes = 1;
  clock.at_wall = [&] {
    if (changes-- > 0) write(ANN);
  };
  EXPECT_EQ(again("ann"), ann);
  EXPECT_EQ(again("ann"), ann);
  EXPECT_EQ(index->readings(), before + 1);
  // cut short while it is read
  int cuts = 1;
  replace(JOE + ANN);
  clock.at_wall = [&] {
    if (cuts-- > 0) fs::resize_file(root + "/etc/passwd", JOE.size());
  };
  EXPECT_EQ(fresh("joe"), joe);
  EXPECT_EQ(find("ann"), "absent");
}

TEST_F(Passwd, ReadingTakesAFifthOfTheTime) {
  clock.step = 10 * MS;
  int looks = 0;
  const int64_t begin = clock.now;
  for (bool one = true; clock.now - begin < 6 * SECOND; one = !one, ++looks) {
    replace(one ? ANN : JOE);
    EXPECT_NE(again("joe"), "ask");  // the reading is over in time
  }
  // each takes 10 ms and is followed by 50 ms
  EXPECT_GE(index->readings(), 80u);
  EXPECT_LE(index->readings(), 100u);
  EXPECT_GT(looks, 200);
}

TEST_F(Passwd, ALongReadingIsPutOffForAsLongAsTheOldOneCounts) {
  EXPECT_EQ(find("joe"), joe);
  clock.step = 400 * MS;  // reading takes this, and so does each look
  replace(ANN);
  EXPECT_EQ(again("ann"), ann);
  EXPECT_EQ(index->readings(), 2u);
  clock.step = 0;
  replace(JOE);
  const int64_t known = clock.now - 400 * MS;  // when the last reading began
  clock.now = known + 799 * MS;
  EXPECT_EQ(again("ann"), ann);
  EXPECT_EQ(find("joe"), "absent");
  clock.now = known + 800 * MS;
  EXPECT_EQ(again("ann"), "ask");
  EXPECT_EQ(find("joe"), "ask");
  clock.now = known + 400 * MS + 799 * MS;
  EXPECT_EQ(again("joe"), "ask");
  EXPECT_EQ(index->readings(), 2u);
  clock.now = known + 400 * MS + 800 * MS;
  EXPECT_EQ(again("joe"), joe);
  EXPECT_EQ(index->readings(), 3u);
}

TEST_F(Passwd, AnOldIndexCountsFromWhenItWasLastSeenToBeTrue) {
  clock.step = 400 * MS;
  EXPECT_EQ(find("joe"), joe);
  clock.step = 0;
  clock.now += 300 * MS;
  EXPECT_EQ(again("joe"), joe);  // true now
  replace(ANN);
  clock.now += 499 * MS;
  EXPECT_EQ(again("joe"), joe);
  clock.now += MS;
  EXPECT_EQ(again("ann"), ann);
}

// ---- the other sources

TEST_F(Passwd, WhatNsswitchSaysShowsWithin200Ms) {
  EXPECT_EQ(find("ann"), "absent");
  conf("passwd: files ldap\n");
  clock.now += 199 * MS;
  EXPECT_EQ(again("ann"), "absent");
  clock.now += MS;
  EXPECT_EQ(again("ann"), "ask");
  EXPECT_EQ(find("joe"), joe);
  fs::remove(root + "/etc/nsswitch.conf");
  EXPECT_EQ(fresh("joe"), "ask");
  conf("passwd: files\n");
  EXPECT_EQ(fresh("joe"), joe);
  conf("passwd: files\n" + std::string(65536, '#') + "\n");
  EXPECT_EQ(fresh("joe"), "ask");
  fs::remove(root + "/etc/nsswitch.conf");
  ASSERT_EQ(mkfifo((root + "/etc/nsswitch.conf").c_str(), 0644), 0);
  EXPECT_EQ(fresh("joe"), "ask");
}

TEST_F(Passwd, SystemdHasRootAndNobody) {
  for (const char *name : {"root", "nobody", "nfsnobody", "foreign-1"}) EXPECT_EQ(find(name), "ask") << name;
  for (const char *name : {"root2", "nobod", "Root", "+root"}) EXPECT_EQ(find(name), "absent") << name;
  write("root:x:0:0::/root:\n");
  EXPECT_EQ(again("root"), "root 0 0 /root");
  conf("passwd: files\n");
  EXPECT_EQ(fresh("nobody"), "absent");
  conf("passwd: files [NOTFOUND=return] systemd\n");
  EXPECT_EQ(fresh("nobody"), "absent");
}

TEST_F(Passwd, SystemdsServicesMayHaveAnybody) {
  fs::create_directories(root + "/run/systemd/userdb");
  EXPECT_EQ(fresh("ann"), "absent");
  socket_at("/run/systemd/userdb/io.systemd.Home");
  EXPECT_EQ(fresh("ann"), "ask");
  EXPECT_EQ(find("joe"), joe);
  conf("passwd: files\n");
  EXPECT_EQ(fresh("ann"), "absent");
}

TEST_F(Passwd, SystemdsDynamicUsersAreInADirectory) {
  socket_at("/run/systemd/userdb/io.systemd.DynamicUser");
  EXPECT_EQ(fresh("ann"), "absent");
  put("/run/systemd/dynamic-uid/61234", "ann\n");
  fs::create_symlink("ann", root + "/run/systemd/dynamic-uid/direct:61234");
  fs::create_symlink("61234", root + "/run/systemd/dynamic-uid/direct:ann");
  EXPECT_EQ(fresh("ann"), "ask");
  EXPECT_EQ(find("bob"), "absent");
  for (int i = 0; i < 1001; ++i) fs::create_symlink("1", root + "/run/systemd/dynamic-uid/direct:u" + std::to_string(i));
  EXPECT_EQ(fresh("bob"), "ask");
  fs::remove_all(root + "/run/systemd/dynamic-uid");
  EXPECT_EQ(fresh("ann"), "absent");
  put("/run/systemd/dynamic-uid", "");
  EXPECT_EQ(fresh("ann"), "ask");
}

TEST_F(Passwd, ADropInMayBeAnybodys) {
  for (const char *dir : {"/etc", "/run", "/run/host", "/usr/local/lib", "/usr/lib", "/lib"}) {
    const std::string userdb = std::string(dir) + "/userdb";
    put(userdb + "/README", "");
    EXPECT_EQ(fresh("ann"), "absent") << dir;
    put(userdb + "/bob.user", "{}");
    EXPECT_EQ(fresh("ann"), "ask") << dir;
    fs::remove_all(root + userdb);
    put(userdb, "not a directory");
    EXPECT_EQ(fresh("ann"), "ask") << dir;
    EXPECT_EQ(find("joe"), joe);
    fs::remove(root + userdb);
    EXPECT_EQ(fresh("ann"), "absent") << dir;
  }
}

TEST_F(Passwd, ADirectoryThatCannotBeReadMayHaveAnybody) {
  fs::create_directories(root + "/etc/userdb");
  fs::permissions(root + "/etc/userdb", fs::perms(0));
  const uid_t before = geteuid();
  ASSERT_EQ(seteuid(before ? before : 65534), 0);
  EXPECT_EQ(again("ann"), "ask");
  EXPECT_EQ(find("joe"), joe);
  EXPECT_TRUE(index->denied());
  ASSERT_EQ(seteuid(before), 0);
  fs::permissions(root + "/etc/userdb", fs::perms(0755));
  EXPECT_EQ(again("ann"), "absent");  // not only 200 ms later
  EXPECT_FALSE(index->denied());
}

TEST_F(Passwd, NscdOfThisRootIsPassedOver) {
  socket_at("/var/run/nscd/socket");
  EXPECT_EQ(fresh("ann"), "absent");
  EXPECT_EQ(find("joe"), joe);
}

TEST_F(Passwd, NscdOfAnotherRootIsAsked) {
  // a link to another file system stands for what is bound in
  struct stat here, there;
  ASSERT_EQ(stat(root.c_str(), &here), 0);
  ASSERT_EQ(stat("/proc/self/status", &there), 0);
  ASSERT_NE(here.st_dev, there.st_dev);
  fs::create_directories(root + "/var/run/nscd");
  fs::create_symlink("/proc/self/status", root + "/var/run/nscd/socket");
  EXPECT_EQ(fresh("joe"), "ask");
  EXPECT_EQ(find("ann"), "ask");
}

// ---- memory

namespace {

std::string many_users(int users) {
  std::string text;
  char line[128];
  for (int i = 0; i < users; ++i) {
    snprintf(line, sizeof line, "user%06d:x:%d:100:User %d:/srv/user%06d:/bin/sh\n", i, i + 1000, i, i);
    text += line;
  }
  return text;
}

// The address space that this process has taken, in bytes (a figure that is exact, other
// than what is resident).
size_t taken() {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  statm >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_F(Passwd, AUserTakesLessThan150Bytes) {
  constexpr int users = 100000;
  { write(many_users(users)); }
  EXPECT_EQ(find("user099999"), "user099999 100999 100 /srv/user099999");
  EXPECT_LT(index->memory(), size_t{150} * users);
  EXPECT_GT(index->memory(), size_t{50} * users);
}

TEST_F(Passwd, TheOldIndexIsGoneBeforeTheNewOneIsMade) {
  constexpr int users = 100000;
  write(many_users(users));
  fs::copy(root + "/etc/passwd", root + "/etc/next");
  find("joe");
  const size_t one = taken();
  size_t between = 0;
  clock.at_wall = [&] { between = taken(); };  // behind open, before reading
  fs::rename(root + "/etc/next", root + "/etc/passwd");
  EXPECT_EQ(again("user000001"), "user000001 1001 100 /srv/user000001");
  EXPECT_GT(between, 0u);
  EXPECT_LT(between + index->memory() / 2, one);
  EXPECT_LT(taken(), one + index->memory() / 2);
}
