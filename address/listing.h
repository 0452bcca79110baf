// listing.h - what a home's listing proves: that a name is not there.
//
// qmail-local opens each .qmail file anew for each delivery, and so does asuser where
// there is one. Most questions are about names that are not there, a handful of them
// for one address: those looks are saved while the listing of the home, read once,
// stands for them. It proves nothing else: a name that is in it is opened anew.
//
// A listing is kept for (device, inode, uid, gid), and proves something only while
// device, inode, mode, owner, group, mtime and ctime of the home, stat'ed anew as that
// user for that question, are what they were before it was read and after.
//
// Why that is enough. A name that comes, goes or is renamed sets its directory's ctime
// to the kernel's clock of that moment, rounded down to what the file system can store;
// no user can set it to anything else. Two changes in one tick of that clock leave the
// same ctime, so a listing read between them would never be found out (git's index has
// this trap, "racy git"). So a home is read only when the kernel's coarse clock, the one that
// ctime is taken from, is past its times by more than a tick and the rounding: 50 ms (a
// tick is 1 to 10), or 2 s where ctime has no nanoseconds (ext3, ext4 with small inodes).
// Whatever changes after the clock was read gets a later ctime, and whatever changed
// before that is in the listing, as reading a directory waits for who changes it. Times
// in the future prove nothing.
//
// A clock set back could give the old ctime once more. So its distance from the clock
// that is never set is looked at for each question: once it has changed by more than
// 25 ms, all listings are forgotten. (Less than that is left of the 50. NTP that slews
// the clock moves both.) What is not noticed is a clock set back and forth again between
// two questions, with a change in between whose ctime is the old one to the nanosecond,
// or to the second on ext3.
//
// Where the times of a directory do not tell, or its listing does not tell all of the
// names that it answers to, there is no listing:
// - on file systems that are not on the list in listing.cpp: all of the network and
//   of FUSE, whose changes are made elsewhere, by another clock; FAT and NTFS with
//   their second names; overlayfs, where a change of a lower layer changes the merged
//   directory and not its times (not while it is mounted, says its manual; but it is
//   done, and the next mount may have the same device number);
// - in encrypted directories: the names appear when the key is added, at no time;
// - in directories that ignore case (ext4, f2fs and tmpfs by a flag, XFS, ZFS and JFS
//   by the whole): the flag is asked for, and an entry looked at with its case swapped;
// - on ZFS beside a name that is not ASCII, which it may take for another one that is.
//
// Reading costs more than a few looks, so it is done at the second question that finds
// the home unchanged. All reading together takes at most a fifth of the time, one large
// home's a twentieth; and a reading is given up at 1,000,000 entries or 200 ms.
//
// Memory: nothing before the first home. 24 bytes for a home in a table that doubles
// up to 262,144 places, 163,840 of them used (6 MiB); one or two names are kept
// in it too. Of more than two names, 8 to 16 bytes each, 4 MiB in all, and while a
// home is read 4 to 8 more for each of its names. What was not used for longest makes
// room, about. Where memory is short, less is kept.
//
// Numbers stand for names and stamps. A stamp counts as unchanged if 64 bits computed
// from it with a key of this process's own are. Names are told apart by 31 such bits:
// two that look alike cost an open, and no wrong answer.
//
// Not for threads. A child goes on with its own copy.

#ifndef ADDRESS_LISTING_H
#define ADDRESS_LISTING_H

#include <sys/stat.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "qmail/fd.h"

// Nanoseconds of the kernel's coarse clocks.
struct listing_now {
  int64_t real;    // CLOCK_REALTIME_COARSE, which ctime is taken from
  int64_t steady;  // CLOCK_MONOTONIC_COARSE, which nobody sets
};

// What is asked of the kernel; tests answer otherwise.
class listing_machine {
 public:
  virtual ~listing_machine() = default;
  virtual listing_now now() const;
  virtual int64_t fine() const;  // CLOCK_MONOTONIC, ns: what a reading costs
  // f_type of fstatfs(2); 0: cannot be told.
  virtual unsigned long type(int fd) const;
  // fstat(2): 0 or -1.
  virtual int stat(int fd, struct stat &st) const;
  // Is the directory encrypted, does it ignore case, or cannot that be told?
  virtual bool veiled(int fd) const;
  // getdents64(2).
  virtual ssize_t entries(int fd, char *buf, size_t size) const;
  // fstatat(2) of a name in the directory, no link followed: 0 or errno.
  virtual int look(int fd, const char *name, struct stat &st) const;
};

// Bounds, all of them. Others than these are for tests.
struct listing_limits {
  unsigned looks = 2;                  // read at this question that finds the home unchanged (at most 255)
  size_t homes_slots = 1 << 18;        // places of the table, a power of two from 64 on; five eighths are used
  size_t names_bytes = 4 << 20;        // names of all homes with more than two
  size_t entries = 1'000'000;          // of one home, .qmail or not
  int64_t read_ns = 200'000'000;       // for one reading
  int64_t grain_ns = 50'000'000;       // a home is as old as that when it is read
  int64_t second_ns = 2'000'000'000;   // or that, where its ctime has whole seconds
  int64_t step_ns = 25'000'000;        // the clock has been set; less than grain_ns by two ticks
  int share = 5;                       // all reading takes at most this part of the time
  int home_share = 20;                 // and one home's this
  int64_t again_ns = 1'000'000'000;    // a reading that failed is tried again after that,
  int64_t beyond_ns = 300'000'000'000; // one that was given up after that, if the home has changed
  uint32_t hash_mask = UINT32_MAX;     // fewer bits: more names and homes that look alike
};

