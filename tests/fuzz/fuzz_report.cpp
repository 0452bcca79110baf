// fuzz_report.cpp - any bytes as a log: what a line is taken apart into lies within it;
// counting its lines ends well, sums agree with each other, and what is printed of it,
// in each of the three forms, has no byte in it that could do anything.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "report/counts.h"
#include "report/html.h"
#include "report/json.h"
#include "report/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

void lies_within(std::string_view part, std::string_view whole) {
  require(part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()));
}

void line_is_sound(std::string_view text) {
  const report_line line = report_line_read(text);
  for (const auto part : {line.session, line.client, line.address, line.user, line.server, line.why, line.about})
    lies_within(part, text);
  require(line.reason.size() <= 32 && (!line.would || line.observed));
  require(!line.seconds || (*line.seconds >= 0 && *line.seconds < 253402300800));
  std::string_view why = line.why;
  report_server_trouble trouble;
  while (report_next_trouble(why, trouble)) lies_within(trouble.server, line.why);
}

template <class Rows>
report_sums sum_of(const Rows &table) {
  report_sums sums = table.others();
  for (const auto &[name, row] : table.rows()) {
    require(name.size() <= REPORT_NAME_MAX && row.missed <= table.missed_max());
    sums += row.sums;
  }
  return sums;
}

void counts_agree(const report_counts &c) {
  unsigned long long replies = 0;
  for (const unsigned long long n : c.replies) replies += n;
  require(replies == c.total.recipients());
  require(c.lines.read >= c.lines.smtpd + c.lines.daemon + c.lines.foreign + c.lines.outside);
  const report_sums domains = sum_of(c.domains), clients = sum_of(c.clients), reasons = sum_of(c.reasons);
  require(domains.recipients() == c.total.recipients() && domains.judged() == c.total.judged());
  require(clients.recipients() == c.total.recipients() && clients[REPORT_SESSIONS] == c.total[REPORT_SESSIONS]);
  require(reasons[REPORT_REFUSED] == c.total[REPORT_REFUSED] && reasons[REPORT_TEMPORARY] == c.total[REPORT_TEMPORARY]);
  require(c.backscatter.null_sender <= c.backscatter.transactions);
  report_sums over_time;
  for (const auto &[begin, sums] : c.series.pieces()) over_time += sums;
  for (size_t i = 0; i < REPORT_WHATS; ++i) require(over_time.of[i] <= c.total.of[i]);
}

void is_plain(std::string_view text) {
  for (const char byte : text) require(byte == '\n' || (byte >= ' ' && byte <= '~'));
}

// All elements of the page are its own; only text came from the log.
void page_is_safe(std::string_view page) {
  is_plain(page);
  for (const std::string_view never : {"<script", "<img", "<iframe", "<link", "javascript:", "onerror=", "<a "}) {
    const size_t at = page.find(never);
    if (at == page.npos) continue;
    require(never[0] != '<');  // the words may be there as words
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view input(reinterpret_cast<const char *>(data), size);
  report_counts counts;
  for (size_t at = 0; at <= input.size();) {
    const std::string_view line = input.substr(at, input.find('\n', at) - at);
    line_is_sound(line);
    counts.line(line, 0);
    at += line.size() + 1;
  }
  counts.end();
  counts_agree(counts);
  const std::vector<report_section> sections = report_view(counts, 5);
  is_plain(report_text(report_view_period(counts), sections, {}));
  counts.series.fit(20);
  page_is_safe(report_html(report_view_period(counts), counts, sections));
  require(report_json(counts, 5).ends_with("}\n"));
  return 0;
}
