// period.h - points in time: as the command line gives them, and as people read them.
// All in local time (TZ).

#ifndef REPORT_PERIOD_H
#define REPORT_PERIOD_H

#include <optional>
#include <string>
#include <string_view>

// A point in time, in seconds since 1970: "2026-11-20", "2026-11-20 13:00" and
// "2026-11-20 13:00:30" (a T may stand in the place of the blank), or how long before
// now it was: "90m", "24h", "7d", "2w". None: it is none of these.
std::optional<long long> report_time_read(std::string_view text, long long now);

// "2026-11-20 13:00:30".
std::string report_time_text(long long seconds);
// "2026-11-20T13:00:30+01:00".
std::string report_time_iso(long long seconds);
// By a format of strftime(3).
std::string report_time_format(long long seconds, const char *format);
// What local time is ahead of UTC then, in seconds.
long report_time_offset(long long seconds);

// The seconds from since on and before until; either may be missing.
struct report_period {
  std::optional<long long> since, until;
  bool bounded() const { return since || until; }
  bool has(long long seconds) const { return (!since || seconds >= *since) && (!until || seconds < *until); }
};

#endif
