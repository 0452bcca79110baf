// say.cpp - see say.h.

#include "say.h"

#include <cerrno>
#include <cstring>

namespace {
constexpr char PREFIX[] = "qmail-verify: ";
log_state lost;
say_lines *held;
unsigned long dropped;

void count_dropped(unsigned long before) {
  if (lost.dropped > before) dropped += lost.dropped - before;
}
}  // namespace

unsigned long say_dropped() { return dropped; }

void say_flush_of(struct say_lines *of) {
  const unsigned long before = lost.dropped;
  if (of->len) log_write_lines(of->text, of->len, of->lines, 2, &lost, PREFIX);
  count_dropped(before);
  of->len = 0;
  of->lines = 0;
}

void say_hold(struct say_lines *to) { held = to; }

void say_flush() {
  if (held) say_flush_of(held);
}

void say_begin(struct log_line *line) {
  log_begin(line);
  log_puts(line, PREFIX);
}

void say_end(struct log_line *line) {
  if (!held) {
    const unsigned long before = lost.dropped;
    log_write(line, 2, &lost, PREFIX);
    return count_dropped(before);
  }
  if (held->len + line->len + 1 > sizeof held->text) say_flush();
  memcpy(held->text + held->len, line->text, line->len);
  held->len += line->len;
  held->text[held->len++] = '\n';
  ++held->lines;
}

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
