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

#include <utility>

#include "filesystem.h"

namespace {

// No record that qmail or its users write comes near this; a larger length is
// damage and must not take the memory of the machine.
constexpr uint32_t DATA_MAX = uint32_t{1} << 20;

// Most records are whole in the one, most searches of a table in the other.
constexpr size_t AHEAD = 512, SLOTS_AHEAD = 128;

// each() reads so much at once, and takes no record for one that has more.
constexpr uint64_t EACH_PIECE = 65536, EACH_MAX = uint64_t{1} << 26;

// A key is compared in pieces of this size, as in qmail.
constexpr size_t PIECE = 32;

uint32_t unpack(const char *b) {
  auto u = [b](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(b[i])); };
  return u(0) | u(1) << 8 | u(2) << 16 | u(3) << 24;
}

// ---- a look-up in a mapping

// What seek() and find() do, over bytes that others may change meanwhile: each number is
// looked at once and held against the file's size before it is used. Counts the reads
// that those two would make, and ends where one is not covered by the mapping: the
// file then is damaged or has grown, and reads by position tell which.
class mapped_search {
 public:
  enum class End { found, absent, too_large, unread, outside };

  mapped_search(const char *file, size_t size, std::string_view key, uint32_t hash, uint64_t reads)
      : file_(file), size_(size), key_(key), hash_(hash), reads_(reads) {}

  End run(bool header_counted, std::string *data) {
    const End end = seek(header_counted);
    return end == End::found && data ? copy(*data) : end;
  }
  uint64_t reads_left() const { return reads_; }
  bool table_used() const { return table_used_; }

 private:
  bool holds(uint64_t pos, uint64_t len) const { return pos <= size_ && len <= size_ - pos; }

  uint32_t number(uint64_t pos) const {
    uint32_t n = unpack(file_ + pos);
    asm volatile("" : "+r"(n));  // looked at once: not again where n is used
    return n;
  }

  bool pay() { return reads_ > 0 && reads_-- > 0; }

  End seek(bool header_counted) {
    if (!header_counted && !pay()) return End::unread;
    const uint32_t table = number(8ull * (hash_ & 255)), slots = number(8ull * (hash_ & 255) + 4);
    if (slots == 0) return End::absent;
    uint32_t slot = (hash_ >> 8) % slots;
    uint64_t window = 0, window_end = 0;
    for (uint32_t tried = 0; tried < slots; ++tried) {
      const uint32_t pos = table + uint32_t{8} * slot;
      if (!holds(pos, 8)) return End::outside;
      if (pos < window || pos + 8ull > window_end) {
        if (!pay()) return End::unread;
        window = pos;
        window_end = std::min<uint64_t>(size_, pos + std::min(uint64_t{SLOTS_AHEAD}, uint64_t{8} * (slots - slot)));
      }
      const uint32_t hash_there = number(pos), record = number(pos + 4ull);
      table_used_ = table_used_ || hash_there || record;
      if (record == 0) return End::absent;
      if (hash_there == hash_)
        if (const End end = look_at(record); end != End::absent) return end;
      if (++slot == slots) slot = 0;
    }
    return End::absent;
  }

  // absent: it has another key.
  End look_at(uint32_t record) {
    if (!holds(record, 8)) return End::outside;
    if (!pay()) return End::unread;
    if (number(record) != key_.size()) return End::absent;
    data_len_ = number(record + 4ull);
    data_ = record + 8ull + key_.size();
    for (size_t at = 0; at < key_.size(); at += PIECE) {
      const std::string_view piece = key_.substr(at, PIECE);
      if (!holds(record + 8ull + at, piece.size())) return End::outside;
      if (8 + at + piece.size() > AHEAD && !pay()) return End::unread;
      if (memcmp(file_ + record + 8ull + at, piece.data(), piece.size()) != 0) return End::absent;
    }
    return End::found;
  }

  End copy(std::string &data) {
    if (!holds(data_, data_len_)) return End::outside;
    const bool large = data_len_ > DATA_MAX, ahead = 8 + key_.size() + data_len_ <= AHEAD;
    if (data_len_ > 0 && !ahead && !pay()) return End::unread;
    if (large) return End::too_large;
    data.assign(file_ + data_, data_len_);
    return End::found;
  }

  const char *const file_;
  const size_t size_;
  const std::string_view key_;
  const uint32_t hash_;
  uint64_t reads_;
  uint64_t data_ = 0;
  uint32_t data_len_ = 0;
  bool table_used_ = false;
};

}  // namespace

