// listen.cpp - see listen.h.

#include "listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "logbits.h"
#include "qmail-verify.h"

namespace {

constexpr int RECEIVE_BUFFER = 4 << 20;
enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111 };

// ---- sentences

std::string shown(std::string_view bytes) {
  log_line line;
  log_begin(&line);
  log_putsafe(&line, bytes.data(), bytes.size());
  return std::string(line.text, line.len);
}

std::string shown(const udp_endpoint &ep) {
  char text[UDP_TEXT_MAX];
  udp_format(&ep, text);
  return shown(text);
}

bool usage(listen_trouble &trouble, std::string_view item, const std::string &why) {
  trouble = {"LISTEN=" + shown(item) + ": " + why, EXIT_USAGE};
  return false;
}

bool refused(listen_trouble &trouble, const udp_endpoint &ep, const std::string &why) {
  trouble = {"cannot listen on " + shown(ep) + ": " + why, EXIT_TROUBLE};
  return false;
}

bool failed(listen_trouble &trouble, const udp_endpoint &ep, int error) {
  return refused(trouble, ep, strerror(error));
}

// ---- LISTEN

std::string_view trim(std::string_view s) {
  const size_t begin = std::min(s.find_first_not_of(" \t"), s.size());
  return s.substr(begin, s.find_last_not_of(" \t") + 1 - begin);
}

bool is_path(const udp_endpoint &ep) { return ep.addr.ss_family == AF_UNIX; }

bool is_any(const ip_address &ip) { return ip == ip_address{{}, ip.size}; }

// Would both hear the same datagrams, or stand at the same path?
bool clash(const udp_endpoint &a, const udp_endpoint &b) {
  if (a.addr.ss_family != b.addr.ss_family) return false;
  if (is_path(a)) return shown(a) == shown(b);
  const ip_address x = ip_of(a.addr), y = ip_of(b.addr);
  return udp_port(&a) == udp_port(&b) && (x == y || is_any(x) || is_any(y));
}

bool read_item(std::string_view item, udp_endpoint &ep, listen_trouble &trouble) {
  const char *why;
  if (udp_parse(item.data(), item.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why) == 0) return true;
  return usage(trouble, item, std::string(why) +
               "; set it to ip, ip:port, :port, [ipv6]:port or /path, or several of them with commas between");
}

// All of LISTEN, read before anything is opened.
bool read_all(std::string_view text, std::vector<udp_endpoint> &all, listen_trouble &trouble) {
  std::string_view rest = text;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view item = trim(rest.substr(0, comma));
    udp_endpoint ep;
    more = comma != rest.npos;
    if (item.empty() && (more || !all.empty())) return usage(trouble, text, "nothing stands before or behind a comma; take it out");
    if (!read_item(item, ep, trouble)) return false;
    for (const udp_endpoint &other : all)
      if (clash(ep, other))
        return usage(trouble, item, "this is " + shown(ep) + ", and " + shown(other) +
                     " stands before it and is the same, or has it within; take one of them out");
    all.push_back(ep);
    rest.remove_prefix(more ? comma + 1 : rest.size());
  }
  return true;
}

// ---- UDP

// Datagrams that came before this is set (between bind and here) are answered from
// the address that the system chooses.
bool want_local_address(int fd, int family) {
  const int on = 1;
  return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0
                            : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0;
}

// Room for those who ask while all workers are busy. More than net.core.rmem_max
// takes a privilege.
void enlarge(int fd) {
  const int size = RECEIVE_BUFFER;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == -1)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

template <class Info>
void keep_local(listen_asker &asker, const Info &info) {
  static_assert(sizeof info <= sizeof asker.local);
  memcpy(asker.local, &info, sizeof info);
  asker.local_size = sizeof info;
}

// IPv4: ipi_spec_dst is ours also where the datagram went to a broadcast address. The
// interface is left to the routes, as for every other answer of this host.
void note_local4(listen_asker &asker, const cmsghdr *c) {
  in_pktinfo info;
  memcpy(&info, CMSG_DATA(c), sizeof info);
  info.ipi_ifindex = 0;
  if (info.ipi_spec_dst.s_addr) keep_local(asker, info);
}

// IPv6: a link-local address means something on its interface only.
void note_local6(listen_asker &asker, const cmsghdr *c) {
  in6_pktinfo info;
  memcpy(&info, CMSG_DATA(c), sizeof info);
  if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) return;
  if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
  keep_local(asker, info);
}

union control_buffer {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo))];
};

void note_local(listen_asker &asker, msghdr &message) {
  for (cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) note_local4(asker, c);
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) note_local6(asker, c);
  }
}

void put_local(const listen_asker &asker, msghdr &message, control_buffer &control) {
  const bool v6 = asker.from.addr.ss_family == AF_INET6;
  if (asker.local_size != (v6 ? sizeof(in6_pktinfo) : sizeof(in_pktinfo))) return;
  memset(&control, 0, sizeof control);
  message.msg_control = &control;
  message.msg_controllen = CMSG_SPACE(asker.local_size);
  cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  c->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
  c->cmsg_len = CMSG_LEN(asker.local_size);
  memcpy(CMSG_DATA(c), asker.local, asker.local_size);
}

}  // namespace

