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

// How many program lines one question may have read, in all the files it leads to.
// Users write them, and some cost a look into a database.
constexpr unsigned CATCHALL_PROGRAMS_MAX = 16;

// Judges d.found (whose reason is NONE). programs_left is counted down by the program
// lines that are read; where it is 0, such a line is unknown.
catchall_result catchall_read(const delivery &d, unsigned &programs_left);

#endif
