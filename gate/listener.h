// listener.h - the places at which connections are taken.

#ifndef GATE_LISTENER_H
#define GATE_LISTENER_H

#include <string>
#include <vector>

#include "options.h"
#include "qmail/local_path.h"

struct gate_listener {
  gate_place place;
  local_path socket;  // path and the like: only where place is a path
};

// Opens one for each place. Returns why it cannot be done, a sentence without a full stop,
// safe for a log; empty: they are open. warnings: what the operator ought to hear all the
// same.
std::string gate_listen(const std::vector<gate_place> &places, mode_t mode, std::vector<gate_listener> &listeners,
                        std::vector<std::string> &warnings);

// Takes their paths away.
void gate_listen_end(const std::vector<gate_listener> &listeners);

#endif
