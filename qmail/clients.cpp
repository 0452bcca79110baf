// clients.cpp - see clients.h.

#include "clients.h"

#include "lines.h"

clients_table::clients_table(std::string_view text, std::vector<std::string> &complaints) : known_(true) {
  lines_read(text, "control/verifyclients", complaints, [&](std::string_view line) -> std::string {
    ip_prefix prefix;
    const char *why;
    if (!prefix_read(line, prefix, why)) return lines_quoted(line) + ": " + why + "; until this is mended it lets nobody in";
    prefixes_.push_back(prefix);
    return "";
  });
}

clients_table clients_table::nobody() {
  clients_table table;
  table.known_ = true;
  return table;
}

bool clients_table::may_ask(const ip_address &ip) const {
  return !known_ || ip_is_loopback(ip) || prefix_any(prefixes_, ip);
}
