// series.cpp - see series.h.

#include "series.h"

#include <algorithm>
#include <iterator>

#include "period.h"

namespace {

constexpr size_t PIECES_MAX = 4096;
constexpr long long WIDTHS[] = {60, 300, 900, 3600, 10800, 21600, 43200, 86400, 604800};

// Each width is a multiple of the one before.
long long wider(long long width) {
  const auto next = std::upper_bound(std::begin(WIDTHS), std::end(WIDTHS), width);
  return next == std::end(WIDTHS) ? 4 * width : *next;
}

}  // namespace

long long report_series::begin_of(long long seconds) const {
  const long long local = seconds + offset_;
  const long long rest = local % width_;
  return seconds - (rest < 0 ? rest + width_ : rest);
}

report_sums &report_series::at(long long seconds) {
  if (!offset_known_) {
    offset_ = report_time_offset(seconds);
    offset_known_ = true;
  }
  if (last_.second && seconds >= last_.first && seconds - last_.first < width_) return *last_.second;
  while (pieces_.size() >= PIECES_MAX) widen();
  const auto piece = pieces_.try_emplace(begin_of(seconds)).first;
  last_ = {piece->first, &piece->second};
  return piece->second;
}

void report_series::widen() {
  width_ = wider(width_);
  std::map<long long, report_sums> wide;
  for (const auto &[begin, sums] : pieces_) wide[begin_of(begin)] += sums;
  pieces_ = std::move(wide);
  last_ = {};
}

void report_series::fit(size_t pieces) {
  if (pieces_.empty()) return;
  const auto most = static_cast<long long>(pieces);
  while ((std::prev(pieces_.end())->first - pieces_.begin()->first) / width_ >= most) widen();
}
