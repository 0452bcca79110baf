// tokens.h - a sh script as words and operators, each with its place in the text.
//
// Cuts as POSIX (Shell Command Language, 2.3 and 2.2) has it; a backslash before a
// newline continues a line. Nothing is expanded: a word with a '$' or a backquote that
// counts is not literal. Here-documents are not understood.

#ifndef MIGRATE_TOKENS_H
#define MIGRATE_TOKENS_H

#include <string>
#include <string_view>
#include <vector>

struct token {
  enum class Kind {
    word,
    separator,  // newline ; & && || | ;; and their like
    open,       // (
    close,      // )
    redirect    // with its digits, without its target, which is a word
  } kind;
  size_t begin, end;
  bool literal;      // word: text is what it stands for
  std::string text;  // literal word: without quotes; others: as written
  size_t name;       // word: that many bytes of text are a variable's name, and '=' follows, all without quotes
};

// The length of the variable's name that text begins with, an '=' behind it; 0: there is
// none.
size_t tokens_name(std::string_view text);

// The tokens of text, comments left out. False: it ends within quotes, or has something
// that is not understood.
bool tokens_read(std::string_view text, std::vector<token> &out);

#endif
