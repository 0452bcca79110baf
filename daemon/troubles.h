// troubles.h - what keeps many questions from being answered, told once.
//
// Each question that could not be answered has its line in the log. Where the cause
// is one for all (users/cdb, passwd, memory, descriptors) the operator hears once
// that it began, with what to do, and once that it is over.

#ifndef DAEMON_TROUBLES_H
#define DAEMON_TROUBLES_H

#include <functional>
#include <string>

#include "qmail-verify.h"

enum class trouble_kind { none, cdb, passwd, alias, memory, descriptors };
constexpr unsigned TROUBLE_KINDS = 6;

// The trouble that an answer with this reason and errno is a sign of.
trouble_kind trouble_of(qv_reason reason, int error);

// Does an answer with this reason show that users/cdb and memory could be had?
bool trouble_disproved(qv_reason reason);

class troubles {
 public:
  static constexpr long long CALM_MS = 2000;  // how long after its last sign a trouble may be over

  using note = std::function<void(const std::string &sentence)>;
  explicit troubles(note to) : note_(std::move(to)) {}

  // A question could not be answered for this.
  void seen(trouble_kind kind, int error, long long now_ms);
  // A question was answered that a trouble would have kept from it.
  void disproved(long long now_ms) { fine_ms_ = now_ms; }
  // About once a second: tells of ends.
  void tick(long long now_ms);

 private:
  struct state {
    bool on = false;
    long long last_ms = 0;
  };
  note note_;
  state states_[TROUBLE_KINDS];
  long long fine_ms_ = -1;
};

#endif
