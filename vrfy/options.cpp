// options.cpp - see options.h.
//
// A new option is a row of OPTIONS and a line of USAGE; a new mode is an option that
// sets it.

#include "options.h"

#include <getopt.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include "conf.h"
#include "qmail/control.h"
#include "qmail/keys_table.h"
#include "say.h"
#include "settings.h"
#include "verifyrcpt.h"

namespace {

constexpr char USAGE[] =
    "usage: qmail-vrfy [-jnv] [-s SERVERS] [--sender=ADDRESS] [--] ADDRESS ...\n"
    "       qmail-vrfy [-jn] [-s SERVERS] [--sender=ADDRESS] -f FILE\n"
    "       qmail-vrfy [-jnv] [-s SERVERS] --selftest\n"
    "       qmail-vrfy [-jv] --lint\n"
    "       qmail-vrfy [--partial] --list\n"
    "       qmail-vrfy [--partial] [--shrink=N%] --list=cdb FILE\n"
    "       qmail-vrfy [-s SERVERS] --ping | --stats[=prometheus] | --flush [DOMAIN]\n"
    "       qmail-vrfy --genkey [ID]\n"
    "       qmail-vrfy -V | --help\n"
    "\n"
    "  -f FILE           one address a line; -: standard input\n"
    "  -j                one JSON object a line\n"
    "  -n                judge here: the daemon is not asked\n"
    "  -s SERVERS        ask these, as VERIFY has them\n"
    "  -v                tell why, step by step\n"
    "  --sender=ADDRESS  the envelope sender; empty: the null sender\n"
    "  --selftest        which domains accept any name, and why\n"
    "  --lint            what is wrong in the files of this host\n"
    "  --list            every valid recipient of this host\n"
    "  --list=cdb        the same as a database, in the place of FILE\n"
    "  --partial         also where something could not be listed\n"
    "  --shrink=N%       by how much FILE's list may become shorter; 10%\n"
    "  --ping            do the servers answer, and how fast\n"
    "  --stats           the daemon's counters; =prometheus: for Prometheus\n"
    "  --flush           it forgets what other servers said about a domain, or all\n"
    "  --genkey          a new line for control/verifykeys\n"
    "  -V                version and settings\n"
    "\n"
    "See qmail-vrfy(1).\n";

int misuse(const std::string &what) {
  vrfy_say(what);
  vrfy_say("see qmail-vrfy --help");
  return VRFY_MISUSE;
}

// ---- what each option does: takes its value, and returns what is wrong with it, or
// an empty string.
using taker = std::string (*)(vrfy_options &options, const char *value);

template <bool vrfy_options::*flag>
std::string set(vrfy_options &options, const char *) {
  options.*flag = true;
  return "";
}

template <vrfy_mode mode>
std::string choose(vrfy_options &options, const char *) {
  if (options.mode != vrfy_check && options.mode != mode) return "does not go with another mode: give one of them";
  options.mode = mode;
  return "";
}

std::string take_file(vrfy_options &options, const char *value) {
  options.file = value;
  return *value ? "" : "name a file, or - for standard input";
}

std::string take_sender(vrfy_options &options, const char *value) {
  options.sender = value;
  return options.sender->size() <= QV_ADDRESS_MAX ? "" : "is longer than an address may be";
}

std::string take_list(vrfy_options &options, const char *value) {
  options.cdb = value != nullptr;
  if (value && std::string_view(value) != "cdb") return "there is only --list, and --list=cdb FILE";
  return choose<vrfy_list>(options, value);
}

std::string take_stats(vrfy_options &options, const char *value) {
  options.prometheus = value != nullptr;
  if (value && std::string_view(value) != "prometheus") return "there is only --stats, and --stats=prometheus";
  return choose<vrfy_stats>(options, value);
}

std::string take_shrink(vrfy_options &options, const char *value) {
  const size_t digits = control_scan(value, options.shrink);
  const std::string_view rest = std::string_view(value).substr(digits);
  const bool good = digits > 0 && digits <= 3 && options.shrink <= 100 && (rest.empty() || rest == "%");
  options.shrink_given = true;
  return good ? "" : "give a number from 0 to 100, and %";
}

// Whatever is remarkable in VERIFY is a mistake here.
std::string take_servers(vrfy_options &options, const char *value) {
  std::string wrong;
  struct verifyrcpt v;
  options.servers = value;
  verifyrcpt_begin(
      &v, value,
      [](void *ctx, const char *text) {
        const std::string_view remark = text;
        *static_cast<std::string *>(ctx) = vrfy_safe_sentence(remark.substr(0, remark.rfind(": VERIFY=")));
      },
      &wrong);
  verifyrcpt_end(&v);
  return *value ? wrong : "name a server, 127.0.0.1 for instance";
}

struct row {
  char letter;       // 0: none
  const char *word;  // null: none
  int argument;      // as getopt_long has it
  taker take;
};

constexpr row OPTIONS[] = {
    {'f', nullptr, required_argument, take_file},
    {'j', nullptr, no_argument, set<&vrfy_options::json>},
    {'n', nullptr, no_argument, set<&vrfy_options::here>},
    {'s', nullptr, required_argument, take_servers},
    {'v', nullptr, no_argument, set<&vrfy_options::explain>},
    {0, "sender", required_argument, take_sender},
    {0, "selftest", no_argument, choose<vrfy_selftest>},
    {0, "lint", no_argument, choose<vrfy_lint>},
    {0, "list", optional_argument, take_list},
    {0, "ping", no_argument, choose<vrfy_ping>},
    {0, "stats", optional_argument, take_stats},
    {0, "flush", no_argument, choose<vrfy_flush>},
    {0, "partial", no_argument, set<&vrfy_options::partial>},
    {0, "shrink", required_argument, take_shrink},
    {0, "genkey", no_argument, choose<vrfy_genkey>},
    {'V', nullptr, no_argument, choose<vrfy_version>},
    {0, "help", no_argument, choose<vrfy_help>},
};

// ---- getopt_long

constexpr int WORDS = 256;  // what it returns for a word: this and the row's number

std::string letters() {
  std::string out = ":";  // a missing argument is told from an unknown option
  for (const row &r : OPTIONS)
    if (r.letter) out.append(1, r.letter).append(r.argument == required_argument ? ":" : "");
  return out;
}

std::vector<option> words() {
  std::vector<option> out;
  for (const row &r : OPTIONS)
    if (r.word) out.push_back({r.word, r.argument, nullptr, WORDS + static_cast<int>(&r - OPTIONS)});
  out.push_back({});
  return out;
}

// The row of what getopt_long returned; null: it is no option of ours.
const row *found(int code) {
  if (code >= WORDS) return &OPTIONS[code - WORDS];
  for (const row &r : OPTIONS)
    if (r.letter && r.letter == code) return &r;
  return nullptr;
}

std::string name(const row &r) { return r.letter ? std::string("-") + r.letter : std::string("--") + r.word; }

// The option that getopt_long stopped at, as it was written.
std::string as_written(char **argv) {
  if (optopt && optopt < WORDS) return std::string("-") + vrfy_safe(std::string(1, static_cast<char>(optopt)));
  return vrfy_safe(argv[optind - 1]);
}

int read_arguments(int argc, char **argv, vrfy_options &options) {
  const std::string short_ones = letters();
  const std::vector<option> long_ones = words();
  int code;
  optind = 0;  // from the beginning, whoever has used it before
  opterr = 0;  // it would write what it was given to the terminal as it is
  while ((code = getopt_long(argc, argv, short_ones.c_str(), long_ones.data(), nullptr)) != -1) {
    const row *r = found(code);
    if (code == ':') return misuse(as_written(argv) + " needs an argument");
    if (!r) {
      const row *known = found(optopt);
      return misuse(known ? name(*known) + " takes no argument" : as_written(argv) + " is not an option");
    }
    const std::string wrong = r->take(options, optarg);
    if (!wrong.empty()) return misuse(name(*r) + ": " + wrong);
  }
  options.addresses.assign(argv + optind, argv + argc);
  return 0;
}

// ---- variables

const char *variable(const char *text) { return text && *text ? text : nullptr; }

// Where the daemon is, unless somebody says it.
std::string default_servers(const std::string &qmail) {
  const std::string path = qmail + "/verify/socket";
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode) ? path : ":";
}

