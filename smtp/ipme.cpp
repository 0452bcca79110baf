// ipme.cpp - see ipme.h.

#include "ipme.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "qmail/fd.h"

namespace {

// The list does not tell that it was cut: one that leaves room is whole.
constexpr size_t FIRST_GUESS = 32, LAST_GUESS = 65536;

bool list(int socket, std::vector<ifreq> &interfaces) {
  for (size_t guess = FIRST_GUESS; guess <= LAST_GUESS; guess *= 2) {
    interfaces.resize(guess);
    ifconf conf{};
    conf.ifc_len = static_cast<int>(guess * sizeof(ifreq));
    conf.ifc_req = interfaces.data();
    if (ioctl(socket, SIOCGIFCONF, &conf) == -1) return false;
    const size_t count = static_cast<size_t>(conf.ifc_len) / sizeof(ifreq);
    if (count == guess) continue;
    interfaces.resize(count);
    return true;
  }
  return false;
}

}  // namespace

bool ipme::read() {
  own_.assign(1, ipme_address{0, 0, 0, 0});
  const unique_fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::vector<ifreq> interfaces;
  if (!socket || !list(socket.get(), interfaces)) return false;
  for (const ifreq &one : interfaces) add_interface(socket.get(), one.ifr_name);
  return true;
}

void ipme::add_interface(int socket, const char *name) {
  ifreq ask{};
  memcpy(ask.ifr_name, name, sizeof ask.ifr_name);
  if (ioctl(socket, SIOCGIFFLAGS, &ask) == -1 || !(ask.ifr_flags & IFF_UP)) return;
  memset(&ask.ifr_ifru, 0, sizeof ask.ifr_ifru);
  if (ioctl(socket, SIOCGIFADDR, &ask) == -1 || ask.ifr_addr.sa_family != AF_INET) return;
  sockaddr_in in;
  memcpy(&in, &ask.ifr_addr, sizeof in);
  ipme_address ip;
  memcpy(ip.data(), &in.sin_addr, ip.size());
  add(ip);
}

bool ipme::has(ipme_address ip) const { return std::find(own_.begin(), own_.end(), ip) != own_.end(); }
