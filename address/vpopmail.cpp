// vpopmail.cpp - see vpopmail.h. Follows vdelivermail.c: main(), get_arguments(),
// checkuser() and usernotfound(); vpopmail.c: vget_assign(), lowerit() and the two
// tests of names; vcdb.c: vauth_getpw() and make_vpasswd_cdb().

#include "vpopmail.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "qmail/cdb.h"
#include "qmail/text.h"

namespace {

// The sizes of vpopmail's buffers, as far as they decide.
constexpr size_t NAME_SIZE = 156;       // what lowerit() leaves of a name
constexpr size_t DIRECTORY_SIZE = 155;  // of a domain's directory
constexpr size_t DOMAIN_SIZE = 96;      // of the domain that a record in users/cdb names
constexpr size_t LINE_SIZE = 511;       // of a line of vpasswd, its newline included
constexpr size_t RECORD_SIZE = 2048;    // of a name, a record and two bytes more

constexpr int BOUNCE_MAIL = 0x10;

// What one look may cost: the file belongs to a user. A database takes some ten
// reads, and 16 MiB of vpasswd are more than 100,000 users.
constexpr uint64_t READS_MAX = 4096;
constexpr size_t TEXT_MAX = size_t{16} << 20;

// ---- names

std::string short_name(std::string_view name) { return text_lower(name.substr(0, NAME_SIZE)); }

bool only(std::string_view name, std::string_view also) {
  for (char c : name)
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && also.find(c) == also.npos) return false;
  return true;
}

bool user_valid(std::string_view name) { return only(name, "!#$&'*+-./=?^_`{|}~"); }
bool domain_valid(std::string_view name) { return only(name, "-."); }

// atoi(): what does not fit is the largest long there is, then cut to an int.
int number(std::string_view text) { return static_cast<int>(strtol(std::string(text).c_str(), nullptr, 10)); }

// ---- the mail domain

// What users/cdb says of a mail domain.
struct assigned {
  Look look = Look::absent;  // absent also where vdelivermail would not look into its directory
  int error = 0;
  bool certain = true;       // false: vdelivermail would go on to other records
  std::string directory;
};

assigned assigned_to(const delivery &d, std::string_view domain, uid_t uid, std::string_view directory) {
  assigned a;
  if (uid != d.user.uid) return a;
  a.look = Look::found;
  a.certain = !domain.empty() && domain == text_lower(domain.substr(0, DOMAIN_SIZE));
  a.directory = directory.substr(0, DIRECTORY_SIZE);
  return a;
}

// vget_assign(). The record by which the mail came here is nearly always the one
// that is looked for, and then known already.
assigned assign(const delivery &d, const std::string &host) {
  if (host.empty()) return {};
  const std::string key = "!" + host + "-";
  if (d.user.key == key) return assigned_to(d, d.user.name, d.user.uid, d.user.home);

  assigned a;
  const cdb *db = nullptr;
  std::string record;
  a.look = d.host.users_cdb(db, a.error);
  if (a.look == Look::found) a.look = db->find(key, record, a.error);
  if (a.look != Look::found) return a;
  std::string_view rest = record, domain, uid, gid, directory;
  if (text_field(rest, domain) && text_field(rest, uid) && text_field(rest, gid) && text_field(rest, directory))
    return assigned_to(d, domain, static_cast<uid_t>(number(uid)), directory);
  a.look = Look::failed;
  a.error = CDB_DAMAGED;
  return a;
}

// ---- its users

// What comes of a look for one user: VPOPMAIL_USER and its record, VPOPMAIL_NO_USER,
// or why neither can be said.
struct user_look {
  outcome says;
  std::string record;
  bool rebuilt = false;  // from vpasswd: vdelivermail finds it only if it may write vpasswd.cdb
  bool certain = true;   // rebuilt: each line is one that vdelivermail reads as it stands
};

user_look user_trouble(const delivery &d, const std::string &path, int error) {
  d.tell(trace_step::vpopmail_failed, path, {}, error);
  return {outcome_of(QV_REASON_VPOPMAIL_TROUBLE, path, error), {}};
}

