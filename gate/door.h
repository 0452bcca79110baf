// door.h - takes connections, and keeps questions and answers moving, until it is told to end.
//
// One thread and one loop; nothing in it waits for anything else than its next event. A
// connection that is silent for too long, or within a request, is closed; where there are too
// many, others wait to be taken.

#ifndef GATE_DOOR_H
#define GATE_DOOR_H

#include <vector>

#include "asking.h"
#include "listener.h"
#include "log.h"
#include "options.h"

constexpr long long GATE_SILENT_MS = 1200000;  // longer than Postfix keeps a connection (1000 s)
constexpr long long GATE_WITHIN_MS = 60000;    // for a request to become whole
constexpr long long GATE_DRAIN_MS = 6000;      // for answers, once it was told to end

// Answers at listeners until SIGTERM or SIGINT, which are blocked at the call; then takes no
// more, answers what it has taken and returns.
void gate_door_listen(const gate_options &options, const gate_policy &policy, const std::vector<gate_listener> &listeners,
                      gate_log &log);

// The same on descriptors 0 and 1, or on 0 alone where that is a socket, until the end of what
// comes there, too.
void gate_door_stdio(const gate_options &options, const gate_policy &policy, gate_log &log);

#endif
