// listing.cpp - see listing.h.

#include "listing.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <new>

using State = listing_home::State;

namespace {

constexpr int64_t SECOND = 1'000'000'000;
constexpr std::string_view PREFIX = ".qmail";
constexpr int64_t PAUSE_COST = 200'000;  // ns: a smaller home may well be read each time

// ---- the kernel

int64_t clock_ns(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

const listing_machine KERNEL;

// Those that linux/magic.h does not know, from their own sources.
constexpr unsigned long ZFS_MAGIC = 0x2fc12fc1, BCACHEFS_MAGIC = 0xca451a4e, JFS_MAGIC = 0x3153464a;

// Local ones that set a directory's ctime with each change of it, and show all of its names.
bool tells_changes(unsigned long type) {
  switch (type) {
    case EXT4_SUPER_MAGIC:  // ext2 and ext3 too
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case F2FS_SUPER_MAGIC:
    case REISERFS_SUPER_MAGIC:
    case NILFS_SUPER_MAGIC:
    case ZFS_MAGIC:
    case BCACHEFS_MAGIC:
    case JFS_MAGIC:
      return true;
    default:
      return false;
  }
}

// ---- numbers for names and stamps

// Both halves of the product: what is in any bit of one factor counts in all of it.
uint64_t folded_product(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t both(uint32_t high, uint32_t low) { return static_cast<uint64_t>(high) << 32 | low; }

constexpr uint64_t ONES = 0x0101010101010101, HIGH = 0x8080808080808080;

// Not 0 if there is a zero byte in it.
constexpr uint64_t zero_byte(uint64_t word) { return (word - ONES) & ~word & HIGH; }

// Eight bytes with one among them that a name of which something is known cannot have.
constexpr bool strange(uint64_t word) { return ((word & HIGH) | zero_byte(word) | zero_byte(word ^ ('/' * ONES))) != 0; }

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_ascii(std::string_view name) {
  return std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

bool same_stamp(const struct stat &a, const struct stat &b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_uid == b.st_uid &&
         a.st_gid == b.st_gid && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// What getdents64 writes, one behind the other.
struct dirent_begin {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
};
constexpr size_t NAME_AT = offsetof(dirent_begin, type) + 1;

}  // namespace

listing_now listing_machine::now() const { return {clock_ns(CLOCK_REALTIME_COARSE), clock_ns(CLOCK_MONOTONIC_COARSE)}; }

int64_t listing_machine::fine() const { return clock_ns(CLOCK_MONOTONIC); }

unsigned long listing_machine::type(int fd) const {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 ? static_cast<unsigned long>(fs.f_type) & UINT32_MAX : 0;
}

int listing_machine::stat(int fd, struct stat &st) const { return fstat(fd, &st); }

// Those that know nothing of the ioctl have no such flag.
bool listing_machine::veiled(int fd) const {
  struct statx stx;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == -1 || (stx.stx_attributes & STATX_ATTR_ENCRYPTED)) return true;
  unsigned int flags = 0;
  return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_CASEFOLD_FL | FS_ENCRYPT_FL)) != 0;
}

ssize_t listing_machine::entries(int fd, char *buf, size_t size) const { return syscall(SYS_getdents64, fd, buf, size); }

int listing_machine::look(int fd, const char *name, struct stat &st) const {
  return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

// ---- fingerprints

uint32_t *listing_names::table() const {
  return word_ & 1 ? nullptr : reinterpret_cast<uint32_t *>(static_cast<uintptr_t>(word_));
}

listing_names::~listing_names() { delete[] table(); }

// A table of at most half its places used, whose first place holds their number less one.
size_t listing_names::bytes_for(size_t count) {
  return count <= 2 ? 0 : (std::bit_ceil(count * 2) + 1) * sizeof(uint32_t);
}

bool listing_names::take(const std::vector<uint32_t> &fingerprints) {
  delete[] table();
  word_ = 0;
  const size_t count = fingerprints.size();
  if (count > 2) {
    const auto mask = static_cast<uint32_t>(std::bit_ceil(count * 2) - 1);
    auto *const at = new (std::nothrow) uint32_t[size_t{mask} + 2]();
    if (!at) return false;
    word_ = reinterpret_cast<uintptr_t>(at);
    at[0] = mask;
    for (const uint32_t each : fingerprints) {
      uint32_t i = each >> 1 & mask;
      while (at[1 + i] != 0 && at[1 + i] != each) i = (i + 1) & mask;
      at[1 + i] = each;
    }
  } else if (count > 0) {
    word_ = both(fingerprints.back(), fingerprints.front());
  }
  return true;
}

bool listing_names::has(uint32_t fingerprint) const {
  const uint32_t *const at = table();
  if (!at) return fingerprint == static_cast<uint32_t>(word_) || fingerprint == word_ >> 32;
  const uint32_t mask = at[0];
  for (uint32_t i = fingerprint >> 1 & mask; at[1 + i] != 0; i = (i + 1) & mask)
    if (at[1 + i] == fingerprint) return true;
  return false;
}

size_t listing_names::bytes() const {
  const uint32_t *const at = table();
  return at ? (size_t{at[0]} + 2) * sizeof(uint32_t) : 0;
}

uint32_t listings::fingerprint(std::string_view name) const {
  if (name.size() > 255 || !name.starts_with(PREFIX)) return 0;
  uint64_t hash = key_[0] ^ name.size();
  const char *at = name.data();
  size_t left = name.size();
  for (uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
    memcpy(&word, at, sizeof word);
    if (strange(word)) return 0;
    hash = folded_product(hash ^ word, key_[1]);
  }
  uint64_t word = ONES;
  memcpy(&word, at, left);
  if (strange(word)) return 0;
  hash = folded_product(folded_product(hash ^ word, key_[2]), key_[3]);
  return (static_cast<uint32_t>(hash >> 32) & limits_.hash_mask) | 1;
}

bool home_listing::absent(std::string_view name) const {
  if (!home_) return false;
  const uint32_t fingerprint = of_->fingerprint(name);
  return fingerprint != 0 && !home_->names.has(fingerprint);
}

// ---- the clock

// How far the clock has been set since distance_ was taken. This process may have had
// to wait between the two clocks of one reading, so the least of some counts.
int64_t listings::clock_step() const {
  int64_t least = INT64_MAX;
  listing_now now = now_;
  for (int i = 0; i < 4; ++i) {
    const int64_t step = now.real - now.steady - distance_;
    least = std::min(least, step < 0 ? -step : step);
    if (least <= limits_.step_ns) break;
    now = machine_.now();
  }
  return least;
}

void listings::mind_the_clock() {
  now_ = machine_.now();
  if (started_ && clock_step() <= limits_.step_ns) return;
  if (!std::exchange(started_, true)) credited_ = now_.steady;
  distance_ = now_.real - now_.steady;
  forget();
}

// A file's times may be anything: no sum of seconds that could overflow.
bool listings::old(const struct stat &st) const {
  const int64_t grain = st.st_ctim.tv_nsec == 0 ? limits_.second_ns : limits_.grain_ns;
  const int64_t since = now_.real - grain;
  const auto before = [since](const timespec &t) {
    return t.tv_sec < since / SECOND || (t.tv_sec == since / SECOND && t.tv_nsec < since % SECOND);
  };
  return before(st.st_ctim) && before(st.st_mtim);
}

// ---- the table of homes

listings::listings(const listing_machine *machine, const listing_limits &limits)
    : machine_(machine ? *machine : KERNEL), limits_(limits), credit_(limits.read_ns) {
  if (getrandom(key_.data(), sizeof key_, GRND_NONBLOCK) != sizeof key_)  // early at boot
    for (uint64_t &each : key_) each = folded_product(static_cast<uint64_t>(clock_ns(CLOCK_REALTIME)), 0x9e3779b97f4a7c15);
  for (uint64_t &each : key_) each |= 1;  // a factor
}

void listings::forget() {
  table_.reset();
  slots_ = homes_ = hand_ = names_bytes_ = 0;
}

uint32_t listings::tag(uint64_t which) const { return static_cast<uint32_t>(which >> 32) & limits_.hash_mask; }

// Two homes of one tag share a place, and take it from each other: the proof tells them apart.
listing_home *listings::find(uid_t uid, gid_t gid, const struct stat &st) {
  uint64_t proof = folded_product(st.st_dev ^ key_[0], st.st_ino ^ key_[1]);
  proof = folded_product(proof ^ both(uid, gid), key_[2]);
  const uint32_t which = tag(proof);
  // of many homes, its place is far from the processor: on its way while the rest is computed
  if (slots_) __builtin_prefetch(&table_[which & (slots_ - 1)]);
  mind_the_clock();
  const auto add = [&proof](uint64_t a, uint64_t b) { proof = folded_product(proof ^ a, b); };
  const auto number = [](auto n) { return static_cast<uint64_t>(n); };
  add(number(st.st_ctim.tv_sec), key_[3] ^ number(st.st_ctim.tv_nsec));
  add(number(st.st_mtim.tv_sec), key_[0] ^ number(st.st_mtim.tv_nsec));
  add(both(st.st_mode, st.st_uid), key_[1] ^ st.st_gid);

  const size_t at = slots_ ? place(which) : 0;
  listing_home *const home = slots_ && table_[at].state != State::empty ? &table_[at] : begin(which, at);
  if (!home) return nullptr;
  if (!home->used) home->used = true;
  if (home->proof == proof) return home;
  drop_names(*home);
  home->proof = proof;
  home->looks = 0;
  home->state = State::counted;
  return home;
}

// Where the home is, or the empty place where it would be.
size_t listings::place(uint32_t tag) const {
  size_t at = tag & (slots_ - 1);
  while (table_[at].state != State::empty && table_[at].tag != tag) at = (at + 1) & (slots_ - 1);
  return at;
}

size_t listings::farthest() const {
  size_t most = 0;
  for (size_t at = 0; at < slots_; ++at)
    if (table_[at].state != State::empty) most = std::max(most, (at - table_[at].tag) & (slots_ - 1));
  return most;
}

// A home that is not in the table: null where there is no memory for any.
listing_home *listings::begin(uint32_t tag, size_t at) {
  if (homes_ >= most_homes()) {
    if (!grow()) make_room();
    if (slots_ == 0) return nullptr;
    at = place(tag);
  }
  ++homes_;
  listing_home &home = table_[at];
  home.tag = tag;
  home.state = State::counted;
  home.proof = 0;
  home.looks = 0;
  return &home;
}

bool listings::grow() {
  const size_t slots = slots_ ? slots_ * 2 : 64;
  if (slots > limits_.homes_slots) return false;
  std::unique_ptr<listing_home[]> old(new (std::nothrow) listing_home[slots]);
  if (!old) return false;
  std::swap(table_, old);
  const size_t slots_before = std::exchange(slots_, slots);
  hand_ = 0;
  for (size_t i = 0; i < slots_before; ++i)
    if (old[i].state != State::empty) table_[place(old[i].tag)] = std::move(old[i]);
  return true;
}

// Removes the next home that was not used since the hand passed it last. (Where there
// is a table at all, it has homes in it.)
void listings::make_room() {
  while (slots_ && homes_ >= most_homes()) {
    listing_home &home = table_[hand_];
    if (home.state != State::empty && !std::exchange(home.used, false))
      remove(hand_);  // another may have come to its place
    else
      move_hand();
  }
}

// Those behind it that would not be found any more move up.
void listings::remove(size_t at) {
  const size_t mask = slots_ - 1;
  drop_names(table_[at]);
  for (size_t next = (at + 1) & mask; table_[next].state != State::empty; next = (next + 1) & mask) {
    const size_t way = (next - table_[next].tag) & mask;
    if (way < ((next - at) & mask)) continue;
    table_[at] = std::move(table_[next]);
    at = next;
  }
  table_[at] = {};
  --homes_;
}

void listings::drop_names(listing_home &home) {
  names_bytes_ -= home.names.bytes();
  home.names = {};
}

// Takes the names of homes that were not used lately, to be read again when they are due.
// bytes: no more than there may be in all.
void listings::names_room(size_t bytes) {
  for (; names_bytes_ + bytes > limits_.names_bytes; move_hand()) {
    listing_home &home = table_[hand_];
    if (home.state != State::listed || home.names.bytes() == 0 || std::exchange(home.used, false)) continue;
    drop_names(home);
    home.state = State::counted;
    home.looks = 0;
  }
}

// ---- reading

// Is it to be read now?
bool listings::due(listing_home &home, const struct stat &st) {
  if (home.state != State::counted) return false;
  if (home.looks < limits_.looks) ++home.looks;
  if (home.looks < limits_.looks || !old(st) || paused(home.tag)) return false;
  credit_ = std::min(limits_.read_ns, credit_ + (now_.steady - credited_) / limits_.share);
  credited_ = now_.steady;
  return credit_ > 0;
}

bool listings::paused(uint32_t tag) const {
  return std::any_of(pauses_.begin(), pauses_.end(),
                     [&](const pause &each) { return each.tag == tag && each.until > now_.steady; });
}

// In its own place, or in that of the one that is over first.
void listings::pause_home(uint32_t tag, int64_t ns) {
  pause *at = &pauses_[0];
  for (pause &each : pauses_)
    if (each.until < at->until) at = &each;
  for (pause &each : pauses_)
    if (each.tag == tag) at = &each;
  *at = {tag, now_.steady + ns};
}

void listings::read(listing_home &home, const struct stat &st, int fd, int error, int64_t begun) {
  Outcome outcome = error == EACCES || error == EPERM ? Outcome::none : Outcome::again;
  if (fd != -1) outcome = read_now(home, st, fd, begun);
  if (outcome == Outcome::listed) home.state = State::listed;
  if (outcome == Outcome::none || outcome == Outcome::beyond) home.state = State::none;

  const int64_t cost = machine_.fine() - begun;
  credit_ -= cost;
  if (outcome == Outcome::beyond)
    pause_home(home.tag, limits_.beyond_ns);
  else if (outcome == Outcome::again)
    pause_home(home.tag, std::max(limits_.again_ns, cost * limits_.home_share));
  else if (cost > PAUSE_COST)
    pause_home(home.tag, cost * limits_.home_share);
}

// What was opened is compared, last of all, with what was stat'ed before: the same
// directory, and unchanged from then on.
listings::Outcome listings::read_now(listing_home &home, const struct stat &st, int fd, int64_t begun) try {
  const unsigned long type = machine_.type(fd);
  if (!tells_changes(type) || machine_.veiled(fd)) return Outcome::none;
  std::vector<uint32_t> names;
  const Outcome outcome = scan(fd, type == ZFS_MAGIC, begun, names);
  if (outcome != Outcome::listed) return outcome;
  struct stat here;
  if (machine_.stat(fd, here) == -1 || !same_stamp(st, here)) return Outcome::again;
  names_room(listing_names::bytes_for(names.size()));
  if (!home.names.take(names)) return Outcome::none;
  names_bytes_ += home.names.bytes();
  return Outcome::listed;
} catch (const std::bad_alloc &) {
  return Outcome::none;
}

// zfs: a name that is not ASCII ends it. The name that tells whether case counts is the
// first with a letter, or the first that begins as ours do, the case of whose letters is
// not likely to be swapped by anybody. A directory that has no letters in it, of ASCII or
// other, has nothing that could be taken for a .qmail file.
listings::Outcome listings::scan(int fd, bool zfs, int64_t begun, std::vector<uint32_t> &names) const {
  std::array<char, 256> probe{};
  bool probe_ours = false, ascii = true;
  size_t count = 0;
  alignas(dirent_begin) std::array<char, 32768> buf;
  for (;;) {
    const ssize_t n = machine_.entries(fd, buf.data(), buf.size());
    if (n == -1) return Outcome::again;
    if (n == 0) break;
    for (const char *at = buf.data(), *const end = at + n; at < end;) {
      dirent_begin entry;
      memcpy(&entry, at, sizeof entry);
      const std::string_view name(at + NAME_AT);
      at += entry.reclen;
      if (++count > limits_.entries) return Outcome::beyond;
      if (!is_ascii(name)) ascii = false;
      const uint32_t print = fingerprint(name);
      if (print) names.push_back(print);
      const bool better = probe[0] == '\0' ? std::any_of(name.begin(), name.end(), is_letter) : print && !probe_ours;
      if (!better || name.size() >= probe.size()) continue;
      probe_ours = print != 0;
      *std::copy(name.begin(), name.end(), probe.begin()) = '\0';
    }
    if (machine_.fine() - begun > limits_.read_ns || listing_names::bytes_for(names.size()) > limits_.names_bytes)
      return Outcome::beyond;
  }
  if (!ascii && (zfs || probe[0] == '\0')) return Outcome::none;
  return probe[0] == '\0' || heeds_case(fd, probe.data()) ? Outcome::listed : Outcome::none;
}

// name: of an entry, with a letter in it. Does the directory know it by its letters' case?
// If the other spelling is there too, it is one of its own only if it is another file.
bool listings::heeds_case(int fd, const char *name) const {
  std::array<char, 256> other{};
  for (size_t i = 0; name[i] != '\0'; ++i) other[i] = is_letter(name[i]) ? static_cast<char>(name[i] ^ 0x20) : name[i];
  struct stat a, b;
  const int error = machine_.look(fd, other.data(), b);
  if (error != 0) return error == ENOENT;
  return machine_.look(fd, name, a) == 0 && a.st_ino != b.st_ino;
}