user_look in_database(const delivery &d, cdb &db, const std::string &path, const std::string &name) {
  user_look u;
  db.bound(READS_MAX);
  int error = 0;
  Look look = db.find(name, u.record, error);
  if (look == Look::absent && !db.sound(name, error)) look = Look::failed;
  if (look == Look::failed) return user_trouble(d, path, error);
  d.tell(look == Look::found ? trace_step::vpopmail_user : trace_step::vpopmail_no_user, path, name);
  u.says = outcome_of(look == Look::found ? QV_REASON_VPOPMAIL_USER : QV_REASON_VPOPMAIL_NO_USER, path);
  return u;
}

// vpasswd, line by line, as make_vpasswd_cdb() makes records of it. That leaves out
// a last line without newline, and runs out of its buffer where a line has no colon
// or is too long: there nobody knows what comes of it.
class vpasswd_text {
 public:
  explicit vpasswd_text(const std::string &name) : name_(name) {}

  // 0, or errno.
  int read(int fd) {
    size_t size = 0;
    return fd_slurp(fd, text_, [&](std::string_view piece) {
      lines();
      size += piece.size();
      too_large = size > TEXT_MAX;
      return too_large;
    });
  }

  bool found = false;
  bool certain = true;
  bool too_large = false;
  std::string record;

 private:
  void lines() {
    size_t begin = 0;
    for (size_t end; (end = text_.find('\n', begin)) != text_.npos; begin = end + 1)
      line(std::string_view(text_).substr(begin, end - begin));
    text_.erase(0, begin);
    if (text_.size() < LINE_SIZE) return;
    certain = false;
    text_.clear();
  }

  void line(std::string_view text) {
    const size_t colon = text.find(':');
    if (colon == text.npos || text.size() >= LINE_SIZE) {
      certain = false;
      return;
    }
    const std::string_view key = text.substr(0, colon);
    if (found || key.substr(0, key.find('\0')) != name_) return;
    found = true;
    record = text.substr(colon + 1);
  }

  const std::string &name_;
  std::string text_;
};

user_look in_text(const delivery &d, unique_fd fd, const std::string &path, const std::string &name) {
  vpasswd_text text(name);
  if (const int error = text.read(fd.get())) return user_trouble(d, path, error);
  user_look u;
  u.rebuilt = true;
  if (text.too_large) {
    u.says = outcome_of(QV_REASON_PROGRAM, path);
    u.says.advice = "there is no vpasswd.cdb beside " + path +
                    ", which is too large to be read for each question: its users are accepted without looking; make "
                    "the database (vmkpasswd)";
    return u;
  }
  d.tell(text.found ? trace_step::vpopmail_user : trace_step::vpopmail_no_user, path, name);
  u.certain = text.certain;
  u.record = std::move(text.record);
  if (text.found)
    u.says = outcome_of(QV_REASON_VPOPMAIL_USER, path);
  else
    u.says = outcome_of(text.certain ? QV_REASON_VPOPMAIL_NO_USER : QV_REASON_PROGRAM, path);
  return u;
}

outcome elsewhere(const delivery &d, const std::string &about, const std::string &why, const std::string &what_to_do) {
  d.tell(trace_step::vpopmail_elsewhere, about, {}, 0, why);
  outcome o = outcome_of(QV_REASON_VPOPMAIL_ELSEWHERE, about);
  o.advice = why + ": " + what_to_do;
  return o;
}

// Does vdelivermail make vpasswd.cdb anew where it cannot be opened for this reason?
// It does so for any; but a look that failed for want of something is no answer.
bool made_anew(int error) { return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP; }

bool not_there(int error) { return error == ENOENT || error == ENOTDIR; }

// vauth_getpw(), once the domain is known.
user_look find(const delivery &d, const std::string &directory, const std::string &name) {
  const std::string database = directory + "/vpasswd.cdb", text = directory + "/vpasswd";
  cdb *db = nullptr;
  // the home has been entered: a shorter way, and the one that nearly all mail goes
  const int error = d.visit.open_cdb(directory == d.user.home ? "vpasswd.cdb" : database, db);
  if (error == 0) return in_database(d, *db, database, name);
  if (!made_anew(error)) return user_trouble(d, database, error);
  unique_fd fd;
  const int text_error = d.visit.open_data(text, fd);
  if (text_error == 0) return in_text(d, std::move(fd), text, name);
  if (!not_there(text_error)) return user_trouble(d, text, text_error);
  if (!not_there(error)) return user_trouble(d, database, error);
  return {elsewhere(d, directory, "there is neither vpasswd.cdb nor vpasswd in " + directory,
                    "its users are lost (restore the files), or vpopmail keeps them in SQL (vconvert puts them into "
                    "files); until then every address is accepted"),
          {}};
}

