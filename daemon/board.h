// board.h - what the processes of the daemon see of each other: shared memory.
//
// The parent makes it before the first worker is forked. Each worker has a seat: it
// writes there which question it has in hand and what it is looking at since when,
// so that the parent can tell a worker that is stuck from one that is idle, and can
// hand its question to another one. Parent and workers only ever read each other's
// words; nobody waits for anybody, so that a process may end at any moment.

#ifndef DAEMON_BOARD_H
#define DAEMON_BOARD_H

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "listen.h"
#include "qmail-verify.h"

constexpr unsigned BOARD_SEATS = 64;
constexpr unsigned BOARD_HANGING_MAX = 32;
constexpr size_t BOARD_PATH_MAX = 1024;

// A question on its way between processes, its datagram behind it.
struct board_question {
  uint64_t ticket = 0;  // of a connection (local.h); 0: it came by UDP
  listen_asker asker{};
  unsigned again = 0;  // how often it has been handed on
};

// What a look is at. Written by the worker before it looks.
struct board_look {
  uid_t uid = 0;
  char path[BOARD_PATH_MAX]{};  // cut there
};

struct board_seat {
  // by the parent
  std::atomic<pid_t> pid{0};        // 0: nobody sits here
  std::atomic<bool> lost{false};    // stuck, stopped or about to end: nobody counts on it

  // by the worker; milliseconds on the clock of sockbits_now_ms, 0: not
  std::atomic<long long> judging_ms{0};
  std::atomic<long long> looking_ms{0};
  std::atomic<uint32_t> looks{0};  // odd while look is being written
  board_look look;
  board_question question;
  size_t len = 0;
  char datagram[QV_QUESTION_MAX];
};

struct board {
  std::atomic<unsigned> seats_used{0};   // seats from this one on have never been used
  std::atomic<unsigned> generation{0};   // of the workers that know what counts
  std::atomic<bool> alert{false};        // the parent looks often
  std::atomic<bool> closed{false};       // too many workers are stuck: no look is begun
  std::atomic<uint32_t> hanging_writes{0};  // odd while hanging is being written
  std::atomic<unsigned> hanging_count{0};
  char hanging[BOARD_HANGING_MAX][BOARD_PATH_MAX];
  board_seat seat[BOARD_SEATS];
};

// A board in memory that children share. Null: no memory (errno).
board *board_new();

// Is path this place, or below it?
bool board_below(const char *path, const char *place);

// Does anything at path hang? May be asked by any process.
bool board_hangs(const board &b, const char *path);
// By the parent only. False: no room.
bool board_hangs_add(board &b, const std::string &place);
void board_hangs_remove(board &b, const std::string &place);

// The question that the worker on this seat has in hand. Lives as long as it has it.
std::string_view board_datagram(const board_seat &seat);

// A copy of what the worker on this seat looks at. False: it changed meanwhile.
bool board_look_of(const board_seat &seat, board_look &look);

#endif
