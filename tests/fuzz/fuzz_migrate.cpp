// fuzz_migrate.cpp - any bytes as rules and as a script, with each --from: edits are in
// order and within the text; a second time nothing is changed; lines that are no rules,
// and settings that are none of ours, stay to the letter; the diff tells how many lines
// there are.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/rules.h"
#include "migrate/script.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

void are_sound(std::string_view text, const migration &m) {
  size_t done = 0;
  for (const edit &e : m.edits) {
    require(e.begin >= done && e.begin <= e.end && e.end <= text.size());
    done = e.end;
  }
  for (const remark &r : m.remarks) {
    require(r.line <= 1 + static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
    for (const char c : r.text) require(c >= ' ' && c <= '~');
  }
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

// The lines that a diff takes away and adds are those that there are more or less of.
void is_told_by_the_diff(std::string_view text, const migration &m, const std::string &after) {
  const std::string diff = edits_diff("f", text, m.edits);
  require(diff.empty() == m.edits.empty());
  long moved = 0;
  size_t number = 0;
  for (std::string_view line : lines_of(diff))
    if (++number > 2) moved += line.starts_with('+') ? 1 : line.starts_with('-') ? -1 : 0;
  require(static_cast<long>(lines_of(text).size()) + moved == static_cast<long>(lines_of(after).size()));
}

std::string_view without_newline(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

// Of a rule all but our variables.
std::string others(std::string_view line, const rule &r) {
  std::string out(line.substr(0, r.settings.empty() ? r.end : r.settings[0].begin));
  for (const rule_setting &s : r.settings)
    if (!meaning_ours(s.name)) out += line.substr(s.begin, s.end - s.begin);
  return out.append(line.substr(r.end));
}

void try_rules(std::string_view text, From from) {
  const migration m = rules_migrate(text, from);
  are_sound(text, m);
  const std::string after = edits_apply(text, m.edits);
  is_told_by_the_diff(text, m, after);
  require(rules_migrate(after, from).edits.empty());
  const auto before = lines_of(text), now = lines_of(after);
  require(before.size() == now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    const auto was = rule_read(without_newline(before[i])), is = rule_read(without_newline(now[i]));
    require(was.has_value() == is.has_value());
    require(was ? others(before[i], *was) == others(now[i], *is) : before[i] == now[i]);
  }
}

void try_script(std::string_view text, From from) {
  const migration m = script_migrate(text, from);
  are_sound(text, m);
  const std::string after = edits_apply(text, m.edits);
  is_told_by_the_diff(text, m, after);
  require(script_migrate(after, from).edits.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  for (const From from : {From::unsaid, From::before_130, From::realrcptto}) {
    try_rules(text, from);
    try_script(text, from);
  }
  return 0;
}
