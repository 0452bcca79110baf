/* udpbits.h - endpoints: read them from text, bind them, connect to them;
   datagrams with their source.

   IPv4 for now; the structure has room for what comes later. Nothing here
   resolves names, exits, logs or keeps state. */

#ifndef UDPBITS_H
#define UDPBITS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udp_endpoint {
  struct sockaddr_storage addr;
  socklen_t len;
};

/* The longest text that udp_format writes, with its NUL. */
#define UDP_TEXT_MAX 64

/* Reads "ip", "ip:port", ":port", ":" or "" (len bytes, no NUL needed); what is
   missing comes from default_ip and default_port. "localhost" is 127.0.0.1.
   Octets are 0 to 255, a port 1 to 65535; nothing may follow.
   Returns 0, or -1 and in *why (static storage) what is wrong with the text. */
int udp_parse(const char *text, size_t len, const char *default_ip, unsigned default_port,
              struct udp_endpoint *ep, const char **why);

/* The port of ep, 0 where its family has none. */
unsigned udp_port(const struct udp_endpoint *ep);

/* Writes "ip:port" and a NUL into text. */
void udp_format(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]);

/* A UDP socket bound to ep, close-on-exec, without SO_REUSEADDR (which would
   let any local user bind the same port beside it).
   Returns the descriptor, the caller's to close, or -1 with errno. */
int bind_udp(const struct udp_endpoint *ep);

/* A fresh UDP socket connected to ep, close-on-exec and non-blocking: it hears
   ep and no stranger. Returns the descriptor, the caller's to close, or -1 with
   errno. */
int connect_udp(const struct udp_endpoint *ep);

/* Receives one datagram of at most max bytes without waiting, and its source.
   Returns its length, or -1 with errno (EAGAIN: none there). */
ssize_t udp_receive(int fd, void *buf, size_t max, struct udp_endpoint *from);

/* Sends one datagram. Returns 0, or -1 with errno. */
int udp_send(int fd, const void *buf, size_t len, const struct udp_endpoint *to);

#ifdef __cplusplus
}
#endif
#endif
