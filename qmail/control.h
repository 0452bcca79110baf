// control.h - qmail's control files: a line, a list, a number, a map.
//
// Follows control.c and constmap.c. A path is relative to the working
// directory, as qmail's programs have it ("control/me" in the qmail directory), or to
// the directory that is open at the descriptor dir.
// An absent file is not an unreadable one: the callers' defaults apply to the
// first only.

#ifndef QMAIL_CONTROL_H
#define QMAIL_CONTROL_H

#include <fcntl.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "look.h"

// What a file held, or why it could not be read (errno in error, where failed).
struct control_text {
  Look look = Look::absent;
  int error = 0;
  std::string text;
};

// control_readline: the first line without trailing blanks, tabs and newlines.
// May hold NUL bytes. An empty file gives an empty line (found).
control_text control_readline(const char *path, int dir = AT_FDCWD);

// control_readfile, without flagme: the lines that are neither empty nor
// comments ('#' in column one), each without trailing blanks and tabs and
// followed by a NUL. A NUL within a line makes two entries of it.
control_text control_readfile(const char *path, int dir = AT_FDCWD);

// The whole file as it is, no line taken out.
control_text control_slurp(const char *path, int dir = AT_FDCWD);

// The two readings above, of a text that was read before.
std::string control_parseline(std::string_view file);
std::string control_parsefile(std::string_view file);

// The lines that control_parsefile keeps, and where each stands in the file (the first
// one is 1).
struct control_line {
  unsigned number = 0;
  std::string_view text;  // as long as the file's text lives
};
std::vector<control_line> control_lines(std::string_view file);

// constmap: does an entry of a list hold a name, or a name and a value?
enum class control_form {
  names,  // an entry is a name (locals, rcpthosts ...)
  colon   // name:value, split at the first colon; entries without one do not count
};

// Which line of the file (its whole text) is the one that a map of its entries has for
// this name: the last of equal ones. 0: none.
unsigned control_line_of(std::string_view file, std::string_view name, control_form form);

// control_readint: the number that begins the first line. absent also where
// the first line does not begin with a digit. Numbers wrap as scan_ulong does.
struct control_number {
  Look look = Look::absent;
  int error = 0;
  unsigned long number = 0;
};
control_number control_readint(const char *path, int dir = AT_FDCWD);

// scan_ulong: the digits at the beginning of s; how many there are.
size_t control_scan(std::string_view s, unsigned long &number);

// constmap: NUL-terminated entries, found by name whatever the case of ASCII
// letters; of two with the same name the last one counts.
class control_map {
 public:
  using Form = control_form;
  control_map() = default;
  control_map(std::string_view entries, Form form);

  bool has(std::string_view name) const { return find(name).has_value(); }
  // The value of the entry (empty for a list of names), valid while the map lives.
  std::optional<std::string_view> find(std::string_view name) const;

 private:
  struct hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const;
  };
  struct same {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
  };
  std::unordered_map<std::string, std::string, hash, same> entries_;
};

#endif
