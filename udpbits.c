/* udpbits.c - endpoints: read them from text, bind them, connect to them;
   datagrams with their source.

   Promises: a text is read whole or refused with a reason, numbers are decimal
   (127.000.000.001 is 127.0.0.1, as ever in qmail), no name is looked up. */

#include "udpbits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(UDP_TEXT_MAX == sizeof((struct sockaddr_un *)0)->sun_path, "room for each path, and no path without a NUL");

/* ---- text */

static int refuse(const char **why, const char *reason) {
  if (why) *why = reason;
  return -1;
}

/* Reads a decimal number of at most max from text[*pos]; moves *pos behind it.
   0, or -1 where there is none or it is larger. */
static int get_number(const char *text, size_t len, size_t *pos, unsigned max, unsigned *number) {
  size_t begin = *pos;
  unsigned n = 0;

  for (; *pos < len && text[*pos] >= '0' && text[*pos] <= '9'; ++*pos) {
    n = n * 10 + (unsigned)(text[*pos] - '0');
    if (n > max) return -1;
  }
  *number = n;
  return *pos == begin ? -1 : 0;
}

/* Exactly four octets, nothing else. */
static int get_ip(const char *text, size_t len, struct in_addr *ip) {
  unsigned long bits = 0;
  size_t pos = 0;

  for (int i = 0; i < 4; ++i) {
    unsigned octet;

    if (i && (pos == len || text[pos++] != '.')) return -1;
    if (get_number(text, len, &pos, 255, &octet) == -1) return -1;
    bits = bits << 8 | octet;
  }
  ip->s_addr = htonl((uint32_t)bits);
  return pos == len ? 0 : -1;
}

static int get_port(const char *text, size_t len, unsigned *port) {
  size_t pos = 0;

  if (get_number(text, len, &pos, 65535, port) == -1) return -1;
  return pos == len && *port ? 0 : -1;
}

static void set_endpoint(struct udp_endpoint *ep, const void *addr, size_t len) {
  memset(ep, 0, sizeof *ep);
  memcpy(&ep->addr, addr, len);
  ep->len = (socklen_t)len;
}

static int parse_path(const char *text, size_t len, struct udp_endpoint *ep, const char **why) {
  struct sockaddr_un sun = {.sun_family = AF_UNIX};

  if (len >= sizeof sun.sun_path) return refuse(why, "the path is too long for a socket");
  if (memchr(text, 0, len)) return refuse(why, "there is a NUL in the path");
  memcpy(sun.sun_path, text, len);
  set_endpoint(ep, &sun, sizeof sun);
  return 0;
}

/* What stands between the brackets. An IPv4 address in IPv6 clothes has no place
   of its own on the wire: its plain form means the same, and works. */
static int get_ipv6(const char *text, size_t len, struct in6_addr *ip, const char **why) {
  char copy[INET6_ADDRSTRLEN];

  if (len && memchr(text, '%', len)) return refuse(why, "an IPv6 address with a scope (%) is not supported");
  if (len >= sizeof copy || (len && memchr(text, 0, len))) return refuse(why, "not an IPv6 address");
  memcpy(copy, text, len);
  copy[len] = 0;
  if (inet_pton(AF_INET6, copy, ip) != 1) return refuse(why, "not an IPv6 address");
  if (IN6_IS_ADDR_V4MAPPED(ip)) return refuse(why, "an IPv4 address stands without brackets");
  return 0;
}

/* "[ipv6]", "[ipv6]:" or "[ipv6]:port". */
static int parse_ipv6(const char *text, size_t len, unsigned port, struct udp_endpoint *ep, const char **why) {
  struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
  const char *end = memchr(text, ']', len);
  size_t iplen, rest;

  if (!end) return refuse(why, "an IPv6 address ends with a bracket");
  iplen = (size_t)(end - text) - 1;
  rest = len - iplen - 2;
  if (get_ipv6(text + 1, iplen, &sin6.sin6_addr, why) == -1) return -1;
  if (rest && end[1] != ':') return refuse(why, "after an IPv6 address only a port may follow");
  if (rest > 1 && get_port(end + 2, rest - 1, &port) == -1) return refuse(why, "not a port from 1 to 65535");
  sin6.sin6_port = htons((uint16_t)port);
  set_endpoint(ep, &sin6, sizeof sin6);
  return 0;
}

/* An IPv6 address that lacks its brackets? */
static int is_bare_ipv6(const char *text, size_t len) {
  size_t colons = 0;

  for (size_t i = 0; i < len; ++i) {
    if (text[i] == ':')
      ++colons;
    else if (!strchr("0123456789abcdefABCDEF.%", text[i]) || !text[i])
      return 0;
  }
  return colons > 1;
}

static const char *not_an_ip(const char *text, size_t len) {
  if (memchr(text, '/', len)) return "the path of a socket begins with a slash";
  for (size_t i = 0; i < len; ++i)
    if ((text[i] < '0' || text[i] > '9') && text[i] != '.')
      return "not an IPv4 address (names are not looked up)";
  return "not an IPv4 address";
}

