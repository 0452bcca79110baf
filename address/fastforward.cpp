// fastforward.cpp - see fastforward.h. Follows fastforward.c: main() for the
// options and the address, doorigrecip() for the look-up, dodata(), dorecip() and
// dofile() for what is found. What a record holds never leaves this file, but for
// the path of a list that cannot be read.

#include "fastforward.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unordered_set>
#include <vector>

#include "qmail/cdb.h"
#include "qmail/fd.h"
#include "qmail/text.h"

namespace {

// What one address may cost. The files belong to users, and fastforward itself
// knows no limits.
constexpr uint64_t READS_MAX = 4096;           // of the database
constexpr unsigned LISTS_MAX = 256;            // files that are opened
constexpr size_t BYTES_MAX = size_t{1} << 20;  // of records and lists
constexpr size_t ADDRESS_END = 900;            // an "&address" this long is passed over

struct options {
  enum class Kind {
    good,
    usage,   // exit 100
    unclear  // a word that decides is not known
  };
  Kind kind = Kind::unclear;
  bool deliver = true;       // not -n
  bool pass = false;         // -p
  bool by_default = false;   // -d
  std::string path;          // of the database
};

// Takes in one letter. False: there is no such option.
bool options_take(options &o, char letter) {
  switch (letter) {
    case 'n':
    case 'N': o.deliver = letter == 'N'; return true;
    case 'p':
    case 'P': o.pass = letter == 'p'; return true;
    case 'd':
    case 'D': o.by_default = letter == 'd'; return true;
    default: return false;
  }
}

options options_end(options o, options::Kind kind) {
  o.kind = kind;
  return o;
}

// getopt as fastforward has it: the first word that is no option ends them, as "-"
// alone does, which is a path then, and a word that begins with "--", which is
// passed over. Words behind the path do not count.
options options_read(const std::vector<shell_word> &words) {
  options o;
  for (size_t at = 1; at < words.size(); ++at) {
    if (!words[at].certain) return options_end(o, options::Kind::unclear);
    std::string_view word = words[at].text;
    if (word.starts_with("--")) {
      if (++at == words.size()) break;
      if (!words[at].certain) return options_end(o, options::Kind::unclear);
      word = {};
    }
    if (word.size() < 2 || word[0] != '-') {
      o.path = words[at].text;
      return options_end(o, options::Kind::good);
    }
    for (char letter : word.substr(1))
      if (!options_take(o, letter)) return options_end(o, options::Kind::usage);
  }
  return options_end(o, options::Kind::usage);
}

// $DEFAULT@$HOST, or $EXT@$HOST where $DEFAULT is not set.
std::string default_address(const delivery &d) {
  return std::string(d.default_ext().value_or(d.user.ext)) + "@" + std::string(d.domain);
}

// The keys of an incoming address, in fastforward's order: user@host, @host, user@.
std::vector<std::string> wild_keys(const std::string &address) {
  const size_t at = address.rfind('@');
  if (at == address.npos) return {address};
  return {address, address.substr(at), address.substr(0, at + 1)};
}

// The step of a key that was looked for, for who listens.
void tell_key(const delivery &d, const std::string &path, char prefix, const std::string &key, Look hit,
              int error = 0) {
  if (!d.told) return;
  d.tell(hit == Look::found    ? trace_step::fastforward_key
         : hit == Look::absent ? trace_step::fastforward_no_key
                               : trace_step::fastforward_failed,
         path, prefix + key, error);
}

// The database and what is found in it for one address. A function that returns
// bool or Look::failed says by false or failed that end_ is the outcome.
class forwarding {
 public:
  forwarding(const delivery &d, const options &o) : d_(d), o_(o) {}

  outcome run(const std::string &address) {
    if (!open()) return end_;
    switch (original(address)) {
      case Look::failed: return end_;
      case Look::absent: return absent();
      case Look::found: break;
    }
    if (!expand(address)) return end_;
    return found();
  }

 private:
  outcome says(qv_reason reason) const { return outcome_of(reason, d_.full_path(o_.path)); }

  outcome absent() const {
    return o_.pass ? outcome_pass(QV_REASON_PROGRAM_ACCEPTS, false) : says(QV_REASON_FASTFORWARD_ABSENT);
  }

  outcome found() const {
    outcome o = o_.pass ? outcome_stop(QV_REASON_FASTFORWARD)
                        : outcome_pass(QV_REASON_FASTFORWARD, o_.deliver && forwards_);
    o.about = d_.full_path(o_.path);
    return o;
  }

  bool trouble(const std::string &path, int error) {
    // larger than a look is worth is nothing that failed
    const bool too_large = error == EFBIG;
    d_.tell(too_large ? trace_step::fastforward_too_large : trace_step::fastforward_failed, path, {},
            too_large ? 0 : error);
    end_ = error == EFBIG ? says(QV_REASON_PROGRAM) : outcome_of(QV_REASON_FASTFORWARD_TROUBLE, d_.full_path(path), error);
    return false;
  }

  bool open() {
    if (int error = d_.visit.open_cdb(o_.path, db_)) return trouble(o_.path, error);
    db_->bound(READS_MAX);
    return true;
  }

  // Is there a record with this key? data, where given, gets what it holds.
  Look get(char prefix, const std::string &key, std::string *data) {
    const std::string full = text_lower(prefix + key);
    int error = 0;
    const Look hit = data ? db_->find(full, *data, error) : db_->has(full, error);
    if (hit == Look::failed) trouble(o_.path, error);
    return hit;
  }

