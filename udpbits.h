/* udpbits.h - endpoints: read them from text, bind them, connect to them;
   datagrams with their source.

   Three families: IPv4 and IPv6 (UDP), and the path of a UNIX socket of type
   SOCK_SEQPACKET. Nothing here resolves names, exits, logs or keeps state. */

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

/* The longest text that udp_format writes, with its NUL: the longest path. */
#define UDP_TEXT_MAX 108

/* Reads an endpoint from len bytes of text (no NUL needed):
     "ip", "ip:port", ":port", ":", ""   IPv4; "localhost" is 127.0.0.1
     "[ipv6]", "[ipv6]:port"             IPv6, with its brackets, without a scope (%eth0)
     "/path"                             a UNIX socket: all of the text, at most
                                         UDP_TEXT_MAX - 1 bytes and no NUL
   What is missing comes from default_ip (an IPv4 address) and default_port.
   Octets are 0 to 255, a port 1 to 65535; nothing may follow.
   Returns 0, or -1 and in *why (static storage) what is wrong with the text. */
int udp_parse(const char *text, size_t len, const char *default_ip, unsigned default_port,
              struct udp_endpoint *ep, const char **why);

/* The port of ep, 0 where its family has none. */
unsigned udp_port(const struct udp_endpoint *ep);

/* Writes "ip:port", "[ipv6]:port" or "/path" and a NUL into text; "?" for what is
   none of these, as the far end of a UNIX socket without a name. A path is written
   as it is and may hold any byte: who puts the text into a log makes it safe there. */
void udp_format(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]);

/* A UDP socket bound to ep, close-on-exec, without SO_REUSEADDR (which would
   let any local user bind the same port beside it). One for IPv6 hears IPv6 alone.
   A path is refused with EAFNOSUPPORT: a UNIX socket that listens needs an owner
   and a mode, and a look at who has the path already.
   Returns the descriptor, the caller's to close, or -1 with errno. */
int bind_udp(const struct udp_endpoint *ep);

/* A fresh socket connected to ep, close-on-exec and non-blocking: it hears ep and
   no stranger. For a path it is of type SOCK_SEQPACKET, and is not waited for
   either: ECONNREFUSED and ENOENT where nobody listens, EAGAIN where those who
   came before have not been accepted yet.
   Returns the descriptor, the caller's to close, or -1 with errno. */
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
