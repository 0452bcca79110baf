// tokens.cpp - see tokens.h.

#include "tokens.h"

namespace {

constexpr unsigned DEEPEST = 100;  // $( within $( and so on

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_operator(char c) { return std::string_view("\n;&|()<>").find(c) != std::string_view::npos; }

class reader {
 public:
  explicit reader(std::string_view text) : text_(text) {}

  // The next token. False: there is none, or it is not understood (fault()).
  bool next(token &out) {
    skip();
    if (at_ == text_.size()) return false;
    out = {token::Kind::word, at_, at_, true, {}, 0};
    if (is_operator(text_[at_]))
      read_operator(out);
    else if (!read_number(out))
      read_word(out);
    out.end = at_;
    const std::string_view written = text_.substr(out.begin, out.end - out.begin);
    if (out.kind == token::Kind::word) out.name = tokens_name(written);
    if (out.kind != token::Kind::word || !out.literal) out.text = written;
    return !fault_;
  }
  bool fault() const { return fault_; }

 private:
  bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  // Blanks, continued lines and a comment.
  void skip() {
    for (;;) {
      if (at_ < text_.size() && is_blank(text_[at_]))
        ++at_;
      else if (sees("\\\n"))
        at_ += 2;
      else
        break;
    }
    if (sees("#")) at_ = std::min(text_.find('\n', at_), text_.size());
  }

  void read_operator(token &out) {
    const char c = text_[at_++];
    if (c == '(' || c == ')') {
      out.kind = c == '(' ? token::Kind::open : token::Kind::close;
    } else if (c == '<' || c == '>') {
      out.kind = token::Kind::redirect;
      if (c == '<' && sees("<")) fault_ = true;  // a here-document
      if (sees(">") || sees("&") || sees("|")) ++at_;
    } else {
      out.kind = token::Kind::separator;
      if (c != '\n' && at_ < text_.size() && text_[at_] == c) ++at_;
    }
  }

  // "2>": the digits belong to the operator.
  bool read_number(token &out) {
    const size_t end = text_.find_first_not_of("0123456789", at_);
    if (end == at_ || end == text_.npos || (text_[end] != '<' && text_[end] != '>')) return false;
    at_ = end;
    read_operator(out);
    return true;
  }

  void read_word(token &out) {
    while (!fault_ && at_ < text_.size() && !is_blank(text_[at_]) && !is_operator(text_[at_])) {
      const char c = text_[at_];
      if (c == '\'')
        read_single(out);
      else if (c == '"')
        read_double(out);
      else if (c == '\\')
        read_escape(out, false);
      else if (c == '$' || c == '`')
        read_expansion(out, 0);
      else
        out.text += c, ++at_;
    }
  }

  void read_single(token &out) {
    const size_t close = text_.find('\'', at_ + 1);
    if (close == text_.npos) return fail();
    out.text.append(text_.substr(at_ + 1, close - at_ - 1));
    at_ = close + 1;
  }

  void read_double(token &out, unsigned depth = 0) {
    for (++at_; !fault_;) {
      if (at_ >= text_.size()) return fail();
      const char c = text_[at_];
      if (c == '"') break;
      if (c == '\\')
        read_escape(out, true);
      else if (c == '$' || c == '`')
        read_expansion(out, depth + 1);
      else
        out.text += c, ++at_;
    }
    ++at_;
  }

  // Within double quotes a backslash is itself before most characters.
  void read_escape(token &out, bool quoted) {
    if (++at_ == text_.size()) return fail();
    const char c = text_[at_++];
    if (c == '\n') return;
    if (quoted && std::string_view("$`\"\\").find(c) == std::string_view::npos) out.text += '\\';
    out.text += c;
  }

  void read_expansion(token &out, unsigned depth) {
    out.literal = false;
    if (depth > DEEPEST) return fail();
    const char c = text_[at_++];
    if (c == '`') return skip_backquotes();
    if (sees("{")) return skip_to('{', '}', depth);
    if (sees("(")) return skip_to('(', ')', depth);
  }

  void skip_backquotes() {
    for (; at_ < text_.size() && text_[at_] != '`'; ++at_)
      if (text_[at_] == '\\') ++at_;
    if (at_ >= text_.size()) return fail();
    ++at_;
  }

  // What stands between two brackets, quotes and brackets among it.
  void skip_to(char open, char close, unsigned depth) {
    token inner{token::Kind::word, 0, 0, true, {}, 0};
    for (unsigned opened = 0; !fault_;) {
      if (at_ >= text_.size()) return fail();
      const char c = text_[at_];
      if (c == '\'') {
        read_single(inner);
      } else if (c == '"') {
        read_double(inner, depth + 1);
      } else if (c == '\\') {
        read_escape(inner, false);
      } else if (c == '$' || c == '`') {
        read_expansion(inner, depth + 1);
      } else {
        ++at_;
        if (c == open) ++opened;
        if (c == close && --opened == 0) return;
      }
    }
  }

  void fail() { fault_ = true, at_ = text_.size(); }

  std::string_view text_;
  size_t at_ = 0;
  bool fault_ = false;
};

}  // namespace

size_t tokens_name(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && (is_letter(text[end]) || (end && text[end] >= '0' && text[end] <= '9'))) ++end;
  return end < text.size() && text[end] == '=' ? end : 0;
}

bool tokens_read(std::string_view text, std::vector<token> &out) {
  if (text.find('\0') != text.npos) return false;
  reader from(text);
  token one;
  while (from.next(one)) out.push_back(one);
  return !from.fault();
}
