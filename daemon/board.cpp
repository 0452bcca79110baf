// board.cpp - see board.h.

#include "board.h"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

board *board_new() {
  void *memory = mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // The kernel's zeros are what each member begins with. To write them once more would
  // make memory of ten megabytes that few hosts ever use.
  return memory == MAP_FAILED ? nullptr : static_cast<board *>(memory);
}

bool board_below(const char *path, const char *place) {
  const size_t len = strlen(place);
  return strncmp(path, place, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool board_hangs(const board &b, const char *path) {
  for (int tries = 0;; ++tries) {
    const uint32_t before = b.hanging_writes.load(std::memory_order_acquire);
    const unsigned count = b.hanging_count.load(std::memory_order_relaxed);
    bool found = false;
    for (unsigned i = 0; i < count && i < BOARD_HANGING_MAX && !found; ++i) found = board_below(path, b.hanging[i]);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && b.hanging_writes.load(std::memory_order_relaxed) == before) return found;
    // the parent is writing, or ended half way: then so does this process soon
    if (tries == 100) return true;
    sched_yield();
  }
}

bool board_hangs_add(board &b, const std::string &place) {
  const unsigned count = b.hanging_count.load();
  if (count == BOARD_HANGING_MAX || place.size() >= BOARD_PATH_MAX) return false;
  b.hanging_writes.fetch_add(1);
  memcpy(b.hanging[count], place.c_str(), place.size() + 1);
  b.hanging_count.store(count + 1);
  b.hanging_writes.fetch_add(1);
  return true;
}

void board_hangs_remove(board &b, const std::string &place) {
  const unsigned count = b.hanging_count.load();
  for (unsigned i = 0; i < count; ++i) {
    if (place != b.hanging[i]) continue;
    b.hanging_writes.fetch_add(1);
    memcpy(b.hanging[i], b.hanging[count - 1], BOARD_PATH_MAX);
    b.hanging_count.store(count - 1);
    b.hanging_writes.fetch_add(1);
    return;
  }
}

std::string_view board_datagram(const board_seat &seat, unsigned slot) {
  const board_slot &s = seat.slot[slot];
  if (s.len <= sizeof s.datagram) return {s.datagram, s.len};
  if (seat.at.load() != slot) return {};
  return {seat.long_datagram, std::min(s.len, sizeof seat.long_datagram)};
}

bool board_look_of(const board_seat &seat, board_look &look) {
  const uint32_t before = seat.looks.load(std::memory_order_acquire);
  memcpy(&look, &seat.look, sizeof look);
  look.path[BOARD_PATH_MAX - 1] = '\0';
  std::atomic_thread_fence(std::memory_order_acquire);
  return before % 2 == 0 && seat.looks.load(std::memory_order_relaxed) == before;
}
