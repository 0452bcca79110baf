// qmail-vrfy.cpp - asks whether qmail would deliver to an address, and why.
//
// For people and scripts: it asks the running daemon, or judges by itself, reads the
// control files for mistakes, and lists the recipients. Never changes the mail system.
// See qmail-vrfy(1).
//
// Here stand the start and the end: no exception leaves it. What it does stands in
// vrfy/: a mode is a row of the table in vrfy/options.cpp.

#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>

#include "qmail/fd.h"
#include "vrfy/options.h"
#include "vrfy/say.h"

namespace {

int run(int argc, char **argv) {
  vrfy_options options;
  const int code = vrfy_options_read(argc, argv, options);
  return code ? code : options.mode(options);
}

}  // namespace

int main(int argc, char **argv) {
  if (!fd_fill_gaps()) _exit(VRFY_TROUBLE);
  signal(SIGPIPE, SIG_IGN);  // standard output that nobody reads is an error like others
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc &) {
    vrfy_say("out of memory");
  } catch (const std::exception &e) {
    vrfy_say(e.what());
  }
  return VRFY_TROUBLE;
}
