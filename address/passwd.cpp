// passwd.cpp - see passwd.h.

#include "passwd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>

#include "qmail/filesystem.h"

namespace {

constexpr int64_t MS = 1'000'000, SECOND = 1000 * MS;
constexpr int64_t GRAIN = 50 * MS, COARSE_GRAIN = 2 * SECOND;
// How long an index that may be out of date goes on to answer, and how long a reading
// may be put off.
constexpr int64_t OLD_MAX = 800 * MS;
constexpr int64_t SOURCES_EVERY = 200 * MS;
// Reading takes one part in so many of the time, and is tried again at once so often
// where the file changes meanwhile.
constexpr int64_t SHARE = 5;
constexpr int TRIES = 3;

int64_t clock_ns(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return ts.tv_sec * SECOND + ts.tv_nsec;
}

int64_t ns(const timespec &ts) { return ts.tv_sec * SECOND + ts.tv_nsec; }

// Reads size bytes, and nothing less or more may be there.
bool read_whole(int fd, char *to, size_t size) {
  size_t got = 0;
  for (;;) {
    char beyond;
    const bool full = got == size;
    const ssize_t n = full ? ::read(fd, &beyond, 1) : ::read(fd, to + got, size - got);
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) return n == 0 && full;
    if (full) return false;
    got += static_cast<size_t>(n);
  }
}

// ---- lines

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Takes off rest what comes before the next colon, and the colon.
std::string_view take_field(std::string_view &rest) {
  const void *const colon = rest.empty() ? nullptr : memchr(rest.data(), ':', rest.size());
  const size_t n = colon ? static_cast<size_t>(static_cast<const char *>(colon) - rest.data()) : rest.size();
  const std::string_view field = rest.substr(0, n);
  rest.remove_prefix(colon ? n + 1 : n);
  return field;
}

enum class Parsed { yes, no, differs };  // differs: not every libc reads it alike

// Takes a number off rest as strtoul does, and the colon behind it: blanks and a sign
// may come before. no: there is none, or something else behind it.
Parsed take_number(std::string_view &rest, uint32_t &number) {
  constexpr uint64_t max = std::numeric_limits<uint32_t>::max();
  size_t i = 0;
  while (i < rest.size() && is_space(rest[i])) ++i;
  bool differs = i < rest.size() && rest[i] == '-';
  if (i < rest.size() && (rest[i] == '-' || rest[i] == '+')) ++i;
  const size_t digits = i;
  uint64_t value = 0;
  for (; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i) {
    value = 10 * value + static_cast<uint64_t>(rest[i] - '0');
    differs = differs || value > max;
    if (differs) value = 0;
  }
  if (i == digits || (i < rest.size() && rest[i] != ':')) return Parsed::no;
  number = static_cast<uint32_t>(value);
  rest.remove_prefix(i < rest.size() ? i + 1 : i);
  return differs ? Parsed::differs : Parsed::yes;
}

constexpr uint32_t SLOT_OFFSET = std::numeric_limits<uint32_t>::max();

// The shortest line that counts: "::0:0".
constexpr size_t LINE_MIN = 5;

}  // namespace

struct passwd_table::line {
  std::string_view name, home;
  uint32_t uid = 0, gid = 0;
  bool named = false;  // neither empty, a comment, nor with + or - before it
  Parsed parsed = Parsed::no;

  // text: without blanks before it and without its newline.
  explicit line(std::string_view text) {
    if (text.empty() || text.front() == '#' || text.front() == '+' || text.front() == '-') return;
    named = true;
    name = take_field(text);
    take_field(text);  // the password
    const Parsed first = take_number(text, uid);
    if (first == Parsed::no) return;
    const Parsed second = take_number(text, gid);
    if (second == Parsed::no) return;
    take_field(text);  // the real name
    home = take_field(text);
    parsed = first == Parsed::yes ? second : first;
  }
};

// ---- memory

passwd_memory::passwd_memory(size_t size) {
  void *const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return;
  at_ = at;
  size_ = size;
}

passwd_memory::~passwd_memory() {
  if (at_) munmap(at_, size_);
}

// ---- the table
//
// A slot is the lower half of a name's hash and, below it, the offset of its line plus
// one; 0 is free. The upper half of the hash says where a search begins, the next slots
// follow. There are two slots a line, so that there always is a free one.

