// address.cpp - see address.h. Where C++ ends: every exception is caught here
// and becomes a temporary verdict.

#include "address.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "controls.h"
#include "judge.h"
#include "qmail/text.h"
#include "site_unix.h"
#include "watch.h"

namespace {

// What came from outside, for the log: bytes below lowest and above ~ as \xNN, so
// that no line is split.
std::string log_safe(std::string_view bytes, char lowest) {
  std::string out;
  for (const char c : bytes) {
    char hex[8];
    if (c >= lowest && c <= '~')
      out += c;
    else if (snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c))) > 0)
      out += hex;
  }
  return out;
}

// Programs in dot-qmail files are named by their full paths.
std::string full_path(const char *dir) {
  const std::unique_ptr<char, void (*)(void *)> full(*dir == '/' ? nullptr : realpath(dir, nullptr), free);
  return full ? full.get() : dir;
}

}  // namespace

struct address {
  address_settings settings;
  controls_note note;
  site_unix host;
  controls files;
  watch policy_file;
  policy_table policy;
  bool policy_known = false;  // control/verifypolicy has been read, or was not there
  Look policy_look = Look::absent;  // what the last look at it was
  unsigned long policy_version = 0;
  std::set<std::string> advised;  // domain and sentence of each advice that was given

  address(const address_config &c, unique_fd dir, address_note *to, void *ctx)
      : settings{c.break_char, static_cast<mode_t>(c.patrn), c.alias, full_path(c.qmail),
                 c.fastforward_cdb ? c.fastforward_cdb : ""},
        note([to, ctx](const std::string &sentence) {
          if (to) to(ctx, log_safe(sentence, ' ').c_str());
        }),
        host(c.qmailp, c.nofiles, std::move(dir), c.map_users_cdb, c.ask_each_source),
        files(host, note),
        policy_file(host, "verifypolicy") {}
};

namespace {

// Domains for which an advice is remembered. Who asks for more of them hears some
// of it again.
constexpr size_t ADVISED_MAX = 10000;
// How much of a domain, which may be anything, is shown with it, and of the advice,
// in which words of a user's file may stand.
constexpr size_t SHOWN_MAX = 255, ADVICE_MAX = 1000;

template <size_t N>
void copy(char (&to)[N], const std::string &from) {
  const size_t n = std::min(from.size(), N - 1);
  memcpy(to, from.data(), n);
  to[n] = '\0';
}

void fill(address_answer &out, const judgement &j) {
  out.verdict = j.verdict();
  out.reason = j.reason;
  out.position = j.position;
  out.error = j.error;
  copy(out.user, j.user);
  copy(out.about, j.about);
}

// What the operator should know of a domain is said once, whatever the case in
// which the domain was asked for.
void advise(address &a, const judgement &j) {
  if (j.advice.empty()) return;
  const std::string advice = j.advice.substr(0, ADVICE_MAX);
  const std::string key = text_lower(j.domain.substr(0, SHOWN_MAX)) + '\0' + advice;
  if (a.advised.count(key)) return;
  if (a.advised.size() >= ADVISED_MAX) a.advised.clear();
  a.advised.insert(key);
  a.note(log_safe(j.domain.substr(0, SHOWN_MAX), '!') + ": " + advice);
}

// What was made of a look that was not made is worth nothing.
void without_a_look(judgement &j) {
  if (j.reason == QV_REASON_POLICY_OBSERVE) return;
  if (j.verdict() != QV_TEMPORARY) j.about.clear();
  j.reason = QV_REASON_HOME_HANGS;
  j.position = qv_reason_position(j.reason);
  j.error = 0;
}

const char *policy_change(const control_text &file, Look before, bool again) {
  if (again) return "control/verifypolicy can be read again";
  if (file.look == Look::absent) return "control/verifypolicy is gone: no domain has a policy now";
  return before == Look::failed ? "control/verifypolicy can be read again"
                                : "control/verifypolicy has changed: taken over";
}

// What was read of control/verifypolicy comes into force. One that cannot be read
// changes nothing; until one has been read every domain is only observed.
void take_policy(address &a, bool changed) {
  const control_text &file = a.policy_file.file();
  std::vector<std::string> complaints;
  if (file.look == Look::failed) {
    if (!a.policy_known) a.policy = policy_table::unreadable();
    complaints.push_back(std::string("control/verifypolicy cannot be read: ") + strerror(file.error) +
                         (a.policy_known ? "; what was read before counts"
                                         : "; until it can, every domain is only observed"));
  } else {
    a.policy = policy_table(file.text, complaints);
    a.policy_known = true;
    if (changed) a.note(policy_change(file, a.policy_look, a.policy_file.again()));
  }
  a.policy_look = file.look;
  if (changed) ++a.policy_version;
  for (const std::string &complaint : complaints) a.note(complaint);
}

// Out of memory is a look that failed, whatever it was for.
template <class Work>
bool guarded(Work work) noexcept {
  try {
    work();
    return true;
  } catch (...) {
    return false;
  }
}

judge_question question_of(const address_question &q, trace *told) {
  judge_question out{{q.address, q.len}, std::nullopt, told};
  if (q.sender) out.sender = std::string_view(q.sender, q.sender_len);
  return out;
}

}  // namespace

