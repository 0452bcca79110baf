// protocols.cpp - see protocols.h.

#include "protocols.h"

#include "line.h"
#include "opensmtpd.h"
#include "policy.h"
#include "qd1.h"
#include "socketmap.h"
#include "tcp_table.h"

namespace {

constexpr gate_kind KINDS[] = {
    {"socketmap", "Postfix, socketmap: maps recipients and access", 0, socketmap_protocol},
    {"policy", "Postfix, check_policy_service", 0, policy_protocol},
    {"tcp_table", "Postfix, tcp:", 0, tcp_table_protocol},
    {"line", "Exim's ${readsocket}, and scripts", 0, line_protocol},
    {"opensmtpd", "OpenSMTPD's table process", 0, opensmtpd_protocol},
    {"qd1", "HTTP, in the place of qmail-deliverabled (port 8998)", 8998, qd1_protocol},
};

}  // namespace

const gate_kind *gate_kind_named(std::string_view name) {
  for (const gate_kind &kind : KINDS)
    if (name == kind.name) return &kind;
  return nullptr;
}

std::string gate_kinds_text() {
  std::string text;
  for (const gate_kind &kind : KINDS)
    text += "  " + (std::string(kind.name) + "            ").substr(0, 12) + kind.purpose + "\n";
  return text;
}
