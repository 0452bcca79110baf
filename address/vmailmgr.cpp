// vmailmgr.cpp - see vmailmgr.h. Follows vdeliver.cc, vdomain/lookup.cc, and the
// directories config, vpwtable, vpwentry and cli++.

#include "vmailmgr.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <ctime>

#include "qmail/text.h"

namespace {

constexpr std::string_view SPACES = " \t\n\v\f\r";

// What one look may cost: the file belongs to a user. A look-up takes some ten reads.
constexpr uint64_t READS_MAX = 4096;

// strtou: "-" is the largest number there is; numbers wrap.
bool number(std::string_view text, uint32_t &out) {
  size_t at = std::min(text.find_first_not_of(SPACES), text.size());
  const bool no_limit = at < text.size() && text[at] == '-';
  out = 0;
  for (at += no_limit; at < text.size() && isdigit(static_cast<unsigned char>(text[at])); ++at)
    out = out * 10 + static_cast<uint32_t>(text[at] - '0');
  if (no_limit) out = UINT32_MAX;
  return at == text.size();
}

// Pairs of a flag that is known (8: mailbox enabled, 10: has a mailbox) and its
// value, up to a NUL.
bool flags(std::string_view &rest) {
  while (!rest.empty() && rest.front() != '\0') {
    if ((rest.front() != 8 && rest.front() != 10) || rest.size() < 2) return false;
    rest.remove_prefix(2);
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return true;
}

// Password and mailbox, aliases up to an empty one, personal information, four
// limits, the time of creation, that of expiry; and nothing behind it.
bool fields(std::string_view rest, uint32_t &expiry) {
  std::string_view text;
  if (!text_field(rest, text) || !text_field(rest, text)) return false;
  do {
    if (!text_field(rest, text)) return false;
  } while (!text.empty());
  if (!text_field(rest, text)) return false;
  for (int i = 0; i < 6; ++i)
    if (!text_field(rest, text) || !number(text, expiry)) return false;
  return rest.empty();
}

bool is_script(const delivery &d, const std::string &name) {
  for (const std::string &dir : {std::string("/etc/vmailmgr/"), d.user.home + "/.vmailmgr/"})
    if (d.visit.runs(dir + name) != site_visit::Runs::nothing) return true;
  return false;
}

class reading {
 public:
  explicit reading(const delivery &d) : d_(d) {}

  outcome line(const shell_command &command) {
    if (!options(command) || !setting("password-file", file_) || !setting("default-username", default_))
      return unknown();
    file_ += ".cdb";
    if (file_.front() != '/') file_ = d_.user.home + "/" + file_;
    if (const int error = d_.visit.open_cdb(file_, db_)) return cannot_open(error);
    db_->bound(READS_MAX);
    return look_up();
  }

 private:
  enum class Record { none, usable, expired, strange, hashed_otherwise, failed };

  // Those that say nothing of users. All others, and arguments, are usage errors
  // (exit 1) or ask for help.
  bool options(const shell_command &command) {
    return std::all_of(command.words.begin() + 1, command.words.end(), [&](const shell_word &word) {
      if (word.is("--no-predeliver")) predeliver_ = false;
      if (word.is("--no-postdeliver")) postdeliver_ = false;
      return word.is("--no-predeliver") || word.is("--no-postdeliver") || word.is("--quiet") || short_options(word);
    });
  }

  static bool short_options(const shell_word &word) {
    const std::string &text = word.text;
    return word.certain && text.size() > 1 && text[0] == '-' && text.find_first_not_of("DFRdfr", 1) == text.npos;
  }

  // The first line of NAME in the home's .vmailmgr, or else in /etc/vmailmgr;
  // value keeps its default where there is none. vdeliver takes a file that cannot
  // be read for one that is not there: for us nothing is certain then.
  bool setting(const std::string &name, std::string &value) {
    for (const std::string &dir : {d_.user.home + "/.vmailmgr/", std::string("/etc/vmailmgr/")}) {
      unique_fd fd;
      std::string text;
      int error = d_.visit.open_data(dir + name, fd);
      if (site_absent(error)) continue;
      if (error == 0) error = fd_slurp(fd.get(), text, [&](auto) { return text.size() > QV_DOTQMAIL_MAX; });
      text.resize(std::min(text.find('\n'), text.size()));
      if (error != 0 || text.size() > QV_DOTQMAIL_MAX || text.find('\0') != text.npos) {
        advice_ = dir + name + " cannot be read: vmailmgr's unknown users are accepted until it can";
        return false;
      }
      text.resize(text.find_last_not_of(SPACES) + 1);
      text.erase(0, std::min(text.find_first_not_of(SPACES), text.size()));
      if (text.empty()) continue;
      value = text;
      return true;
    }
    return true;
  }

  // A build with GDBM has its users elsewhere.
  outcome cannot_open(int error) {
    d_.tell(site_absent(error) ? trace_step::vmailmgr_absent : trace_step::vmailmgr_failed, file_, {}, trace_error(error));
    if (!site_absent(error)) return outcome_of(QV_REASON_VMAILMGR_TROUBLE, file_, error);
    advice_ = "there is no " + file_ + ": every address is accepted; put it back, unless vmailmgr keeps its users elsewhere";
    return unknown();
  }

  outcome look_up() {
    const Record own = find(d_.user.ext);
    const bool otherwise = own == Record::hashed_otherwise;
    const Record record = own == Record::none || otherwise ? find(default_) : own;
    switch (record) {
      case Record::usable: return has_user();
      case Record::failed: return outcome_of(QV_REASON_VMAILMGR_TROUBLE, file_, error_);
      case Record::strange: advice_ = "a record in " + file_ + " cannot be read: its user is accepted"; [[fallthrough]];
      case Record::hashed_otherwise: return unknown();
      case Record::expired:
      case Record::none: break;
    }
    if (otherwise) return unknown();
    return outcome_of(QV_REASON_VMAILMGR_NO_USER, record == Record::expired ? file_ + ":expired" : file_);
  }

  Record find(std::string_view name) {
    if (name.empty()) return Record::none;
    const Record record = look_for(name);
    d_.tell(step_of(record), file_, name, record == Record::failed ? error_ : 0);
    return record;
  }

  static trace_step step_of(Record record) {
    switch (record) {
      case Record::usable: return trace_step::vmailmgr_user;
      case Record::expired: return trace_step::vmailmgr_expired;
      case Record::failed: return trace_step::vmailmgr_failed;
      case Record::none: return trace_step::vmailmgr_no_user;
      default: return trace_step::vmailmgr_strange;
    }
  }

  Record look_for(std::string_view name) {
    std::string data;
    const std::string key = text_lower(name);
    switch (db_->find(key, data, error_)) {
      case Look::failed: return error_ == EFBIG ? Record::strange : Record::failed;
      case Look::found: break;
      case Look::absent:
        if (!db_->sound(key, error_)) return Record::failed;
        // vmailmgr hashes with a char that has a sign on most machines
        return std::any_of(name.begin(), name.end(), [](char c) { return c & 0x80; }) ? Record::hashed_otherwise
                                                                                      : Record::none;
    }
    const vmailmgr_record record = vmailmgr_parse(data);
    if (!record.complete) return Record::strange;
    return record.expiry < static_cast<uint32_t>(time(nullptr)) ? Record::expired : Record::usable;
  }

  // Scripts that run before and after delivery may refuse.
  outcome has_user() {
    if ((predeliver_ && is_script(d_, "vdeliver-predeliver")) ||
        (postdeliver_ && is_script(d_, "vdeliver-postdeliver")))
      return unknown();
    outcome o = outcome_pass(QV_REASON_VMAILMGR_USER, true);
    o.about = file_;
    return o;
  }

  outcome unknown() {
    outcome o = outcome_of(QV_REASON_PROGRAM);
    o.advice = advice_;
    return o;
  }

  const delivery &d_;
  bool predeliver_ = true, postdeliver_ = true;
  std::string file_ = "passwd", default_ = "+", advice_;
  cdb *db_ = nullptr;
  int error_ = 0;
};

}  // namespace

vmailmgr_record vmailmgr_parse(std::string_view data) {
  vmailmgr_record record;
  if (data.empty()) return record;
  const char version = data.front();
  data.remove_prefix(1);
  if (version == ':')  // the oldest kind never expires: password, colon, destination
    record.complete = data.substr(0, data.find('\0')).find(':') != data.npos;
  else
    record.complete = (version == 1 || (version == 2 && flags(data))) && fields(data, record.expiry);
  return record;
}

outcome vmailmgr_read(const delivery &d, const shell_command &command) { return reading(d).line(command); }
