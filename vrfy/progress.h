// progress.h - how far a list of addresses, or of other things, has got, on a terminal.

#ifndef VRFY_PROGRESS_H
#define VRFY_PROGRESS_H

#include <string>

// What the bar says after so many things and milliseconds; done and total in bytes,
// total 0: not known. At most columns wide.
std::string vrfy_progress_text(unsigned long count, long long ms, long long done, long long total,
                               unsigned columns, const char *things = "addresses");

class vrfy_progress {
 public:
  // Nothing is ever shown unless standard error is a terminal.
  explicit vrfy_progress(const char *things = "addresses");
  // To be called after each of them: draws the bar, but a few times a second only.
  void show(unsigned long count, long long done, long long total);
  // Takes the bar away.
  void end();
  // Since the beginning.
  long long ms() const;

 private:
  const char *const things_;
  const bool wanted_;
  const long long begin_ms_;
  long long next_ms_;
};

#endif
