// routes.h - control/verifyroutes: which server knows the addresses of a domain.
//
// Lines "domain:server[,server ...]", matched as qmail-remote matches control/smtproutes:
// the domain itself, then ".suffix" from the longest to the shortest, then "" for all;
// letters in any case; of two lines for one domain the one that constmap would find. A
// server is written as in VERIFY (ip:port, [ipv6]:port, :port, /path/of/socket), or is the
// word "smtproutes": then it is port 11113 of the host that control/smtproutes names for
// the domain, which must be an address, since the resolver of libc would block. Nothing
// after the colon: the domain is not routed, whatever a shorter suffix says.

#ifndef QMAIL_ROUTES_H
#define QMAIL_ROUTES_H

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  bool any() const { return !routes_.empty(); }
  // Does the word "smtproutes" stand in it?
  bool follows_smtproutes() const { return follows_smtproutes_; }
  // The route of a domain, any case; null: it is not routed. Lives as long as the table.
  // Costs the same for ten lines and for 100,000.
  const route *find(std::string_view domain) const;
  // All servers, each once. Lives as long as the table.
  const std::vector<udp_endpoint> &servers() const { return servers_; }

 private:
  std::vector<udp_endpoint> servers_;
  std::vector<route> routes_;
  bool follows_smtproutes_ = false;
};

#endif