// ---- what is done with the mail

outcome with_about(outcome says, std::string about) {
  says.about = std::move(about);
  return says;
}

bool bounces_unknown(const shell_word &action) { return action.is("bounce-no-mailbox"); }

// Is it a word that vdelivermail has no meaning for, and perhaps meant to be one?
bool is_odd_word(const std::string &action) {
  return action.find('@') == action.npos && !action.starts_with('/') && !action.starts_with("./");
}

// usernotfound(). about: where the user is not.
outcome no_user(const delivery &d, const shell_word &action, const std::string &about) {
  d.tell(trace_step::vpopmail_action, d.found.name, action.text);
  if (!action.certain) return outcome_of(QV_REASON_PROGRAM);
  if (bounces_unknown(action)) return outcome_of(QV_REASON_VPOPMAIL_NO_USER, about);
  if (action.is("delete") && d.policy.refuse_delete) return outcome_of(QV_REASON_POLICY_DELETE);
  if (action.is("delete") || action.text.starts_with('#')) return outcome_pass(QV_REASON_VPOPMAIL_DELETE, false);
  if (action.text.starts_with('|')) return outcome_of(QV_REASON_PROGRAM);
  outcome o = outcome_pass(QV_REASON_VPOPMAIL_CATCHALL, true);
  if (is_odd_word(action.text))
    o.advice = d.file_path() + ": there is no action \"" + action.text +
               "\" for vdelivermail, which takes it for an address: write bounce-no-mailbox or delete, or a whole "
               "address";
  return o;
}

// May vdelivermail make vpasswd.cdb anew?
bool may_rebuild(site_visit &visit, const std::string &directory) {
  const std::string lock = directory + "/.vpasswd.lock";
  return visit.writable(directory) && (!visit.present(lock) || visit.writable(lock));
}

// Does the user's directory have a dot-qmail file that vdelivermail follows? rest:
// what stands behind the user's name and its dash, with qmail-ext; nullopt without.
// A slash in it leads nowhere.
bool has_own_file(const delivery &d, std::string_view directory, std::optional<std::string_view> rest) {
  site_visit &visit = d.visit;
  const std::string home = d.user.home + "/";
  if (directory.starts_with(home)) directory.remove_prefix(home.size());  // a shorter way there
  const std::string stem = std::string(directory) + "/.qmail";
  unique_fd fd;
  if (rest && rest->find('/') == rest->npos) {
    std::string safe(*rest);
    std::replace(safe.begin(), safe.end(), '.', ':');
    if (visit.open_data(stem + "-" + safe, fd) == 0) return true;
    for (size_t i = safe.size() + 1; i-- > 0;)
      if ((i == 0 || safe[i - 1] == '-') && visit.open_data(stem + "-" + safe.substr(0, i) + "default", fd) == 0)
        return true;
  }
  return visit.open_data(stem, fd) == 0;
}

// checkuser()
outcome user(const delivery &d, const assigned &to, const user_look &u, const std::string &name,
             std::optional<std::string_view> rest, const shell_word &action) {
  if (name.size() + u.record.size() + 2 > RECORD_SIZE) return outcome_of(QV_REASON_PROGRAM);
  const vpopmail_record record = vpopmail_parse(u.record);
  if (!record.complete) return outcome_of(QV_REASON_PROGRAM_DEFERS);
  if (record.bounces) {
    d.tell(trace_step::vpopmail_bounce_flag, u.says.about, name);
    // of a user that vdelivermail perhaps does not find the line may dispose otherwise
    const bool surely =
        !u.rebuilt || (u.certain && (bounces_unknown(action) || may_rebuild(d.visit, to.directory)));
    return outcome_of(surely ? QV_REASON_VPOPMAIL_BOUNCE_FLAG : QV_REASON_PROGRAM);
  }
  if (record.directory.empty()) return outcome_of(QV_REASON_PROGRAM);
  if (has_own_file(d, record.directory, rest)) {
    d.tell(trace_step::vpopmail_own_file, u.says.about, name);
    return outcome_of(QV_REASON_VPOPMAIL_OWN);
  }
  return outcome_pass(QV_REASON_VPOPMAIL_USER, true);
}

