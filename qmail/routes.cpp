// routes.cpp - see routes.h. Follows constmap.c, and main() and getcontrols() of
// qmail-remote.c.

#include "routes.h"

#include <algorithm>
#include <cstring>

#include "lines.h"
#include "qmail-verify.h"
#include "text.h"

namespace {

constexpr std::string_view BLANKS = " \t";
constexpr const char *UNTIL_THEN = "; until then the domains that follow it have no server by it";

std::string_view trimmed(std::string_view s) {
  const size_t begin = std::min(s.find_first_not_of(BLANKS), s.size());
  const size_t end = s.find_last_not_of(BLANKS);
  return s.substr(begin, end == s.npos ? 0 : end + 1 - begin);
}

// Is this a host's name, with or without a port, rather than an address that is wrong?
bool is_name(std::string_view s) {
  const size_t colon = s.find(':');
  if (colon != s.npos && s.find(':', colon + 1) != s.npos) return false;  // IPv6 without brackets
  s = s.substr(0, colon);
  return s.find_first_not_of("0123456789.") != s.npos &&
         s.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == s.npos;
}

// Like udp_parse, of a view.
bool parse(std::string_view text, udp_endpoint &ep, const char *&why) {
  return udp_parse(text.data(), text.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why) == 0;
}

// What qmail-remote takes for the host in a line's value: all before a colon, with the
// brackets off. Patched ones know IPv6 addresses in brackets, and a name and a password
// behind a blank.
std::string_view relay_of(std::string_view value) {
  const size_t close = value.starts_with('[') ? value.find(']') : value.npos;
  if (close == value.npos) return value.substr(0, value.find_first_of(": \t"));
  const bool ends = close + 1 == value.size() || value.find_first_of(": \t", close) == close + 1;
  return ends ? value.substr(1, close - 1) : value;
}

// Reads the host of a relay, which is an address or nothing that can be asked.
bool parse_relay(std::string_view relay, udp_endpoint &ep) {
  const char *why;
  if (relay.find_first_not_of("0123456789.:abcdefABCDEF") != relay.npos) return false;
  return relay.find(':') == relay.npos ? parse(relay, ep, why) : parse("[" + std::string(relay) + "]", ep, why);
}

// FNV-1a of a name from its end to its beginning, so that all endings of a name are hashed
// in one go. Letters of any case are the same.
class hashed {
 public:
  void add(char c) { h_ = (h_ ^ static_cast<unsigned char>(text_lower(c))) * 1099511628211U; }
  uint32_t folded() const { return static_cast<uint32_t>(h_ ^ h_ >> 32); }

 private:
  uint64_t h_ = 14695981039346656037U;
};

std::string after_line(const char *file, size_t number, const std::string &what) {
  return std::string(file) + " line " + std::to_string(number) + ": " + what;
}

}  // namespace

// ---- names

size_t routes_table::index::place(std::string_view name, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].name && (slots_[at].hash != hash || !text_equal(text(names_[slots_[at].name - 1]), name)))
    at = (at + 1) & mask;
  return at;
}

void routes_table::index::grow() {
  std::vector<slot> old(std::max(size_t{16}, 2 * slots_.size()));
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const slot &s : old) {
    if (!s.name) continue;
    size_t at = s.hash & mask;
    while (slots_[at].name) at = (at + 1) & mask;
    slots_[at] = s;
  }
}

void routes_table::index::add(std::string_view name, size_t line) {
  if (2 * (names_.size() + 1) > slots_.size()) grow();
  hashed h;
  for (size_t i = name.size(); i--;) h.add(name[i]);
  slot &s = slots_[place(name, h.folded())];
  if (s.name) {
    names_[s.name - 1].line = line;
    return;
  }
  names_.push_back({text_.size(), name.size(), line});
  text_ += name;
  s = {h.folded(), static_cast<uint32_t>(names_.size())};
}

