// site.h - the one door between address/ and the machine.
//
// Everything that a verdict is made of comes through here: control files,
// users/cdb, passwd, homes. site_unix fills it in for a real host; tests bring a
// site of their own, with any errno they like.

#ifndef ADDRESS_SITE_H
#define ADDRESS_SITE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "qmail/cdb.h"
#include "qmail/control.h"
#include "qmail/fd.h"
#include "qmail/look.h"

// What passwd says of a user (the fields that qmail-getpw uses).
struct site_passwd {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
};

// Tells one state of a file from another. Two equal stamps: the file has not
// been touched in between, as far as the file system tells.
struct site_stamp {
  int error = 0;  // errno where it cannot be stat'ed; the rest is zero then
  dev_t dev = 0;
  ino_t ino = 0;
  off_t size = 0;
  timespec mtime{}, ctime{};

  bool operator==(const site_stamp &o) const {
    return error == o.error && dev == o.dev && ino == o.ino && size == o.size && mtime.tv_sec == o.mtime.tv_sec &&
           mtime.tv_nsec == o.mtime.tv_nsec && ctime.tv_sec == o.ctime.tv_sec && ctime.tv_nsec == o.ctime.tv_nsec;
  }
};

inline site_stamp site_stamp_of(const struct stat &st) {
  return {0, st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

// An open dot-qmail file.
struct site_dotqmail {
  mode_t mode = 0;      // of the open descriptor, file type included
  bool too_large = false;  // larger than QV_DOTQMAIL_MAX: content is cut there
  std::string content;  // regular files only, and only where not writable by others
};

// Looks made as one user, with that user's group and no other. The identity
// lasts as long as the object does; there is at most one at a time.
class site_visit {
 public:
  virtual ~site_visit() = default;
  // Enters home as qmail-local's chdir would. 0, or errno.
  virtual int enter(const std::string &home) = 0;
  // The mode of the home that was entered. 0, or errno.
  virtual int mode(mode_t &mode) = 0;
  // Opens name (relative to the home) for reading, without waiting for anything,
  // as qmail-local's open_read does, and reads it. 0, or errno.
  virtual int open(const std::string &name, site_dotqmail &file) = 0;
  // Opens what a program would read: a regular file (else EISDIR or EINVAL), its
  // path absolute or relative to the home. 0, or errno.
  virtual int open_data(const std::string &path, unique_fd &fd) = 0;
  // The same, as a database that is the visit's and good until the next call. It has no
  // bound, or an older one.
  virtual int open_cdb(const std::string &path, cdb *&db) {
    unique_fd fd;
    if (const int error = open_data(path, fd)) return error;
    opened_.adopt(std::move(fd));
    db = &opened_;
    return 0;
  }
  // What would be run at this path (as above) by the user? A binary that is the
  // user's own may be anything, as a script (any file that is no binary) may. May be
  // a second old.
  enum class Runs { nothing, script, own, binary };
  virtual Runs runs(const std::string &path) = 0;
  // Is there anything at this absolute path? False only where that is certain. May
  // be a second old.
  virtual bool present(const std::string &path) = 0;
  // May the user write to what is at this path (as above)?
  virtual bool writable(const std::string &path) = 0;
  // Calls each with every name in this directory (absolute), "." and ".." left out, in no
  // order, until it returns false. 0, or errno.
  virtual int names(const std::string &dir, const std::function<bool(const std::string &name)> &each) = 0;
  // Is this directory (absolute) certainly without any file, or not there at all?
  virtual bool bare(const std::string &dir) = 0;

 private:
  cdb opened_;
};

class site {
 public:
  virtual ~site() = default;

  // control/NAME as it is, and its stamp.
  virtual control_text control(const char *name) = 0;
  virtual site_stamp control_stamp(const char *name) = 0;

  // users/cdb as it is now. db is the site's, and good until the next call.
  virtual Look users_cdb(const cdb *&db, int &error) = 0;

  // The passwd entry of this name. absent only where the look-up worked and
  // there is none.
  virtual Look passwd(const std::string &name, site_passwd &entry, int &error) = 0;

  // The owner of the home of a passwd entry, looked at as qmail-getpw does: as
  // the user qmailp with the group nofiles, through links, relative to the qmail
  // directory. absent: qmail-getpw passes over such an entry.
  virtual Look home_owner(const site_passwd &entry, uid_t &owner, int &error) = 0;

  // Becomes (uid, gid) for a look. null: could not (errno in error).
  virtual std::unique_ptr<site_visit> become(uid_t uid, gid_t gid, int &error) = 0;
};

// Does this errno of open or stat say for certain that nothing is there? Every
// other one means that the look failed.
bool site_absent(int error);

#endif
