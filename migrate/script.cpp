// script.cpp - see script.h.

#include "script.h"

#include <algorithm>
#include <string>

#include "commands.h"
#include "tokens.h"

namespace {

constexpr std::string_view ENVDIR[] = {"envdir", "s6-envdir", "chpst"};

bool is_of_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Calls each with every name in text and the place behind it.
template <class Each>
void each_name(std::string_view text, Each each) {
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t begin = i;
    while (i < text.size() && is_of_a_name(text[i])) ++i;
    if (i > begin) each(text.substr(begin, i - begin), i);
  }
}

// Is a word, which sets nothing, about one of the variables? "VERIFY" may be a word like
// others, unless it stands alone or is expanded.
bool mentions(const token &t) {
  bool found = false;
  each_name(t.text, [&](std::string_view name, size_t end) {
    const size_t begin = end - name.size();
    const bool expanded = !t.literal && begin && (t.text[begin - 1] == '$' || t.text[begin - 1] == '{');
    const bool alone = name.size() == t.text.size() || t.text.compare(end, 1, "=") == 0;
    found = found || meaning_gone(name) || (name == "VERIFY" && (expanded || alone));
  });
  return found;
}

// ---- what belongs together

// An assignment to one of the variables.
struct site {
  const assignment *what;
  const command *where;
};

// What one command gets, or, with command null, all of them.
struct scope {
  const command *only = nullptr;
  std::vector<site> sites;
  std::vector<size_t> names;  // words of export
  meaning_scope read;
  meaning decided{};

  bool ours() const { return !sites.empty(); }
  void add(const assignment &a, const command &c) {
    if (auto *variable = read.find(a.name)) *variable = a.value, sites.push_back({&a, &c});
    read.relay = read.relay || a.name == "RELAYCLIENT";
  }
};

class script {
 public:
  script(std::string_view text, From from) : text_(text), from_(from) {}

  migration migrate() {
    if (!tokens_read(text_, tokens_) || !commands_read(tokens_, commands_)) return not_understood();
    for (const command &c : commands_) collect(c);
    decide();
    const bool blocked = to_change() && !fault_.text.empty();
    for (const scope &s : scopes_) tell(s, blocked);
    if (blocked || gone_in_fault_) out_.remarks.push_back(fault_);
    if (!blocked) write();
    return std::move(out_);
  }

 private:
  size_t line(size_t place) const { return edits_line(text_, tokens_[place].begin); }
  std::string_view written(size_t place) const {
    return text_.substr(tokens_[place].begin, tokens_[place].end - tokens_[place].begin);
  }

  // Why nothing can be changed: the first reason is told. Where nothing would be, it is
  // told if a variable without effect is part of it.
  void fault(size_t place, const std::string &why) {
    if (fault_.text.empty()) fault_ = {line(place), why + "; nothing in this script is changed", true};
    each_name(tokens_[place].text,
              [&](std::string_view name, size_t) { gone_in_fault_ = gone_in_fault_ || meaning_gone(name); });
  }

  migration not_understood() const {
    migration out;
    for (size_t number : script_mentions(text_))
      out.remarks.push_back({number, "not understood as a script for sh, and kept as it is", true});
    return out;
  }

  // ---- what the script sets

  void collect(const command &c) {
    for (size_t place : c.others) look_at(place);
    if (c.bare()) return add_to_all(c, c.before);
    if (c.is_export() || !c.by_env.empty())
      for (const assignment &a : c.before)
        if (meaning_ours(a.name)) fault(a.token, a.name + " is set in front of a command that sets variables itself");
    if (c.is_export()) {
      add_to_all(c, c.exported);
      for (size_t place : c.export_names) add_name(c, place);
      return;
    }
    scope one;
    one.only = &c;
    for (const auto *them : {&c.before, &c.by_env})
      for (const assignment &a : *them) add_checked(one, a, c);
    if (one.ours()) scopes_.push_back(std::move(one));
  }

  void look_at(size_t place) {
    const token &t = tokens_[place];
    if (mentions(t)) fault(place, "one of the variables is looked at, or set in a way that is not understood");
    for (std::string_view name : ENVDIR)
      if (t.literal && (t.text == name || t.text.ends_with('/' + std::string(name))))
        out_.remarks.push_back(
            {line(place), std::string(name) + ": variables that stand in files of a directory are not looked at", false});
  }

