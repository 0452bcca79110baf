// options.cpp - see options.h.

#include "options.h"

#include <getopt.h>
#include <unistd.h>

#include <cstdlib>

#include "vrfy/say.h"

const char report_usage[] =
    "usage: qmail-verify-report [--since=TIME] [--until=TIME] [--top=N] [--json | --html] [--] [LOG ...]\n"
    "       qmail-verify-report -V | --help\n"
    "\n"
    "  LOG           multilog's directory, or a file; -, or none: standard input\n"
    "  --since=TIME  from then on: 2026-11-20, \"2026-11-20 13:00\", or 24h, 7d ago\n"
    "  --until=TIME  before then\n"
    "  --top=N       rows of a table (10; with --json 1000)\n"
    "  --json        everything, for programs\n"
    "  --html        one page, with plots\n"
    "  -V            version and settings\n"
    "\n"
    "See qmail-verify-report(1).\n";

namespace {

enum { SINCE = 256, UNTIL, TOP, JSON, HTML, HELP };
constexpr option WORDS[] = {{"since", required_argument, nullptr, SINCE}, {"until", required_argument, nullptr, UNTIL},
                            {"top", required_argument, nullptr, TOP},     {"json", no_argument, nullptr, JSON},
                            {"html", no_argument, nullptr, HTML},         {"help", no_argument, nullptr, HELP},
                            {nullptr, 0, nullptr, 0}};
constexpr unsigned long TOP_DEFAULT = 10, TOP_MAX = 1000;

int misuse(const std::string &what) {
  vrfy_say(what);
  vrfy_say("see qmail-verify-report --help");
  return REPORT_MISUSE;
}

// Each returns what is wrong, or an empty string.
std::string take_time(const char *text, long long now, std::optional<long long> &time) {
  time = report_time_read(text, now);
  return time ? "" : "give a time, 2026-11-20 or \"2026-11-20 13:00\", or how long ago, 24h or 7d";
}

std::string take_top(const char *text, size_t &top) {
  char *end;
  const unsigned long n = strtoul(text, &end, 10);
  if (*text < '1' || *text > '9' || *end || n > TOP_MAX) return "give a number from 1 to " + std::to_string(TOP_MAX);
  top = n;
  return "";
}

std::string take_output(decltype(report_options::output) wanted, report_options &options) {
  if (options.output != report_options::text && options.output != wanted)
    return "does not go with another form of output";
  options.output = wanted;
  return "";
}

std::string take(int code, long long now, report_options &options) {
  switch (code) {
    case SINCE: return take_time(optarg, now, options.period.since);
    case UNTIL: return take_time(optarg, now, options.period.until);
    case TOP: return take_top(optarg, options.top);
    case JSON: return take_output(report_options::json, options);
    case HTML: return take_output(report_options::html, options);
    case HELP: return take_output(report_options::help, options);
    default: return take_output(report_options::version, options);
  }
}

std::string written(int code) {
  for (const option *o = WORDS; o->name; ++o)
    if (o->val == code) return std::string("--") + o->name;
  return "-V";
}

}  // namespace

int report_options_read(int argc, char **argv, long long now, report_options &options) {
  int code;
  optind = 0;  // from the beginning, whoever has used it before
  opterr = 0;  // it would write what it was given to the terminal as it is
  while ((code = getopt_long(argc, argv, ":V", WORDS, nullptr)) != -1) {
    if (code == ':') return misuse(vrfy_safe(argv[optind - 1]) + " needs an argument");
    if (code == '?') return misuse(vrfy_safe(argv[optind - 1]) + " is not an option, or takes no argument");
    if (const std::string wrong = take(code, now, options); !wrong.empty())
      return misuse(written(code) + (optarg ? "=" + vrfy_safe_sentence(optarg) : "") + ": " + wrong);
  }
  const report_period &p = options.period;
  if (p.since && p.until && *p.since >= *p.until) return misuse("--since is not before --until");
  options.paths.assign(argv + optind, argv + argc);
  if (!options.top) options.top = options.output == report_options::json ? TOP_MAX : TOP_DEFAULT;
  if (!options.paths.empty() || options.output >= report_options::version) return 0;
  if (isatty(STDIN_FILENO)) return misuse("name a log: the directory that multilog writes to, or a file");
  options.paths.push_back("-");
  return 0;
}