Look cdb::open(const char *path, int &error, int dir) {
  adopt(unique_fd(openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
  if (fd_) return Look::found;
  error = errno;
  return error == ENOENT ? Look::absent : Look::failed;
}

bool cdb::map() {
  if (filesystem_remote(fd_.get())) return false;
  kept_ = true;
  if (map_.map(fd_.get()) == 0 && map_.size() < HEADER) map_.reset();
  return static_cast<bool>(map_);
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
    if (const size_t mapped = map_.read(buf, len, pos)) return static_cast<ssize_t>(mapped);
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
  char piece[PIECE];
  while (!key.empty()) {
    size_t n = std::min(sizeof piece, key.size());
    if (!read(piece, n, pos, ahead, error)) return Look::failed;
    if (key.substr(0, n) != std::string_view(piece, n)) return Look::absent;
    key.remove_prefix(n);
    pos += n;
  }
  return Look::found;
}

Look cdb::seek(std::string_view key, uint32_t h, place &at, int &error) const {
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

// false: what the mapping holds does not answer it.
bool cdb::look_up_mapped(std::string_view key, uint32_t hash, std::string *data, Look &look, int &error) const {
  using End = mapped_search::End;
  End end = End::outside;
  uint64_t left = 0;
  const bool whole = map_.guarded([&](const char *bytes, size_t size) {
    mapped_search search(bytes, size, key, hash, reads_left_);
    end = search.run(header_counted_, data);
    left = search.reads_left();
    table_used_ = search.table_used();
  });
  if (!whole || end == End::outside) return false;
  header_counted_ = header_counted_ || left < reads_left_;
  reads_left_ = left;
  look = end == End::found ? Look::found : end == End::absent ? Look::absent : Look::failed;
  if (look == Look::failed) error = EFBIG;
  return true;
}

// data: may be null.
Look cdb::look_up(std::string_view key, uint32_t hash, std::string *data, int &error) const {
  if (Look look; map_ && look_up_mapped(key, hash, data, look, error)) return look;
  if (kept_) header_.have = 0;
  place at;
  if (Look hit = seek(key, hash, at, error); hit != Look::found || !data) return hit;
  if (at.len > DATA_MAX) {
    // damage, unless the file has as much
    char last;
    if (read(&last, 1, at.pos + at.len - 1, error)) error = EFBIG;
    return Look::failed;
  }
  data->resize(at.len);
  return read(data->data(), at.len, at.pos, at.ahead, error) ? Look::found : Look::failed;
}

// Half of a table's slots are used; where none of the first ones is, nor of those where
// the key's search begins, it was never written.
bool cdb::table_written(std::string_view key, int &error) const {
  if (table_used_) return true;
  const uint32_t h = cdb_hash(key).value();
  char pair[8], slots_read[1024];
  if (!read_header(pair, sizeof pair, 8ull * (h & 255), error)) return false;
  const uint32_t table = unpack(pair), slots = unpack(pair + 4);
  if (slots == 0) return true;
  auto used = [](const char *bytes, size_t len) { return std::any_of(bytes, bytes + len, [](char c) { return c != 0; }); };
  if (kept_) {  // a mapped look-up has seen no more slots than it needed
    window ahead;
    const uint32_t slot = (h >> 8) % slots;
    const size_t wanted = std::min(SLOTS_AHEAD, size_t{8} * (slots - slot));
    if (read_ahead(ahead, wanted, table + uint32_t{8} * slot, error) && used(ahead.bytes, ahead.have)) return true;
  }
  const size_t len = std::min(sizeof slots_read, size_t{8} * slots);
  if (!read(slots_read, len, table, error)) return false;
  error = CDB_DAMAGED;
  return used(slots_read, len);
}

bool cdb::sound(std::string_view key, int &error) const {
  char header[HEADER];
  if (kept_) header_.have = 0;
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

// Records end where the first table begins; without tables there are none.
bool cdb::end_of_records(uint64_t &end, int &error) const {
  char header[HEADER];
  if (kept_) header_.have = 0;
  if (!read_header(header, sizeof header, 0, error)) return false;
  end = UINT64_MAX;
  for (const char *pair = header; pair < header + HEADER; pair += 8)
    if (unpack(pair + 4) > 0) end = std::min<uint64_t>(end, unpack(pair));
  if (end == UINT64_MAX) end = HEADER;
  error = CDB_DAMAGED;
  return end >= HEADER;
}

Look cdb::each(const std::function<bool(std::string_view key, std::string_view data)> &visit, int &error) const {
  uint64_t end = 0;
  if (!end_of_records(end, error)) return Look::failed;
  std::string piece;  // the file from pos on; up to pos + at it has been visited
  uint64_t pos = HEADER, at = 0;
  const auto have = [&](uint64_t len) {
    if (piece.size() - at >= len) return true;
    piece.erase(0, static_cast<size_t>(at));
    pos += std::exchange(at, 0);
    const size_t had = piece.size();
    error = CDB_DAMAGED;
    if (end - pos < len || len > EACH_MAX) return false;
    piece.resize(static_cast<size_t>(std::min(std::max(len, EACH_PIECE), end - pos)));
    return read(piece.data() + had, piece.size() - had, pos + had, error);
  };
  while (pos + at < end) {
    if (!have(8)) return Look::failed;
    const uint64_t key = unpack(piece.data() + at), data = unpack(piece.data() + at + 4);
    if (!have(8 + key + data)) return Look::failed;
    const std::string_view record = std::string_view(piece).substr(static_cast<size_t>(at) + 8, static_cast<size_t>(key + data));
    at += 8 + key + data;
    if (!visit(record.substr(0, static_cast<size_t>(key)), record.substr(static_cast<size_t>(key)))) return Look::found;
  }
  return Look::found;
}
