/* queue_recorder.c - stands in for qmail-queue where memory is short.

   Does what the recorder in tests/transcripts/replay.py does (FORMAT.md there: "The
   queue program"), in little memory: message from descriptor 0, envelope from 1, both
   into files below GOLDEN_QUEUE_DIR; ends as the line for this start in queue-exit
   there says. Trouble of its own is exit status 81, "qq internal bug". */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int start; /* this is the so many-th */

/* A line of queue-exit: "CODE", "crash", and what may follow. */
static char order[256] = "0";

static void check(int good) {
  if (!good) _exit(81);
}

static int create(const char *what, int flags) {
  char name[64];

  check(snprintf(name, sizeof name, "%s.%d", what, start) < (int)sizeof name);
  return open(name, O_CREAT | O_WRONLY | O_CLOEXEC | flags, 0644);
}

/* The first number that nobody has taken. */
static void count_start(void) {
  int fd;

  do ++start;
  while ((fd = create("start", O_EXCL)) == -1 && start < INT_MAX);
  check(fd != -1);
  close(fd);
}

static void read_order(void) {
  FILE *file = fopen("queue-exit", "re");
  char line[sizeof order];
  int left = start;

  if (!file) return;
  while (left && fgets(line, sizeof line, file))
    if (line[0] != '\n' && --left == 0) memcpy(order, line, sizeof order);
  fclose(file);
}

static int ordered(const char *word) {
  return strstr(order, word) != NULL;
}

static void note_pid(void) {
  int fd = create("pid", O_TRUNC);

  check(dprintf(fd, "%ld", (long)getpid()) > 0);
  close(fd);
}

/* What was inherited: descriptors, the action for SIGCHLD, the directory. */
static void tell(const char *directory) {
  struct sigaction child;
  int fd, told;

  if (access("tell", F_OK) == -1) return;
  told = create("process", O_TRUNC);
  dprintf(told, "descriptors");
  for (fd = 0; fd < 1024; ++fd)
    if (fd != told && fcntl(fd, F_GETFD) != -1) dprintf(told, " %d", fd);
  check(sigaction(SIGCHLD, NULL, &child) == 0);
  dprintf(told, "\nSIGCHLD %s\n", child.sa_handler == SIG_IGN ? "ignored" : "default");
  check(dprintf(told, "directory %s\n", directory) > 0);
  close(told);
}

static void record(int from, const char *what) {
  static char block[4096];
  int fd = create(what, O_TRUNC);
  ssize_t n;

  check(fd != -1);
  while ((n = read(from, block, sizeof block)) > 0) check(write(fd, block, (size_t)n) == n);
  check(n == 0);
  close(fd);
}

static void wait_as_ordered(void) {
  const char *word = strstr(order, "sleep ");
  double seconds = word ? atof(word + 6) : 0;
  struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

  nanosleep(&time, NULL);
}

int main(void) {
  static char directory[PATH_MAX];
  const char *folder = getenv("GOLDEN_QUEUE_DIR");

  check(folder && getcwd(directory, sizeof directory) && chdir(folder) == 0);
  count_start();
  read_order();
  note_pid();
  if (ordered("unread")) _exit(atoi(order));
  tell(directory);
  record(0, "message");
  if (ordered("no-envelope")) _exit(atoi(order));
  record(1, "envelope");
  wait_as_ordered();
  if (ordered("crash")) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  _exit(atoi(order));
}
