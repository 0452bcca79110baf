// asuser.cpp - see asuser.h.

#include "asuser.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "qmail-verify.h"
#include "qmail/fd.h"

namespace {

// The rights to change ids. Called before each change too: should a change back
// ever have failed, it is made up for here before anything else is looked at.
bool regain() { return geteuid() == 0 || seteuid(0) == 0; }

// Effective root with no other group than root's.
void be_root() {
  const gid_t root = 0;
  if (regain() && setegid(0) == 0) setgroups(1, &root);
}

class identity {
 public:
  identity(uid_t uid, gid_t gid) : error_(take(uid, gid)) {}
  identity(const identity &) = delete;
  identity &operator=(const identity &) = delete;
  ~identity() {
    if (changed_) be_root();
  }
  int error() const { return error_; }

 private:
  int take(uid_t uid, gid_t gid) {
    // for setresuid and its like -1 means "leave it as it is"
    if (uid == static_cast<uid_t>(-1) || gid == static_cast<gid_t>(-1)) return EINVAL;
    if (uid == 0) return EPERM;  // no home is ever looked at with root's rights
    if (getuid() != 0) return uid == geteuid() && gid == getegid() ? 0 : EPERM;
    changed_ = true;
    if (!regain() || setgroups(1, &gid) == -1 || setegid(gid) == -1 || seteuid(uid) == -1) return errno;
    return geteuid() == uid && getegid() == gid ? 0 : EPERM;
  }
  bool changed_ = false;
  int error_;
};

int slurp(int fd, site_dotqmail &file) {
  const int error = fd_slurp(fd, file.content, [&](auto) { return file.content.size() > QV_DOTQMAIL_MAX; });
  file.too_large = file.content.size() > QV_DOTQMAIL_MAX;
  if (file.too_large) file.content.resize(QV_DOTQMAIL_MAX);
  return error;
}

class visit final : public site_visit {
 public:
  visit(uid_t uid, gid_t gid, asuser_recent &recent, const look_guard &guard)
      : guard_(guard), guarded_(guard), identity_(uid, gid), uid_(uid), gid_(gid), recent_(recent) {}
  int error() const { return identity_.error(); }

  // "home/." rather than home: the dot asks for the right to search the home
  // itself, as chdir does, and mounts it where an automounter has to.
  int enter(const std::string &home) override {
    home_path_ = home;
    if (const int refused = look()) return refused;
    home_.reset(::open((home + "/.").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return home_ ? 0 : errno;
  }

  int mode(mode_t &mode) override {
    struct stat st;
    if (const int refused = look()) return refused;
    if (fstat(home_.get(), &st) == -1) return errno;
    mode = st.st_mode;
    return 0;
  }

  int open(const std::string &name, site_dotqmail &file) override {
    if (const int refused = look()) return refused;
    unique_fd fd(openat(home_.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return errno;
    struct stat st;
    if (fstat(fd.get(), &st) == -1) return errno;
    file = {};
    file.mode = st.st_mode;
    return S_ISREG(st.st_mode) && !(st.st_mode & S_IWOTH) ? slurp(fd.get(), file) : 0;
  }

  int open_data(const std::string &path, unique_fd &fd) override {
    fd.reset();
    if (const int refused = look(path)) return refused;
    fd.reset(openat(home_.get(), path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat st;
    if (!fd || fstat(fd.get(), &st) == -1) return errno;
    if (S_ISREG(st.st_mode)) return 0;
    fd.reset();
    return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  }

  // A look that is refused is not remembered.
  Runs runs(const std::string &path) override {
    if (look(path) != 0) return Runs::script;
    return static_cast<Runs>(
        recent_.get('x', uid_, gid_, path, [&] { return static_cast<int>(runs_now(path)); }));
  }

  bool present(const std::string &path) override {
    if (look(path) != 0) return true;
    return recent_.get('p', uid_, gid_, path, [&] {
      struct stat st;
      return stat(path.c_str(), &st) == 0 || !site_absent(errno);
    });
  }

  bool writable(const std::string &path) override {
    if (look(path) != 0) return true;
    return faccessat(home_.get(), path.c_str(), W_OK, AT_EACCESS) == 0;
  }

  bool bare(const std::string &dir) override {
    if (look(dir) != 0) return false;
    const std::unique_ptr<DIR, int (*)(DIR *)> entries(opendir(dir.c_str()), closedir);
    if (!entries) return errno == ENOENT;
    errno = 0;
    while (const dirent *entry = readdir(entries.get()))
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return false;
    return errno == 0;
  }

 private:
  Runs runs_now(const std::string &path) const {
    struct stat st;
    if (fstatat(home_.get(), path.c_str(), &st, 0) == -1 || !S_ISREG(st.st_mode)) return Runs::nothing;
    if (faccessat(home_.get(), path.c_str(), X_OK, AT_EACCESS) == -1) return Runs::nothing;
    const unique_fd fd(openat(home_.get(), path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    char begin[4];
    // one that may be run and not be read is no script: its interpreter could not read it
    if (fd && (read(fd.get(), begin, 4) != 4 || memcmp(begin, "\177ELF", 4) != 0)) return Runs::script;
    return st.st_uid == uid_ ? Runs::own : Runs::binary;
  }

  int look() const { return guard_.look(home_path_, uid_); }
  int look(const std::string &path) const { return path.starts_with('/') ? guard_.look(path, uid_) : look(); }

  const look_guard &guard_;
  const look_guarded guarded_;  // done when the identity has been given up
  identity identity_;
  std::string home_path_;
  const uid_t uid_;
  const gid_t gid_;
  asuser_recent &recent_;
  unique_fd home_;
};

}  // namespace

template <class Look>
int asuser_recent::get(char kind, uid_t uid, gid_t gid, const std::string &path, Look look) {
  if (path.empty() || path.front() != '/' || path.size() > PATH_SEEN_MAX) return look();
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec != since_ || seen_.size() >= SEEN_MAX) seen_.clear();
  since_ = now.tv_sec;
  const auto [at, fresh] = seen_.try_emplace(kind + std::to_string(uid) + ' ' + std::to_string(gid) + path);
  if (fresh) at->second = look();
  return at->second;
}

std::unique_ptr<site_visit> asuser_become(uid_t uid, gid_t gid, asuser_recent &recent, const look_guard &guard,
                                          int &error) {
  auto v = std::make_unique<visit>(uid, gid, recent, guard);
  error = v->error();
  if (error != 0) return nullptr;
  return v;
}

int asuser_owner(uid_t uid, gid_t gid, const std::string &path, const look_guard &guard, uid_t &owner,
                 bool &become_failed) {
  const look_guarded guarded(guard);
  become_failed = false;
  if (const int refused = guard.look(path, uid)) return refused;
  identity who(uid, gid);
  become_failed = who.error() != 0;
  if (become_failed) return who.error();
  struct stat st;
  if (stat(path.c_str(), &st) == -1) return errno;
  owner = st.st_uid;
  return 0;
}
