// routes.h - control/verifyroutes: which server knows the addresses of a domain.
//
// Lines "domain:server[,server ...]", matched as qmail-remote matches control/smtproutes:
// the domain itself, then ".suffix" from the longest to the shortest, then "" for all;
// letters in any case; of two lines for one domain the last one, as in constmap. Blanks
// around the domain, the servers and the commas do not count, which qmail has otherwise. A
// server is written as in VERIFY (ip:port, [ipv6]:port, :port, /path/of/socket), or is the
// word "smtproutes": then it is port 11113 of the host that control/smtproutes names for
// the domain, which must be an address, since the resolver of libc would block. Nothing
// after the colon: the domain is not routed, whatever a shorter suffix says.
//
// Who names the word has the line of control/smtproutes that qmail-remote would use for the
// domain asked about: 192.0.2.1, 192.0.2.1:26, [192.0.2.1]:26, and for patched ones
// [2001:db8::1]:26; SMTP's port is passed over, and what stands behind a blank. No line, or
// nothing behind its colon: qmail-remote asks the DNS, and no server is known here.
//
// For one thread.

#ifndef QMAIL_ROUTES_H
#define QMAIL_ROUTES_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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
  // where it is absent; looked at only where the word stands in verifyroutes, and only the
  // lines that some domain can follow are complained about.
  routes_table(std::string_view verifyroutes, const std::string *smtproutes, int smtproutes_error,
               std::vector<std::string> &complaints);

  // Is there any route?
  bool any() const { return !names_.empty(); }
  // Does the word "smtproutes" stand in it?
  bool follows_smtproutes() const { return follows_smtproutes_; }
  // The route of a domain, any case; null: it is not routed. Lives as long as the table.
  // Costs the same for ten lines and for 100,000.
  const route *find(std::string_view domain) const;
  // The line of control/verifyroutes that counts for a domain, also one that says that it is
  // not routed; 0: none.
  size_t line_of(std::string_view domain) const;
  // All servers, each once. Lives as long as the table.
  const std::vector<udp_endpoint> &servers() const { return servers_; }

 private:
  // The lines of a file by their names. A look for a domain touches little memory, so that
  // it costs the same for ten lines and for 100,000: std::unordered_map has a node and a
  // string for each.
  class index {
   public:
    static constexpr size_t NONE = SIZE_MAX;
    // Of two lines with one name the later one counts.
    void add(std::string_view name, size_t line);
    // The line for this domain, as the head of this file has it; NONE: none.
    size_t of(std::string_view domain) const;
    bool empty() const { return names_.empty(); }
    // Calls each with every name and its line.
    template <class Each>
    void visit(Each each) const {
      for (const named &n : names_) each(text(n), n.line);
    }

   private:
    struct named {
      size_t begin, size;  // in text_
      size_t line;
    };
    struct slot {
      uint32_t hash;
      uint32_t name;  // 1 is the first of names_; 0: free
    };
    std::string_view text(const named &n) const { return std::string_view(text_).substr(n.begin, n.size); }
    size_t place(std::string_view name, uint32_t hash) const;
    void grow();

    std::string text_;
    std::vector<named> names_;
    std::vector<slot> slots_;  // a power of two, at most half of them taken
  };

  // A line of control/verifyroutes.
  struct entry {
    route says;
    size_t number = 0;     // in the file, from 1
    size_t before = 0;     // where it follows control/smtproutes: that server comes before says.servers[before]
    bool follows = false;  // control/smtproutes
    bool nowhere = false;  // nothing behind the colon
  };
  // One of control/smtproutes.
  struct relay {
    route says;
    bool nowhere = false;
    bool followed = false;  // some domain comes here; only then says is filled
  };

  unsigned number_of(const udp_endpoint &server);
  std::string read_line(std::string_view line);
  std::string read_servers(std::string_view rest, entry &e);
  std::string read_server(std::string_view item, entry &e);
  void read_relays(std::string_view text, std::vector<std::string> &complaints);
  void read_relay(std::string_view host, relay &r);
  void mark_followed();
  const route *followed(size_t number, std::string_view domain) const;
  const route *both(size_t number, size_t line, const route &by_relay) const;

  std::vector<udp_endpoint> servers_;
  std::unordered_map<std::string, unsigned> numbers_;  // of servers, by their bytes
  index names_, relay_names_;
  std::vector<entry> routes_;
  std::vector<relay> relays_;
  bool follows_smtproutes_ = false;
  route unread_;  // wrong: control/smtproutes cannot be read
  // Lines that name servers and follow control/smtproutes as well: what they come to with a
  // line of that file, once that was looked for.
  mutable std::map<std::pair<size_t, size_t>, route> both_;
};

#endif
