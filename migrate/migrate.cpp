// migrate.cpp - see migrate.h.

#include "migrate.h"

#include <algorithm>

#include "rules.h"
#include "script.h"

namespace {

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }  // npos: all

bool is_database(std::string_view path) { return path.ends_with(".cdb"); }

bool has_rule(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (rule_read(line)) return true;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return false;
}

// Is it envdir's file for VERIFY, with a value of today? An empty file takes VERIFY away.
bool is_value_of_today(std::string_view path, std::string_view text) {
  return last_part(path) == "VERIFY" && (text.empty() || meaning_new(text.substr(0, text.find('\n'))));
}

migration foreign(std::string_view path, std::string_view text) {
  migration out;
  if (is_value_of_today(path, text)) return out;
  if (meaning_ours(last_part(path))) {
    out.remarks.push_back(
        {0, "a file of this name is a variable for envdir: it is kept; VERIFY is the one that counts", true});
  } else if (is_database(path)) {
    out.remarks.push_back({0, "a database: give the file that tcprules makes it of", true});
  } else {
    for (size_t number : script_mentions(text))
      out.remarks.push_back({number, "a script, but not for sh: kept as it is", true});
  }
  return out;
}

}  // namespace

Kind migrate_kind(std::string_view path, std::string_view text) {
  if (meaning_ours(last_part(path)) || is_database(path)) return Kind::foreign;
  if (script_is(text)) return script_for_sh(text) ? Kind::script : Kind::foreign;
  return has_rule(text) || script_mentions(text).empty() ? Kind::rules : Kind::script;
}

migration migrate_text(std::string_view path, std::string_view text, From from) {
  switch (migrate_kind(path, text)) {
    case Kind::rules: return rules_migrate(text, from);
    case Kind::script: return script_migrate(text, from);
    case Kind::foreign: break;
  }
  return foreign(path, text);
}
