// cdb.cpp - see cdb.h. Follows cdb_hash.c and cdb_seek.c: 32-bit arithmetic that
// wraps, and nothing has to be readable that the answer does not need. What lies
// beside it is read in the same go, so that a look-up takes few calls.

#include "cdb.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

// No record that qmail or its users write comes near this; a larger length is
// damage and must not take the memory of the machine.
constexpr uint32_t DATA_MAX = uint32_t{1} << 20;

// Most records are whole in the one, most searches of a table in the other.
constexpr size_t AHEAD = 512, SLOTS_AHEAD = 128;

uint32_t unpack(const char *b) {
  auto u = [b](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(b[i])); };
  return u(0) | u(1) << 8 | u(2) << 16 | u(3) << 24;
}

uint32_t key_hash(std::string_view key) {
  uint32_t h = 5381;
  for (char c : key) h = (h * 33) ^ static_cast<unsigned char>(c);
  return h;
}

}  // namespace

Look cdb::open(const char *path, int &error) {
  adopt(unique_fd(::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
  if (fd_) return Look::found;
  error = errno;
  return error == ENOENT ? Look::absent : Look::failed;
}

// At least one byte, or -1: failed, or the file has ended.
ssize_t cdb::read_once(char *buf, size_t len, unsigned long long pos, int &error) const {
  ssize_t n = 0;
  do {
    if (reads_left_ == 0) {
      error = EFBIG;
      return -1;
    }
    --reads_left_;
    n = pread(fd_.get(), buf, len, static_cast<off_t>(pos));
  } while (n == -1 && errno == EINTR);
  if (n > 0) return n;
  error = n == 0 ? CDB_DAMAGED : errno;
  return -1;
}

bool cdb::read(char *buf, size_t len, unsigned long long pos, int &error) const {
  while (len > 0) {
    const ssize_t n = read_once(buf, len, pos, error);
    if (n == -1) return false;
    buf += n;
    len -= static_cast<size_t>(n);
    pos += static_cast<unsigned long long>(n);
  }
  return true;
}

// From what was read ahead, as far as that goes.
bool cdb::read(char *buf, size_t len, unsigned long long pos, const window &ahead, int &error) const {
  size_t n = 0;
  if (pos >= ahead.pos && pos < ahead.pos + ahead.have) {
    const size_t at = static_cast<size_t>(pos - ahead.pos);
    n = std::min(len, ahead.have - at);
    memcpy(buf, ahead.bytes + at, n);
  }
  return read(buf + n, len - n, pos + n, error);
}

bool cdb::read_ahead(window &ahead, size_t len, unsigned long long pos, int &error) const {
  const ssize_t n = read_once(ahead.bytes, len, pos, error);
  if (n == -1) return false;
  ahead.pos = pos;
  ahead.have = static_cast<size_t>(n);
  return true;
}

bool cdb::read_header(char *buf, size_t len, unsigned long long pos, int &error) const {
  return (header_.have > 0 || read_ahead(header_, HEADER, 0, error)) && read(buf, len, pos, header_, error);
}

// Compares the key at pos in pieces: as in qmail, a key that differs early is
// passed over even where the file ends within it.
Look cdb::match(std::string_view key, unsigned long long pos, const window &ahead, int &error) const {
  char piece[32];
  while (!key.empty()) {
    size_t n = std::min(sizeof piece, key.size());
    if (!read(piece, n, pos, ahead, error)) return Look::failed;
    if (key.substr(0, n) != std::string_view(piece, n)) return Look::absent;
    key.remove_prefix(n);
    pos += n;
  }
  return Look::found;
}

Look cdb::seek(std::string_view key, place &at, int &error) const {
  const uint32_t h = key_hash(key);
  char pair[8];
  if (!read_header(pair, sizeof pair, 8ull * (h & 255), error)) return Look::failed;
  const uint32_t table = unpack(pair), slots = unpack(pair + 4);
  table_used_ = false;
  if (slots == 0) return Look::absent;
  uint32_t slot = (h >> 8) % slots;
  window ahead;
  for (uint32_t tried = 0; tried < slots; ++tried) {
    const uint32_t pos = table + uint32_t{8} * slot;
    const bool there = pos >= ahead.pos && pos + 8ull <= ahead.pos + ahead.have;
    if (!there && !read_ahead(ahead, std::min(SLOTS_AHEAD, size_t{8} * (slots - slot)), pos, error))
      return Look::failed;
    table_used_ = table_used_ || std::any_of(ahead.bytes, ahead.bytes + ahead.have, [](char c) { return c != 0; });
    if (!read(pair, sizeof pair, pos, ahead, error)) return Look::failed;
    const uint32_t record = unpack(pair + 4);
    if (record == 0) return Look::absent;
    if (unpack(pair) == h) {
      if (!read_ahead(at.ahead, AHEAD, record, error) || !read(pair, sizeof pair, record, at.ahead, error))
        return Look::failed;
      if (unpack(pair) == key.size()) {
        Look hit = match(key, record + 8ull, at.ahead, error);
        at.pos = record + 8ull + key.size();
        at.len = unpack(pair + 4);
        if (hit != Look::absent) return hit;
      }
    }
    if (++slot == slots) slot = 0;
  }
  return Look::absent;
}

Look cdb::has(std::string_view key, int &error) const {
  place at;
  return seek(key, at, error);
}

Look cdb::find(std::string_view key, std::string &data, int &error) const {
  place at;
  if (Look hit = seek(key, at, error); hit != Look::found) return hit;
  if (at.len > DATA_MAX) {
    // damage, unless the file has as much
    char last;
    if (read(&last, 1, at.pos + at.len - 1, error)) error = EFBIG;
    return Look::failed;
  }
  data.resize(at.len);
  return read(data.data(), at.len, at.pos, at.ahead, error) ? Look::found : Look::failed;
}

// Half of a table's slots are used; where none of the first ones is, it was never
// written.
bool cdb::table_written(std::string_view key, int &error) const {
  if (table_used_) return true;
  char pair[8], slots_read[1024];
  if (!read_header(pair, sizeof pair, 8ull * (key_hash(key) & 255), error)) return false;
  const size_t len = std::min(sizeof slots_read, size_t{8} * unpack(pair + 4));
  if (!read(slots_read, len, unpack(pair), error)) return false;
  error = CDB_DAMAGED;
  return len == 0 || std::any_of(slots_read, slots_read + len, [](char c) { return c != 0; });
}

bool cdb::sound(std::string_view key, int &error) const {
  char header[HEADER];
  if (!read_header(header, sizeof header, 0, error)) return false;
  error = CDB_DAMAGED;
  uint64_t end = 0;
  for (const char *pair = header; pair < header + HEADER; pair += 8) {
    const uint64_t table = unpack(pair), slots = unpack(pair + 4);
    if (slots == 0) continue;
    if (end == 0 ? table < HEADER : table != end) return false;
    end = table + 8 * slots;
  }
  struct stat st;
  if (end > 0) return table_written(key, error);
  return fstat(fd_.get(), &st) == 0 && st.st_size == HEADER;
}
