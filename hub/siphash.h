// siphash.h - SipHash-2-4 with an output of 128 bits (Aumasson and Bernstein, 2012).

#ifndef HUB_SIPHASH_H
#define HUB_SIPHASH_H

#include <array>
#include <cstddef>

using siphash_key = std::array<unsigned char, 16>;
using siphash_sum = std::array<unsigned char, 16>;

// The keyed sum of the bytes, as the published test vectors have it.
siphash_sum siphash(const siphash_key &key, const void *bytes, size_t len);

// Are they the same? Takes the same time wherever they differ.
bool siphash_equal(const siphash_sum &a, const unsigned char *b);

#endif