// As main() of qmail-remote, which looks for all of it, from each dot on, and for nothing;
// here from the end, so that each byte is hashed once.
size_t routes_table::index::of(std::string_view domain) const {
  if (names_.empty()) return NONE;
  size_t found = NONE;
  hashed h;
  for (size_t i = domain.size();; h.add(domain[--i])) {
    if (i == 0 || i == domain.size() || domain[i] == '.')
      if (const slot &s = slots_[place(domain.substr(i), h.folded())]; s.name) found = names_[s.name - 1].line;
    if (i == 0) return found;
  }
}

// ---- control/verifyroutes

unsigned routes_table::number_of(const udp_endpoint &server) {
  const std::string bytes(reinterpret_cast<const char *>(&server.addr), server.len);
  const auto [at, fresh] = numbers_.try_emplace(bytes, static_cast<unsigned>(servers_.size()));
  if (fresh) servers_.push_back(server);
  return at->second;
}

// One server of a line. What is wrong with it, or nothing.
std::string routes_table::read_server(std::string_view item, entry &e) {
  if (text_equal(item, "smtproutes")) {
    if (!e.follows) e.before = e.says.servers.size();
    e.follows = follows_smtproutes_ = true;
    return "";
  }
  if (item.empty()) return "nothing stands before or behind a comma; take the comma out";
  udp_endpoint ep{};
  const char *why = "";
  if (!parse(item, ep, why))
    return lines_quoted(item) + ": " +
           (is_name(item) ? "host names are not looked up; write the address, as in 192.0.2.1:11113" : why);
  const unsigned number = number_of(ep);
  if (std::find(e.says.servers.begin(), e.says.servers.end(), number) == e.says.servers.end())
    e.says.servers.push_back(number);
  return "";
}

// All of them. What is wrong with the first that cannot be read, or nothing.
std::string routes_table::read_servers(std::string_view rest, entry &e) {
  std::string wrong;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    more = comma != rest.npos;
    const std::string one = read_server(trimmed(rest.substr(0, comma)), e);
    if (wrong.empty()) wrong = one;
    rest.remove_prefix(more ? comma + 1 : rest.size());
  }
  return wrong;
}

std::string routes_table::read_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return lines_quoted(line) + ": no colon; write domain:server";
  const std::string_view rest = trimmed(line.substr(colon + 1));
  entry e;
  e.nowhere = rest.empty();
  std::string wrong = e.nowhere ? "" : read_servers(rest, e);
  if (e.says.servers.empty()) e.says.wrong = wrong;
  if (!wrong.empty())
    wrong += e.says.servers.empty() && !e.follows ? "; until this is mended the addresses of that domain are answered "
                                                    "\"temporary\""
                                                  : "; until this is mended it is left out";
  names_.add(trimmed(line.substr(0, colon)), routes_.size());
  routes_.push_back(std::move(e));
  return wrong;
}

// ---- control/smtproutes

// A line's server, or why it names none.
void routes_table::read_relay(std::string_view host, relay &r) {
  udp_endpoint ep{};
  if (host.empty()) return;
  if (parse_relay(host, ep)) return r.says.servers.push_back(number_of(ep));
  r.says.wrong = lines_quoted(host) + (is_name(host) ? ": host names are not looked up" : ": not an IP address") +
                 ", so that control/verifyroutes cannot follow this line; write an address here, or the domain with a "
                 "server there";
}

// Which lines of control/smtproutes does some domain come to that follows it? Of a line
// here and a line there that one domain comes to both, the longer name is or ends with the
// shorter one: whether it is so, the longer one tells.
void routes_table::mark_followed() {
  names_.visit([&](std::string_view name, size_t number) {
    if (!routes_[number].follows) return;
    if (const size_t line = relay_names_.of(name); line != index::NONE) relays_[line].followed = true;
  });
  relay_names_.visit([&](std::string_view name, size_t line) {
    if (const size_t number = names_.of(name); number != index::NONE && routes_[number].follows)
      relays_[line].followed = true;
  });
}

