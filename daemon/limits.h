// limits.h - control/verifylimits: SMTP clients that only try out names.
//
// Off unless that file has badperminute or badperhour. Counts, for each SMTP client
// (IPv4 address, IPv6 /64), the answers of this minute and hour and how many of them
// were invalid. A client over a limit, more than half of whose answers were invalid,
// is told nothing for a while: every answer is temporary, for at most 10 minutes in
// any hour. Memory is fixed, however many clients there are.
//
// A client's minute begins with the first answer after its last minute ended, and so
// does its hour: what is said to have been asked within a minute was. Answers that
// were temporary are none: they count neither way.

#ifndef DAEMON_LIMITS_H
#define DAEMON_LIMITS_H

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qmail-verify.h"
#include "qmail/limits_settings.h"
#include "qmail/prefix.h"

constexpr unsigned LIMITS_CLIENTS = 65536;           // that are known at the same time
constexpr long long LIMITS_MINUTE_MS = 60 * 1000;
constexpr long long LIMITS_HOUR_MS = 60 * LIMITS_MINUTE_MS;
constexpr long long LIMITS_BITE_MS = 10 * LIMITS_MINUTE_MS;  // how long nothing is told
constexpr unsigned LIMITS_LINES = 20;                // lines about clients in a minute

// For one thread. now_ms: a clock that is never set, the same in all calls.
class limits {
 public:
  // Sentences without a full stop, in our own words.
  using note = std::function<void(const std::string &sentence)>;
  // Logs where a limit begins and ends to bite: at most LIMITS_LINES a minute, then one
  // that counts the others. The memory for all clients is had here (std::bad_alloc); later
  // only sentences and settings want some.
  explicit limits(note to);
  ~limits();

  // In force from now on; what has been counted stays. A client that the new settings
  // would not limit is answered again.
  void set(limits_settings settings);
  // May this client be answered now? False: temporary, reason limited. A client
  // without an address always may.
  bool may_know(const ip_address &client, long long now_ms);
  // An answer was given to this client (not one for which may_know was false).
  void count(const ip_address &client, qv_verdict verdict, long long now_ms);
  // About once a second: logs the ends.
  void tick(long long now_ms);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

#endif
