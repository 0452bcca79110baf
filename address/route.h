// route.h - is an address local, virtual or remote, and what becomes of it?
//
// Replicates qmail-send's rewrite(). No file is read here: the control files
// arrive as tables.

#ifndef ADDRESS_ROUTE_H
#define ADDRESS_ROUTE_H

#include <string>
#include <string_view>

#include "qmail/control.h"

// What rewrite() looks into.
struct route_tables {
  std::string envnoathost;
  control_map percenthack;
  control_map locals;
  control_map virtualdomains;
};

struct route {
  enum class Kind {
    local,     // for this host, virtual domains included
    remote,    // neither in locals nor in virtualdomains
    exception  // virtualdomains says so: nothing after the colon
  };
  Kind kind = Kind::remote;
  std::string local;   // the recipient that qmail-lspawn gets, before the last @ (local only)
  std::string domain;  // and after it
};

// The route of an address (no NUL in it, no length limit).
route route_find(const route_tables &tables, std::string_view address);

#endif
