// log.h - what qmail-verify-gate says on descriptor 2: lines that begin with its name, each
// in one write that never waits (logbits.h).

#ifndef GATE_LOG_H
#define GATE_LOG_H

#include <map>
#include <string>
#include <string_view>

#include "logbits.h"

// Bytes from outside, as log_putsafe has them.
std::string gate_safe(std::string_view bytes);
// The same for a sentence: its blanks stay.
std::string gate_safe_sentence(std::string_view sentence);

class gate_log {
 public:
  // A line; printable, what came from outside has been made safe. A full stop is added.
  void say(std::string_view sentence);
  // The same sentence at most once a minute.
  void say_rarely(const std::string &sentence, long long now_ms);

 private:
  log_state state_{};
  std::map<std::string, long long> said_;
};

#endif
