// ipme.h - the IPv4 addresses of this host.
//
// Follows ipme.c: 0.0.0.0, then for each name that SIOCGIFCONF lists the address
// of that name, where the interface is up. A second address without a name of its
// own is not seen, as in qmail.

#ifndef SMTP_IPME_H
#define SMTP_IPME_H

#include <array>
#include <cstdint>
#include <vector>

using ipme_address = std::array<uint8_t, 4>;

class ipme {
 public:
  // False: could not be found out.
  bool read();

  bool has(ipme_address ip) const;

  // For those who know better than the machine.
  void add(ipme_address ip) { own_.push_back(ip); }

 private:
  void add_interface(int socket, const char *name);
  std::vector<ipme_address> own_;
};

#endif
