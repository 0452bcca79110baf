// build.cpp - see build.h.

#include "build.h"

#include <algorithm>

#include "source.h"

namespace {

constexpr std::string_view PROGRAM = "qmail-smtpd";

// A rule: its head and its commands, whole lines.
struct rule {
  size_t begin, commands, end;
};

// Behind the line that begins at pos, and those that continue it.
size_t behind_line(std::string_view text, size_t pos) {
  for (;;) {
    const size_t end = text.find('\n', pos);
    if (end == text.npos) return text.size();
    pos = end + 1;
    if (end == 0 || text[end - 1] != '\\') return pos;
  }
}

bool is_word(char c) { return c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\\'; }

// Where a word stands by itself, from begin up to end; npos: nowhere.
size_t find_word(std::string_view text, std::string_view word, size_t begin, size_t end) {
  for (size_t pos = begin; (pos = text.find(word, pos)) != text.npos && pos + word.size() <= end; ++pos) {
    const size_t behind = pos + word.size();
    if ((pos == 0 || !is_word(text[pos - 1])) && (behind == text.size() || !is_word(text[behind]))) return pos;
  }
  return text.npos;
}

// All rules that have commands.
std::vector<rule> rules_of(std::string_view text) {
  std::vector<rule> rules;
  for (size_t pos = 0; pos < text.size();) {
    const size_t behind = behind_line(text, pos);
    const bool head = text[pos] != '\t' && text[pos] != '#' && text.substr(pos, behind - pos).find(':') != text.npos;
    size_t end = behind;
    while (end < text.size() && text[end] == '\t') end = behind_line(text, end);
    if (head && end > behind) rules.push_back({pos, behind, end});
    pos = end;
  }
  return rules;
}

// Names that others may have, too (indimail has two of them): there they are called otherwise.
constexpr std::string_view RENAMED = "-Dquery_skt=sockbits_ask -Dbind_udp=udpbits_bind -Dconnect_udp=udpbits_connect ";

std::string compile_rules(std::string_view object) {
  const std::string renamed(RENAMED);
  return "# qmail-verify: begin\n"
         "verifydoor.o: compile verifydoor.c verifydoor.h logbits.h verifyrcpt.h udpbits.h qmail-verify.h\n"
         "\t./compile verifydoor.c\n\n"
         "verifyrcpt.o: compile verifyrcpt.c verifyrcpt.h packet.h sockbits.h udpbits.h qmail-verify.h\n"
         "\t./compile " + renamed + "verifyrcpt.c\n\n"
         "sockbits.o: compile sockbits.c sockbits.h\n"
         "\t./compile " + renamed + "sockbits.c\n\n"
         "udpbits.o: compile udpbits.c udpbits.h\n"
         "\t./compile " + renamed + "udpbits.c\n\n"
         "logbits.o: compile logbits.c logbits.h\n"
         "\t./compile logbits.c\n\n" +
         std::string(object) + ": verifydoor.h\n"
         "# qmail-verify: end\n";
}

class makefile {
 public:
  makefile(std::string_view text, std::string_view object, refusal &refused) : text_(text), object_(object), refused_(refused) {}
  std::vector<edit> edits();

 private:
  bool refuse(size_t pos, const std::string &why) {
    refused_ = {pos == text_.npos ? 0 : edits_line(text_, pos), why};
    return false;
  }
  void put(size_t pos) { edits_.push_back({pos, pos, marks_objects(" ", "")}); }
  bool program(const rule &r);
  void others(const rule &r);

  std::string_view text_, object_;
  refusal &refused_;
  std::vector<edit> edits_;
};

// The rule for the program itself.
bool makefile::program(const rule &r) {
  const std::string load = "./load " + std::string(PROGRAM);
  const size_t command = find_word(text_, load, r.commands, r.end);
  if (command == text_.npos) return refuse(r.begin, "the commands of this rule have no \"" + load + "\"");
  const std::string own = std::string(PROGRAM) + ".o";
  const size_t named = find_word(text_, own, r.begin, r.commands), colon = text_.find(':', r.begin);
  if (named == text_.npos && is_word(text_[colon + 1])) return refuse(r.begin, "nothing can be put in behind this colon");
  put(named == text_.npos ? colon + 1 : named + own.size());
  put(command + load.size());
  return true;
}

// Other rules that link the object, which is not the program's own.
void makefile::others(const rule &r) {
  size_t linked = 0;
  for (size_t pos = r.commands; (pos = find_word(text_, object_, pos, r.end)) != text_.npos; pos += object_.size(), ++linked)
    put(pos + object_.size());
  const size_t needed = find_word(text_, object_, text_.find(':', r.begin) + 1, r.commands);
  if (linked && needed != text_.npos) put(needed + object_.size());
}

std::vector<edit> makefile::edits() {
  const std::string own = std::string(PROGRAM) + ".o";
  const std::string head = std::string(PROGRAM) + ":";
  size_t where = text_.npos;
  if (text_.find("./compile ") == text_.npos) return refuse(text_.npos, "nothing is compiled by ./compile here"), std::vector<edit>();
  for (const rule &r : rules_of(text_)) {
    if (text_.substr(r.begin).starts_with(head)) {
      if (where != text_.npos) return refuse(r.begin, "a second rule for qmail-smtpd with commands"), std::vector<edit>();
      where = r.begin;
      if (!program(r)) return {};
    } else if (object_ != own) {
      others(r);
    }
  }
  if (where == text_.npos) return refuse(text_.npos, "there is no rule for qmail-smtpd with commands"), std::vector<edit>();
  edits_.push_back({where, where, compile_rules(object_)});
  std::sort(edits_.begin(), edits_.end(), [](const edit &a, const edit &b) { return a.begin < b.begin; });
  return std::move(edits_);
}

}  // namespace

std::vector<edit> build_makefile_edits(std::string_view text, std::string_view object, refusal &refused) {
  return makefile(text, object, refused).edits();
}

std::vector<edit> build_targets_edits(std::string_view text) {
  for (const std::string_view name : {"qmail-smtpd.o\n", "qmail-smtpd\n"})
    for (size_t pos = 0; (pos = text.find(name, pos)) != text.npos; ++pos)
      if (pos == 0 || text[pos - 1] == '\n') return {{pos + name.size(), pos + name.size(), marks_objects("", "\n")}};
  return {};
}

std::vector<edit> build_hier_edits(std::string_view text) {
  const c_source source(text);
  const auto &tokens = source.tokens();
  size_t last = tokens.size();
  for (size_t at = 0; (at = source.find({"c", "(", "?", ",", "\"doc\"", ","}, at)) < tokens.size(); ++at) last = at;
  if (last == tokens.size() || tokens.size() - last < 7 || source.line_of(last) == text.npos) return {};
  size_t end = last;
  while (end < tokens.size() && source.at(end) != ";") ++end;
  const size_t behind = end < tokens.size() ? text.find('\n', tokens[end].end) : text.npos;
  if (behind == text.npos) return {};
  const std::string before(text.substr(source.line_of(last), tokens[last + 6].begin - source.line_of(last)));
  const std::string after(text.substr(tokens[last + 6].end, tokens[end].end - tokens[last + 6].end));
  const std::string line = before + "\"README.verify\"" + after;
  if (line.find('\n') != line.npos) return {};  // a statement over several lines
  return {{behind + 1, behind + 1, line + " /* qmail-verify */\n"}};
}