// A set of fingerprints, in one word: none, one or two themselves, or a table of them.
class listing_names {
 public:
  listing_names() = default;
  listing_names(listing_names &&other) noexcept : word_(std::exchange(other.word_, 0)) {}
  listing_names &operator=(listing_names &&other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~listing_names();

  // What count fingerprints take beyond the word itself.
  static size_t bytes_for(size_t count);
  // Takes over fingerprints (odd numbers). False: no memory.
  bool take(const std::vector<uint32_t> &fingerprints);
  bool has(uint32_t fingerprint) const;
  size_t bytes() const;

 private:
  uint32_t *table() const;  // null: none, one or two

  uint64_t word_ = 0;  // 0; a pointer; or two odd numbers, the lower one first
};

struct listing_home {
  enum class State : uint8_t { empty, counted, listed, none };  // none: not with this stamp

  uint64_t proof = 0;  // of who and which home this is, and its stamp
  listing_names names;
  uint32_t tag = 0;  // of who and which home
  uint8_t looks = 0;
  State state = State::empty;
  bool used = false;
};
static_assert(sizeof(listing_home) == 24);

class listings;

// What is known of one home; good until the next call of listings.
class home_listing {
 public:
  home_listing() = default;

  // True: there is certainly no such name in the home. False proves nothing, and is all
  // there is to be had for a name that does not begin with ".qmail", is longer than
  // 255 bytes, or has a slash, a NUL or a byte from 0x80 on in it.
  bool absent(std::string_view name) const;

 private:
  friend class listings;
  home_listing(const listings &of, const listing_home &home) : of_(&of), home_(&home) {}

  const listings *of_ = nullptr;  // null: nothing
  const listing_home *home_ = nullptr;
};

class listings {
 public:
  // machine: asked in the place of the kernel; outlives this.
  explicit listings(const listing_machine *machine = nullptr, const listing_limits &limits = {});
  listings(const listings &) = delete;
  listings &operator=(const listings &) = delete;

  // What is known of a home. To be called as (uid, gid).
  // st: of stat(2) for "home/.", made as (uid, gid) for the question at hand: that it
  // succeeded says that the user may search the home. What is proved is as of then.
  // open_home(): opens it as that user, O_RDONLY | O_DIRECTORY, and returns the descriptor,
  // which is closed here, or -1 with errno. It is called once, or, most often, not
  // at all.
  template <class Open>
  home_listing of(uid_t uid, gid_t gid, const struct stat &st, Open open_home) {
    listing_home *const home = find(uid, gid, st);
    if (!home) return {};
    if (home->state == listing_home::State::listed) return {*this, *home};
    if (!due(*home, st)) return {};
    const int64_t begun = machine_.fine();
    const unique_fd fd(open_home());
    const int error = fd ? 0 : errno;
    read(*home, st, fd.get(), error, begun);
    if (home->state == listing_home::State::listed) return {*this, *home};
    return {};
  }

  // Forgets every home.
  void forget();
  // What is kept, in bytes.
  size_t bytes() const { return slots_ * sizeof(listing_home) + names_bytes_; }
  size_t homes() const { return homes_; }
  // How many places the home that is farthest from its own is away from it. Reads the
  // whole table.
  size_t farthest() const;

 private:
  friend class home_listing;

  // A home that is not to be read for a while.
  struct pause {
    uint32_t tag = 0;
    int64_t until = 0;  // steady
  };

  uint32_t fingerprint(std::string_view name) const;  // odd; 0: nothing is known of such names
  uint32_t tag(uint64_t which) const;
  void mind_the_clock();
  int64_t clock_step() const;

  listing_home *find(uid_t uid, gid_t gid, const struct stat &st);
  listing_home *begin(uint32_t tag, size_t at);
  size_t place(uint32_t tag) const;
  bool grow();
  void make_room();
  // More than that, and the searches for those that are not there become long.
  size_t most_homes() const { return slots_ / 8 * 5; }
  // Over all places, but not one behind the other: what becomes free would lie together,
  // and what stays would, too, so that to find a home would mean to pass thousands.
  void move_hand() { hand_ = (hand_ + slots_ / 8 * 5 + 1) & (slots_ - 1); }
  void remove(size_t at);
  void drop_names(listing_home &home);
  void names_room(size_t bytes);

  bool due(listing_home &home, const struct stat &st);
  bool old(const struct stat &st) const;
  bool paused(uint32_t tag) const;
  void pause_home(uint32_t tag, int64_t ns);
  void read(listing_home &home, const struct stat &st, int fd, int error, int64_t begun);
  enum class Outcome { listed, none, again, beyond };
  Outcome read_now(listing_home &home, const struct stat &st, int fd, int64_t begun);
  Outcome scan(int fd, bool zfs, int64_t begun, std::vector<uint32_t> &names) const;
  bool heeds_case(int fd, const char *name) const;

  const listing_machine &machine_;
  const listing_limits limits_;
  std::array<uint64_t, 4> key_;

  std::unique_ptr<listing_home[]> table_;
  size_t slots_ = 0, homes_ = 0, hand_ = 0;
  size_t names_bytes_ = 0;

  bool started_ = false;
  listing_now now_{};     // of the question at hand
  int64_t distance_ = 0;  // real less steady
  int64_t credit_, credited_ = 0;  // ns of reading that may be spent, and as of when (steady)
  std::array<pause, 64> pauses_{};
};

#endif
