// asuser.cpp - see asuser.h.

#include "asuser.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "qmail-verify.h"
#include "qmail/fd.h"

namespace {

// ---- identity

// The kernel gives each thread ids of its own. setegid(3) and its like change those of all
// threads, one after the other; these calls change the calling thread's alone.
#ifdef SYS_setresuid32
constexpr long SET_UIDS = SYS_setresuid32, SET_GIDS = SYS_setresgid32, SET_GROUPS = SYS_setgroups32;
#else
constexpr long SET_UIDS = SYS_setresuid, SET_GIDS = SYS_setresgid, SET_GROUPS = SYS_setgroups;
#endif

bool set_uid(uid_t uid) { return syscall(SET_UIDS, uid_t(-1), uid, uid_t(-1)) == 0; }
bool set_gid(gid_t gid) { return syscall(SET_GIDS, gid_t(-1), gid, gid_t(-1)) == 0; }
bool set_groups(const std::vector<gid_t> &groups) {
  return syscall(SET_GROUPS, groups.size(), groups.empty() ? nullptr : groups.data()) == 0;
}

// The effective ids of this thread, from its first look until it rests.
struct identity {
  bool away = false;    // it may have others than its own
  bool known = false;   // false: whatever they are, they are taken anew
  uid_t uid = 0;
  gid_t gid = 0;
  bool alone = false;   // there are no supplementary groups any more
  bool direct = true;   // from user to user without being root in between
  uid_t own_uid = 0;
  gid_t own_gid = 0;
  std::vector<gid_t> own_groups;
};
thread_local constinit identity now;

std::vector<gid_t> groups_now() {
  std::vector<gid_t> groups;
  for (int n = getgroups(0, nullptr); n > 0; n = getgroups(0, nullptr)) {
    groups.resize(static_cast<size_t>(n));
    if (getgroups(n, groups.data()) == n) return groups;
  }
  return {};
}

// Notes what ids the thread has of its own. False: it cannot have others.
bool leave() {
  if (now.away) return true;
  if (getuid() != 0) return false;
  now.own_groups = groups_now();
  now.uid = now.own_uid = geteuid();
  now.gid = now.own_gid = getegid();
  now.alone = now.own_groups.empty();
  now.known = now.away = true;
  return true;
}

bool be(uid_t uid, gid_t gid) {
  now.known = set_gid(gid) && set_uid(uid);
  now.uid = uid;
  now.gid = gid;
  return now.known;
}

bool be_root() {
  if (now.known && now.uid == 0) return true;
  // the user first: without root's id the group might not be had
  now.known = set_uid(0) && set_gid(now.own_gid);
  now.uid = 0;
  now.gid = now.own_gid;
  return now.known;
}

// Root's other groups are of no use, and no user's.
bool leave_groups() {
  now.alone = now.alone || (be_root() && set_groups({}));
  return now.alone;
}

// What could not be had back is tried again before the next look.
void come_back() {
  if (!now.away || !be_root()) return;
  if (!now.own_groups.empty() && now.alone && !set_groups(now.own_groups)) return;
  now.alone = false;
  if ((now.gid == now.own_gid || set_gid(now.own_gid)) && (now.own_uid == 0 || set_uid(now.own_uid))) now.away = false;
}

bool straight(uid_t uid, gid_t gid) {
  if (now.gid != gid && !set_gid(gid)) return false;
  now.gid = gid;
  if (!set_uid(uid)) return false;
  now.uid = uid;
  return true;
}

// Straight from one user to another where the right to change ids outlasts the change
// (rights.cpp), else by way of root.
bool change(uid_t uid, gid_t gid) {
  if (now.known && now.uid == uid && now.gid == gid) return true;
  if (now.known && now.direct && straight(uid, gid)) return true;
  now.direct = now.direct && now.uid == 0;  // root was refused for another reason
  return be_root() && be(uid, gid) && geteuid() == uid && getegid() == gid;
}

// 0, or errno.
int take(uid_t uid, gid_t gid) {
  // for setresuid and its like -1 means "leave it as it is"
  if (uid == static_cast<uid_t>(-1) || gid == static_cast<gid_t>(-1)) return EINVAL;
  if (uid == 0) return EPERM;  // no home is ever looked at with root's rights
  if (!leave()) return uid == geteuid() && gid == getegid() ? 0 : EPERM;
  errno = 0;
  if (leave_groups() && change(uid, gid)) return 0;
  const int error = errno ? errno : EPERM;
  now.known = false;
  return error;
}

// ---- looks

// All of a regular file. What its end is, its size tells: one read more is a call more.
int slurp(int fd, const struct stat &st, site_dotqmail &file) {
  char begin[4096];
  if (st.st_size < static_cast<off_t>(sizeof begin)) {
    const ssize_t n = read(fd, begin, sizeof begin);
    if (n == -1 && errno != EINTR) return errno;
    if (n > 0) file.content.assign(begin, static_cast<size_t>(n));
    if (n == st.st_size) return 0;
  }
  const int error = fd_slurp(fd, file.content, [&](auto) { return file.content.size() > QV_DOTQMAIL_MAX; });
  file.too_large = file.content.size() > QV_DOTQMAIL_MAX;
  if (file.too_large) file.content.resize(QV_DOTQMAIL_MAX);
  return error;
}

constexpr int READ = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

class visit final : public site_visit {
 public:
  visit(uid_t uid, gid_t gid, asuser_recent &recent, asuser_home &home, asuser_cdb &db, listings &all,
        const look_guard &guard, tally *counts)
      : guard_(guard),
        guarded_(guard),
        uid_(uid),
        gid_(gid),
        recent_(recent),
        home_(home),
        cdb_(db),
        listings_(all),
        tally_(counts) {}

