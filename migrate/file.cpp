// file.cpp - see file.h.

#include "file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "qmail/fd.h"

namespace {

std::string trouble(const std::string &what, int error = errno) { return what + ": " + strerror(error); }

bool same(const struct stat &a, const struct stat &b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

std::string folder_of(const std::string &target) {
  const size_t slash = target.rfind('/');
  return slash == 0 || slash == target.npos ? "/" : target.substr(0, slash);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// A file beside the one that it is to replace; gone again unless it has done so.
class replacement {
 public:
  explicit replacement(const std::string &target) : path_(target + ".XXXXXX") {}
  ~replacement() {
    if (made_) unlink(path_.c_str());
  }
  replacement(const replacement &) = delete;
  replacement &operator=(const replacement &) = delete;

  std::string write(const struct stat &like, std::string_view text) {
    fd_.reset(mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) return trouble("cannot make a file beside it");
    made_ = true;
    struct stat own;
    if (fstat(fd_.get(), &own) == -1) return trouble("cannot look at the new file");
    const bool given = own.st_uid == like.st_uid && own.st_gid == like.st_gid;
    if (!given && fchown(fd_.get(), like.st_uid, like.st_gid) == -1)
      return trouble("cannot give the new file the owner and group of the old one");
    if (fchmod(fd_.get(), like.st_mode & 07777) == -1)
      return trouble("cannot give the new file the mode of the old one");
    if (!write_all(fd_.get(), text) || fsync(fd_.get()) == -1) return trouble("cannot write the new file");
    return {};
  }

  std::string take_the_place_of(const std::string &target) {
    if (rename(path_.c_str(), target.c_str()) == -1) return trouble("cannot rename the new file");
    made_ = false;
    return {};
  }

 private:
  std::string path_;
  unique_fd fd_;
  bool made_ = false;
};

// A second name for the file, which never takes the place of another file.
std::string keep_old(const std::string &target, Backup &backup) {
  const int linked = link(target.c_str(), file_backup(target).c_str());
  backup = linked == 0 ? Backup::made : Backup::was_there;
  return linked == 0 || errno == EEXIST ? "" : trouble("cannot keep it as .before-verify");
}

// The new name is to be there after a crash, too. Where this cannot be had nothing is
// wrong with the file.
void write_through(const std::string &folder) {
  const unique_fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) fsync(fd.get());
}

}  // namespace

std::string file_backup(const std::string &target) { return target + ".before-verify"; }

std::string file_read_whole(const std::string &path, file_read &out) {
  char *const real = realpath(path.c_str(), nullptr);
  if (!real) return trouble("cannot be found");
  out.target = real;
  free(real);
  const unique_fd fd(open(out.target.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return trouble("cannot be opened");
  if (fstat(fd.get(), &out.seen) == -1) return trouble("cannot be looked at");
  if (!S_ISREG(out.seen.st_mode)) return "is no regular file: name the file itself";
  const int error = fd_slurp(fd.get(), out.text, [&](std::string_view) { return out.text.size() > FILE_MAX; });
  if (error) return trouble("cannot be read", error);
  return out.text.size() > FILE_MAX ? "is longer than 64 MiB" : "";
}

std::string file_replace(const file_read &old, std::string_view text, Backup &backup, Keep keep) {
  replacement fresh(old.target);
  std::string wrong = fresh.write(old.seen, text);
  if (!wrong.empty()) return wrong;
  struct stat now;
  if (stat(old.target.c_str(), &now) == -1) return trouble("cannot be looked at");
  if (!same(now, old.seen)) return "has changed meanwhile: run this again";
  if (keep == Keep::old_one) wrong = keep_old(old.target, backup);
  if (wrong.empty()) wrong = fresh.take_the_place_of(old.target);
  if (wrong.empty()) write_through(folder_of(old.target));
  return wrong;
}
