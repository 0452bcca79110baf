// list.cpp - qmail-vrfy --list: see list.h. One step after the other: domains, local parts,
// what of each is accepted, the names in databases, other spellings; then the lines or the
// database.

#include "list.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "conf.h"
#include "lint_unix.h"
#include "list_judge.h"
#include "list_known.h"
#include "output.h"
#include "sockbits.h"

namespace {

class list {
 public:
  explicit list(const vrfy_options &options) : options_(options) {}
  ~list() {
    if (judge_) address_free(judge_);
  }
  list(const list &) = delete;
  list &operator=(const list &) = delete;

  int run() {
    const bool to_file = !options_.list_cdb.empty();
    if (to_file && !file_.open(options_.list_cdb)) return VRFY_TROUBLE;
    list_counts before;
    if (to_file && !file_.read(before)) return VRFY_TROUBLE;
    if (!open()) return VRFY_TROUBLE;
    gather();
    const int code = to_file ? write(before) : print();
    return code;
  }

 private:
  // ---- the host

  // What is wrong in control files is said when they are read; advice about domains is what
  // --selftest and --lint are for.
  static void note(void *ctx, const char *sentence) {
    if (!static_cast<list *>(ctx)->judge_) vrfy_say(sentence);
  }

  bool open() {
    address_config config;
    address_config_default(&config);
    config.qmail = options_.qmail.c_str();
    config.fastforward_cdb = getenv("VERIFY_FASTFORWARDCDB");
    config.map_users_cdb = 1;
    config.ask_each_source = 1;
    judge_ = address_new(&config, note, this, sockbits_now_ms());
    if (!judge_ && errno == ENOMEM) throw std::bad_alloc();
    host_ = lint_unix_open(options_);
    if (geteuid() != 0)
      vrfy_say("not run by root: only homes of this process's own uid and gid can be listed, what needs another is "
               "missing");
    return judge_ && host_;
  }

  // ---- what there is

  void gather() {
    const address_settings settings = lint_unix_settings(options_).judged;
    domains_ = list_domains_read(*host_, trouble_);
    list_names locals;
    const bool many = domains_.any_many();
    list_locals(*host_, settings, locals, trouble_, [&](std::string_view key) {
      // vpopmail looks for the domain that the mail is for
      if (many && key.ends_with('-')) domains_.add_concrete(key.substr(0, key.size() - 1));
    });
    locals.settle();
    list_judge judge(judge_, lines_, trouble_);
    for (const list_domain &d : domains_.all) domain(d, locals, judge);
    for (const std::string &address : domains_.addresses) judge.ask(address, false);
    judge.end();
    known(settings, judge);
    other_spellings(judge);
    lines_.settle();
  }

  // What of the local parts is in this domain, and whether it takes any.
  void domain(const list_domain &d, const list_names &locals, list_judge &judge) {
    const std::string at = "@" + d.at;
    judge.ask("*" + at, true);
    for (size_t i = locals.lower_bound(d.prefix); i < locals.size() && locals[i].starts_with(d.prefix); ++i) {
      const std::string_view local = locals[i].substr(d.prefix.size());
      if (!local.empty() && !(local == "*" && locals.pattern(i))) judge.ask(std::string(local) + at, locals.pattern(i) || d.many);
    }
  }

  void known(const address_settings &settings, list_judge &judge) {
    const list_names patterns = std::move(judge.read_files());
    judge.read_files().clear();
    list_known names(judge_, *host_, settings, judge, trouble_);
    for (size_t i = 0; i < patterns.size(); ++i) names.names(patterns[i]);
    judge.end();
  }

