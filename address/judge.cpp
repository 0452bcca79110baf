// judge.cpp - see judge.h. One step after the other, each of which may decide:
// route, policy, controlling user, identity and home, dot-qmail, what it says.

#include "judge.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "catchall.h"
#include "dotqmail.h"
#include "qmail/text.h"

judgement judge_decided(qv_reason reason, std::string about, int error) {
  judgement j;
  j.reason = reason;
  j.position = qv_reason_position(reason);
  j.error = error;
  j.about = std::move(about);
  return j;
}

namespace {

// Bounds for the policy word "follow": forwards of forwards, and addresses judged
// for one question.
constexpr size_t FOLLOW_DEPTH = 8, FOLLOW_ADDRESSES = 64;

std::string below(const std::string &home, const std::string &name) { return name.empty() ? home : home + "/" + name; }

// The position that 1.32 gave where a file decided: 9 wherever the dash is
// empty, 12 for a default file, 10 for the exact one.
unsigned file_position(const dotqmail_result &found, const controlling_user &user) {
  if (user.dash.empty()) return 9;
  return found.by_default ? 12 : 10;
}

// ---- steps, for who listens

void tell_policy(trace &to, const policy_table &table, const policy_words &words, std::string_view domain) {
  if (table.empty()) return;
  const char *file = "control/verifypolicy";
  if (words.line)
    to.step(trace_step::policy_applies, {.file = file, .line = words.line, .name = words.text});
  else if (words.observe)
    to.step(trace_step::policy_unreadable, {.file = file});
  else
    to.step(trace_step::policy_none, {.file = file, .name = domain});
}

void tell_identity(trace &to, trace_step what, const controlling_user &user, int error = 0) {
  to.step(what, {.name = user.name, .error = error, .detail = trace_ids(user.uid, user.gid)});
}

// ---- what the policy makes of a judgement

// What would not have been accepted is, and says so.
judgement observed(judgement j, trace *told) {
  if (j.verdict() != QV_INVALID && j.verdict() != QV_TEMPORARY) return j;
  if (told)
    told->step(trace_step::policy_observed, {.file = "control/verifypolicy", .name = qv_reason_name(j.reason)});
  judgement o = judge_decided(QV_REASON_POLICY_OBSERVE, qv_reason_name(j.reason), j.error);
  if (!j.about.empty()) o.about += " " + j.about;
  o.user = std::move(j.user);
  o.domain = std::move(j.domain);
  o.advice = std::move(j.advice);
  return o;
}

}  // namespace

// What comes behind the controlling user. It lasts as long as forwards of forwards are
// followed: their bounds are for all of them together.
class judging {
 public:
  judging(site &host, const judge_rules &rules) : host_(host), rules_(rules) {}

  judgement home(const judge_question &question, const route &where, const policy_words &policy,
                 const controlling_user &who) {
    std::vector<std::string> forwards;
    judgement j = user(question, where, policy, who, forwards);
    j.user = who.name;
    if (policy.follow && !forwards.empty()) follow(question, forwards, j);
    return j;
  }

 private:
  // qmail-lspawn's spawn(), once the user is known. The identity is given up at
  // its end.
  judgement user(const judge_question &question, const route &where, const policy_words &policy,
                 const controlling_user &user, std::vector<std::string> &forwards) {
    // prot_gid comes before prot_uid and the test for root; -1 cannot be had as a group
    trace *const told = question.told;
    const bool gid_fails = user.gid == static_cast<gid_t>(-1);
    if (user.uid == 0 && !gid_fails) {
      if (told) tell_identity(*told, trace_step::identity_root, user);
      return judge_decided(QV_REASON_ROOT);
    }
    int error = 0;
    auto visit = host_.become(user.uid, user.gid, error);
    if (told) tell_identity(*told, visit ? trace_step::identity_taken : trace_step::identity_failed, user, error);
    if (!visit) return judge_decided(QV_REASON_IDENTITY_TROUBLE, user.home, error);

    // qmail-local, from its arguments to the lines of the file
    if (user.home.empty() || user.home.front() != '/') {
      if (told) told->step(trace_step::home_not_absolute, {.file = user.home, .name = user.home});
      return judge_decided(QV_REASON_HOME_NOT_ABSOLUTE, user.home);
    }
    error = visit->enter(user.home);
    if (told)
      told->step(error ? trace_step::home_failed : trace_step::home_entered, {.file = user.home, .error = error});
    if (error)
      return judge_decided(error == ETIMEDOUT ? QV_REASON_HOME_HANGS : QV_REASON_HOME_UNREACHABLE, user.home, error);
    const dotqmail_result found = dotqmail_find(*visit, rules_.settings, user, told);
    if (found.reason == QV_REASON_NO_MAILBOX)
      return judge_decided(user.dash.empty() ? QV_REASON_DEFAULT_DELIVERY : QV_REASON_NO_MAILBOX, user.home);
    if (found.reason != QV_REASON_NONE) return file_says(found, user, outcome_of(found.reason, {}, found.error));
    catchall_result says = catchall_read(
        {host_, *visit, rules_.settings, policy, user, found, where.local, where.domain, question.sender, told},
        programs_left_);
    forwards = std::move(says.forwards);
    return file_says(found, user, std::move(says.says));
  }