// Twice over the lines: to which of them some domain comes is known once all have been read.
// constmap passes over a line without a colon.
void routes_table::read_relays(std::string_view text, std::vector<std::string> &complaints) {
  constexpr const char *FILE_NAME = "control/smtproutes";
  lines_read(text, FILE_NAME, complaints, [&](std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == line.npos) return std::string();
    relay_names_.add(line.substr(0, colon), relays_.size());
    relays_.emplace_back().nowhere = relay_of(trimmed(line.substr(colon + 1))).empty();
    return std::string();
  });
  mark_followed();
  size_t next = 0;
  lines_read_numbered(text, FILE_NAME, complaints, [&](std::string_view line, size_t number) {
    const size_t colon = line.find(':');
    if (colon == line.npos || !relays_[next++].followed) return std::string();
    relay &r = relays_[next - 1];
    read_relay(relay_of(trimmed(line.substr(colon + 1))), r);
    if (r.says.wrong.empty()) return std::string();
    const std::string wrong = r.says.wrong;
    r.says.wrong = after_line(FILE_NAME, number, wrong);
    return wrong + UNTIL_THEN;
  });
}

routes_table::routes_table(std::string_view verifyroutes, const std::string *smtproutes, int smtproutes_error,
                           std::vector<std::string> &complaints) {
  constexpr const char *FILE_NAME = "control/verifyroutes";
  lines_read_numbered(verifyroutes, FILE_NAME, complaints, [&](std::string_view line, size_t number) {
    const size_t before = routes_.size();
    const std::string wrong = read_line(line);
    if (routes_.size() == before) return wrong;
    entry &e = routes_.back();
    e.number = number;
    if (!e.says.wrong.empty()) e.says.wrong = after_line(FILE_NAME, number, e.says.wrong);
    return wrong;
  });
  if (!follows_smtproutes_) return;
  if (smtproutes) {
    read_relays(*smtproutes, complaints);
    return;
  }
  unread_.wrong = std::string("control/smtproutes cannot be read: ") + strerror(smtproutes_error);
  complaints.push_back(unread_.wrong + UNTIL_THEN);
}

// ---- the question

const routes_table::route *routes_table::find(std::string_view domain) const {
  const size_t number = names_.of(domain);
  if (number == index::NONE || routes_[number].nowhere) return nullptr;
  return routes_[number].follows ? followed(number, domain) : &routes_[number].says;
}

size_t routes_table::line_of(std::string_view domain) const {
  const size_t number = names_.of(domain);
  return number == index::NONE ? 0 : routes_[number].number;
}

// What a line with "smtproutes" in it comes to for this domain.
const routes_table::route *routes_table::followed(size_t number, std::string_view domain) const {
  const route &says = routes_[number].says;
  const bool alone = says.servers.empty() && says.wrong.empty();
  if (!unread_.wrong.empty()) return alone ? &unread_ : both(number, index::NONE, unread_);
  const size_t line = relay_names_.of(domain);
  if (line == index::NONE || relays_[line].nowhere) return alone ? nullptr : &says;
  return alone ? &relays_[line].says : both(number, line, relays_[line].says);
}

const routes_table::route *routes_table::both(size_t number, size_t line, const route &by_relay) const {
  const auto [at, fresh] = both_.try_emplace({number, line}, routes_[number].says);
  route &all = at->second;
  if (!fresh) return &all;
  for (const unsigned server : by_relay.servers)
    if (std::find(all.servers.begin(), all.servers.end(), server) == all.servers.end())
      all.servers.insert(all.servers.begin() + static_cast<std::ptrdiff_t>(routes_[number].before), server);
  if (all.servers.empty())
    all.wrong = by_relay.wrong;
  else
    all.wrong.clear();
  return &all;
}
