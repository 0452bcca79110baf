// mounts.h - which file system is a path on? Told without touching it.
//
// A file system that hangs cannot be asked. So the path is followed in the list of
// mounts that the kernel keeps (/proc/self/mountinfo), and links are read only above
// the last name and on the root file system: where that hangs, all is lost.

#ifndef DAEMON_MOUNTS_H
#define DAEMON_MOUNTS_H

#include <string>
#include <string_view>
#include <vector>

struct mount_point {
  std::string dir;      // as mountinfo has it, unescaped
  bool network = false;  // not on a disk of this host: nfs, fuse, autofs and the like
};

// The lines of /proc/self/mountinfo.
std::vector<mount_point> mounts_read(std::string_view mountinfo);
// Those of this process; none where the system has no such file.
std::vector<mount_point> mounts_now();

// What hangs when path does: the mount that it is on; path itself where that is the
// root file system, or where nothing is known.
std::string mounts_place(const std::vector<mount_point> &mounts, const std::string &path);

#endif
