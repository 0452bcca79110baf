// say.h - what qmail-vrfy, or another program, says on standard error, and how bytes
// from outside are shown.

#ifndef VRFY_SAY_H
#define VRFY_SAY_H

#include <map>
#include <string>
#include <string_view>

// Bytes from outside as they may be shown on a terminal and stand in a field: 0x21 to
// 0x7e as they are but for the backslash, which is doubled; every other byte, blanks
// too, as \xNN. As log_putsafe has it, of any length.
std::string vrfy_safe(std::string_view bytes);

// The same for a sentence that has blanks of its own, and words from outside in it:
// blanks and backslashes stay.
std::string vrfy_safe_sentence(std::string_view sentence);

// Whose words they are from now on: "qmail-vrfy" until it is said.
void vrfy_say_as(std::string_view program);

// "qmail-vrfy: SENTENCE" and a newline, in one write. Printable ASCII; what came from
// outside has been made safe.
void vrfy_say(std::string_view sentence);

// "qmail-vrfy: WHAT: the words of error".
void vrfy_say_errno(std::string_view what, int error);

// Sentences of which there may be very many: the first ten of each kind are said, the
// others are counted.
class vrfy_many {
 public:
  // "WHO: KIND", both safe.
  void say(const std::string &who, const std::string &kind);
  // How many were not said, and of what kind.
  void end();

 private:
  std::map<std::string, unsigned long> count_;
};

// The last line of the terminal: shows text there in the place of what was shown
// before, or, where it is empty, takes it away. What vrfy_say says stands above it.
// Only for a standard error that is a terminal.
void vrfy_bar(std::string_view text);

#endif
