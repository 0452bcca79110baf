// file.h - the administrator's files: read whole, replaced whole.

#ifndef MIGRATE_FILE_H
#define MIGRATE_FILE_H

#include <sys/stat.h>

#include <string>
#include <string_view>

// The longest file that is read, in bytes.
constexpr size_t FILE_MAX = size_t{64} << 20;

struct file_read {
  std::string target;  // the file behind the symbolic links that path may be
  std::string text;
  struct stat seen;    // the file as it was when it was read
};

// Reads a regular file. What is wrong, in words that name what could not be done;
// empty: nothing.
std::string file_read_whole(const std::string &path, file_read &out);

// Puts text into the place of the file that was read: a new file beside it, of the same
// owner, group and mode, written through to the disk and then renamed; whoever opens
// the path sees all of the old one or all of the new one. The old one gets the second
// name target.before-verify (backup), unless there is one of that name: that one stays.
// Refuses where the file is not the one that was read any more. What is wrong, as above;
// then the file is as it was.
// keep: whether it gets that name.
enum class Backup { made, was_there };
enum class Keep { old_one, nothing };
std::string file_replace(const file_read &old, std::string_view text, Backup &backup, Keep keep = Keep::old_one);

// The name of the old file.
std::string file_backup(const std::string &target);

#endif
