// kept.h - answers about routed addresses, kept for a while: shared memory.
//
// The parent makes it before the first child is forked; any process of the daemon may read
// and write it at any time, without waiting for another one; one that ends in the middle of
// writing costs one entry, which can be written again a second later. Memory is fixed; where
// it is full the oldest answers of the same bucket go. Invalid answers have places of their
// own, so that they never push out valid ones. An address is known by a keyed hash (128
// bits, a random key for each daemon), so that nobody can choose addresses that fall
// together. Letters of the domain in any case are the same, those of the local part are not.
//
// Kept are: valid and invalid answers, never remote, unknown or temporary ones, nor those that
// depend on the sender.

#ifndef HUB_KEPT_H
#define HUB_KEPT_H

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "qmail-verify.h"
#include "qmail/limits_settings.h"

constexpr size_t KEPT_ENTRY_SIZE = 128;  // bytes of memory for an answer
constexpr size_t KEPT_USER_MAX = 64;     // an answer with a longer controlling user is not kept

struct kept_answer {
  qv_verdict verdict = QV_TEMPORARY;
  qv_reason reason = QV_REASON_NONE;
  unsigned position = 15;
  std::string_view user;  // read: lives until the next call of get of this process
  bool stale = false;     // read: older than keepvalid
};

// May it be kept at all? Not one whose reason is none that this build knows, either: it may
// depend on the sender.
bool kept_may(qv_verdict verdict, qv_reason reason);

class kept {
 public:
  // Room for so many valid answers, and an eighth of it for invalid ones. entries: 1024 to
  // 16 million (LIMITS_KEEP_MIN, LIMITS_KEEP_MAX), rounded up to a power of two. Null: no
  // memory, or no random bytes (errno). Memory is touched only where something is put.
  static std::unique_ptr<kept> make(size_t entries);
  ~kept();

  // For this process from now on. Children inherit them.
  void set(const limits_settings &settings);
  // What is known about this address. stale: also a valid answer that is older than keepvalid, up
  // to keepstale; an invalid one never. now_ms: milliseconds of a clock that is never set, the
  // same for all processes (sockbits_now_ms). One thread of a process at a time.
  bool get(std::string_view address, long long now_ms, bool stale, kept_answer &answer);
  // Keeps it, in place of what was known about this address. An answer that may not be kept
  // (kept_may, or a longer user) only takes away what was known: the server now says
  // otherwise. A temporary one changes nothing, nor does one that let the address through
  // because a look had failed (plain-unsure). Where another process writes to the same
  // place at this moment nothing is kept: the next question finds out again.
  void put(std::string_view address, const kept_answer &answer, long long now_ms);
  // Forgets all about this domain (any case), or everything where it is empty. How many answers
  // that were, old ones too. Looks through all of them: some milliseconds.
  size_t flush(std::string_view domain);
  // Answers that are still fresh. Looks through all of them.
  size_t count(long long now_ms) const;

 private:
  struct state;
  explicit kept(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

#endif
