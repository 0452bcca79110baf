// fuzz_routes.cpp - any bytes as control/verifyroutes and control/smtproutes: a domain has the
// line that qmail's maps would find, its servers can be asked, each once, or it is told why
// not; each complaint names its file; and what is not followed does not matter.
//
// An input: control/verifyroutes, 0xff, control/smtproutes.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/control.h"
#include "qmail/routes.h"
#include "qmail/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool one_line(std::string_view sentence) {
  for (const char c : sentence)
    if (c < ' ' || c > '~') return false;
  return sentence.size() < 1000;
}

std::string_view unblanked(std::string_view s) {
  while (s.starts_with(' ') || s.starts_with('\t')) s.remove_prefix(1);
  while (s.ends_with(' ') || s.ends_with('\t')) s.remove_suffix(1);
  return s;
}

// The lines of a file in another way than the reader's: NAME:VALUE, in order.
struct line {
  std::string name;
  std::string_view value;
};

std::vector<line> lines_of(std::string_view text, bool blanks_count) {
  std::vector<line> out;
  while (!text.empty()) {
    const std::string_view one = text_line(text);
    const size_t colon = one.find(':');
    if (one.starts_with('#') || colon == one.npos) continue;
    const std::string_view name = one.substr(0, colon);
    out.push_back({text_lower(blanks_count ? name : unblanked(name)), unblanked(one.substr(colon + 1))});
  }
  return out;
}

// What main() of qmail-remote finds.
std::optional<std::string_view> value_of(const std::vector<line> &lines, std::string_view domain) {
  const std::string low = text_lower(domain);
  for (size_t i = 0; i <= low.size(); ++i) {
    if (i != 0 && i != low.size() && low[i] != '.') continue;
    const std::string_view rest = std::string_view(low).substr(i);
    const auto at = std::find_if(lines.rbegin(), lines.rend(), [&](const line &l) { return l.name == rest; });
    if (at != lines.rend()) return at->value;
  }
  return std::nullopt;
}

bool follows(std::string_view value) {
  for (bool more = true; more;) {
    const size_t comma = value.find(',');
    more = comma != value.npos;
    if (text_equal(unblanked(value.substr(0, comma)), "smtproutes")) return true;
    value.remove_prefix(more ? comma + 1 : value.size());
  }
  return false;
}

void is_sound(const routes_table &table, const routes_table::route &route) {
  require(route.servers.empty() == !route.wrong.empty());
  require(std::set<unsigned>(route.servers.begin(), route.servers.end()).size() == route.servers.size());
  for (const unsigned server : route.servers) require(server < table.servers().size() && table.servers()[server].len);
  require(route.wrong.empty() || (route.wrong.starts_with("control/") && one_line(route.wrong)));
}

void are_sound(const std::vector<std::string> &complaints) {
  require(complaints.size() <= 202);
  for (const std::string &sentence : complaints) require(one_line(sentence) && sentence.starts_with("control/"));
}

// What is routed, by the table and by the lines.
void ask(const routes_table &table, const std::vector<line> &routes, const std::vector<line> &relays,
         std::string_view domain) {
  const auto value = value_of(routes, domain);
  const routes_table::route *route = table.find(domain);
  require(route == table.find(text_lower(domain)));
  if (!value || value->empty()) return require(!route);
  if (route) return is_sound(table, *route);
  // only for want of a relay
  const auto relay = value_of(relays, domain);
  require(text_equal(*value, "smtproutes") || value->find(',') != value->npos);
  require(follows(*value) && (!relay || relay->empty() || relay->find_first_of(": \t[]") <= 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  const size_t end = std::min(all.find('\xff'), all.size());
  const std::string_view verifyroutes = all.substr(0, end);
  const std::string smtproutes(all.substr(std::min(all.size(), end + 1)));
  std::vector<std::string> complaints, unread;
  const routes_table table(verifyroutes, &smtproutes, 0, complaints);
  const routes_table blind(verifyroutes, nullptr, EACCES, unread);
  are_sound(complaints);
  are_sound(unread);

  const auto routes = lines_of(verifyroutes, false), relays = lines_of(smtproutes, true);
  require(table.any() == !routes.empty());
  const bool any_follows = std::any_of(routes.begin(), routes.end(), [](const line &l) { return follows(l.value); });
  require(table.follows_smtproutes() == any_follows && blind.follows_smtproutes() == any_follows);

  std::vector<std::string> domains = {"", ".", "a.example", std::string(300, '.')};
  for (const auto *lines : {&routes, &relays})
    for (size_t i = 0; i < std::min<size_t>(lines->size(), 32); ++i)
      for (const char *before : {"", "x", "x.", "."}) domains.push_back(before + (*lines)[i].name);
  for (const std::string &domain : domains) {
    ask(table, routes, relays, domain);
    const auto value = value_of(routes, domain);
    const routes_table::route *route = blind.find(domain);
    require(!route == (!value || value->empty()));
    if (!route) continue;
    is_sound(blind, *route);
    const routes_table::route *seen = table.find(domain);
    if (!follows(*value)) require(seen && seen->servers.size() == route->servers.size());
  }
  return 0;
}
