// prefix.cpp - see prefix.h.

#include "prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace {

constexpr unsigned V4 = 4, V6 = 16;
constexpr uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool refuse(const char *&why, const char *reason) {
  why = reason;
  return false;
}

// Takes a decimal number of at most three digits and at most max off text.
bool number(std::string_view &text, unsigned max, unsigned &n) {
  size_t digits = 0;
  n = 0;
  for (; digits < text.size() && digits < 3 && text[digits] >= '0' && text[digits] <= '9'; ++digits)
    n = n * 10 + static_cast<unsigned>(text[digits] - '0');
  text.remove_prefix(digits);
  return digits && n <= max;
}

// Four octets, or one to three of them that each have a dot behind them; numbers
// are decimal, whatever they begin with. whole: how many octets there were.
bool octets(std::string_view text, ip_address &ip, unsigned &whole) {
  unsigned octet;
  ip.size = V4;
  for (whole = 0; whole < V4 && !text.empty(); ++whole) {
    if (!number(text, 255, octet)) return false;
    ip.bytes[whole] = static_cast<uint8_t>(octet);
    if (whole == V4 - 1) continue;
    if (!text.starts_with('.')) return false;
    text.remove_prefix(1);
  }
  return text.empty() && whole;
}

bool read_v4(std::string_view text, ip_prefix &prefix, const char *&why) {
  unsigned whole;
  if (!octets(text, prefix.base, whole))
    return refuse(why, "not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or 2001:db8::/32)");
  prefix.bits = 8 * whole;
  return true;
}

bool read_v6(std::string_view text, ip_prefix &prefix, const char *&why) {
  in6_addr raw;
  const std::string terminated(text);
  if (terminated.size() != strlen(terminated.c_str()) || inet_pton(AF_INET6, terminated.c_str(), &raw) != 1)
    return refuse(why, "not an IPv6 address");
  if (memcmp(raw.s6_addr, MAPPED, sizeof MAPPED) == 0) return refuse(why, "write an IPv4 address without ::ffff:");
  memcpy(prefix.base.bytes.data(), raw.s6_addr, V6);
  prefix.base.size = V6;
  prefix.bits = 8 * V6;
  return true;
}

// The byte's bits that lie within a prefix of so many bits.
uint8_t mask(unsigned byte, unsigned bits) {
  if (bits >= 8 * byte + 8) return 0xff;
  return bits <= 8 * byte ? uint8_t{0} : static_cast<uint8_t>(0xff << (8 * byte + 8 - bits));
}

bool read_bits(std::string_view text, ip_prefix &prefix, const char *&why) {
  const unsigned most = 8 * prefix.base.size;
  if (prefix.bits != most) return refuse(why, "write either whole octets with a dot at the end, or /bits");
  if (!number(text, most, prefix.bits) || !text.empty())
    return refuse(why, most == 32 ? "the bits behind the slash are not a number from 0 to 32"
                                  : "the bits behind the slash are not a number from 0 to 128");
  for (unsigned i = 0; i < prefix.base.size; ++i)
    if (prefix.base.bytes[i] & ~mask(i, prefix.bits)) return refuse(why, "there are bits set behind the prefix");
  return true;
}

}  // namespace

ip_address ip_of(const unsigned char *bytes, size_t len) {
  ip_address ip;
  if (len == V6 && memcmp(bytes, MAPPED, sizeof MAPPED) == 0) {
    bytes += sizeof MAPPED;
    len = V4;
  }
  if (len != V4 && len != V6) return ip;
  memcpy(ip.bytes.data(), bytes, len);
  ip.size = static_cast<unsigned>(len);
  return ip;
}

ip_address ip_of(const sockaddr_storage &addr) {
  if (addr.ss_family == AF_INET) {
    sockaddr_in sin;
    memcpy(&sin, &addr, sizeof sin);
    unsigned char bytes[V4];
    memcpy(bytes, &sin.sin_addr, V4);
    return ip_of(bytes, V4);
  }
  if (addr.ss_family == AF_INET6) {
    sockaddr_in6 sin6;
    memcpy(&sin6, &addr, sizeof sin6);
    return ip_of(sin6.sin6_addr.s6_addr, V6);
  }
  return {};
}

bool ip_is_loopback(const ip_address &ip) {
  if (ip.size == V4) return ip.bytes[0] == 127;
  return ip.size == V6 && memcmp(ip.bytes.data(), &in6addr_loopback, V6) == 0;
}

std::string ip_text(const ip_address &ip) {
  char text[INET6_ADDRSTRLEN];
  if (!ip.size || !inet_ntop(ip.size == V4 ? AF_INET : AF_INET6, ip.bytes.data(), text, sizeof text)) return "?";
  return text;
}

bool prefix_read(std::string_view text, ip_prefix &prefix, const char *&why) {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  prefix = {};
  if (!(address.find(':') == address.npos ? read_v4 : read_v6)(address, prefix, why)) return false;
  return slash == text.npos || read_bits(text.substr(slash + 1), prefix, why);
}

bool prefix_has(const ip_prefix &prefix, const ip_address &ip) {
  if (!ip.size || ip.size != prefix.base.size) return false;
  for (unsigned i = 0; i < ip.size; ++i)
    if ((ip.bytes[i] ^ prefix.base.bytes[i]) & mask(i, prefix.bits)) return false;
  return true;
}

bool prefix_any(const std::vector<ip_prefix> &prefixes, const ip_address &ip) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const ip_prefix &p) { return prefix_has(p, ip); });
}
