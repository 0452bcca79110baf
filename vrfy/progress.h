// progress.h - how far a list of addresses has got, on a terminal.

#ifndef VRFY_PROGRESS_H
#define VRFY_PROGRESS_H

#include <string>

// What the bar says after so many addresses and milliseconds; done and total in bytes,
// total 0: not known. At most columns wide.
std::string vrfy_progress_text(unsigned long addresses, long long ms, long long done, long long total,
                               unsigned columns);

class vrfy_progress {
 public:
  // Nothing is ever shown unless standard error is a terminal.
  vrfy_progress();
  // To be called after each address: draws the bar, but a few times a second only.
  void show(unsigned long addresses, long long done, long long total);
  // Takes the bar away.
  void end();
  // Since the beginning.
  long long ms() const;

 private:
  const bool wanted_;
  const long long begin_ms_;
  long long next_ms_;
};

#endif