passwd_table::passwd_table() {
  // Without random bytes (a kernel without getrandom) addresses have to do.
  if (getrandom(key_, sizeof key_, 0) != sizeof key_) {
    key_[0] = static_cast<uint64_t>(clock_ns(CLOCK_REALTIME));
    key_[1] = reinterpret_cast<uintptr_t>(this);
  }
}

// SipHash-1-3 (Aumasson and Bernstein).
uint64_t passwd_table::hash(std::string_view name) const {
  uint64_t a = key_[0] ^ 0x736f6d6570736575, b = key_[1] ^ 0x646f72616e646f6d, c = key_[0] ^ 0x6c7967656e657261,
           d = key_[1] ^ 0x7465646279746573;
  const auto round = [&] {
    a += b, c += d;
    b = std::rotl(b, 13) ^ a, d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b, a += d;
    b = std::rotl(b, 17) ^ c, d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  };
  const auto word = [&](uint64_t m) {
    d ^= m;
    round();
    a ^= m;
  };
  uint64_t m = 0;
  const char *at = name.data();
  size_t left = name.size();
  for (; left >= 8; at += 8, left -= 8) {
    memcpy(&m, at, 8);
    word(m);
  }
  m = 0;
  for (size_t i = 0; i < left; ++i) m |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  word(m | uint64_t{name.size()} << 56);
  c ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return a ^ b ^ c ^ d;
}

void passwd_table::clear() {
  text_ = {};
  slots_ = {};
  size_ = count_ = 0;
}

// Where the line that begins here has its newline, or the end of the text.
size_t passwd_table::line_end(size_t begin) const {
  const char *const at = text_.get() + begin;
  const void *const newline = memchr(at, '\n', size_ - begin);
  return newline ? begin + static_cast<size_t>(static_cast<const char *>(newline) - at) : size_;
}

// The line from begin (behind its blanks) to end.
passwd_table::line passwd_table::read(size_t begin, size_t end) const {
  line read(std::string_view(text_.get() + begin, end - begin));
  const bool moved = begin > 0 && text_.get()[begin - 1] != '\n';
  if (moved && end == size_ && read.named) read.parsed = Parsed::differs;
  return read;
}

// Does the slot name a line of this name? Such a line has a colon behind its name.
bool passwd_table::names(uint64_t slot, uint64_t h, std::string_view name) const {
  if (slot >> 32 != (h & SLOT_OFFSET)) return false;
  const size_t begin = static_cast<size_t>(slot & SLOT_OFFSET) - 1;
  return size_ - begin > name.size() && text_.get()[begin + name.size()] == ':' &&
         std::equal(name.begin(), name.end(), text_.get() + begin);
}

passwd_says passwd_table::find(std::string_view name, site_passwd &entry) const {
  if (!count_ || name.find(':') != name.npos) return passwd_says::absent;
  const uint64_t h = hash(name);
  size_t i = first(h);
  for (uint64_t slot; (slot = slots()[i]); i = i + 1 == count_ ? 0 : i + 1) {
    if (!names(slot, h, name)) continue;
    const size_t begin = static_cast<size_t>(slot & SLOT_OFFSET) - 1;
    const line found = read(begin, line_end(begin));
    if (found.parsed != Parsed::yes) return passwd_says::ask;
    entry.name = found.name;
    entry.uid = found.uid;
    entry.gid = found.gid;
    entry.home = found.home;
    return passwd_says::found;
  }
  return passwd_says::absent;
}

// Takes the line from begin to end (without its newline) in, if it may count. False: it
// is not followed.
bool passwd_table::insert(size_t begin, size_t end) {
  if (end - begin > LINE_MAX_BYTES) return false;
  while (begin < end && is_space(text_.get()[begin])) ++begin;
  const line next = read(begin, end);
  if (next.parsed == Parsed::no) return true;
  const uint64_t h = hash(next.name);
  size_t i = first(h);
  for (uint64_t slot; (slot = slots()[i]); i = i + 1 == count_ ? 0 : i + 1)
    if (names(slot, h, next.name)) return true;
  slots()[i] = h << 32 | (begin + 1);
  return true;
}

