// lint_users.cpp - users/assign, users/cdb and passwd, see lint.h.

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <unordered_map>

#include "lint.h"
#include "qmail/assign.h"
#include "qmail/text.h"

namespace {

constexpr const char *ASSIGN = "users/assign", *CDB = "users/cdb";

// qmail-getpw's GETPW_USERLEN: a name and its NUL.
constexpr size_t USERLEN = 32;

// A key as an administrator has it in users/assign.
std::string key_shown(std::string_view key) {
  const bool exact = key.ends_with('\0');
  return lint_quoted((exact ? "=" : "+") + std::string(key.substr(1, key.size() - 1 - exact)));
}

bool digits(std::string_view s) { return !s.empty() && s.find_first_not_of("0123456789") == s.npos; }

// Homes, each once for a user and group.
class home_list {
 public:
  void add(lint_home home, std::string_view dash) {
    const auto [at, fresh] = index_.try_emplace({home.uid, home.gid, home.path}, homes.size());
    if (fresh) homes.push_back(std::move(home));
    auto &dashes = homes[at->second].dashes;
    if (std::find(dashes.begin(), dashes.end(), dash) == dashes.end()) dashes.emplace_back(dash);
  }

  std::vector<lint_home> homes;

 private:
  std::map<std::tuple<uid_t, gid_t, std::string>, size_t> index_;
};

class users {
 public:
  users(lint_host &host, const lint_settings &settings, lint_report &report)
      : host_(host), settings_(settings), report_(report) {}

  std::vector<lint_home> all() {
    read_assign();
    if (read_cdb()) {
      if (assign_look_ == Look::found && assign_.faults.empty()) compare();
      records();
    }
    if (cdb_look_ != Look::failed && !records_.contains("!")) passwd();
    std::sort(homes_.homes.begin(), homes_.homes.end(), [](const lint_home &a, const lint_home &b) {
      return std::tie(a.gid, a.uid, a.path) < std::tie(b.gid, b.uid, b.path);
    });
    return std::move(homes_.homes);
  }

 private:
  // ---- users/assign by itself

  void read_assign() {
    const control_text file = host_.file(ASSIGN);
    assign_look_ = file.look;
    if (file.look == Look::failed) report_.unread({ASSIGN, 0}, file.error);
    if (file.look != Look::found) return;
    assign_ = assign_read(file.text);
    for (const assign_fault &f : assign_.faults)
      report_.add(lint_code::ASSIGN_FORMAT, {ASSIGN, f.line}, "is refused by qmail-newu, and with it the whole file",
                  std::string("this line ") + f.wrong);
    kinds(file.text);
    duplicates();
    for (const assign_record &r : assign_.records) capital(r, file.text);
  }

  void kinds(std::string_view text) {
    for (unsigned number = 1; !text.empty() && number != assign_.end; ++number) {
      const size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
      if (line.empty() || line.front() == '=' || line.front() == '+' || line.find(':') == line.npos ||
          line.front() == ':')
        continue;
      report_.add(lint_code::ASSIGN_KIND, {ASSIGN, number},
                  lint_quoted(line.substr(0, line.find(':'))) +
                      " begins with neither = nor +: qmail-newu takes its first letter off, and = for it",
                  "write = or + before it; there are no comments in this file");
    }
  }

  void duplicates() {
    for (const assign_record &r : assign_.records) {
      const auto [at, fresh] = first_.try_emplace(r.key, &r);
      if (!fresh)
        report_.add(lint_code::ASSIGN_DUPLICATE, {ASSIGN, r.line},
                    key_shown(r.key) + " does not count: line " + std::to_string(at->second->line) + " has it already",
                    "take one of them out");
    }
  }

  // qmail-lspawn looks for a prefix where the last byte of one may be, in lower case;
  // qmail-newu notes them as they are typed.
  void capital(const assign_record &r, std::string_view) {
    if (!r.wild() || r.key.size() < 2 || assign_.wild.find(r.key.back()) != assign_.wild.npos) return;
    report_.add(lint_code::ASSIGN_CAPITAL, {ASSIGN, r.line},
                key_shown(r.key) + " never matches: the last letter of a prefix must not be a capital one",
                "write it in lower case, then run qmail-newu");
  }

  // ---- users/cdb

