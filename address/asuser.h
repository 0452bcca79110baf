// asuser.h - looks at the machine as a user. The only file that changes identity
// or enters a home.
//
// Replicates prot_gid() and prot_uid() of qmail-lspawn: the user's id, the group
// from passwd or users/cdb, no supplementary groups. Only the effective ids
// change, and they change back when the visit ends. A process that is not root
// can be nobody but itself; no option or variable skips the change.

#ifndef ADDRESS_ASUSER_H
#define ADDRESS_ASUSER_H

#include <sys/types.h>

#include <ctime>
#include <memory>
#include <string>
#include <unordered_map>

#include "guard.h"
#include "site.h"

// What visits saw of programs, kept for a second: they are looked at for each
// question, and change once in years.
class asuser_recent {
 public:
  // What look() says of path as this user: asked now, or within the last second.
  template <class Look>
  int get(char kind, uid_t uid, gid_t gid, const std::string &path, Look look);

 private:
  static constexpr size_t SEEN_MAX = 4096, PATH_SEEN_MAX = 255;
  time_t since_ = -2;
  std::unordered_map<std::string, int> seen_;
};

// Becomes (uid, gid). null: could not; error says why (EPERM where the process
// is not root and uid or gid are not its own, EINVAL for ids that cannot be had).
// recent and guard outlive it; guard is told of each look.
std::unique_ptr<site_visit> asuser_become(uid_t uid, gid_t gid, asuser_recent &recent, const look_guard &guard,
                                          int &error);

// stat(2) of path as (uid, gid): 0, or errno. become_failed tells a change of
// identity that did not work from a look that did not.
int asuser_owner(uid_t uid, gid_t gid, const std::string &path, const look_guard &guard, uid_t &owner,
                 bool &become_failed);

#endif
