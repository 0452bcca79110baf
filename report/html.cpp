// html.cpp - see html.h.

#include "html.h"

#include <algorithm>
#include <cstdio>

#include "plot.h"
#include "vrfy/say.h"

namespace {

constexpr char HEAD[] = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>qmail-verify-report</title>
<style>
:root { color-scheme: light dark;
  --page: #f5f6f8; --card: #fff; --ink: #1d2430; --dim: #5c6675; --rule: #dfe3e9; --sessions: #3b6ea8;
  --accepted: #1f7a68; --refused: #c23b2e; --would: #a8690a; --temporary: #6a55b8;
  --accepted-bar: #3fa08c; --refused-bar: #d9564a; --would-bar: #e2a23b; --temporary-bar: #8a77d4 }
@media (prefers-color-scheme: dark) { :root {
  --page: #14181f; --card: #1d232d; --ink: #e4e8ee; --dim: #9aa5b4; --rule: #323b48; --sessions: #6ea2dc;
  --accepted: #62c4b0; --refused: #f28b80; --would: #e9b65c; --temporary: #b3a5f0;
  --accepted-bar: #3f9c88; --refused-bar: #d65c50; --would-bar: #cf9434; --temporary-bar: #8a77d4 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif }
main, header { max-width: 1120px; margin: 0 auto; padding: 0 20px }
header { padding-top: 28px }
main { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; padding-bottom: 40px }
h1 { font-size: 24px; margin: 0 }
h2 { font-size: 17px; margin: 0 0 8px }
header p { margin: 4px 0 18px; color: var(--dim) }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 16px 18px; min-width: 0 }
section.wide { grid-column: 1 / -1 }
section p { margin: 6px 0; color: var(--dim); max-width: 90ch }
#backscatter p:first-of-type { color: var(--ink); font-size: 20px; font-weight: 600 }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px }
.tiles div { flex: 1 1 130px; padding: 10px 14px; background: var(--card);
  border: 1px solid var(--rule); border-radius: 8px }
.tiles b { display: block; font-size: 23px; font-variant-numeric: tabular-nums }
.tiles span { color: var(--dim); font-size: 13px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: right; color: var(--dim); font-weight: 500; white-space: nowrap }
th, td { padding: 4px 0 4px 14px; border-bottom: 1px solid var(--rule); vertical-align: top }
th:first-child, td:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; min-width: 12ch }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.zero { color: var(--dim) }
td.note { color: var(--dim) }
td.part { width: 26%; min-width: 90px; padding-right: 0 }
td.part i { display: block; height: 10px; margin-top: 6px; border-radius: 2px; background: var(--sessions) }
tr:last-child td { border-bottom: 0 }
.accepted { color: var(--accepted) } .refused { color: var(--refused) }
.would { color: var(--would) } .temporary { color: var(--temporary) }
i.accepted { background: var(--accepted-bar) !important } i.refused { background: var(--refused-bar) !important }
i.would { background: var(--would-bar) !important } i.temporary { background: var(--temporary-bar) !important }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px;
  list-style: none; margin: 0 0 8px; padding: 0 }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 6px;
  border-radius: 2px; background: var(--sessions) }
svg { display: block; width: 100%; min-width: 620px; height: auto }
svg text { fill: var(--dim); font-size: 12px; font-variant-numeric: tabular-nums }
svg .grid { stroke: var(--rule) } svg .tick, svg .axis { stroke: var(--dim) }
svg .over { fill: transparent } svg g:hover .over { fill: var(--rule) }
rect.accepted { fill: var(--accepted-bar) } rect.refused { fill: var(--refused-bar) }
rect.would { fill: var(--would-bar) } rect.temporary { fill: var(--temporary-bar) }
rect.sessions { fill: var(--sessions) }
@media (max-width: 760px) { main { grid-template-columns: minmax(0, 1fr) }
  th, td { padding-left: 10px } th:first-child, td:first-child { min-width: 18ch }
  td.note { min-width: 18ch } }
</style>
</head>
<body>
)";

const char *style(report_tone tone) {
  switch (tone) {
    case report_tone::accepted: return "accepted";
    case report_tone::refused: return "refused";
    case report_tone::would: return "would";
    case report_tone::temporary: return "temporary";
    case report_tone::plain: break;
  }
  return "";
}

// ---- plots

unsigned long long but(unsigned long long n, unsigned long long without) { return n > without ? n - without : 0; }

const std::vector<report_layer> RECIPIENTS = {
    {"accepted", "accepted", [](const report_sums &s) { return but(s[REPORT_ACCEPTED], s.would()); }},
    {"accepted, would be refused or put off (OBSERVE)", "would", [](const report_sums &s) { return s.would(); }},
    {"temporary", "temporary", [](const report_sums &s) { return s[REPORT_TEMPORARY]; }},
    {"refused", "refused", [](const report_sums &s) { return s[REPORT_REFUSED]; }},
};
const std::vector<report_layer> SESSIONS = {
    {"sessions", "sessions", [](const report_sums &s) { return s[REPORT_SESSIONS]; }},
};
const std::vector<report_layer> DECISIONS = {
    {"permitted", "accepted", [](const report_sums &s) { return but(s[REPORT_PERMITTED], s[REPORT_OBSERVED]); }},
    {"permitted by policy observe", "would", [](const report_sums &s) { return s[REPORT_OBSERVED]; }},
    {"not answered", "temporary", [](const report_sums &s) { return s[REPORT_NOT_ANSWERED]; }},
    {"denied", "refused", [](const report_sums &s) { return s[REPORT_DENIED]; }},
};