int udp_parse(const char *text, size_t len, const char *default_ip, unsigned default_port,
              struct udp_endpoint *ep, const char **why) {
  struct sockaddr_in sin = {.sin_family = AF_INET};
  const char *colon = len ? memchr(text, ':', len) : NULL;
  size_t iplen = colon ? (size_t)(colon - text) : len;
  size_t portlen = colon ? len - iplen - 1 : 0;
  unsigned port = default_port;

  if (len && text[0] == '/') return parse_path(text, len, ep, why);
  if (len && text[0] == '[') return parse_ipv6(text, len, default_port, ep, why);
  if (is_bare_ipv6(text, len)) return refuse(why, "an IPv6 address stands in brackets, as in [::1]:11113");
  if (iplen == 9 && !strncasecmp(text, "localhost", 9)) {
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else if (iplen) {
    if (get_ip(text, iplen, &sin.sin_addr) == -1) return refuse(why, not_an_ip(text, iplen));
  } else if (get_ip(default_ip, strlen(default_ip), &sin.sin_addr) == -1) {
    return refuse(why, "the default is not an IPv4 address");
  }
  if (portlen && get_port(colon + 1, portlen, &port) == -1)
    return refuse(why, "not a port from 1 to 65535");
  sin.sin_port = htons((uint16_t)port);
  set_endpoint(ep, &sin, sizeof sin);
  return 0;
}

unsigned udp_port(const struct udp_endpoint *ep) {
  struct sockaddr_in6 sin6;
  struct sockaddr_in sin;

  switch (ep->addr.ss_family) {
    case AF_INET: memcpy(&sin, &ep->addr, sizeof sin); return ntohs(sin.sin_port);
    case AF_INET6: memcpy(&sin6, &ep->addr, sizeof sin6); return ntohs(sin6.sin6_port);
    default: return 0;
  }
}

/* "ip" or "[ipv6]"; 0, or -1 where ep is neither. */
static int format_ip(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]) {
  struct sockaddr_in6 sin6;
  struct sockaddr_in sin;

  if (ep->addr.ss_family == AF_INET && ep->len >= sizeof sin) {
    memcpy(&sin, &ep->addr, sizeof sin);
    return inet_ntop(AF_INET, &sin.sin_addr, text, UDP_TEXT_MAX) ? 0 : -1;
  }
  if (ep->addr.ss_family != AF_INET6 || ep->len < sizeof sin6) return -1;
  memcpy(&sin6, &ep->addr, sizeof sin6);
  text[0] = '[';
  if (!inet_ntop(AF_INET6, &sin6.sin6_addr, text + 1, INET6_ADDRSTRLEN)) return -1;
  strcat(text, "]");
  return 0;
}

/* The kernel gives a path back with or without its NUL. An abstract name begins
   with one: that is no path. */
static int format_path(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]) {
  const size_t before = offsetof(struct sockaddr_un, sun_path);
  size_t len;

  if (ep->addr.ss_family != AF_UNIX || ep->len <= before || ep->len > sizeof(struct sockaddr_un)) return -1;
  len = ep->len - before;
  if (len > UDP_TEXT_MAX - 1) len = UDP_TEXT_MAX - 1;
  memcpy(text, (const char *)&ep->addr + before, len);
  text[len] = 0;
  return text[0] ? 0 : -1;
}

void udp_format(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]) {
  size_t len;

  if (format_path(ep, text) == 0) return;
  if (format_ip(ep, text) == -1) {
    memcpy(text, "?", 2);
    return;
  }
  len = strlen(text);
  snprintf(text + len, UDP_TEXT_MAX - len, ":%u", udp_port(ep));
}

/* ---- sockets */

/* A socket for IPv6 that heard IPv4 too would know one client by two addresses,
   and could not be bound beside one for IPv4. */
static int prepare(const struct udp_endpoint *ep, int fd) {
  const int on = 1;

  if (ep->addr.ss_family != AF_INET6) return 0;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
}

/* A socket on which attach (bind or connect) has succeeded with ep. */
static int attached(const struct udp_endpoint *ep, int flags,
                    int (*attach)(int, const struct sockaddr *, socklen_t)) {
  int type = ep->addr.ss_family == AF_UNIX ? SOCK_SEQPACKET : SOCK_DGRAM;
  int fd = socket(ep->addr.ss_family, type | SOCK_CLOEXEC | flags, 0);

  if (fd == -1) return -1;
  if (prepare(ep, fd) == -1 || attach(fd, (const struct sockaddr *)&ep->addr, ep->len) == -1) {
    int error = errno;

    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

int bind_udp(const struct udp_endpoint *ep) {
  if (ep->addr.ss_family == AF_UNIX) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return attached(ep, 0, bind);
}

int connect_udp(const struct udp_endpoint *ep) {
  return attached(ep, SOCK_NONBLOCK, connect);
}

/* ---- datagrams */

ssize_t udp_receive(int fd, void *buf, size_t max, struct udp_endpoint *from) {
  ssize_t n;

  memset(from, 0, sizeof *from);
  do {
    from->len = sizeof from->addr;
    n = recvfrom(fd, buf, max, MSG_DONTWAIT, (struct sockaddr *)&from->addr, &from->len);
  } while (n == -1 && errno == EINTR);
  return n;
}

int udp_send(int fd, const void *buf, size_t len, const struct udp_endpoint *to) {
  ssize_t n;

  do n = sendto(fd, buf, len, MSG_NOSIGNAL, (const struct sockaddr *)&to->addr, to->len);
  while (n == -1 && errno == EINTR);
  return n == -1 ? -1 : 0;
}
