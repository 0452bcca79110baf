/* sockbits.h - ask a connected socket a question and wait for its answer.

   A general call-out tool: whatever answers one datagram with one datagram can
   be asked with it. Nothing here exits, logs or keeps state. */

#ifndef SOCKBITS_H
#define SOCKBITS_H

#include <poll.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Milliseconds on a clock that is never set (CLOCK_MONOTONIC). */
long long sockbits_now_ms(void);

/* Sends query (qlen bytes) on the connected datagram socket fd, then waits for
   one datagram, at most timeout_ms milliseconds in all, and stores at most max
   bytes of it in response.
   Returns the number of bytes stored (0: an empty datagram), or -1 with errno:
   ETIMEDOUT where nothing came in time, ECONNREFUSED where nobody listens,
   else as send(2), poll(2) and recv(2) have it. Interrupted calls are resumed.
   The descriptor stays the caller's. */
ssize_t query_skt(int fd, const void *query, size_t qlen, void *response, size_t max, int timeout_ms);

/* The parts of query_skt, for those who ask several sockets at once. */

/* poll(2) until deadline_ms on the clock of sockbits_now_ms: looks at least once,
   also after the deadline, and resumes when interrupted. Returns how many of the
   n are ready, 0: none until the deadline, or -1 with errno. */
int sockbits_wait(struct pollfd *fds, nfds_t n, long long deadline_ms);

/* Sends query without waiting. Returns 0, or -1 with errno. */
int sockbits_send(int fd, const void *query, size_t qlen);

/* Takes one datagram without waiting. Returns its length, at most max, or -1
   with errno (EAGAIN: none there). */
ssize_t sockbits_hear(int fd, void *response, size_t max);

#ifdef __cplusplus
}
#endif
#endif
