// passwd.h - /etc/passwd as an index: what getpwnam_r would say of a name, wherever the
// files alone tell.
//
// getpwnam_r reads /etc/passwd line by line for each name. Here the file is read once,
// and again when it has changed. `found` is what getpwnam_r gives; `absent` means that
// neither the file nor any other source of nsswitch.conf can have the name (nsswitch.h
// says when that is certain, and what becomes of nscd); everything else is `ask`: only
// getpwnam_r can tell. A file that cannot be read, and one with something in it that is
// not followed exactly (NUL bytes, lines that getpwnam_r might find too long), is `ask`
// for every name; a line that not every libc reads alike is for its own name.
//
// When the index counts. Each first find() behind fresh() stats /etc/passwd; device,
// inode, size, mtime and ctime must be those of the file that was read, which is kept
// open, so that no other file can get its inode number. That proves something only if
// the file's times had settled when it was read (passwd_settled()): a change that
// follows another within one grain of the clock may leave no trace. A file read before
// that is read again at the next look; so is, always, one on a network file system, whose
// stat may be seconds old.
//
// Where a file changes all the time, reading takes a fifth of the time: the next reading
// begins five times as long behind the last as that took, but no later than 0.8 s behind
// it. In between the old index answers, if it was seen to be the file's less than 0.8 s
// ago (not: if the change was first seen so recently, for nobody may have looked before),
// so that each change shows within a second; else `ask`. nsswitch.conf and what systemd
// and nscd have is looked at anew every 200 ms.
//
// Memory: the file's bytes and at most 16 bytes a line, in anonymous mappings of their
// own, so that the old ones are the system's again before the new ones are there.
//
// One thread uses an index. No call changes identity; files are opened with whatever
// effective ids the process has.

#ifndef ADDRESS_PASSWD_H
#define ADDRESS_PASSWD_H

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "nsswitch.h"
#include "qmail/fd.h"
#include "qmail/look.h"
#include "site.h"

// What the files say of a name.
enum class passwd_says {
  found,   // it is there, and this is what getpwnam_r gives
  absent,  // getpwnam_r finds nobody of that name
  ask      // only getpwnam_r can tell
};

// So many bytes of zeros, in a mapping of their own; none where there is no memory.
class passwd_memory {
 public:
  passwd_memory() = default;
  explicit passwd_memory(size_t size);
  passwd_memory(passwd_memory &&o) noexcept
      : at_(std::exchange(o.at_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  passwd_memory &operator=(passwd_memory &&o) noexcept {
    std::swap(at_, o.at_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~passwd_memory();

  char *get() const { return static_cast<char *>(at_); }
  size_t size() const { return size_; }

 private:
  void *at_ = nullptr;
  size_t size_ = 0;
};

// The lines of a passwd file by name, parsed as glibc's nss_files does (files-pwd.c,
// fgetpwent_r.c): blanks before a line count for nothing, neither do comments, lines
// with a field missing, numbers that are none, and names with + or - before them; of
// several lines with one name the first counts.
//
// Two kinds of lines are left to getpwnam_r: with a number below 0 or above 32 bits (glibc
// takes the largest one, with Debian's changes it passes over the line), and the last
// line of a file where blanks come before it and no newline behind it (glibc moves it to
// the left without its NUL, so that its last bytes come twice).
class passwd_table {
 public:
  // No line may be longer, comments included: site_unix asks getpwnam_r with buffers of up
  // to 1 MB, each line has to fit.
  static constexpr size_t LINE_MAX_BYTES = size_t{256} << 10;

  passwd_table();

  // Makes the index of the first size bytes of text, which it keeps. False: the text has
  // something in it that is not followed, or memory ran out; nothing is known then.
  bool build(passwd_memory text, size_t size);
  // Gives all memory back.
  void clear();
  // Looks a name up; entry is filled where that is `found`.
  passwd_says find(std::string_view name, site_passwd &entry) const;
  // Bytes that the index takes.
  size_t memory() const { return text_.size() + slots_.size(); }

 private:
  struct line;
  line read(size_t begin, size_t end) const;
  bool insert(size_t begin, size_t end);
  size_t line_end(size_t begin) const;
  uint64_t hash(std::string_view name) const;
  uint64_t *slots() const { return reinterpret_cast<uint64_t *>(slots_.get()); }
  // The slot that a search for this hash begins with.
  size_t first(uint64_t h) const { return static_cast<size_t>(((h >> 32) * count_) >> 32); }
  bool names(uint64_t slot, uint64_t h, std::string_view name) const;

  uint64_t key_[2];  // random: nobody can choose names that meet in one slot
  passwd_memory text_, slots_;
  size_t size_ = 0, count_ = 0;  // of the text, of slots
};

// The time, for tests to bring another.
class passwd_clock {
 public:
  virtual ~passwd_clock() = default;
  virtual int64_t steady();  // ns of a clock that is never set
  virtual int64_t wall();    // ns since 1970, the clock that files are stamped with
};

// Could no change after `now` (wall()) leave the file with the same times? True where
// they are 50 ms old, or 2 s where they have no part of a second in them (a coarse file
// system); never where they lie in the future.
bool passwd_settled(const site_stamp &stamp, int64_t now);

class passwd_index {
 public:
  // root: what all paths are below. clock: lives as long as the index; null for the real one.
  explicit passwd_index(std::string root = "", passwd_clock *clock = nullptr);
  passwd_index(const passwd_index &) = delete;

  // What was seen so far does not count any more: the next find() looks again. Costs nothing.
  void fresh() { stale_ = true; }
  // What the files say of this name. entry is filled where that is `found`.
  passwd_says find(std::string_view name, site_passwd &entry);
  // Did the last look fail for want of rights (EACCES, EPERM)? Root's might help; fresh()
  // comes before the next find() then.
  bool denied() const { return denied_ || sources_.denied(); }
  // Is /etc/passwd itself known, as of the last find()? What was left to getpwnam_r then is
  // not in it, but for a line that not every libc reads alike.
  bool known() const { return usable_; }
  // What getpwnam_r asks, as of the last find().
  const nsswitch_chain &chain() const { return sources_.chain(); }

  // How often /etc/passwd has been read, and what is kept of it, in bytes.
  unsigned readings() const { return readings_; }
  size_t memory() const { return table_.memory(); }

 private:
  void look();
  void look_at_sources(int64_t now);
  Look failed(int error);  // notes it; Look::failed
  bool current(const site_stamp &there) const;
  void read();
  Look read_once();
  void forget();

  passwd_clock real_;
  passwd_clock &clock_;
  const std::string path_;
  nsswitch_sources sources_;
  int64_t sources_at_ = 0;
  bool sources_known_ = false;

  bool stale_ = true;    // find() has to look first
  bool usable_ = false;  // the table answers until the next fresh()
  bool denied_ = false;  // /etc/passwd was

  passwd_table table_;
  unique_fd fd_;  // the file that was read, so that its inode is not given to another
  site_stamp stamp_;
  bool have_ = false;     // stamp_ is that of a file that was read
  bool follow_ = false;   // and the table is its index
  bool settled_ = false;  // its times had settled by then
  int64_t proven_ = 0;    // when the table last was what the file held
  int64_t next_read_ = 0;
  unsigned readings_ = 0;
};

#endif
