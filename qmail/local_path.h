// local_path.h - a UNIX socket that listens at a path: made so that at no time somebody can
// connect who may not do so in the end, and taken away only where it is still the one that
// was made.

#ifndef QMAIL_LOCAL_PATH_H
#define QMAIL_LOCAL_PATH_H

#include <sys/types.h>

#include <string>
#include <string_view>

#include "fd.h"
#include "udpbits.h"

// Whom it belongs to, besides this process's user.
struct local_owner {
  local_owner(gid_t g, mode_t m = 0660) : group(g), mode(m) {}
  gid_t group;  // -1: this process's own
  mode_t mode;
};

struct local_path {
  unique_fd fd;  // non-blocking
  std::string path;
  dev_t dev = 0;  // what stood at the path when it was made
  ino_t ino = 0;  // 0: nothing was made
};

// Makes one of this type (SOCK_STREAM, SOCK_SEQPACKET) at the path of ep. A socket on which
// nobody listens any more makes way; a file, or another program, is left alone. named_in:
// where the path is named, for the sentence ("LISTEN"). Returns why it is not there, without a
// full stop, safe for a log; empty: it is. Call local_path_unlink in either case in the end.
std::string local_path_open(const udp_endpoint &ep, int type, const local_owner &owner, std::string_view named_in,
                            local_path &made);

// The first directory on the way to path in which others than root and this process's user
// could put something else in the way; empty where there is none.
std::string local_path_open_to_others(const std::string &path);

// Removes the path where it is still ours.
void local_path_unlink(const local_path &made);

#endif
