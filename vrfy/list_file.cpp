// list_file.cpp - see list.h: the database of --list=cdb, replaced as a whole. It is written
// beside its place, synced, and renamed; the name there, FILE.tmp, is locked as long as it
// is written to, so that what a crash has left is told from what another process writes.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "list.h"
#include "qmail/cdb_make.h"

namespace {

constexpr mode_t NEW_MODE = 0644;

int stat_at(const unique_fd &dir, const std::string &name, struct stat &st) {
  return fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

bool same(const struct stat &a, const struct stat &b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

bool list_file::failed(const std::string &what, int error) const {
  vrfy_say_errno(shown_ + ": " + what, error);
  return false;
}

bool list_file::open(const std::string &path) {
  const size_t slash = path.rfind('/');
  shown_ = vrfy_safe(path);
  name_ = slash == path.npos ? path : path.substr(slash + 1);
  const std::string dir = slash == path.npos ? "." : path.substr(0, slash + 1);
  dir_.reset(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir_) return failed("its directory cannot be opened", errno);
  if (name_.empty() || name_ == "." || name_ == "..") return failed("names no file", EISDIR);
  return true;
}

bool list_file::read(list_counts &counts) {
  file_.reset(openat(dir_.get(), name_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file_ && errno == ENOENT) return true;
  if (!file_) return failed("cannot be opened" + std::string(errno == ELOOP ? " (name the file itself, not a link)" : ""), errno);
  if (fstat(file_.get(), &status_) == -1) return failed("cannot be looked at", errno);
  if (!S_ISREG(status_.st_mode)) return failed("is no regular file", EINVAL);
  there_ = true;
  cdb old;
  old.adopt(unique_fd(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)));
  int error = 0;
  const Look look = old.each(
      [&](std::string_view key, std::string_view) {
        const std::string_view domain = list_domain_of(key);
        const auto known = counts.find(domain);
        known == counts.end() ? counts[std::string(domain)] = 1 : ++known->second;
        return true;
      },
      error);
  if (look == Look::found) return true;
  vrfy_say(shown_ + ": what is there is not replaced: " +
           (error == CDB_DAMAGED ? "it is no database, or a damaged one; move it away, if it is not needed"
                                 : strerror(error)));
  return false;
}

// Opens the temporary file, empty and locked. One that a crash has left is taken.
bool list_file::take_temporary() {
  const std::string name = name_ + ".tmp";
  temporary_.reset(
      openat(dir_.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
  if (!temporary_) return failed("the file beside it, .tmp, cannot be opened", errno);
  struct stat own, there;
  if (fstat(temporary_.get(), &own) == -1) return failed("the file beside it, .tmp, cannot be looked at", errno);
  if (!S_ISREG(own.st_mode) || own.st_nlink != 1 || own.st_uid != geteuid())
    return failed("the file beside it, .tmp, is none of this program's", EEXIST);
  if (flock(temporary_.get(), LOCK_EX | LOCK_NB) == -1) return failed("another process writes it", errno);
  // whoever had the lock may have renamed it meanwhile
  if (stat_at(dir_, name, there) != 0 || !same(own, there)) return failed("another process has written it", EAGAIN);
  return ftruncate(temporary_.get(), 0) == 0 || failed("the file beside it, .tmp, cannot be made empty", errno);
}

bool list_file::write_temporary(const list_names &keys) {
  const int fd = temporary_.get();
  // the owner first: a change of it may take mode bits away
  if (there_ && (status_.st_uid != geteuid() || status_.st_gid != getegid()) &&
      fchown(fd, status_.st_uid, status_.st_gid) == -1)
    return failed("its owner cannot be given to the new one", errno);
  if (fchmod(fd, there_ ? status_.st_mode & 07777 : NEW_MODE) == -1) return failed("cannot have its mode", errno);
  cdb_make make(fd);
  int error = 0;
  for (size_t i = 0; i < keys.size() && !error; ++i) error = make.add(keys[i], {});
  if (!error) error = make.finish();
  if (!error && fsync(fd) == -1) error = errno;
  if (!error) return true;
  return failed(error == EFBIG ? "more than a database can hold" : "cannot be written", error);
}

bool list_file::write(const list_names &keys) {
  const std::string name = name_ + ".tmp";
  if (!take_temporary()) return false;
  struct stat now;
  const int error = stat_at(dir_, name_, now);
  bool good = write_temporary(keys);
  // what it was compared with has to be what is replaced
  if (good && (there_ ? error || !same(now, status_) || now.st_size != status_.st_size : error != ENOENT))
    good = failed("another process has changed it", EAGAIN);
  if (good && renameat(dir_.get(), name.c_str(), dir_.get(), name_.c_str()) == -1)
    good = failed("cannot be replaced", errno);
  if (!good) {
    unlinkat(dir_.get(), name.c_str(), 0);
    return false;
  }
  return fsync(dir_.get()) == 0 || failed("is replaced, but perhaps not yet on disk", errno);
}
