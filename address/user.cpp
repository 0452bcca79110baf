// user.cpp - see user.h.

#include "user.h"

#include <cerrno>
#include <optional>

#include "qmail/text.h"

namespace {

// ---- steps, for who listens

std::string description(const controlling_user &u) {
  return trace_ids(u.uid, u.gid) + ", home " + u.home + ", dash \"" + u.dash + "\", extension \"" + u.ext + "\"";
}

// The key as users/assign has it.
void tell_key(trace &to, std::string_view key, const controlling_user &user) {
  const bool exact = key.ends_with('\0');
  std::string name(key);
  name.front() = exact ? '=' : '+';
  if (exact) name.pop_back();
  const std::string says = "user " + user.name + ", " + description(user);
  to.step(exact ? trace_step::users_exact : trace_step::users_wildcard,
          {.file = "users/cdb", .name = name, .detail = says});
}

// ---- users/cdb

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

// nughde_get(), the cdb half. nullopt: there is no users/cdb, or nothing in it
// matches.
std::optional<user_result> from_cdb(site &host, std::string_view local, trace *told) {
  auto broken = [told](int error) {
    if (told) told->step(trace_step::users_failed, {.file = "users/cdb", .error = error});
    return trouble(QV_REASON_CDB_TROUBLE, error, "users/cdb");
  };
  const cdb *db = nullptr;
  int error = 0;
  if (Look look = host.users_cdb(db, error); look != Look::found) {
    if (look == Look::failed) return broken(error);
    if (told) told->step(trace_step::users_absent, {.file = "users/cdb"});
    return std::nullopt;
  }

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
    if (!user_record(record, exact ? std::string_view() : local.substr(len - 1), r.user)) return broken(CDB_DAMAGED);
    r.user.key = key.substr(0, len);
    if (told) tell_key(*told, r.user.key, r.user);
    return r;
  }
  if (told) told->step(trace_step::users_no_key, {.file = "users/cdb", .name = local});
  return std::nullopt;
}

// ---- passwd

// Has the user the home that qmail-getpw wants to see? absent: passed over.
Look has_home(site &host, const site_passwd &entry, int &error, trace *told) {
  uid_t owner = 0;
  error = 0;
  const Look look = host.home_owner(entry, owner, error);
  const bool owns = look == Look::found && owner == entry.uid;
  if (!owns && told) {
    const bool missing = error == 0 || site_absent(error);
    const std::string whose = "uid " + std::to_string(owner) + ", not " + std::to_string(entry.uid);
    told->step(look == Look::found    ? trace_step::passwd_home_not_owned
               : look == Look::failed ? trace_step::passwd_home_failed
               : missing              ? trace_step::passwd_home_missing
                                      : trace_step::passwd_home_denied,
               {.file = entry.home, .name = entry.name, .error = trace_error(error), .detail = whose});
  }
  return look == Look::failed ? look : owns ? Look::found : Look::absent;
}

Look passwd_entry(site &host, const std::string &name, site_passwd &entry, int &error, trace *told) {
  const Look look = host.passwd(name, entry, error);
  if (look == Look::failed && told) told->step(trace_step::passwd_failed, {.name = name, .error = error});
  return look;
}

user_result found(controlling_user user, trace_step how, trace *told) {
  if (told) told->step(how, {.file = user.home, .name = user.name, .detail = description(user)});
  user_result r;
  r.user = std::move(user);
  return r;
}

user_result from_alias(site &host, const std::string &alias, std::string_view local, trace *told) {
  site_passwd entry;
  int error = 0;
  const Look look = passwd_entry(host, alias, entry, error, told);
  if (look == Look::failed) return trouble(QV_REASON_PASSWD_TROUBLE, error, alias);
  if (look == Look::absent) {
    if (told) told->step(trace_step::passwd_no_alias, {.name = alias});
    return trouble(QV_REASON_NO_ALIAS_USER, 0, alias);
  }
  return found({entry.name, entry.uid, entry.gid, entry.home, "-", std::string(local), {}}, trace_step::passwd_alias,
               told);
}

// userext(): the longest user name that stands before the end or a break
// character, and is not passed over.
user_result from_passwd(site &host, const address_settings &settings, std::string_view local, trace *told) {
  site_passwd entry;
  int error = 0;
  for (size_t len = local.size() + 1; len-- > 0;) {
    if (len < local.size() && local[len] != settings.break_char) continue;
    if (len >= USERLEN) {
      if (told) told->step(trace_step::passwd_too_long, {.name = local.substr(0, len)});
      continue;
    }
    const std::string name = text_lower(local.substr(0, len));
    Look look = passwd_entry(host, name, entry, error, told);
    if (look == Look::failed) return trouble(QV_REASON_PASSWD_TROUBLE, error, name);
    if (look == Look::absent || entry.uid == 0) {
      if (told) told->step(look == Look::absent ? trace_step::passwd_no_user : trace_step::passwd_root, {.name = name});
      continue;
    }
    look = has_home(host, entry, error, told);
    if (look == Look::failed) return trouble(QV_REASON_HOME_STAT_TROUBLE, error, entry.home);
    if (look == Look::absent) continue;
    const bool extended = len < local.size();
    return found({entry.name, entry.uid, entry.gid, entry.home, extended ? "-" : "",
                  std::string(extended ? local.substr(len + 1) : std::string_view()), {}},
                 trace_step::passwd_found, told);
  }
  return from_alias(host, settings.alias, local, told);
}

}  // namespace

// The rest is appended before the fields are counted, as qmail-lspawn does.
bool user_record(std::string_view record, std::string_view rest, controlling_user &user) {
  std::string data(record);
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

user_result user_find(site &host, const address_settings &settings, std::string_view local, trace *told) {
  if (auto r = from_cdb(host, local, told)) return *r;
  return from_passwd(host, settings, local, told);
}
