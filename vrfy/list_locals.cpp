// list_locals.cpp - see list.h: the local parts that might be accepted, by what qmail-lspawn
// (users/cdb), qmail-getpw (passwd, the alias user) and qmail-local (dot-qmail files) look
// at. Homes are entered as their users only.

#include <algorithm>
#include <cstring>

#include "conf.h"
#include "list.h"
#include "qmail/text.h"

namespace {

// qmail-getpw's GETPW_USERLEN: a name and its NUL.
constexpr size_t USERLEN = 32;

// So many dots in a name are each tried as a colon.
constexpr unsigned COLONS_MAX = 8;

// Directories in directories.
constexpr int DEPTH_MAX = 8;

// Adds before, then tail, in which a colon of a file's name stands for a dot or a colon of
// an address, then end.
void add_spellings(const std::string &before, std::string_view tail, const char *end, list_names &to) {
  const bool pattern = *end != '\0';
  const auto colons = static_cast<unsigned>(std::count(tail.begin(), tail.end(), ':'));
  const unsigned all = colons > COLONS_MAX ? 1 : 1u << colons;
  for (unsigned spelling = 0; spelling < all; ++spelling) {
    std::string name = before;
    unsigned seen = 0;
    for (char c : tail) name += c == ':' && !(spelling >> seen++ & 1) ? '.' : c;
    to.add(name + end, pattern);
  }
  if (colons > COLONS_MAX) to.add(before + std::string(tail) + end, pattern);
}

std::string safe(std::string_view ext) {
  std::string out = text_lower(ext);
  std::replace(out.begin(), out.end(), '.', ':');
  return out;
}



class gathering {
 public:
  gathering(lint_host &host, const address_settings &settings, list_names &to, list_trouble &trouble)
      : host_(host), settings_(settings), to_(to), trouble_(trouble) {}

  // True where what is not in it goes on to passwd.
  bool users_cdb(const std::function<void(std::string_view key)> &wildcard) {
    const cdb *db = nullptr;
    int error = 0;
    bool everything = false;
    Look look = host_.looks().users_cdb(db, error);
    if (look == Look::absent) return true;
    if (look == Look::found)
      look = db->each(
          [&](std::string_view key, std::string_view data) {
            if (!key.starts_with('!')) return true;
            key.remove_prefix(1);
            everything = everything || key.empty();
            if (key.ends_with('\0')) {
              to_.add(text_lower(key.substr(0, key.size() - 1)), false);
            } else {
              wildcard(key);
              assigned(text_lower(key), data);
            }
            return true;
          },
          error);
    if (look == Look::failed) trouble_.add("users/cdb", "cannot be read: " + lint_error(error));
    return !everything;
  }

  void passwd() {
    sources();
    const int error = host_.each_user([&](const site_passwd &entry) { user(entry); });
    if (error) trouble_.add("passwd", std::string("cannot be listed: ") + strerror(error));
    site_passwd alias;
    int failed = 0;
    if (host_.looks().passwd(settings_.alias, alias, failed) == Look::found)
      home(alias.uid, alias.gid, alias.home, "-", "", "");
  }

 private:
  void assigned(const std::string &before, std::string_view data) {
    to_.add(before + "*", true);
    controlling_user user;
    if (user_record(data, "", user)) home(user.uid, user.gid, user.home, user.dash, user.ext, before);
  }

  // Users whom getpwent does not give might be lost.
  void sources() {
    const control_text conf = host_.file("/etc/nsswitch.conf");
    if (conf.look == Look::failed)
      trouble_.add("/etc/nsswitch.conf", std::string("cannot be read: ") + strerror(conf.error));
    if (const std::string unlisted = list_unlisted_sources(conf.text); !unlisted.empty())
      trouble_.add("passwd",
                   "/etc/nsswitch.conf has it from " + vrfy_safe_sentence(unlisted) +
                       ", too, which need not give the list of its users: put them into users/assign, where they "
                       "can be listed; or where all of them are listed (getent passwd), give --partial");
  }

  void user(const site_passwd &entry) {
    if (entry.uid == 0 || entry.name.size() >= USERLEN || text_lower(entry.name) != entry.name) return;
    uid_t owner = 0;
    int error = 0;
    const Look look = host_.looks().home_owner(entry, owner, error);
    if (look == Look::absent) return missing(entry);
    if (look == Look::found && owner != entry.uid) return;
    const std::string before = entry.name + settings_.break_char;
    to_.add(entry.name, false);
    to_.add(before + "*", true);
    if (look == Look::found) home(entry.uid, entry.gid, entry.home, "-", "", before);
  }

