// lint.h - qmail-vrfy --lint: what is wrong in a host's files, and what to do about it.
//
// Rules take a lint_host, the one door to the machine, and a report. A rule tells what
// is surely wrong, never what is a matter of taste: a healthy host has no finding. Each
// kind of finding has a code, a word that stays; qmail-vrfy(1) has the list of them.
// Nothing is written, and homes are looked at as their controlling users only.

#ifndef VRFY_LINT_H
#define VRFY_LINT_H

#include <sys/stat.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "address/site.h"
#include "address/user.h"
#include "qmail/cdb.h"
#include "qmail/control.h"

// X(SYMBOL, code)
#define LINT_CODES(X) \
  X(UNREAD, "unread") \
  /* any control file */ \
  X(BOM, "bom") \
  X(CR, "cr") \
  X(NUL, "nul") \
  X(CLOSED, "closed") \
  X(WRITABLE, "writable") \
  /* one line, or a number */ \
  X(ME_MISSING, "me-missing") \
  X(LINE_EMPTY, "line-empty") \
  X(LINE_BLANK, "line-blank") \
  X(LINE_EXTRA, "line-extra") \
  X(NUMBER, "number") \
  /* lists of names */ \
  X(NAME_BLANK, "name-blank") \
  X(NAME_NOT_ASCII, "name-not-ascii") \
  X(NAME_AT, "name-at") \
  X(NAME_STAR, "name-star") \
  X(NAME_SUFFIX, "name-suffix") \
  X(NAME_COLON, "name-colon") \
  X(NO_COLON, "no-colon") \
  X(NO_AT, "no-at") \
  X(DUPLICATE, "duplicate") \
  /* one file against another */ \
  X(LOCAL_AND_VIRTUAL, "local-and-virtual") \
  X(VIRTUAL_NOWHERE, "virtual-nowhere") \
  X(NOT_IN_RCPTHOSTS, "not-in-rcpthosts") \
  X(RCPTHOSTS_MISSING, "rcpthosts-missing") \
  X(RCPTHOST_NOWHERE, "rcpthost-nowhere") \
  X(MORERCPTHOSTS_NO_CDB, "morercpthosts-no-cdb") \
  X(MORERCPTHOSTS_DAMAGED, "morercpthosts-damaged") \
  X(MORERCPTHOSTS_DIFFERS, "morercpthosts-differs") \
  X(MORERCPTHOSTS_OLDER, "morercpthosts-older") \
  X(ROUTE_LOCAL, "route-local") \
  X(PERCENTHACK_NOWHERE, "percenthack-nowhere") \
  X(PERCENTHACK_RELAY, "percenthack-relay") \
  X(ENVNOATHOST_NOWHERE, "envnoathost-nowhere") \
  X(POLICY, "policy") \
  X(POLICY_NOWHERE, "policy-nowhere") \
  X(ROUTES, "routes") \
  X(ROUTE_SELF, "route-self") \
  X(CLIENTS, "clients") \
  X(KEYS, "keys") \
  X(KEYS_OPEN, "keys-open") \
  X(LIMITS, "limits") \
  /* users/assign, users/cdb, passwd */ \
  X(ASSIGN_FORMAT, "assign-format") \
  X(ASSIGN_KIND, "assign-kind") \
  X(ASSIGN_DUPLICATE, "assign-duplicate") \
  X(ASSIGN_CAPITAL, "assign-capital") \
  X(ASSIGN_NO_CDB, "assign-no-cdb") \
  X(ASSIGN_OLDER, "assign-older") \
  X(ASSIGN_DIFFERS, "assign-differs") \
  X(USERS_CDB_DAMAGED, "users-cdb-damaged") \
  X(USER_NUMBER, "user-number") \
  X(USER_ROOT, "user-root") \
  X(USER_CAPITAL, "user-capital") \
  X(USER_LONG, "user-long") \
  X(USER_PASSED_OVER, "user-passed-over") \
  X(ALIAS_MISSING, "alias-missing") \
  X(QMAILP_MISSING, "qmailp-missing") \
  X(NO_MAILBOX, "no-mailbox") \
  /* homes, and what is in them */ \
  X(HOME_RELATIVE, "home-relative") \
  X(HOME_MISSING, "home-missing") \
  X(HOME_CLOSED, "home-closed") \
  X(HOME_WRITABLE, "home-writable") \
  X(HOME_STICKY, "home-sticky") \
  X(DOTQMAIL_NAME, "dotqmail-name") \
  X(DOTQMAIL_DANGLING, "dotqmail-dangling") \
  X(DOTQMAIL_CLOSED, "dotqmail-closed") \
  X(DOTQMAIL_WRITABLE, "dotqmail-writable") \
  X(DOTQMAIL_BLANK, "dotqmail-blank") \
  X(DOTQMAIL_XBIT, "dotqmail-xbit") \
  X(DOTQMAIL_CR, "dotqmail-cr") \
  X(DOTQMAIL_NO_DOT, "dotqmail-no-dot") \
  X(PROGRAM, "program") \
  X(DATABASE, "database") \
  X(VPASSWD_DIFFERS, "vpasswd-differs")

enum class lint_code {
#define LINT_X(symbol, name) symbol,
  LINT_CODES(LINT_X)
#undef LINT_X
};

// The code as it is printed. Static storage.
const char *lint_name(lint_code code);

