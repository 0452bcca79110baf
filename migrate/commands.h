// commands.h - the simple commands of a sh script, and what they do with variables.
//
// A script is cut into commands as the grammar of sh has it, as far as is needed to
// tell which assignments hold for what: those before a command and those that env is
// given hold for it alone; those that stand alone or behind export hold for all that
// comes after, if they are surely carried out.

#ifndef MIGRATE_COMMANDS_H
#define MIGRATE_COMMANDS_H

#include <string>
#include <vector>

#include "tokens.h"

// NAME=VALUE.
struct assignment {
  size_t token;  // its place among the script's tokens
  std::string name, value;
  bool literal;  // value is what it stands for
};

struct command {
  std::vector<size_t> words;  // places of its tokens, redirections left out
  bool plain = true;          // carried out, once, by the script's own shell
  std::vector<assignment> before;    // in front of the command; or alone, without one
  std::vector<assignment> exported;  // behind export
  std::vector<size_t> export_names;  // words behind export without a value
  std::vector<assignment> by_env;    // what env is given
  std::vector<size_t> others;        // all words that are none of these, the command's name among them

  // Are the assignments in front the script's own?
  bool bare() const { return before.size() == words.size(); }
  bool is_export() const { return !exported.empty() || !export_names.empty(); }
};

// The commands in their order. False: the script's structure is not understood.
bool commands_read(const std::vector<token> &tokens, std::vector<command> &out);

#endif
