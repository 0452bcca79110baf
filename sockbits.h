/* sockbits.h - ask a connected socket a question and wait for its answer.

   A general call-out tool: whatever answers one datagram with one datagram can
   be asked with it. Nothing here exits, logs or keeps state. */

#ifndef SOCKBITS_H
#define SOCKBITS_H

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

#ifdef __cplusplus
}
#endif
#endif