  // qmail-getpw passes over such a user, and mail for him bounces. Where all homes are gone,
  // that is not meant.
  void missing(const site_passwd &entry) {
    const std::string parent = entry.home.substr(0, entry.home.rfind('/'));
    if (parent.empty() || parent.front() != '/') return;
    auto known = empty_.find(parent);
    if (known == empty_.end()) known = empty_.emplace(parent, is_empty(parent)).first;
    if (known->second)
      trouble_.add(vrfy_safe(entry.home), "the home of a user in passwd is not there, and nothing is beside it: is "
                                          "its file system mounted?");
  }

  bool is_empty(const std::string &dir) {
    bool any = false;
    int error = 0;
    site_passwd qmailp;
    if (host_.looks().passwd(CONF_QMAILP, qmailp, error) != Look::found) return false;
    const auto visit = host_.looks().become(qmailp.uid, qmailp.gid, error);
    return visit && visit->names(dir, [&](const std::string &) { return !(any = true); }) == 0 && !any;
  }

  // A home that cannot be entered is what a verdict tells of.
  void home(uid_t uid, gid_t gid, const std::string &path, const std::string &dash, const std::string &pre,
            const std::string &before) {
    int error = 0;
    if (path.empty() || path.front() != '/') return;
    const auto visit = host_.looks().become(uid, gid, error);
    if (!visit || visit->enter(path) != 0) return;
    files(*visit, path, "", [&](const std::string &name) { list_dotqmail(name, dash, pre, before, to_); });
  }

  // The names below path that qmail-local may open: those that begin with .qmail, and what
  // is in directories of such a name, as a / of an address is one of the file's, too.
  template <class Each>
  void files(site_visit &visit, const std::string &path, const std::string &below, const Each &each, int depth = 0) {
    std::vector<std::string> names;
    const int error = visit.names(path, [&](const std::string &name) {
      if (depth > 0 || name.starts_with(".qmail")) names.push_back(below + name);
      return true;
    });
    if (error && (depth == 0 || !site_absent(error)))
      trouble_.add(vrfy_safe(path), std::string("what is in this directory cannot be listed: ") + strerror(error) +
                                        "; its user needs the right to read it");
    for (const std::string &name : names) {
      each(name);
      if (depth < DEPTH_MAX) files(visit, path + "/" + name.substr(below.size()), name + "/", each, depth + 1);
    }
  }

  lint_host &host_;
  const address_settings &settings_;
  list_names &to_;
  list_trouble &trouble_;
  std::map<std::string, bool> empty_;  // directories
};

}  // namespace

void list_dotqmail(std::string_view file, std::string_view dash, std::string_view pre, const std::string &before,
                   list_names &to) {
  constexpr std::string_view DEFAULT = "default";
  if (!file.starts_with(".qmail")) return;
  file.remove_prefix(6);
  if (!file.starts_with(dash)) return;
  file.remove_prefix(dash.size());
  if (safe(file) != file) return;  // never looked for
  const std::string first = safe(pre);
  if (file.starts_with(first)) add_spellings(before, file.substr(first.size()), "", to);
  if (!file.ends_with(DEFAULT)) return;
  file.remove_suffix(DEFAULT.size());
  if (!file.empty() && !file.ends_with('-')) return;
  if (file.starts_with(first))
    add_spellings(before, file.substr(first.size()), "*", to);
  else if (first.starts_with(file))
    to.add(before + "*", true);
}

// "files", "compat" and what systemd makes up can be listed; in brackets stands what is done
// with an answer.
std::string list_unlisted_sources(std::string_view nsswitch) {
  std::string out;
  while (!nsswitch.empty()) {
    std::string_view line = text_line(nsswitch);
    const size_t begin = line.find_first_not_of(" \t");
    line.remove_prefix(std::min(begin, line.size()));
    if (!line.starts_with("passwd:") && !line.starts_with("passwd_compat:")) continue;
    line.remove_prefix(line.find(':') + 1);
    while (!line.empty()) {
      const size_t end = std::min(line.find_first_of(" \t["), line.size());
      const std::string_view word = line.substr(0, end);
      if (!word.empty() && word != "files" && word != "compat" && word != "systemd" && word != "db")
        out.append(out.empty() ? "" : ", ").append(word);
      const bool bracket = end < line.size() && line[end] == '[';
      line.remove_prefix(bracket ? std::min(line.find(']'), line.size() - 1) + 1 : std::min(end + 1, line.size()));
    }
  }
  return out;
}

void list_locals(lint_host &host, const address_settings &settings, list_names &to, list_trouble &trouble,
                 const std::function<void(std::string_view key)> &wildcard) {
  gathering all(host, settings, to, trouble);
  if (all.users_cdb(wildcard)) all.passwd();
  host.rest();
}
