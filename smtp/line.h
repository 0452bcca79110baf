// line.h - the client's bytes, and its command lines.
//
// Follows saferead() in qmail-smtpd.c, commands.c and substdi.c. No line is ever
// kept: what a command needs of its argument it takes from the pieces as they
// come, so that memory is bounded however long a line is.

#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include <cstddef>
#include <memory>
#include <string_view>

#include "log.h"
#include "reply.h"

// What the client sends, in blocks.
class line_input {
 public:
  static constexpr size_t BLOCK = 65536;

  // Replies are sent before each read.
  line_input(int fd, reply_writer &replies, session_log &log);

  // How many seconds one read may wait.
  void timeout(int seconds) { timeout_ = seconds; }

  // The bytes that are there, at most BLOCK; reads when there are none. Empty: the
  // client is gone or was silent for too long, which has been logged and, in the
  // second case, said; the session has to end.
  std::string_view peek();

  // Takes n of them.
  void skip(size_t n) { first_ += n; }

 private:
  bool fill();
  int fd_;
  reply_writer &replies_;
  session_log &log_;
  int timeout_ = 1200;
  size_t first_ = 0, end_ = 0;
  std::unique_ptr<char[]> block_;
};

// Who takes a command line. verb comes first and once for each line, then the
// argument in any number of pieces.
class line_listener {
 public:
  virtual void verb(std::string_view word) = 0;
  virtual void argument(std::string_view piece) = 0;

 protected:
  ~line_listener() = default;
};

// Verbs are cut after so many bytes; no command is that long.
inline constexpr size_t LINE_VERB_MAX = 8;

// Cuts one line into verb and argument. A line ends with LF, or CR LF; what
// follows a NUL in it does not count (qmail's strings end there). The verb ends
// at the first blank, the argument begins after the last of the blanks there.
class line_splitter {
 public:
  explicit line_splitter(line_listener &listener) : listener_(listener) {}

  // The next piece of the line, without the LF.
  void feed(std::string_view piece);
  // The LF was there.
  void end();

 private:
  enum class State { verb, blanks, argument };
  void take(std::string_view piece);
  void take_verb(std::string_view &piece);
  line_listener &listener_;
  State state_ = State::verb;
  bool held_cr_ = false;  // a CR that belongs to the line end if a LF is next
  bool over_ = false;     // a NUL was there
  size_t verb_len_ = 0;
  char verb_[LINE_VERB_MAX];
};

// Reads one command line. False: the session has to end.
bool line_read(line_input &input, line_listener &listener);

#endif