// Questions that are judged together: the controlling users of all of them first, then
// home by home.
class address_together {
 public:
  // told: who hears the steps; null: nobody.
  address_together(address &a, const address_question *questions, unsigned n, const address_calls &calls,
                   trace *told = nullptr)
      : a_(a), questions_(questions), n_(n), calls_(calls), told_(told) {}

  void judge() {
    a_.host.begin();
    newest_ = a_.files.in_force().empty() ? nullptr : a_.files.in_force().front();
    if (newest_) rules_.emplace(judge_rules{a_.settings, *newest_, a_.policy});
    for (unsigned i = 0; i < n_; ++i) find(i);
    std::sort(order_, order_ + left_, [&](unsigned x, unsigned y) {
      return std::tie(cases_[x].gid, cases_[x].uid, x) < std::tie(cases_[y].gid, cases_[y].uid, y);
    });
    for (unsigned k = 0; k < left_; ++k) decide(order_[k]);
  }

 private:
  struct one {
    judge_case *judged = nullptr;  // null: there are no control files to judge by
    uid_t uid = 0;                 // whose home is looked into
    gid_t gid = 0;
    bool refused = false;          // a look was not made
  };

  void find(unsigned i) {
    if (!calls_.at(calls_.ctx, i)) return;
    one &c = cases_[i];
    a_.host.refused();
    const bool found = guarded([&] {
      if (!rules_) return;
      if (judged_.empty()) judged_.reserve(n_);
      c.judged = &judged_.emplace_back(a_.host, *rules_, question_of(questions_[i], told_));
      c.judged->find();
    });
    c.refused = a_.host.refused();
    if (!found) return out_of_memory(i);
    if (const controlling_user *user = c.judged ? c.judged->user() : nullptr) {
      c.uid = user->uid;
      c.gid = user->gid;
    }
    order_[left_++] = i;
  }

  void decide(unsigned i) {
    if (!calls_.at(calls_.ctx, i)) return;
    one &c = cases_[i];
    address_answer answer;
    const bool decided = guarded([&] {
      judgement j = by_all(c, i);
      c.refused = a_.host.refused() || c.refused;
      if (c.refused) without_a_look(j);
      if (told_)
        judge_tell(*told_, j);
      else if (!c.refused)
        advise(a_, j);
      fill(answer, j);
    });
    decided ? calls_.judged(calls_.ctx, i, &answer) : out_of_memory(i);
  }

  // The newest control files answer; an invalid address stays invalid only where
  // every older state that may still be in force with qmail-send agrees.
  judgement by_all(one &c, unsigned i) {
    if (!c.judged) {
      if (told_) told_->step(trace_step::controls_unusable, {.detail = a_.files.complaint()});
      return judge_decided(QV_REASON_CONTROL_TROUBLE);
    }
    judgement newest = c.judged->decide();
    for (const auto &tables : a_.files.in_force()) {
      if (newest.verdict() != QV_INVALID) break;
      if (tables == newest_) continue;
      if (told_) told_->step(trace_step::controls_older);
      judgement j = by_older(*tables, i);
      const bool refused = j.verdict() == QV_INVALID;
      if (told_) told_->step(refused ? trace_step::controls_refuse : trace_step::controls_accept);
      if (!refused) return j;
    }
    return newest;
  }

  judgement by_older(const route_tables &tables, unsigned i) {
    const trace::deeper deeper(told_);
    judgement j = judge_address(a_.host, {a_.settings, tables, a_.policy}, question_of(questions_[i], told_));
    if (told_) judge_tell(*told_, j);
    return j;
  }

