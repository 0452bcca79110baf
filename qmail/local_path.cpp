// local_path.cpp - see local_path.h.
//
// How a UNIX socket's path is made (unix(7) checks the path's mode at connect):
//
//   1. What stands there already is removed only if it is a socket that refuses
//      connections. A file, or a daemon that answers, is left alone.
//   2. It is bound under umask 0777: nobody but root could connect, and nobody is
//      answered, since it does not listen yet.
//   3. Owner and group, then the mode, then listen(2): at no time may somebody connect
//      who may not do so in the end.
//
// In a directory that root alone can write, nobody else can come between the steps.
// Where others can write, they can put a file of another in the new path's place, so
// the three calls are made on one descriptor of what stands there (O_PATH), and only
// if that is a socket as it was just made: root's, mode 0, with one name. What they can
// still do is take the path away and put a socket of their own there, which clients
// then ask: so such a directory is warned of.

#include "local_path.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace {

constexpr int BACKLOG = 1024;

// Can others than root and this process's user write here? The group bits are those
// of an access control list's mask, too, where there is one.
bool others_write(const struct stat &st) {
  return (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & S_IWOTH) ||
         ((st.st_mode & S_IWGRP) && st.st_gid != 0);
}

// Makes way for a socket at the path, or tells why it must not.
std::string make_way(const udp_endpoint &ep, const std::string &path, const std::string &other) {
  struct stat st;
  if (lstat(path.c_str(), &st) == -1) return errno == ENOENT ? "" : strerror(errno);
  if (!S_ISSOCK(st.st_mode)) return "something else than a socket is there; remove it, or " + other;
  // of whatever type the one there is: what nobody has opened any more refuses
  const unique_fd asked(connect_udp(&ep));
  if (asked || (errno != ECONNREFUSED && errno != ENOENT && errno != EACCES))
    return "another program listens there; stop it, or " + other;
  if (errno == EACCES)
    return "a socket is there, and this process may not see whether anybody listens; remove it if nobody does, or " + other;
  if (unlink(path.c_str()) == -1 && errno != ENOENT)
    return std::string("the socket there, on which nobody listens, cannot be removed: ") + strerror(errno);
  return "";
}

int bind_unreachable(int fd, const udp_endpoint &ep) {
  const mode_t before = umask(0777);
  const int error = bind(fd, reinterpret_cast<const sockaddr *>(&ep.addr), ep.len) == -1 ? errno : 0;
  umask(before);
  return error;
}

// fchmod(2) does not take an O_PATH descriptor; its name below /proc is the way.
int set_mode(int fd, const std::string &path, mode_t mode) {
  if (chmod(("/proc/self/fd/" + std::to_string(fd)).c_str(), mode) == 0) return 0;
  if (errno != ENOENT) return errno;
  return chmod(path.c_str(), mode) == -1 ? errno : 0;  // no /proc
}

// Gives the path that was just bound to its group. 0, or errno; ESTALE where something
// else stands there.
int hand_over(local_path &local, const local_owner &owner) {
  const unique_fd made(open(local.path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (!made || fstat(made.get(), &st) == -1) return errno;
  if (!S_ISSOCK(st.st_mode) || (st.st_mode & 07777) || st.st_uid != geteuid() || st.st_nlink != 1) return ESTALE;
  local.dev = st.st_dev;
  local.ino = st.st_ino;
  const bool own = owner.group == static_cast<gid_t>(-1);
  if (!own && fchownat(made.get(), "", geteuid(), owner.group, AT_EMPTY_PATH) == -1) return errno;
  return set_mode(made.get(), local.path, owner.mode);
}

bool still_ours(const local_path &local) {
  struct stat st;
  return lstat(local.path.c_str(), &st) == 0 && st.st_dev == local.dev && st.st_ino == local.ino;
}

}  // namespace

// Above the last one the sticky bit is enough.
std::string local_path_open_to_others(const std::string &path) {
  for (size_t slash = 0; slash != path.npos; slash = path.find('/', slash + 1)) {
    const std::string dir = path.substr(0, slash ? slash : 1);
    const bool last = path.find('/', slash + 1) == path.npos;
    struct stat st;
    if (stat(dir.c_str(), &st) == -1) return "";
    if (others_write(st) && (last || !(st.st_mode & S_ISVTX) || (st.st_uid != 0 && st.st_uid != geteuid()))) return dir;
  }
  return "";
}

std::string local_path_open(const udp_endpoint &ep, int type, const local_owner &owner, std::string_view named_in,
                            local_path &made) {
  char path[UDP_TEXT_MAX];
  udp_format(&ep, path);
  made.path = path;
  made.fd.reset(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.fd) return strerror(errno);
  const std::string other = "name another path in " + std::string(named_in);
  if (std::string why = make_way(ep, made.path, other); !why.empty()) return why;
  if (const int error = bind_unreachable(made.fd.get(), ep)) return strerror(error);

  const int error = hand_over(made, owner);
  if (error == ESTALE)
    return "another program has put something else there; name a path in a directory that root alone can write";
  if (error) return std::string("its group and mode cannot be set: ") + strerror(error);
  if (listen(made.fd.get(), BACKLOG) == -1) return strerror(errno);
  if (!still_ours(made)) return "another program has taken the path at the same moment";
  return "";
}

void local_path_unlink(const local_path &made) {
  if (made.ino && still_ours(made)) unlink(made.path.c_str());
}
