// assign.h - users/assign, as qmail-newu reads it.
//
// Follows qmail-newu.c: "=local:user:uid:gid:home:dash:ext:" for one name,
// "+prefix:..." for all that begin alike, up to a line that begins with a dot. Nothing
// is written: what users/cdb would hold is made in memory.

#ifndef QMAIL_ASSIGN_H
#define QMAIL_ASSIGN_H

#include <string>
#include <string_view>
#include <vector>

// One record of users/cdb, and the line that it is made of (the first one is 1).
struct assign_record {
  unsigned line = 0;
  std::string key;   // "!prefix", or "!local" and a NUL; in lower case
  std::string data;  // user, uid, gid, home, dash and ext with a NUL between; none behind the last

  bool wild() const { return key.back() != '\0'; }
};

// A line that makes qmail-newu give up, and the old users/cdb stay.
struct assign_fault {
  unsigned line = 0;
  const char *wrong = "";  // what is wrong with it, and what to do; static storage
};

struct assign_table {
  std::vector<assign_record> records;  // in the order of the file; of those with one key the first counts
  std::string wild;                    // the record of the empty key: the last bytes of all prefixes, as typed
  std::vector<assign_fault> faults;    // none: qmail-newu takes the file
  unsigned end = 0;                    // the line with the dot; 0: there is none, a fault of the last line
};

// text: the whole file. Lines with a fault are passed over.
assign_table assign_read(std::string_view text);

// The six fields of a record's data, as qmail-lspawn splits them; false where there are
// fewer. Views into data.
struct assign_fields {
  std::string_view user, uid, gid, home, dash, ext;
};
bool assign_split(std::string_view data, assign_fields &fields);

#endif
