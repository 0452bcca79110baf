// program.cpp - see program.h. Follows netqmail's bouncesaying.c, except.c and
// condredirect.c, and what qmail-local's mailprogram() makes of an exit status.

#include "program.h"

#include <algorithm>
#include <array>
#include <span>

#include "fastforward.h"
#include "qmail/text.h"
#include "vmailmgr.h"
#include "vpopmail.h"

namespace {

using words = std::span<const shell_word>;

// Programs that run programs that run programs ... are followed so far.
constexpr unsigned DEPTH = 8;

outcome unknown() { return outcome_of(QV_REASON_PROGRAM); }

// qmail-local's reading of an exit status.
outcome exited(int status) {
  switch (status) {
    case 0: return outcome_pass(QV_REASON_PROGRAM_ACCEPTS, false);
    case 99: return outcome_stop(QV_REASON_PROGRAM_ACCEPTS);
    case 64:
    case 65:
    case 70:
    case 76:
    case 77:
    case 78:
    case 100:
    case 112: return outcome_of(QV_REASON_PROGRAM_REFUSES);
    default: return outcome_of(QV_REASON_PROGRAM_DEFERS);
  }
}

// ---- which program is meant

std::string_view base_name(std::string_view command) { return command.substr(command.rfind('/') + 1); }

bool is_ezmlm(std::string_view name) { return name.size() > 6 && name.starts_with("ezmlm-"); }

bool on_every_host(std::string_view name) { return name == "true" || name == "false"; }

bool is_known(std::string_view name) {
  static constexpr std::array<std::string_view, 6> names = {"bouncesaying", "except",       "condredirect",
                                                            "fastforward",  "vdelivermail", "vdeliver"};
  return std::find(names.begin(), names.end(), name) != names.end() || on_every_host(name) || is_ezmlm(name);
}

bool is_netqmails(std::string_view name) {
  return name == "bouncesaying" || name == "except" || name == "condredirect";
}

// A path without empty and "." parts.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (!part.empty() && part != ".") out.append("/").append(part);
    path.remove_prefix(part.size());
  }
  return out;
}

// Is this the directory in which that program is by its nature: the qmail directory's
// bin, or that beside vpopmail's domains?
bool is_own_place(const delivery &d, std::string_view dir, std::string_view name) {
  if (dir == d.settings.qmail + "/bin") return true;
  if (name != "vdelivermail" || !dir.ends_with("/bin")) return false;
  return d.visit.present(std::string(dir.substr(0, dir.size() - 4)) + "/domains");
}

// A script may do anything, and so may a program in the user's own home.
bool counts_by_path(const delivery &d, const std::string &path) {
  using Runs = site_visit::Runs;
  const std::string_view name = base_name(path);
  const std::string dir = path.substr(0, path.rfind('/'));
  const Runs runs = d.visit.runs(path);
  if (path.find("/../") != path.npos || runs == Runs::script) return false;
  const bool users = runs == Runs::own || path.starts_with(d.user.home + "/");
  if (runs != Runs::nothing) return !users || is_own_place(d, dir, name);
  if (on_every_host(name) && (dir == "/bin" || dir == "/usr/bin")) return d.visit.bare(d.settings.qmail + "/bin");
  const std::string bin = d.settings.qmail + "/bin";
  const bool belongs = dir == bin ? is_netqmails(name) : name == "vdelivermail" && is_own_place(d, dir, name);
  return belongs && d.visit.bare(dir) && d.visit.bare(bin);
}

bool counts_by_name(const delivery &d, std::string_view name) {
  using Runs = site_visit::Runs;
  const std::string bin = d.settings.qmail + "/bin";
  for (const std::string &dir : {bin, std::string("/usr/local/bin"), std::string("/usr/bin"), std::string("/bin")})
    if (const Runs runs = d.visit.runs(dir + "/" + std::string(name)); runs != Runs::nothing)
      return runs == Runs::binary || (runs == Runs::own && dir == bin);
  return (is_netqmails(name) || on_every_host(name) || name == "fastforward") && d.visit.bare(bin);
}

// ---- programs of which the exit status is certain

std::optional<int> status_of(const delivery &d, words w, unsigned depth);

// bouncesaying, except and condredirect do on_zero where the program that they run
// says 0, hand 111 on, and say 0 to everything else.
std::optional<int> status_with(const delivery &d, words program, int on_zero, unsigned depth) {
  if (depth == 0) return std::nullopt;
  const std::optional<int> status = status_of(d, program, depth - 1);
  // 99: condredirect has forwarded the mail, which is more than a status
  if (!status || *status == 99) return std::nullopt;
  if (*status == 0) return on_zero;
  return *status == 111 ? 111 : 0;
}

