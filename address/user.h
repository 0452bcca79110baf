// user.h - who controls an address?
//
// Replicates qmail-lspawn's nughde_get() (users/cdb) and spawn() (its fields),
// and qmail-getpw's userext() (passwd, the alias user). Enters no home but for
// the stat that qmail-getpw makes.

#ifndef ADDRESS_USER_H
#define ADDRESS_USER_H

#include <string>
#include <string_view>

#include "qmail-verify.h"
#include "site.h"
#include "trace.h"

// netqmail's build settings that matter for a verdict.
struct address_settings {
  char break_char = '-';      // conf-break
  mode_t patrn = 002;         // conf-patrn
  std::string alias = "alias";  // conf-users, line 1
  std::string qmail = "/var/qmail";  // the qmail directory (conf-qmail), in which bin is
  std::string fastforward_cdb;  // VERIFY_FASTFORWARDCDB, or empty
};

// What qmail-lspawn gives to qmail-local.
struct controlling_user {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  std::string dash;
  std::string ext;
  std::string key;  // the users/cdb key that matched; empty where passwd decided
};

struct user_result {
  qv_reason reason = QV_REASON_NONE;  // NONE: found
  int error = 0;                      // errno of a look that failed
  std::string about;                  // the file, user or home that a failed look was for
  controlling_user user;
};

// local: the part before the last @ of what qmail-lspawn gets; not empty. told: who hears
// the steps; null: nobody.
user_result user_find(site &host, const address_settings &settings, std::string_view local, trace *told = nullptr);

// spawn(): a record of users/cdb, and the rest of the address that stands behind a wildcard
// key. Sets all of user but its key; false: it has too few fields.
bool user_record(std::string_view record, std::string_view rest, controlling_user &user);

#endif
