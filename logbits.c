/* logbits.c - log lines on descriptor 2: one line, one write, never waiting.

   Promises: what is written ends with a newline and fits into a pipe in one
   piece; errno is left as it was, so that an error may be logged before it is
   looked at. SIGPIPE is the caller's to ignore. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pwritev2: elsewhere this is compiled without our flags */
#endif

#include "logbits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for text: the last byte is the newline's. */
#define TEXT_MAX (LOG_LINE_MAX - 1)

/* ---- putting a line together */

void log_begin(struct log_line *line) {
  line->len = 0;
}

void log_putb(struct log_line *line, const void *bytes, size_t len) {
  size_t room = TEXT_MAX - line->len;

  if (len > room) len = room;
  if (len) memcpy(line->text + line->len, bytes, len);
  line->len += len;
}

void log_puts(struct log_line *line, const char *s) {
  log_putb(line, s, strlen(s));
}

void log_putnum(struct log_line *line, unsigned long long n) {
  char digits[20]; /* 2^64 has 20 */
  size_t at = sizeof digits;

  do digits[--at] = (char)('0' + n % 10);
  while (n /= 10);
  log_putb(line, digits + at, sizeof digits - at);
}

static int as_it_is(unsigned char byte) {
  return byte >= 0x21 && byte <= 0x7e && byte != '\\';
}

/* How any other byte from outside looks in a log: 2 or 4 bytes in out. */
static size_t escape(unsigned char byte, char out[4]) {
  static const char hex[] = "0123456789abcdef";

  out[0] = '\\';
  if (byte == '\\') {
    out[1] = '\\';
    return 2;
  }
  out[1] = 'x';
  out[2] = hex[byte >> 4];
  out[3] = hex[byte & 15];
  return 4;
}

void log_putsafe(struct log_line *line, const void *bytes, size_t len) {
  const unsigned char *b = bytes;

  for (size_t i = 0; i < len; ++i) {
    char out[4];
    size_t n = i;

    while (n < len && as_it_is(b[n])) ++n;
    log_putb(line, b + i, n - i);
    if (n == len) return;
    i = n;
    n = escape(b[i], out);
    if (n > TEXT_MAX - line->len) { /* half an escape would be read as something else */
      while (line->len < TEXT_MAX) line->text[line->len++] = '.';
      return;
    }
    log_putb(line, out, n);
  }
}

/* ---- writing it */

static int writable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLOUT, .revents = 0};

  return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* One write that does not wait. Another process may fill a shared pipe between
   poll and write, so that the kernel is told not to wait, where it can be told
   (pipes: Linux 6.4; where not, that is remembered); O_NONBLOCK would be felt by
   all who share the descriptor. A file that would rather wait is writable all the
   same. */
static int write_now(int fd, const char *text, size_t len, struct log_state *state) {
  struct iovec iov = {.iov_base = (void *)(size_t)text, .iov_len = len};

#ifdef RWF_NOWAIT
  if (!state->told_in_vain) {
    if (pwritev2(fd, &iov, 1, -1, RWF_NOWAIT) != -1) return 0;
    if (errno != EAGAIN && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EINTR) return -1;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) state->told_in_vain = 1;
  }
#endif
  if (!writable(fd)) return -1;
  return writev(fd, &iov, 1) == -1 ? -1 : 0;
}

/* Tells how many lines were lost, and forgets them if that gets through. */
static void tell_dropped(int fd, struct log_state *state, const char *prefix) {
  struct log_line line;

  log_begin(&line);
  log_puts(&line, prefix);
  log_putnum(&line, state->dropped);
  log_puts(&line, state->dropped == 1 ? " log line was dropped" : " log lines were dropped");
  log_puts(&line, ": the reader of the log did not keep up");
  line.text[line.len++] = '\n';
  if (write_now(fd, line.text, line.len, state) == 0) state->dropped = 0;
}

void log_write_lines(const char *text, size_t len, unsigned lines, int fd, struct log_state *state,
                     const char *prefix) {
  int error = errno;

  if (write_now(fd, text, len, state) == -1)
    state->dropped += lines;
  else if (state->dropped)
    tell_dropped(fd, state, prefix);
  errno = error;
}

void log_write(struct log_line *line, int fd, struct log_state *state, const char *prefix) {
  line->text[line->len++] = '\n';
  log_write_lines(line->text, line->len, 1, fd, state, prefix);
  line->len = 0;
}