// The step of the mail domain's own record, for who listens; the key as users/assign has it.
void tell_domain(const delivery &d, const assigned &to, const std::string &host) {
  if (!d.told) return;
  d.told->step(to.look == Look::found    ? trace_step::vpopmail_domain
               : to.look == Look::absent ? trace_step::vpopmail_no_domain
                                         : trace_step::vpopmail_failed,
               {.file = "users/cdb", .name = "+" + host + "-", .error = to.error, .detail = to.directory});
}

// vdelivermail behind its tests of names.
outcome by_users(const delivery &d, const std::string &full, const std::string &host, const shell_word &action) {
  const assigned to = assign(d, host);
  tell_domain(d, to, host);
  if (to.look == Look::failed) return outcome_of(QV_REASON_VPOPMAIL_TROUBLE, "users/cdb", to.error);
  if (to.look == Look::absent) return no_user(d, action, "users/cdb");
  if (!to.certain) return outcome_of(QV_REASON_PROGRAM);

  std::string name = full;
  std::optional<std::string_view> rest;
  user_look u = find(d, to.directory, name);
  const size_t dash = name.find('-');
  if (d.policy.ext && u.says.reason == QV_REASON_VPOPMAIL_NO_USER && dash != name.npos) {
    name.erase(dash);
    rest = std::string_view(full).substr(dash + 1);
    u = find(d, to.directory, name);
  }
  if (u.says.reason == QV_REASON_VPOPMAIL_USER)
    return with_about(user(d, to, u, name, rest, action), u.says.about);
  if (u.says.reason == QV_REASON_VPOPMAIL_NO_USER) return no_user(d, action, u.says.about);
  return std::move(u.says);
}

// What stands before part in a path, without its end; nothing where it does not.
std::string before(const std::string &path, std::string_view part) {
  const size_t at = path.rfind(part);
  return at == path.npos ? std::string() : path.substr(0, at);
}

// A vpopmail built for a database server has its settings in its home, and does not
// look at files with users, which may be left from before: they must not refuse
// anyone.
outcome unless_in_sql(const delivery &d, const shell_word &program, outcome says) {
  if (says.verdict() != QV_INVALID && says.reason != QV_REASON_VPOPMAIL_TROUBLE) return says;
  const std::string by_program = before(program.text, "/bin/"), by_domain = before(d.user.home, "/domains/");
  for (const std::string &home : {by_program, by_domain == by_program ? std::string() : by_domain})
    for (const char *name : {"/etc/vpopmail.mysql", "/etc/vpopmail.pgsql", "/etc/vpopmail.ldap"})
      if (const std::string settings = home.empty() ? home : home + name; !home.empty() && d.visit.present(settings))
        return elsewhere(d, settings, "there is " + settings,
                         "vpopmail probably keeps its users in SQL, so every address is accepted; if it does not, "
                         "remove this file");
  return says;
}

}  // namespace

outcome vpopmail_read(const delivery &d, const shell_command &command) {
  if (command.words.size() != 3) return outcome_of(QV_REASON_PROGRAM_DEFERS);
  const std::string name = short_name(d.user.ext), host = short_name(d.domain);
  if (!user_valid(name) || !domain_valid(host)) {
    if (d.told) d.told->step(trace_step::vpopmail_bad_name, {.name = name + "@" + host});
    return outcome_of(QV_REASON_VPOPMAIL_BAD_NAME);
  }
  return unless_in_sql(d, command.words[0], by_users(d, name, host, command.words[2]));
}

vpopmail_record vpopmail_parse(std::string_view data) {
  data = data.substr(0, data.find('\0'));
  std::string_view fields[5];  // crypt, uid, gid, gecos, dir
  size_t count = 0;
  for (bool more = true; more && count < 5; ++count) {
    const size_t colon = data.find(':');
    more = colon != data.npos;
    fields[count] = data.substr(0, colon);
    if (more) data.remove_prefix(colon + 1);
  }
  vpopmail_record record;
  record.complete = count >= 3;
  record.bounces = record.complete && (number(fields[2]) & BOUNCE_MAIL) != 0;
  record.directory = fields[4];
  return record;
}
