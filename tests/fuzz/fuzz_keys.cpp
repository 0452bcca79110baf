// fuzz_keys.cpp - any bytes as control/verifykeys: what is a key is well formed, signs for whom
// it is found, and stands in the file; each complaint names its line and shows nothing of it.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/keys_table.h"
#include "qmail/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::string digits(const key_entry &key) {
  std::string text;
  for (const unsigned char byte : key.secret) text += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return text;
}

// A line that is surely a key, or surely none, told in another way than by the reader.
bool is_key(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos || !keys_id_good(line.substr(0, colon))) return false;
  const std::string_view rest = line.substr(colon + 1);
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  if (end - rest.begin() != 32) return false;
  ip_prefix peer;
  const char *why = nullptr;
  return end == rest.end() || (*end == ':' && prefix_read(rest.substr(33), peer, why));
}

std::vector<std::string> own_words() {
  std::vector<std::string> words;
  keys_table("x\n:x\nx:x\n", words);
  return words;
}

// What a sentence says is made of the reader's own words, whatever the line was.
void shows_nothing(const std::string &sentence) {
  require(sentence.starts_with("control/verifykeys") && sentence.size() < 300);
  require(std::all_of(sentence.begin(), sentence.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  static const std::vector<std::string> words = own_words();
  const size_t text = sentence.find(": ");
  require(text != sentence.npos);
  const std::string_view said = std::string_view(sentence).substr(text + 2);
  const bool known = std::any_of(words.begin(), words.end(), [&](const std::string &w) { return w.ends_with(said); });
  require(known || said.starts_with("a key with this id") || said.starts_with("more cannot be read") ||
          said.starts_with("the peer behind the second colon: "));
}

// The key that a line would be by itself. twice: in the file it may not count, because of another line.
void is_sound(std::string_view line, const keys_table &all, bool twice) {
  std::vector<std::string> complaints;
  const keys_table alone(line, complaints);
  const ip_address nobody{};
  const std::string_view rest = line.substr(line.find(':') + 1);
  ip_prefix peer;
  const char *why = nullptr;
  const ip_address who = rest.size() > 33 && prefix_read(rest.substr(33), peer, why) ? peer.base : nobody;
  const key_entry *key = alone.for_peer(who);
  require(complaints.empty() && key && key->any_peer == (rest.size() == 32));
  require(alone.find(key->id, who) == key && line.starts_with(key->id + ":"));
  require(digits(*key) == text_lower(rest.substr(0, 32)));
  require(twice || (all.find(key->id, who) && all.for_peer(who)));
  require(!alone.find(key->id + "x", who) && !alone.find("", who));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  std::vector<std::string> complaints;
  const keys_table table(all, complaints);
  require(table.known() && !table.is_unusable() && complaints.size() <= 101);
  for (const std::string &sentence : complaints) shows_nothing(sentence);
  // (after a hundred complaints it is not told any more)
  const bool twice = complaints.size() > 100 || std::any_of(complaints.begin(), complaints.end(), [](const std::string &s) {
                       return s.find("a key with this id") != s.npos;
                     });

  size_t lines = 0, good = 0;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view line = text_line(rest);
    if (line.empty() || line.front() == '#') continue;
    ++lines;
    if (!is_key(line)) continue;
    if (++good <= 64) is_sound(line, table, twice);
  }
  require(complaints.size() >= std::min<size_t>(lines - good, 100));
  require(good || !table.for_peer(ip_address{}));
  return 0;
}
