// board.h - what the processes of the daemon see of each other: shared memory.
//
// The parent makes it before the first worker is forked. Each worker has a seat: it
// writes there which questions it has in hand, what came of them, and what it is
// looking at since when, so that the parent can tell a worker that is stuck from one
// that is idle, send what it has answered, and hand its other questions to another one.
// Each question belongs to whoever takes it from its slot, once; nobody waits for
// anybody, so that a process may end at any moment.

#ifndef DAEMON_BOARD_H
#define DAEMON_BOARD_H

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "counters.h"
#include "hub/seal.h"
#include "listen.h"
#include "say.h"
#include "qmail-verify.h"

constexpr unsigned BOARD_SEATS = 64;
constexpr unsigned BOARD_HANGING_MAX = 32;
constexpr size_t BOARD_PATH_MAX = 1024;
constexpr unsigned BOARD_SLOTS = 16;  // questions that a worker takes at once
// Longer ones, which no client of ours writes, lie elsewhere until it is their turn.
constexpr size_t BOARD_DATAGRAM = 2304;
static_assert(BOARD_DATAGRAM >= QV_QUESTION_WRITTEN_MAX);

// An answer, signed.
constexpr size_t BOARD_REPLY_MAX = QV_REPLY_MAX + SEAL_MAX;

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

enum class board_state : uint32_t {
  none,     // nothing, or it has been taken
  waiting,  // for the worker: it may have begun to judge it
  answered  // its answer has not been sent yet
};

struct board_slot {
  // What is here, and beside it a number that is another one for each question: who
  // copies what is here and then takes it by what was seen before has copied just that.
  std::atomic<uint32_t> word{0};
  board_question question;
  size_t len = 0;        // of the whole datagram
  size_t reply_len = 0;  // 0: silence is the answer
  char reply[BOARD_REPLY_MAX];
  char datagram[BOARD_DATAGRAM];

  static board_state state_of(uint32_t word) { return static_cast<board_state>(word % 4); }
  board_state state() const { return state_of(word.load(std::memory_order_acquire)); }

  // By the worker: another question, which waits.
  void put() { word.store(word.load() / 4 * 4 + 4 + static_cast<uint32_t>(board_state::waiting)); }
  // By the worker: its answer is there. False: somebody has taken the question.
  bool answer() {
    uint32_t seen = word.load();
    return state_of(seen) == board_state::waiting && word.compare_exchange_strong(seen, seen + 1);
  }
  // Takes what was seen out of everybody's reach. False: somebody has been faster.
  bool take(uint32_t seen) { return word.compare_exchange_strong(seen, seen / 4 * 4); }
  // The same for whatever is here in this state.
  bool take(board_state from) {
    const uint32_t seen = word.load();
    return state_of(seen) == from && take(seen);
  }
};
static_assert(static_cast<uint32_t>(board_state::answered) == static_cast<uint32_t>(board_state::waiting) + 1);

struct board_seat {
  // by the parent
  std::atomic<pid_t> pid{0};        // 0: nobody sits here
  std::atomic<bool> lost{false};    // stuck, stopped or about to end: nobody counts on it
  std::atomic<bool> slow{false};    // takes what others found to need getpwnam_r
  std::atomic<bool> hub{false};     // judges nothing: asks other servers (forwarder.h)

  // by the worker; milliseconds on the clock of sockbits_now_ms, 0: not
  std::atomic<long long> judging_ms{0};
  std::atomic<long long> looking_ms{0};
  std::atomic<uint32_t> looks{0};  // odd while look is being written
  board_look look;
  std::atomic<unsigned> at{0};  // the slot whose question is being judged
  board_slot slot[BOARD_SLOTS];
  say_lines held{};  // log lines that have not been written yet
  counter_block counts;  // of all workers that have sat here
  char long_datagram[QV_QUESTION_MAX];  // that of the slot at, where it is a long one
};

struct board {
  counter_block parent_counts;
  counter_gauges gauges;
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

// The question in this slot, as far as others than its worker can see it: of a long one
// that is not being judged nothing. Lives as long as it is there.
std::string_view board_datagram(const board_seat &seat, unsigned slot);

// A copy of what the worker on this seat looks at. False: it changed meanwhile.
bool board_look_of(const board_seat &seat, board_look &look);

#endif