  void add_checked(scope &to, const assignment &a, const command &c) {
    const auto *variable = to.read.find(a.name);
    if (variable && *variable) fault(a.token, a.name + " is set twice");
    if (variable && !a.literal) fault(a.token, "the value of " + a.name + " is made when the script runs");
    to.add(a, c);
  }

  void add_to_all(const command &c, const std::vector<assignment> &them) {
    for (const assignment &a : them) {
      if (meaning_ours(a.name) && !c.plain)
        fault(a.token, a.name + " is set where it may not be carried out, or for a part of the script");
      add_checked(all_, a, c);
    }
  }

  void add_name(const command &c, size_t place) {
    const std::string &name = tokens_[place].text;
    if (!meaning_ours(name)) return look_at(place);
    if (!c.plain) fault(place, name + " is exported where it may not be carried out, or for a part of the script");
    all_.names.push_back(place);
  }

  bool is_exported(std::string_view name) const {
    for (const site &s : all_.sites)
      if (s.what->name == name && !s.where->bare()) return true;
    for (size_t place : all_.names)
      if (tokens_[place].text == name) return true;
    return false;
  }

  // ---- what is to become of it

  void decide() {
    if (all_.ours() && !scopes_.empty())
      fault(all_.sites[0].what->token, "variables are set for the whole script and for single commands");
    for (const site &s : all_.sites)
      if (!is_exported(s.what->name)) fault(s.what->token, s.what->name + " is not exported here");
    for (size_t place : all_.names)
      if (!*all_.read.find(tokens_[place].text)) fault(place, tokens_[place].text + " is exported and not set here");
    if (all_.ours()) scopes_.push_back(all_);
    meaning_age age;
    for (const scope &s : scopes_) age.add(s.read);
    // realrcptto needed no variable: where there is none, nothing tells what was meant.
    for (scope &s : scopes_)
      if (from_ != From::realrcptto || s.read.deny_all || s.read.old()) s.decided = meaning_of(s.read, from_, age);
    if (from_ == From::realrcptto && scopes_.empty() && text_.find("qmail-smtpd") != text_.npos)
      out_.remarks.push_back(
          {0, "realrcptto verified without any variable: set VERIFY in the rules of tcpserver, or here", false});
  }

  void tell(const scope &s, bool blocked) {
    const size_t number = line(s.sites[0].what->token);
    const bool left = s.decided.what == meaning::What::left;
    if (s.read.deny_all && from_ != From::realrcptto)
      out_.remarks.push_back({number, "QMAILRRTDENYALL is realrcptto's: --from=realrcptto rewrites it", true});
    if (!s.decided.why.empty() && (left || !blocked)) out_.remarks.push_back({number, s.decided.why, left});
    if (from_ == From::realrcptto && s.decided.what == meaning::What::set && !blocked)
      out_.remarks.push_back({number, "a VERIFY in the rules of tcpserver counts more than this one", false});
  }

  bool to_change() const {
    for (const scope &s : scopes_)
      if (s.decided.what == meaning::What::set || s.decided.what == meaning::What::drop) return true;
    return false;
  }

  // Does the decision do away with this variable?
  bool is_read(std::string_view name, const meaning &decided) const {
    if (name == "QMAILRRTDENYALL") return from_ == From::realrcptto;
    if (name == "VERIFY") return decided.what == meaning::What::set;
    return meaning_gone(name);
  }

  void replace(size_t place, std::string text) {
    if (written(place) != text)
      out_.edits.push_back({tokens_[place].begin, tokens_[place].end, std::move(text)});
  }

