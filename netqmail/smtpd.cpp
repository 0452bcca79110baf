// smtpd.cpp - see smtpd.h.

#include "smtpd.h"

#include <algorithm>

#include "source.h"

namespace {

class reader {
 public:
  reader(std::string_view text, refusal &refused) : source_(text), refused_(refused) {}
  std::vector<edit> edits();

 private:
  bool refuse(size_t token, const std::string &why);
  bool whole(const std::string &why) { return refuse(source_.tokens().size(), why); }
  bool has_what_is_called();
  bool place(size_t statement, size_t &line);
  bool rcpt();
  bool data();
  std::string argument(size_t open, size_t number) const;
  std::string blanks(size_t line) const;
  std::string reply(const std::string &call, const std::string &condition, const std::string &indent) const;
  bool once(const std::vector<std::string_view> &words, const std::string &what, size_t &token);

  bool takes_any_number(size_t &place) const;

  c_source source_;
  refusal &refused_;
  std::string sender_, end_;  // end_: what ends the arguments of out(), if something does
  std::vector<edit> edits_;
};

bool reader::refuse(size_t token, const std::string &why) {
  const auto &tokens = source_.tokens();
  refused_ = {token < tokens.size() ? edits_line(source_.text(), tokens[token].begin) : 0, why};
  return false;
}

// The words stand there, and only once.
bool reader::once(const std::vector<std::string_view> &words, const std::string &what, size_t &token) {
  const size_t none = source_.tokens().size();
  token = source_.find(words);
  if (token == none) return whole("there is no " + what);
  const size_t other = source_.find(words, token + 1);
  return other == none || refuse(other, "there is a second " + what + ", and it cannot be told which one counts");
}

// What the lines call has to be there, and to be as they call it.
bool reader::has_what_is_called() {
  const source_function *out = source_.function_named("out");
  const size_t none = source_.tokens().size();
  size_t place = none;
  if (!out) return whole("there is no function out(), which sends a reply");
  if (takes_any_number(place)) {
    const auto ends_with = [&](const char *last) { return source_.find({"out", "(", "?\"", ",", last, ")"}) < none; };
    if (!ends_with("NULL") && !ends_with("0")) return refuse(place, "out() takes any number of strings, and it cannot be told what ends them");
    end_ = ",(char *) 0";
  } else if (out->parameters != 1) {
    return refuse(out->first, "out() takes more than the reply");
  }
  if (!source_.function_named("flush")) return whole("there is no function flush(), which sends what out() has gathered");
  if (source_.find({"relayclient"}) == none) return whole("there is no variable relayclient, by which clients that may relay are known");
  if (source_.find({"_exit", "("}) == none) return whole("_exit() is called nowhere");
  if (source_.behind_includes() == std::string_view::npos) return whole("there is no #include");
  return true;
}

// Is there a definition or declaration out(char *s, ...)? Perhaps in a branch of the preprocessor
// that does not count for functions.
bool reader::takes_any_number(size_t &place) const {
  const auto &tokens = source_.tokens();
  for (size_t i = 0; (i = source_.find({"out", "("}, i)) < tokens.size(); ++i) {
    if (tokens[i].braces) continue;
    place = i;
    for (size_t k = i + 2; k + 2 < tokens.size() && tokens[k].parens > tokens[i].parens; ++k)
      if (source_.at(k) == "." && source_.at(k + 1) == "." && source_.at(k + 2) == ".") return true;
  }
  return false;
}

// Where a line can stand before this statement.
bool reader::place(size_t statement, size_t &line) {
  for (const char *word : {"else", "case", "default", "do", "while", "for"})
    if (source_.at(statement) == word)
      return refuse(statement, std::string("nothing can be put in here, before \"") + word + "\"");
  line = source_.line_of(statement);
  return line != std::string_view::npos || refuse(statement, "something else stands before this statement in its line");
}

// An argument of a call, as it is written.
std::string reader::argument(size_t open, size_t number) const {
  const auto &tokens = source_.tokens();
  const unsigned depth = tokens[open].parens + 1;
  size_t begin = open + 1, i = begin;
  for (; i < tokens.size() && tokens[i].parens >= depth; ++i) {
    if (source_.at(i) != "," || tokens[i].parens != depth) continue;
    if (number-- == 0) break;
    begin = i + 1;
  }
  if (number && number != size_t(-1)) return "";
  return i > begin ? std::string(source_.text().substr(tokens[begin].begin, tokens[i - 1].end - tokens[begin].begin)) : "";
}

// The blanks at the line's beginning.
std::string reader::blanks(size_t line) const {
  const std::string_view rest = source_.text().substr(line);
  return std::string(rest.substr(0, std::min(rest.find_first_not_of(" \t"), rest.size())));
}

std::string reader::reply(const std::string &call, const std::string &condition, const std::string &indent) const {
  const std::string in = indent + (indent.starts_with('\t') ? "\t" : "  "), deep = in + (indent.starts_with('\t') ? "\t" : "  ");
  return indent + condition + "{ /* qmail-verify: begin */\n" +
         in + "char *verified = " + call + ";\n" +
         in + "if (verified) {\n" +
         deep + "out(verified" + end_ + ");\n" +
         deep + "if (verifydoor_is_last(verified)) { flush(); _exit(1); }\n" +
         deep + "return;\n" +
         in + "}\n" +
         indent + "} /* qmail-verify: end */\n";
}

bool reader::rcpt() {
  size_t add, line;
  if (!once({"stralloc_cats", "(", "&", "?", ",", "\"T\"", ")"}, "stralloc_cats(&LIST,\"T\"), which adds a recipient", add)) return false;
  const source_function *f = source_.function_of(add);
  if (!f) return refuse(add, "this is in no function that could be made out");
  if (!f->is_void) return refuse(add, f->name + "() is not declared void, so what it has to return is not known");
  const size_t statement = source_.statement_of(add);
  const bool plain = statement == add || (statement + 3 == add && source_.at(statement) == "if" && source_.at(add - 1) == "!");
  if (!plain) return refuse(statement, "this is not if (!stralloc_cats(...)), as elsewhere");
  if (!place(statement, line)) return false;
  const std::string list(source_.at(add + 3));
  const size_t next = source_.find({"stralloc_cats", "(", "&", list, ","}, add + 1);
  const std::string address = next < f->last ? argument(next + 1, 1) : "";
  if (address.empty() || address == "\"T\"") return refuse(add, "the recipient is not added behind this");
  edits_.push_back({line, line, reply("verifydoor_rcpt(" + address + "," + sender_ + ",!" + list + ".len)", "if (!relayclient) ", blanks(line))});
  return true;
}

bool reader::data() {
  const auto &tokens = source_.tokens();
  size_t found = tokens.size(), line;
  for (size_t open = 0; (open = source_.find({"qmail_open", "("}, open)) < tokens.size(); ++open) {
    const source_function *f = source_.function_of(open);
    if (!f) continue;
    bool replies = false;
    for (size_t i = open; i < f->last; ++i) replies = replies || source_.at(i).starts_with("\"354");
    if (!replies) continue;
    if (found < tokens.size()) return refuse(open, "a second place where a message is taken: it cannot be told which one counts");
    found = open;
  }
  if (found == tokens.size()) return whole("there is no qmail_open() before a reply 354");
  const source_function *f = source_.function_of(found);
  if (!f->is_void) return refuse(found, f->name + "() is not declared void, so what it has to return is not known");
  const size_t forgot = source_.find({"seenmail", "=", "0", ";"}, f->first);
  if (forgot >= found) return refuse(found, "MAIL has not been forgotten before this (seenmail = 0), so a transaction that is refused would go on");
  const size_t from = source_.find({"qmail_from", "("}, found);
  sender_ = from < f->last ? argument(from + 1, 1) : "";
  if (sender_.empty()) return refuse(found, "the sender is not handed on behind this (qmail_from)");
  if (!place(source_.statement_of(found), line)) return false;
  edits_.push_back({line, line, reply("verifydoor_data()", "", blanks(line))});
  return true;
}

std::vector<edit> reader::edits() {
  if (!has_what_is_called() || !data() || !rcpt()) return {};
  const size_t top = source_.behind_includes();
  edits_.push_back({top, top, "#include \"verifydoor.h\" /* qmail-verify */\n"});
  std::sort(edits_.begin(), edits_.end(), [](const edit &a, const edit &b) { return a.begin < b.begin; });
  return std::move(edits_);
}

}  // namespace

std::vector<edit> smtpd_edits(std::string_view text, refusal &refused) { return reader(text, refused).edits(); }
