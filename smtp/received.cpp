// received.cpp - see received.h.

#include "received.h"

#include <string_view>

namespace {

bool is_safe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(".@%+/=:-").find(c) != std::string_view::npos;
}

// What is foreign must not be able to end the field or begin a comment.
std::string safe(std::string_view foreign) {
  std::string out(foreign);
  for (char &c : out)
    if (!is_safe(c)) c = '?';
  return out;
}

std::string two_digits(long n) {
  return {static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)};
}

struct civil_date {
  long long year;
  long month, day;  // from 1
};

// The Gregorian calendar, reckoned in years that begin in March, so that the leap
// day is the last of its year, and in cycles of 400 years (146097 days).
civil_date civil(long long days_since_1970) {
  const long long days = days_since_1970 + 719468;  // since 1 March of the year 0
  const long long cycle = (days >= 0 ? days : days - 146096) / 146097;
  const long long in_cycle = days - cycle * 146097;
  const long long year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
  const long in_year = static_cast<long>(in_cycle - (365 * year + year / 4 - year / 100));
  const long march_month = (5 * in_year + 2) / 153;
  const long month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {cycle * 400 + year + (month <= 2), month, in_year - (153 * march_month + 2) / 5 + 1};
}

}  // namespace

std::string received_date(time_t now) {
  static constexpr const char *names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const long long seconds = now;
  const long long days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
  const long of_day = static_cast<long>(seconds - days * 86400);
  const civil_date date = civil(days);
  return std::to_string(date.day) + ' ' + names[date.month - 1] + ' ' + std::to_string(date.year) + ' ' +
         two_digits(of_day / 3600) + ':' + two_digits(of_day / 60 % 60) + ':' + two_digits(of_day % 60) + " -0000";
}

std::string received_field(const smtp_env &env, const std::string *helo, time_t now) {
  std::string field = "Received: from " + safe(env.remote_host);
  if (helo) field += " (HELO " + safe(*helo) + ")";
  field += " (";
  if (env.remote_info) field += safe(env.remote_info) + "@";
  field += safe(env.remote_ip) + ")\n  by " + safe(env.local) + " with SMTP; " + received_date(now) + "\n";
  return field;
}
