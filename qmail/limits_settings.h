// limits_settings.h - control/verifylimits as it is read; see qmail-verifylimits(5).

#ifndef QMAIL_LIMITS_SETTINGS_H
#define QMAIL_LIMITS_SETTINGS_H

#include <string>
#include <string_view>
#include <vector>

#include "prefix.h"

constexpr unsigned long LIMITS_BAD_MAX = 1000000000;  // the largest number that a limit may have

constexpr unsigned long LIMITS_KEEP_MIN = 1024, LIMITS_KEEP_MAX = 16777216;  // answers that are kept
constexpr unsigned long LIMITS_VALID_MAX_S = 86400, LIMITS_INVALID_MAX_S = 60, LIMITS_STALE_MAX_S = 604800;

// What control/verifylimits says: lines "badperminute:N", "badperhour:N",
// "exempt:PREFIX" (any number), "keepvalid:SECONDS", "keepinvalid:SECONDS",
// "keepstale:SECONDS", "keepanswers:N", comments and blanks as in qmail's control files.
struct limits_settings {
  unsigned long badperminute = 0;  // 0: no such limit
  unsigned long badperhour = 0;
  std::vector<ip_prefix> exempt;  // read first: never counted, never limited

  // answers of other servers (control/verifyroutes): for how long they are kept, 0: not at all
  long long keep_valid_ms = 300 * 1000;
  long long keep_invalid_ms = 1000;
  long long keep_stale_ms = 86400 * 1000;  // a valid one, where no server answers
  unsigned long keep_answers = 131072;     // so many valid ones, at most

  limits_settings() = default;
  // A line that cannot be read is named in complaints ("control/verifylimits line 3:
  // ...", without a full stop, safe for a log) and changes nothing.
  limits_settings(std::string_view text, std::vector<std::string> &complaints);
  bool on() const { return badperminute || badperhour; }
};

#endif
