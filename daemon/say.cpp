// say.cpp - see say.h.

#include "say.h"

#include <cerrno>
#include <cstring>

namespace {
constexpr char PREFIX[] = "qmail-verify: ";
log_state lost;
}  // namespace

void say_begin(struct log_line *line) {
  log_begin(line);
  log_puts(line, PREFIX);
}

void say_end(struct log_line *line) { log_write(line, 2, &lost, PREFIX); }

void say(const char *a, const char *b, const char *c) {
  log_line line;
  say_begin(&line);
  log_puts(&line, a);
  log_puts(&line, b);
  log_puts(&line, c);
  say_end(&line);
}

void say_errno(const char *what, const char *name) {
  const char *why = strerror(errno);
  log_line line;
  say_begin(&line);
  log_puts(&line, what);
  log_puts(&line, name);
  log_puts(&line, ": ");
  log_puts(&line, why);
  say_end(&line);
}
