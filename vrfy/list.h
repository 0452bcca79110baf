// list.h - qmail-vrfy --list: every valid recipient of this host.
//
// What may be valid is gathered generously: from control files, users/cdb, passwd, the
// names of dot-qmail files, and the databases that catch-alls read. Each of it is then
// judged as the daemon would judge it, and what is not refused stays. So nothing here
// decides what is valid; what is to be looked after is that nothing is forgotten.
//
// A line is an address in lower case, or a pattern, in which a * stands for any bytes: at
// the end of what is before the @ ("joe-list-*@example.org"), or as the beginning of a
// domain ("joe@*.example.org"). list_stands tells such a * from one that is a character
// of an address.

#ifndef VRFY_LIST_H
#define VRFY_LIST_H

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "address/user.h"
#include "lint.h"
#include "list_names.h"
#include "options.h"
#include "qmail/fd.h"
#include "say.h"

// What stands in the way of a whole list, or is worth knowing. All words are safe.
class list_trouble {
 public:
  // Something could not be listed or judged: "WHO: WHAT" on standard error, ten of a kind.
  void add(const std::string &who, const std::string &what) {
    ++count_;
    many_.say(who, what);
  }
  // The list is whole all the same.
  void warn(const std::string &who, const std::string &what) { many_.say(who, what); }
  void end() { many_.end(); }
  unsigned long count() const { return count_; }

 private:
  vrfy_many many_;
  unsigned long count_ = 0;
};

// ---- domains

struct list_domain {
  std::string at;      // behind the @ of a line: "example.org", "*.example.org", or "*"
  std::string prefix;  // "joe-" where virtualdomains has "joe"; empty: local. In lower case
  bool many = false;   // at stands for many domains
};

struct list_domains {
  std::vector<list_domain> all;
  std::vector<std::string> addresses;  // entries of virtualdomains that are whole addresses
  std::vector<std::string> hacks;      // control/percenthack
  std::string default_host;            // what is put behind an address without @

  bool any_many() const;
  // This domain may be judged otherwise than others for which a pattern stands: it is
  // added beside the pattern, where there is one.
  void add_concrete(std::string_view domain);

 private:
  friend list_domains list_domains_read(lint_host &host, list_trouble &trouble);
  std::map<std::string, bool, std::less<>> known_;  // domains that are in all
};

// As qmail-send reads control/me, locals, virtualdomains, percenthack and envnoathost; and
// the domains of control/verifypolicy as concrete ones.
list_domains list_domains_read(lint_host &host, list_trouble &trouble);

// ---- local parts, as qmail-lspawn gets them

// What qmail-local finds a dot-qmail file of this name for: DASH and PRE are what users/cdb
// or qmail-getpw say, before is what stands before the rest of the local part. Adds names,
// and patterns that end in a *.
void list_dotqmail(std::string_view file, std::string_view dash, std::string_view pre, const std::string &before,
                   list_names &to);

// Everything that users/cdb, passwd and the alias user might accept. wildcard is called
// with each wildcard key of users/cdb, without its "!".
void list_locals(lint_host &host, const address_settings &settings, list_names &to, list_trouble &trouble,
                 const std::function<void(std::string_view key)> &wildcard);

// Of the passwd line of nsswitch.conf the sources that need not be listed by getpwent(3);
// empty: it gives everybody.
std::string list_unlisted_sources(std::string_view nsswitch);

// ---- lines

// Is the * at this place of a line one that stands for many? Such a one is beside an @ or
// a %, or at the end of a line without @.
bool list_stands(std::string_view line, size_t at);
// Has the line such a *?
bool list_reads_as_pattern(std::string_view line);
// The line with word in the place of each such *.
std::string list_instance(std::string_view line, std::string_view word);
// Is the line covered by a pattern of names (settled), that is not the line itself?
bool list_covered(std::string_view line, const list_names &names);

// The key that validrcptto.cdb has for a line; false: there is none that says the same.
bool list_key(std::string_view line, bool pattern, std::string &key);

// What of a list is whose, by domain.
using list_counts = std::map<std::string, unsigned long, std::less<>>;
// The domain of a line or key: what is behind its last @; empty where there is none.
std::string_view list_domain_of(std::string_view line);

// May a list with these many names replace one with those? False: it has shrunk by more
// than so many percent. says gets sentences: why not, with the domains that have lost
// most; and the domains that have lost everything, whatever comes of it.
bool list_may_shrink(const list_counts &before, const list_counts &now, unsigned long percent,
                     std::vector<std::string> &says);

// ---- the cdb

// A file that is to be replaced as a whole, or left as it is. It is not followed where it is
// a symbolic link. Says what is wrong.
class list_file {
 public:
  // Opens the directory of path: the working directory may be another one later. False
  // after a message.
  bool open(const std::string &path);
  // Counts what the file holds now. False after a message: it is there, and is no whole
  // database.
  bool read(list_counts &counts);
  // Puts these keys, with no data, into its place. False after a message: the file is
  // what it was.
  bool write(const list_names &keys);

 private:
  bool take_temporary();
  bool write_temporary(const list_names &keys);
  bool failed(const std::string &what, int error) const;

  std::string shown_, name_;
  unique_fd dir_, file_, temporary_;
  bool there_ = false;
  struct stat status_{};
};

#endif
