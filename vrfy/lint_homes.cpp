// lint_homes.cpp - homes that mail leads to, and the dot-qmail files in them, see lint.h.
// Each home is looked at as its controlling user.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <set>

#include "lint.h"
#include "qmail/text.h"

namespace {

// Users and flags; a file of more is not compared.
constexpr size_t VPASSWD_MAX = size_t{64} << 20;

// What editors and packages put behind a name, and what people do who keep an old file.
bool is_copy(std::string_view name) {
  constexpr std::string_view ENDS[] = {".bak", ".backup", ".old", ".orig",     ".save", ".swp",    ".tmp", ".new",
                                       ".rej", ".copy",   ".off", ".disabled", ".dist", ".sample", "~"};
  const size_t dot = name.rfind('.');
  const bool dated =
      dot != name.npos && dot + 1 < name.size() && name.find_first_not_of("0123456789-_", dot + 1) == name.npos;
  return dated || std::any_of(std::begin(ENDS), std::end(ENDS), [&](auto end) { return name.ends_with(end); });
}

std::string octal(mode_t mode) {
  char text[16];
  snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

class one_home {
 public:
  one_home(const lint_home &home, site_visit &visit, mode_t patrn, lint_report &report)
      : home_(home), visit_(visit), patrn_(patrn), report_(report) {}

  void look() {
    if (const int error = visit_.enter(home_.path)) return not_entered(error);
    mode_t mode = 0;
    if (const int error = visit_.mode(mode)) return report_.unread({home_.path, 0}, error);
    if (mode & patrn_)
      tell(lint_code::HOME_WRITABLE,
           "can be written by others (mode " + octal(mode) + "): qmail defers all mail for " + whose(),
           "chmod go-w it");
    else if (mode & S_ISVTX)
      tell(lint_code::HOME_STICKY,
           "has the sticky bit (mode " + octal(mode) + "): qmail defers all mail for " + whose(), "chmod -t it");
    std::vector<std::string> names;
    bool text = false, database = false;
    const int error = visit_.names(home_.path, [&](const std::string &name) {
      if (name.starts_with(".qmail")) names.push_back(name);
      text = text || name == "vpasswd";
      database = database || name == "vpasswd.cdb";
      return true;
    });
    // one that may be entered and not read works for qmail
    if (error && error != EACCES) report_.unread({home_.path, 0}, error);
    std::sort(names.begin(), names.end());
    for (const std::string &name : names) file(name);
    if (text && database) vpasswd();
  }

 private:
  std::string whose() const { return lint_quoted(home_.user) + ", " + named(); }
  std::string named() const {
    return home_.at.line ? home_.at.file + " line " + std::to_string(home_.at.line) : home_.at.file;
  }

  void tell(lint_code code, std::string text, std::string advice) {
    report_.add(code, {home_.path, 0}, std::move(text), std::move(advice));
  }

  void not_entered(int error) {
    if (site_absent(error))
      return report_.add(lint_code::HOME_MISSING, home_.at,
                         "the home " + home_.path + " is not there (" + lint_error(error) +
                             "): qmail defers all mail for " + lint_quoted(home_.user),
                         "make it, or mend what names it");
    if (error == EACCES || error == EPERM)
      return tell(lint_code::HOME_CLOSED, "cannot be entered by " + whose() + ": qmail defers all mail for it",
                  "let the user search it and the directories above");
    report_.unread({home_.path, 0}, error, "cannot be entered by " + whose());
  }

  // ---- dot-qmail files

  // May qmail-local look for a file of this name here? ext: what stands behind the dash.
  bool counts(std::string_view name, std::string_view &ext) const {
    name.remove_prefix(std::string_view(".qmail").size());
    for (const std::string &dash : home_.dashes) {
      if (dash.empty() ? !name.empty() : !name.starts_with(dash)) continue;
      ext = name.substr(dash.size());
      return true;
    }
    return false;
  }

  void file(const std::string &name) {
    std::string_view ext;
    if (!counts(name, ext)) return;
    const lint_place at{home_.path + "/" + name, 0};
    if (is_copy(ext)) return;
    if (ext.find('.') != ext.npos || ext != text_lower(ext)) return never_matches(at, ext);
    site_dotqmail file;
    const int error = visit_.open(name, file);
    if (error == EACCES || error == EPERM)
      return report_.add(lint_code::DOTQMAIL_CLOSED, at, "cannot be read by " + whose() + ": qmail defers the mail",
                         "chown it to the user, or remove it");
    if (error && site_absent(error))
      return report_.add(lint_code::DOTQMAIL_DANGLING, at,
                         "leads nowhere (" + lint_error(error) + "): for qmail there is no such file",
                         "remove it, or put back what it leads to");
    if (error) return report_.unread(at, error);
    if (S_ISREG(file.mode)) content(at, file);
  }

  void never_matches(const lint_place &at, std::string_view ext) {
    std::string meant = text_lower(ext);
    std::replace(meant.begin(), meant.end(), '.', ':');
    report_.add(
        lint_code::DOTQMAIL_NAME, at, "is never found: qmail looks for names in lower case, with a colon for each dot",
        "name it " + at.file.substr(at.file.rfind('/') + 1, at.file.size() - at.file.rfind('/') - 1 - ext.size()) +
            meant);
  }

  void content(lint_place at, const site_dotqmail &file) {
    if (file.mode & patrn_)
      return report_.add(lint_code::DOTQMAIL_WRITABLE, at,
                         "can be written by others (mode " + octal(file.mode) + "): qmail defers the mail",
                         "chmod go-w it");
    std::string_view rest = file.content;
    bool forward_only = (file.mode & S_IXUSR) != 0, told = false;
    for (at.line = 1; !rest.empty(); ++at.line) {
      const std::string_view line = text_line(rest);
      if (at.line == 1 && line.substr(0, line.find('\0')).empty())
        return report_.add(lint_code::DOTQMAIL_BLANK, at, "is blank, the first line: qmail defers the mail",
                           "take the blank line out, or write a comment");
      if (line.ends_with('\r') && !told) {
        report_.add(lint_code::DOTQMAIL_CR, at,
                    "ends with a carriage return, which qmail takes for a part of the program, file or address",
                    "save the file with UNIX line ends");
        told = true;
      }
      if (line == "+list") forward_only = true;
      if (forward_only && !line.empty() && (line.front() == '.' || line.front() == '/' || line.front() == '|'))
        return report_.add(lint_code::DOTQMAIL_XBIT, at,
                           "is no forward, and the file is one for forwards only: qmail defers the mail",
                           file.mode & S_IXUSR ? "chmod -x the file" : "take the line +list out");
      if (!line.empty() && is_letter(line.front()) && line.ends_with('/') && line.find('@') == line.npos)
        report_.add(lint_code::DOTQMAIL_NO_DOT, at,
                    lint_quoted(line) + " is taken for an address, and the mail forwarded to it",
                    "write ./" + std::string(line) + " for a maildir");
    }
  }

  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  // ---- vpopmail

  // Does vpasswd.cdb, which vdelivermail reads, say what vpasswd says?
  void vpasswd() {
    const lint_place at{home_.path + "/vpasswd.cdb", 0}, from{home_.path + "/vpasswd", 0};
    unique_fd fd;
    std::string text;
    cdb *db = nullptr;
    if (visit_.open_data("vpasswd", fd) != 0) return;
    if (const int error = fd_slurp(fd.get(), text, [&](auto) { return text.size() > VPASSWD_MAX; }))
      return report_.unread(from, error);
    if (text.size() > VPASSWD_MAX || visit_.open_cdb("vpasswd.cdb", db) != 0) return;
    int error = 0;
    if (!db->sound("", error)) return vpasswd_trouble(at, error);
    std::string_view rest = text;
    std::set<std::string_view> seen;  // the first of a name counts
    for (unsigned line = 1; !rest.empty(); ++line) {
      const size_t end = rest.find('\n'), colon = rest.find(':');
      if (end == rest.npos || colon >= end) return;  // vpopmail does not read such a file to its end, either
      std::string record;
      const Look look = db->find(rest.substr(0, colon), record, error);
      if (look == Look::failed) return vpasswd_trouble(at, error);
      const bool first = seen.insert(rest.substr(0, colon)).second;
      if (first && (look == Look::absent || record != rest.substr(colon + 1, end - colon - 1)))
        return report_.add(lint_code::VPASSWD_DIFFERS, {from.file, line},
                           "the user " + lint_quoted(rest.substr(0, colon)) +
                               (look == Look::absent ? " is not" : " stands otherwise") +
                               " in vpasswd.cdb, which vpopmail reads",
                           "run vmkpasswd for the domain");
      rest.remove_prefix(end + 1);
    }
  }

  void vpasswd_trouble(const lint_place &at, int error) {
    if (error != CDB_DAMAGED) return report_.unread(at, error);
    report_.add(lint_code::DATABASE, at, "cannot be used (" + lint_error(error) + "): vpopmail does not find its users",
                "run vmkpasswd for the domain");
  }

  const lint_home &home_;
  site_visit &visit_;
  const mode_t patrn_;
  lint_report &report_;
};

}  // namespace

void lint_homes(lint_host &host, const lint_settings &settings, const std::vector<lint_home> &homes,
                lint_report &report) {
  for (const lint_home &home : homes) {
    int error = 0;
    const auto visit = host.looks().become(home.uid, home.gid, error);
    if (visit)
      one_home(home, *visit, settings.judged.patrn, report).look();
    else
      report.unread({home.path, 0}, error, "cannot be looked at as " + home.user);
  }
}
