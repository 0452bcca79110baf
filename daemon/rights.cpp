// rights.cpp - see rights.h; capabilities(7).

#include "rights.h"

#include <cerrno>
#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace {

constexpr rlim_t DESCRIPTORS = 2048;              // 1024 connections, and what a look opens
constexpr rlim_t MEMORY = rlim_t{4} * 1024 * 1024 * 1024;  // a million virtual domains take a tenth of it

// Never more than now.
bool bound(__rlimit_resource resource, rlim_t most) {
  rlimit now{};
  if (getrlimit(resource, &now) == -1) return false;
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most) most = now.rlim_max;
  now.rlim_cur = now.rlim_max = most;
  return setrlimit(resource, &now) == 0;
}

// Sanitizers map far more than a program uses, and trace it for leaks.
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = false;
#endif

#ifdef __linux__
constexpr int KEPT[] = {CAP_SETUID, CAP_SETGID};

bool drop_capabilities() {
  __user_cap_header_struct head{};
  __user_cap_data_struct data[2]{};
  head.version = _LINUX_CAPABILITY_VERSION_3;
  for (const int one : KEPT) data[CAP_TO_INDEX(one)].permitted |= CAP_TO_MASK(one);
  data[0].effective = data[0].permitted;
  // with the user's id the right to become another one stays, so that the way from user
  // to user needs no step as root; it opens no file. Where this is refused there is the step
  prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  // the bounding set while there is still the right to: what is executed gets no more either
  for (int one = 0; one <= CAP_LAST_CAP; ++one)
    if (one != CAP_SETUID && one != CAP_SETGID && prctl(PR_CAPBSET_DROP, one, 0, 0, 0) == -1 && errno != EINVAL &&
        errno != EPERM)
      return false;
  return syscall(SYS_capset, &head, data) == 0;
}
#endif

}  // namespace

int rights_drop(const char **what) {
  *what = "the limits";
  if (!bound(RLIMIT_CORE, 0) || !bound(RLIMIT_NOFILE, DESCRIPTORS) || (!SANITIZED && !bound(RLIMIT_AS, MEMORY)))
    return -1;
#ifdef __linux__
  *what = "no_new_privs";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) return -1;
  *what = "being dumpable";
  if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) return -1;
  // once, and not for each row of looks anew; where it is refused they try again
  if (geteuid() == 0) setgroups(0, nullptr);
  *what = "capabilities";
  if (geteuid() == 0 && !drop_capabilities()) return -1;
#endif
  return 0;
}
