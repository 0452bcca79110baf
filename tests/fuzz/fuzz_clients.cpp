// fuzz_clients.cpp - any bytes as control/verifyclients, and each line as an address
// or a prefix: what is read is written as what is read again as the same, has what
// lies within it and nothing else; each complaint names its line; and who is in none
// of the lines may not ask.

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/clients.h"
#include "qmail/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

// The address with one of its bits turned over.
ip_address turned(ip_address ip, unsigned bit) {
  ip.bytes[bit / 8] = static_cast<uint8_t>(ip.bytes[bit / 8] ^ (0x80 >> bit % 8));
  return ip;
}

bool is_mapped(const ip_address &ip) { return ip.size == 16 && ip_of(ip.bytes.data(), 16).size == 4; }

void is_sound(const ip_prefix &p) {
  const unsigned most = 8 * p.base.size;
  require((most == 32 || most == 128) && p.bits <= most && !is_mapped(p.base));
  ip_address other_family{};
  other_family.size = p.base.size == 4 ? 16 : 4;
  require(prefix_has(p, p.base) && !prefix_has(p, {}) && !prefix_has(p, other_family));
  for (unsigned bit = 0; bit < most; ++bit) {
    const ip_address other = turned(p.base, bit);
    require(prefix_has(p, other) == (bit >= p.bits));
    // what stands behind the prefix is zero
    require(bit < p.bits || other.bytes[bit / 8] > p.base.bytes[bit / 8]);
  }
  ip_prefix again;
  const char *why = nullptr;
  require(prefix_read(ip_text(p.base) + "/" + std::to_string(p.bits), again, why));
  require(again.base == p.base && again.bits == p.bits);
}

// What inet_pton(3) reads as an address is read here, too, and means the same.
void is_read_as_by_the_library(std::string_view line, bool read, const ip_prefix &p) {
  const std::string text(line);
  unsigned char bytes[16];
  if (text.find('\0') != text.npos) return require(!read);
  const int family = inet_pton(AF_INET, text.c_str(), bytes) == 1     ? AF_INET
                     : inet_pton(AF_INET6, text.c_str(), bytes) == 1 ? AF_INET6
                                                                     : AF_UNSPEC;
  if (family == AF_UNSPEC) return;
  const ip_address ip = ip_of(bytes, family == AF_INET ? 4 : 16);
  if (family == AF_INET6 && ip.size == 4) return require(!read);
  require(read && p.base == ip && p.bits == 8 * ip.size);
}

bool one_line(std::string_view sentence) {
  for (char c : sentence)
    if (c < ' ' || c > '~') return false;
  return sentence.size() < 1000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  std::vector<std::string> complaints;
  const clients_table table(all, complaints);
  require(table.known() && complaints.size() <= 101);
  for (const std::string &sentence : complaints)
    require(one_line(sentence) && sentence.starts_with("control/verifyclients"));

  std::vector<ip_prefix> prefixes;
  size_t wrong = 0;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view line = text_line(rest);
    if (line.empty() || line.front() == '#') continue;
    ip_prefix p;
    const char *why = nullptr;
    const bool read = prefix_read(line, p, why);
    is_read_as_by_the_library(line, read, p);
    wrong += !read;
    if (!read) {
      require(why != nullptr);
      continue;
    }
    is_sound(p);
    require(table.may_ask(p.base));
    if (prefixes.size() < 64) prefixes.push_back(p);
  }
  require(complaints.size() == std::min<size_t>(wrong, 101));

  if (prefixes.size() == 64) return 0;
  const unsigned char own[4] = {127, 9, 9, 9}, other[4] = {198, 51, 100, 7};
  const ip_address stranger = ip_of(other, sizeof other);
  require(table.may_ask(ip_of(own, sizeof own)) && table.may_ask(stranger) == prefix_any(prefixes, stranger));
  require(clients_table().may_ask(stranger) && !clients_table::nobody().may_ask(stranger));
  for (const ip_prefix &p : prefixes)
    for (unsigned bit = 0; bit < p.bits; ++bit) {
      const ip_address near = turned(p.base, bit);
      require(table.may_ask(near) == (ip_is_loopback(near) || prefix_any(prefixes, near)));
    }
  return 0;
}
