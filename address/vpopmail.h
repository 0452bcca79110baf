// vpopmail.h - a line that runs vdelivermail: does vpopmail have the user?
//
// Follows vdelivermail of vpopmail 5.4 and 5.6 with the cdb module. Reads
// vpasswd.cdb (or, where that cannot be opened and vdelivermail would make it anew,
// vpasswd) of the mail domain's own record in users/cdb as the controlling user,
// and no directory. What is in a record is never logged: it holds password hashes.
//
// Where vdelivermail itself cannot read its users it takes them for unknown ones
// and bounces. That is no answer here: such users are "temporary", whatever the
// line or the policy says of unknown ones. A vpopmail that keeps its users in SQL is
// known by its settings, or by there being no files: nobody is refused then.

#ifndef ADDRESS_VPOPMAIL_H
#define ADDRESS_VPOPMAIL_H

#include <string_view>

#include "delivery.h"
#include "shell.h"

// The words of the line, the first of which is vdelivermail.
outcome vpopmail_read(const delivery &d, const shell_command &command);

// The record of a user, the part that decides (public for its fuzz target).
struct vpopmail_record {
  bool complete = false;  // has as many fields as vdelivermail needs: it crashes where not
  bool bounces = false;   // the flag BOUNCE_MAIL (0x10) is set
  std::string_view directory;  // the user's, within data; nothing is delivered where it is empty
};

// data: a value of vpasswd.cdb: crypt:uid:gid:gecos:dir:quota[:clear]
vpopmail_record vpopmail_parse(std::string_view data);

#endif