  Look get_wild(char prefix, const std::string &address, std::string &data) {
    for (const std::string &key : wild_keys(address)) {
      const Look hit = get(prefix, key, &data);
      if (hit != Look::failed) tell_key(d_, o_.path, prefix, key, hit);
      if (hit != Look::absent) return hit;
    }
    return Look::absent;
  }

  // A bounce, or a bounce of a bounce, gets no other sender.
  bool owner_counts() const { return !d_.sender || (!d_.sender->empty() && *d_.sender != "#@[]"); }

  // doorigrecip(): data_ is what is to be done.
  Look original(const std::string &address) {
    if (owner_counts() && get_wild('?', address, data_) == Look::failed) return Look::failed;
    return get_wild(':', address, data_);
  }

  // The rest of main(): the record, then what is to do, the last first, nothing twice.
  bool expand(const std::string &address) {
    done_.insert(address);
    if (!record()) return false;
    while (!todo_.empty()) {
      const std::string next = std::move(todo_.back());
      todo_.pop_back();
      if (!done_.insert(next).second) continue;
      if (!(next[0] == '&' ? recipient(next.substr(1)) : list(next))) return false;
    }
    return true;
  }

  // dodata(), for data_. A program decides where it comes before whatever fails.
  bool record() { return commands(data_, true); }

  // Takes in commands that end in NUL each. What else there is means nothing to
  // fastforward, a program in a list too.
  bool commands(std::string_view text, bool programs) {
    if (text.size() > bytes_left_) return trouble(o_.path, EFBIG);
    bytes_left_ -= text.size();
    for (size_t end; (end = text.find('\0')) != text.npos; text.remove_prefix(end + 1)) {
      const std::string_view command = text.substr(0, end);
      switch (command.empty() ? '\0' : command[0]) {
        case '|':
        case '!':
          if (programs) return program();
          break;
        case '.':
        case '/': todo_.emplace_back(command); break;
        case '&':
          if (command.size() < ADDRESS_END) todo_.emplace_back(command);
          break;
        default: break;
      }
    }
    return true;
  }

  bool program() {
    d_.tell(trace_step::fastforward_program, o_.path);
    end_ = says(QV_REASON_PROGRAM);
    return false;
  }

  // dorecip(): an address with an owner is another list's, and left alone.
  bool recipient(const std::string &address) {
    Look hit = get('?', address, nullptr);
    if (hit == Look::absent) {
      hit = get(':', address, &data_);
      if (hit == Look::found) return record();
    }
    forwards_ = true;
    return hit != Look::failed;
  }

  // dofile().
  bool list(const std::string &path) {
    if (++lists_ > LISTS_MAX) return trouble(path, EFBIG);
    unique_fd fd;
    if (int error = d_.visit.open_data(path, fd)) {
      // fastforward reads /dev/null as well
      if (error == EINVAL) error = EFBIG;
      return trouble(path, error);
    }
    struct stat st;
    if (fstat(fd.get(), &st) == -1) return trouble(path, errno);
    if ((st.st_mode & 0444) != 0444) return trouble(path, EACCES);
    std::string text;
    if (int error = fd_slurp(fd.get(), text, [&](auto) { return text.size() > bytes_left_; }))
      return trouble(path, error);
    return commands(text, false);
  }

  const delivery &d_;
  const options &o_;
  cdb *db_ = nullptr;
  std::string data_;
  std::vector<std::string> todo_;
  std::unordered_set<std::string> done_;
  size_t bytes_left_ = BYTES_MAX;
  unsigned lists_ = 0;
  bool forwards_ = false;
  outcome end_;
};

}  // namespace

outcome fastforward_read(const delivery &d, const shell_command &command) {
  if (!command.certain) return outcome_of(QV_REASON_PROGRAM);
  const options o = options_read(command.words);
  if (o.kind == options::Kind::usage) return outcome_of(QV_REASON_PROGRAM_REFUSES);
  if (o.kind == options::Kind::unclear) return outcome_of(QV_REASON_PROGRAM);
  return forwarding(d, o).run(o.by_default ? default_address(d) : d.recipient());
}

outcome fastforward_hint(const delivery &d, const std::string &cdb_path) {
  cdb *db = nullptr;
  int error = d.visit.open_cdb(cdb_path, db);
  if (db) db->bound(READS_MAX);
  for (const std::string &address : {default_address(d), d.recipient()})
    for (const std::string &key : wild_keys(address)) {
      const Look hit = error ? Look::failed : db->has(text_lower(":" + key), error);
      tell_key(d, cdb_path, ':', key, hit, error);
      if (hit == Look::found) return outcome_of(QV_REASON_FASTFORWARD, d.full_path(cdb_path));
      if (hit == Look::failed) {
        outcome o = outcome_of(QV_REASON_PROGRAM, d.full_path(cdb_path));
        o.advice = "VERIFY_FASTFORWARDCDB names " + d.full_path(cdb_path) + ", which the user " + d.user.name +
                   " cannot read: " + (error == CDB_DAMAGED ? "it is damaged" : strerror(error)) +
                   "; addresses that only it could tell are accepted: mend the file, name the right one, or unset "
                   "the variable";
        return o;
      }
    }
  return outcome_of(QV_REASON_FASTFORWARD_ABSENT, d.full_path(cdb_path));
}