  void out_of_memory(unsigned i) {
    address_answer answer;
    const judgement j = judge_decided(QV_REASON_RESOURCE_TROUBLE, {}, ENOMEM);
    if (told_) guarded([&] { judge_tell(*told_, j); });
    fill(answer, j);
    calls_.judged(calls_.ctx, i, &answer);
  }

  address &a_;
  const address_question *questions_;
  const unsigned n_;
  const address_calls &calls_;
  trace *const told_;
  std::shared_ptr<const route_tables> newest_;
  std::optional<judge_rules> rules_;
  std::vector<judge_case> judged_;  // never more than were reserved, so that they stay where they are
  one cases_[ADDRESS_TOGETHER_MAX];
  unsigned order_[ADDRESS_TOGETHER_MAX];
  unsigned left_ = 0;
};

namespace {

void judge_one(address &a, const address_question &question, address_answer &answer, trace *told) {
  const address_calls calls{[](void *, unsigned) { return 1; },
                            [](void *to, unsigned, address_answer *from) {
                              *static_cast<address_answer *>(to) = *from;
                            },
                            &answer};
  address_together(a, &question, 1, calls, told).judge();
  address_rest(&a);
}

}  // namespace

struct address *address_new(const struct address_config *config, address_note *note, void *ctx, long long now_ms) {
  struct address *a = nullptr;
  int error = ENOMEM;
  guarded([&] {
    // the dot asks for the right to search it, as chdir does
    const std::string path = *config->qmail ? config->qmail + std::string("/.") : "";
    unique_fd dir(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir) return void(error = errno);
    auto fresh = std::make_unique<address>(*config, std::move(dir), note, ctx);
    fresh->files.start(now_ms);
    if (fresh->policy_file.start(now_ms)) take_policy(*fresh, false);
    a = fresh.release();
  });
  if (!a) errno = error;
  return a;
}

void address_judge_together(struct address *a, const struct address_question *questions, unsigned n,
                            const struct address_calls *calls) {
  address_together(*a, questions, n, *calls).judge();
}

const tally &address_tally(const struct address *a) { return a->host.tallied(); }

void address_rest(struct address *a) { a->host.rest(); }

void address_judge(struct address *a, const struct address_question *question, struct address_answer *answer) {
  judge_one(*a, *question, *answer, nullptr);
}

int address_is_remote(struct address *a, const struct address_question *question, struct address_remote *remote) {
  int answer = 0;
  const bool done = guarded([&] {
    const std::string_view address{question->address, question->len};
    const auto &in_force = a->files.in_force();
    if (in_force.empty() || address.size() > QV_ADDRESS_MAX) return;
    const route newest = route_find(*in_force.front(), address);
    if (newest.kind == route::Kind::local) return;
    for (const auto &tables : in_force) {
      if (tables == in_force.front()) continue;
      if (route_find(*tables, address).kind != route::Kind::local) continue;
      if (judge_address(a->host, {a->settings, *tables, a->policy}, question_of(*question, nullptr)).verdict() != QV_INVALID)
        return;
    }
    const policy_words &policy = a->policy.find(newest.domain);
    const std::string to = newest.local + "@" + newest.domain;
    if (policy.off || to.size() > QV_ADDRESS_MAX) return;
    copy(remote->to, to);
    remote->len = to.size();
    remote->observe = policy.observe;
    answer = 1;
  });
  return done ? answer : -1;
}

void address_explain(struct address *a, const struct address_question *question, struct address_answer *answer,
                     address_told *told, void *ctx) {
  trace to(told, ctx);
  judge_one(*a, *question, *answer, &to);
}

void address_watch(struct address *a, const struct address_guard *guard) { a->host.guard(guard); }

unsigned long address_version(const struct address *a) { return a->files.version() + a->policy_version; }

void address_tick(struct address *a, long long now_ms) {
  a->host.rest();
  guarded([&] { a->files.tick(now_ms); });
  guarded([&] {
    if (a->policy_file.tick(now_ms)) take_policy(*a, true);
  });
}

void address_hangup(struct address *a, long long now_ms) {
  a->host.rest();
  guarded([&] { a->files.hangup(now_ms); });
  guarded([&] {
    a->advised.clear();
    take_policy(*a, a->policy_file.hangup(now_ms));  // complaints are repeated
  });
}

void address_free(struct address *a) {
  if (a) a->host.rest();
  delete a;
}
