// routes.h - control/verifyroutes: which server knows the addresses of a domain.
//
// Lines "domain:server[,server ...]", matched as qmail-remote matches control/smtproutes:
// the domain itself, then ".suffix" from the longest to the shortest, then "" for all;
// letters in any case; of two lines for one domain the one that constmap would find. A
// server is written as in VERIFY (ip:port, [ipv6]:port, :port, /path/of/socket), or is the
// word "smtproutes": then it is port 11113 of the host that control/smtproutes names for
// the domain, which must be an address, since the resolver of libc would block. Nothing
// after the colon: the domain is not routed, whatever a shorter suffix says.
//
// For one thread.

#ifndef QMAIL_ROUTES_H
#define QMAIL_ROUTES_H

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text.h"
#include "udpbits.h"

class routes_table {
 public:
  // What a line says, or with "smtproutes" what it says for one line of that file.
  struct route {
    std::vector<unsigned> servers;  // numbers of servers(), in the order of the line, each once
    std::string wrong;              // why no server can be asked, naming file and line; empty: they can
  };

  // No file: nothing is routed.
  routes_table() = default;
  // The texts of both files. A line or a server that cannot be read is named in complaints
  // ("control/verifyroutes line 3: ...", without a full stop, safe for a log). A server that
  // cannot be read is left out; a domain of whose line nothing is left is routed to nowhere
  // (route::wrong), so that its addresses are answered "temporary", never refused, never let
  // in by mistake. smtproutes: null where it cannot be read (smtproutes_error: errno), ""
  // where it is absent; looked at only where the word stands in verifyroutes.
  routes_table(std::string_view verifyroutes, const std::string *smtproutes, int smtproutes_error,
               std::vector<std::string> &complaints);

  // Is there any route?
  bool any() const { return !names_.empty(); }
  // Does the word "smtproutes" stand in it?
  bool follows_smtproutes() const { return follows_smtproutes_; }
  // The route of a domain, any case; null: it is not routed. Lives as long as the table.
  // Costs the same for ten lines and for 100,000.
  const route *find(std::string_view domain) const;
  // All servers, each once. Lives as long as the table.
  const std::vector<udp_endpoint> &servers() const { return servers_; }

 private:
  struct hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const;
  };
  struct same {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return text_equal(a, b); }
  };
  using map = std::unordered_map<std::string, size_t, hash, same>;  // a number of routes_
  struct entry {
    route says;
    bool follows = false;                // control/smtproutes as well
    bool nowhere = false;                // nothing behind the colon
    std::unordered_map<size_t, route> with;  // the same and a line of control/smtproutes, once that was looked for
  };

  static size_t find_in(const map &names, std::string_view domain);
  unsigned number_of(const udp_endpoint &server);
  std::string read_line(std::string_view line);
  std::string read_server(std::string_view item, entry &e);
  std::string read_relay(std::string_view line);
  const route *followed(entry &e, std::string_view domain) const;
  bool follows_any() const;
  static void name_line(entry &e, const char *file, size_t number) {
    if (!e.says.wrong.empty()) e.says.wrong.insert(0, std::string(file) + " line " + std::to_string(number) + ": ");
  }

  std::vector<udp_endpoint> servers_;
  std::unordered_map<std::string, unsigned> numbers_;  // of servers, by their bytes
  map names_, relay_names_;
  mutable std::vector<entry> routes_, relays_;  // each lasts as long as the table: find adds to entry::with only
  bool follows_smtproutes_ = false;
  std::string relays_wrong_;  // control/smtproutes cannot be read
};

#endif
