/* shim.c - faults for a dynamically linked program, switched on and off while it
   runs: a library for LD_PRELOAD.

   FAULTS names a directory. A fault is on in all processes while a file of its
   name is there; what it says, NUMBER [PATH [N]], is read at each call:

     open     open, stat, chdir and their like fail
     read     the Nth read since the file was opened fails, and all after it
     map      files are not mapped
     send     send, sendto, sendmsg, sendmmsg fail
     recv     recv, recvfrom, recvmsg, recvmmsg fail
     socket   socket, socketpair, pipe2, accept4, eventfd, epoll_create1 fail
     fork     fork fails
     memory   malloc, its like and mmap find none
     eintr    a quarter of the calls that a signal may interrupt are interrupted
     clock    the wall clock is NUMBER seconds ahead (the monotonic one never is)
     door     open, stat, chdir and their like do not return, whatever signal arrives,
              until the file is gone: a home whose server is away. "in.PID" is made in
              FAULTS before

   NUMBER is what errno becomes. PATH is how the path ends ("users/cdb"), for door how
   it begins; "*" and nothing are every path. A path below an open directory is put
   together with that. What libc calls for itself (getpwnam reading /etc/passwd) does
   not pass here, but for memory. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 4096

struct fault {
  long number;
  char path[PATH_MAX];
  long nth;
};

/* The function behind ours, as it is there. */
#define NEXT(name)                                                        \
  ({                                                                      \
    static __typeof__(name) *next;                                        \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);        \
    next;                                                                 \
  })

/* ---- which faults are on */

static const char *place(const char *name, char path[PATH_MAX]) {
  const char *dir = getenv("FAULTS");
  if (!dir || snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX) return NULL;
  return path;
}

/* Is it on, and what does it say? Leaves errno as it was. System calls alone: the
   functions that would do this are ours, too. */
static int on(const char *name, struct fault *f) {
  char path[PATH_MAX], text[PATH_MAX + 64];
  int error = errno;
  long fd = place(name, path) ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
  long n = fd == -1 ? -1 : syscall(SYS_read, fd, text, sizeof text - 1);
  if (fd != -1) syscall(SYS_close, fd);
  errno = error;
  if (n < 0) return 0;
  text[n] = '\0';
  *f = (struct fault){0, "*", 1};
  sscanf(text, "%ld %4095s %ld", &f->number, f->path, &f->nth);
  return 1;
}

static int there(const char *name) {
  char path[PATH_MAX];
  int error = errno, found = place(name, path) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
  errno = error;
  return found;
}

/* The fault of a call that has no path. */
static int fails(const char *name) {
  struct fault f;
  if (!on(name, &f)) return 0;
  errno = (int)f.number;
  return 1;
}

static int interrupted(void) {
  static unsigned long random = 1;
  if (!there("eintr")) return 0;
  random = random * 6364136223846793005 + 1442695040888963407;
  if (random >> 62) return 0;
  errno = EINTR;
  return 1;
}

/* ---- paths */

/* The path that a call means; fd: AT_FDCWD or a directory. */
static const char *whole(int fd, const char *path, char buf[PATH_MAX]) {
  char link[64], dir[PATH_MAX];
  long n;
  if (*path == '/') return path;
  if (fd == AT_FDCWD)
    snprintf(link, sizeof link, "/proc/self/cwd");
  else
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  n = syscall(SYS_readlinkat, AT_FDCWD, link, dir, sizeof dir - 1);
  dir[n < 0 ? 0 : n] = '\0';
  return snprintf(buf, PATH_MAX, "%s%s%s", dir, *path ? "/" : "", path) < PATH_MAX ? buf : path;
}

static int ends(const char *path, const char *end) {
  size_t n = strlen(path), m = strlen(end);
  return !strcmp(end, "*") || (n >= m && !strcmp(path + n - m, end));
}

/* Somebody has run into the door. */
static void tell(void) {
  char name[32], path[PATH_MAX];
  snprintf(name, sizeof name, "in.%d", (int)getpid());
  if (place(name, path)) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

static int begins(const char *path, const char *begin) {
  return !strcmp(begin, "*") || !strncmp(path, begin, strlen(begin));
}

static void door(const char *path) {
  const struct timespec a_little = {0, 5 * 1000000};
  struct fault f;
  int error = errno;
  for (int told = 0; on("door", &f) && begins(path, f.path);) {
    if (!told++) tell();
    syscall(SYS_nanosleep, &a_little, NULL);
  }
  errno = error;
}

/* What may happen to a call with a path. 1: it has failed. */
static int barred(int fd, const char *path) {
  char buf[PATH_MAX];
  struct fault f;
  path = whole(fd, path, buf);
  door(path);
  if (on("open", &f) && ends(path, f.path)) {
    errno = (int)f.number;
    return 1;
  }
  return interrupted();
}

/* ---- calls with a path */

static unsigned reads[DESCRIPTORS]; /* since the descriptor was opened */

static int opened(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS) reads[fd] = 0;
  return fd;
}

