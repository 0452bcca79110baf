/* counters.h - what the daemon has done since its start, in numbers.

   C and C++. They lie in memory that its processes share (board.h): a block for each
   seat and one for the parent. Each process adds to its own block alone, without a lock
   and without a system call, so that counting costs a store; whoever wants to know adds
   the blocks up. A block is never set back: what a worker counted stays when it ends.
   64 bits do not wrap.

   Names are those of Prometheus' text format without the program's name: a family, and
   perhaps labels in braces. */

#ifndef DAEMON_COUNTERS_H
#define DAEMON_COUNTERS_H

#include "qmail-verify.h"

/* No line of counters_text is longer, in bytes. */
#define COUNTERS_LINE_MAX 120

/* Reasons have numbers below this. */
#define COUNTER_REASONS 64

/* X(SYMBOL, name): in the order in which they are told. */
/* clang-format off */
#define COUNTERS(X) \
  X(UDP_PLAIN,          "questions_total{front=\"udp\",packet=\"plain\"}") \
  X(UDP_EXTENDED,       "questions_total{front=\"udp\",packet=\"extended\"}") \
  X(SOCKET_PLAIN,       "questions_total{front=\"socket\",packet=\"plain\"}") \
  X(SOCKET_EXTENDED,    "questions_total{front=\"socket\",packet=\"extended\"}") \
  X(COUNTERS_ASKED,     "stats_questions_total") \
  X(IGNORED,            "ignored_total{why=\"no-question\"}") \
  X(STRANGERS,          "ignored_total{why=\"verifyclients\"}") \
  X(UNSIGNED,           "ignored_total{why=\"verifykeys\"}") \
  X(NO_ANSWERS,         "ignored_total{why=\"no-answer\"}") \
  X(UNSENT,             "unsent_total") \
  X(ROUTED_KEPT,        "routed_total{by=\"kept\"}") \
  X(ROUTED_SHARED,      "routed_total{by=\"shared\"}") \
  X(ROUTED_ANSWERED,    "routed_total{by=\"server\"}") \
  X(ROUTED_STALE,       "routed_total{by=\"stale\"}") \
  X(ROUTED_UNANSWERED,  "routed_total{by=\"nobody\"}") \
  X(SERVERS_ASKED,      "servers_asked_total") \
  X(PUT_ASIDE,          "put_aside_total") \
  X(PASSWD_SLOW,        "passwd_slow_total") \
  X(PASSWD_INDEX,       "passwd_total{by=\"index\"}") \
  X(PASSWD_KEPT,        "passwd_total{by=\"kept\"}") \
  X(PASSWD_ASKED,       "passwd_total{by=\"getpwnam\"}") \
  X(LISTING_ABSENT,     "absent_by_listing_total") \
  X(WORKERS_STARTED,    "workers_started_total") \
  X(WORKERS_ENDED,      "workers_ended_total{why=\"unexpected\"}") \
  X(WORKERS_STUCK,      "workers_ended_total{why=\"stuck\"}") \
  X(HANGUPS,            "hangups_total") \
  X(CHANGES,            "changes_total") \
  X(LOG_DROPPED,        "log_lines_dropped_total")
/* clang-format on */

enum counter {
#define COUNTER_X(symbol, name) COUNTER_##symbol,
  COUNTERS(COUNTER_X)
#undef COUNTER_X
  COUNTER_REASON, /* and a reason's number: answers for that reason */
  COUNTER_END = COUNTER_REASON + COUNTER_REASONS
};

#ifdef __cplusplus

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

struct board;

struct counter_block {
  std::atomic<uint64_t> n[COUNTER_END];

  // By the process whose block it is, and no other.
  void add(unsigned which, uint64_t more = 1) {
    n[which].store(n[which].load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
};

// What there is now, kept up to date by the parent.
struct counter_gauges {
  std::atomic<long long> start_ms, start_time;  // on the clock of sockbits_now_ms; in seconds since 1970
  std::atomic<uint64_t> waiting, waiting_most, connections, workers_wanted;
};

// One counter over all blocks.
uint64_t counters_sum(const board &all, unsigned which);

// Answers of this verdict.
uint64_t counters_verdict(const board &all, qv_verdict verdict);

// Everything as lines "NAME VALUE\n", from the line with this number on, as far as max
// bytes have room for whole lines. next: the number of the line that follows; 0: there
// are no more. Reasons that nothing was answered for have no line, and keep their number.
std::string counters_text(const board &all, unsigned from, size_t max, unsigned &next);

// The same in one line of at most a few hundred bytes, for the log: "name=value ...".
std::string counters_line(const board &all);

#endif
#endif
