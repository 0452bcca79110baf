// mounts.h - which file system is a path on? Told without touching it.
//
// A file system that hangs cannot be asked. So the path is looked for in the list of
// mounts that the kernel keeps (/proc/self/mountinfo), as it is written: no link in it
// is read.

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

// What hangs when path does: the file system of the network that it is on, else path
// itself.
std::string mounts_place(const std::vector<mount_point> &mounts, const std::string &path);

// The directory that both paths are below; empty where that is the root, or one of
// them is below the other.
std::string mounts_common(const std::string &a, const std::string &b);

#endif
