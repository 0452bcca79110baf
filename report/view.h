// view.h - the report as sections of words and tables, for people: what the terminal and
// the page have in common. Names in it come from logs as they are: whoever shows them
// escapes them.

#ifndef REPORT_VIEW_H
#define REPORT_VIEW_H

#include <string>
#include <vector>

#include "counts.h"

// What a column of numbers is about, for its colour.
enum class report_tone { plain, accepted, refused, would, temporary };

struct report_column {
  std::string title;
  report_tone tone = report_tone::plain;
};

struct report_row {
  std::string name;
  std::vector<unsigned long long> numbers;
  report_tone tone = report_tone::plain;  // of the whole row
  unsigned long long missed = 0;          // each number may be too small by this much
  std::string note;                       // words behind the numbers
};

struct report_section {
  std::string id, title;
  std::vector<std::string> about;  // sentences before the table
  std::string name_title;          // of the column of names
  std::vector<report_column> columns;
  std::vector<report_row> rows;
  std::vector<std::string> notes;  // sentences behind it
  bool bars = false;               // the numbers of the first column are parts of a whole
};

// The sections that have something to say, in their order; tables of at most top rows.
std::vector<report_section> report_view(const report_counts &counts, size_t top);

// "from 2026-11-20 00:00:00; lines of 2026-11-20 00:00:03 to 2026-11-23 12:00:00 (CET)":
// the period as it was asked for, and what of it the logs have.
std::string report_view_period(const report_counts &counts);

// "1,234,567"
std::string report_number(unsigned long long n);

// The rows of a table that come first, by this number and then by name.
template <class Sums>
struct report_named {
  std::string_view name;
  const typename report_table<Sums>::row *row;
};
template <class Sums, class Score>
std::vector<report_named<Sums>> report_first(const report_table<Sums> &table, size_t most, Score score) {
  std::vector<report_named<Sums>> out;
  for (const auto &[name, row] : table.rows())
    if (score(row.sums)) out.push_back({name, &row});
  const auto before = [&](const report_named<Sums> &a, const report_named<Sums> &b) {
    const auto of_a = score(a.row->sums), of_b = score(b.row->sums);
    return of_a != of_b ? of_a > of_b : a.name < b.name;
  };
  const size_t n = std::min(most, out.size());
  std::partial_sort(out.begin(), out.begin() + static_cast<long>(n), out.end(), before);
  out.resize(n);
  return out;
}

// By what the rows of the report's tables are put in order.
unsigned long long report_score_domain(const report_sums &sums);
unsigned long long report_score_client(const report_sums &sums);
unsigned long long report_score_reason(const report_sums &sums);
unsigned long long report_score_vain(const report_sums &sums);
unsigned long long report_score_catchall(const report_sums &sums);
unsigned long long report_score_server(const report_server &server);
unsigned long long report_score_place(const report_place &place);
unsigned long long report_score_trouble(const report_trouble &trouble);

#endif