  // "home/." rather than home: the dot asks for the right to search the home
  // itself, as chdir does, and mounts it where an automounter has to.
  int enter(const std::string &home) override {
    if (const int refused = guard_.look(home, uid_)) return refused;
    if (home_.known && home_.uid == uid_ && home_.gid == gid_ && home_.path == home) return 0;
    home_.known = false;
    home_.file_name.clear();
    home_.path = home;
    if (stat((home + "/.").c_str(), &home_.st) == -1) return errno;
    home_.uid = uid_;
    home_.gid = gid_;
    home_.names = listings_.of(uid_, gid_, home_.st, [&] { return ::open((home + "/.").c_str(), READ | O_DIRECTORY); });
    home_.known = true;
    return 0;
  }

  int mode(mode_t &mode) override {
    mode = home_.st.st_mode;
    return 0;
  }

  int open(const std::string &name, site_dotqmail &file) override {
    if (const int refused = look()) return refused;
    if (home_.names.absent(name)) {
      if (tally_) ++tally_->listing_absent;
      return ENOENT;
    }
    if (home_.file_name != name) {
      home_.file_name.clear();
      if (const int error = read_file(name, home_.file)) return error;
      home_.file_name = name;
    }
    file = home_.file;
    return 0;
  }

  int open_data(const std::string &path, unique_fd &fd) override {
    fd.reset();
    if (const int refused = look(path)) return refused;
    fd = open_below(path);
    struct stat st;
    if (!fd || fstat(fd.get(), &st) == -1) return errno;
    if (S_ISREG(st.st_mode)) return 0;
    fd.reset();
    return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  }

  int open_cdb(const std::string &path, cdb *&db) override {
    const std::string whole = path.starts_with('/') ? path : home_.path + "/" + path;
    if (!cdb_.known || cdb_.uid != uid_ || cdb_.gid != gid_ || cdb_.path != whole) {
      unique_fd fd;
      cdb_.known = false;
      if (const int error = open_data(path, fd)) return error;
      cdb_.db.adopt(std::move(fd));
      cdb_.uid = uid_;
      cdb_.gid = gid_;
      cdb_.path = whole;
      cdb_.known = true;
    } else if (const int refused = look(path)) {
      return refused;
    }
    db = &cdb_.db;
    return 0;
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
    return faccessat(directory(path), path.c_str(), W_OK, AT_EACCESS) == 0;
  }

  // "DIR/." rather than DIR: mounted where an automounter has to.
  int names(const std::string &dir, const std::function<bool(const std::string &name)> &each) override {
    if (const int refused = look(dir)) return refused;
    const std::unique_ptr<DIR, int (*)(DIR *)> entries(opendir((dir + "/.").c_str()), closedir);
    if (!entries) return errno;
    errno = 0;
    while (const dirent *entry = readdir(entries.get())) {
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !each(entry->d_name)) return 0;
      errno = 0;
    }
    return errno;
  }

  bool bare(const std::string &dir) override {
    bool none = true;
    const int error = names(dir, [&](const std::string &) { return none = false; });
    return error ? error == ENOENT : none;
  }

