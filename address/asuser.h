// asuser.h - looks at the machine as a user. The only file that changes identity
// or enters a home.
//
// Replicates prot_gid() and prot_uid() of qmail-lspawn: the user's id, the group
// from passwd or users/cdb, no supplementary groups. Only the effective ids
// change, and those of the calling thread alone: each thread may look as somebody else,
// with an asuser of its own. A process that is not root can be nobody but itself; no
// option or variable skips the change.
//
// An identity is kept until another one is needed, or rest: a change costs as much as
// two looks, and questions of one user come in rows. Between begin and rest the home
// that was stat'ed last need not be stat'ed again as the same user, nor need the file
// that was read last in it be read again, nor the database that was opened last be
// opened again. A dot-qmail name that the home's listing proves to be absent (listing.h)
// is not opened.

#ifndef ADDRESS_ASUSER_H
#define ADDRESS_ASUSER_H

#include <sys/stat.h>
#include <sys/types.h>

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "guard.h"
#include "listing.h"
#include "site.h"
#include "tally.h"

// What visits saw of programs, kept for a second: they are looked at for each
// question, and change once in years.
class asuser_recent {
 public:
  // What look() says of path as this user: asked now, or within the last second.
  template <class Look>
  int get(char kind, uid_t uid, gid_t gid, const std::string &path, Look look);

 private:
  static constexpr size_t SEEN_MAX = 4096, PATH_SEEN_MAX = 255;
  struct what {
    char kind;
    uid_t uid;
    gid_t gid;
    std::string path;
  };
  using asked = std::tuple<char, uid_t, gid_t, std::string_view>;
  static asked key(const what &w) { return {w.kind, w.uid, w.gid, w.path}; }
  static asked key(const asked &a) { return a; }
  struct less {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A &a, const B &b) const {
      return key(a) < key(b);
    }
  };
  time_t since_ = -2;
  std::map<what, int, less> seen_;
};

// The home that was stat'ed last, and as whom; and the dot-qmail file that was read last
// in it.
struct asuser_home {
  bool known = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string path;
  struct stat st {};
  home_listing names;
  std::string file_name;  // empty: none
  site_dotqmail file;
};

// The database that was opened last, and as whom.
struct asuser_cdb {
  bool known = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string path;
  cdb db;
};

class asuser {
 public:
  // guard is told of each look; to (may be null) counts. Both outlive this.
  explicit asuser(const look_guard &guard, tally *to = nullptr) : guard_(guard), tally_(to) {}

  // What was seen of homes until now does not count any more.
  void begin();
  // Gives up whatever identity is left: this thread has the effective ids and groups again
  // that it had before its first look.
  void rest();
  // Is root, for a look that takes root's rights. False: this thread cannot be.
  bool root();
  // Can this thread be nobody but itself?
  static bool itself_only();

  // Becomes (uid, gid). null: could not; error says why (EPERM where the process
  // is not root and uid or gid are not its own, EINVAL for ids that cannot be had).
  // The visit must end before the next one begins.
  std::unique_ptr<site_visit> become(uid_t uid, gid_t gid, int &error);

  // stat(2) of path as (uid, gid): 0, or errno. dir: of an open directory that a path
  // without a slash before it begins at. become_failed tells a change of identity that did
  // not work from a look that did not.
  int owner(uid_t uid, gid_t gid, int dir, const std::string &path, uid_t &owner, bool &become_failed);

 private:
  const look_guard &guard_;
  tally *const tally_;
  asuser_recent recent_;
  asuser_home home_;
  asuser_home owned_;  // the last one whose owner was asked for
  asuser_cdb cdb_;
  listings listings_;
};

#endif
