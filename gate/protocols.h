// protocols.h - the protocols by name.

#ifndef GATE_PROTOCOLS_H
#define GATE_PROTOCOLS_H

#include <memory>
#include <string>
#include <string_view>

#include "protocol.h"

struct gate_kind {
  const char *name;
  const char *purpose;  // for the usage
  unsigned port;        // where no port is given; 0: one has to be
  std::unique_ptr<gate_protocol> (*make)();
};

// Null: there is none of this name.
const gate_kind *gate_kind_named(std::string_view name);

// All of them, a line each, for the usage.
std::string gate_kinds_text();

#endif