 private:
  Runs runs_now(const std::string &path) {
    struct stat st;
    if (fstatat(directory(path), path.c_str(), &st, 0) == -1 || !S_ISREG(st.st_mode)) return Runs::nothing;
    if (faccessat(directory(path), path.c_str(), X_OK, AT_EACCESS) == -1) return Runs::nothing;
    const unique_fd fd(openat(directory(path), path.c_str(), READ));
    char begin[4];
    // one that may be run and not be read is no script: its interpreter could not read it
    if (fd && (read(fd.get(), begin, 4) != 4 || memcmp(begin, "\177ELF", 4) != 0)) return Runs::script;
    return st.st_uid == uid_ ? Runs::own : Runs::binary;
  }

  int read_file(const std::string &name, site_dotqmail &file) {
    const unique_fd fd = open_below(name);
    if (!fd) return errno;
    struct stat st;
    if (fstat(fd.get(), &st) == -1) return errno;
    file = {};
    file.mode = st.st_mode;
    return S_ISREG(st.st_mode) && !(st.st_mode & S_IWOTH) ? slurp(fd.get(), st, file) : 0;
  }

  int look() const { return guard_.look(home_.path, uid_); }
  int look(const std::string &path) const { return path.starts_with('/') ? guard_.look(path, uid_) : look(); }

  // Where a path begins: at the home, opened when first needed, unless it is absolute.
  int directory(const std::string &path) {
    if (!fd_ && !path.starts_with('/')) fd_.reset(::open((home_.path + "/.").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return fd_.get();
  }

  // One call, rather than one for the home and one for what is in it, as long as the
  // path can be written in one piece.
  unique_fd open_below(const std::string &path) {
    const bool one_piece = !path.empty() && !path.starts_with('/') && home_.path.size() + path.size() + 1 < PATH_MAX;
    if (one_piece && !fd_) return unique_fd(::open((home_.path + "/" + path).c_str(), READ));
    const int from = directory(path);
    if (from == -1 && !path.starts_with('/')) return {};
    return unique_fd(openat(from, path.c_str(), READ));
  }

  const look_guard &guard_;
  const look_guarded guarded_;
  const uid_t uid_;
  const gid_t gid_;
  asuser_recent &recent_;
  asuser_home &home_;
  asuser_cdb &cdb_;
  listings &listings_;
  tally *const tally_;
  unique_fd fd_;  // of the home
};

}  // namespace

template <class Look>
int asuser_recent::get(char kind, uid_t uid, gid_t gid, const std::string &path, Look look) {
  if (path.empty() || path.front() != '/' || path.size() > PATH_SEEN_MAX) return look();
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
  if (ts.tv_sec != since_ || seen_.size() >= SEEN_MAX) seen_.clear();
  since_ = ts.tv_sec;
  const auto known = seen_.find(asked(kind, uid, gid, path));
  if (known != seen_.end()) return known->second;
  const int says = look();
  seen_.emplace(what{kind, uid, gid, path}, says);
  return says;
}

void asuser::begin() {
  home_.known = owned_.known = cdb_.known = false;
  cdb_.db.adopt({});
}

void asuser::rest() {
  begin();
  come_back();
}

bool asuser::root() { return leave() && be_root(); }

bool asuser::itself_only() { return !now.away && getuid() != 0; }

std::unique_ptr<site_visit> asuser::become(uid_t uid, gid_t gid, int &error) {
  error = take(uid, gid);
  if (error != 0) return nullptr;
  return std::make_unique<visit>(uid, gid, recent_, home_, cdb_, listings_, guard_, tally_);
}

int asuser::owner(uid_t uid, gid_t gid, int dir, const std::string &path, uid_t &owner, bool &become_failed) {
  const look_guarded guarded(guard_);
  become_failed = false;
  if (const int refused = guard_.look(path, uid)) return refused;
  if (!owned_.known || owned_.uid != uid || owned_.gid != gid || owned_.path != path) {
    owned_.known = false;
    const int error = take(uid, gid);
    become_failed = error != 0;
    if (become_failed) return error;
    if (fstatat(dir, path.c_str(), &owned_.st, 0) == -1) return errno;
    owned_.uid = uid;
    owned_.gid = gid;
    owned_.path = path;
    owned_.known = true;
  }
  owner = owned_.st.st_uid;
  return 0;
}
