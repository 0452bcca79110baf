// routes.cpp - see routes.h.

#include "routes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "lines.h"
#include "qmail-verify.h"

namespace {

constexpr size_t NONE = SIZE_MAX;

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Digits and dots in four pieces, or something with a colon in it: meant to be an address.
bool looks_like_a_name(std::string_view s) {
  for (const char c : s)
    if ((c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_') return true;
  return s.find(':') == s.npos && s.find_first_not_of("0123456789.") != s.npos;
}

std::string name_shown(std::string_view name) { return lines_quoted(name) + " follows "; }

// Like udp_parse, of a view.
bool parse(std::string_view text, udp_endpoint &ep, const char *&why) {
  return udp_parse(text.data(), text.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why) == 0;
}

}  // namespace

size_t routes_table::hash::operator()(std::string_view s) const {
  uint64_t h = 14695981039346656037U;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(text_lower(c))) * 1099511628211U;
  return static_cast<size_t>(h ^ h >> 32);
}

// As qmail-remote's relay(): all of it, from each dot, nothing.
size_t routes_table::find_in(const map &names, std::string_view domain) {
  for (size_t i = 0; i <= domain.size(); ++i) {
    if (i != 0 && i != domain.size() && domain[i] != '.') continue;
    if (const auto at = names.find(domain.substr(i)); at != names.end()) return at->second;
  }
  return NONE;
}

unsigned routes_table::number_of(const udp_endpoint &server) {
  const std::string bytes(reinterpret_cast<const char *>(&server.addr), server.len);
  const auto [at, fresh] = numbers_.try_emplace(bytes, static_cast<unsigned>(servers_.size()));
  if (fresh) servers_.push_back(server);
  return at->second;
}

// One server of a line. What is wrong with it, or nothing.
std::string routes_table::read_server(std::string_view item, entry &e) {
  udp_endpoint ep{};
  const char *why;
  if (text_equal(item, "smtproutes")) {
    e.follows = follows_smtproutes_ = true;
    return "";
  }
  if (item.empty()) return "nothing stands before or behind a comma; take it out";
  if (!parse(item, ep, why))
    return lines_quoted(item) + ": " +
           (looks_like_a_name(item) ? "host names are not looked up; write the address, 192.0.2.1 or 192.0.2.1:11113 for instance" : why);
  const unsigned number = number_of(ep);
  for (const unsigned other : e.says.servers)
    if (other == number) return "";
  e.says.servers.push_back(number);
  return "";
}

std::string routes_table::read_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return lines_quoted(line) + ": no colon; write domain:server";
  const std::string_view domain = trimmed(line.substr(0, colon));
  std::string_view rest = trimmed(line.substr(colon + 1));
  entry e;
  std::string wrong;
  e.nowhere = rest.empty();
  for (bool more = !rest.empty(); more;) {
    const size_t comma = rest.find(',');
    more = comma != rest.npos;
    const std::string one = read_server(trimmed(rest.substr(0, comma)), e);
    if (wrong.empty()) wrong = one;
    rest.remove_prefix(more ? comma + 1 : rest.size());
  }
  if (e.says.servers.empty() && !e.follows && !e.nowhere) {
    e.says.wrong = wrong;
    wrong += "; until this is mended addresses of that domain are answered \"temporary\"";
  } else if (!wrong.empty()) {
    wrong += "; this server is left out";
  }
  names_.insert_or_assign(std::string(domain), routes_.size());
  routes_.push_back(std::move(e));
  return wrong;
}

