/* queue.c - stands in for qmail-queue where messages are counted: keeps each message
   that it was given whole, and exits as the message's sender says.

   RECORD names a directory with tmp/ and new/ in it. The message (descriptor 0) and
   behind it its envelope (descriptor 1) become one file there, which is moved into
   new/, and counts from then on, only where the exit status is 0.
   A sender that begins with "exit-N-" makes the exit status N, "crash-" a crash;
   with UNREAD=N in the environment it exits with N before anything is read.

   Exits as qmail-queue does: 53 where the file cannot be written, 54 where it
   cannot be read or the envelope is not whole. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVELOPE_MAX (1 << 20)

static char tmp[4096], kept[4096];

static void leave(int code) {
  if (code) unlink(tmp);
  _exit(code);
}

static void write_all(int fd, const char *bytes, size_t len) {
  while (len) {
    ssize_t n = write(fd, bytes, len);
    if (n <= 0) leave(53);
    bytes += n;
    len -= (size_t)n;
  }
}

static void copy(int from, int to) {
  static char buf[65536];
  for (;;) {
    ssize_t n = read(from, buf, sizeof buf);
    if (n == 0) return;
    if (n < 0) leave(54);
    write_all(to, buf, (size_t)n);
  }
}

/* F sender NUL, T recipient NUL ..., NUL: and no more. */
static int whole(const char *e, size_t len) {
  size_t at = 0;
  for (char kind = 'F'; at < len && e[at]; kind = 'T') {
    if (e[at] != kind) return 0;
    at += strlen(e + at) + 1;
  }
  return at > 0 && at + 1 == len;
}

static size_t read_envelope(char *e) {
  size_t len = 0;
  for (;;) {
    ssize_t n = read(1, e + len, ENVELOPE_MAX - len);
    if (n == 0) break;
    if (n < 0) leave(54);
    len += (size_t)n;
    e[len] = '\0';
    if (len == ENVELOPE_MAX) leave(11);
  }
  return len;
}

static int told(const char *sender) {
  int code = 0;
  if (!strncmp(sender, "crash-", 6)) {
    unlink(tmp);
    kill(getpid(), SIGSEGV);
  }
  sscanf(sender, "exit-%d-", &code);
  return code;
}

int main(void) {
  static char e[ENVELOPE_MAX + 1];
  const char *record = getenv("RECORD"), *unread = getenv("UNREAD");
  size_t len;
  int fd;
  signal(SIGSEGV, SIG_DFL);
  if (unread) _exit(atoi(unread));
  if (!record) _exit(61);
  snprintf(tmp, sizeof tmp, "%s/tmp/%d", record, (int)getpid());
  snprintf(kept, sizeof kept, "%s/new/%d.XXXXXX", record, (int)getpid());
  fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd == -1) leave(53);
  copy(0, fd);
  len = read_envelope(e);
  if (!whole(e, len)) leave(54);
  write_all(fd, e, len);
  if (fsync(fd) == -1 || close(fd) == -1) leave(53);
  if (told(e + 1)) leave(told(e + 1));
  if (mkstemp(kept) == -1) leave(53); /* a name that no other process has had */
  if (rename(tmp, kept) == -1) {
    unlink(kept);
    leave(53);
  }
  return 0;
}
