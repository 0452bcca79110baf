// program.h - one program line of a dot-qmail file, judged without running it.
//
// Reads exit, true, false, bouncesaying, except, condredirect and ezmlm itself,
// hands fastforward, vdelivermail and vdeliver to the files of that name (vpopmail,
// vmailmgr), and calls everything else unknown.

#ifndef ADDRESS_PROGRAM_H
#define ADDRESS_PROGRAM_H

#include <string_view>

#include "delivery.h"
#include "shell.h"

// The line behind its '|'.
outcome program_read(const delivery &d, std::string_view line);

// Which of the programs that are read here is meant by this command word: its
// name without the directory, or empty. A name counts where the shell would find
// it: a full path outside the user's own home, or below the qmail directory's bin or
// a directory of the usual PATH; never a script, which may do anything. A host may
// be judged from a copy that has no programs: where the qmail directory's bin, or
// the bin beside vpopmail's domains, is empty, the programs that belong there count
// by their names. Valid as long as command.
std::string_view program_name(const delivery &d, const shell_word &command);

#endif
