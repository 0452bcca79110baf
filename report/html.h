// html.h - the report as one page that needs nothing else: no script, no image, no style
// sheet from anywhere. Light or dark as the reader's system is.

#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include <string>
#include <string_view>
#include <vector>

#include "counts.h"
#include "view.h"

// counts: for the plots over time.
std::string report_html(std::string_view period, const report_counts &counts,
                        const std::vector<report_section> &sections);

// Bytes from outside as text of a page or as an attribute's value: printable ASCII, with
// the characters that mean something there written as entities, other bytes as \xNN.
std::string report_html_safe(std::string_view bytes);

#endif