// The exit status of a program that is executed, not run by the shell: nullopt
// where it is not certain.
std::optional<int> status_of(const delivery &d, words w, unsigned depth) {
  const std::string_view name = program_name(d, w.front());
  if (name == "true") return 0;
  if (name == "false") return 1;
  if (name == "bouncesaying") return w.size() < 3 ? 100 : status_with(d, w.subspan(2), 100, depth);
  if (name == "except") return w.size() < 2 ? 100 : status_with(d, w.subspan(1), 100, depth);
  if (name == "condredirect") return w.size() < 3 ? 100 : status_with(d, w.subspan(2), 99, depth);
  return std::nullopt;
}

// ---- ezmlm

// The programs that stand in the dot-qmail file of a list's own address, and
// those of them that bounce whatever has the null sender.
bool is_editor(std::string_view name) {
  static constexpr std::array<std::string_view, 7> names = {
      "ezmlm-reject", "ezmlm-send", "ezmlm-store", "ezmlm-gate", "ezmlm-checksub", "ezmlm-issubn", "ezmlm-tstdig"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool refuses_null(std::string_view name) {
  return name == "ezmlm-reject" || name == "ezmlm-send" || name == "ezmlm-store" || name == "ezmlm-gate";
}

// Any of them may bounce, end the delivery, or have the mail: what follows is not
// certain any more.
outcome ezmlm(const delivery &d, std::string_view name) {
  if (d.found.by_default || !is_editor(name)) return outcome_pass(QV_REASON_EZMLM, true);
  const bool null_sender = d.sender && d.sender->empty();
  if (null_sender && d.policy.refuse_null && refuses_null(name)) return outcome_of(QV_REASON_EZMLM_NULL_SENDER);
  return outcome_pass(QV_REASON_EZMLM_LIST, true);
}

// Takes the first command off a line of several: what stands before ; && or ||
// outside quotes.
std::string_view take_command(std::string_view &line) {
  char quote = 0;
  size_t end = 0, operator_size = 0;
  for (; end < line.size() && operator_size == 0; ++end) {
    const char c = line[end];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ';') {
      operator_size = 1;
    } else if (line.substr(end, 2) == "&&" || line.substr(end, 2) == "||") {
      operator_size = 2;
    }
  }
  const std::string_view command = line.substr(0, operator_size ? end - 1 : end);
  line.remove_prefix(command.size() + operator_size);
  return command;
}

std::string_view without_keyword(std::string_view command) {
  const size_t begin = command.find_first_not_of(" \t");
  command.remove_prefix(begin == command.npos ? command.size() : begin);
  for (std::string_view keyword : {"if ", "then ", "else "})
    if (command.starts_with(keyword)) return command.substr(keyword.size());
  return command;
}

bool all_certain(words w) {
  return std::all_of(w.begin(), w.end(), [](const shell_word &word) { return word.certain; });
}

// The lines that ezmlm-make writes ("ezmlm-warn DIR || exit 0", "if test ...; then
// ezmlm-reject DIR; fi"): tests of files and ezmlm's programs and nothing else.
// Empty where the line is something else, such as a test of $SENDER.
std::optional<outcome> ezmlm_lines(const delivery &d, std::string_view line) {
  if (line.find("ezmlm-") == line.npos) return std::nullopt;
  std::optional<outcome> says;
  while (!line.empty()) {
    const std::string_view text = without_keyword(take_command(line));
    if (text == "fi") continue;
    const shell_command command = shell_read(text, d.user.home);
    if (!command.certain || !all_certain(command.words)) return std::nullopt;
    if (command.words.empty() || command.words.front().is("test")) continue;
    if (command.words.front().is("exit") && command.words.size() == 2 && command.words[1].is("0")) continue;
    const std::string_view name = program_name(d, command.words.front());
    if (!is_ezmlm(name)) return std::nullopt;
    outcome o = ezmlm(d, name);
    if (!says || says->reason == QV_REASON_EZMLM) says = std::move(o);
  }
  return says;
}

// ---- what the shell does itself

std::optional<int> number(std::string_view digits) {
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  int n = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + (c - '0');
  }
  return n <= 255 ? std::optional(n) : std::nullopt;
}

outcome shell_exit(words arguments) {
  if (arguments.empty()) return exited(0);
  const std::optional<int> status = arguments.size() == 1 && arguments.front().certain
                                        ? number(arguments.front().text)
                                        : std::nullopt;
  return status ? exited(*status) : unknown();
}

std::optional<outcome> builtin(words w) {
  if (w.front().is("exit")) return shell_exit(w.subspan(1));
  if (w.front().is("true") || w.front().is(":")) return exited(0);
  if (w.front().is("false")) return exited(1);
  return std::nullopt;
}

