// keys_table.cpp - see keys_table.h.

#include "keys_table.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "fd.h"
#include "lines.h"

namespace {

constexpr char FILE_NAME[] = "control/verifykeys";
constexpr size_t FILE_MAX_BYTES = size_t{1} << 20;
constexpr size_t SECRET_DIGITS = 32;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool read_secret(std::string_view digits, std::array<unsigned char, 16> &secret) {
  if (digits.size() != SECRET_DIGITS) return false;
  for (size_t i = 0; i < secret.size(); ++i) {
    const int high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    secret[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

bool is_for(const key_entry &key, const ip_address &peer) { return key.any_peer || prefix_has(key.peer, peer); }

// Is there a peer that both are for?
bool overlap(const key_entry &a, const key_entry &b) {
  if (a.any_peer || b.any_peer) return true;
  return a.peer.bits <= b.peer.bits ? prefix_has(a.peer, b.peer.base) : prefix_has(b.peer, a.peer.base);
}

// One line: what is wrong with it, or "". Nothing of the line is shown: where its parts are
// in another order, or a colon is missing, any of them may be the secret.
std::string read_key(std::string_view line, key_entry &key) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return "no colon: write id:secret or id:secret:peer";
  key.id = line.substr(0, colon);
  std::string_view secret = line.substr(colon + 1), peer;
  const size_t second = secret.find(':');
  key.any_peer = second == secret.npos;
  if (!key.any_peer) {
    peer = secret.substr(second + 1);
    secret = secret.substr(0, second);
  }
  if (!keys_id_good(key.id)) return "the id before the colon is not 1 to 32 letters, digits, dots, dashes and underscores";
  if (!read_secret(secret, key.secret)) return "the secret behind the colon is not 32 hexadecimal digits";
  const char *why = nullptr;
  if (!key.any_peer && !prefix_read(peer, key.peer, why)) return std::string("the peer behind the second colon: ") + why;
  return "";
}

control_text unreadable(int error) {
  return {Look::failed, error, std::string(FILE_NAME) + " cannot be read: " + strerror(error)};
}

}  // namespace

keys_table::keys_table(std::string_view text, std::vector<std::string> &complaints) : known_(true) {
  lines_read(text, FILE_NAME, complaints, [&](std::string_view line) -> std::string {
    key_entry key;
    if (const std::string wrong = read_key(line, key); !wrong.empty())
      return wrong + "; until this is mended it is no key";
    const auto same = [&](const key_entry &other) { return other.id == key.id && overlap(other, key); };
    if (std::any_of(keys_.begin(), keys_.end(), same))
      return "a key with this id, for the same peers or some of them, stands further up; this one does not count";
    keys_.push_back(std::move(key));
    return "";
  });
}

keys_table keys_table::unusable() {
  keys_table table;
  table.known_ = table.unusable_ = true;
  return table;
}

const key_entry *keys_table::for_peer(const ip_address &peer) const {
  const auto at = std::find_if(keys_.begin(), keys_.end(), [&](const key_entry &key) { return is_for(key, peer); });
  return at == keys_.end() ? nullptr : &*at;
}

const key_entry *keys_table::find(std::string_view id, const ip_address &peer) const {
  const auto at = std::find_if(keys_.begin(), keys_.end(),
                               [&](const key_entry &key) { return key.id == id && is_for(key, peer); });
  return at == keys_.end() ? nullptr : &*at;
}

bool keys_id_good(std::string_view id) {
  constexpr std::string_view MAY =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
      "0123456789.-_";
  return !id.empty() && id.size() <= KEY_ID_MAX && id.find_first_not_of(MAY) == id.npos;
}

std::string keys_file_trouble(const struct stat &st, uid_t user) {
  if (!S_ISREG(st.st_mode)) return "is not a regular file";
  if (st.st_uid != 0 && st.st_uid != user)
    return "belongs to uid " + std::to_string(st.st_uid) + (user == 0 ? ", not to root" : ", not to root or this user");
  if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return "";
  char text[64];
  snprintf(text, sizeof text, "has mode %04o, which is not closed to others", static_cast<unsigned>(st.st_mode & 07777));
  return text;
}

control_text keys_file_read(int dir) {
  const unique_fd fd(openat(dir, FILE_NAME, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? control_text() : unreadable(errno);
  struct stat st;
  if (fstat(fd.get(), &st) == -1) return unreadable(errno);
  if (const std::string trouble = keys_file_trouble(st, geteuid()); !trouble.empty())
    return {Look::failed, EPERM, std::string(FILE_NAME) + " " + trouble + ": " + KEYS_FILE_ADVICE};
  control_text out;
  const int error = fd_slurp(fd.get(), out.text, [&](std::string_view) { return out.text.size() > FILE_MAX_BYTES; });
  if (error) return unreadable(error);
  if (out.text.size() > FILE_MAX_BYTES) return unreadable(EFBIG);
  out.look = Look::found;
  return out;
}
