// relay.h - the way between the parent and its workers.
//
// One pair of sockets for all: a question that the parent sends is taken by whichever
// worker is free, and what workers send comes to the parent. (A second one is the way
// between workers and slow workers: there the workers ask.) Each message arrives whole or
// not at all; nobody waits for room.

#ifndef DAEMON_RELAY_H
#define DAEMON_RELAY_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "board.h"
#include "qmail/fd.h"

// What a worker tells its parent.
enum class relay_kind : uint32_t {
  answer,  // to the question with this ticket: its bytes
  advice,    // a sentence for the log, said once by all workers together
  stranger,  // the same, said once a minute
  trouble,   // its reason and errno kept an address from being judged
  fine,      // an address was judged after that
  slow       // questions are handed to the slow workers
};

struct relay_message {
  uint64_t ticket = 0;
  relay_kind kind = relay_kind::answer;
  qv_verdict verdict = QV_TEMPORARY;
  qv_reason reason = QV_REASON_NONE;
  int error = 0;
};

class relay {
 public:
  // False: no descriptors (errno).
  bool open();

  int parent_fd() const { return parent_.get(); }
  int worker_fd() const { return worker_.get(); }

  // By the parent. False: there is no room now, or it is too long.
  bool ask(const board_question &question, const void *datagram, size_t len);
  // By a worker: the next question, into datagram (QV_QUESTION_MAX bytes). False: none.
  bool take(board_question &question, char *datagram, size_t &len);
  // By a worker. False: there is no room now.
  bool tell(const relay_message &message, const void *bytes, size_t len);
  // By the parent: what a worker told; bytes live until the next call. False: nothing.
  bool hear(relay_message &message, const char *&bytes, size_t &len);

 private:
  unique_fd parent_, worker_;
  std::vector<char> buffer_;
};

#endif
