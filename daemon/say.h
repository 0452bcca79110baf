/* say.h - the daemon's log: lines on descriptor 2 that begin "qmail-verify: ".

   C and C++. Each line is one write that never waits (logbits.h). */

#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

#include "logbits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lines that wait for others, so that one write is for all of them. */
struct say_lines {
  size_t len;
  unsigned lines;
  char text[LOG_LINE_MAX];
};

/* From now on the lines of this process are collected in held (empty at first, the
   caller's, kept) until it is full or say_flush. NULL: each is written at once. */
void say_hold(struct say_lines *held);
void say_flush(void);
/* Writes what another process, which is no more, had collected. */
void say_flush_of(struct say_lines *held);

/* How many lines of this process were not written since it began. */
unsigned long say_dropped(void);

/* A line in pieces: begin, the calls of logbits.h, end. */
void say_begin(struct log_line *line);
void say_end(struct log_line *line);

/* A line of words of ours. */
void say(const char *a, const char *b, const char *c);

/* what, name, a colon and what errno says. */
void say_errno(const char *what, const char *name);

#ifdef __cplusplus
}
#endif
#endif