  // Is there anything to be held against users/assign?
  bool read_cdb() {
    const cdb *db = nullptr;
    int error = 0;
    cdb_look_ = host_.looks().users_cdb(db, error);
    if (cdb_look_ == Look::absent && assign_look_ == Look::found && !assign_.records.empty())
      report_.add(lint_code::ASSIGN_NO_CDB, {CDB, 0}, std::string("is missing: nothing in ") + ASSIGN + " counts",
                  "run qmail-newu");
    if (cdb_look_ == Look::found && !take(*db, error)) cdb_look_ = Look::failed;
    if (cdb_look_ != Look::failed) return cdb_look_ == Look::found;
    if (error == CDB_DAMAGED || error == EISDIR)
      report_.add(lint_code::USERS_CDB_DAMAGED, {CDB, 0},
                  "cannot be used (" + lint_error(error) + "): qmail-lspawn defers mail for every address of this host",
                  "run qmail-newu");
    else
      report_.unread({CDB, 0}, error);
    return false;
  }

  // Every record, the first of those with one key. False: damaged, or could not be read.
  bool take(const cdb &db, int &error) {
    bool whole = true;
    const Look look = db.each(
        [&](std::string_view key, std::string_view data) {
          assign_fields fields;
          records_.try_emplace(std::string(key), data);
          return whole = key.empty() || assign_split(data, fields);
        },
        error);
    if (look == Look::failed) return false;
    std::string wild;
    int sound_error = 0;
    if (whole && db.find({}, wild, sound_error) == Look::found && db.sound({}, sound_error)) return true;
    error = sound_error && sound_error != CDB_DAMAGED ? sound_error : CDB_DAMAGED;
    return false;
  }

  void compare() {
    size_t missing = 0;
    const assign_record *first = nullptr;
    for (const assign_record &r : assign_.records) {
      if (first_.at(r.key) != &r) continue;
      const auto there = records_.find(r.key);
      if (there != records_.end() && there->second == r.data) continue;
      if (!missing++) first = &r;
    }
    const std::string *extra = nullptr;
    for (const auto &[key, data] : records_)
      if (!key.empty() && !first_.contains(key) && (!extra || key < *extra)) extra = &key;
    if (first)
      return differs({ASSIGN, first->line},
                     key_shown(first->key) + " stands in users/cdb otherwise, or not at all" +
                         (missing > 1 ? ", as do " + std::to_string(missing - 1) + " more" : ""));
    if (extra) return differs({CDB, 0}, std::string("has ") + key_shown(*extra) + ", which users/assign has not");
    if (records_[""] != assign_.wild) return differs({CDB, 0}, "has not the prefixes of users/assign");
    struct stat made, from;
    if (host_.status(CDB, made) == 0 && host_.status(ASSIGN, from) == 0 && lint_older(made, from))
      report_.add(lint_code::ASSIGN_OLDER, {CDB, 0}, "is older than users/assign, though they still say the same",
                  "run qmail-newu");
  }

  void differs(lint_place at, const std::string &what) {
    report_.add(lint_code::ASSIGN_DIFFERS, std::move(at), what + "; qmail-lspawn reads users/cdb only",
                "run qmail-newu");
  }

  // What qmail-lspawn does with each record.
  void records() {
    std::vector<const std::string *> keys;
    for (const auto &[key, data] : records_)
      if (!key.empty()) keys.push_back(&key);
    std::sort(keys.begin(), keys.end(), [](auto *a, auto *b) { return *a < *b; });
    for (const std::string *key : keys) record(*key, records_[*key]);
  }

  lint_place place_of(const std::string &key, const std::string &data) const {
    const auto line = first_.find(key);
    if (line == first_.end() || line->second->data != data) return {CDB, 0};
    return {ASSIGN, line->second->line};
  }

  void record(const std::string &key, const std::string &data) {
    assign_fields f;
    unsigned long uid = 0, gid = 0;
    assign_split(data, f);
    const lint_place at = place_of(key, data);
    if (!digits(f.uid) || !digits(f.gid))
      return report_.add(lint_code::USER_NUMBER, at,
                         key_shown(key) + ": " + lint_quoted(digits(f.uid) ? f.gid : f.uid) +
                             " is not a number, and counts as the digits that it begins with, or as 0",
                         "write the user's and the group's number, then run qmail-newu");
    control_scan(f.uid, uid);
    control_scan(f.gid, gid);
    if (static_cast<uid_t>(uid) == 0)
      return report_.add(lint_code::USER_ROOT, at, key_shown(key) + " has uid 0: qmail defers all of its mail",
                         "name another user, then run qmail-newu");
    if (!f.home.starts_with('/'))
      return report_.add(lint_code::HOME_RELATIVE, at,
                         key_shown(key) + ": the home " + lint_quoted(f.home) +
                             " does not begin with a slash: qmail "
                             "bounces all of its mail",
                         "write the full path, then run qmail-newu");
    homes_.add({static_cast<uid_t>(uid), static_cast<gid_t>(gid), std::string(f.home), std::string(f.user), at, {}},
               f.dash);
  }

