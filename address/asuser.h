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

#include <memory>

#include "site.h"

// Becomes (uid, gid). null: could not; error says why (EPERM where the process
// is not root and uid or gid are not its own, EINVAL for ids that cannot be had).
std::unique_ptr<site_visit> asuser_become(uid_t uid, gid_t gid, int &error);

// stat(2) of path as (uid, gid): 0, or errno. become_failed tells a change of
// identity that did not work from a look that did not.
int asuser_owner(uid_t uid, gid_t gid, const char *path, uid_t &owner, bool &become_failed);

#endif
