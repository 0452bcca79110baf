// program.h - how qmail-verify-conf and qmail-smtpd-conf begin and end: arguments, what
// is said on standard error, exit codes. In the manner of tinydns-conf of djbdns.

#ifndef CONF_PROGRAM_H
#define CONF_PROGRAM_H

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

enum conf_exit { CONF_OK = 0, CONF_MISUSE = 100, CONF_TROUBLE = 111 };

// Thrown where nothing can be made: the sentence tells why and what to do. Printable;
// words from outside have been made safe.
struct conf_failure : std::runtime_error {
  conf_failure(conf_exit code_, const std::string &sentence) : std::runtime_error(sentence), code(code_) {}
  conf_exit code;
};

// Throws "WHAT: the words of error" with CONF_TROUBLE. what: printable.
[[noreturn]] void conf_fail_errno(const std::string &what, int error);

// Words from outside as they may be shown on a terminal, as log_putsafe has it.
std::string conf_safe(std::string_view bytes);

// A word as /bin/sh reads it as itself: between single quotes where it needs them.
std::string conf_quoted(std::string_view word);

// Does work, and says "PROGRAM: fatal: ..." on standard error where it throws, as
// "PROGRAM: usage: USAGE" for a conf_failure without words. Returns the exit code.
// Meanwhile SIGINT, SIGTERM and SIGHUP are held back, so that nothing is left half made,
// and files are made with umask 022.
int conf_run(const char *program, const char *usage, const std::function<void()> &work);

#endif
