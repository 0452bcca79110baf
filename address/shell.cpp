// shell.cpp - see shell.h. What POSIX leaves open, and where dash, bash and bash
// run as sh go different ways, is not certain.

#include "shell.h"

#include <algorithm>
#include <iterator>

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_eight_bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\r') || c == '\x7f';
}

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool in_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

// Words that begin something else than a command, in any of the shells.
bool is_reserved(std::string_view word) {
  static constexpr std::string_view reserved[] = {
      "!",     "if",    "then", "else", "elif", "fi", "do",     "done",   "case", "esac",
      "while", "until", "for",  "in",   "{",    "}",  "select", "coproc", "time", "function", "[[", "]]"};
  return std::find(std::begin(reserved), std::end(reserved), word) != std::end(reserved);
}

class cutting {
 public:
  cutting(std::string_view line, std::string_view home) : line_(line), home_(home) {}

  shell_command command() {
    // behind -c, a line that begins like this is one more option
    if (line_.starts_with('-') || line_.starts_with('+')) return {};
    if (std::any_of(line_.begin(), line_.end(), is_control)) return {};
    for (skip_blanks(); !at_end() && line_[at_] != '#'; skip_blanks())
      if (!word()) return {};
    if (!words_.empty() && is_reserved(words_.front().text)) return {};
    return {true, std::move(words_)};
  }

 private:
  bool at_end() const { return at_ == line_.size(); }
  bool at(char c) const { return !at_end() && line_[at_] == c; }
  bool at_word_end() const { return at_end() || is_blank(line_[at_]); }

  void skip_blanks() {
    while (!at_end() && is_blank(line_[at_])) ++at_;
  }

  // Each of these takes a piece of the word, and is false where it is not certain.
  bool word() {
    word_ = {};
    if (at('~') && !tilde()) return false;
    while (!at_word_end())
      if (!piece(line_[at_++])) return false;
    if (!word_.certain) word_.text.clear();
    words_.push_back(std::move(word_));
    return true;
  }

  bool piece(char c) {
    switch (c) {
      case '\'': return single_quotes();
      case '"': return double_quotes();
      case '\\': return backslash();
      default: return plain(c);
    }
  }

  // $HOME is put in as it is, and is not cut again.
  bool tilde() {
    ++at_;
    if (!at_word_end() && !at('/')) return false;
    if (!home_.starts_with('/') || home_.ends_with('/')) return false;
    word_.text = home_;
    return true;
  }

  bool plain(char c) {
    constexpr std::string_view special = "$`;&|<>()*?[{}";
    if (special.find(c) != special.npos || is_eight_bit(c)) return false;
    // perhaps an assignment, or a word that bash takes for one
    if (c == '=' && words_.empty()) return false;
    if (c == '~' && (word_.text.ends_with('=') || word_.text.ends_with(':'))) return false;
    word_.text += c;
    return true;
  }

  bool backslash() {
    if (at_end() || is_eight_bit(line_[at_])) return false;
    word_.text += line_[at_++];
    return true;
  }

  bool single_quotes() {
    const size_t end = line_.find('\'', at_);
    if (end == line_.npos) return false;
    word_.text += line_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }

  bool double_quotes() {
    while (!at_end()) {
      const char c = line_[at_++];
      if (c == '"') return true;
      if (c == '`' || (c == '$' && !variable())) return false;
      if (c == '\\' && !quoted_backslash()) return false;
      if (c != '\\' && c != '$') word_.text += c;
    }
    return false;
  }

  bool quoted_backslash() {
    constexpr std::string_view escaped = "$`\"\\";
    // the second byte of a character, in some character sets
    if (at_ >= 2 && is_eight_bit(line_[at_ - 2])) return false;
    if (at_end()) return false;
    word_.text += escaped.find(line_[at_]) != escaped.npos ? line_[at_++] : '\\';
    return true;
  }

  bool variable() {
    if (at_end() || !begins_name(line_[at_])) return false;
    while (!at_end() && in_name(line_[at_])) ++at_;
    word_.certain = false;
    return true;
  }

  std::string_view line_, home_;
  size_t at_ = 0;
  shell_word word_;
  std::vector<shell_word> words_;
};

}  // namespace

shell_command shell_read(std::string_view line, std::string_view home) {
  return cutting(line.substr(0, line.find('\0')), home).command();
}
