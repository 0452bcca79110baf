// options.h - the command line of qmail-verify-gate.

#ifndef GATE_OPTIONS_H
#define GATE_OPTIONS_H

#include <sys/types.h>

#include <string>
#include <vector>

#include "protocols.h"
#include "udpbits.h"

enum gate_exit { GATE_OK = 0, GATE_MISUSE = 100, GATE_TROUBLE = 111 };

// A place to listen at.
struct gate_place {
  const gate_kind *kind;
  udp_endpoint at;
  std::string text;  // as the command line has it, printable
};

struct gate_options {
  const gate_kind *kind = nullptr;  // spoken on descriptors 0 and 1; null: places
  std::vector<gate_place> places;
  mode_t mode = 0666;   // of UNIX sockets
  size_t clients = 1000;  // connections at a time
  bool verbose = false;
};

enum class gate_command { run, done, misuse };

// Reads the command line; says itself what is wrong with it, and what -h and -V ask for.
gate_command gate_options_read(int argc, char **argv, gate_options &options);

#endif
