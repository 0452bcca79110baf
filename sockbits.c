/* sockbits.c - ask a connected socket a question and wait for its answer.

   Promises: every wait ends at its deadline on a clock that is never set, also
   where signals arrive and where a datagram vanishes between poll and recv
   (a bad checksum). No call here blocks elsewhere than in poll. */

#include "sockbits.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <time.h>

long long sockbits_now_ms(void) {
  struct timespec t = {0, 0};

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is left until deadline, as poll wants it. */
static int left_ms(long long deadline_ms) {
  long long left = deadline_ms - sockbits_now_ms();

  if (left <= 0) return 0;
  return left > INT_MAX ? INT_MAX : (int)left;
}

int sockbits_wait(struct pollfd *fds, nfds_t n, long long deadline_ms) {
  for (;;) {
    int left = left_ms(deadline_ms);
    int ready = poll(fds, n, left);

    if (ready > 0 || (ready == 0 && left == 0)) return ready;
    if (ready == -1 && errno != EINTR) return -1;
  }
}

/* One send. An error that an earlier datagram left behind on the socket is
   reported in place of sending, and is gone then: so a refusal is believed only
   where a second attempt meets it too. */
int sockbits_send(int fd, const void *query, size_t qlen) {
  int refused = 0;

  for (;;) {
    if (send(fd, query, qlen, MSG_DONTWAIT | MSG_NOSIGNAL) != -1) return 0;
    if (errno == EINTR) continue;
    if (errno != ECONNREFUSED || refused++) return -1;
  }
}

ssize_t sockbits_hear(int fd, void *response, size_t max) {
  ssize_t n;

  do n = recv(fd, response, max, MSG_DONTWAIT);
  while (n == -1 && errno == EINTR);
  return n;
}

static int would_wait(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

/* Waits for events on one descriptor: 0, or -1 with errno, ETIMEDOUT at the deadline. */
static int wait_for(int fd, short events, long long deadline_ms) {
  struct pollfd p = {.fd = fd, .events = events, .revents = 0};
  int ready = sockbits_wait(&p, 1, deadline_ms);

  if (ready > 0) return 0;
  if (ready == 0) errno = ETIMEDOUT;
  return -1;
}

ssize_t query_skt(int fd, const void *query, size_t qlen, void *response, size_t max, int timeout_ms) {
  long long deadline_ms = sockbits_now_ms() + timeout_ms;

  while (sockbits_send(fd, query, qlen) == -1) {
    if (!would_wait(errno)) return -1;
    if (wait_for(fd, POLLOUT, deadline_ms) == -1) return -1;
  }
  for (;;) {
    ssize_t n;

    if (wait_for(fd, POLLIN, deadline_ms) == -1) return -1;
    n = sockbits_hear(fd, response, max);
    if (n != -1 || !would_wait(errno)) return n;
  }
}