bool listen_sockets::open(std::string_view text, const listen_owner &owner, listen_trouble &trouble) {
  if (open_all(text, owner, trouble)) return true;
  unlink_paths();
  local_.clear();
  udp_.clear();
  warnings_.clear();
  return false;
}

bool listen_sockets::open_all(std::string_view text, const listen_owner &owner, listen_trouble &trouble) {
  std::vector<udp_endpoint> all;
  if (!read_all(text, all, trouble)) return false;
  return std::all_of(all.begin(), all.end(), [&](const udp_endpoint &ep) { return open_one(ep, owner, trouble); });
}

bool listen_sockets::open_one(const udp_endpoint &ep, const listen_owner &owner, listen_trouble &trouble) {
  return is_path(ep) ? open_local(ep, owner, trouble) : open_udp(ep, trouble);
}

bool listen_sockets::open_udp(const udp_endpoint &ep, listen_trouble &trouble) {
  listen_udp udp{unique_fd(bind_udp(&ep)), ep, ip_is_loopback(ip_of(ep.addr))};
  // one that is bound to an address answers from there anyway
  const bool all = is_any(ip_of(ep.addr));
  if (!udp.fd || (all && !want_local_address(udp.fd.get(), ep.addr.ss_family))) return failed(trouble, ep, errno);
  enlarge(udp.fd.get());
  udp_.push_back(std::move(udp));
  return true;
}

bool listen_sockets::open_local(const udp_endpoint &ep, const listen_owner &owner, listen_trouble &trouble) {
  const std::string why = local_path_open(ep, SOCK_SEQPACKET, owner, "LISTEN", local_.emplace_back());
  if (!why.empty()) return refused(trouble, ep, why);
  const std::string &path = local_.back().path;
  if (const std::string dir = local_path_open_to_others(path); !dir.empty())
    warnings_.push_back("LISTEN=" + shown(path) + ": others than root can write in " + shown(dir) +
                        ", and could answer in our place; use a directory that root alone can write, as are those above it");
  return true;
}

bool listen_sockets::own_port(unsigned port) const {
  return std::any_of(udp_.begin(), udp_.end(), [&](const listen_udp &u) { return udp_port(&u.own) == port; });
}

int listen_sockets::receive(unsigned i, const listen_place *places, unsigned n) const {
  static control_buffer control[TOGETHER_MAX];
  static sockaddr_storage from[TOGETHER_MAX];
  iovec parts[TOGETHER_MAX][2];
  mmsghdr messages[TOGETHER_MAX];
  n = std::min(n, TOGETHER_MAX);
  for (unsigned k = 0; k < n; ++k) {
    parts[k][0] = {places[k].bytes, places[k].room};
    parts[k][1] = {places[k].more, places[k].more_room};
    messages[k] = {{&from[k], sizeof from[k], parts[k], 2, &control[k], sizeof control[k], 0}, 0};
  }
  int got;
  do got = recvmmsg(udp_[i].fd.get(), messages, n, MSG_DONTWAIT, nullptr);
  while (got == -1 && errno == EINTR);
  for (int k = 0; k < got; ++k) {
    const listen_place &place = places[k];
    msghdr &message = messages[k].msg_hdr;
    *place.len = messages[k].msg_len;
    *place.asker = {};
    place.asker->socket = i;
    place.asker->from.len = message.msg_namelen;
    memcpy(&place.asker->from.addr, &from[k], std::min<size_t>(message.msg_namelen, sizeof from[k]));
    note_local(*place.asker, message);
  }
  return got;
}

int listen_sockets::answer(const listen_asker &asker, const void *buf, size_t len) const {
  const listen_reply one{&asker, static_cast<const char *>(buf), len};
  listen_asker to;
  return answer(&one, 1, to);
}

int listen_sockets::answer(const listen_reply *replies, unsigned n, listen_asker &to) const {
  static control_buffer control[TOGETHER_MAX];
  iovec bytes[TOGETHER_MAX];
  mmsghdr messages[TOGETHER_MAX];
  n = std::min(n, TOGETHER_MAX);
  for (unsigned k = 0; k < n; ++k) {
    const listen_asker &asker = *replies[k].asker;
    bytes[k] = {const_cast<char *>(replies[k].bytes), replies[k].len};
    messages[k] = {{const_cast<sockaddr_storage *>(&asker.from.addr), asker.from.len, &bytes[k], 1, nullptr, 0, 0}, 0};
    put_local(asker, messages[k].msg_hdr, control[k]);
  }
  int error = 0;
  for (unsigned sent = 0; sent < n;) {
    const int done = sendmmsg(udp_[replies[0].asker->socket].fd.get(), messages + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) {
      sent += static_cast<unsigned>(done);
    } else if (errno != EINTR) {  // that of the first one: the others are sent all the same
      error = errno;
      to = *replies[sent++].asker;
    }
  }
  return error;
}

void listen_sockets::unlink_paths() {
  for (const listen_local &local : local_) local_path_unlink(local);
}