  // VERIFY takes the place of the first variable, and of the first export.
  void carry_out(const scope &s) {
    if (s.decided.what != meaning::What::set && s.decided.what != meaning::What::drop) return;
    bool to_write = s.decided.what == meaning::What::set, to_export = to_write;
    for (const site &one : s.sites) {
      if (!is_read(one.what->name, s.decided)) continue;
      if (to_write) {
        const char quote = written(one.what->token).ends_with('\'') ? '\'' : '"';
        replace(one.what->token, "VERIFY=" + (quote + s.decided.value) + quote);
        to_export = one.where->bare();
      } else {
        removed_.push_back(one.what->token);
      }
      to_write = false;
    }
    if (s.only) return;
    for (size_t place : s.names)
      if (tokens_[place].text == "VERIFY") to_export = false;
    for (size_t place : s.names) {
      if (tokens_[place].text == "VERIFY" || !is_read(tokens_[place].text, s.decided)) continue;
      if (to_export)
        replace(place, "VERIFY");
      else
        removed_.push_back(place);
      to_export = false;
    }
  }

  void write() {
    for (const scope &s : scopes_) carry_out(s);
    remove_words();
    std::sort(out_.edits.begin(), out_.edits.end(), [](const edit &a, const edit &b) { return a.begin < b.begin; });
  }

  // ---- words that go

  void remove_words() {
    for (const command &c : commands_) {
      std::vector<size_t> kept;
      for (size_t place : c.words)
        if (!goes(place)) kept.push_back(place);
      if (kept.size() == c.words.size()) continue;
      if (kept.empty() || (kept.size() == 1 && c.is_export()))
        remove_command(c);
      else
        remove_from(c, kept);
    }
  }

  bool goes(size_t place) const { return std::find(removed_.begin(), removed_.end(), place) != removed_.end(); }

  // A word goes with what stands before it, or, at the beginning, behind it.
  void remove_from(const command &c, const std::vector<size_t> &kept) {
    for (size_t place : c.words) {
      if (!goes(place)) continue;
      if (place < kept.front())
        out_.edits.push_back({tokens_[place].begin, tokens_[place + 1].begin, {}});
      else
        out_.edits.push_back({tokens_[place - 1].end, tokens_[place].end, {}});
    }
  }

  // The line goes with it where nothing else stands there.
  void remove_command(const command &c) {
    size_t begin = tokens_[c.words.front()].begin, end = tokens_[c.words.back()].end;
    const auto blanks = [&] { end = std::min(text_.find_first_not_of(" \t", end), text_.size()); };
    blanks();
    if (end < text_.size() && text_[end] == ';') ++end, blanks();
    const size_t first = text_.rfind('\n', begin) + 1;  // npos: 0
    const bool alone = text_.substr(first, begin - first).find_first_not_of(" \t") == text_.npos &&
                       !text_.substr(0, first).ends_with("\\\n");
    if (alone && (end == text_.size() || text_[end] == '\n')) begin = first, end = std::min(end + 1, text_.size());
    out_.edits.push_back({begin, end, {}});
  }

  std::string_view text_;
  From from_;
  std::vector<token> tokens_;
  std::vector<command> commands_;
  scope all_;
  std::vector<scope> scopes_;
  std::vector<size_t> removed_;  // words
  remark fault_{0, {}, true};
  bool gone_in_fault_ = false;
  migration out_;
};

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

bool script_is(std::string_view text) { return text.starts_with("#!"); }

bool script_for_sh(std::string_view text) {
  bool found = false;
  each_name(first_line(text), [&](std::string_view name, size_t) {
    for (std::string_view shell : {"sh", "dash", "bash", "ash", "ksh", "mksh", "zsh"}) found = found || name == shell;
  });
  return found;
}

migration script_migrate(std::string_view text, From from) { return script(text, from).migrate(); }

std::vector<size_t> script_mentions(std::string_view text) {
  std::vector<size_t> out;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); begin = std::min(text.find('\n', begin), text.size() - 1) + 1) {
    const std::string_view line = text.substr(begin, text.find('\n', begin) - begin);
    ++number;
    const size_t first = line.find_first_not_of(" \t");
    if (first == line.npos || line[first] == '#') continue;
    bool found = false;
    each_name(line, [&](std::string_view name, size_t end) {
      const std::string_view value = line.substr(end);
      const bool nothing = value == "=" || value.starts_with("=\"\"") || value.starts_with("=''") ||
                           value.starts_with("= ") || value.starts_with("=;");
      found = found || meaning_gone(name) || (name == "VERIFY" && nothing);
    });
    if (found) out.push_back(number);
  }
  return out;
}
