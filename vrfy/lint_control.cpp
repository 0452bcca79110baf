// lint_control.cpp - control files by themselves, see lint.h: what they are made of,
// who may read and write them. What is wrong in a line is told once: the other rules
// see the line mended, or not at all.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lint.h"
#include "qmail/keys_table.h"
#include "qmail/text.h"

namespace {

enum class Form {
  host,     // one line, a host's name
  word,     // one line, anything
  number,   // one line, a number
  names,    // a name a line
  senders,  // an address, or @ and a host, a line
  colon,    // name:value a line
  other     // lines with a reader of their own
};

// The program that reads it, as whose user it has to be readable.
enum class Reader { root, smtpd, send, remote };

constexpr struct known_file {
  std::string_view name;
  Form form;
  Reader reader;
} KNOWN[] = {{"me", Form::host, Reader::send},
             {"envnoathost", Form::host, Reader::send},
             {"bouncehost", Form::host, Reader::send},
             {"doublebouncehost", Form::host, Reader::send},
             {"bouncefrom", Form::word, Reader::send},
             {"doublebounceto", Form::word, Reader::send},
             {"queuelifetime", Form::number, Reader::send},
             {"concurrencylocal", Form::number, Reader::send},
             {"concurrencyremote", Form::number, Reader::send},
             {"locals", Form::names, Reader::send},
             {"percenthack", Form::names, Reader::send},
             {"virtualdomains", Form::colon, Reader::send},
             {"helohost", Form::host, Reader::remote},
             {"timeoutremote", Form::number, Reader::remote},
             {"timeoutconnect", Form::number, Reader::remote},
             {"smtproutes", Form::colon, Reader::remote},
             {"localiphost", Form::host, Reader::smtpd},
             {"smtpgreeting", Form::word, Reader::smtpd},
             {"timeoutsmtpd", Form::number, Reader::smtpd},
             {"databytes", Form::number, Reader::smtpd},
             {"rcpthosts", Form::names, Reader::smtpd},
             {"badmailfrom", Form::senders, Reader::smtpd},
             {"morercpthosts", Form::names, Reader::root},
             {"idhost", Form::word, Reader::root},
             {"defaulthost", Form::word, Reader::root},
             {"defaultdomain", Form::word, Reader::root},
             {"plusdomain", Form::word, Reader::root},
             {"verifyroutes", Form::colon, Reader::root},
             {"verifypolicy", Form::other, Reader::root},
             {"verifyclients", Form::other, Reader::root},
             {"verifykeys", Form::other, Reader::root},
             {"verifylimits", Form::other, Reader::root}};

constexpr std::string_view BYTE_ORDER_MARK = "\xef\xbb\xbf";
constexpr std::string_view BLANKS = " \t";

std::string path_of(std::string_view name) { return "control/" + std::string(name); }

// How many of this byte there are, and in which line the first is.
struct counted {
  size_t lines = 0;
  unsigned first = 0;
};

template <class Is>
counted count_lines(std::string_view text, Is is) {
  counted c;
  for (unsigned number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (is(text.substr(0, end)) && !c.lines++) c.first = number;
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return c;
}

std::string and_more(size_t lines) {
  return lines > 1 ? ", and so do " + std::to_string(lines - 1) + " more" : std::string();
}

// What no qmail file should hold is told, and taken out.
std::string mend(const std::string &path, std::string text, lint_report &report) {
  if (text.starts_with(BYTE_ORDER_MARK)) {
    report.add(lint_code::BOM, {path, 1},
               "begins with a byte order mark, which qmail takes for a part of the first line",
               "save the file without it, as plain ASCII");
    text.erase(0, BYTE_ORDER_MARK.size());
  }
  if (const counted c = count_lines(text, [](auto line) { return line.find('\0') != line.npos; }); c.lines) {
    report.add(lint_code::NUL, {path, c.first}, "holds a NUL byte, at which qmail ends the line" + and_more(c.lines),
               "take it out");
    std::erase(text, '\0');
  }
  if (const counted c = count_lines(text, [](auto line) { return line.ends_with('\r'); }); c.lines) {
    report.add(lint_code::CR, {path, c.first},
               "ends with a carriage return, which qmail takes for a part of it" + and_more(c.lines),
               "save the file with UNIX line ends");
    std::erase(text, '\r');
  }
  return text;
}

// ---- one line

void check_line(const known_file &file, std::string_view text, lint_report &report) {
  const std::string path = path_of(file.name);
  const std::string_view first = text_line(text);
  if (file.form == Form::host && first.empty())
    report.add(lint_code::LINE_EMPTY, {path, 1}, "is empty, where a host's name should stand",
               "write the name into its first line, or remove the file");
  if (file.form == Form::host && first.find_first_of(BLANKS) != first.npos)
    report.add(lint_code::LINE_BLANK, {path, 1}, lint_quoted(first) + " has a blank in it, which no host's name has",
               "write the name alone");
  if (file.form == Form::number && first.find_first_not_of("0123456789") != first.npos)
    report.add(lint_code::NUMBER, {path, 1},
               lint_quoted(first) + " is not a number: qmail takes the digits that it begins with, or its default",
               "write digits alone");
  for (unsigned number = 2; !text.empty(); ++number) {
    if (text_line(text).empty()) continue;
    report.add(lint_code::LINE_EXTRA, {path, number}, "does not count: qmail reads the first line only",
               "take it out, or write it into the first line if it is the one that is meant");
    break;
  }
}

// ---- lists

class name_check {
 public:
  name_check(const known_file &file, const lint_entry &entry, lint_report &report)
      : file_(file), entry_(entry), report_(report) {}

  // The name that is meant, where what stands there never matches.
  bool wrong(std::string &meant) {
    std::string_view name = entry_.name, value = entry_.value;
    meant = name;
    if (name.find_first_of(BLANKS) != name.npos || (entry_.value.find_first_of(BLANKS) != value.npos && strict_value()))
      return blank(meant);
    if (file_.form == Form::senders) return no_at(meant);
    const size_t at = name.rfind('@');
    if (at != name.npos && file_.name != "virtualdomains") {
      meant = name.substr(at + 1);
      return tell(lint_code::NAME_AT, "is an address, where a domain should stand: it never matches",
                  "write the domain alone");
    }
    if (name.substr(at == name.npos ? 0 : at + 1).find('*') != name.npos) return star(meant);
    if (name.find(':') != name.npos && !name.starts_with('[')) {
      meant = name.substr(0, name.find(':'));
      return tell(lint_code::NAME_COLON, "has a colon in it: it never matches",
                  "write the domain alone; what stands behind a colon belongs into control/virtualdomains or "
                  "control/smtproutes");
    }
    if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
      return tell(lint_code::NAME_NOT_ASCII, "has bytes that are not ASCII: other hosts write such a domain with xn--",
                  "write it as they do");
    if (name.starts_with('.') && (file_.name == "locals" || file_.name == "percenthack"))
      return tell(
          lint_code::NAME_SUFFIX, "begins with a dot: in this file that stands for no domain below it",
          file_.name == "locals" ? "name each domain, or write it into control/virtualdomains" : "name each domain");
    return false;
  }

 private:
  bool tell(lint_code code, const char *what, const char *advice) {
    report_.add(code, {path_of(file_.name), entry_.line}, lint_quoted(entry_.name) + " " + what, advice);
    return true;
  }

  // What may stand behind a route's colon other patches know.
  bool strict_value() const { return file_.name == "virtualdomains"; }

  bool blank(std::string &meant) {
    const size_t begin = std::min(meant.find_first_not_of(BLANKS), meant.size());
    meant = meant.substr(begin, meant.find_first_of(BLANKS, begin) - begin);
    const std::string whole = file_.form == Form::colon ? entry_.name + ":" + entry_.value : entry_.name;
    report_.add(lint_code::NAME_BLANK, {path_of(file_.name), entry_.line},
                lint_quoted(whole) + " has a blank in it, which qmail takes for a part of the name",
                "take it out; a comment needs a line of its own that begins with #");
    return true;
  }

  bool star(std::string &meant) {
    meant = meant.starts_with("*.") ? meant.substr(1) : meant;
    return tell(lint_code::NAME_STAR, "has a star, which stands for itself: it never matches",
                file_.name == "locals" || file_.name == "percenthack"
                    ? "name each domain"
                    : "write .domain for all below it; nothing before the colon, where there is one, is for all");
  }

  bool no_at(std::string &) {
    if (entry_.name.find('@') != std::string::npos || entry_.name.find('.') == std::string::npos) return false;
    return tell(lint_code::NO_AT, "has no @: it stands for no address of this host",
                "write a whole address, or @ and a host for all of its addresses");
  }

  const known_file &file_;
  const lint_entry &entry_;
  lint_report &report_;
};

// qmail takes blanks around a name for a part of it; the daemon's files have it otherwise.
std::string_view unblanked(std::string_view name) {
  const size_t begin = std::min(name.find_first_not_of(BLANKS), name.size());
  return name.substr(begin, name.find_last_not_of(BLANKS) + 1 - begin);
}

// name:value, or name alone. False: it does not count.
bool split(const known_file &file, const control_line &line, lint_entry &entry, lint_report &report) {
  entry.line = line.number;
  const size_t colon = file.form == Form::colon ? line.text.find(':') : line.text.npos;
  entry.name = text_lower(line.text.substr(0, colon));
  if (colon != line.text.npos) entry.value = line.text.substr(colon + 1);
  if (file.name == "verifyroutes") entry.name = unblanked(entry.name);
  if (file.form != Form::colon || colon != line.text.npos) return true;
  if (file.name == "verifyroutes") return false;  // its own reader tells
  report.add(lint_code::NO_COLON, {path_of(file.name), line.number},
             lint_quoted(line.text) + " has no colon: qmail passes over the line",
             file.name == "smtproutes" ? "write domain:host, or take it out" : "write domain:user, or take it out");
  return false;
}

void tell_twice(const known_file &file, const lint_entry &first, const lint_entry &last, lint_report &report) {
  const std::string path = path_of(file.name);
  const std::string name = first.name.empty() ? std::string("the entry for all") : lint_quoted(first.name);
  if (first.value == last.value)
    report.add(lint_code::DUPLICATE, {path, last.line}, name + " stands in line " + std::to_string(first.line) + " too",
               "take one of them out");
  else
    report.add(lint_code::DUPLICATE, {path, first.line},
               name + " does not count: line " + std::to_string(last.line) + " has it again, otherwise",
               "take one of them out");
}

// ---- who may read and write

std::string reader_name(const lint_settings &settings, Reader reader) {
  switch (reader) {
    case Reader::smtpd:
      return settings.qmaild;
    case Reader::send:
      return settings.qmails;
    case Reader::remote:
      return settings.qmailr;
    case Reader::root:
      break;
  }
  return {};
}

// qmail's programs give up where they may not open a file that is there.
void check_readable(lint_host &host, const lint_settings &settings, Reader reader,
                    const std::vector<std::string> &paths, lint_report &report) {
  const std::string name = reader_name(settings, reader);
  site_passwd who;
  int error = 0;
  if (paths.empty() || host.looks().passwd(name, who, error) != Look::found || who.uid == 0) return;
  const auto visit = host.looks().become(who.uid, who.gid, error);
  if (!visit) return report.unread({paths.front(), 0}, error, "cannot be looked at as " + name);
  for (const std::string &path : paths) {
    unique_fd fd;
    if (const int closed = visit->open_data(settings.directory + "/" + path, fd); closed == EACCES || closed == EPERM)
      report.add(lint_code::CLOSED, {path, 0}, "cannot be read by " + name + ", which has to",
                 "chmod a+r it, and a+x the directories above");
  }
}

std::string who_else(const struct stat &st) {
  if (st.st_uid != 0) return "belongs to the user with uid " + std::to_string(st.st_uid);
  if (st.st_mode & S_IWOTH) return "can be written by everybody";
  if ((st.st_mode & S_IWGRP) && st.st_gid != 0)
    return "can be written by the group with gid " + std::to_string(st.st_gid);
  return {};
}

void check_writable(lint_host &host, const std::string &path, const char *power, lint_report &report) {
  struct stat st;
  const int error = host.status(path, st);
  if (error == ENOENT || error == ENOTDIR) return;
  if (error) return report.unread({path, 0}, error);
  if (const std::string who = who_else(st); !who.empty())
    report.add(lint_code::WRITABLE, {path, 0}, who + ": who can write it decides " + power,
               "chown root and chmod go-w it");
}

// Whoever can read it can ask and answer as the daemon does; one that others can read is not
// used at all.
void check_keys(lint_host &host, const std::string &path, lint_report &report) {
  struct stat st;
  const int error = host.status(path, st);
  if (error == ENOENT) return;
  if (error) return report.unread({path, 0}, error);
  if (const std::string trouble = keys_file_trouble(st, 0); !trouble.empty())
    report.add(lint_code::KEYS_OPEN, {path, 0}, trouble + ": the daemon does not use it",
               std::string(KEYS_FILE_ADVICE) + ", and make new keys if somebody may have read these");
}

}  // namespace

const lint_entry *lint_files::one::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &all_[at->second];
}

