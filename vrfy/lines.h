// lines.h - a file of addresses, one a line, as it comes.

#ifndef VRFY_LINES_H
#define VRFY_LINES_H

#include <sys/types.h>

#include <string>

#include "qmail/fd.h"
#include "say.h"

// A line ends with a newline, or at the end of the file; one carriage return before the
// newline is no part of it. An empty line is the empty address. Everything else is taken
// as it is: blanks and # are characters of an address. Memory is bounded.
class vrfy_lines {
 public:
  // Opens a file, "-": standard input. False after a message.
  bool open(const std::string &name);

  // The next line; may wait. A line with a NUL in it, and one of more than
  // VRFY_ADDRESS_MAX bytes, which is cut behind the next byte, are named on standard
  // error with their number. False: there are no more, or they cannot be read, which
  // has been said.
  bool next(std::string &line);
  // Will next come back without waiting for somebody?
  bool ready();

  // To be called after the last one: how many more lines were named.
  void end() { many_.end(); }

  bool failed() const { return failed_; }
  // Bytes in the file, 0 where that cannot be known; and how many of them next has
  // been through.
  off_t size() const { return size_; }
  off_t taken() const { return read_ - static_cast<off_t>(held_.size() - begin_); }
  bool is_terminal() const { return terminal_; }

 private:
  void fill();
  bool whole_line();
  void cut_off();
  void drop_line();

  vrfy_many many_;
  unique_fd own_;
  int fd_ = -1;
  std::string name_, held_;
  size_t begin_ = 0, end_ = 0;  // the line at hand, in held_; the rest is not looked through yet
  size_t seen_ = 0;             // up to here there is no newline
  unsigned long number_ = 0;    // of lines before it
  bool cut_ = false, eof_ = false, failed_ = false, terminal_ = false;
  off_t size_ = 0, read_ = 0;
};

#endif
