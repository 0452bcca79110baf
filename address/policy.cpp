// policy.cpp - see policy.h.

#include "policy.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "qmail/text.h"

namespace {

// More sentences than that about one file help nobody and fill a log.
constexpr size_t COMPLAINTS_MAX = 100;
// The longest piece of the file that a sentence shows.
constexpr size_t SHOWN_MAX = 100;

// What no domain has in it. What stands behind the last of '@' and '*' may still be one.
constexpr std::string_view BLANKS(" \t\0", 3), WIDER("@*"), NO_DOMAIN(" \t\0@*", 5);

constexpr const char *WORDS =
    "the words are off, observe, refuse-delete, refuse-null, ext, follow and refuse=/full/path/of/a/program";

constexpr struct {
  std::string_view name;
  bool policy_words::*flag;
} FLAGS[] = {{"off", &policy_words::off},
             {"observe", &policy_words::observe},
             {"refuse-delete", &policy_words::refuse_delete},
             {"refuse-null", &policy_words::refuse_null},
             {"ext", &policy_words::ext},
             {"follow", &policy_words::follow}};

// Programs that are read, so that no policy speaks for them.
constexpr std::string_view READ[] = {"true",         "false",       "bouncesaying", "except",
                                     "condredirect", "fastforward", "vdelivermail", "vdeliver"};

bool is_read(std::string_view program) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  return name.starts_with("ezmlm-") || std::find(std::begin(READ), std::end(READ), name) != std::end(READ);
}

std::string_view trim(std::string_view s) {
  const size_t begin = std::min(s.find_first_not_of(" \t"), s.size());
  return s.substr(begin, s.find_last_not_of(" \t") + 1 - begin);
}

// The part before the first of separators, which is taken off rest with it.
std::string_view cut(std::string_view &rest, std::string_view separators) {
  const size_t end = rest.find_first_of(separators);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return part;
}

std::string quoted(std::string_view s) {
  return "\"" + std::string(s.substr(0, SHOWN_MAX)) + (s.size() > SHOWN_MAX ? "...\"" : "\"");
}

// What a line that is neither empty nor a comment says.
struct entry {
  std::string domain;  // in lower case
  policy_words words;
  bool broken = false;  // something in it could not be read
  std::vector<std::string> complaints;

  explicit entry(std::string_view line) {
    if (const char *wrong = wrong_domain(line))
      not_a_line(line, wrong);
    else
      words_of(line);
  }

  std::string shown_domain() const { return domain.empty() ? "the entry for all domains" : quoted(domain); }

 private:
  static const char *wrong_domain(std::string_view line) {
    const std::string_view name = line.substr(0, line.find(':'));
    if (name.size() == line.size()) return "has no colon: write domain:word,word";
    if (name.find_first_of(NO_DOMAIN) == name.npos) return nullptr;
    return "does not begin with a domain: write one without blanks, @ and *, or .domain for all below it, or nothing "
           "before the colon for all";
  }

  // The domain that is meant is the first word, or what is behind an @ or * in it.
  void not_a_line(std::string_view line, const char *wrong) {
    std::string_view rest = line;
    rest.remove_prefix(std::min(rest.find_first_not_of(BLANKS), rest.size()));
    const std::string_view first = cut(rest, std::string_view(" \t\0:", 4));
    domain = text_lower(first.substr(first.find_last_of(WIDER) + 1));
    complain(quoted(line) + " " + wrong);
  }

  void words_of(std::string_view line) {
    domain = text_lower(cut(line, ":"));
    while (!trim(line).empty()) word(trim(cut(line, ",")));
  }

  void word(std::string_view text) {
    for (auto &row : FLAGS)
      if (text_equal(text, row.name)) {
        words.*row.flag = true;
        return;
      }
    std::string_view program = text;
    if (text_equal(cut(program, "="), "refuse")) return refuse(text, program);
    complain(shown_domain() + ": there is no word " + quoted(text) + "; " + WORDS);
  }

  void refuse(std::string_view text, std::string_view program) {
    if (!program.starts_with('/') || program.find_first_of(BLANKS) != program.npos)
      complain(shown_domain() + ": " + quoted(text) + " must have a program's full path, without arguments; " + WORDS);
    else if (is_read(program))
      complaints.push_back(shown_domain() + ": " + quoted(text) +
                           " has no effect: what this program does is read, not assumed; take the word out");
    else
      words.refuse.emplace_back(program);
  }

  void complain(const std::string &what) {
    broken = true;
    complaints.push_back(what + "; until this is mended " +
                         (domain.empty() ? "every domain without a line of its own" : quoted(domain)) +
                         " is only observed");
  }
};

// The sentences about a file, with their lines.
class complaint_list {
 public:
  explicit complaint_list(std::vector<std::string> &to) : to_(to) {}

  void add(size_t line, const std::string &what) {
    if (++told_ <= COMPLAINTS_MAX) to_.push_back("control/verifypolicy line " + std::to_string(line) + ": " + what);
    if (told_ == COMPLAINTS_MAX + 1) to_.push_back("control/verifypolicy: more cannot be read than is told here");
  }

 private:
  std::vector<std::string> &to_;
  size_t told_ = 0;
};

}  // namespace

bool policy_words::refuses(std::string_view program) const {
  return std::find(refuse.begin(), refuse.end(), program) != refuse.end();
}

policy_table::policy_table(std::string_view text, std::vector<std::string> &complaints) {
  complaint_list wrong(complaints);
  std::set<std::string> broken;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text_line(text);
    if (line.empty() || line.front() == '#') continue;
    entry e(line);
    for (const std::string &what : e.complaints) wrong.add(number, what);
    if (entries_.count(e.domain))
      wrong.add(number, e.shown_domain() + " has a line already, which no longer counts: take one of them out");
    if (e.broken) broken.insert(e.domain);
    if (broken.count(e.domain)) e.words.observe = true;
    e.words.line = static_cast<unsigned>(number);
    e.words.text = line.substr(0, SHOWN_MAX);
    entries_.insert_or_assign(std::move(e.domain), std::move(e.words));
  }
}

policy_table policy_table::unreadable() {
  policy_table table;
  table.entries_[""].observe = true;
  return table;
}

const policy_words &policy_table::find(std::string_view domain) const {
  static const policy_words none;
  if (entries_.empty()) return none;
  const std::string name = text_lower(domain);
  for (size_t at = 0; at < name.size(); ++at)
    if (at == 0 || name[at] == '.')
      if (auto hit = entries_.find(std::string_view(name).substr(at)); hit != entries_.end()) return hit->second;
  const auto all = entries_.find(std::string_view());
  return all == entries_.end() ? none : all->second;
}