bool passwd_table::build(passwd_memory text, size_t size) {
  clear();
  if (size == 0) return true;
  if (size >= SLOT_OFFSET || memchr(text.get(), '\0', size)) return false;
  text_ = std::move(text);
  size_ = size;
  size_t lines = 1;  // the last may be shorter and differ
  for (size_t begin = 0, end; begin < size; begin = end + 1) {
    end = line_end(begin);
    lines += end - begin >= LINE_MIN;
  }
  const size_t count = 2 * lines + 1;
  slots_ = passwd_memory(count * sizeof(uint64_t));
  bool all_right = slots_.get() != nullptr;
  count_ = count;
  for (size_t begin = 0, end; all_right && begin < size; begin = end + 1) {
    end = line_end(begin);
    all_right = insert(begin, end);
  }
  if (!all_right) clear();
  return all_right;
}

// ---- the index

int64_t passwd_clock::steady() { return clock_ns(CLOCK_MONOTONIC); }
int64_t passwd_clock::wall() { return clock_ns(CLOCK_REALTIME); }

bool passwd_settled(const site_stamp &stamp, int64_t now) {
  const bool coarse = stamp.mtime.tv_nsec == 0 && stamp.ctime.tv_nsec == 0;
  return std::max(ns(stamp.mtime), ns(stamp.ctime)) < now - (coarse ? COARSE_GRAIN : GRAIN);
}

passwd_index::passwd_index(std::string root, passwd_clock *clock)
    : clock_(clock ? *clock : real_), path_(root + "/etc/passwd"), sources_(root) {}

passwd_says passwd_index::find(std::string_view name, site_passwd &entry) {
  if (stale_) {
    stale_ = false;
    look();
  }
  if (!usable_ || name.find('\0') != name.npos) return passwd_says::ask;
  const passwd_says says = table_.find(name, entry);
  return says == passwd_says::absent && sources_.may_have(name) ? passwd_says::ask : says;
}

Look passwd_index::failed(int error) {
  if (error == EACCES || error == EPERM) denied_ = true;
  return Look::failed;
}

// Where rights were missing there may be others now.
void passwd_index::look_at_sources(int64_t now) {
  if (sources_known_ && !sources_.denied() && now - sources_at_ < SOURCES_EVERY) return;
  sources_.look();
  sources_known_ = true;
  sources_at_ = now;
}

bool passwd_index::current(const site_stamp &there) const { return have_ && settled_ && there == stamp_; }

void passwd_index::look() {
  usable_ = denied_ = false;
  const int64_t now = clock_.steady();
  look_at_sources(now);
  if (!sources_.files_first()) return;
  struct stat st;
  if (stat(path_.c_str(), &st) == -1) {
    failed(errno);
    return;
  }
  if (current(site_stamp_of(st))) {
    proven_ = now;
    usable_ = follow_;
  } else if (now >= next_read_) {
    read();
  } else {
    usable_ = have_ && follow_ && now - proven_ < OLD_MAX;
  }
}

void passwd_index::forget() {
  table_.clear();
  fd_.reset();
  have_ = follow_ = settled_ = false;
}

void passwd_index::read() {
  const int64_t began = clock_.steady();
  Look look = Look::absent;
  for (int i = 0; i < TRIES && look == Look::absent; ++i) look = read_once();
  if (denied_) return;
  ++readings_;
  if (look != Look::found) forget();
  const int64_t ended = clock_.steady();
  next_read_ = ended + std::min(SHARE * (ended - began), OLD_MAX);
  proven_ = began;
  usable_ = follow_;
}

// Once. failed: it could not be read, for want of rights without what was read before
// being lost; absent: it changed meanwhile.
Look passwd_index::read_once() {
  unique_fd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat before, after;
  if (!fd || fstat(fd.get(), &before) == -1) return failed(errno);
  forget();
  if (!S_ISREG(before.st_mode)) return Look::failed;
  const int64_t now = clock_.wall();
  const auto size = static_cast<size_t>(before.st_size);
  passwd_memory text(std::max<size_t>(size, 1));
  if (!text.get()) return Look::failed;
  if (!read_whole(fd.get(), text.get(), size)) return Look::absent;
  if (fstat(fd.get(), &after) == -1 || !(site_stamp_of(before) == site_stamp_of(after))) return Look::absent;
  stamp_ = site_stamp_of(before);
  settled_ = passwd_settled(stamp_, now) && !filesystem_remote(fd.get());
  follow_ = table_.build(std::move(text), size);
  fd_ = std::move(fd);
  have_ = true;
  return Look::found;
}
