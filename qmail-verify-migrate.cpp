// qmail-verify-migrate.cpp - rewrites rules and run scripts of older programs to VERIFY.
//
// Shows what it would change as a diff; with -w changes it. See qmail-verify-migrate(8).
//
// Here stand the command line, what is done with each file, and the exit code; what a
// file's text becomes stands in migrate/.

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/file.h"
#include "migrate/migrate.h"
#include "migrate/say.h"
#include "qmail/fd.h"
#include "settings.h"

namespace {

enum Exit { DONE = 0, PENDING = 1, MISUSE = 100, TROUBLE = 111 };

constexpr char USAGE[] =
    "usage: qmail-verify-migrate [-w] [--from=realrcptto|1.22] [--] FILE ...\n"
    "       qmail-verify-migrate -V | --help\n"
    "\n"
    "  -w                 write: without it nothing is changed\n"
    "  --from=realrcptto  the files are realrcptto's\n"
    "  --from=1.22        the files are of qmail-verify before 1.30\n"
    "  -V                 version and settings\n"
    "\n"
    "FILE: what tcprules reads, or a run script for sh. See qmail-verify-migrate(8).\n";

constexpr size_t REMARKS_MAX = 50;  // of one file

struct options {
  bool write = false, version = false, help = false;
  From from = From::unsaid;
  std::vector<std::string> files;
};

Exit worse(Exit a, Exit b) { return std::max(a, b); }

Exit misuse(const std::string &what) {
  say(what);
  say("see qmail-verify-migrate --help");
  return MISUSE;
}

// ---- the command line

bool read_from(std::string_view value, From &from) {
  if (value == "realrcptto")
    from = From::realrcptto;
  else if (value == "1.22")
    from = From::before_130;
  else
    return false;
  return true;
}

// The option that getopt_long stopped at.
std::string as_written(char **argv) {
  const char letter = static_cast<char>(optopt);
  return optopt && optopt != 'f' && optopt != 'h' ? "-" + say_name({&letter, 1}) : say_name(argv[optind - 1]);
}

Exit read_options(int argc, char **argv, options &o) {
  constexpr option WORDS[] = {{"from", required_argument, nullptr, 'f'}, {"help", no_argument, nullptr, 'h'}, {}};
  opterr = 0;  // it would write what it was given to the terminal as it is
  int code;
  while ((code = getopt_long(argc, argv, ":wV", WORDS, nullptr)) != -1) {
    if (code == 'w')
      o.write = true;
    else if (code == 'V')
      o.version = true;
    else if (code == 'h')
      o.help = true;
    else if (code == ':')
      return misuse(say_name(argv[optind - 1]) + " needs an argument");
    else if (code != 'f')
      return misuse(as_written(argv) + " is not an option");
    else if (!read_from(optarg, o.from))
      return misuse("--from=" + say_name(optarg) + ": give realrcptto, or 1.22 for qmail-verify before 1.30");
  }
  o.files.assign(argv + optind, argv + argc);
  return o.files.empty() && !o.version && !o.help ? misuse("no file: name what tcprules reads, or a run script") : DONE;
}

// ---- a file

Exit trouble(const std::string &path, const std::string &what) {
  say(say_name(path) + " " + what);
  return TROUBLE;
}

Exit tell(const std::string &path, std::vector<remark> remarks) {
  std::stable_sort(remarks.begin(), remarks.end(), [](const remark &a, const remark &b) { return a.line < b.line; });
  Exit code = DONE;
  size_t told = 0;
  for (const remark &r : remarks) {
    if (r.left) code = PENDING;
    if (++told > REMARKS_MAX) continue;
    say(say_name(path) + (r.line ? ", line " + std::to_string(r.line) : "") + ": " + r.text);
  }
  if (told > REMARKS_MAX) say(say_name(path) + ": " + std::to_string(told - REMARKS_MAX) + " more of this kind");
  return code;
}

bool show(const std::string &diff) {
  const std::string shown = isatty(STDOUT_FILENO) ? say_diff(diff) : diff;
  return fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && fflush(stdout) == 0;
}

// The command that makes the database, as it is usually named.
std::string next_step(Kind kind, const std::string &target) {
  if (kind == Kind::script) return "it counts when the service is started anew (svc -t)";
  return "it counts after: tcprules " + say_word(target + ".cdb") + " " + say_word(target + ".tmp") + " <" +
         say_word(target) + " (or as your database is named)";
}

Exit write_file(const std::string &path, const file_read &file, const std::string &text) {
  Backup backup;
  const std::string wrong = file_replace(file, text, backup);
  if (!wrong.empty()) return trouble(path, wrong);
  const std::string old = say_name(file_backup(file.target));
  const std::string kept = backup == Backup::made ? "what it was is now " + old : old + " was there, and is kept";
  say(say_name(path) + ": rewritten; " + kept);
  say(say_name(path) + ": " + next_step(migrate_kind(path, file.text), file.target));
  return DONE;
}

Exit do_file(const std::string &path, const options &o) {
  file_read file;
  const std::string wrong = file_read_whole(path, file);
  if (!wrong.empty()) return trouble(path, wrong);
  const migration plan = migrate_text(path, file.text, o.from);
  const Exit told = tell(path, plan.remarks);
  if (plan.edits.empty()) return told;
  if (!show(edits_diff(say_name(path), file.text, plan.edits))) return trouble("standard output", "cannot be written");
  if (o.write) return worse(told, write_file(path, file, edits_apply(file.text, plan.edits)));
  say(say_name(path) + ": not changed; -w writes this");
  return PENDING;
}

Exit run(int argc, char **argv) {
  options o;
  if (const Exit code = read_options(argc, argv, o)) return code;
  if (o.help) return fputs(USAGE, stdout) >= 0 && fflush(stdout) == 0 ? DONE : TROUBLE;
  if (o.version) return settings_print("qmail-verify-migrate", stdout) == 0 ? DONE : TROUBLE;
  Exit code = DONE;
  for (const std::string &path : o.files) code = worse(code, do_file(path, o));
  return code;
}

}  // namespace

int main(int argc, char **argv) {
  if (!fd_fill_gaps()) _exit(TROUBLE);
  signal(SIGPIPE, SIG_IGN);  // standard output that nobody reads is an error like others
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc &) {
    say("out of memory");
  } catch (const std::exception &e) {
    say(e.what());
  }
  return TROUBLE;
}
