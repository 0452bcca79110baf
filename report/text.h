// text.h - the report for a terminal, or for a file.

#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include <string>
#include <string_view>
#include <vector>

#include "view.h"

struct report_paper {
  unsigned columns = 80;  // lines are at most this wide, but for names that are not cut
  bool cut = false;       // cut names that are too long
  bool colours = false;   // of a terminal
};

// Printable ASCII, newlines, and with colours their escape sequences.
std::string report_text(std::string_view period, const std::vector<report_section> &sections,
                        const report_paper &paper);

#endif