// Where something was found.
struct lint_place {
  std::string file;   // relative to the qmail directory, or absolute
  unsigned line = 0;  // from 1; 0: the file as a whole
};

// Texts may have bytes of any kind in them: they are made safe where they are printed.
struct lint_finding {
  lint_code code{};
  lint_place at;
  std::string text;    // what is wrong
  std::string advice;  // what to do
};

// Gathers what the rules tell.
class lint_report {
 public:
  using sink = std::function<void(const lint_finding &finding)>;
  explicit lint_report(sink to) : to_(std::move(to)) {}

  void add(lint_code code, lint_place at, std::string text, std::string advice);
  // Something could not be looked at, as error says: what is wrong there is not known.
  void unread(lint_place at, int error, const std::string &what = "cannot be read");

  // The exit code: 0, 1 or 111.
  int code() const { return code_; }

 private:
  sink to_;
  int code_ = 0;
  std::set<std::string> databases_;  // that were named: more than one rule may come across them
};

// The machine, as far as lint looks at it. Paths are relative to the qmail directory,
// or absolute.
class lint_host {
 public:
  virtual ~lint_host() = default;
  // Control files, users/cdb, passwd and homes.
  virtual site &looks() = 0;
  // The whole of a file of qmail's own, read with the process's own rights.
  virtual control_text file(const std::string &path) = 0;
  // stat(2): 0, or errno.
  virtual int status(const std::string &path, struct stat &st) = 0;
  // The same as site::users_cdb, for a database of qmail's own.
  virtual Look database(const std::string &path, cdb &db, int &error) = 0;
  // This process has its own ids again, after looks as others.
  virtual void rest() = 0;
  // Every passwd entry that getpwent(3) gives. 0, or errno.
  virtual int each_user(const std::function<void(const site_passwd &entry)> &visit) = 0;
};

// By what a host is judged.
struct lint_settings {
  address_settings judged;
  std::string directory = "/var/qmail";  // the qmail directory, as a full path
  std::string qmaild = "qmaild", qmailp = "qmailp", qmailr = "qmailr", qmails = "qmails";  // conf-users
};

// A line of a control file that counts, without what lint_files has complained about.
struct lint_entry {
  unsigned line = 0;
  std::string name;   // before the colon where there is one; in lower case
  std::string value;  // behind it
};

// The control files, read once. Those that are not there, or cannot be read, are empty.
class lint_files {
 public:
  // Reads and checks each control file by itself; tells what is wrong with it. Leaves the
  // process with its own ids.
  lint_files(lint_host &host, const lint_settings &settings, lint_report &report);

  struct one {
    Look look = Look::absent;
    std::string text;  // mended: without a byte order mark, carriage returns and NUL bytes
    std::vector<lint_entry> entries;  // without those that are wrong by themselves

    // The entry that counts for this name (in lower case): the last one, also one that is
    // wrong and surely means it.
    const lint_entry *find(std::string_view name) const;

   private:
    friend class lint_files;
    std::vector<lint_entry> all_;
    std::map<std::string, size_t, std::less<>> by_name_;
  };
  const one &operator[](std::string_view name) const;
  // The first line of a file with one line; empty where there is none.
  std::string line(std::string_view name) const;
  // Could each of these be read, or is it certainly not there?
  bool known(std::initializer_list<std::string_view> names) const;

 private:
  void read(std::string_view name, one &to, lint_report &report);

  std::map<std::string, one, std::less<>> files_;
};

// ---- the rules. Each tells report what it finds.

// Control files against each other.
void lint_domains(lint_host &host, const lint_files &files, lint_report &report);

// Of them only that what control/rcpthosts and control/morercpthosts accept is of this
// host or routed, by control/smtproutes or control/verifyroutes (the code rcpthost-nowhere).
void lint_nowhere(lint_host &host, const lint_files &files, lint_report &report);

// Whose home is to be looked at, and where it is named.
struct lint_home {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string path;
  std::string user;
  lint_place at;                   // the line or file that names it
  std::vector<std::string> dashes; // what may stand behind ".qmail" in a file that counts
};

// users/assign, users/cdb and passwd: the homes that mail may lead to, each once for a
// user and group.
std::vector<lint_home> lint_users(lint_host &host, const lint_settings &settings, lint_report &report);

// What stands in the way of mail in these homes.
void lint_homes(lint_host &host, const lint_settings &settings, const std::vector<lint_home> &homes,
                lint_report &report);

// Where mail for the host's domains leads to.
void lint_mail(lint_host &host, const lint_settings &settings, const lint_files &files, lint_report &report);

// All of it.
void lint_all(lint_host &host, const lint_settings &settings, lint_report &report);

// ---- a finding as it is printed: a line of text, a line with a JSON object

std::string lint_line(const lint_finding &finding);
std::string lint_json(const lint_finding &finding);

// ---- pieces of rules

// Complaints of a file's own reader, "FILE line N: WHAT", as findings.
void lint_sentences(lint_code code, const std::string &file, const std::vector<std::string> &sentences,
                    const char *advice, lint_report &report);

// Was made changed before from, by more than a copy of both would bring about?
bool lint_older(const struct stat &made, const struct stat &from);

// "example.org" between quotes, cut where it is long.
std::string lint_quoted(std::string_view word);

// Does this errno tell for certain what is the matter, or did the look fail?
bool lint_certain(int error);

// The words for errno; those of a damaged database for CDB_DAMAGED.
std::string lint_error(int error);

#endif
