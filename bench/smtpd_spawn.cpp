// smtpd_spawn.cpp - what starting a program, its short work and its end cost.
//
//   smtpd_spawn ROUNDS BATCH INPUT PROGRAM...
//
// In each round each PROGRAM is run BATCH times, one after the other: fork, exec,
// wait, as tcpserver would do it. INPUT is its descriptor 0, rewound each time; 1
// and 2 are /dev/null. Prints a line for each program and round: the program's
// number from 0, then microseconds a process by the clock, by the CPU time of the
// child (all of it, with what the kernel charges it for exec and exit) and page
// faults. Exits 111 where one cannot be run or does not exit 0.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void die(const char *what) {
  perror(what);
  _exit(111);
}

int open_or_die(const char *path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  if (fd == -1) die(path);
  return fd;
}

struct ends {
  int input, nowhere;
};

[[noreturn]] void become(const ends &fds, char *program) {
  char *const arguments[] = {program, nullptr};
  if (dup2(fds.input, 0) == -1 || dup2(fds.nowhere, 1) == -1 || dup2(fds.nowhere, 2) == -1) _exit(111);
  execv(program, arguments);
  _exit(111);
}

void run(const ends &fds, char *program) {
  if (lseek(fds.input, 0, SEEK_SET) == -1) die("lseek");
  const pid_t pid = fork();
  if (pid == -1) die("fork");
  if (pid == 0) become(fds, program);
  int status;
  if (waitpid(pid, &status, 0) != pid || status != 0) die(program);
}

struct spent {
  double clock, cpu, faults;
};

double micros(timeval t) { return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec); }

// Up to now.
spent children() {
  rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  const std::chrono::duration<double, std::micro> now = std::chrono::steady_clock::now().time_since_epoch();
  return {now.count(), micros(used.ru_utime) + micros(used.ru_stime), static_cast<double>(used.ru_minflt)};
}

void batch(const ends &fds, int number, char *program, int times) {
  const spent before = children();
  for (int i = 0; i < times; ++i) run(fds, program);
  const spent after = children();
  printf("%d %.2f %.2f %.1f\n", number, (after.clock - before.clock) / times, (after.cpu - before.cpu) / times,
         (after.faults - before.faults) / times);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 5) {
    fputs("usage: smtpd_spawn ROUNDS BATCH INPUT PROGRAM...\n", stderr);
    return 100;
  }
  const ends fds{open_or_die(argv[3], O_RDONLY), open_or_die("/dev/null", O_RDWR)};
  const int rounds = atoi(argv[1]), times = atoi(argv[2]);
  for (int round = 0; round < rounds; ++round)
    for (int i = 4; i < argc; ++i) batch(fds, i - 4, argv[i], times);
  return fflush(stdout) == 0 ? 0 : 111;
}
