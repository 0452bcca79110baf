// prefix.h - IP addresses and prefixes, as control/verifyclients and
// control/verifylimits name them.

#ifndef QMAIL_PREFIX_H
#define QMAIL_PREFIX_H

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// In network order. IPv4 has 4 bytes, also where it came as ::ffff:a.b.c.d.
struct ip_address {
  std::array<uint8_t, 16> bytes{};
  unsigned size = 0;  // 4, 16, or 0: none

  bool operator==(const ip_address &) const = default;
};

// The address in a socket address; size 0 where its family has none.
ip_address ip_of(const sockaddr_storage &addr);
// The address in len bytes of network order (4 or 16, else size 0).
ip_address ip_of(const unsigned char *bytes, size_t len);
// 127.0.0.0/8 and ::1.
bool ip_is_loopback(const ip_address &ip);
// As inet_ntop(3) has it; "?" without an address.
std::string ip_text(const ip_address &ip);

// The addresses whose first bits are those of base; the others are zero in base.
struct ip_prefix {
  ip_address base;
  unsigned bits = 0;
};

// Reads "192.0.2.1", "192.0.2.0/24", "192.0.2." (qmail's way: whole octets),
// "2001:db8::1" or "2001:db8::/32", nothing else; octets are decimal. Returns false
// and in why (static storage) what is wrong: bits behind the prefix that are set
// count as wrong, and so does ::ffff:a.b.c.d, which would never match.
bool prefix_read(std::string_view text, ip_prefix &prefix, const char *&why);
// Of the same family, and the same in all bits of the prefix.
bool prefix_has(const ip_prefix &prefix, const ip_address &ip);
// In one of them.
bool prefix_any(const std::vector<ip_prefix> &prefixes, const ip_address &ip);

#endif