// ---- a command

// One that is not there makes qmail defer; a copy of a host has no programs.
bool is_there(const delivery &d, const std::string &path) {
  return d.visit.runs(path) != site_visit::Runs::nothing || d.visit.bare(d.settings.qmail + "/bin");
}

// A program that is read here, but not where it would be it: one that is not there
// makes qmail defer.
outcome not_counted(const delivery &d, const std::string &word) {
  outcome o = unknown();
  o.advice = d.file_path() + " runs " + word +
             ", which is not there, cannot be run, is a script, or is in the user's own home: every address that it "
             "decides is accepted";
  return o;
}

outcome program(const delivery &d, const shell_command &command) {
  const shell_word &first = command.words.front();
  const std::string_view name = program_name(d, first);
  if (name == "fastforward") return fastforward_read(d, command);
  if (name == "vdelivermail") return vpopmail_read(d, command);
  if (name == "vdeliver") return vmailmgr_read(d, command);
  if (is_ezmlm(name)) return ezmlm(d, name);
  if (!name.empty()) {
    const std::optional<int> status = status_of(d, command.words, DEPTH);
    return status ? exited(*status) : unknown();
  }
  if (first.certain && is_known(base_name(first.text))) return not_counted(d, first.text);
  const bool refused = first.certain && first.text.starts_with('/') && d.found.by_default &&
                       d.policy.refuses(first.text) && is_there(d, first.text);
  return refused ? outcome_of(QV_REASON_POLICY_REFUSE) : unknown();
}

outcome command_says(const delivery &d, shell_command command) {
  if (command.words.empty()) return exited(0);
  if (!command.words.front().is("exec")) {
    std::optional<outcome> says = builtin(command.words);
    return says ? *says : program(d, command);
  }
  command.words.erase(command.words.begin());
  return command.words.empty() ? exited(0) : program(d, command);
}

// ---- VERIFY_FASTFORWARDCDB

// Has the dot-qmail file this line and no other that does anything?
bool alone(const delivery &d) {
  std::string_view text = d.found.file.content;
  size_t lines = 0;
  while (!text.empty()) {
    const std::string_view line = text_line(text);
    lines += !line.empty() && line.front() != '#' && line.front() != '+';
  }
  return lines == 1;
}

// A word like -p or -pd, with which fastforward does not refuse.
bool passes_on(std::string_view line) {
  constexpr std::string_view before = " \t'\"\\";
  for (size_t at = line.find('-'); at != line.npos; at = line.find('-', at + 1)) {
    if (at == 0 || before.find(line[at - 1]) == before.npos) continue;
    const std::string_view word = line.substr(at, line.find_first_of(" \t", at) - at);
    if (word.find('p') != word.npos) return true;
  }
  return false;
}

// Is fastforward what the line runs, whatever its other words are?
bool runs_fastforward(const delivery &d, std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == line.npos) return false;
  line.remove_prefix(begin);
  if (line.starts_with("exec ")) return runs_fastforward(d, line.substr(5));
  const shell_command first = shell_read(line.substr(0, line.find_first_of(" \t")), d.user.home);
  return first.certain && first.words.size() == 1 && program_name(d, first.words.front()) == "fastforward";
}

// Does ~alias/.qmail-default hand everything to a fastforward whose words cannot be
// read? What else the line might do must not be there: then nobody knows.
bool hint_counts(const delivery &d, std::string_view line) {
  return !d.settings.fastforward_cdb.empty() && d.user.name == d.settings.alias &&
         d.found.name == ".qmail-default" && line.find_first_of(";&|<>()`") == line.npos && !passes_on(line) &&
         alone(d) && runs_fastforward(d, line);
}

outcome line_says(const delivery &d, std::string_view line) {
  shell_command command = shell_read(line, d.user.home);
  if (command.certain) return command_says(d, std::move(command));
  return ezmlm_lines(d, line).value_or(unknown());
}

}  // namespace

outcome program_read(const delivery &d, std::string_view line) {
  line = line.substr(0, line.find('\0'));
  outcome says = line_says(d, line);
  // a file that decided was read, and is more than a hint
  const bool unread = says.reason == QV_REASON_PROGRAM && says.about.empty();
  return unread && hint_counts(d, line) ? fastforward_hint(d, d.settings.fastforward_cdb) : says;
}

std::string_view program_name(const delivery &d, const shell_word &command) {
  if (!command.certain) return {};
  const std::string_view name = base_name(command.text);
  if (!is_known(name)) return {};
  bool counts = false;
  if (name.size() == command.text.size())
    counts = counts_by_name(d, name);
  else if (command.text.front() == '/')
    counts = counts_by_path(d, without_dots(command.text));
  return counts ? name : std::string_view();
}
