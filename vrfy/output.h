// output.h - standard output of qmail-vrfy: lines are collected and written in large
// pieces, and what cannot be written is an error, not a loss.

#ifndef VRFY_OUTPUT_H
#define VRFY_OUTPUT_H

#include <string>
#include <string_view>

class vrfy_output {
 public:
  // Adds text, which is written now or later.
  void put(std::string_view text);
  // Writes what has been collected.
  void flush();
  // Something could not be written, which has been said on standard error: there is no
  // use in more.
  bool failed() const { return failed_; }
  // Flushes; 0, or the exit code where something could not be written (111).
  int end();

 private:
  std::string held_;
  bool failed_ = false;
};

#endif
