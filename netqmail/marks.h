// marks.h - the marks on what add-verify puts into a file, by which it finds it again.

#ifndef NETQMAIL_MARKS_H
#define NETQMAIL_MARKS_H

#include <string>
#include <string_view>
#include <vector>

#include "migrate/edits.h"

// The objects that are linked.
constexpr std::string_view MARK_OBJECTS[] = {"verifydoor.o", "verifyrcpt.o", "sockbits.o", "udpbits.o", "logbits.o"};

// The edits that take out of a text what was put into it:
//
//   whole lines from one with "qmail-verify: begin" to one with "qmail-verify: end", in a
//   comment at their ends; a line with the comment "qmail-verify" at its end; MARK_OBJECTS
//   with a blank before each; in TARGETS, MARK_OBJECTS in lines of their own.
//
// Nothing is taken out of a text that has none of them. wrong: what a mark lacks, a
// sentence without a full stop; empty: nothing.
std::vector<edit> marks_out(std::string_view text, std::string &wrong);

// MARK_OBJECTS with this before each of them, and that behind.
std::string marks_objects(std::string_view before, std::string_view behind);

#endif