#define MODE(flags)                                   \
  mode_t mode = 0;                                    \
  if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
    va_list args;                                     \
    va_start(args, flags);                            \
    mode = va_arg(args, mode_t);                      \
    va_end(args);                                     \
  }

int open(const char *path, int flags, ...) {
  MODE(flags)
  return barred(AT_FDCWD, path) ? -1 : opened(NEXT(open)(path, flags, mode));
}
int open64(const char *path, int flags, ...) {
  MODE(flags)
  return barred(AT_FDCWD, path) ? -1 : opened(NEXT(open64)(path, flags, mode));
}
int openat(int fd, const char *path, int flags, ...) {
  MODE(flags)
  return barred(fd, path) ? -1 : opened(NEXT(openat)(fd, path, flags, mode));
}
int openat64(int fd, const char *path, int flags, ...) {
  MODE(flags)
  return barred(fd, path) ? -1 : opened(NEXT(openat64)(fd, path, flags, mode));
}
DIR *opendir(const char *path) { return barred(AT_FDCWD, path) ? NULL : NEXT(opendir)(path); }
int chdir(const char *path) { return barred(AT_FDCWD, path) ? -1 : NEXT(chdir)(path); }
int access(const char *path, int mode) { return barred(AT_FDCWD, path) ? -1 : NEXT(access)(path, mode); }
int stat(const char *path, struct stat *st) { return barred(AT_FDCWD, path) ? -1 : NEXT(stat)(path, st); }
int lstat(const char *path, struct stat *st) { return barred(AT_FDCWD, path) ? -1 : NEXT(lstat)(path, st); }
int fstatat(int fd, const char *path, struct stat *st, int flags) {
  return barred(fd, path) ? -1 : NEXT(fstatat)(fd, path, st, flags);
}
int statx(int fd, const char *path, int flags, unsigned mask, struct statx *st) {
  return barred(fd, path) ? -1 : NEXT(statx)(fd, path, flags, mask, st);
}
int faccessat(int fd, const char *path, int mode, int flags) {
  return barred(fd, path) ? -1 : NEXT(faccessat)(fd, path, mode, flags);
}

ssize_t readlink(const char *path, char *buf, size_t len) {
  return barred(AT_FDCWD, path) ? -1 : NEXT(readlink)(path, buf, len);
}

/* ---- reading and writing */

static int unreadable(int fd) {
  char path[PATH_MAX];
  struct fault f;
  if (fd < 0 || fd >= DESCRIPTORS) return 0;
  ++reads[fd];
  if (on("read", &f) && reads[fd] >= (unsigned)f.nth && ends(whole(fd, "", path), f.path)) {
    errno = (int)f.number;
    return 1;
  }
  return interrupted();
}

ssize_t read(int fd, void *buf, size_t len) { return unreadable(fd) ? -1 : NEXT(read)(fd, buf, len); }
ssize_t pread(int fd, void *buf, size_t len, off_t at) { return unreadable(fd) ? -1 : NEXT(pread)(fd, buf, len, at); }
ssize_t pread64(int fd, void *buf, size_t len, off_t at) { return unreadable(fd) ? -1 : NEXT(pread64)(fd, buf, len, at); }
ssize_t write(int fd, const void *buf, size_t len) { return interrupted() ? -1 : NEXT(write)(fd, buf, len); }
ssize_t writev(int fd, const struct iovec *iov, int n) { return interrupted() ? -1 : NEXT(writev)(fd, iov, n); }
ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags) {
  return interrupted() ? -1 : NEXT(pwritev2)(fd, iov, n, at, flags);
}

/* ---- sockets */