  static judgement file_says(const dotqmail_result &found, const controlling_user &user, outcome says) {
    std::string about = says.about.empty() ? below(user.home, found.name) : std::move(says.about);
    judgement j = judge_decided(says.reason, std::move(about), says.error);
    j.advice = std::move(says.advice);
    if (!found.name.empty() && j.verdict() != QV_TEMPORARY) j.position = file_position(found, user);
    return j;
  }

  // The policy word "follow": an address that is only forwarded is refused where
  // each address that it is forwarded to surely is.
  void follow(const judge_question &question, const std::vector<std::string> &forwards, judgement &j) {
    if (trail_.size() == FOLLOW_DEPTH) return tell(question.told, trace_step::follow_too_many, forwards.front());
    trail_.push_back(text_lower(question.address));
    const bool refused = std::all_of(forwards.begin(), forwards.end(),
                                     [&](auto &to) { return surely_refused(to, question.told); });
    trail_.pop_back();
    if (!refused) return;
    j.about += ":&" + forwards.front();  // no blank: the log would escape it
    j.reason = QV_REASON_POLICY_FOLLOW;
  }

  bool surely_refused(const std::string &to, trace *told) {
    if (std::find(trail_.begin(), trail_.end(), text_lower(to)) != trail_.end()) {
      tell(told, trace_step::follow_loop, to);
      return false;
    }
    if (++followed_ > FOLLOW_ADDRESSES) {
      tell(told, trace_step::follow_too_many, to);
      return false;
    }
    tell(told, trace_step::follow_to, to);
    const bool refused = is_refused({to, std::nullopt, told});
    tell(told, refused ? trace_step::follow_refused : trace_step::follow_not_refused, to);
    return refused;
  }

  bool is_refused(const judge_question &forward) {
    const trace::deeper deeper(forward.told);
    judge_case one(host_, rules_, forward);
    one.find();
    const judgement j = one.decide(*this);
    if (forward.told) judge_tell(*forward.told, j);
    return j.verdict() == QV_INVALID;
  }

  static void tell(trace *told, trace_step what, const std::string &to) {
    if (told) told->step(what, {.name = to});
  }

  site &host_;
  const judge_rules &rules_;
  std::vector<std::string> trail_;
  size_t followed_ = 0;
  unsigned programs_left_ = CATCHALL_PROGRAMS_MAX;
};

void judge_case::settle(judgement j) {
  found_ = std::move(j);
  decided_ = true;
}

void judge_case::find() {
  trace *const told = question_.told;
  if (question_.address.size() > QV_ADDRESS_MAX) {
    if (told) told->step(trace_step::address_too_long);
    return settle(judge_decided(QV_REASON_TOO_LONG));
  }
  where_ = route_find(rules_.tables, question_.address, told);
  if (where_.kind == route::Kind::remote) return settle(judge_decided(QV_REASON_REMOTE, where_.domain));
  if (where_.kind == route::Kind::exception) return settle(judge_decided(QV_REASON_EXCEPTION, where_.domain));
  policy_ = &rules_.policy.find(where_.domain);
  if (told) tell_policy(*told, rules_.policy, *policy_, where_.domain);
  if (policy_->off) return settle(judge_decided(QV_REASON_POLICY_OFF));
  if (where_.local.empty()) {
    if (told) told->step(trace_step::address_empty_local);
    return settle(judge_decided(QV_REASON_EMPTY_LOCAL));
  }
  who_ = user_find(host_, rules_.settings, where_.local, told);
  if (who_.reason != QV_REASON_NONE) settle(judge_decided(who_.reason, who_.about, who_.error));
}

judgement judge_case::decide() {
  judging all(host_, rules_);
  return decide(all);
}

judgement judge_case::decide(judging &all) {
  judgement j = decided_ ? std::move(found_) : all.home(question_, where_, *policy_, who_.user);
  if (!policy_) return j;
  j.domain = std::move(where_.domain);
  return policy_->observe ? observed(std::move(j), question_.told) : j;
}

void judge_tell(trace &to, const judgement &j) {
  static constexpr trace_step STEPS[] = {trace_step::verdict_valid, trace_step::verdict_remote,
                                         trace_step::verdict_unknown, trace_step::verdict_invalid,
                                         trace_step::verdict_temporary};
  if (!j.advice.empty()) to.step(trace_step::advice_given, {.name = j.domain, .detail = j.advice});
  std::string why = qv_reason_text(j.reason);
  if (!j.about.empty()) why += ": " + j.about;
  to.step(STEPS[j.verdict()], {.file = j.about, .name = qv_reason_name(j.reason), .error = j.error, .detail = why});
}

judgement judge_address(site &host, const judge_rules &rules, const judge_question &question) {
  judge_case one(host, rules, question);
  one.find();
  return one.decide();
}
