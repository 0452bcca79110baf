/* logbits.h - log lines on descriptor 2: one line, one write, never waiting.

   A line is put together in memory and written at once, so that lines of many
   processes on one pipe do not mix. Where the reader does not keep up, lines are
   dropped and counted rather than waited for: mail goes on. A line is at most
   LOG_LINE_MAX bytes, what a pipe takes in one piece; a longer one is cut. */

#ifndef LOGBITS_H
#define LOGBITS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOG_LINE_MAX 4096

struct log_line {
  size_t len;
  char text[LOG_LINE_MAX];
};

/* How many lines have been dropped since the last one that was written. Each
   log has one of these, zero at first; the next line that gets through is
   followed by one that tells the number. */
struct log_state {
  unsigned long dropped;
  int told_in_vain; /* the descriptor knows no writing without waiting */
};

/* Begins an empty line. */
void log_begin(struct log_line *line);

/* Appends a string as it is (our own words). */
void log_puts(struct log_line *line, const char *s);

/* Appends an unsigned number in decimal. */
void log_putnum(struct log_line *line, unsigned long long n);

/* Appends len bytes that came from outside: 0x21 to 0x7e as they are but for
   the backslash, which is doubled; every other byte, blanks too, as \xNN. What
   comes out cannot be split into other words or lines. */
void log_putsafe(struct log_line *line, const void *bytes, size_t len);

/* Appends len bytes as they are. */
void log_putb(struct log_line *line, const void *bytes, size_t len);

/* The same as log_write for several lines that have been ended, of at most
   LOG_LINE_MAX bytes together: all of them, or none. */
void log_write_lines(const char *text, size_t len, unsigned lines, int fd, struct log_state *state,
                     const char *prefix);

/* Ends the line and writes it to fd in one write, if that does not wait; prefix
   begins the line that tells how many were dropped. */
void log_write(struct log_line *line, int fd, struct log_state *state, const char *prefix);

#ifdef __cplusplus
}
#endif
#endif
