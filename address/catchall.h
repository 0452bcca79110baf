// catchall.h - what does the dot-qmail file that decided say?
//
// Reads its lines in qmail-local's order and judges without running anything.
// A refusal counts only where nothing before it may have kept the mail.

#ifndef ADDRESS_CATCHALL_H
#define ADDRESS_CATCHALL_H

#include <string>
#include <vector>

#include "delivery.h"

struct catchall_result {
  outcome says;                       // reason, error, about, advice count
  std::vector<std::string> forwards;  // where nothing but forwards is delivered: to whom; else empty
};

// Judges d.found (whose reason is NONE).
catchall_result catchall_read(const delivery &d);

#endif
