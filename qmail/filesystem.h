// filesystem.h - can what is known of a file be trusted as long as its stat says the same?

#ifndef QMAIL_FILESYSTEM_H
#define QMAIL_FILESYSTEM_H

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

// Is fd on a file system that is changed elsewhere, whose stat may tell of it late or
// never? True also where that cannot be told.
inline bool filesystem_remote(int fd) {
  constexpr uint32_t types[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
                                V9FS_MAGIC,      FUSE_SUPER_MAGIC, CODA_SUPER_MAGIC,      AFS_SUPER_MAGIC,
                                AFS_FS_MAGIC,    CEPH_SUPER_MAGIC, NCP_SUPER_MAGIC};
  struct statfs system;
  return fstatfs(fd, &system) == -1 ||
         std::find(std::begin(types), std::end(types), static_cast<uint32_t>(system.f_type)) != std::end(types);
}

#endif