void read_variables(vrfy_options &options) {
  const char *qmail = variable(getenv("QMAILDIR")), *verify = variable(getenv("VERIFY"));
  options.qmail = qmail ? qmail : CONF_QMAIL;
  if (options.servers.empty()) options.servers = verify ? verify : default_servers(options.qmail);
}

// ---- what goes together

int refuse_list_nonsense(const vrfy_options &options, bool servers_given) {
  if (options.json) return misuse("-j does not go with --list: its lines are addresses");
  if (servers_given) return misuse("-s does not go with --list: a daemon gives no lists");
  if (!options.file.empty()) return misuse("-f does not go with --list");
  if (!options.cdb && options.shrink_given) return misuse("--shrink goes with --list=cdb FILE");
  if (!options.cdb) return options.addresses.empty() ? 0 : misuse("--list takes no addresses");
  return options.addresses.size() == 1 && !options.list_cdb.empty() ? 0 : misuse("--list=cdb: name one file");
}

// --flush takes a domain, which is no address.
int refuse_domain(const vrfy_options &options) {
  if (options.addresses.size() > 1) return misuse("--flush takes one domain, or none for all");
  if (options.domain.find('@') != options.domain.npos) return misuse("--flush takes a domain, not an address");
  return options.domain.size() <= 255 ? 0 : misuse("--flush: that is longer than a domain may be");
}

