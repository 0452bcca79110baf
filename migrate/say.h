// say.h - what qmail-verify-migrate says, and how names and lines from outside are shown.

#ifndef MIGRATE_SAY_H
#define MIGRATE_SAY_H

#include <string>
#include <string_view>

// A file's name in a sentence: what is not printable ASCII, and the backslash, as \xNN;
// blanks stay.
std::string say_name(std::string_view name);

// A file's name as a word for sh, to be copied from the terminal.
std::string say_word(std::string_view name);

// A diff as a terminal may be shown it: bytes that are not printable ASCII as \xNN, but
// for newlines and tabs.
std::string say_diff(std::string_view diff);

// Whose sentences they are from now on: "qmail-verify-migrate" until it is said. program
// lives on.
void say_as(const char *program);

// "qmail-verify-migrate: SENTENCE" and a newline on standard error. Printable ASCII;
// what came from outside has been made safe.
void say(std::string_view sentence);

#endif
