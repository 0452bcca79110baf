// rules.h - the source of a tcprules database, rule by rule.
//
// Reads lines as tcprules(1) of ucspi-tcp does: blanks at the end do not count, nor do
// lines that begin with '#' or have no colon; a rule is an address, a colon, "allow" or
// "deny", then ",NAME=" and a value between two of any character, as often as wanted.
// More is understood than there: an address may have colons (IPv6), and a CR may stand
// at the end.

#ifndef MIGRATE_RULES_H
#define MIGRATE_RULES_H

#include <optional>
#include <string_view>
#include <vector>

#include "edits.h"
#include "meaning.h"

// NAME="value" in a rule.
struct rule_setting {
  size_t begin, end;  // in the line, from the comma to behind the second quote
  std::string_view name, value;
  char quote;
};

struct rule {
  std::string_view address;
  bool allow;
  std::vector<rule_setting> settings;
  size_t end;  // behind the last setting
};

// The rule that a line (without its newline) has; nothing: none that could be read.
std::optional<rule> rule_read(std::string_view line);

// What is to be done with the text of a file of rules.
migration rules_migrate(std::string_view text, From from);

#endif
