// rights_test.cpp - what is given up is gone for good (each in a process of its own).

#include "daemon/rights.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {
// The exit status of a child that has given up its rights.
template <class Work>
int in_child(Work work) {
  const pid_t pid = fork();
  if (pid == 0) {
    const char *what = "";
    _exit(rights_drop(&what) == 0 ? work() : 99);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
}  // namespace

TEST(rights, no_core_no_new_privileges_bounded_descriptors) {
  EXPECT_EQ(in_child([] {
              rlimit core, files;
              getrlimit(RLIMIT_CORE, &core);
              getrlimit(RLIMIT_NOFILE, &files);
              return core.rlim_max == 0 && files.rlim_max <= 2048 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1;
            }),
            0);
}

TEST(rights, it_may_be_done_twice) {
  EXPECT_EQ(in_child([] {
              const char *what = "";
              return rights_drop(&what) == 0 ? 0 : 1;
            }),
            0);
}

TEST(rights, root_keeps_users_and_groups_alone) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(in_child([] {
              if (setegid(7001) == -1 || seteuid(7001) == -1 || seteuid(0) == -1 || setegid(0) == -1) return 1;
              return chown("/tmp", 0, 0) == 0 && chroot("/") == 0 ? 2 : 0;
            }),
            0);
}
