// rules.cpp - see rules.h.

#include "rules.h"

#include <string>

#include "qmail/lines.h"
#include "qmail/text.h"

namespace {

// ---- a line

// A CR counts as a blank: tcprules takes none, so that the rule means nothing else by it.
std::string_view without_blanks(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t\r");
  return line.substr(0, last == line.npos ? 0 : last + 1);
}

// Where "allow" or "deny" stands; npos: nowhere.
size_t find_instructions(std::string_view line) {
  for (size_t colon = line.find(':'); colon != line.npos; colon = line.find(':', colon + 1))
    if (line.substr(colon + 1).starts_with("allow") || line.substr(colon + 1).starts_with("deny")) return colon + 1;
  return line.npos;
}

bool read_setting(std::string_view line, size_t begin, rule_setting &s) {
  if (line[begin] != ',') return false;
  const size_t equals = line.find('=', begin);
  if (equals == line.npos || equals + 1 == line.size()) return false;
  const size_t open = equals + 1, close = line.find(line[open], open + 1);
  if (close == line.npos) return false;
  const std::string_view name = line.substr(begin + 1, equals - begin - 1);
  s = {begin, close + 1, name, line.substr(open + 1, close - open - 1), line[open]};
  return true;
}

// ---- what is said of it

bool is_of_a_name(char c) { return text_lower(c) != c || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// Does the name of a variable that is gone stand somewhere in these bytes?
bool mentions_gone(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    size_t end = i;
    while (end < bytes.size() && is_of_a_name(bytes[end])) ++end;
    if (meaning_gone(bytes.substr(i, end - i))) return true;
    i = end;
  }
  return false;
}

// What is wrong with a line that is no rule; empty: nothing, tcprules passes over it.
std::string complaint(std::string_view line) {
  const std::string_view text = without_blanks(line);
  if (text.empty() || text.front() == '#') return {};
  if (text.find(':') == text.npos && !mentions_gone(text)) return {};
  return "not understood, and kept as it is: " + lines_quoted(text);
}

// ---- a rule among others

struct line_of_rules {
  size_t begin;  // in the text
  size_t number;
  rule read;
  meaning_scope scope;
};

// The last of several settings counts, as in the environment that tcpserver makes.
meaning_scope scope_of(const rule &r) {
  meaning_scope scope;
  scope.refused = !r.allow;
  for (const rule_setting &s : r.settings) {
    if (auto *variable = scope.find(s.name)) *variable = s.value;
    scope.relay = scope.relay || s.name == "RELAYCLIENT";
  }
  return scope;
}

// The setting between the quotes that stood there, where they are quotes and may be.
std::string verify_setting(const std::string &value, char quote) {
  if (is_of_a_name(quote) || quote < '!' || quote > '~' || value.find(quote) != value.npos) quote = '"';
  return ",VERIFY=" + (quote + value) + quote;
}

// Does a decision do away with this variable?
bool is_read(std::string_view name, const meaning &decided, From from) {
  if (name == "QMAILRRTDENYALL") return from == From::realrcptto;
  if (name == "VERIFY") return decided.what == meaning::What::set;
  return meaning_gone(name);
}

void carry_out(const line_of_rules &line, const meaning &decided, From from, std::vector<edit> &edits) {
  bool to_write = decided.what == meaning::What::set;
  for (const rule_setting &s : line.read.settings) {
    if (!is_read(s.name, decided, from)) continue;
    edits.push_back({line.begin + s.begin, line.begin + s.end, to_write ? verify_setting(decided.value, s.quote) : ""});
    to_write = false;
  }
  if (to_write)
    edits.push_back({line.begin + line.read.end, line.begin + line.read.end, verify_setting(decided.value, '"')});
}

void name_what_has_no_effect(const line_of_rules &line, From from, std::vector<remark> &remarks) {
  if (line.scope.deny_all && from != From::realrcptto)
    remarks.push_back({line.number, "QMAILRRTDENYALL is realrcptto's: --from=realrcptto rewrites its rules", true});
  for (const rule_setting &s : line.read.settings)
    if (!meaning_ours(s.name) && mentions_gone(s.name))
      remarks.push_back(
          {line.number, "the variable's name is " + lines_quoted(s.name) + ", which is another one: it is kept", true});
}

// Is there a rule for clients that no other one is for?
bool has_default(const std::vector<line_of_rules> &rules) {
  for (const line_of_rules &line : rules)
    if (line.read.address.empty()) return true;
  return false;
}

struct reading {
  std::vector<line_of_rules> rules;
  std::vector<remark> remarks;
  meaning_age age;
  bool cr = false;
};

reading read_lines(std::string_view text) {
  reading out;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++begin) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    ++number;
    if (auto read = rule_read(line)) {
      out.cr = out.cr || line.ends_with('\r');
      out.rules.push_back({begin, number, std::move(*read), {}});
      out.rules.back().scope = scope_of(out.rules.back().read);
      out.age.add(out.rules.back().scope);
    } else if (std::string words = complaint(line); !words.empty()) {
      out.remarks.push_back({number, std::move(words), true});
    }
    begin = end;
  }
  return out;
}

}  // namespace

std::optional<rule> rule_read(std::string_view whole) {
  const std::string_view line = without_blanks(whole);
  const size_t instructions = find_instructions(line);
  if (line.starts_with('#') || instructions == line.npos || line.find('\0') != line.npos) return {};
  rule out{line.substr(0, instructions - 1), line[instructions] == 'a', {}, 0};
  out.end = instructions + (out.allow ? 5 : 4);
  while (out.end < line.size()) {
    rule_setting s;
    if (!read_setting(line, out.end, s)) return {};
    out.settings.push_back(s);
    out.end = s.end;
  }
  return out;
}

migration rules_migrate(std::string_view text, From from) {
  reading file = read_lines(text);
  migration out{{}, std::move(file.remarks)};
  for (const line_of_rules &line : file.rules) {
    const meaning decided = meaning_of(line.scope, from, file.age);
    name_what_has_no_effect(line, from, out.remarks);
    if (!decided.why.empty()) out.remarks.push_back({line.number, decided.why, decided.what == meaning::What::left});
    if (decided.what == meaning::What::set || decided.what == meaning::What::drop)
      carry_out(line, decided, from, out.edits);
  }
  if (file.cr && !out.edits.empty())
    out.remarks.push_back({0, "lines end with CR LF, which tcprules does not take; they are kept so", false});
  if (from == From::realrcptto && !file.rules.empty() && !has_default(file.rules))
    out.remarks.push_back({0, "no rule is for all other clients, whom realrcptto verified, too: add "
                              ":allow,VERIFY=\":\" as a line where they are to be verified", true});
  return out;
}
