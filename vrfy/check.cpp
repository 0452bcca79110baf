// check.cpp - the main mode of qmail-vrfy: a verdict for each address.

#include <algorithm>
#include <cstdio>
#include <string>

#include "answer.h"
#include "asker.h"
#include "explain.h"
#include "lines.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "say.h"

namespace {

// What came of all addresses.
class tally {
 public:
  void add(qv_verdict verdict) {
    ++all_;
    ++count_[verdict];
  }
  unsigned long all() const { return all_; }
  int code() const { return count_[QV_TEMPORARY] ? VRFY_TROUBLE : count_[QV_INVALID] ? VRFY_FOUND : VRFY_OK; }

  // "3 addresses: 2 valid, 0 remote, 0 unknown, 1 invalid, 0 temporary; 0.1 s, 30 a second"
  std::string text(long long ms) const {
    std::string out = std::to_string(all_) + " addresses";
    for (unsigned v = QV_VALID; v <= QV_TEMPORARY; ++v)
      out += (v ? ", " : ": ") + std::to_string(count_[v]) + " " + vrfy_verdict_name(static_cast<qv_verdict>(v));
    char time[64];
    snprintf(time, sizeof time, "; %.1f s, %.0f a second", static_cast<double>(ms) / 1000,
             static_cast<double>(all_) * 1000 / static_cast<double>(std::max(ms, 1ll)));
    return out + time;
  }

 private:
  unsigned long all_ = 0, count_[QV_TEMPORARY + 1] = {};
};

class check {
 public:
  explicit check(const vrfy_options &options) : options_(options) {}

  int run() {
    if (options_.explain) return explain();
    const bool list = !options_.file.empty();
    if (list && !file_.open(options_.file)) return VRFY_TROUBLE;
    const auto asker = vrfy_asker_for(options_);
    if (!asker) return VRFY_TROUBLE;
    if (list) asker->ready_when([&] { return file_.ready(); });
    asker->ask([&](std::string &address) { return list ? next_line(address) : next_argument(address); },
               [&](const std::string &address, const vrfy_answer &answer) { take(address, answer); });
    const int written = out_.end();
    progress_.end();
    file_.end();
    troubles_.end();
    if (list) vrfy_say(tally_.text(progress_.ms()));
    return written || file_.failed() ? VRFY_TROUBLE : tally_.code();
  }

 private:
  // -v: each address is shown when it has been explained.
  int explain() {
    const bool done = vrfy_explain(options_, [&](const vrfy_answer &answer, const std::string &text) {
      tally_.add(answer.verdict);
      out_.put(text);
      out_.flush();
    });
    const int written = out_.end();
    return written || !done ? VRFY_TROUBLE : tally_.code();
  }

  bool next_argument(std::string &address) {
    if (argument_ == options_.addresses.size() || out_.failed()) return false;
    address = options_.addresses[argument_++];
    return true;
  }

  // Whoever has to wait for the next line sees all answers first.
  bool next_line(std::string &address) {
    if (out_.failed()) return false;
    if (!file_.ready()) out_.flush();
    return file_.next(address);
  }

  void take(const std::string &address, const vrfy_answer &answer) {
    out_.put(options_.json ? vrfy_json_line(address, answer) : vrfy_line(address, answer));
    tally_.add(answer.verdict);
    if (answer.verdict == QV_TEMPORARY) troubles_.say(vrfy_safe(address), vrfy_trouble(answer));
    if (!options_.file.empty() && !file_.is_terminal()) progress_.show(tally_.all(), file_.taken(), file_.size());
  }

  const vrfy_options &options_;
  vrfy_lines file_;
  size_t argument_ = 0;
  vrfy_output out_;
  tally tally_;
  vrfy_many troubles_;
  vrfy_progress progress_;
};

}  // namespace

int vrfy_check(const vrfy_options &options) { return check(options).run(); }
