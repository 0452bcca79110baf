// catchall.cpp - see catchall.h. Follows the line loop of qmail-local.c main().

#include "catchall.h"

#include <string_view>

#include "program.h"
#include "qmail/text.h"

namespace {

class reading {
 public:
  reading(const delivery &d, unsigned &programs_left)
      : d_(d), programs_left_(programs_left), forward_only_(d.found.forward_only) {}

  catchall_result file(std::string_view text) {
    for (bool first = true; !text.empty(); first = false) {
      // qmail-local has the line as a C string
      std::string_view line = text_line(text);
      line = line.substr(0, line.find('\0'));
      if (first && line.empty()) return {outcome_of(QV_REASON_DOTQMAIL_BLANK), {}};
      if (decides(line)) return {said_, {}};
    }
    return end();
  }

 private:
  // True where no later line counts; said_ is what comes of it.
  bool decides(std::string_view line) {
    switch (line.empty() ? '#' : line.front()) {
      case '#': return false;
      case '.':
      case '/': return mailbox();
      case '|': return program(line.substr(1));
      case '+':
        if (line == "+list") forward_only_ = true;
        return false;
      case '&': line.remove_prefix(1); [[fallthrough]];
      default: forwards_.emplace_back(line); return false;
    }
  }

  bool stop(outcome o) {
    said_ = std::move(o);
    return true;
  }

  bool mailbox() {
    if (forward_only_) return stop(outcome_of(QV_REASON_DOTQMAIL_XBIT));
    kept_ = true;
    return false;
  }

  bool program(std::string_view line) {
    if (forward_only_) return stop(outcome_of(QV_REASON_DOTQMAIL_XBIT));
    if (programs_left_ == 0) return stop(outcome_of(QV_REASON_PROGRAM));
    --programs_left_;
    outcome o = program_read(d_, line);
    if (o.verdict() == QV_INVALID && kept_) return stop(outcome_of(QV_REASON_KEPT));
    if (o.verdict() != QV_VALID || !o.goes_on) return stop(std::move(o));
    kept_ = kept_ || o.kept;
    if (said_.reason == QV_REASON_NONE || said_.reason == QV_REASON_PROGRAM_ACCEPTS) said_ = std::move(o);
    return false;
  }

  catchall_result end() {
    const bool told = said_.reason != QV_REASON_NONE;
    if (told && said_.reason != QV_REASON_PROGRAM_ACCEPTS) return {said_, {}};
    if (kept_) return {outcome_of(QV_REASON_DOTQMAIL), {}};
    if (!forwards_.empty()) return {outcome_of(QV_REASON_DOTQMAIL), std::move(forwards_)};
    return {outcome_of(told ? said_.reason : QV_REASON_DOTQMAIL), {}};
  }

  const delivery &d_;
  unsigned &programs_left_;
  bool forward_only_;
  bool kept_ = false;
  outcome said_ = outcome_of(QV_REASON_NONE);
  std::vector<std::string> forwards_;
};

}  // namespace

catchall_result catchall_read(const delivery &d, unsigned &programs_left) {
  const site_dotqmail &file = d.found.file;
  if (file.too_large) return {outcome_of(QV_REASON_DOTQMAIL_LARGE), {}};
  if (file.content.empty()) return {outcome_of(QV_REASON_DOTQMAIL_EMPTY), {}};
  return reading(d, programs_left).file(file.content);
}