  // user%domain of control/percenthack, and names without a domain. A * alone would be read
  // as every address there is; postmaster is whom RFC 5321 asks for.
  void other_spellings(list_judge &judge) {
    lines_.settle();
    std::erase_if(domains_.hacks, [&](const std::string &hack) { return lines_.has_pattern("*@" + hack); });
    const size_t plain = lines_.size();
    for (const std::string &hack : domains_.hacks)
      for (size_t i = 0; i < plain; ++i) {
        std::string line(lines_[i]);
        if (const size_t at = line.rfind('@'); at != line.npos) line[at] = '%';
        judge.ask(line + "@" + hack, lines_.pattern(i));
      }
    judge.end();
    lines_.settle();
    const std::string at = "@" + domains_.default_host;
    for (size_t i = 0, all = lines_.size(); i < all; ++i) {
      const std::string line(lines_[i]);
      if (!line.ends_with(at) || line.find('@') != line.size() - at.size()) continue;
      const std::string name = line.substr(0, line.size() - at.size());
      if (name == "*" && lines_.pattern(i))
        judge.ask("postmaster", false);
      else
        judge.ask(name, lines_.pattern(i) && list_reads_as_pattern(name));
    }
    judge.end();
  }

  // ---- what comes of it

  bool incomplete() {
    trouble_.end();
    if (!trouble_.count()) return false;
    const std::string what = std::to_string(trouble_.count()) + " things could not be listed or judged";
    vrfy_say(options_.partial ? what + ": the list is not whole (--partial)"
                              : what + ": no list is written; mend them, or give --partial for a list without them");
    return !options_.partial;
  }

  // Can it be a line that says what it is? Patterns can.
  bool is_line(size_t i) {
    const std::string_view line = lines_[i];
    if (line.find('\n') != line.npos || line.ends_with('\r'))
      trouble_.warn(vrfy_safe(line), "left out: an address with a newline, or a carriage return at its end, cannot be "
                                     "a line");
    else if (lines_.pattern(i) || !list_reads_as_pattern(line))
      return true;
    else if (!list_covered(line, lines_))
      trouble_.warn(vrfy_safe(line), "left out: its * would be read as \"anything\" (--list=cdb has it)");
    return false;
  }

  int print() {
    if (incomplete()) return VRFY_TROUBLE;
    const bool terminal = isatty(STDOUT_FILENO);
    vrfy_output out;
    for (size_t i = 0; i < lines_.size() && !out.failed(); ++i) {
      if (!is_line(i)) continue;
      out.put(terminal ? vrfy_safe(lines_[i]) : std::string(lines_[i]));
      out.put("\n");
    }
    trouble_.end();
    return out.end();
  }

  // A pattern without a key would be refused by who reads the database.
  list_names keys() {
    list_names out;
    std::string key;
    for (size_t i = 0; i < lines_.size(); ++i)
      if (list_key(lines_[i], lines_.pattern(i), key))
        out.add(key, false);
      else if (lines_[i].starts_with('-'))
        trouble_.add(vrfy_safe(lines_[i]), "has no key: one that begins with a dash refuses");
      else
        trouble_.add(vrfy_safe(lines_[i]), "has no key: only *@domain and name-*@domain have");
    lines_.clear();
    out.settle();
    return out;
  }

  static list_counts count(const list_names &keys) {
    list_counts out;
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string_view domain = list_domain_of(keys[i]);
      const auto known = out.find(domain);
      known == out.end() ? out[std::string(domain)] = 1 : ++known->second;
    }
    return out;
  }

  int write(const list_counts &before) {
    const list_names all = keys();
    if (incomplete()) return VRFY_TROUBLE;
    std::vector<std::string> says;
    const bool may = list_may_shrink(before, count(all), options_.shrink, says);
    for (const std::string &sentence : says) vrfy_say((may ? "warning: " : "") + sentence);
    if (may) return file_.write(all) ? VRFY_OK : VRFY_TROUBLE;
    vrfy_say("the file stays as it is; where that many are gone for good, give --shrink=N%");
    return VRFY_FOUND;
  }

  const vrfy_options &options_;
  list_file file_;
  struct address *judge_ = nullptr;
  std::unique_ptr<lint_host> host_;
  list_trouble trouble_;
  list_domains domains_;
  list_names lines_;
};

}  // namespace

int vrfy_list(const vrfy_options &options) { return list(options).run(); }
