// fuzz_rcptcheck.cpp - any bytes on descriptor 3 of qmail-rcptcheck, in pieces of any size: what
// is whole has its address's end, stays whole whatever follows, and ends the reading.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rcptcheck/door.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > DOOR_INPUT_MAX) size = DOOR_INPUT_MAX;
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  bool was_whole = false;
  for (size_t n = 0; n <= size; ++n) {
    if (n > 1 && n < size && all[n - 1] && all[n]) continue;  // nothing begins or ends here
    const std::string_view piece = all.substr(0, n);
    const door_input input = door_read_input(piece, false), ended = door_read_input(piece, true);
    require(ended != door_input::more);
    require((ended == door_input::whole) == (piece.find('\0') != piece.npos));
    if (input == door_input::whole) require(ended == door_input::whole);
    require((input == door_input::more) == (input != door_input::whole && n < DOOR_INPUT_MAX));
    require(!was_whole || input == door_input::whole);
    was_whole = input == door_input::whole;
  }
  door_by_name(all);
  return 0;
}
