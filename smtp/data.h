// data.h - the message, from DATA's 354 to the dot.
//
// Follows blast() in qmail-smtpd.c, in blocks rather than bytes: CR LF becomes LF,
// a dot that begins a line goes away, a LF without CR ends the session, every
// other byte is kept; Received and Delivered fields in the header are counted.
// tests/unit/smtp_data_test.cpp holds it against a model that reads bytes.

#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <cstddef>
#include <string_view>

#include "line.h"
#include "queue.h"

// Takes a message out of what the client sends.
class data_scanner {
 public:
  enum class State { more, end, stray_newline };

  // Room that out needs beyond the size of the input.
  static constexpr size_t OUT_EXTRA = 2;

  // Reads in, up to the end of the message, and writes what it stands for to out.
  struct step {
    size_t used;      // of in
    size_t produced;  // in out
    State state;
  };
  step scan(std::string_view in, char *out);

  // Where in the message it is.
  enum class At {
    line_begin,  // after CR LF
    dot,         // after a dot that begins a line
    dot_cr,      // after that and CR
    cr,          // after a CR that is not in out yet
    line         // anywhere else
  };

 private:
  At at_ = At::line_begin;
};

// Counts the fields that each host and each delivery adds. Knows them by their
// first letters: "Received" and "Delivered".
class data_hops {
 public:
  static constexpr unsigned MAX = 100;  // so many are a loop

  // The next bytes as the client sent them.
  void feed(std::string_view raw);
  // At most MAX.
  unsigned count() const { return count_; }

 private:
  void one_more();
  void begin_line();
  void byte(char c);
  bool header_ = true;
  size_t pos_ = 0;  // in the line, up to 9
  bool received_ = true, delivered_ = true, blank_ = true;  // still possible
  unsigned count_ = 0;
};

struct data_message {
  data_scanner::State state = data_scanner::State::more;  // more: the session was over before
  unsigned long long bytes = 0;                           // as queued, without our Received field
  unsigned hops = 0;
  bool too_long = false;
  bool looping() const { return hops >= data_hops::MAX; }
};

// Reads a message and hands it to to, which is told to fail where the message has
// more than databytes bytes (0: no limit) or is looping.
data_message data_receive(line_input &input, queue &to, unsigned databytes);

#endif
