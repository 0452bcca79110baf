// json.h - the report for programs; its members stand in qmail-verify-report(1).

#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include <string>

#include "counts.h"

// One JSON object and a newline; tables of at most top rows.
std::string report_json(const report_counts &counts, size_t top);

#endif
