// lines.cpp - see lines.h.

#include "lines.h"

#include "logbits.h"
#include "text.h"

namespace {

// More sentences than that about one file help nobody and fill a log.
constexpr size_t COMPLAINTS_MAX = 100;
// The longest piece of the file that a sentence shows.
constexpr size_t SHOWN_MAX = 100;

}  // namespace

void lines_read(std::string_view text, const char *file, std::vector<std::string> &complaints,
                const std::function<std::string(std::string_view line)> &each) {
  lines_read_numbered(text, file, complaints, [&](std::string_view line, size_t) { return each(line); });
}

void lines_read_numbered(std::string_view text, const char *file, std::vector<std::string> &complaints,
                         const std::function<std::string(std::string_view line, size_t number)> &each) {
  size_t told = 0;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text_line(text);
    if (line.empty() || line.front() == '#') continue;
    const std::string wrong = each(line, number);
    if (wrong.empty() || ++told > COMPLAINTS_MAX + 1) continue;
    complaints.push_back(told > COMPLAINTS_MAX ? std::string(file) + ": more cannot be read than is told here"
                                               : std::string(file) + " line " + std::to_string(number) + ": " + wrong);
  }
}

std::string lines_quoted(std::string_view piece) {
  const bool cut = piece.size() > SHOWN_MAX;
  std::string out = "\"";
  for (char c : piece.substr(0, SHOWN_MAX)) {
    log_line line;
    log_begin(&line);
    if (c == ' ')
      log_puts(&line, " ");
    else
      log_putsafe(&line, &c, 1);
    out.append(line.text, line.len);
  }
  return out + (cut ? "...\"" : "\"");
}