int refuse_genkey_nonsense(const vrfy_options &options, bool servers_given) {
  const bool others = options.here || options.json || options.explain || options.sender || servers_given ||
                      !options.file.empty() || options.partial || options.shrink_given;
  if (others || options.addresses.size() > 1) return misuse("--genkey takes an id, and nothing else");
  if (options.addresses.empty() || keys_id_good(options.key_id)) return 0;
  return misuse("--genkey: an id is 1 to 32 letters, digits, dots, dashes and underscores");
}

int refuse_nonsense(const vrfy_options &options, bool servers_given) {
  const bool file = !options.file.empty(), addresses = !options.addresses.empty();
  if (options.mode == vrfy_version || options.mode == vrfy_help) return 0;
  if (options.mode == vrfy_genkey) return refuse_genkey_nonsense(options, servers_given);
  if (options.here && servers_given) return misuse("-n and -s do not go together: with -n no server is asked");
  if (options.mode == vrfy_list) return refuse_list_nonsense(options, servers_given);
  if (options.partial || options.shrink_given) return misuse("--partial and --shrink go with --list");
  if (options.mode == vrfy_ping || options.mode == vrfy_stats || options.mode == vrfy_flush) {
    if (options.here) return misuse("-n does not go with --ping, --stats and --flush: they are about a daemon");
    if (options.json || options.explain || options.sender)
      return misuse("-j, -v and --sender do not go with --ping, --stats and --flush");
  }
  if (options.mode == vrfy_flush && !file) return refuse_domain(options);
  if (options.mode != vrfy_check) {
    return file || addresses ? misuse("this mode takes neither addresses nor -f") : 0;
  }
  if (file && options.explain) return misuse("-v explains addresses from the command line: take out -f or -v");
  if (file && addresses) return misuse("give addresses or -f FILE, not both");
  return file || addresses ? 0 : misuse("no address: name one, or give -f FILE");
}

int print(const std::string &text) {
  return fputs(text.c_str(), stdout) >= 0 && fflush(stdout) == 0 ? VRFY_OK : VRFY_TROUBLE;
}

}  // namespace

int vrfy_options_read(int argc, char **argv, vrfy_options &options) {
  if (const int code = read_arguments(argc, argv, options)) return code;
  const bool servers_given = !options.servers.empty();
  if (options.cdb && options.addresses.size() == 1) options.list_cdb = options.addresses[0];
  if (options.mode == vrfy_flush && !options.addresses.empty()) options.domain = options.addresses[0];
  if (options.mode == vrfy_genkey && !options.addresses.empty()) options.key_id = options.addresses[0];
  read_variables(options);
  return refuse_nonsense(options, servers_given);
}

int vrfy_help(const vrfy_options &) { return print(USAGE); }

int vrfy_version(const vrfy_options &) {
  return settings_print("qmail-vrfy", stdout) == 0 ? VRFY_OK : VRFY_TROUBLE;
}
