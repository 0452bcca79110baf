// shell.h - a program line cut into words, as /bin/sh -c would cut it.
//
// Knows the part of the shell's language whose result is certain, in dash and in
// bash, in every locale: words between blanks, quotes, backslashes, the home, a
// comment at the end. Everything else is not certain: variables outside double
// quotes, ; & | < > ( ) `, patterns, braces, assignments, reserved words, a quote
// that is not closed, a line that begins as an option, control characters, and
// bytes of 0x80 and more outside quotes.

#ifndef ADDRESS_SHELL_H
#define ADDRESS_SHELL_H

#include <string>
#include <string_view>
#include <vector>

struct shell_word {
  std::string text;     // after quotes are taken off
  bool certain = true;  // false: one word, but a variable in double quotes makes what it says unknown (text is empty)

  // Is it certainly this text?
  bool is(std::string_view s) const { return certain && text == s; }
};

struct shell_command {
  bool certain = false;           // false: the words say nothing
  std::vector<shell_word> words;  // none: an empty command, which exits 0
};

// line: what stands behind the '|', up to its end or a NUL. home: $HOME, for "~".
shell_command shell_read(std::string_view line, std::string_view home);

#endif
