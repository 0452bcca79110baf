// fuzz_shell.cpp - any bytes as a program line: what is certain has no NUL in it and
// no word that says something without being known; a line without anything that is
// special to a shell is what cutting it at blanks gives.

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "address/shell.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool is_plain(char c) {
  constexpr std::string_view plain = "%+,-./:@^_ \t\r";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || plain.find(c) != plain.npos;
}

std::vector<std::string_view> cut(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t begin; (begin = line.find_first_not_of(" \t")) != line.npos;) {
    line.remove_prefix(begin);
    words.push_back(line.substr(0, line.find_first_of(" \t")));
    line.remove_prefix(words.back().size());
  }
  return words;
}

void is_cut(const shell_command &command, std::string_view line) {
  const std::vector<std::string_view> words = cut(line);
  if (!command.certain) {
    // an option of the shell's, or perhaps a reserved word
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
    const bool option = line.starts_with('-') || line.starts_with('+');
    require(option || words.at(0).find_first_not_of(letters) == line.npos);
    return;
  }
  require(command.words.size() == words.size());
  for (size_t i = 0; i < words.size(); ++i) require(command.words[i].is(words[i]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  const std::string_view line = all.substr(0, all.find('\0'));
  const shell_command command = shell_read(all, "/home/joe");
  require(command.certain || command.words.empty());
  for (const shell_word &word : command.words) {
    require(word.text.find('\0') == word.text.npos);
    require(word.certain || word.text.empty());
    // a word says no more than the line, but for the home
    require(word.text.size() <= line.size() + std::string_view("/home/joe").size());
  }
  bool plain = true;
  for (char c : line) plain = plain && is_plain(c);
  if (plain) is_cut(command, line);
  return 0;
}
