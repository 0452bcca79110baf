// siphash.cpp - see siphash.h. Written after the paper, "SipHash: a fast short-input PRF", and
// its authors' note on the longer output: v1 gets 0xee at the start, 0xee in the place of 0xff
// ends the input, and four more rounds after v1 got 0xdd give the second half.

#include "siphash.h"

#include <bit>
#include <cstdint>

namespace {

constexpr int ROUNDS_OF_A_WORD = 2, ROUNDS_AT_THE_END = 4;

uint64_t word_of(const unsigned char *bytes, size_t len = 8) {
  uint64_t word = 0;
  for (size_t i = 0; i < len; ++i) word |= uint64_t{bytes[i]} << 8 * i;
  return word;
}

void put_word(unsigned char *to, uint64_t word) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<unsigned char>(word >> 8 * i);
}

// The four words v0 to v3.
class state {
 public:
  explicit state(const siphash_key &key) {
    const uint64_t k0 = word_of(key.data()), k1 = word_of(key.data() + 8);
    v0_ = k0 ^ 0x736f6d6570736575;
    v1_ = k1 ^ 0x646f72616e646f6d ^ 0xee;
    v2_ = k0 ^ 0x6c7967656e657261;
    v3_ = k1 ^ 0x7465646279746573;
  }

  void take(uint64_t word) {
    v3_ ^= word;
    rounds(ROUNDS_OF_A_WORD);
    v0_ ^= word;
  }

  siphash_sum finish() {
    siphash_sum sum;
    v2_ ^= 0xee;
    rounds(ROUNDS_AT_THE_END);
    put_word(sum.data(), all());
    v1_ ^= 0xdd;
    rounds(ROUNDS_AT_THE_END);
    put_word(sum.data() + 8, all());
    return sum;
  }

 private:
  void rounds(int n) {
    for (; n > 0; --n) {
      v0_ += v1_, v2_ += v3_;
      v1_ = std::rotl(v1_, 13) ^ v0_, v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ = std::rotl(v0_, 32);
      v2_ += v1_, v0_ += v3_;
      v1_ = std::rotl(v1_, 17) ^ v2_, v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ = std::rotl(v2_, 32);
    }
  }
  uint64_t all() const { return v0_ ^ v1_ ^ v2_ ^ v3_; }

  uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace

siphash_sum siphash(const siphash_key &key, const void *bytes, size_t len) {
  const unsigned char *at = static_cast<const unsigned char *>(bytes);
  state s(key);
  size_t left = len;
  for (; left >= 8; left -= 8, at += 8) s.take(word_of(at));
  s.take(word_of(at, left) | uint64_t{len & 0xff} << 56);
  return s.finish();
}

bool siphash_equal(const siphash_sum &a, const unsigned char *b) {
  volatile unsigned char differs = 0;  // volatile: or the compiler may stop at the first difference
  for (size_t i = 0; i < a.size(); ++i) differs = static_cast<unsigned char>(differs | (a[i] ^ b[i]));
  return differs == 0;
}
