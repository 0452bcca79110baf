// qmail-verify-report.cpp - what the logs of qmail-smtpd and qmail-verify come to.
//
// Reads multilog's files and prints who asked for what, what was answered and why: for
// the terminal, as JSON, or as a page with plots. Changes nothing, asks nobody. See
// qmail-verify-report(1).
//
// Here stand the start and the end; no exception leaves it. The pieces stand in report/.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <new>

#include "qmail/fd.h"
#include "report/counts.h"
#include "report/html.h"
#include "report/json.h"
#include "report/logs.h"
#include "report/options.h"
#include "report/text.h"
#include "report/view.h"
#include "settings.h"
#include "vrfy/output.h"
#include "vrfy/progress.h"
#include "vrfy/say.h"

namespace {

report_paper paper() {
  report_paper p;
  winsize size{};
  const char *const no_colour = getenv("NO_COLOR");
  if (!isatty(STDOUT_FILENO)) return p;
  p.cut = true;
  p.colours = !no_colour || !*no_colour;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) p.columns = size.ws_col;
  return p;
}

std::string written(const report_options &options, report_counts &counts) {
  constexpr size_t PIECES = 160, JSON_PIECES = 1000;  // of time
  counts.series.fit(options.output == report_options::json ? JSON_PIECES : PIECES);
  if (options.output == report_options::json) return report_json(counts, options.top);
  const std::vector<report_section> sections = report_view(counts, options.top);
  const std::string period = report_view_period(counts);
  return options.output == report_options::html ? report_html(period, counts, sections)
                                                : report_text(period, sections, paper());
}

// False after a message where there is something that could not be read.
bool read_logs(const report_options &options, report_counts &counts) {
  report_logs logs;
  bool well = true;
  for (const std::string &path : options.paths) well &= logs.add(path);
  vrfy_progress progress("lines");
  const auto take = [&](std::string_view line, unsigned source) { counts.line(line, source); };
  const auto watch = [&](long long done, long long total) { progress.show(counts.lines.read, done, total); };
  well &= logs.read(take, watch);
  counts.end();
  progress.end();
  return well;
}

int run(int argc, char **argv) {
  report_options options;
  if (const int code = report_options_read(argc, argv, time(nullptr), options)) return code;
  if (options.output == report_options::version)
    return settings_print("qmail-verify-report", stdout) == 0 ? REPORT_OK : REPORT_TROUBLE;
  vrfy_output out;
  if (options.output == report_options::help) {
    out.put(report_usage);
    return out.end();
  }
  report_counts counts(options.period);
  const bool well = read_logs(options, counts);
  out.put(written(options, counts));
  const int code = out.end();
  return code ? code : well ? REPORT_OK : REPORT_TROUBLE;
}

}  // namespace

int main(int argc, char **argv) {
  vrfy_say_as("qmail-verify-report");
  if (!fd_fill_gaps()) _exit(REPORT_TROUBLE);
  signal(SIGPIPE, SIG_IGN);  // standard output that nobody reads is an error like others
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc &) {
    vrfy_say("out of memory");
  } catch (const std::exception &e) {
    vrfy_say(e.what());
  }
  return REPORT_TROUBLE;
}
