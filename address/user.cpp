// user.cpp - see user.h.

#include "user.h"

#include <cerrno>
#include <optional>

#include "qmail/text.h"

namespace {

// qmail-getpw's GETPW_USERLEN: a name and its NUL.
constexpr size_t USERLEN = 32;

user_result trouble(qv_reason reason, int error, std::string about) {
  user_result r;
  r.reason = reason;
  r.error = error;
  r.about = std::move(about);
  return r;
}

// scan_ulong, then into an int: 4294967296 is 0, text is 0, -1 is 0.
unsigned scan_id(std::string_view field) {
  unsigned long n;
  control_scan(field, n);
  return static_cast<unsigned>(n);
}

// spawn(): the six fields of a users/cdb record, the rest of the address behind
// them. The rest is appended before the fields are counted, as qmail-lspawn does.
bool parse_record(const std::string &record, std::string_view rest, controlling_user &user) {
  std::string data = record;
  data += rest;
  data += '\0';
  std::string_view left = data, name, uid, gid, home, dash, ext;
  if (!text_field(left, name) || !text_field(left, uid) || !text_field(left, gid) || !text_field(left, home) ||
      !text_field(left, dash) || !text_field(left, ext))
    return false;
  user.name = name;
  user.uid = scan_id(uid);
  user.gid = scan_id(gid);
  user.home = home;
  user.dash = dash;
  user.ext = ext;
  return true;
}

// nughde_get(), the cdb half. nullopt: there is no users/cdb, or nothing in it
// matches.
std::optional<user_result> from_cdb(site &host, std::string_view local) {
  auto broken = [](int error) { return trouble(QV_REASON_CDB_TROUBLE, error, "users/cdb"); };
  const cdb *db = nullptr;
  int error = 0;
  if (Look look = host.users_cdb(db, error); look != Look::found)
    return look == Look::absent ? std::nullopt : std::optional(broken(error));

  std::string wild;
  if (Look look = db->find({}, wild, error); look != Look::found) return broken(look == Look::absent ? CDB_DAMAGED : error);

  std::string key = "!" + text_lower(local);
  key += '\0';
  cdb_hash hash(key);
  for (size_t len = key.size(); len > 0; hash.drop(key[--len])) {
    const bool exact = len == key.size();
    if (!exact && len > 1 && wild.find(key[len - 1]) == wild.npos) continue;
    std::string record;
    Look look = db->find(std::string_view(key).substr(0, len), hash, record, error);
    if (look == Look::failed) return broken(error);
    if (look == Look::absent) continue;
    user_result r;
    if (!parse_record(record, exact ? std::string_view() : local.substr(len - 1), r.user)) return broken(CDB_DAMAGED);
    r.user.key = key.substr(0, len);
    return r;
  }
  return std::nullopt;
}

// userext(): the longest user name that stands before the end or a break
// character, and is not passed over.
user_result from_passwd(site &host, const address_settings &settings, std::string_view local) {
  user_result r;
  site_passwd entry;
  int error = 0;
  for (size_t len = local.size() + 1; len-- > 0;) {
    if (len >= USERLEN || (len < local.size() && local[len] != settings.break_char)) continue;
    const std::string name = text_lower(local.substr(0, len));
    Look look = host.passwd(name, entry, error);
    if (look == Look::failed) return trouble(QV_REASON_PASSWD_TROUBLE, error, name);
    if (look == Look::absent || entry.uid == 0) continue;
    uid_t owner = 0;
    look = host.home_owner(entry, owner, error);
    if (look == Look::failed) return trouble(QV_REASON_HOME_STAT_TROUBLE, error, entry.home);
    if (look == Look::absent || owner != entry.uid) continue;
    const bool extended = len < local.size();
    r.user = {entry.name, entry.uid, entry.gid, entry.home, extended ? "-" : "",
              std::string(extended ? local.substr(len + 1) : std::string_view()), {}};
    return r;
  }
  Look look = host.passwd(settings.alias, entry, error);
  if (look == Look::failed) return trouble(QV_REASON_PASSWD_TROUBLE, error, settings.alias);
  if (look == Look::absent) return trouble(QV_REASON_NO_ALIAS_USER, 0, settings.alias);
  r.user = {entry.name, entry.uid, entry.gid, entry.home, "-", std::string(local), {}};
  return r;
}

}  // namespace

user_result user_find(site &host, const address_settings &settings, std::string_view local) {
  if (auto r = from_cdb(host, local)) return *r;
  return from_passwd(host, settings, local);
}
