// route.h - is an address local, virtual or remote, and what becomes of it?
//
// Replicates qmail-send's rewrite(). No file is read here: the control files
// arrive as tables.

#ifndef ADDRESS_ROUTE_H
#define ADDRESS_ROUTE_H

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "qmail/control.h"
#include "trace.h"

// The files that rewrite() looks into, in the order of control_files.
inline constexpr std::array<const char *, 5> CONTROL_NAMES = {"me", "envnoathost", "percenthack", "locals",
                                                              "virtualdomains"};
enum Control_file { CONTROL_ME, CONTROL_ENVNOATHOST, CONTROL_PERCENTHACK, CONTROL_LOCALS, CONTROL_VIRTUALDOMAINS };
using control_files = std::array<control_text, CONTROL_NAMES.size()>;

// What they say.
struct route_tables {
  std::string envnoathost;
  control_map percenthack;
  control_map locals;
  control_map virtualdomains;
  std::shared_ptr<const control_files> files{};  // as they were read, for steps to name their lines; may be null
};

struct route {
  enum class Kind {
    local,     // for this host, virtual domains included
    remote,    // neither in locals nor in virtualdomains
    exception  // virtualdomains says so: nothing after the colon
  };
  Kind kind = Kind::remote;
  std::string local;   // the recipient that qmail-lspawn or qmail-remote gets, before the last @
  std::string domain;  // and after it
};

// The route of an address (no NUL in it, no length limit). told: who hears the steps;
// null: nobody.
route route_find(const route_tables &tables, std::string_view address, trace *told = nullptr);

#endif
