// lint.cpp - see lint.h: the report, all rules in order, and the mode --lint.

#include "lint.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "json.h"
#include "lint_unix.h"
#include "options.h"
#include "output.h"
#include "say.h"

// ---- the report

const char *lint_name(lint_code code) {
  switch (code) {
#define LINT_X(symbol, name) \
  case lint_code::symbol:    \
    return name;
    LINT_CODES(LINT_X)
#undef LINT_X
  }
  return "unread";
}

void lint_report::add(lint_code code, lint_place at, std::string text, std::string advice) {
  if (code == lint_code::DATABASE && !databases_.insert(at.file).second) return;
  if (code_ == VRFY_OK) code_ = VRFY_FOUND;
  to_({code, std::move(at), std::move(text), std::move(advice)});
}

void lint_report::unread(lint_place at, int error, const std::string &what) {
  add(lint_code::UNREAD, std::move(at), what + " (" + lint_error(error) + "): what else is wrong there is not known",
      error == EPERM || error == EACCES ? "run this as root" : "see to that, and run this again");
  code_ = VRFY_TROUBLE;
}

// ---- pieces of rules

std::string lint_quoted(std::string_view word) {
  constexpr size_t SHOWN_MAX = 100;
  return "\"" + std::string(word.substr(0, SHOWN_MAX)) + (word.size() > SHOWN_MAX ? "...\"" : "\"");
}

bool lint_certain(int error) {
  return site_absent(error) || error == EACCES || error == EPERM || error == EISDIR || error == EINVAL ||
         error == CDB_DAMAGED;
}

std::string lint_error(int error) { return error == CDB_DAMAGED ? "damaged" : strerror(error); }

bool lint_older(const struct stat &made, const struct stat &from) {
  return made.st_mtim.tv_sec + 1 < from.st_mtim.tv_sec;
}

void lint_sentences(lint_code code, const std::string &file, const std::vector<std::string> &sentences,
                    const char *advice, lint_report &report) {
  const std::string begin = file + " line ";
  for (const std::string &sentence : sentences) {
    unsigned long line = 0;
    size_t digits = 0;
    if (sentence.starts_with(begin)) digits = control_scan(std::string_view(sentence).substr(begin.size()), line);
    const size_t text = digits ? sentence.find(": ", begin.size() + digits) : sentence.find(": ");
    report.add(code, {file, static_cast<unsigned>(line)}, text == sentence.npos ? sentence : sentence.substr(text + 2),
               advice);
  }
}

// ---- all rules

void lint_all(lint_host &host, const lint_settings &settings, lint_report &report) {
  const lint_files files(host, settings, report);
  lint_domains(host, files, report);
  const std::vector<lint_home> homes = lint_users(host, settings, report);
  lint_homes(host, settings, homes, report);
  lint_mail(host, settings, files, report);
}

// ---- the mode

std::string lint_line(const lint_finding &f) {
  std::string out = f.at.file;
  if (f.at.line) out += " line " + std::to_string(f.at.line);
  return vrfy_safe_sentence(out + ": " + lint_name(f.code) + ": " + f.text + ": " + f.advice) + "\n";
}

std::string lint_json(const lint_finding &f) {
  std::string out = "{\"file\":";
  vrfy_json_string(out, f.at.file);
  out += ",\"line\":" + std::to_string(f.at.line) + ",\"code\":\"" + lint_name(f.code) + "\",\"text\":";
  vrfy_json_string(out, f.text);
  out += ",\"advice\":";
  vrfy_json_string(out, f.advice);
  return out + "}\n";
}

namespace {

// So many findings of a code are shown, the others are counted.
constexpr unsigned SHOWN_MAX = 50;

class printed {
 public:
  explicit printed(const vrfy_options &options) : options_(options) {}

  void add(const lint_finding &f) {
    if (++count_[f.code] > SHOWN_MAX && !options_.explain) return;
    out_.put(options_.json ? lint_json(f) : lint_line(f));
  }

  int end() {
    for (const auto &[code, count] : count_)
      if (count > SHOWN_MAX && !options_.explain) out_.put(more(lint_name(code), count - SHOWN_MAX));
    return out_.end();
  }

 private:
  std::string more(const std::string &code, unsigned long count) const {
    const std::string number = std::to_string(count);
    if (options_.json) return "{\"code\":\"" + code + "\",\"more\":" + number + "}\n";
    return code + ": " + number + " more, which -v shows\n";
  }

  const vrfy_options &options_;
  vrfy_output out_;
  std::map<lint_code, unsigned long> count_;
};

}  // namespace

int vrfy_lint(const vrfy_options &options) {
  const auto host = lint_unix_open(options);
  if (!host) return VRFY_TROUBLE;
  printed out(options);
  lint_report report([&](const lint_finding &f) { out.add(f); });
  lint_all(*host, lint_unix_settings(options), report);
  const int written = out.end();
  return written ? written : report.code();
}
