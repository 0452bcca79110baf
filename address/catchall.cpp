// catchall.cpp - see catchall.h. Follows the line loop of qmail-local.c main().

#include "catchall.h"

#include <string_view>

#include "program.h"
#include "qmail/text.h"

namespace {

// What comes of a program line, for who listens.
trace_step step_of(const outcome &o, bool kept) {
  switch (o.verdict()) {
    case QV_INVALID: return kept ? trace_step::program_kept : trace_step::program_refuses;
    case QV_TEMPORARY: return trace_step::program_failed;
    case QV_VALID:
      if (o.goes_on) return o.kept ? trace_step::program_keeps : trace_step::program_goes_on;
      return o.reason == QV_REASON_PROGRAM_DEFERS ? trace_step::program_defers : trace_step::program_ends;
    default: return trace_step::program_unknown;
  }
}

class reading {
 public:
  reading(const delivery &d, unsigned &programs_left)
      : d_(d), programs_left_(programs_left), forward_only_(d.found.forward_only) {}

  catchall_result file(std::string_view text) {
    for (bool first = true; !text.empty(); first = false) {
      // qmail-local has the line as a C string
      std::string_view line = text_line(text);
      line = line.substr(0, line.find('\0'));
      ++number_;
      if (first && line.empty()) {
        tell(trace_step::line_blank, line);
        return {outcome_of(QV_REASON_DOTQMAIL_BLANK), {}};
      }
      if (decides(line)) return {said_, {}};
    }
    return end();
  }

 private:
  // True where no later line counts; said_ is what comes of it.
  bool decides(std::string_view line) {
    switch (line.empty() ? '#' : line.front()) {
      case '#':
        if (!line.empty()) tell(trace_step::line_comment, line);
        return false;
      case '.':
      case '/': return mailbox(line);
      case '|': return program(line);
      case '+':
        if (line == "+list") forward_only_ = true;
        tell(line == "+list" ? trace_step::line_list : trace_step::line_ignored, line);
        return false;
      default:
        tell(trace_step::line_forward, line);
        forwards_.emplace_back(line.substr(line.front() == '&'));
        return false;
    }
  }

  void tell(trace_step what, std::string_view line, std::string_view detail = {}, int error = 0) {
    if (!d_.told) return;
    const std::string path = d_.file_path();
    d_.told->step(what, {.file = path, .line = number_, .name = line, .error = error, .detail = detail});
  }

  void tell(const outcome &o, std::string_view line) {
    if (!d_.told) return;
    const std::string why = std::string(qv_reason_name(o.reason)) + ": " + qv_reason_text(o.reason);
    tell(step_of(o, kept_), line, why, o.error);
  }

  bool stop(outcome o) {
    said_ = std::move(o);
    return true;
  }

  bool not_a_forward(std::string_view line) {
    tell(trace_step::line_not_a_forward, line);
    return stop(outcome_of(QV_REASON_DOTQMAIL_XBIT));
  }

  bool mailbox(std::string_view line) {
    if (forward_only_) return not_a_forward(line);
    tell(trace_step::line_mailbox, line);
    kept_ = true;
    return false;
  }

  bool program(std::string_view line) {
    if (forward_only_) return not_a_forward(line);
    tell(trace_step::line_program, line);
    if (programs_left_ == 0) {
      tell(trace_step::program_too_many, line);
      return stop(outcome_of(QV_REASON_PROGRAM));
    }
    --programs_left_;
    outcome o = program_read(d_, line.substr(1));
    tell(o, line);
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
  unsigned number_ = 0;  // of the line
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
