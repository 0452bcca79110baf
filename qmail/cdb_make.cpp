// cdb_make.cpp - see cdb_make.h. The format is that of cdb(5): a header of 256 pairs
// (where a table begins, how many slots it has), the records, the tables, of which each
// has twice as many slots as records.

#include "cdb_make.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cdb.h"

namespace {

constexpr size_t TABLES = 256, HEADER = TABLES * 8;
constexpr size_t ENOUGH = 65536;

void append_number(std::string &to, uint32_t n) {
  for (int i = 0; i < 4; ++i, n >>= 8) to += static_cast<char>(n & 255);
}

std::string pair(uint32_t a, uint32_t b) {
  std::string out;
  append_number(out, a);
  append_number(out, b);
  return out;
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

}  // namespace

int cdb_make::flush() {
  if (!error_) error_ = write_all(fd_, held_);
  held_.clear();
  return error_;
}

int cdb_make::put(std::string_view bytes) {
  held_ += bytes;
  size_ += bytes.size();
  return held_.size() < ENOUGH ? error_ : flush();
}

// A record takes 16 bytes in its table.
bool cdb_make::has_room(uint64_t more) { return size_ + more + 16 * (slots_.size() + 1) <= largest_; }

int cdb_make::add(std::string_view key, std::string_view data) {
  if (error_) return error_;
  if (size_ == 0 && put(std::string(HEADER, '\0'))) return error_;
  if (!has_room(8 + key.size() + data.size())) return error_ = EFBIG;
  slots_.push_back({cdb_hash(key).value(), static_cast<uint32_t>(size_)});
  put(pair(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(data.size())));
  put(key);
  return put(data);
}

// Each record in the first free slot from where its hash says.
int cdb_make::table(const slot *begin, const slot *end) {
  std::vector<slot> slots(static_cast<size_t>(end - begin) * 2);
  for (; begin != end; ++begin) {
    size_t i = (begin->hash >> 8) % slots.size();
    while (slots[i].at) i = (i + 1) % slots.size();
    slots[i] = *begin;
  }
  for (const slot &s : slots) put(pair(s.hash, s.at));
  return error_;
}

int cdb_make::finish() {
  if (size_ == 0) put(std::string(HEADER, '\0'));
  const auto number = [](const slot &s) { return s.hash & 255; };
  std::stable_sort(slots_.begin(), slots_.end(), [&](const slot &a, const slot &b) { return number(a) < number(b); });
  std::string header;
  const slot *at = slots_.data(), *const end = at + slots_.size();
  for (uint32_t i = 0; i < TABLES && !error_; ++i) {
    const slot *next = std::find_if(at, end, [&](const slot &s) { return number(s) != i; });
    header += pair(static_cast<uint32_t>(size_), static_cast<uint32_t>(next - at) * 2);
    table(at, next);
    at = next;
  }
  if (flush()) return error_;
  if (lseek(fd_, 0, SEEK_SET) == -1) return error_ = errno;
  return error_ = write_all(fd_, header);
}
