// migrate.h - a file's text: of which kind it is, and what is to be done with it.

#ifndef MIGRATE_MIGRATE_H
#define MIGRATE_MIGRATE_H

#include <string_view>

#include "edits.h"
#include "meaning.h"

enum class Kind {
  rules,    // the source of a tcprules database
  script,   // for sh, or a piece of one
  foreign   // a script for something else, a database, a variable of envdir
};

// By its content, and by name where it is a variable's; path: the file's.
Kind migrate_kind(std::string_view path, std::string_view text);

// What is to be done with it, whatever it is.
migration migrate_text(std::string_view path, std::string_view text, From from);

#endif
