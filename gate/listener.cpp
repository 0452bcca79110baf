// listener.cpp - see listener.h.

#include "listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "log.h"
#include "qmail/prefix.h"

namespace {

constexpr int BACKLOG = 1024;

bool is_path(const gate_place &place) { return place.at.addr.ss_family == AF_UNIX; }

// 0, or errno.
int open_tcp(const gate_place &place, unique_fd &fd) {
  const int on = 1, family = place.at.addr.ss_family;
  fd.reset(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  // one that has just ended leaves connections behind that still wait for their end
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool alone = family != AF_INET6 || setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
  const bool good = alone && bind(fd.get(), reinterpret_cast<const sockaddr *>(&place.at.addr), place.at.len) == 0 &&
                    listen(fd.get(), BACKLOG) == 0;
  return good ? 0 : errno;
}

std::string open_path(const gate_place &place, mode_t mode, local_path &made, std::vector<std::string> &warnings) {
  std::string why = local_path_open(place.at, SOCK_STREAM, {static_cast<gid_t>(-1), mode}, "the command line", made);
  if (!why.empty()) return why;
  if (const std::string dir = local_path_open_to_others(made.path); !dir.empty())
    warnings.push_back(place.text + ": others than root and this program's user can write in " + gate_safe(dir) +
                       ", and could answer in its place; use a directory that they cannot write");
  return "";
}

}  // namespace

std::string gate_listen(const std::vector<gate_place> &places, mode_t mode, std::vector<gate_listener> &listeners,
                        std::vector<std::string> &warnings) {
  for (const gate_place &place : places) {
    gate_listener &one = listeners.emplace_back();
    one.place = place;
    std::string why;
    if (is_path(place))
      why = open_path(place, mode, one.socket, warnings);
    else if (const int error = open_tcp(place, one.socket.fd))
      why = strerror(error);
    if (!why.empty()) return place.text + ": cannot listen there: " + why;
    if (!is_path(place) && !ip_is_loopback(ip_of(place.at.addr)))
      warnings.push_back(place.text + ": whoever reaches this address can try out names; keep strangers away from it");
  }
  return "";
}

void gate_listen_end(const std::vector<gate_listener> &listeners) {
  for (const gate_listener &one : listeners) local_path_unlink(one.socket);
}
