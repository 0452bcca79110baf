// list_lines.cpp - see list.h: what a line of the list says, and the key that says the
// same in validrcptto.cdb; and how much a list has shrunk.

#include <algorithm>

#include "list.h"

bool list_stands(std::string_view line, size_t at) {
  const auto beside = [&](size_t i) { return i < line.size() && (line[i] == '@' || line[i] == '%'); };
  if (line[at] != '*') return false;
  if (beside(at + 1) || (at > 0 && beside(at - 1))) return true;
  return at + 1 == line.size() && line.find('@') == line.npos;
}

bool list_reads_as_pattern(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i)
    if (list_stands(line, i)) return true;
  return false;
}

std::string list_instance(std::string_view line, std::string_view word) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i)
    if (list_stands(line, i))
      out += word;
    else
      out += line[i];
  return out;
}

bool list_covered(std::string_view line, const list_names &names) {
  const size_t at = std::min(line.rfind('@'), line.size());
  const std::string domain(line.substr(at));
  for (size_t i = 0; i <= at; ++i)
    if (const std::string p = std::string(line.substr(0, i)) + "*" + domain; p != line && names.has_pattern(p))
      return true;
  return false;
}

std::string_view list_domain_of(std::string_view line) {
  const size_t at = line.rfind('@');
  return at == line.npos ? std::string_view() : line.substr(at + 1);
}

// Negative entries begin with a dash.
bool list_key(std::string_view line, bool pattern, std::string &key) {
  key = line;
  if (line.starts_with('-')) return false;
  if (!pattern) return true;
  const size_t at = std::min(line.rfind('@'), line.size());
  if (std::count(line.begin(), line.end(), '*') != 1 || at == 0 || line[at - 1] != '*') return false;
  const std::string_view before = line.substr(0, at - 1), domain = line.substr(at);
  if (before.empty() && domain.empty()) return false;
  if (!before.empty() && !before.ends_with('-')) return false;
  key = std::string(before) + (before.empty() ? "" : "default") + std::string(domain);
  return true;
}

// ---- how much it has shrunk

namespace {

constexpr size_t NAMED_MAX = 10;  // domains

unsigned long sum(const list_counts &counts) {
  unsigned long all = 0;
  for (const auto &[domain, count] : counts) all += count;
  return all;
}

struct loss {
  std::string domain;
  unsigned long before = 0, lost = 0;
};

// The worst first.
std::vector<loss> losses(const list_counts &before, const list_counts &now) {
  std::vector<loss> out;
  for (const auto &[domain, count] : before) {
    const auto there = now.find(domain);
    const unsigned long left = there == now.end() ? 0 : there->second;
    if (left < count) out.push_back({domain, count, count - left});
  }
  std::stable_sort(out.begin(), out.end(), [](const loss &a, const loss &b) { return a.lost > b.lost; });
  return out;
}

std::string shown(const loss &l) {
  return (l.domain.empty() ? std::string("addresses without a domain") : vrfy_safe(l.domain)) + ": lost " +
         std::to_string(l.lost) + " of " + std::to_string(l.before);
}

void name_losses(const std::vector<loss> &all, std::vector<std::string> &says) {
  for (size_t i = 0; i < all.size() && i < NAMED_MAX; ++i) says.push_back(shown(all[i]));
  if (all.size() > NAMED_MAX) says.push_back(std::to_string(all.size() - NAMED_MAX) + " more domains have lost some");
}

}  // namespace

bool list_may_shrink(const list_counts &before, const list_counts &now, unsigned long percent,
                     std::vector<std::string> &says) {
  const unsigned long was = sum(before), is = sum(now);
  std::vector<loss> lost = losses(before, now);
  const bool may = is >= was || (was - is) * 100 <= was * percent;
  if (may) {
    std::erase_if(lost, [](const loss &l) { return l.lost < l.before; });
    name_losses(lost, says);
    return true;
  }
  says.push_back("the list would shrink from " + std::to_string(was) + " to " + std::to_string(is) +
                 ", by more than " + std::to_string(percent) + "%");
  name_losses(lost, says);
  return false;
}
