// vmailmgr.h - a line that runs vdeliver: does vmailmgr have the user?
//
// Follows vdeliver of vmailmgr 0.97 with its default configuration. Reads
// passwd.cdb in the home as the controlling user. What is in a record is never
// logged: it holds password hashes.

#ifndef ADDRESS_VMAILMGR_H
#define ADDRESS_VMAILMGR_H

#include "delivery.h"
#include "shell.h"

// The words of the line, the first of which is vdeliver.
outcome vmailmgr_read(const delivery &d, const shell_command &command);

#endif