ssize_t send(int fd, const void *buf, size_t len, int flags) {
  return fails("send") || interrupted() ? -1 : NEXT(send)(fd, buf, len, flags);
}
ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len) {
  return fails("send") || interrupted() ? -1 : NEXT(sendto)(fd, buf, len, flags, to, to_len);
}
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
  return fails("send") || interrupted() ? -1 : NEXT(sendmsg)(fd, msg, flags);
}
ssize_t recv(int fd, void *buf, size_t len, int flags) {
  return fails("recv") || interrupted() ? -1 : NEXT(recv)(fd, buf, len, flags);
}
ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len) {
  return fails("recv") || interrupted() ? -1 : NEXT(recvfrom)(fd, buf, len, flags, from, from_len);
}
ssize_t recvmsg(int fd, struct msghdr *msg, int flags) {
  return fails("recv") || interrupted() ? -1 : NEXT(recvmsg)(fd, msg, flags);
}
int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags) {
  return fails("send") || interrupted() ? -1 : NEXT(sendmmsg)(fd, msgs, n, flags);
}
int recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *timeout) {
  return fails("recv") || interrupted() ? -1 : NEXT(recvmmsg)(fd, msgs, n, flags, timeout);
}
int accept4(int fd, struct sockaddr *from, socklen_t *len, int flags) {
  return fails("socket") || interrupted() ? -1 : NEXT(accept4)(fd, from, len, flags);
}
int socket(int domain, int type, int protocol) { return fails("socket") ? -1 : NEXT(socket)(domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int fds[2]) {
  return fails("socket") ? -1 : NEXT(socketpair)(domain, type, protocol, fds);
}
int eventfd(unsigned count, int flags) { return fails("socket") ? -1 : NEXT(eventfd)(count, flags); }
int epoll_create1(int flags) { return fails("socket") ? -1 : NEXT(epoll_create1)(flags); }
int pipe2(int fds[2], int flags) { return fails("socket") ? -1 : NEXT(pipe2)(fds, flags); }

/* What the compiler puts in the place of some of these, where it knows the buffer's size. */
int __open_2(const char *path, int flags);
int __openat_2(int fd, const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags, struct sockaddr *from, socklen_t *from_len);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);

static void fits(size_t len, size_t size) {
  if (len > size) abort();
}

int __open_2(const char *path, int flags) { return open(path, flags); }
int __openat_2(int fd, const char *path, int flags) { return openat(fd, path, flags); }
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size) { return fits(len, size), read(fd, buf, len); }
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t size) {
  return fits(len, size), pread(fd, buf, len, at);
}
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags) {
  return fits(len, size), recv(fd, buf, len, flags);
}
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags, struct sockaddr *from,
                       socklen_t *from_len) {
  return fits(len, size), recvfrom(fd, buf, len, flags, from, from_len);
}
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size) {
  return fits(n * sizeof *fds, size), poll(fds, n, timeout);
}
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size) {
  return fits(n * sizeof *fds, size), ppoll(fds, n, timeout, mask);
}

/* ---- processes and waiting */

pid_t fork(void) { return fails("fork") ? -1 : NEXT(fork)(); }
pid_t waitpid(pid_t pid, int *status, int options) {
  return interrupted() ? -1 : NEXT(waitpid)(pid, status, options);
}
int poll(struct pollfd *fds, nfds_t n, int timeout) { return interrupted() ? -1 : NEXT(poll)(fds, n, timeout); }
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
  return interrupted() ? -1 : NEXT(ppoll)(fds, n, timeout, mask);
}
int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
  return interrupted() ? -1 : NEXT(epoll_pwait)(fd, events, max, timeout, mask);
}
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout) {
  return interrupted() ? -1 : NEXT(epoll_wait)(fd, events, max, timeout);
}
int nanosleep(const struct timespec *wait, struct timespec *left) {
  return interrupted() ? -1 : NEXT(nanosleep)(wait, left);
}

int usleep(useconds_t wait) { return interrupted() ? -1 : NEXT(usleep)(wait); }

/* ---- memory */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static int no_memory(void) {
  if (!there("memory")) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return no_memory() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return no_memory() ? NULL : __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return no_memory() ? NULL : __libc_realloc(old, size); }

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  return no_memory() || (fd != -1 && fails("map")) ? MAP_FAILED : NEXT(mmap)(at, len, protection, flags, fd, offset);
}

/* ---- the wall clock */

static long ahead(void) {
  struct fault f;
  return on("clock", &f) ? f.number : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int done = NEXT(clock_gettime)(clock, now);
  if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
  return done;
}

int gettimeofday(struct timeval *now, void *zone) {
  int done = NEXT(gettimeofday)(now, zone);
  if (done == 0) now->tv_sec += ahead();
  return done;
}

time_t time(time_t *now) {
  struct timespec ts = {0, 0};
  clock_gettime(CLOCK_REALTIME, &ts);
  if (now) *now = ts.tv_sec;
  return ts.tv_sec;
}
