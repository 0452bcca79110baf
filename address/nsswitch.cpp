// nsswitch.cpp - see nsswitch.h.

#include "nsswitch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "qmail/fd.h"
#include "qmail/text.h"

namespace {

// An nsswitch.conf of more than this is not followed.
constexpr size_t CONF_MAX = size_t{64} << 10;
// Nor are more names of DynamicUser= than this.
constexpr size_t DYNAMIC_MAX = 1000;

// ---- nsswitch.conf

// An error in the line of one of these (glibc's databases.def) spoils the file; a line
// of any other name is not looked at.
constexpr std::string_view DATABASES[] = {
    "aliases",       "ethers",    "group",     "group_compat", "gshadow",  "hosts",  "initgroups",   "netgroup", "networks",
    "passwd_compat", "passwd",    "protocols", "publickey",    "rpc",      "services", "shadow",     "shadow_compat"};

enum class Act { go_on, end, merge };
enum Status { SUCCESS, NOTFOUND, UNAVAIL, TRYAGAIN, STATUSES };

struct source {
  std::string_view name;
  std::array<Act, STATUSES> act{Act::end, Act::go_on, Act::go_on, Act::go_on};
};

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void skip_space(std::string_view &rest) {
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
}

// Takes off rest what comes before a space or one of ends.
std::string_view take_word(std::string_view &rest, std::string_view ends) {
  size_t n = 0;
  while (n < rest.size() && !is_space(rest[n]) && ends.find(rest[n]) == ends.npos) ++n;
  const std::string_view word = rest.substr(0, n);
  rest.remove_prefix(n);
  return word;
}

bool take(std::string_view &rest, char c) {
  if (!rest.starts_with(c)) return false;
  rest.remove_prefix(1);
  return true;
}

template <class Value, size_t N>
bool named(std::string_view word, const std::pair<std::string_view, Value> (&names)[N], Value &value) {
  for (const auto &[name, meaning] : names)
    if (text_equal(word, name)) {
      value = meaning;
      return true;
    }
  return false;
}

// One "STATUS=action" or "!STATUS=action". False: a syntax error.
bool take_criterion(std::string_view &rest, source &to) {
  static constexpr std::pair<std::string_view, Status> statuses[] = {
      {"SUCCESS", SUCCESS}, {"NOTFOUND", NOTFOUND}, {"UNAVAIL", UNAVAIL}, {"TRYAGAIN", TRYAGAIN}};
  static constexpr std::pair<std::string_view, Act> actions[] = {
      {"return", Act::end}, {"continue", Act::go_on}, {"merge", Act::merge}};
  const bool all_others = take(rest, '!');
  Status status{};
  if (!named(take_word(rest, "=]"), statuses, status)) return false;
  skip_space(rest);
  if (!take(rest, '=')) return false;
  skip_space(rest);
  Act act{};
  if (!named(take_word(rest, "=]"), actions, act)) return false;
  skip_space(rest);
  if (all_others) {
    const Act kept = to.act[status];
    to.act.fill(act);
    to.act[status] = kept;
  } else {
    to.act[status] = act;
  }
  return true;
}

// The sources of a database's line. False: a syntax error.
bool take_sources(std::string_view rest, std::vector<source> &sources) {
  for (;;) {
    skip_space(rest);
    source next;
    next.name = take_word(rest, "[");
    if (next.name.empty()) return true;  // the end, or a stray "[" that ends it, too
    skip_space(rest);
    if (take(rest, '[')) {
      skip_space(rest);
      do {
        if (!take_criterion(rest, next)) return false;
      } while (!take(rest, ']'));
    }
    sources.push_back(next);
  }
}

nsswitch_passwd meaning(const std::vector<source> &sources) {
  if (sources.empty() || sources[0].name != "files" || sources[0].act[SUCCESS] != Act::end ||
      sources[0].act[NOTFOUND] == Act::merge)
    return nsswitch_passwd::unknown;
  if (sources.size() == 1 || sources[0].act[NOTFOUND] == Act::end) return nsswitch_passwd::files;
  const bool systemd =
      std::all_of(sources.begin() + 1, sources.end(), [](const source &s) { return s.name == "systemd"; });
  return systemd ? nsswitch_passwd::files_systemd : nsswitch_passwd::files_others;
}

struct passwd_line {
  std::string_view text;  // behind the name and the colon
  std::vector<source> sources;
};

// The passwd lines of a file. False: something in it spoils it.
bool passwd_lines(std::string_view text, std::vector<passwd_line> &lines) {
  if (text.find('\0') != text.npos) return false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    skip_space(line);
    const std::string_view name = take_word(line, ":");
    const bool passwd = name == "passwd";
    if (end == std::string_view::npos) return !passwd;
    if (std::find(std::begin(DATABASES), std::end(DATABASES), name) == std::end(DATABASES)) continue;
    while (!line.empty() && (is_space(line.front()) || line.front() == ':')) line.remove_prefix(1);
    passwd_line one{line, {}};
    if (!take_sources(line, one.sources)) return false;
    if (passwd) lines.push_back(std::move(one));
  }
  return true;
}

