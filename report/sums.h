// sums.h - what is counted of a domain, a client, a reason, a piece of time, and in all.

#ifndef REPORT_SUMS_H
#define REPORT_SUMS_H

#include <array>
#include <cstddef>

enum report_what : size_t {
  // by qmail-smtpd's lines: what recipients were answered
  REPORT_ACCEPTED,      // 250, and the message was not refused at DATA for an invalid recipient
  REPORT_REFUSED,       // 550, 553, 555; 554 at DATA
  REPORT_TEMPORARY,     // 451, 452, 421
  REPORT_WOULD_REFUSE,  // of the accepted: OBSERVE, else 550 or 421
  REPORT_WOULD_DEFER,   // of the accepted: OBSERVE, else 451
  REPORT_UNVERIFIED,    // of the accepted: OPEN, no server had answered
  REPORT_SESSIONS,
  // by qmail-verify's lines
  REPORT_PERMITTED,
  REPORT_DENIED,
  REPORT_NOT_ANSWERED,
  REPORT_OBSERVED,      // of the permitted: policy observe, else denied or not answered
  REPORT_CAUGHT,        // of the permitted: by what takes any address
  REPORT_WHATS
};

struct report_sums {
  std::array<unsigned long long, REPORT_WHATS> of{};

  unsigned long long &operator[](report_what what) { return of[what]; }
  unsigned long long operator[](report_what what) const { return of[what]; }
  report_sums &operator+=(const report_sums &other) {
    for (size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
    return *this;
  }
  // Recipients that were answered, and addresses that were judged.
  unsigned long long recipients() const { return of[REPORT_ACCEPTED] + of[REPORT_REFUSED] + of[REPORT_TEMPORARY]; }
  unsigned long long would() const { return of[REPORT_WOULD_REFUSE] + of[REPORT_WOULD_DEFER]; }
  unsigned long long judged() const { return of[REPORT_PERMITTED] + of[REPORT_DENIED] + of[REPORT_NOT_ANSWERED]; }
};

#endif
