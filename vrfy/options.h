// options.h - what the command line of qmail-vrfy asks for. See qmail-vrfy(1).

#ifndef VRFY_OPTIONS_H
#define VRFY_OPTIONS_H

#include <optional>
#include <string>
#include <vector>

enum vrfy_exit {
  VRFY_OK = 0,        // all accepted; nothing found
  VRFY_FOUND = 1,     // some invalid; findings
  VRFY_MISUSE = 100,
  VRFY_TROUBLE = 111  // some could not be answered
};

struct vrfy_options;

// ---- the modes: each does its work, writes to standard output and error, and returns
// the exit code.
using vrfy_mode = int (*)(const vrfy_options &options);
int vrfy_check(const vrfy_options &options);
int vrfy_selftest(const vrfy_options &options);
int vrfy_lint(const vrfy_options &options);
int vrfy_list(const vrfy_options &options);
int vrfy_ping(const vrfy_options &options);
int vrfy_stats(const vrfy_options &options);
int vrfy_flush(const vrfy_options &options);
int vrfy_genkey(const vrfy_options &options);
int vrfy_version(const vrfy_options &options);
int vrfy_help(const vrfy_options &options);

struct vrfy_options {
  vrfy_mode mode = vrfy_check;

  bool here = false;     // -n: judged by this process, the daemon is not asked
  bool explain = false;  // -v
  bool json = false;     // -j: one JSON object a line (check, selftest, lint)
  std::vector<std::string> addresses;
  std::string file;      // -f: a file of addresses, "-": standard input; empty: none
  std::string servers;   // as in VERIFY, never empty: -s, VERIFY, or where the daemon is by default
  std::string qmail;     // the qmail directory: QMAILDIR, or that of the build
  std::optional<std::string> sender;  // --sender: the envelope sender, empty: the null sender

  bool prometheus = false;  // --stats=prometheus
  std::string domain;       // --flush: whose answers; empty: all
  std::string key_id;       // --genkey ID; empty: from the date

  // --list
  bool cdb = false;         // --list=cdb
  std::string list_cdb;     // --list=cdb FILE; empty: text on standard output
  unsigned long shrink = 10;  // --shrink=N%: by how much the list may have become shorter
  bool shrink_given = false;
  bool partial = false;     // --partial: write it though something could not be listed
};

// Reads the arguments, as getopt_long(3) does, and the variables QMAILDIR and VERIFY.
// Returns 0, or the exit code after a message on standard error (100: misuse).
int vrfy_options_read(int argc, char **argv, vrfy_options &options);

#endif