// Of what there is none, no word is needed.
std::string legend(const report_counts &c, const std::vector<report_layer> &layers) {
  if (layers.size() == 1) return "";
  std::string out = "<ul class='legend'>";
  for (const report_layer &layer : layers)
    if (layer.number(c.total)) out += "<li><i class='" + layer.style + "'></i>" + layer.title + "</li>";
  return out + "</ul>\n";
}

std::string plot(const report_counts &c, const std::string &title, const std::vector<report_layer> &layers,
                 const std::string &things) {
  std::vector<report_layer> shown;
  for (const report_layer &layer : layers)
    if (layer.number(c.total)) shown.push_back(layer);
  const std::string drawn = report_plot(c.series, shown, things);
  if (drawn.empty()) return "";
  return "<section class='wide'><h2>" + title + "</h2>\n" + legend(c, layers) + "<div class='scroll'>" + drawn +
         "</div></section>\n";
}

// ---- words and tables

std::string tile(unsigned long long n, const char *what, report_tone tone) {
  const std::string number = std::string("<b class='") + style(tone) + "'>" + report_number(n) + "</b>";
  return "<div>" + number + "<span>" + what + "</span></div>";
}

std::string tiles(const report_counts &c) {
  const report_sums &t = c.total;
  std::string out = "<div class='tiles'>";
  if (c.lines.smtpd) {
    out += tile(t[REPORT_SESSIONS], "SMTP sessions", report_tone::plain) +
           tile(t[REPORT_ACCEPTED], "recipients accepted", report_tone::accepted) +
           tile(t[REPORT_REFUSED], "recipients refused", report_tone::refused) +
           tile(t[REPORT_TEMPORARY], "answered temporary", report_tone::temporary);
  } else {
    out += tile(t[REPORT_PERMITTED], "questions permitted", report_tone::accepted) +
           tile(t[REPORT_DENIED], "denied", report_tone::refused) +
           tile(t[REPORT_NOT_ANSWERED], "not answered", report_tone::temporary);
  }
  if (t.would()) out += tile(t.would(), "accepted by OBSERVE alone", report_tone::would);
  if (t[REPORT_OBSERVED]) out += tile(t[REPORT_OBSERVED], "permitted by policy observe alone", report_tone::would);
  if (c.backscatter.transactions)
    out += tile(c.backscatter.bounces_at_most(), "bounces saved, at most", report_tone::plain);
  return out + "</div>\n";
}

std::string cell(const report_row &row, size_t i, const report_section &s) {
  const unsigned long long n = row.numbers[i];
  const report_tone tone = row.tone == report_tone::plain ? s.columns[i].tone : row.tone;
  return std::string("<td class='n ") + (n ? style(tone) : "zero") + "'>" + report_number(n) +
         (row.missed ? " +" + report_number(row.missed) : "") + "</td>";
}

std::string part(const report_row &row, unsigned long long whole) {
  const double percent = 100 * static_cast<double>(row.numbers[0]) / static_cast<double>(std::max(whole, 1ull));
  char text[128];
  snprintf(text, sizeof text, "<td class='n'>%.1f %%</td><td class='part'><i class='%s' style='width:%.2f%%'></i></td>",
           percent, style(row.tone), percent);
  return text;
}

std::string table(const report_section &s) {
  const bool notes = std::any_of(s.rows.begin(), s.rows.end(), [](const report_row &r) { return !r.note.empty(); });
  unsigned long long whole = 0;
  std::string out = "<div class='scroll'><table>\n<tr><th scope='col'>" + s.name_title + "</th>";
  for (const report_column &c : s.columns) out += "<th scope='col'>" + c.title + "</th>";
  out += std::string(s.bars ? "<th scope='col'>share</th><th></th>" : "") + (notes ? "<th></th>" : "") + "</tr>\n";
  for (const report_row &row : s.rows) whole += s.bars ? row.numbers[0] : 0;
  for (const report_row &row : s.rows) {
    out += "<tr><td>" + report_html_safe(row.name) + "</td>";
    for (size_t i = 0; i < s.columns.size(); ++i) out += cell(row, i, s);
    if (s.bars) out += part(row, whole);
    if (notes) out += "<td class='note'>" + report_html_safe(row.note) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string section(const report_section &s) {
  const bool narrow = s.bars || s.rows.empty();
  std::string out = "<section id='" + s.id + "'" + (narrow ? "" : " class='wide'") + "><h2>" + s.title + "</h2>\n";
  for (const std::string &sentence : s.about) out += "<p>" + report_html_safe(sentence) + "</p>\n";
  if (!s.rows.empty()) out += table(s);
  for (const std::string &sentence : s.notes) out += "<p>" + report_html_safe(sentence) + "</p>\n";
  return out + "</section>\n";
}

}  // namespace

std::string report_html_safe(std::string_view bytes) {
  std::string out;
  for (const char c : vrfy_safe_sentence(bytes)) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

std::string report_html(std::string_view period, const report_counts &c, const std::vector<report_section> &sections) {
  std::string out = HEAD;
  out += "<header><h1>qmail-verify-report</h1>\n<p>" + report_html_safe(period) + "</p>\n";
  out += tiles(c) + "</header>\n<main>\n";
  out += plot(c, "Recipients over time", RECIPIENTS, "recipients");
  out += plot(c, "SMTP sessions over time", SESSIONS, "sessions");
  out += plot(c, "Questions to qmail-verify over time", DECISIONS, "questions");
  for (const report_section &s : sections) out += section(s);
  return out + "</main>\n</body>\n</html>\n";
}
