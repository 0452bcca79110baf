// fuzz_cdb.cpp - any bytes as users/cdb: every look-up ends and says what failed, and
// says the same as a second reader that has the whole file in memory, read by position
// and mapped, and the same again when the file was cut while mapped; the user who
// controls an address is found in them as that reader finds him.
//
// An input: a byte of options, a byte of length, a local part of that length, then the
// file, or what one is made of (made_cdb.h).

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "address/user.h"
#include "qmail/cdb.h"
#include "qmail/text.h"
#include "tests/fuzz/made_cdb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr unsigned MADE = 1, CUT = 2, FEW_READS = 4;

void require(bool holds) {
  if (!holds) abort();
}

// ---- the second reader

struct answer {
  Look look = Look::failed;
  std::string data;
  bool operator==(const answer &o) const { return look == o.look && data == o.data; }
};

class reader {
 public:
  explicit reader(const std::string &file) : file_(file) {}

  answer find(const std::string &key) const {
    const uint32_t h = hash(key);
    const auto table = number(8 * (h & 255)), slots = number(8 * (h & 255) + 4);
    if (!table || !slots) return {Look::failed, {}};
    for (uint32_t i = 0; i < *slots; ++i) {
      // the file has no more than 32 bits; where they end they begin again
      const uint32_t slot = *table + 8 * static_cast<uint32_t>((uint64_t{h >> 8} % *slots + i) % *slots);
      const auto hash_there = number(slot), record = number(uint64_t{slot} + 4);
      if (!hash_there || !record) return {Look::failed, {}};
      if (*record == 0) return {Look::absent, {}};
      if (*hash_there != h) continue;
      const auto key_len = number(*record), data_len = number(uint64_t{*record} + 4);
      if (!key_len || !data_len) return {Look::failed, {}};
      if (*key_len != key.size()) continue;
      const uint64_t begin = uint64_t{*record} + 8;
      switch (compare(key, begin)) {
        case Look::absent: continue;
        case Look::failed: return {Look::failed, {}};
        case Look::found: break;
      }
      if (!whole(begin + key.size(), *data_len)) return {Look::failed, {}};
      return {Look::found, *data_len ? file_.substr(begin + key.size(), *data_len) : std::string()};
    }
    return {Look::absent, {}};
  }

 private:
  static uint32_t hash(const std::string &key) {
    uint32_t h = 5381;
    for (char c : key) h = ((h << 5) + h) ^ static_cast<unsigned char>(c);
    return h;
  }
  bool whole(uint64_t pos, uint64_t len) const {
    return len == 0 || (pos <= file_.size() && file_.size() - pos >= len);
  }
  std::optional<uint32_t> number(uint64_t pos) const {
    if (!whole(pos, 4)) return std::nullopt;
    uint32_t n = 0;
    for (size_t i = 4; i-- > 0;) n = n << 8 | static_cast<unsigned char>(file_[pos + i]);
    return n;
  }
  // In pieces of 32 bytes: qmail reads no further than to the piece that differs.
  Look compare(const std::string &key, uint64_t pos) const {
    for (size_t at = 0; at < key.size(); at += 32) {
      const std::string piece = key.substr(at, 32);
      if (!whole(pos + at, piece.size())) return Look::failed;
      if (file_.substr(pos + at, piece.size()) != piece) return Look::absent;
    }
    return Look::found;
  }

  const std::string &file_;
};

// ---- both

answer ours(const cdb &db, const std::string &key, int &error) {
  answer a;
  error = 0;
  a.look = db.find(key, a.data, error);
  require(a.look != Look::failed || error != 0);
  if (a.look != Look::found) a.data.clear();
  return a;
}

void look_up(const cdb &db, const std::string &file, const std::string &key) {
  int error = 0;
  const answer expected = reader(file).find(key);
  require(ours(db, key, error) == expected);
  const Look there = db.has(key, error);
  if (expected.look != Look::failed) require(there == expected.look);
  error = 0;
  require(db.sound(key, error) || error != 0);
}

