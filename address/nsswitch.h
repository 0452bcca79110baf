// nsswitch.h - whom getpwnam_r asks for a name, and whether anybody but /etc/passwd
// could have it.
//
// What is followed exactly is little: `files` comes first, a hit there ends the
// search, and behind a miss there is nothing, or nothing but `systemd` while that
// certainly has no such user. A miss before anything else (LDAP ...) is for getpwnam_r,
// and so is everything where files do not come first (no nsswitch.conf, `compat`, a
// line with an error in it, a directory that cannot be read).
//
// systemd: nss-systemd (read in 252 and later) asks each service that has a socket in
// /run/systemd/userdb, then looks for NAME.user in the directories of drop-ins, then
// makes up root and nobody. A host that systemd has started always has one service
// there, io.systemd.DynamicUser: the names of DynamicUser= are also links in
// /run/systemd/dynamic-uid, which is what older versions without a userdb look at. Such
// a name is left to getpwnam_r. (Were one missed, no verdict would change: the home of
// these users is "/", which is not theirs, so that qmail-getpw passes over them.) Any
// other service, or any drop-in, and each miss is left to getpwnam_r.
//
// nscd: where /var/run/nscd/socket exists, getpwnam_r asks nscd first. That reads the
// same nsswitch.conf and /etc/passwd and is told of changes; it may answer from before a
// change, never better than the file. So it is passed over, and a removed user is gone
// at once, where nscd with `check-files no` would keep him. But a socket that comes from
// another root (bound in, so that its file system is not the one of the directory above)
// speaks of other files: then everything is left to getpwnam_r.
//
// What getpwnam_r hides. A source that fails is passed over by default, so that a miss of
// one behind it is all that is heard ("files ldap systemd": everybody is missing while
// LDAP is away), and nscd makes a miss of each failure. So a miss counts only where each
// source before the last misses, asked alone, and nscd is not asked for misses: see
// nsswitch_chain.

#ifndef ADDRESS_NSSWITCH_H
#define ADDRESS_NSSWITCH_H

#include <string>
#include <string_view>
#include <vector>

// What the passwd line of nsswitch.conf says.
enum class nsswitch_passwd {
  unknown,       // nothing that is followed here
  files,         // /etc/passwd and nothing behind it
  files_systemd, // /etc/passwd, and systemd behind it
  files_others   // /etc/passwd, and something else behind it
};

// The sources, for glibc's __nss_configure_lookup: with `whole` getpwnam_r does what it
// does by itself, but for nscd; each of `alone` has it ask one of the sources whose
// failure `whole` may hide, behind /etc/passwd (so that a module that is not installed is
// a miss, which it is in `whole`, too). Both empty: not followed.
struct nsswitch_chain {
  std::string whole;
  std::vector<std::string> alone;
};

// Not followed: what spoils the file (see nsswitch_read), no passwd line or several that
// differ, and a hit that does not end the search.
nsswitch_chain nsswitch_chain_read(std::string_view text);

// Reads text as glibc 2.36 reads nsswitch.conf (nss_database.c, nss_action_parse.c): no
// comments behind a line's beginning; `:` or blanks behind the database's name; a last
// line without a newline does not count; an error in any known database's line spoils
// the whole file. Where versions differ (several passwd lines: once the first, now the
// last counts), it is unknown, unless all say the same.
nsswitch_passwd nsswitch_read(std::string_view text);

// nsswitch.conf and what systemd has, as found at the last look.
class nsswitch_sources {
 public:
  // Every path is below root ("" for the host's own).
  explicit nsswitch_sources(const std::string &root);

  // Looks at all of it anew: some 15 system calls with Debian's nsswitch.conf.
  void look();

  // Does what /etc/passwd says of a name that it has count?
  bool files_first() const { return passwd_ != nsswitch_passwd::unknown; }
  // May a name that /etc/passwd has not be found elsewhere? (Where files_first().)
  bool may_have(std::string_view name) const;
  // The sources as they last could be followed, as glibc keeps to those that it could
  // read; not followed with an nscd that speaks of other files.
  const nsswitch_chain &chain() const { return chain_; }
  // Was something not readable with these rights (EACCES, EPERM)?
  bool denied() const { return denied_; }

 private:
  nsswitch_passwd read_conf();
  bool foreign_nscd();
  void look_systemd();
  bool failed(int error);  // notes it; true

  std::string conf_, nscd_, run_, services_, dynamic_;
  std::vector<std::string> dropins_;

  nsswitch_passwd passwd_ = nsswitch_passwd::unknown;
  nsswitch_chain chain_;
  bool systemd_has_ = true;                 // systemd may have any name
  std::vector<std::string> dynamic_users_;  // it has these
  bool denied_ = false;
};

#endif
