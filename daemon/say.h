/* say.h - the daemon's log: lines on descriptor 2 that begin "qmail-verify: ".

   C and C++. Each line is one write that never waits (logbits.h). */

#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

#include "logbits.h"

#ifdef __cplusplus
extern "C" {
#endif

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
