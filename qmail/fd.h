// fd.h - a descriptor that closes itself, reading one to its end, and the first three.

#ifndef QMAIL_FD_H
#define QMAIL_FD_H

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd &operator=(unique_fd &&other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  unique_fd(const unique_fd &) = delete;
  unique_fd &operator=(const unique_fd &) = delete;
  ~unique_fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ != -1; }
  void reset(int fd = -1) {
    if (fd_ != -1) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// At the start of a program: a descriptor 0 to 2 that was closed would be given to the next
// file or socket, and what is said there would go into it. Nothing can be read from, or
// written to, what is put in its place. False: that cannot be had (errno).
inline bool fd_fill_gaps() {
  for (int fd = 0; fd < 3; ++fd)
    if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) == -1) return false;
  return true;
}

// Appends what fd holds to text, to its end or until enough(piece) says of the
// piece just appended that no more is wanted. 0, or errno.
template <class Enough>
int fd_slurp(int fd, std::string &text, Enough enough) {
  char buf[8192];
  for (;;) {
    const ssize_t n = read(fd, buf, sizeof buf);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) return errno;
    if (n == 0) return 0;
    const std::string_view piece(buf, static_cast<size_t>(n));
    text.append(piece);
    if (enough(piece)) return 0;
  }
}

#endif
