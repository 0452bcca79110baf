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
#include <unistd.h>

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

static const char *not_an_ip(const char *text, size_t len) {
  if (memchr(text, '/', len)) return "paths of sockets are not supported";
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

  if (iplen && text[0] == '[') return refuse(why, "IPv6 is not supported");
  if (portlen && memchr(colon + 1, ':', portlen)) return refuse(why, "IPv6 is not supported");
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

  memset(ep, 0, sizeof *ep);
  memcpy(&ep->addr, &sin, sizeof sin);
  ep->len = sizeof sin;
  return 0;
}

unsigned udp_port(const struct udp_endpoint *ep) {
  struct sockaddr_in sin;

  if (ep->addr.ss_family != AF_INET) return 0;
  memcpy(&sin, &ep->addr, sizeof sin);
  return ntohs(sin.sin_port);
}

void udp_format(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]) {
  struct sockaddr_in sin;
  char ip[INET_ADDRSTRLEN];

  memcpy(&sin, &ep->addr, sizeof sin);
  if (ep->len < sizeof sin || sin.sin_family != AF_INET || !inet_ntop(AF_INET, &sin.sin_addr, ip, sizeof ip)) {
    memcpy(text, "?", 2);
    return;
  }
  snprintf(text, UDP_TEXT_MAX, "%s:%u", ip, (unsigned)ntohs(sin.sin_port));
}

/* ---- sockets */

/* A UDP socket on which attach (bind or connect) has succeeded with ep. */
static int attached(const struct udp_endpoint *ep, int flags,
                    int (*attach)(int, const struct sockaddr *, socklen_t)) {
  int fd = socket(ep->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

  if (fd == -1) return -1;
  if (attach(fd, (const struct sockaddr *)&ep->addr, ep->len) == -1) {
    int error = errno;

    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

int bind_udp(const struct udp_endpoint *ep) {
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