// A line of control/smtproutes, as qmail-remote reads it: domain:relay, and perhaps
// :port behind that, which is SMTP's.
std::string routes_table::read_relay(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return "";  // constmap passes it over
  std::string_view relay = trimmed(line.substr(colon + 1));
  const bool brackets = !relay.empty() && relay.front() == '[';
  relay = relay.substr(0, brackets ? std::min(relay.size(), relay.find(']')) : relay.find_first_of(": \t"));
  if (brackets) relay.remove_prefix(1);
  entry e;
  udp_endpoint ep{};
  const char *why;
  e.nowhere = relay.empty();
  if (!e.nowhere) {
    const std::string text = relay.find(':') == relay.npos ? std::string(relay) : "[" + std::string(relay) + "]";
    if (text.front() != '/' && relay.find_first_not_of("0123456789.:abcdefABCDEF") == relay.npos && parse(text, ep, why))
      e.says.servers.push_back(number_of(ep));
    else
      e.says.wrong = lines_quoted(relay) + ": host names are not looked up, so that control/verifyroutes cannot follow this line; "
                     "write the address in control/verifyroutes";
  }
  relay_names_.insert_or_assign(std::string(line.substr(0, colon)), relays_.size());
  relays_.push_back(std::move(e));
  return "";
}

routes_table::routes_table(std::string_view verifyroutes, const std::string *smtproutes, int smtproutes_error,
                           std::vector<std::string> &complaints) {
  lines_read_numbered(verifyroutes, "control/verifyroutes", complaints, [&](std::string_view line, size_t number) {
    const size_t before = routes_.size();
    const std::string wrong = read_line(line);
    if (routes_.size() > before) name_line(routes_.back(), "control/verifyroutes", number);
    return wrong;
  });
  if (!follows_smtproutes_) return;
  if (!smtproutes) {
    relays_wrong_ = std::string("control/smtproutes cannot be read: ") + strerror(smtproutes_error);
    complaints.push_back(relays_wrong_ + "; addresses of domains that follow it are answered \"temporary\"");
    return;
  }
  // complaints are about what is followed: all lines, or those of some domains
  const bool all = follows_any();
  lines_read_numbered(*smtproutes, "control/smtproutes", complaints, [&](std::string_view line, size_t number) {
    const size_t before = relays_.size();
    read_relay(line);
    if (relays_.size() == before) return std::string();
    const std::string wrong = relays_.back().says.wrong;
    name_line(relays_.back(), "control/smtproutes", number);
    return all ? wrong : std::string();
  });
  if (all) return;
  for (const auto &[name, number] : names_) {
    if (!routes_[number].follows) continue;
    const size_t relay = find_in(relay_names_, name);
    if (relay != NONE && !relays_[relay].says.wrong.empty()) complaints.push_back(name_shown(name) + relays_[relay].says.wrong);
  }
}

// Does any line that is for more than one domain follow control/smtproutes?
bool routes_table::follows_any() const {
  for (const auto &[name, number] : names_)
    if (routes_[number].follows && (name.empty() || name.front() == '.')) return true;
  return false;
}

const routes_table::route *routes_table::find(std::string_view domain) const {
  const size_t number = find_in(names_, domain);
  if (number == NONE || routes_[number].nowhere) return nullptr;
  entry &e = routes_[number];
  return e.follows ? followed(e, domain) : &e.says;
}

// What a line with "smtproutes" in it comes to for this domain.
const routes_table::route *routes_table::followed(entry &e, std::string_view domain) const {
  const size_t number = relays_wrong_.empty() ? find_in(relay_names_, domain) : NONE;
  const bool none = relays_wrong_.empty() && (number == NONE || relays_[number].nowhere);
  if (none && e.says.servers.empty()) return nullptr;
  const auto [at, fresh] = e.with.try_emplace(none ? NONE - 1 : number, e.says);
  route &both = at->second;
  if (!fresh || none) return &both;
  const route relay = number == NONE ? route{{}, relays_wrong_} : relays_[number].says;
  for (const unsigned server : relay.servers)
    if (std::find(both.servers.begin(), both.servers.end(), server) == both.servers.end()) both.servers.push_back(server);
  if (both.servers.empty()) both.wrong = relay.wrong;
  return &both;
}
