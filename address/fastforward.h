// fastforward.h - a line that runs fastforward: does its database have the address?
//
// Follows fastforward 0.51 (fastforward.c, and its manual page) with all options.
// Reads the database and the lists in it as the controlling user; a relative path
// starts at the home. A database that is missing or damaged, and a list that
// cannot be read, are fastforward's exit 111: temporary. An address whose record
// runs a program is left to the program, and one whose records and lists are more
// than a look is worth is left to fastforward: unknown.

#ifndef ADDRESS_FASTFORWARD_H
#define ADDRESS_FASTFORWARD_H

#include <string>

#include "delivery.h"
#include "shell.h"

// The words of the line, the first of which is fastforward.
outcome fastforward_read(const delivery &d, const shell_command &command);

// VERIFY_FASTFORWARDCDB, for a line that cannot be read but names fastforward: is
// the address in this database, as $DEFAULT@$HOST (or $EXT@$HOST) or as $RECIPIENT?
// Only a hint: a database that cannot be read leaves the line unknown, with an
// advice.
outcome fastforward_hint(const delivery &d, const std::string &cdb_path);

#endif
