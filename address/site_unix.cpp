// site_unix.cpp - see site_unix.h.

#include "site_unix.h"

#include <cerrno>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace {

// A passwd or group entry of more than this is damage.
constexpr size_t ENTRY_MAX = size_t{1} << 20;

// Calls one of the get..nam_r functions with a buffer that is large enough.
// POSIX and getpwnam(3): 0 and a null result is "no such name"; that manual also
// lists ENOENT, ESRCH and others for it, but modules return those when their
// server is away, so that they are failures here.
template <class Entry, class Call, class Copy>
Look lookup(Call call, Copy copy, int &error) {
  Entry entry, *result = nullptr;
  std::vector<char> buf(1024);
  for (;;) {
    error = call(&entry, buf.data(), buf.size(), &result);
    if (error == EINTR) continue;
    if (error != ERANGE || buf.size() >= ENTRY_MAX) break;
    buf.resize(buf.size() * 4);
  }
  if (error != 0) return Look::failed;
  if (!result) return Look::absent;
  copy(entry);
  return Look::found;
}

Look ask_passwd(const std::string &name, site_passwd &entry, int &error) {
  return lookup<struct passwd>(
      [&](auto... to) { return getpwnam_r(name.c_str(), to...); },
      [&](const struct passwd &pw) { entry = {pw.pw_name, pw.pw_uid, pw.pw_gid, pw.pw_dir}; }, error);
}

// Whom getpwnam_r asks from now on; told of changes alone, for glibc before 2.33 keeps all
// that it has been told. False: errno.
bool sources_set(const std::string &line) {
  static std::string now;
  if (now == line) return true;
  if (__nss_configure_lookup("passwd", line.c_str()) == -1) return false;
  now = line;
  return true;
}

time_t now_seconds() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
  return ts.tv_sec;
}

}  // namespace

// EACCES and EPERM are missing on purpose: qmail-local defers on them.
bool site_absent(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:   // a socket, or a fifo or device without its other side
    case ENODEV:
      return true;
    default:
      return false;
  }
}

control_text site_unix::control(const char *name) {
  return control_slurp((std::string("control/") + name).c_str(), from());
}

site_stamp site_unix::control_stamp(const char *name) {
  struct stat st;
  if (fstatat(from(), (std::string("control/") + name).c_str(), &st, 0) == 0) return site_stamp_of(st);
  site_stamp stamp;
  stamp.error = errno;
  return stamp;
}

void site_unix::begin() {
  asuser_.begin();
  cdb_seen_ = false;
  index_.fresh();
}

Look site_unix::users_cdb(const cdb *&db, int &error) {
  struct stat st;
  if (!cdb_seen_ && !(fstatat(from(), "users/cdb", &st, 0) == 0 && cdb_.same_file(st))) {
    asuser_.root();
    cdb_look_ = cdb_.open("users/cdb", cdb_error_, from());
    if (cdb_look_ == Look::found && map_) cdb_.map();
  }
  cdb_seen_ = true;
  db = &cdb_;
  error = cdb_error_;
  return cdb_look_;
}

Look site_unix::passwd(const std::string &name, site_passwd &entry, int &error) {
  passwd_says says = index_.find(name, entry);
  if (says == passwd_says::ask && index_.denied() && asuser_.root()) {
    index_.fresh();
    says = index_.find(name, entry);
  }
  if (says != passwd_says::ask) {
    ++tally_.passwd_index;
    return says == passwd_says::found ? Look::found : Look::absent;
  }
  return elsewhere(name, entry, error);
}

// A miss counts only where no source failed that glibc passed over.
Look site_unix::ask_sources(const std::string &name, site_passwd &entry, int &error) {
  const nsswitch_chain &chain = index_.chain();
  if (!each_source_ || chain.whole.empty()) return ask_passwd(name, entry, error);
  auto ask = [&](const std::string &line) {
    if (sources_set(line)) return ask_passwd(name, entry, error);
    error = errno;
    return Look::failed;
  };
  Look look = ask(chain.whole);
  for (auto line = chain.alone.begin(); look == Look::absent && line != chain.alone.end(); ++line)
    if (*line != "files" || !index_.known()) look = ask(*line);
  if (sources_set(chain.whole)) return look;
  error = errno;
  return Look::failed;
}

// Both answers are good for a second; a failure is none.
Look site_unix::elsewhere(const std::string &name, site_passwd &entry, int &error) {
  if (const time_t now = now_seconds(); now != asked_since_ || asked_.size() >= ASKED_MAX) {
    asked_.clear();
    asked_since_ = now;
  }
  if (const auto known = asked_.find(name); known != asked_.end()) {
    ++tally_.passwd_kept;
    if (known->second) entry = *known->second;
    return known->second ? Look::found : Look::absent;
  }
  const look_guarded guarded(guard_);
  if ((error = guard_.look(ADDRESS_PASSWD, 0))) return Look::failed;
  ++tally_.passwd_asked;
  asuser_.root();
  const Look look = ask_sources(name, entry, error);
  if (look != Look::failed) asked_[name] = look == Look::found ? std::optional(entry) : std::nullopt;
  return look;
}

Look site_unix::group(const std::string &name, gid_t &gid, int &error) {
  const look_guarded guarded(guard_);
  if ((error = guard_.look(ADDRESS_GROUP, 0))) return Look::failed;
  asuser_.root();
  return lookup<struct group>(
      [&](auto... to) { return getgrnam_r(name.c_str(), to...); }, [&](const struct group &gr) { gid = gr.gr_gid; },
      error);
}

// netqmail has these two numbers compiled in; here the names are, and a host
// without them cannot be judged by passwd.
Look site_unix::getpw_identity(int &error) {
  const time_t now = now_seconds();
  if (getpw_known_ == now) return Look::found;
  site_passwd entry;
  Look look = passwd(qmailp_, entry, error);
  if (look == Look::found) look = group(nofiles_, getpw_gid_, error);
  if (look == Look::absent) error = ENOENT;
  if (look != Look::found) return Look::failed;
  getpw_uid_ = entry.uid;
  getpw_known_ = now;
  return Look::found;
}

Look site_unix::home_owner(const site_passwd &entry, uid_t &owner, int &error) {
  uid_t uid = 0;
  gid_t gid = 0;
  if (!asuser::itself_only()) {
    if (getpw_identity(error) != Look::found) return Look::failed;
    uid = getpw_uid_;
    gid = getpw_gid_;
  } else if (uid = geteuid(), entry.uid != uid) {
    error = EPERM;
    return Look::failed;
  } else {
    gid = getegid();
  }
  bool become_failed = false;
  error = asuser_.owner(uid, gid, from(), entry.home, owner, become_failed);
  if (error == 0) return Look::found;
  const bool passed_over = !become_failed && (site_absent(error) || error == EACCES || error == EPERM);
  return passed_over ? Look::absent : Look::failed;
}

std::unique_ptr<site_visit> site_unix::become(uid_t uid, gid_t gid, int &error) {
  return asuser_.become(uid, gid, error);
}
