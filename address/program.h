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
// name without the directory (a part of command), or empty. A name counts where the
// shell would find it: a full path that this user may run; or in the qmail
// directory's bin, or a directory of the usual PATH. bin (the qmail directory's, and
// that of the vpopmail home in which the user's home is) counts by name where it has
// no programs at all: a host is judged from a copy. What is a program of the shell's
// own (exit, :, true, false) is not looked at here, but by program_read.
std::string_view program_name(const delivery &d, const shell_word &command);

#endif