lint_files::lint_files(lint_host &host, const lint_settings &settings, lint_report &report) {
  std::map<Reader, std::vector<std::string>> readers;
  for (const char *dir : {".", "control", "users", "users/assign", "users/cdb", "control/morercpthosts.cdb"})
    check_writable(host, dir, "where mail goes", report);
  check_writable(host, "verify", "who answers in the daemon's place", report);
  for (const known_file &file : KNOWN) {
    const std::string path = path_of(file.name);
    one &to = files_[std::string(file.name)];
    const control_text raw = host.looks().control(std::string(file.name).c_str());
    to.look = raw.look;
    if (raw.look == Look::failed) report.unread({path, 0}, raw.error);
    if (raw.look != Look::found) continue;
    if (file.name == "verifykeys")
      check_keys(host, path, report);
    else
      check_writable(host, path, "where mail goes", report);
    readers[file.reader].push_back(path);
    to.text = mend(path, raw.text, report);
    read(file.name, to, report);
  }
  struct stat st;
  if (host.status("control/morercpthosts.cdb", st) == 0) readers[Reader::smtpd].push_back("control/morercpthosts.cdb");
  for (const auto &[reader, paths] : readers)
    if (reader != Reader::root) check_readable(host, settings, reader, paths, report);
  host.rest();
}

