// lines.h - the lines of control/verifyclients and control/verifylimits, and what is
// wrong in them.
//
// As in qmail's control files: blanks at the end of a line do not count, nor do empty
// lines and those that begin with '#'. Every other line means something, or is
// complained about and changes nothing.

#ifndef QMAIL_LINES_H
#define QMAIL_LINES_H

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Reads the text of a file. each gets every line that counts and returns what is wrong
// with it, "" where it was understood; that becomes a complaint, "FILE line N: ...",
// without a full stop and safe to be written to a log. After a hundred of them one
// says that there are more.
void lines_read(std::string_view text, const char *file, std::vector<std::string> &complaints,
                const std::function<std::string(std::string_view line)> &each);
// The same for those who want to know the line's number.
void lines_read_numbered(std::string_view text, const char *file, std::vector<std::string> &complaints,
                         const std::function<std::string(std::string_view line, size_t number)> &each);

// A piece of a file for a complaint: between quotes, cut where it is long, what is not
// printable as in log_putsafe.
std::string lines_quoted(std::string_view piece);

#endif
