// asker.h - asks the servers of control/verifyroutes: any number of questions at a time.
//
// Follows verifyrcpt.c in what counts as an answer: an extended one that carries the
// question's nonce; a plain one, as a 1.32 daemon gives, only to a socket that was used for
// one question, and only from a server that has not given an extended one since it was last
// set aside. A server beyond loopback for which there is a key is believed only what that
// key has signed.
//
// A question goes to one server of its route, chosen by its domain, so that each server's
// caches stay warm; to the next one when that is silent for HUB_TRY_MS, cannot be reached or
// cannot tell; round and round until HUB_ANSWER_MS are over. A server that is silent is set
// aside (health.h). Questions about the same address for the same sender are asked once. What
// came of it is put into the answers that are kept; where no server answers a kept valid one
// serves, however old it may be there.
//
// Never waits, never blocks, memory is bounded.

#ifndef HUB_ASKER_H
#define HUB_ASKER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hub/kept.h"
#include "qmail-verify.h"
#include "qmail/keys_table.h"
#include "qmail/routes.h"

constexpr long long HUB_TRY_MS = 300;      // for a server's answer, before the next one is asked
constexpr long long HUB_ANSWER_MS = 1800;  // for all of them
constexpr size_t HUB_FLIGHTS_MAX = 16384;  // questions at a time
constexpr size_t HUB_WAITERS_MAX = 64;     // of those who ask the same
constexpr size_t HUB_OWN_MAX = 512;        // sockets for one question each
constexpr size_t HUB_SHARED_MAX = 1024;    // sockets for all questions to one server
constexpr long long HUB_NOTE_MS = 60000;   // the same kind of trouble is noted once in that time

struct hub_question {
  std::string_view address;  // as the server is to be asked: what qmail-send made of it
  const char *sender = nullptr;  // null: not known
  size_t sender_len = 0;
  const unsigned char *client = nullptr;  // in network order; null: not known
  size_t client_len = 0;
  unsigned hop = 0;       // as it came
  std::string_view from;  // who asks, for the log
};

struct hub_answer {
  qv_verdict verdict = QV_TEMPORARY;
  unsigned reason = QV_REASON_NONE;  // perhaps one that this build does not know
  unsigned position = 15;
  std::string user;
  std::string about;  // which server said it, or what kept it from being asked; for the log
};

// How it asks. As it stands here: one daemon that asks others.
struct hub_manner {
  long long answer_ms = HUB_ANSWER_MS;        // for all servers together
  long long probe_ms = HUB_ANSWER_MS;         // the same where all of them had been set aside
  bool in_order = false;                      // the first server of a line first, whatever the domain
  bool own_question = false;                  // whoever asks is no daemon: the question has not been handed on
  bool strict = false;                        // plain answers are none
  std::string_view named_in = "control/verifyroutes";  // where the servers are named, for notes; outlives the asker
};

// What was done, counted by the caller.
enum class hub_event {
  sent,       // a datagram to a server
  answered,   // one of them answered a question
  unanswered, // none did
  stale,      // none did, and a kept answer has served
  shared,     // a question that somebody else had asked at that moment
  ignored     // a datagram of a server that was no answer
};

class hub_asker {
 public:
  // What came of a question, once for each that was asked, perhaps before ask returns. Must not call ask.
  using answered = std::function<void(uint64_t waiter, const hub_answer &answer)>;
  using note = std::function<void(const std::string &sentence)>;  // without a full stop, safe for a log
  using count = std::function<void(hub_event)>;

  // All of it outlives this. store: may be null: nothing is kept. Throws std::bad_alloc or
  // std::system_error (no descriptors).
  hub_asker(const routes_table &routes, const keys_table &keys, kept *store, answered done, note say, count counted,
            const hub_manner &manner = {});
  ~hub_asker();

  // waiter: the caller's, to know it by.
  void ask(uint64_t waiter, const hub_question &question, long long now_ms);
  // Readable where something has come: an epoll descriptor.
  int fd() const;
  // Takes what has come. Bounded work: fd() stays readable where there is more.
  void serve(long long now_ms);
  // Does what is due. Milliseconds until there is something to do again; -1: nothing is.
  int tick(long long now_ms);
  // Questions that are not answered yet.
  size_t flights() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

#endif
