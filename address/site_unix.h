// site_unix.h - the door to a real host (see site.h).
//
// Control files, users/cdb and the homes of passwd that do not begin with a slash are
// below the qmail directory. passwd is asked through getpwnam_r, so that every NSS
// source counts, where the files alone do not tell (passwd.h); only its return of 0 with
// a null result means "no such user" then, and in a process of our own no source may have
// failed before (nsswitch.h tells how that is hidden).

#ifndef ADDRESS_SITE_UNIX_H
#define ADDRESS_SITE_UNIX_H

#include <fcntl.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "asuser.h"
#include "guard.h"
#include "passwd.h"
#include "site.h"
#include "tally.h"

class site_unix final : public site {
 public:
  // qmailp and nofiles: the user and group whose rights qmail-getpw has. dir: the qmail
  // directory, open (O_PATH will do); none: the working directory. map: users/cdb is read
  // from a mapping (cdb::map). each_source: a source of passwd that fails is not hidden; sets
  // whom all of this process's look-ups of users ask.
  site_unix(std::string qmailp, std::string nofiles, unique_fd dir = {}, bool map = false, bool each_source = false)
      : dir_(std::move(dir)), map_(map), each_source_(each_source), qmailp_(std::move(qmailp)), nofiles_(std::move(nofiles)) {}

  // Who watches over looks into homes and passwd from now on.
  void guard(const address_guard *to) { guard_.set(to); }
  bool refused() const { return guard_.refused(); }

  // Questions follow: what was seen of files for earlier ones does not count for them,
  // but what is seen from now on may serve for all of them.
  void begin();
  // They are over: this thread is itself again.
  void rest() { asuser_.rest(); }

  // How often what was asked.
  const tally &tallied() const { return tally_; }

  control_text control(const char *name) override;
  site_stamp control_stamp(const char *name) override;
  Look users_cdb(const cdb *&db, int &error) override;
  Look passwd(const std::string &name, site_passwd &entry, int &error) override;
  Look home_owner(const site_passwd &entry, uid_t &owner, int &error) override;
  std::unique_ptr<site_visit> become(uid_t uid, gid_t gid, int &error) override;

 private:
  Look ask_sources(const std::string &name, site_passwd &entry, int &error);
  Look elsewhere(const std::string &name, site_passwd &entry, int &error);
  Look group(const std::string &name, gid_t &gid, int &error);
  Look getpw_identity(int &error);

  // What paths are relative to.
  int from() const { return dir_ ? dir_.get() : AT_FDCWD; }

  const unique_fd dir_;
  const bool map_, each_source_;
  std::string qmailp_, nofiles_;
  passwd_index index_;
  // what getpwnam_r said within this second
  static constexpr size_t ASKED_MAX = 4096;
  std::unordered_map<std::string, std::optional<site_passwd>> asked_;
  time_t asked_since_ = -2;
  look_guard guard_;
  tally tally_;
  asuser asuser_{guard_, &tally_};
  cdb cdb_;
  bool cdb_seen_ = false;  // since begin: cdb_look_ and cdb_error_ are what came of it
  Look cdb_look_ = Look::absent;
  int cdb_error_ = 0;
  // qmail-getpw's ids, kept for a second
  uid_t getpw_uid_ = 0;
  gid_t getpw_gid_ = 0;
  time_t getpw_known_ = -2;
};

#endif
