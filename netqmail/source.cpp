// source.cpp - see source.h.

#include "source.h"

#include <algorithm>

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

}  // namespace

c_source::c_source(std::string_view text) : text_(text) {
  read();
  read_functions();
}

// Behind a comment that begins at pos; pos where none does.
size_t c_source::skip_comment(size_t pos) const {
  const std::string_view two = text_.substr(pos, 2);
  if (two == "//") return std::min(text_.find('\n', pos), text_.size());
  if (two != "/*") return pos;
  const size_t end = text_.find("*/", pos + 2);
  return end == text_.npos ? text_.size() : end + 2;
}

// Behind a string or a character; it ends with its line in any case.
size_t c_source::skip_quoted(size_t pos) const {
  const char quote = text_[pos++];
  while (pos < text_.size() && text_[pos] != quote && text_[pos] != '\n') pos += text_[pos] == '\\' ? 2 : 1;
  pos = std::min(pos, text_.size());
  return pos < text_.size() && text_[pos] == quote ? pos + 1 : pos;
}

// A line of the preprocessor, with those that continue it. Returns where it ends.
size_t c_source::directive(size_t pos) {
  const size_t begin = pos;
  while (pos < text_.size() && text_[pos] != '\n') {
    if (const size_t behind = skip_comment(pos); behind != pos) {
      pos = behind;
    } else {
      pos += text_[pos] == '\\' && pos + 1 < text_.size() ? 2 : 1;
    }
  }
  pos = std::min(pos, text_.size());
  std::string_view line = text_.substr(begin + 1, pos - begin - 1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  if (line.starts_with("if")) {
    conditions_.push_back({braces_, parens_});
  } else if ((line.starts_with("else") || line.starts_with("elif")) && !conditions_.empty()) {
    condition &c = conditions_.back();
    if (!c.other) c.after_braces = braces_, c.after_parens = parens_;
    c.other = true;
    braces_ = c.braces;
    parens_ = c.parens;
  } else if (line.starts_with("endif") && !conditions_.empty()) {
    if (conditions_.back().other) braces_ = conditions_.back().after_braces, parens_ = conditions_.back().after_parens;
    conditions_.pop_back();
  } else if (line.starts_with("include") && conditions_.empty() && braces_ == 0 && pos < text_.size()) {
    behind_includes_ = pos + 1;
  }
  return pos;
}

void c_source::read() {
  bool fresh = true;  // nothing but blanks before it in its line
  for (size_t pos = 0; pos < text_.size();) {
    const char c = text_[pos];
    if (c == '\n' || is_blank(c)) {
      fresh = fresh || c == '\n';
      ++pos;
      continue;
    }
    if (const size_t behind = skip_comment(pos); behind != pos) {
      pos = behind;
      continue;
    }
    if (c == '#' && fresh) {
      pos = directive(pos);
      continue;
    }
    fresh = false;
    source_token t{token_kind::mark, pos, pos + 1, braces_, parens_};
    if (c == '"' || c == '\'') {
      t.kind = token_kind::string;
      t.end = skip_quoted(pos);
    } else if (is_word(c)) {
      t.kind = token_kind::word;
      while (t.end < text_.size() && is_word(text_[t.end])) ++t.end;
    } else if (c == '{') {
      ++braces_;
    } else if (c == '}' && braces_) {
      t.braces = --braces_;
    } else if (c == '(') {
      ++parens_;
    } else if (c == ')' && parens_) {
      t.parens = --parens_;
    }
    pos = t.end;
    tokens_.push_back(t);
  }
}

std::string_view c_source::at(size_t token) const {
  return token < tokens_.size() ? text_.substr(tokens_[token].begin, tokens_[token].end - tokens_[token].begin) : "";
}

// NAME ( ... ) and a brace, with nothing but declarations of parameters before it.
void c_source::read_functions() {
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
    if (tokens_[i].kind != token_kind::word || tokens_[i].braces || tokens_[i].parens || at(i + 1) != "(") continue;
    size_t close = i + 2, commas = 0;
    while (close < tokens_.size() && tokens_[close].parens > 0) commas += at(close) == "," && tokens_[close].parens == 1, ++close;
    size_t open = close + 1;
    while (open < tokens_.size() && at(open) != "{" && at(open) != "=" && at(open) != "(" && tokens_[open].braces == 0) ++open;
    const bool bare = at(close + 1) == ";" || at(close + 1) == ",";
    if (bare || at(open) != "{" || tokens_[open].braces) continue;
    source_function f;
    f.name = at(i);
    f.is_void = i > 0 && at(i - 1) == "void";
    f.parameters = close == i + 2 || (close == i + 3 && at(i + 2) == "void") ? 0 : commas + 1;
    f.first = open;
    f.last = open + 1;
    while (f.last < tokens_.size() && !(at(f.last) == "}" && tokens_[f.last].braces == 0)) ++f.last;
    if (f.last == tokens_.size()) return;
    i = f.last;
    functions_.push_back(std::move(f));
  }
}

const source_function *c_source::function_of(size_t token) const {
  for (const source_function &f : functions_)
    if (token > f.first && token < f.last) return &f;
  return nullptr;
}

const source_function *c_source::function_named(std::string_view name) const {
  for (const source_function &f : functions_)
    if (f.name == name) return &f;
  return nullptr;
}

size_t c_source::find(const std::vector<std::string_view> &words, size_t begin) const {
  for (size_t i = begin; i + words.size() <= tokens_.size(); ++i) {
    size_t n = 0;
    const auto fits = [&](const source_token &t) {
      return (words[n] == "?" && t.kind == token_kind::word) || (words[n] == "?\"" && t.kind == token_kind::string);
    };
    while (n < words.size() && (at(i + n) == words[n] || fits(tokens_[i + n]))) ++n;
    if (n == words.size()) return i;
  }
  return tokens_.size();
}

size_t c_source::statement_of(size_t token) const {
  const unsigned outside = function_of(token) ? tokens_[function_of(token)->first].parens : 0;
  while (token > 0) {
    const std::string_view before = at(token - 1);
    if ((before == ";" && tokens_[token - 1].parens == outside) || before == "{" || before == "}") return token;
    --token;
  }
  return token;
}

size_t c_source::line_of(size_t token) const {
  size_t begin = tokens_[token].begin;
  while (begin > 0 && is_blank(text_[begin - 1])) --begin;
  return begin == 0 || text_[begin - 1] == '\n' ? begin : text_.npos;
}
