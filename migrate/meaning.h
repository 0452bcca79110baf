// meaning.h - what the variables of older programs meant, in the words of today's VERIFY.
//
// Three programs have told qmail-smtpd by variables whether to verify recipients:
//
//   realrcptto        verified always; QMAILRRTDENYALL="1" (exactly) put the refusal
//                     off until DATA
//   before 1.30       VERIFY, set to anything, "" too: verify; VERIFYDEFER, set:
//                     verify, refuse at DATA; VERIFYSVR="ip:port": whom to ask, which
//                     switched nothing on
//   1.30 and later    VERIFY alone; "" is off (qmail-smtpd(8))
//
// Nothing here knows of files: what belongs together is a scope, and how old a file
// is has been found out by its reader.

#ifndef MIGRATE_MEANING_H
#define MIGRATE_MEANING_H

#include <optional>
#include <string>
#include <string_view>

// Which program the settings are of, as far as somebody has said it (--from).
enum class From { unsaid, before_130, realrcptto };

// The variables that one client gets together; nothing: not set.
struct meaning_scope {
  std::optional<std::string> verify, defer, server, deny_all;
  bool relay = false;   // RELAYCLIENT is set
  bool refused = false; // the client is not let in at all

  // The one that is called name; null: it is none of the four.
  std::optional<std::string> *find(std::string_view name);
  // Is a variable set that only qmail-verify before 1.30 knew?
  bool old() const { return defer || server; }
};

// Is it the name of one of the four, and of one that has no effect any more?
bool meaning_ours(std::string_view name);
bool meaning_gone(std::string_view name);

// Has a value of VERIFY a meaning that it could not have before 1.30?
bool meaning_new(std::string_view value);

// What a file's scopes, all of them, tell of its age.
struct meaning_age {
  bool old = false;    // VERIFYDEFER or VERIFYSVR
  bool recent = false; // a VERIFY of 1.30 or later
  bool empty = false;  // VERIFY="" with neither of the old ones beside it
  void add(const meaning_scope &scope);
};

struct meaning {
  enum class What {
    keep,  // nothing to do
    set,   // VERIFY=value in the place of all that was read
    drop,  // the old ones go; VERIFY stays as it is
    left,  // for the administrator: why says what is the matter
  } what = What::keep;
  std::string value;
  std::string why;  // printable; with drop: what has to be known about it, or empty
};

// What is to become of a scope. As in a file of 1.30 or later, VERIFY="" alone is kept
// where another VERIFY in the file tells that it is of today.
meaning meaning_of(const meaning_scope &scope, From from, const meaning_age &age);

#endif
