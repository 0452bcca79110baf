// program.cpp - see program.h.

#include "program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <new>

#include "logbits.h"
#include "qmail/fd.h"

namespace {

void hold_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t held;
  sigemptyset(&held);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held, number);
  sigprocmask(SIG_BLOCK, &held, nullptr);
}

int say(const char *program, const char *kind, const char *sentence, int code) {
  const std::string line = std::string(program) + ": " + kind + ": " + sentence + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) == -1) return code;  // nobody wants to hear it
  return code;
}

}  // namespace

void conf_fail_errno(const std::string &what, int error) {
  throw conf_failure(CONF_TROUBLE, what + ": " + strerror(error));
}

std::string conf_safe(std::string_view bytes) {
  constexpr size_t PIECE = (LOG_LINE_MAX - 1) / 4;  // however it is written
  std::string out;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, PIECE);
    log_line line;
    log_begin(&line);
    log_putsafe(&line, piece.data(), piece.size());
    out.append(line.text, line.len);
    bytes.remove_prefix(piece.size());
  }
  return out;
}

std::string conf_quoted(std::string_view word) {
  constexpr char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-,:@%+";
  if (!word.empty() && word.find_first_not_of(PLAIN) == word.npos) return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

int conf_run(const char *program, const char *usage, const std::function<void()> &work) {
  if (!fd_fill_gaps()) _exit(CONF_TROUBLE);
  hold_signals();
  umask(022);
  try {
    work();
    return CONF_OK;
  } catch (const conf_failure &failure) {
    return *failure.what() ? say(program, "fatal", failure.what(), failure.code)
                           : say(program, "usage", usage, failure.code);
  } catch (const std::bad_alloc &) {
    return say(program, "fatal", "out of memory", CONF_TROUBLE);
  } catch (const std::exception &e) {
    return say(program, "fatal", e.what(), CONF_TROUBLE);
  }
}