  // ---- passwd

  void passwd() {
    site_passwd who;
    int error = 0;
    if (!there(settings_.qmailp, lint_code::QMAILP_MISSING,
               "qmail-getpw cannot look at homes: mail for users is deferred"))
      return;
    if (there(settings_.judged.alias, lint_code::ALIAS_MISSING, "mail for addresses that no user has is deferred") &&
        host_.looks().passwd(settings_.judged.alias, who, error) == Look::found && who.uid != 0)
      homes_.add({who.uid, who.gid, who.home, who.name, {"passwd:" + who.name, 0}, {}}, "-");
    if ((error = host_.each_user([&](const site_passwd &entry) { sort_in(entry); })))
      report_.unread({"passwd", 0}, error);
    for (const site_passwd &entry : passed_over_) passed_over(entry);
  }

  bool there(const std::string &name, lint_code code, const char *effect) {
    site_passwd who;
    int error = 0;
    const Look look = host_.looks().passwd(name, who, error);
    if (look == Look::failed) report_.unread({"passwd:" + name, 0}, error, "cannot be looked up");
    if (look == Look::absent)
      report_.add(code, {"passwd", 0}, "has no user " + name + ": " + effect,
                  "make the user, as qmail's installation does");
    return look == Look::found;
  }

  // qmail-getpw's userext(). What is in the homes of those whom it passes over tells
  // whether mail is meant to get there.
  void sort_in(const site_passwd &entry) {
    if (entry.uid == 0 || entry.name == settings_.judged.alias || from_cdb(entry.name)) return;
    if (entry.name != text_lower(entry.name) || entry.name.size() >= USERLEN) return passed_over_.push_back(entry);
    uid_t owner = 0;
    int error = 0;
    const Look look = host_.looks().home_owner(entry, owner, error);
    if (look == Look::failed)
      return report_.unread({entry.home, 0}, error, "cannot be looked at, the home of " + entry.name);
    if (look == Look::absent) return;
    if (owner != entry.uid) return passed_over_.push_back(entry);
    const lint_home home{entry.uid, entry.gid, entry.home, entry.name, {"passwd:" + entry.name, 0}, {}};
    homes_.add(home, "");
    homes_.add(home, "-");
  }

  // Does users/cdb have the name, so that passwd is not asked?
  bool from_cdb(const std::string &name) {
    if (records_.empty()) return false;
    const std::string key = "!" + text_lower(name);
    if (records_.contains(key + '\0')) return true;
    const std::string &wild = records_[""];
    for (size_t len = key.size(); len > 1; --len)
      if (wild.find(key[len - 1]) != wild.npos && records_.contains(key.substr(0, len))) return true;
    return false;
  }

  bool expects_mail(const site_passwd &entry) {
    int error = 0;
    if (!entry.home.starts_with('/')) return false;
    const auto visit = host_.looks().become(entry.uid, entry.gid, error);
    bool expects = false;
    if (!visit || visit->enter(entry.home) != 0) return false;
    visit->names(entry.home, [&](const std::string &name) {
      expects = expects || name == ".qmail" || name.starts_with(".qmail-") || name == "Maildir";
      return !expects;
    });
    return expects;
  }

  void passed_over(const site_passwd &entry) {
    if (!expects_mail(entry)) return;
    const lint_place at{"passwd:" + entry.name, 0};
    const std::string home = entry.home + " has a Maildir or a dot-qmail file, but qmail never delivers there: ";
    if (entry.name != text_lower(entry.name))
      report_.add(lint_code::USER_CAPITAL, at, home + "qmail-getpw looks for names in lower case",
                  "name the user in users/assign, or rename it");
    else if (entry.name.size() >= USERLEN)
      report_.add(lint_code::USER_LONG, at,
                  home + "the user's name is longer than " + std::to_string(USERLEN - 1) + " bytes",
                  "name the user in users/assign, or rename it");
    else
      report_.add(lint_code::USER_PASSED_OVER, at, home + "the home does not belong to the user",
                  "chown it, or take out what is there");
  }

  lint_host &host_;
  const lint_settings &settings_;
  lint_report &report_;
  Look assign_look_ = Look::absent, cdb_look_ = Look::absent;
  assign_table assign_;
  std::unordered_map<std::string_view, const assign_record *> first_;  // of each key in users/assign, that which counts
  std::unordered_map<std::string, std::string> records_;               // of users/cdb
  std::vector<site_passwd> passed_over_;
  home_list homes_;
};

}  // namespace

std::vector<lint_home> lint_users(lint_host &host, const lint_settings &settings, lint_report &report) {
  return users(host, settings, report).all();
}
