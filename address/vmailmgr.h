// vmailmgr.h - a line that runs vdeliver: does vmailmgr have the user?
//
// Follows vdeliver of vmailmgr 0.97: the user named by $EXT, else the default
// user, in passwd.cdb in the home, read as the controlling user; with the names
// that .vmailmgr in the home, or /etc/vmailmgr, may give to both. What is in a
// record is never logged: it holds password hashes.
//
// Where passwd.cdb is there and cannot be read vdeliver bounces everybody: that is
// temporary here. Where it is not there, or a record in it is none that vdeliver
// 0.97 reads, nothing is certain.

#ifndef ADDRESS_VMAILMGR_H
#define ADDRESS_VMAILMGR_H

#include <cstdint>
#include <string_view>

#include "delivery.h"
#include "shell.h"

// The words of the line, the first of which is vdeliver.
outcome vmailmgr_read(const delivery &d, const shell_command &command);

// The record of a user, the part that decides (public for its fuzz target).
struct vmailmgr_record {
  bool complete = false;         // vdeliver can read it
  uint32_t expiry = UINT32_MAX;  // the last second in which the user is valid
};

// data: a value of passwd.cdb, in one of its three versions.
vmailmgr_record vmailmgr_parse(std::string_view data);

#endif
