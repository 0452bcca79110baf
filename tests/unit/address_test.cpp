// address_test.cpp - the public face of address/, on a qmail directory below /tmp.

#include "address/address.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_site.h"

namespace fs = std::filesystem;

namespace {

// A qmail directory with one user, joe, who is this process's own user, or 7001 where that
// is root.
class Address : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/address_test.XXXXXX";
    ASSERT_TRUE(mkdtemp(name));
    dir_ = name;
    cwd_ = fs::current_path();
    ASSERT_EQ(chmod(name, 0755), 0);
    write("control/me", "example.org\n");
    write("home/joe/.qmail-list", "&a@example.net\n");
    const uid_t uid = getuid() ? getuid() : 7001;
    const gid_t gid = getuid() ? getgid() : 7001;
    const std::string ids = std::to_string(uid) + ":" + std::to_string(gid) + ":";
    write("users/cdb", fake_users_cdb("=joe:joe:" + ids + dir_ + "/home/joe:::\n+joe-:joe:" + ids + dir_ +
                                      "/home/joe:-::\n.\n"));
    for (const char *of : {"/home/joe", "/home/joe/.qmail-list"}) {
      ASSERT_EQ(chown((dir_ + of).c_str(), uid, gid), 0);
    }
  }
  void TearDown() override {
    fs::current_path(cwd_);
    fs::remove_all(dir_);
  }

  void write(const std::string &name, const std::string &content) {
    fs::create_directories(fs::path(dir_ + "/" + name).parent_path());
    std::ofstream(dir_ + "/" + name) << content;
  }
  static struct address *open(const char *qmail) {
    address_config config;
    address_config_default(&config);
    config.qmail = qmail;
    return address_new(&config, nullptr, nullptr, 0);
  }
  static qv_reason reason(struct address *a, const char *of) {
    const address_question question{of, strlen(of), nullptr, 0};
    address_answer answer;
    address_judge(a, &question, &answer);
    return answer.reason;
  }
  static void expect_right(struct address *a) {
    ASSERT_TRUE(a);
    EXPECT_EQ(reason(a, "joe@example.org"), QV_REASON_DEFAULT_DELIVERY);
    EXPECT_EQ(reason(a, "joe-list@example.org"), QV_REASON_DOTQMAIL);
    EXPECT_EQ(reason(a, "joe-none@example.org"), QV_REASON_NO_MAILBOX);
    EXPECT_EQ(reason(a, "joe@elsewhere.example"), QV_REASON_REMOTE);
  }

  std::string dir_;
  fs::path cwd_;
};

// Descriptors of this process that are open on this file.
std::vector<int> descriptors(const std::string &of) {
  std::vector<int> found;
  struct stat wanted, st;
  EXPECT_EQ(stat(of.c_str(), &wanted), 0);
  for (const auto &entry : fs::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    if (fstat(fd, &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino) found.push_back(fd);
  }
  return found;
}

}  // namespace

TEST_F(Address, TheWorkingDirectoryDoesNotCount) {
  fs::current_path("/");
  struct address *a = open(dir_.c_str());
  expect_right(a);
  fs::current_path("/proc");
  write("control/virtualdomains", "no.example:\n");
  address_hangup(a, 1);
  EXPECT_EQ(reason(a, "x@no.example"), QV_REASON_EXCEPTION);
  write("users/cdb", "damaged");
  EXPECT_EQ(reason(a, "joe@example.org"), QV_REASON_CDB_TROUBLE);
  address_free(a);
}

TEST_F(Address, ARelativeDirectoryIsLookedForOnce) {
  fs::current_path(fs::path(dir_).parent_path());
  struct address *a = open(fs::path(dir_).filename().c_str());
  fs::current_path("/");
  expect_right(a);
  address_free(a);
}

TEST_F(Address, ItsDescriptorsAreClosed) {
  struct address *a = open(dir_.c_str());
  ASSERT_TRUE(a);
  const std::vector<int> open_now = descriptors(dir_);
  ASSERT_EQ(open_now.size(), 1u);
  EXPECT_TRUE(fcntl(open_now[0], F_GETFD) & FD_CLOEXEC);
  address_free(a);
  EXPECT_TRUE(descriptors(dir_).empty());
}

