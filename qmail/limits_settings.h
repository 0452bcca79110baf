// limits_settings.h - control/verifylimits as it is read; see qmail-verifylimits(5).

#ifndef QMAIL_LIMITS_SETTINGS_H
#define QMAIL_LIMITS_SETTINGS_H

#include <string>
#include <string_view>
#include <vector>

#include "prefix.h"

constexpr unsigned long LIMITS_BAD_MAX = 1000000000;  // the largest number that a limit may have

// What control/verifylimits says: lines "badperminute:N", "badperhour:N",
// "exempt:PREFIX" (any number), comments and blanks as in qmail's control files.
struct limits_settings {
  unsigned long badperminute = 0;  // 0: no such limit
  unsigned long badperhour = 0;
  std::vector<ip_prefix> exempt;  // read first: never counted, never limited

  limits_settings() = default;
  // A line that cannot be read is named in complaints ("control/verifylimits line 3:
  // ...", without a full stop, safe for a log) and changes nothing.
  limits_settings(std::string_view text, std::vector<std::string> &complaints);
  bool on() const { return badperminute || badperhour; }
};

#endif
