// list_judge.cpp - see list_judge.h.

#include "list_judge.h"

#include "answer.h"

namespace {

// Did what a dot-qmail file says decide, or what a policy makes of that? Not where one
// name is as good as another.
bool by_lines(qv_reason reason) {
  switch (reason) {
    case QV_REASON_NONE:
    case QV_REASON_REMOTE:
    case QV_REASON_EXCEPTION:
    case QV_REASON_EMPTY_LOCAL:
    case QV_REASON_DEFAULT_DELIVERY:
    case QV_REASON_DOTQMAIL_EMPTY:
    case QV_REASON_DOTQMAIL_BLANK:
    case QV_REASON_DOTQMAIL_WRITABLE:
    case QV_REASON_DOTQMAIL_LARGE:
    case QV_REASON_HOME_WRITABLE:
    case QV_REASON_HOME_STICKY:
    case QV_REASON_ROOT:
    case QV_REASON_TOO_LONG:
    case QV_REASON_NO_MAILBOX:
    case QV_REASON_HOME_NOT_ABSOLUTE:
    case QV_REASON_POLICY_OFF: return false;
    default: return qv_reason_verdict(reason) != QV_TEMPORARY;
  }
}

std::string named(const std::string &line, const std::string &about) {
  return vrfy_safe(line) + (about.empty() ? "" : " (" + vrfy_safe(about) + ")");
}

// Why it cannot be judged, the same words for all for whom that is so.
std::string why(const address_answer &answer) {
  vrfy_answer all = vrfy_answer_of(answer);
  all.about.clear();
  return vrfy_trouble(all);
}

bool accepted(qv_verdict verdict) { return verdict == QV_VALID || verdict == QV_UNKNOWN; }

}  // namespace

// What is longer is accepted for its length alone, and delivered to nobody.
void list_judge::ask(std::string_view line, bool pattern) {
  one o;
  o.address = pattern ? list_instance(line, nobody_) : line;
  if (o.address.size() > QV_ADDRESS_MAX || o.address.find('\0') != o.address.npos) return;
  o.line = line;
  o.pattern = pattern;
  batch_.push_back(std::move(o));
  if (batch_.size() == ADDRESS_TOGETHER_MAX) judge();
}

void list_judge::judge() {
  address_question questions[ADDRESS_TOGETHER_MAX]{};
  for (size_t i = 0; i < batch_.size(); ++i) {
    questions[i].address = batch_[i].address.data();
    questions[i].len = batch_[i].address.size();
  }
  const address_calls calls{[](void *, unsigned) { return 1; }, judged, this};
  address_judge_together(host_, questions, static_cast<unsigned>(batch_.size()), &calls);
  judged_ += batch_.size();
  batch_.clear();
  progress_.show(judged_, 0, 0);
}

void list_judge::judged(void *ctx, unsigned i, address_answer *answer) {
  list_judge &me = *static_cast<list_judge *>(ctx);
  const one &o = me.batch_[i];
  if (answer->verdict == QV_TEMPORARY) me.trouble_.add(named(o.line, answer->about), why(*answer));
  if (accepted(answer->verdict)) me.to_.add(o.line, o.pattern);
  if (o.pattern && by_lines(answer->reason)) me.read_files_.add(o.line, true);
}

void list_judge::end() {
  judge();
  address_rest(host_);
  read_files_.settle();
  progress_.end();
}
