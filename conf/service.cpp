// service.cpp - see service.h.

#include "service.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "conf.h"
#include "program.h"

conf_host conf_this_host() { return {CONF_QMAIL, CONF_BIN "/qmail-verify", CONF_SMTPD, CONF_QMAILD}; }

conf_owner conf_account(const std::string &name) {
  constexpr char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  errno = 0;
  const passwd *found = nullptr;
  if (!name.empty() && name[0] != '-' && name.find_first_not_of(PLAIN) == name.npos) found = getpwnam(name.c_str());
  if (found) return {found->pw_uid, found->pw_gid};
  if (errno && errno != ENOENT) conf_fail_errno("cannot look up the account " + conf_safe(name), errno);
  throw conf_failure(CONF_TROUBLE, "unknown account " + conf_safe(name) + ": name a user that is in passwd");
}

void conf_check_place(const std::string &place) {
  if (place.empty() || place[0] != '/' || place.find_last_not_of('/') == place.npos) throw conf_failure(CONF_MISUSE, "");
}

void conf_check_program(const std::string &path) {
  if (access(path.c_str(), X_OK) == -1)
    conf_fail_errno(conf_safe(path) + " cannot be run (make install puts it there)", errno);
}

void conf_add_log(conf_tree &tree, const std::string &user, conf_owner owner) {
  tree.directory("log", 0755);
  tree.directory("log/main", 0750, owner);
  tree.file("log/run", 0755, "#!/bin/sh\nexec setuidgid " + user + " multilog t s1000000 n20 ./main\n");
}

conf_socket_directory::conf_socket_directory(const std::string &path) : path_(path) {
  struct stat st;
  if (mkdir(path_.c_str(), 0755) == 0) {
    made_ = true;
  } else if (errno != EEXIST) {
    conf_fail_errno("cannot make " + conf_safe(path_) + ", for the socket", errno);
  } else if (stat(path_.c_str(), &st) == -1) {
    conf_fail_errno(conf_safe(path_), errno);
  } else if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022)) {
    throw conf_failure(CONF_TROUBLE, conf_safe(path_) + ", for the socket, is not a directory that root alone can write, "
                                     "and others could answer in the daemon's place: chown it to root, chmod it to 755");
  }
}

conf_socket_directory::~conf_socket_directory() {
  if (made_) rmdir(path_.c_str());
}
