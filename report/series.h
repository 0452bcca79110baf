// series.h - sums over time, in pieces that become wider when there would be too many.

#ifndef REPORT_SERIES_H
#define REPORT_SERIES_H

#include <map>
#include <utility>

#include "sums.h"

class report_series {
 public:
  // The sums of the piece of time that this second is in.
  report_sums &at(long long seconds);

  // Makes pieces wider until from the first to the last there are at most so many.
  void fit(size_t pieces);

  long long width() const { return width_; }  // of a piece, in seconds
  // Where a piece begins, to its sums; pieces in which nothing was counted may be missing.
  // Pieces of a day and less begin at even hours of local time, but for the changes of
  // summer time.
  const std::map<long long, report_sums> &pieces() const { return pieces_; }
  bool empty() const { return pieces_.empty(); }

 private:
  long long begin_of(long long seconds) const;
  void widen();

  long long width_ = 60, offset_ = 0;
  bool offset_known_ = false;
  std::map<long long, report_sums> pieces_;
  std::pair<long long, report_sums *> last_{};  // the piece that was asked for last
};

#endif
