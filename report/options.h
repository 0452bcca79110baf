// options.h - what the command line of qmail-verify-report asks for. See
// qmail-verify-report(1).

#ifndef REPORT_OPTIONS_H
#define REPORT_OPTIONS_H

#include <string>
#include <vector>

#include "period.h"

enum report_exit { REPORT_OK = 0, REPORT_MISUSE = 100, REPORT_TROUBLE = 111 };

struct report_options {
  enum { text, json, html, version, help } output = text;
  report_period period;
  size_t top = 0;                  // rows of a table
  std::vector<std::string> paths;  // "-": standard input; never empty
};

// Reads the arguments, as getopt_long(3) does. Returns 0, or the exit code after a
// message on standard error. now: what --since=24h counts from.
int report_options_read(int argc, char **argv, long long now, report_options &options);

extern const char report_usage[];

#endif
