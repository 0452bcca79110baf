// cdb.cpp - see cdb.h. Follows cdb_hash.c and cdb_seek.c: 32-bit arithmetic that
// wraps, and nothing read that the answer does not need.

#include "cdb.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

// No record that qmail or its users write comes near this; a larger length is
// damage and must not take the memory of the machine.
constexpr uint32_t DATA_MAX = uint32_t{1} << 20;

constexpr size_t HEADER = 2048;

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
  fd_.reset(::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (fd_) return Look::found;
  error = errno;
  return error == ENOENT ? Look::absent : Look::failed;
}

bool cdb::read(char *buf, size_t len, unsigned long long pos, int &error) const {
  while (len > 0) {
    if (reads_left_ == 0) {
      error = EFBIG;
      return false;
    }
    --reads_left_;
    ssize_t n = pread(fd_.get(), buf, len, static_cast<off_t>(pos));
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) {
      error = n == 0 ? EIO : errno;
      return false;
    }
    buf += n;
    len -= static_cast<size_t>(n);
    pos += static_cast<unsigned long long>(n);
  }
  return true;
}

// Compares the key at pos in pieces: as in qmail, a key that differs early is
// passed over even where the file ends within it.
Look cdb::match(std::string_view key, unsigned long long pos, int &error) const {
  char piece[32];
  while (!key.empty()) {
    size_t n = std::min(sizeof piece, key.size());
    if (!read(piece, n, pos, error)) return Look::failed;
    if (key.substr(0, n) != std::string_view(piece, n)) return Look::absent;
    key.remove_prefix(n);
    pos += n;
  }
  return Look::found;
}

Look cdb::seek(std::string_view key, place &at, int &error) const {
  const uint32_t h = key_hash(key);
  char pair[8];
  if (!read(pair, sizeof pair, 8ull * (h & 255), error)) return Look::failed;
  const uint32_t table = unpack(pair), slots = unpack(pair + 4);
  if (slots == 0) return Look::absent;
  uint32_t slot = (h >> 8) % slots;
  for (uint32_t tried = 0; tried < slots; ++tried) {
    if (!read(pair, sizeof pair, table + uint32_t{8} * slot, error)) return Look::failed;
    const uint32_t record = unpack(pair + 4);
    if (record == 0) return Look::absent;
    if (unpack(pair) == h) {
      if (!read(pair, sizeof pair, record, error)) return Look::failed;
      if (unpack(pair) == key.size()) {
        Look hit = match(key, record + 8ull, error);
        at = {record + 8ull + key.size(), unpack(pair + 4)};
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
  return read(data.data(), at.len, at.pos, error) ? Look::found : Look::failed;
}

bool cdb::sound(int &error) const {
  char header[HEADER];
  if (!read(header, sizeof header, 0, error)) return false;
  error = EIO;
  uint64_t end = 0;
  for (const char *pair = header; pair < header + HEADER; pair += 8) {
    const uint64_t table = unpack(pair), slots = unpack(pair + 4);
    if (slots == 0) continue;
    if (end == 0 ? table < HEADER : table != end) return false;
    end = table + 8 * slots;
  }
  struct stat st;
  return end > 0 || (fstat(fd_.get(), &st) == 0 && st.st_size == HEADER);
}
