// mapped.cpp - see mapped.h.

#include "mapped.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <sys/mman.h>

// The process's SIGBUS handler and the one that was there before it.
struct mapped_signal {
  static inline struct sigaction before;

  static void handler(int sig, siginfo_t *info, void *context) {
    const int error = errno;
    if (!mapped_file::take_signal(static_cast<const char *>(info->si_addr))) pass_on(sig, info, context);
    errno = error;
  }

  static void pass_on(int sig, siginfo_t *info, void *context) {
    const bool sent = info->si_code <= 0;  // by kill(2), not by a look at memory
    if (before.sa_flags & SA_SIGINFO)
      before.sa_sigaction(sig, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
      before.sa_handler(sig);
    else if (!sent || before.sa_handler == SIG_DFL) {
      signal(sig, SIG_DFL);  // the look is made again and ends the process, as it would have
      if (sent) raise(sig);
    }
  }

  // 0, or an errno.
  static int install() {
    struct sigaction ours = {};
    if (sigaction(SIGBUS, nullptr, &before) == -1) return errno;
    ours.sa_sigaction = handler;
    ours.sa_mask = before.sa_mask;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (before.sa_flags & (SA_NODEFER | SA_RESTART));
    return sigaction(SIGBUS, &ours, nullptr) == -1 ? errno : 0;
  }

  // 0 where the handler is in force.
  static int ready() {
    static const int error = install();
    struct sigaction now;
    if (error) return error;
    if (sigaction(SIGBUS, nullptr, &now) == -1) return errno;
    return (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler ? 0 : EBUSY;
  }
};

// In the handler. The look that failed is made again when it returns, and has zeros: so
// has the one at the witness.
bool mapped_file::take_signal(const char *at) {
  const mapped_file *file = reading_;
  if (!file) return false;
  const char *begin = static_cast<const char *>(file->bytes_);
  if (std::less<>()(at, begin) || !std::less<>()(at, begin + file->size_)) return false;
  return mmap(file->bytes_, file->size_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

namespace {

constexpr size_t WITNESS_WITHIN = 4096;

// The last of len bytes that is not zero, -1: none.
ptrdiff_t last_written(const char *bytes, size_t len) {
  while (len > 0 && bytes[len - 1] == 0) --len;
  return static_cast<ptrdiff_t>(len) - 1;
}

bool same_time(const struct timespec &a, const struct timespec &b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

bool mapped_file::find_witness() {
  const section within(this);
  const char *bytes = static_cast<const char *>(bytes_);
  const size_t searched = std::min(size_, WITNESS_WITHIN);
  const ptrdiff_t last = last_written(bytes + (size_ - searched), searched);
  if (last < 0) return false;
  const size_t end = size_ - searched + static_cast<size_t>(last) + 1;
  witness_at_ = std::max(end, sizeof witness_) - sizeof witness_;
  witness_ = word(bytes + witness_at_);
  return witness_ != 0;
}

int mapped_file::map(int fd) {
  reset();
  struct stat st, now;
  if (int error = mapped_signal::ready()) return error;
  if (fstat(fd, &st) == -1) return errno;
  if (!S_ISREG(st.st_mode)) return ENODEV;
  if (st.st_size < static_cast<off_t>(sizeof witness_)) return ENODATA;
  if (static_cast<uintmax_t>(st.st_size) > static_cast<size_t>(std::numeric_limits<ptrdiff_t>::max())) return EFBIG;
  mapped_file made;
  made.size_ = static_cast<size_t>(st.st_size);
  void *bytes = mmap(nullptr, made.size_, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return errno;
  made.bytes_ = bytes;
  made.dev_ = st.st_dev;
  made.ino_ = st.st_ino;
  made.mtime_ = st.st_mtim;
  made.ctime_ = st.st_ctim;
  const bool witnessed = made.find_witness();
  // cut short while the witness was looked for, it may have been found before the zeros
  if (fstat(fd, &now) == -1) return errno;
  if (now.st_size != st.st_size) return EAGAIN;
  if (!witnessed) return ENODATA;
  swap(made);
  return 0;
}

void mapped_file::reset() {
  if (bytes_) munmap(bytes_, size_);
  bytes_ = nullptr;
  size_ = 0;
  lost_ = false;
}

void mapped_file::swap(mapped_file &other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  std::swap(lost_, other.lost_);
  std::swap(witness_at_, other.witness_at_);
  std::swap(witness_, other.witness_);
  std::swap(dev_, other.dev_);
  std::swap(ino_, other.ino_);
  std::swap(mtime_, other.mtime_);
  std::swap(ctime_, other.ctime_);
}

bool mapped_file::same_file(const struct stat &st) const {
  return *this && st.st_dev == dev_ && st.st_ino == ino_ && st.st_size == static_cast<off_t>(size_) &&
         same_time(st.st_mtim, mtime_) && same_time(st.st_ctim, ctime_);
}

size_t mapped_file::read(char *buf, size_t len, uint64_t pos) const {
  if (pos >= size_) return 0;
  const size_t n = std::min(len, size_ - static_cast<size_t>(pos));
  return guarded([&](const char *bytes, size_t) { memcpy(buf, bytes + pos, n); }) ? n : 0;
}