// What few reads suffice for does not depend on the way they are made.
void look_up_bounded(const std::string &file, const std::string &key) {
  cdb db, mapped;
  db.adopt(fake_fd(file));
  mapped.adopt(fake_fd(file));
  mapped.map();
  db.bound(3);
  mapped.bound(3);
  int error = 0, mapped_error = 0;
  const answer found = ours(db, key, error), found_mapped = ours(mapped, key, mapped_error);
  require(found == reader(file).find(key) || error == EFBIG);
  require(found_mapped == reader(file).find(key) || mapped_error == EFBIG);
  require(found == found_mapped || found.look == Look::failed || found_mapped.look == Look::failed);
}

// Both ways give the same answer, and call the same keys and headers sound.
void look_up_both(const cdb &db, const cdb &mapped, const std::string &file, const std::string &key) {
  look_up(db, file, key);
  look_up(mapped, file, key);
  int error = 0;
  if (db.has(key, error) == Look::absent && mapped.has(key, error) == Look::absent)
    require(db.sound(key, error) == mapped.sound(key, error));
}

// Cut while it is mapped: what was there, or what is left of it.
void look_up_cut(const std::string &file, const std::string &key, size_t len) {
  const unique_fd fd = fake_fd(file);
  cdb db;
  db.adopt(unique_fd(dup(fd.get())));
  db.map();
  require(ftruncate(fd.get(), static_cast<off_t>(len)) == 0);
  int error = 0;
  const answer found = ours(db, key, error);
  const std::string left = file.substr(0, len);
  require(found == reader(left).find(key) || found == reader(file).find(key));
}

// ---- who controls the address: nughde_get() with the second reader

user_result expected_user(const std::string &file, const std::string &local) {
  const reader db(file);
  user_result r;
  r.reason = QV_REASON_CDB_TROUBLE;
  const answer wild = db.find("");
  if (wild.look != Look::found) return r;
  const std::string key = "!" + text_lower(local) + std::string(1, '\0');
  for (size_t len = key.size(); len > 0; --len) {
    const bool exact = len == key.size();
    if (!exact && len > 1 && wild.data.find(key[len - 1]) == std::string::npos) continue;
    const answer record = db.find(key.substr(0, len));
    if (record.look == Look::failed) return r;
    if (record.look == Look::absent) continue;
    std::vector<std::string> fields(1);
    for (char c : record.data + (exact ? std::string() : local.substr(len - 1)) + std::string(1, '\0'))
      if (c)
        fields.back() += c;
      else
        fields.emplace_back();
    if (fields.size() < 7) return r;
    r.reason = QV_REASON_NONE;
    r.user.name = fields[0];
    r.user.home = fields[3];
    r.user.dash = fields[4];
    r.user.ext = fields[5];
    r.user.key = key.substr(0, len);
    return r;
  }
  r.reason = QV_REASON_NONE;
  r.user.name = "alias";
  r.user.home = "/alias";
  r.user.dash = "-";
  r.user.ext = local;
  return r;
}

void find_user(const std::string &file, const std::string &local) {
  static const address_settings settings;
  static fake_site host;
  host.users["alias"] = {"alias", 7, 7, "/alias"};
  host.cdb_bytes = file;
  host.cdb_error = 0;
  const user_result found = user_find(host, settings, local), expected = expected_user(file, local);
  host.asked.clear();
  require(found.reason == expected.reason);
  require((found.error != 0) == (found.reason != QV_REASON_NONE));
  if (found.reason != QV_REASON_NONE) return;
  const controlling_user &a = found.user, &b = expected.user;
  require(a.name == b.name && a.home == b.home && a.dash == b.dash && a.ext == b.ext && a.key == b.key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  const unsigned options = data[0];
  const std::string local(all.substr(2, data[1]));
  const std::string_view rest = all.substr(std::min(size, size_t{2} + data[1]));
  const std::string file = options & MADE ? made_cdb(rest, options >> 4, options & CUT) : std::string(rest);

  cdb db, mapped;
  db.adopt(fake_fd(file));
  mapped.adopt(fake_fd(file));
  mapped.map();
  using namespace std::string_literals;
  for (const std::string &key : {""s, "!"s, "!" + text_lower(local) + "\0"s, "!"s + local, local}) {
    look_up_both(db, mapped, file, key);
    look_up_cut(file, key, file.size() * data[1] / 256);
    if (options & FEW_READS) look_up_bounded(file, key);
  }
  if (!local.empty() && local.find('\0') == local.npos) find_user(file, local);
  return 0;
}
