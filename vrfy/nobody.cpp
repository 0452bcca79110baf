// nobody.cpp - see nobody.h.

#include "nobody.h"

#include <sys/random.h>

#include <new>

std::string vrfy_nobody() {
  unsigned char bytes[16];
  std::string out = "vrfy";
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw std::bad_alloc();
  for (unsigned char b : bytes) out += "abcdefghijklmnopqrstuvwxyz234567"[b & 31];
  return out;
}
