// script.h - run scripts for sh: where they set the variables, and what is to become of
// it.
//
// What is set for one command (in front of it, or by env) is decided for that command.
// What is set for all of the script and exported is decided together: wherever it stands.
// A script is left as it is, and told why, where that could mean something else than
// before: in branches, functions and loops, with values that are made when it runs, with
// variables that are not exported, set twice, unset or looked at.

#ifndef MIGRATE_SCRIPT_H
#define MIGRATE_SCRIPT_H

#include <string_view>

#include "edits.h"
#include "meaning.h"

// Is the text a script ("#!"), and one for sh or for a shell that reads as it does?
bool script_is(std::string_view text);
bool script_for_sh(std::string_view text);

// What is to be done with the text of a script.
migration script_migrate(std::string_view text, From from);

// The numbers of the lines, comments left out, where one of the variables is set or
// looked at, by their letters alone; VERIFY counts only where nothing is its value.
std::vector<size_t> script_mentions(std::string_view text);

#endif
