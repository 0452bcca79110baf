// counters.h - a daemon is asked for its counters, whether it is there, and to forget.

#ifndef VRFY_COUNTERS_H
#define VRFY_COUNTERS_H

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options.h"
#include "udpbits.h"

// A server that -s or VERIFY names. text: printable.
struct vrfy_endpoint {
  udp_endpoint endpoint;
  std::string text;
};

// Those of options.servers. Empty, after a message, where there is none that can be asked.
std::vector<vrfy_endpoint> vrfy_endpoints(const vrfy_options &options);

// A counter or a gauge, as the daemon names it: a family, and labels in braces or nothing.
struct vrfy_counter {
  std::string family;  // letters and underscores
  std::vector<std::pair<std::string, std::string>> labels;
  std::string value;  // digits
};

// One line "NAME VALUE" of an answer. False: it is none.
bool vrfy_counter_read(std::string_view line, vrfy_counter &out);

// What came of one question, which is about the empty address: nothing is looked at for it.
struct vrfy_page {
  bool answered = false;
  bool extended = false;  // false: of qmail-verify 1.32, which has no counters
  bool counters = false;  // it told some
  bool temporary = false; // it said that it cannot answer now
  std::vector<vrfy_counter> lines;
  unsigned next = 0;       // the line to ask for next; 0: there is none
  bool flush = false;      // it told how many answers it has forgotten
  unsigned long flushed = 0;
  long long us = 0;        // how long it took, in microseconds
  std::string trouble;     // not answered: why. Printable
};

// Asks once for counters from this line on, and waits at most timeout_ms.
vrfy_page vrfy_counters_ask(const vrfy_endpoint &server, unsigned from, int timeout_ms);
// The same for a daemon that is to forget what it keeps about a domain, or everything (empty).
vrfy_page vrfy_flush_ask(const vrfy_endpoint &server, std::string_view domain, int timeout_ms);

#endif
