// tree.cpp - see tree.h.

#include "tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "program.h"
#include "qmail/fd.h"

namespace {

std::string parent_of(const std::string &place) { return place.substr(0, place.rfind('/') + 1); }

[[noreturn]] void refuse_existing(const std::string &place) {
  throw conf_failure(CONF_TROUBLE, conf_safe(place) + " exists already: name another directory, or take it away first");
}

void write_all(int fd, const std::string &text, const std::string &shown) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) conf_fail_errno("cannot write " + shown, n == 0 ? ENOSPC : errno);
    done += static_cast<size_t>(n);
  }
}

// rename that takes no other's place, also where the file system does not know it.
int rename_to_free(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  struct stat st;
  if (lstat(to, &st) == 0) return EEXIST;
  return rename(from, to) == 0 ? 0 : errno;
}

}  // namespace

conf_tree::conf_tree(std::string place) : place_(std::move(place)) {
  while (place_.size() > 1 && place_.back() == '/') place_.pop_back();
  struct stat st;
  if (lstat(place_.c_str(), &st) == 0) refuse_existing(place_);
  if (errno != ENOENT) conf_fail_errno(conf_safe(place_), errno);
  const std::string parent = parent_of(place_);
  std::string name = parent + "." + place_.substr(parent.size()) + ".XXXXXX";
  if (!mkdtemp(name.data())) conf_fail_errno("cannot make a directory in " + conf_safe(parent), errno);
  making_ = name;
  if (chmod(making_.c_str(), 0755) == -1) {
    const int error = errno;
    rmdir(making_.c_str());
    conf_fail_errno(conf_safe(making_), error);
  }
}

conf_tree::~conf_tree() {
  std::error_code ignored;
  if (!done_) std::filesystem::remove_all(making_, ignored);
}

void conf_tree::directory(const std::string &path, mode_t mode, conf_owner owner) {
  const std::string full = making_ + "/" + path;
  if (mkdir(full.c_str(), 0700) == -1 || chown(full.c_str(), owner.uid, owner.gid) == -1 ||
      chmod(full.c_str(), mode) == -1)
    conf_fail_errno("cannot make " + conf_safe(place_ + "/" + path), errno);
}

void conf_tree::file(const std::string &path, mode_t mode, const std::string &text) {
  const std::string shown = conf_safe(place_ + "/" + path);
  const unique_fd fd(open((making_ + "/" + path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) conf_fail_errno("cannot make " + shown, errno);
  write_all(fd.get(), text, shown);
  if (fchmod(fd.get(), mode) == -1 || fsync(fd.get()) == -1) conf_fail_errno("cannot make " + shown, errno);
}

void conf_tree::put() {
  const int error = rename_to_free(making_.c_str(), place_.c_str());
  if (error == EEXIST || error == ENOTEMPTY) refuse_existing(place_);
  if (error) conf_fail_errno("cannot make " + conf_safe(place_), error);
  done_ = true;
}