// What the kernel says of this thread, whatever libc remembers.
struct ids {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
  bool operator==(const ids &) const = default;
};

ids ids_now() {
  ids now{static_cast<uid_t>(syscall(SYS_geteuid)), static_cast<gid_t>(syscall(SYS_getegid)), {}};
  now.groups.resize(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));
  EXPECT_GE(getgroups(static_cast<int>(now.groups.size()), now.groups.data()), 0);
  return now;
}

// In a thread that has these ids: a process has its threads' ids one by one.
void as(const ids &of, const std::function<void()> &work) {
  std::thread([&] {
    ASSERT_EQ(syscall(SYS_setgroups, of.groups.size(), of.groups.data()), 0);
    ASSERT_EQ(syscall(SYS_setresgid, -1, of.gid, -1), 0);
    ASSERT_EQ(syscall(SYS_setresuid, -1, of.uid, -1), 0);
    ASSERT_EQ(ids_now(), of);
    work();
  }).join();
}

TEST_F(Address, AThreadHasItsOwnIdsAgainWhateverTheyWere) {
  if (getuid()) GTEST_SKIP() << "needs root";
  const ids before = ids_now();
  struct address *a = open(dir_.c_str());
  for (const ids &own : {ids{0, 0, {}}, ids{0, 7010, {}}, ids{0, 0, {7011, 7012}}, ids{7013, 7014, {7015}}}) {
    as(own, [&] {
      expect_right(a);
      EXPECT_EQ(ids_now(), own);
    });
  }
  expect_right(a);
  EXPECT_EQ(ids_now(), before);
  address_free(a);
}

TEST_F(Address, ItsIdsAreTheUsersUntilItRestsAndNoOtherThreads) {
  if (getuid()) GTEST_SKIP() << "needs root";
  const std::function<void(struct address *)> ends[] = {
      [](struct address *a) { address_rest(a); }, [](struct address *a) { address_tick(a, 5); },
      [](struct address *a) { address_hangup(a, 5); }, [](struct address *) {}};
  for (const auto &end : ends) {
    struct address *a = open(dir_.c_str());
    const ids own{0, 0, {7011}};
    as(own, [&] {
      const address_question question{"joe@example.org", 15, nullptr, 0};
      const address_calls calls{[](void *, unsigned) { return 1; }, [](void *, unsigned, address_answer *) {}, nullptr};
      address_judge_together(a, &question, 1, &calls);
      EXPECT_EQ(ids_now(), (ids{7001, 7001, {}}));
      end(a);
      if (&end == std::end(ends) - 1) address_free(std::exchange(a, nullptr));
      EXPECT_EQ(ids_now(), own);
    });
    EXPECT_EQ(syscall(SYS_geteuid), 0);  // nobody else's
    if (a) address_free(a);
  }
}

TEST_F(Address, NoSignalIsTouchedUnlessMappingIsWanted) {
  struct sigaction before, after;
  ASSERT_EQ(sigaction(SIGBUS, nullptr, &before), 0);
  struct address *a = open(dir_.c_str());
  expect_right(a);
  ASSERT_EQ(sigaction(SIGBUS, nullptr, &after), 0);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  address_free(a);
}

TEST_F(Address, WhyThereIsNoHandle) {
  errno = 0;
  EXPECT_FALSE(open((dir_ + "/nowhere").c_str()));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(open((dir_ + "/control/me").c_str()));
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_FALSE(open(""));
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Address, ADirectoryWithoutControlFilesIsTemporaryUntilTheyAreThere) {
  fs::rename(dir_ + "/control", dir_ + "/away");
  std::ofstream(dir_ + "/control") << "";
  struct address *a = open(dir_.c_str());
  ASSERT_TRUE(a);
  EXPECT_EQ(reason(a, "joe@example.org"), QV_REASON_CONTROL_TROUBLE);
  fs::remove(dir_ + "/control");
  fs::rename(dir_ + "/away", dir_ + "/control");
  address_tick(a, 1000);
  EXPECT_EQ(reason(a, "joe@example.org"), QV_REASON_DEFAULT_DELIVERY);
  address_free(a);
}
