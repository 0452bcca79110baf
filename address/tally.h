// tally.h - what a host's looks were answered by, counted.

#ifndef ADDRESS_TALLY_H
#define ADDRESS_TALLY_H

#include <cstdint>

// Each since the beginning.
struct tally {
  uint64_t passwd_index = 0;    // passwd: the index of the file (passwd.h) knew
  uint64_t passwd_kept = 0;     //   getpwnam_r had been asked within the second
  uint64_t passwd_asked = 0;    //   getpwnam_r was asked
  uint64_t listing_absent = 0;  // a name that the home's listing (listing.h) proved absent
};

struct address;

// Those of this host, by this process.
const tally &address_tally(const struct address *host);

#endif
