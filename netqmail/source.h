// source.h - a C source, as far as its functions and statements go: no preprocessor, no types.
//
// Comments are passed over; so are lines of the preprocessor, but that of several branches
// the first one counts for the depth of braces. What it yields is where things are: offsets
// into the text.

#ifndef NETQMAIL_SOURCE_H
#define NETQMAIL_SOURCE_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

enum class token_kind { word, string, mark };

struct source_token {
  token_kind kind;
  size_t begin, end;   // in the text
  unsigned braces;     // how many are open before it
  unsigned parens;
};

struct source_function {
  std::string name;
  bool is_void;         // the word before its name is void
  size_t first, last;   // its tokens: from the brace that opens it to the one that closes it
  size_t parameters;    // how many there are
};

class c_source {
 public:
  // text outlives this.
  explicit c_source(std::string_view text);

  std::string_view text() const { return text_; }
  const std::vector<source_token> &tokens() const { return tokens_; }
  const std::vector<source_function> &functions() const { return functions_; }
  std::string_view at(size_t token) const;
  // The function that has the token; null: none.
  const source_function *function_of(size_t token) const;
  const source_function *function_named(std::string_view name) const;
  // Where these tokens stand one behind the other, from token begin on: the number of the
  // first; tokens().size(): nowhere. "?" stands for any word, "?\"" for any string.
  size_t find(const std::vector<std::string_view> &words, size_t begin = 0) const;
  // The first token of the statement that the token is in.
  size_t statement_of(size_t token) const;
  // The beginning of the token's line, where only blanks stand before it; npos: something
  // else does.
  size_t line_of(size_t token) const;
  // Where a line may be put in behind the last #include that no condition governs; npos:
  // there is none.
  size_t behind_includes() const { return behind_includes_; }

 private:
  void read();
  void read_functions();
  size_t directive(size_t pos);
  size_t skip_comment(size_t pos) const;
  size_t skip_quoted(size_t pos) const;

  struct condition {
    unsigned braces, parens;  // before it
    unsigned after_braces = 0, after_parens = 0;  // behind its first branch
    bool other = false;       // in another branch than the first
  };
  std::string_view text_;
  std::vector<source_token> tokens_;
  std::vector<source_function> functions_;
  std::vector<condition> conditions_;
  unsigned braces_ = 0, parens_ = 0;
  size_t behind_includes_ = std::string_view::npos;
};

#endif
