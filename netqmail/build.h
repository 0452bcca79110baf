// build.h - what is put into the files by which a qmail is built and installed.

#ifndef NETQMAIL_BUILD_H
#define NETQMAIL_BUILD_H

#include <string>
#include <string_view>
#include <vector>

#include "marks.h"
#include "smtpd.h"

// Makefile: rules for MARK_OBJECTS, and these wherever object, that of the changed source
// ("qmail-smtpd.o"), is linked. Nothing, and refused tells why, where it is not understood.
std::vector<edit> build_makefile_edits(std::string_view text, std::string_view object, refusal &refused);

// TARGETS, the names that "make clean" removes: MARK_OBJECTS behind qmail-smtpd's. Nothing
// where these are not in it.
std::vector<edit> build_targets_edits(std::string_view text);

// hier.c, what "make setup" installs: README.verify behind the last file in doc. Nothing
// where there is none in doc.
std::vector<edit> build_hier_edits(std::string_view text);

#endif