void lint_files::read(std::string_view name, one &to, lint_report &report) {
  const known_file &file = *std::find_if(std::begin(KNOWN), std::end(KNOWN), [&](auto &k) { return k.name == name; });
  if (file.form == Form::other) return;
  if (file.form == Form::host || file.form == Form::word || file.form == Form::number)
    return check_line(file, to.text, report);
  for (const control_line &line : control_lines(to.text)) {
    lint_entry entry;
    if (!split(file, line, entry, report)) continue;
    std::string meant;
    const bool wrong = name_check(file, entry, report).wrong(meant);
    const auto [at, fresh] = to.by_name_.try_emplace(wrong ? meant : entry.name, to.all_.size());
    if (!fresh && !wrong) tell_twice(file, to.all_[at->second], entry, report);
    at->second = to.all_.size();
    to.all_.push_back(entry);
    if (!wrong) to.entries.push_back(std::move(entry));
  }
}

const lint_files::one &lint_files::operator[](std::string_view name) const {
  static const one none;
  const auto at = files_.find(name);
  return at == files_.end() ? none : at->second;
}

std::string lint_files::line(std::string_view name) const {
  std::string_view text = (*this)[name].text;
  return std::string(text_line(text));
}

bool lint_files::known(std::initializer_list<std::string_view> names) const {
  return std::all_of(names.begin(), names.end(), [&](auto name) { return (*this)[name].look != Look::failed; });
}
