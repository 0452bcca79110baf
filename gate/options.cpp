// options.cpp - see options.h.

#include "options.h"

#include <getopt.h>
#include <sys/auxv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "log.h"
#include "qmail-verify.h"
#include "qmail/control.h"
#include "settings.h"

namespace {

constexpr char USAGE[] =
    "usage: qmail-verify-gate [-v] PROTOCOL\n"
    "       qmail-verify-gate [-v] [-c CLIENTS] [-m MODE] PROTOCOL=WHERE ...\n"
    "       qmail-verify-gate -V | -h\n"
    "\n"
    "The first answers on standard input and output: under tcpserver, inetd or another\n"
    "server. The second listens itself: WHERE is ip:port, :port on 127.0.0.1, [ipv6]:port\n"
    "or /path/of/socket. VERIFY names the daemon, as for qmail-smtpd.\n"
    "\n"
    "  -c CLIENTS  connections at a time; 1000\n"
    "  -m MODE     mode of sockets with a path; 0666\n"
    "  -v          log what is accepted, too\n"
    "  -V          version and settings\n"
    "\n"
    "PROTOCOL:\n";

constexpr size_t CLIENTS_MAX = 100000;

std::string usage() { return USAGE + gate_kinds_text() + "\nSee qmail-verify-gate(8).\n"; }

gate_command misuse(const std::string &what) {
  const std::string text = "qmail-verify-gate: " + what + "; see qmail-verify-gate -h\n";
  fputs(text.c_str(), stderr);
  return gate_command::misuse;
}

bool read_mode(const char *text, mode_t &mode) {
  size_t n = 0;
  mode = 0;
  for (; text[n] >= '0' && text[n] <= '7' && n < 5; ++n) mode = mode * 8 + static_cast<mode_t>(text[n] - '0');
  return n > 0 && !text[n] && mode <= 0777;
}

bool read_clients(const char *text, size_t &clients) {
  unsigned long number = 0;
  const size_t digits = control_scan(text, number);
  clients = number;
  return digits > 0 && digits < 7 && !text[digits] && clients > 0 && clients <= CLIENTS_MAX;
}

std::string unknown(std::string_view name) { return "there is no protocol \"" + gate_safe(name) + "\""; }

// PROTOCOL=WHERE. Returns what is wrong with it, or an empty string.
std::string read_place(std::string_view word, gate_place &place) {
  const size_t equals = word.find('=');
  const std::string_view where = word.substr(equals + 1);
  const char *why;
  place.kind = gate_kind_named(word.substr(0, equals));
  place.text = gate_safe(word);
  if (!place.kind) return unknown(word.substr(0, equals));
  if (where.empty()) return place.text + ": nothing stands after the equals sign; give ip:port, :port or /path/of/socket";
  constexpr unsigned NONE = 1;  // stands for a port that is not there
  if (udp_parse(where.data(), where.size(), QV_DEFAULT_IP, place.kind->port ? place.kind->port : NONE, &place.at, &why) == -1)
    return place.text + ": " + why + "; give ip:port, :port, [ipv6]:port or /path/of/socket";
  if (udp_port(&place.at) == NONE && where.front() != '/') return place.text + ": give a port, and not port 1";
  return "";
}

gate_command read_words(int argc, char **argv, gate_options &options) {
  if (argc == 0) return misuse("name a protocol");
  if (argc == 1 && !strchr(argv[0], '=')) {
    options.kind = gate_kind_named(argv[0]);
    return options.kind ? gate_command::run : misuse(unknown(argv[0]));
  }
  for (int i = 0; i < argc; ++i) {
    if (!strchr(argv[i], '=')) return misuse("\"" + gate_safe(argv[i]) + "\": PROTOCOL=WHERE does not go with PROTOCOL alone");
    gate_place place{};
    if (const std::string wrong = read_place(argv[i], place); !wrong.empty()) return misuse(wrong);
    options.places.push_back(std::move(place));
  }
  return gate_command::run;
}

// OpenSMTPD runs a table's process from a file of such a name, which may be a link to this
// program; argv[0] is the table's name.
bool is_table() {
  const auto *name = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
  const char *slash = name ? strrchr(name, '/') : nullptr;
  return slash && strncmp(slash + 1, "table-", 6) == 0;
}

// What smtpd.conf has behind the colon, 'table NAME qmail-verify:VERIFY', is its one word.
gate_command read_table(int argc, char **argv, gate_options &options) {
  if (argc > 1 && setenv("VERIFY", argv[1], 1) == -1) return misuse("out of memory");
  options.kind = gate_kind_named("opensmtpd");
  return gate_command::run;
}

gate_command say(const std::string &text) {
  fputs(text.c_str(), stdout);
  return fflush(stdout) == 0 ? gate_command::done : gate_command::misuse;
}

}  // namespace

gate_command gate_options_read(int argc, char **argv, gate_options &options) {
  if (is_table()) return read_table(argc, argv, options);
  opterr = 0;
  for (int letter; (letter = getopt(argc, argv, "+c:hm:vV")) != -1;) switch (letter) {
      case 'c':
        if (!read_clients(optarg, options.clients)) return misuse("-c: give a number from 1 to " + std::to_string(CLIENTS_MAX));
        break;
      case 'h': return say(usage());
      case 'm':
        if (!read_mode(optarg, options.mode)) return misuse("-m: give mode bits in octal digits, 0660 for instance");
        break;
      case 'v': options.verbose = true; break;
      case 'V': return settings_print("qmail-verify-gate", stdout) == 0 ? gate_command::done : gate_command::misuse;
      default: return misuse("unknown option, or one that lacks its value");
    }
  return read_words(argc - optind, argv + optind, options);
}
