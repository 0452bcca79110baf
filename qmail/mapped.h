// mapped.h - a file that is read where the kernel keeps it, without a copy and
// without a call; one that is cut short meanwhile gives an error, not a signal.
//
// A page that no longer lies within its file cannot be read: that is a SIGBUS. Here
// a handler, installed once for the process, puts a page of zeros in the place of the
// mapping, and whoever reads goes on, to be told at the end that nothing of what was
// seen counts. Nothing is jumped over, so that what reads may be any code.
//
// The last page that lies within its file in part is worse: behind the file's new end it
// reads as zeros, without a signal. So the last bytes of the file that are not zeros
// are remembered as a witness and looked at behind each reading: while they are there,
// everything before them is the file's own, and what lies behind them was zeros from
// the beginning. Where the witness is gone or another, nothing that was seen counts. (A
// look in the instant in which the kernel overwrites the rest of a page with zeros may
// see one and not yet the other; a pread(2) in that instant does so too.)
//
// What is written to the file shows at once. What lies behind the size that the file
// had when it was mapped is not there for this class; the caller may read it with
// pread(2), as it may read everything once the mapping is lost.
//
// valgrind knows the registers of a look that is made again only if it is run with
// --vex-iropt-register-updates=allregs-at-mem-access; without it a file that is cut may
// be seen as garbage, which does not count either.

#ifndef QMAIL_MAPPED_H
#define QMAIL_MAPPED_H

#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

// One object is for one thread at a time. SIGBUS must not be blocked while one is read.
class mapped_file {
 public:
  mapped_file() = default;
  mapped_file(mapped_file &&other) noexcept { swap(other); }
  mapped_file &operator=(mapped_file &&other) noexcept {
    if (this != &other) {
      reset();
      swap(other);
    }
    return *this;
  }
  ~mapped_file() { reset(); }

  // Maps the whole of the regular file behind fd, which is open for reading and may be
  // closed afterwards; what was mapped before is given up. 0, or why it is not mapped,
  // and the caller goes on with pread(2): ENODEV (no regular file), ENODATA (fewer than
  // 8 bytes, or zeros only in its last 4096), EFBIG (does not fit into memory's
  // addresses), EAGAIN (changed its size meanwhile), EBUSY (other code of the process
  // has put its SIGBUS handler in the place of ours, or another errno of sigaction(2)),
  // or as fstat(2) or mmap(2) has it. A SIGBUS that has nothing to do with a mapping
  // that is being read goes to the handler that was there before, or has its default
  // effect.
  int map(int fd);
  void reset();

  // Is there a mapping, and was the last reading of it good?
  explicit operator bool() const { return bytes_ && !lost_; }
  size_t size() const { return size_; }

  // Is st, of stat(2) on the path that the file was opened by, that of the mapped file as
  // it was mapped, and is the mapping good? If so it may be kept and read on. While it
  // is mapped its inode cannot be given to another file. Changes of a local file's content
  // show in the mapping, whatever its mtime says; the times are compared all the same,
  // as they cost nothing and tell of the one file system where it is not so:
  // overlayfs, where a file of the lower layer that is written to becomes another one.
  // A file on a network file system may change without a word: none should be kept.
  bool same_file(const struct stat &st) const;

  // Calls body(bytes, size) (const char *, size_t) and says whether what body saw was
  // the file. If not the mapping is lost for good, and body may have seen zeros in the
  // place of anything: it must end with those too, and with bytes that change between
  // two looks. Another mapping may be read within, but then only that one.
  template <class Body>
  bool guarded(Body &&body) const {
    if (!*this) return false;
    {
      const section within(this);
      body(static_cast<const char *>(bytes_), size_);
      if (word(static_cast<const char *>(bytes_) + witness_at_) != witness_) lost_ = true;
    }
    return !lost_;
  }

  // Copies up to len bytes from pos: how many there were, 0 behind the end or where the
  // mapping is lost.
  size_t read(char *buf, size_t len, uint64_t pos) const;

 private:
  // Between its two ends the handler knows what is being read.
  class section {
   public:
    explicit section(const mapped_file *file) : before_(reading_) {
      reading_ = file;
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    section(const section &) = delete;
    section &operator=(const section &) = delete;
    ~section() {
      std::atomic_signal_fence(std::memory_order_seq_cst);
      reading_ = before_;
    }

   private:
    const mapped_file *before_;
  };

  static uint64_t word(const char *at) {
    uint64_t w;
    std::atomic_thread_fence(std::memory_order_acquire);  // behind what was read before
    memcpy(&w, at, sizeof w);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return w;
  }
  void swap(mapped_file &other) noexcept;
  bool find_witness();
  static bool take_signal(const char *at);
  friend struct mapped_signal;

  static inline constinit thread_local const mapped_file *reading_ = nullptr;
  void *bytes_ = nullptr;
  size_t size_ = 0;
  mutable bool lost_ = false;
  size_t witness_at_ = 0;
  uint64_t witness_ = 0;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
  struct timespec mtime_ = {}, ctime_ = {};
};

#endif
