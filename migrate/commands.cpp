// commands.cpp - see commands.h.

#include "commands.h"

#include <optional>
#include <string_view>

namespace {

// ---- compound commands: what opens, and what closes it

struct pair {
  std::string_view opens, closes;
};
constexpr pair PAIRS[] = {{"if", "fi"},     {"case", "esac"}, {"for", "done"}, {"while", "done"},
                          {"until", "done"}, {"select", "done"}, {"{", "}"},     {"(", ")"}};
constexpr std::string_view BETWEEN[] = {"then", "elif", "else", "do", "!", "time"};

class structure {
 public:
  bool inside() const { return !closers_.empty(); }
  bool sound() const { return sound_; }

  // A word where a command begins. True: it is one of the grammar, not a command's.
  bool takes(std::string_view word) {
    for (const pair &p : PAIRS) {
      if (word == p.opens) return open(p.closes);
      if (word == p.closes) return close(word);
    }
    for (std::string_view one : BETWEEN)
      if (word == one) return true;
    return false;
  }
  bool open(std::string_view closer) {
    closers_.push_back(closer);
    return true;
  }
  // In a case, a ')' ends a pattern and nothing else.
  bool close(std::string_view closer) {
    const bool pattern = closer == ")" && inside() && closers_.back() == "esac";
    const bool fits = inside() && closers_.back() == closer;
    if (fits) closers_.pop_back();
    sound_ = sound_ && (fits || pattern);
    return true;
  }

 private:
  std::vector<std::string_view> closers_;
  bool sound_ = true;
};

// ---- a command's words

// quoted: the name may be within quotes, as in an argument of env.
std::optional<assignment> read_assignment(const token &t, size_t place, bool quoted) {
  const size_t n = t.name || !quoted || !t.literal ? t.name : tokens_name(t.text);
  if (!n) return {};
  return assignment{place, t.text.substr(0, n), t.text.substr(n + 1), t.literal};
}

bool is_program(const token &t, std::string_view name) {
  const std::string_view text = t.text;
  return t.literal && text.substr(text.rfind('/') + 1) == name;  // npos: all of it
}

class word_reader {
 public:
  word_reader(const std::vector<token> &tokens, command &c) : tokens_(tokens), c_(c) {}

  void read() {
    size_t i = read_assignments(0, c_.before, false);
    if (i == c_.words.size()) return;
    if (at(i).literal && at(i).text == "export") return read_export(i + 1);
    for (; i < c_.words.size(); ++i) {
      c_.others.push_back(c_.words[i]);
      if (c_.by_env.empty() && is_program(at(i), "env")) i = read_env(i + 1) - 1;
    }
  }

 private:
  const token &at(size_t i) const { return tokens_[c_.words[i]]; }

  size_t read_assignments(size_t i, std::vector<assignment> &to, bool quoted) {
    for (; i < c_.words.size(); ++i) {
      auto one = read_assignment(at(i), c_.words[i], quoted);
      if (!one) break;
      to.push_back(std::move(*one));
    }
    return i;
  }

  void read_export(size_t i) {
    for (; i < c_.words.size(); ++i) {
      if (auto one = read_assignment(at(i), c_.words[i], true))
        c_.exported.push_back(std::move(*one));
      else
        c_.export_names.push_back(c_.words[i]);
    }
  }

  // Options, of which -u alone has an argument that is looked at, then assignments.
  size_t read_env(size_t i) {
    for (; i < c_.words.size() && at(i).text.starts_with('-'); ++i) {
      c_.others.push_back(c_.words[i]);
      if (at(i).text == "-u" && i + 1 < c_.words.size()) c_.others.push_back(c_.words[++i]);
    }
    return read_assignments(i, c_.by_env, true);
  }

  const std::vector<token> &tokens_;
  command &c_;
};

// ---- commands in their order

class cutter {
 public:
  cutter(const std::vector<token> &tokens, std::vector<command> &out) : tokens_(tokens), out_(out) {}

  bool cut() {
    for (at_ = 0; at_ < tokens_.size(); ++at_) take(tokens_[at_]);
    end_command();
    return structure_.sound() && !structure_.inside();
  }

 private:
  void take(const token &t) {
    switch (t.kind) {
      case token::Kind::redirect:
        redirected_ = true;
        ++at_;  // its target
        break;
      case token::Kind::open:
        end_command();
        structure_.open(")");
        break;
      case token::Kind::close:
        end_command();
        structure_.close(")");
        break;
      case token::Kind::separator:
        separate(t.text);
        break;
      case token::Kind::word:
        if (words_.empty() && t.literal && t.end - t.begin == t.text.size() && structure_.takes(t.text)) {
          conditional_ = conditional_ || t.text == "!";
          break;
        }
        words_.push_back(at_);
    }
  }

  // One side of "&&" and "||" need not be carried out; both of '|', and what is before
  // '&', are carried out by another shell.
  void separate(std::string_view how) {
    if (how == "\n" && words_.empty()) return;  // a line may end behind "&&"
    const bool joins = how == "&&" || how == "||" || how == "|";
    conditional_ = conditional_ || joins || how == "&";
    end_command();
    conditional_ = joins;
  }

  void end_command() {
    if (!words_.empty()) {
      command c;
      c.words = std::move(words_);
      c.plain = !structure_.inside() && !conditional_ && !redirected_;
      word_reader(tokens_, c).read();
      out_.push_back(std::move(c));
    }
    words_.clear();
    redirected_ = false;
  }

  const std::vector<token> &tokens_;
  std::vector<command> &out_;
  structure structure_;
  std::vector<size_t> words_;
  size_t at_ = 0;
  bool conditional_ = false, redirected_ = false;
};

}  // namespace

bool commands_read(const std::vector<token> &tokens, std::vector<command> &out) { return cutter(tokens, out).cut(); }