// A failure shows by itself where it ends the search, and where no other source is asked
// behind it.
nsswitch_chain chain_of(const passwd_line &line) {
  nsswitch_chain out{std::string(line.text), {}};
  bool files_hidden = false;
  for (const source &s : line.sources) {
    if (s.act[SUCCESS] != Act::end || s.act[NOTFOUND] == Act::merge) return {};
    if (&s == &line.sources.back()) break;
    const bool hidden = s.act[UNAVAIL] != Act::end || s.act[TRYAGAIN] != Act::end;
    if (hidden && s.name == "files")
      files_hidden = true;
    else if (hidden)
      out.alone.push_back("files [UNAVAIL=return TRYAGAIN=return] " + std::string(s.name));
    if (s.act[NOTFOUND] == Act::end) break;  // it missed, or it failed
  }
  if (files_hidden && out.alone.empty()) out.alone.push_back("files");
  return line.sources.empty() ? nsswitch_chain() : out;
}

// ---- directories

// Calls each(name) for what is in the directory, until it returns false. 0, or errno; a
// directory that is missing has nothing in it.
template <class Each>
int list(const std::string &path, Each each) {
  DIR *const dir = opendir(path.c_str());
  if (!dir) return errno == ENOENT ? 0 : errno;
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent *const entry = readdir(dir);
    if (!entry) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !each(name)) break;
  }
  closedir(dir);
  return error;
}

}  // namespace

nsswitch_passwd nsswitch_read(std::string_view text) {
  std::vector<passwd_line> lines;
  if (!passwd_lines(text, lines) || lines.empty()) return nsswitch_passwd::unknown;
  const nsswitch_passwd says = meaning(lines[0].sources);
  const bool agree = std::all_of(lines.begin(), lines.end(), [&](const passwd_line &l) { return meaning(l.sources) == says; });
  return agree ? says : nsswitch_passwd::unknown;
}

nsswitch_chain nsswitch_chain_read(std::string_view text) {
  std::vector<passwd_line> lines;
  if (!passwd_lines(text, lines) || lines.empty()) return {};
  const passwd_line &line = lines[0];
  if (!std::all_of(lines.begin(), lines.end(), [&](const passwd_line &l) { return l.text == line.text; })) return {};
  return chain_of(line);
}

nsswitch_sources::nsswitch_sources(const std::string &root)
    : conf_(root + "/etc/nsswitch.conf"),
      nscd_(root + "/var/run/nscd/socket"),
      run_(root + "/var/run"),
      services_(root + "/run/systemd/userdb"),
      dynamic_(root + "/run/systemd/dynamic-uid") {
  for (const char *dir : {"/etc", "/run", "/run/host", "/usr/local/lib", "/usr/lib", "/lib"})
    dropins_.push_back(root + dir + "/userdb");
}

bool nsswitch_sources::failed(int error) {
  if (error == EACCES || error == EPERM) denied_ = true;
  return true;
}

nsswitch_passwd nsswitch_sources::read_conf() {
  const unique_fd fd(open(conf_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat st;
  std::string text;
  int error = 0;
  if (!fd || fstat(fd.get(), &st) == -1)
    error = errno;
  else if (!S_ISREG(st.st_mode))
    error = EINVAL;
  else
    error = fd_slurp(fd.get(), text, [&](std::string_view) { return text.size() > CONF_MAX; });
  if (error) failed(error);
  if (error || text.size() > CONF_MAX) return nsswitch_passwd::unknown;
  if (nsswitch_chain now = nsswitch_chain_read(text); !now.whole.empty()) chain_ = std::move(now);
  return nsswitch_read(text);
}

bool nsswitch_sources::foreign_nscd() {
  struct stat socket, above;
  if (stat(nscd_.c_str(), &socket) == -1) return errno != ENOENT && errno != ENOTDIR && failed(errno);
  if (stat(run_.c_str(), &above) == -1) return failed(errno);
  return socket.st_dev != above.st_dev;
}

void nsswitch_sources::look_systemd() {
  systemd_has_ = false;
  dynamic_users_.clear();
  int error = list(services_, [&](std::string_view name) { return !(systemd_has_ = name != "io.systemd.DynamicUser"); });
  for (const std::string &dir : dropins_)
    if (!error && !systemd_has_) error = list(dir, [&](std::string_view name) { return !(systemd_has_ = name.ends_with(".user")); });
  if (!error && !systemd_has_)
    error = list(dynamic_, [&](std::string_view name) {
      constexpr std::string_view link = "direct:";
      if (name.starts_with(link)) dynamic_users_.emplace_back(name.substr(link.size()));
      return !(systemd_has_ = dynamic_users_.size() > DYNAMIC_MAX);
    });
  if (error) systemd_has_ = failed(error);
}

void nsswitch_sources::look() {
  denied_ = false;
  passwd_ = read_conf();
  if (foreign_nscd()) {
    passwd_ = nsswitch_passwd::unknown;
    chain_ = {};
  }
  if (passwd_ == nsswitch_passwd::files_systemd) look_systemd();
}

// nfsnobody: what nobody is called where systemd was built so. foreign-: names that
// systemd makes up since 258.
bool nsswitch_sources::may_have(std::string_view name) const {
  if (passwd_ == nsswitch_passwd::files) return false;
  if (passwd_ != nsswitch_passwd::files_systemd || systemd_has_) return true;
  if (name == "root" || name == "nobody" || name == "nfsnobody" || name.starts_with("foreign-")) return true;
  return std::find(dynamic_users_.begin(), dynamic_users_.end(), name) != dynamic_users_.end();
}
