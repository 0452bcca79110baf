// plot.h - numbers over time as stacked bars, in SVG that stands in a page.

#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include <string>
#include <vector>

#include "series.h"

struct report_layer {
  std::string title;                                  // "refused"
  std::string style;                                  // the class of its bars in the page's style sheet
  unsigned long long (*number)(const report_sums &);  // its height
};

// What series has of the layers, the first at the bottom: axes with units (things per
// piece, and local time), and the numbers of a bar where the pointer is. Empty where
// nothing was counted.
std::string report_plot(const report_series &series, const std::vector<report_layer> &layers,
                        const std::string &things);

// "15 minutes", "hour"
std::string report_width_text(long long seconds);

// The steps of an axis that goes to at least most: 1, 2 or 5 times a power of ten.
unsigned long long report_axis_step(unsigned long long most);

#endif
