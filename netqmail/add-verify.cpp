// add-verify.cpp - puts the question to qmail-verify into the source of a qmail-smtpd in C.
//
// Shows what it would change as a diff; with -w changes it, all files or none; with -u takes
// it out again, byte for byte. "make patch" runs it. See qmail-verify-doors(7).

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "migrate/say.h"
#include "qmail/fd.h"
#include "tree.h"

namespace {

enum Exit { DONE = 0, REFUSED = 1, MISUSE = 100, TROUBLE = 111 };

constexpr char USAGE[] =
    "usage: add-verify [-w] [-u] FOLDER\n"
    "\n"
    "Puts the question to qmail-verify into the source of a qmail-smtpd: FOLDER has its\n"
    "qmail-smtpd.c and Makefile.\n"
    "\n"
    "  -u  takes it out again\n"
    "  -w  writes: without it nothing is changed\n"
    "\n"
    "See qmail-verify-doors(7), AN EXISTING QMAIL-SMTPD.\n";

struct options {
  bool write = false, undo = false;
  std::string folder;
};

int misuse() {
  fputs(USAGE, stderr);
  return MISUSE;
}

// Where qmail-verify's own source is: here, or where this program is.
std::string own_source(const char *program) {
  const std::string path = program;
  const size_t slash = path.rfind('/');
  if (access("netqmail/verifydoor.c", R_OK) == 0 || slash == path.npos) return ".";
  return path.substr(0, slash) + "/..";
}

std::string without_slash(std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return folder;
}

int carry_out(const options &o, const tree_plan &plan) {
  const std::string diff = tree_diff(plan), shown = isatty(STDOUT_FILENO) ? say_diff(diff) : diff;
  if (fwrite(shown.data(), 1, shown.size(), stdout) != shown.size() || fflush(stdout) != 0) {
    say("standard output cannot be written");
    return TROUBLE;
  }
  if (plan.changes.empty()) {
    say(say_name(o.folder) + ": nothing to do");
    return DONE;
  }
  if (!o.write) {
    say(say_name(o.folder) + ": not changed; -w (make patch WRITE=yes) writes this");
    return DONE;
  }
  if (const std::string wrong = tree_write(plan); !wrong.empty()) {
    say(wrong);
    return TROUBLE;
  }
  say(say_name(o.folder) + (o.undo ? ": as it was; build and install it as before"
                                   : ": done; build and install it as before (make, then make setup check), then set VERIFY"));
  return DONE;
}

int run(int argc, char **argv) {
  options o;
  opterr = 0;
  for (int letter; (letter = getopt(argc, argv, "+hwu")) != -1;) {
    if (letter == 'h') return fputs(USAGE, stdout) < 0 ? TROUBLE : DONE;
    if (letter == '?') return misuse();
    (letter == 'w' ? o.write : o.undo) = true;
  }
  if (argc - optind != 1 || !*argv[optind]) return misuse();
  o.folder = without_slash(argv[optind]);
  const std::string ours = own_source(argv[0]);
  const tree_plan plan = o.undo ? tree_undo(o.folder, ours) : tree_add(o.folder, ours);
  for (const std::string &remark : plan.remarks) say(remark);
  if (plan.wrong.empty()) return carry_out(o, plan);
  say(plan.wrong);
  say(say_name(o.folder) + ": nothing was changed");
  return plan.trouble ? TROUBLE : REFUSED;
}

}  // namespace

int main(int argc, char **argv) {
  if (!fd_fill_gaps()) _exit(TROUBLE);
  say_as("add-verify");
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);  // all files, or none
  try {
    return run(argc, argv);
  } catch (const std::exception &e) {
    say(say_name(e.what()));
  }
  return TROUBLE;
}
