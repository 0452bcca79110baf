// table.h - counts by name, in bounded memory: who writes a log's names can write as
// many different ones as he likes.
//
// Where there are more than twice as many names as are kept, the smaller ones are put
// together as "others", and a name that comes after that may be one of them. Promises
// (Misra and Gries, 1982, in batches): with N notes and K names kept,
//
//   - sums over all rows and others() are exact;
//   - what a row counts did happen; what it may lack is at most row.missed;
//   - a name that has no row was noted at most missed_max() times, and that is at most N / K.

#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// The longest name; of a longer one this much counts.
constexpr size_t REPORT_NAME_MAX = 256;

// Finds a std::string by a std::string_view.
struct report_name_hash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};
template <class Value>
using report_names = std::unordered_map<std::string, Value, report_name_hash, std::equal_to<>>;

// Sums has += for its own kind, and is zero when it is made.
template <class Sums>
class report_table {
 public:
  struct row {
    Sums sums{};
    unsigned long long notes = 0;   // that it has counted
    unsigned long long missed = 0;  // what may have been counted with the others before
  };

  explicit report_table(size_t keep) : keep_(keep) {}

  // The sums of this name, to be added to now; so many notes.
  Sums &note(std::string_view name, unsigned long long n = 1) {
    name = name.substr(0, REPORT_NAME_MAX);
    notes_ += n;
    auto at = rows_.find(name);
    if (at == rows_.end()) {
      if (rows_.size() >= 2 * keep_) prune();
      at = rows_.emplace(name, row{{}, 0, missed_max_}).first;
    }
    at->second.notes += n;
    return at->second.sums;
  }

  const report_names<row> &rows() const { return rows_; }
  size_t keep() const { return keep_; }
  unsigned long long notes() const { return notes_; }
  unsigned long long missed_max() const { return missed_max_; }

  // The sums of all names that have no row, and of what rows have missed.
  const Sums &others() const { return others_; }

 private:
  // What a row may have been noted in all, at most.
  static unsigned long long weight(const row &r) { return r.notes + r.missed; }

  void prune() {
    std::vector<unsigned long long> weights;
    weights.reserve(rows_.size());
    for (const auto &[name, r] : rows_) weights.push_back(weight(r));
    const auto last_kept = weights.begin() + static_cast<long>(keep_ - 1);
    std::nth_element(weights.begin(), last_kept, weights.end(), std::greater<>());
    // of those that weigh the same as the last one to stay, none stays: there could be
    // any number of them
    const unsigned long long limit = *last_kept;
    for (auto at = rows_.begin(); at != rows_.end();) {
      if (weight(at->second) > limit) {
        ++at;
        continue;
      }
      missed_max_ = std::max(missed_max_, weight(at->second));
      others_ += at->second.sums;
      at = rows_.erase(at);
    }
  }

  size_t keep_;
  report_names<row> rows_;
  Sums others_{};
  unsigned long long notes_ = 0, missed_max_ = 0;
};

#endif
