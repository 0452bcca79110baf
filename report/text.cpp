// text.cpp - see text.h.

#include "text.h"

#include <algorithm>
#include <cstdio>

#include "vrfy/say.h"

namespace {

constexpr size_t NAME_MIN = 16, BAR_MAX = 24;

class writer {
 public:
  explicit writer(const report_paper &paper) : paper_(paper) {}

  void head(std::string_view period) { line(coloured("1", "qmail-verify-report") + ": " + std::string(period)); }

  void section(const report_section &s) {
    line("");
    line(coloured("1", s.title));
    for (const std::string &sentence : s.about) paragraph(sentence);
    if (!s.rows.empty()) table(s);
    for (const std::string &sentence : s.notes) paragraph(sentence);
  }

  std::string out;

 private:
  std::string coloured(const char *code, const std::string &text) const {
    return paper_.colours ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
  }

  std::string coloured(report_tone tone, const std::string &text) const {
    switch (tone) {
      case report_tone::accepted: return coloured("32", text);
      case report_tone::refused: return coloured("31", text);
      case report_tone::would: return coloured("33", text);
      case report_tone::temporary: return coloured("35", text);
      case report_tone::plain: break;
    }
    return text;
  }

  void line(const std::string &text) {
    out += text.substr(0, text.find_last_not_of(' ') + 1);
    out += '\n';
  }

  // Words, broken at blanks.
  void paragraph(const std::string &sentence) {
    const std::string safe = vrfy_safe_sentence(sentence);
    const size_t width = std::max<size_t>(paper_.columns, 40) - 2;
    std::string_view rest = safe;
    while (!rest.empty()) {
      size_t end = rest.size();
      if (end > width) {
        end = rest.rfind(' ', width);
        if (end == rest.npos || end == 0) end = std::min(rest.find(' '), rest.size());
      }
      line("  " + std::string(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  std::vector<size_t> widths(const report_section &s) const {
    std::vector<size_t> out_widths;
    for (size_t i = 0; i < s.columns.size(); ++i) {
      size_t width = s.columns[i].title.size();
      for (const report_row &row : s.rows) width = std::max(width, number(row, i).size());
      out_widths.push_back(width);
    }
    return out_widths;
  }

  static std::string number(const report_row &row, size_t i) { return report_number(row.numbers[i]); }

  // The width of the names: of the longest, but no more than there is.
  size_t name_width(const report_section &s, size_t taken) const {
    size_t longest = s.name_title.size();
    for (const report_row &row : s.rows) longest = std::max(longest, vrfy_safe_sentence(row.name).size());
    const size_t room = paper_.columns > taken + NAME_MIN ? paper_.columns - taken : NAME_MIN;
    return std::min(longest, room);
  }

  std::string name(const report_row &row, size_t width) const {
    std::string safe = vrfy_safe_sentence(row.name);
    if (paper_.cut && safe.size() > width) safe = safe.substr(0, width - 3) + "...";
    return safe + std::string(width - std::min(width, safe.size()), ' ');
  }

  void table(const report_section &s) {
    const std::vector<size_t> width = widths(s);
    size_t taken = 2;
    for (const size_t w : width) taken += w + 2;
    const size_t names = name_width(s, taken + (s.bars ? BAR_MAX / 2 : 0));
    std::string head = "  " + s.name_title + std::string(names - std::min(names, s.name_title.size()), ' ');
    for (size_t i = 0; i < width.size(); ++i)
      head += "  " + std::string(width[i] - s.columns[i].title.size(), ' ') + s.columns[i].title;
    line(coloured("2", head));
    unsigned long long whole = 0;
    for (const report_row &row : s.rows) whole += s.bars ? row.numbers[0] : 0;
    for (const report_row &row : s.rows) {
      std::string text = "  " + coloured(row.tone, name(row, names));
      for (size_t i = 0; i < width.size(); ++i) {
        const std::string n = number(row, i);
        const std::string cell = std::string(width[i] - n.size(), ' ') + n;
        const report_tone tone = row.tone == report_tone::plain ? s.columns[i].tone : row.tone;
        text += "  " + (row.numbers[i] ? coloured(tone, cell) : cell);
      }
      if (whole) text += share(row, whole, names + taken);
      if (row.missed) text += "  +" + report_number(row.missed);
      if (!row.note.empty()) text += "  " + vrfy_safe_sentence(row.note);
      line(text);
    }
  }

  // "  60.0 % ############"
  std::string share(const report_row &row, unsigned long long whole, size_t taken) const {
    const double part = static_cast<double>(row.numbers[0]) / static_cast<double>(whole);
    char percent[16];
    snprintf(percent, sizeof percent, " %5.1f %%", 100 * part);
    const size_t room = paper_.columns > taken + 10 ? std::min<size_t>(paper_.columns - taken - 10, BAR_MAX) : 0;
    const auto bar = static_cast<size_t>(part * static_cast<double>(room) + 0.5);
    return percent + (bar ? ' ' + coloured(row.tone, std::string(bar, '#')) : std::string());
  }

  const report_paper &paper_;
};

}  // namespace

std::string report_text(std::string_view period, const std::vector<report_section> &sections,
                        const report_paper &paper) {
  writer w(paper);
  w.head(period);
  for (const report_section &s : sections) w.section(s);
  return std::move(w.out);
}
