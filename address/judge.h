// judge.h - would qmail deliver to it? The table of contents of a verdict.

#ifndef ADDRESS_JUDGE_H
#define ADDRESS_JUDGE_H

#include <optional>
#include <string>
#include <string_view>

#include "policy.h"
#include "qmail-verify.h"
#include "route.h"
#include "site.h"
#include "user.h"

struct judgement {
  qv_reason reason = QV_REASON_NONE;
  unsigned position = 0;  // as a plain answer has it
  int error = 0;          // errno of a look that failed
  std::string user;       // the controlling user; empty where none was found
  std::string about;      // the file, directory or name that decided; may be empty
  std::string domain;     // of the address, after percenthack and envnoathost; empty where it was not looked at
  std::string advice;     // what the operator should know, told once a domain; may be empty

  qv_verdict verdict() const { return qv_reason_verdict(reason); }
};

// A judgement for this reason, with its position. Allocates nothing without about.
judgement judge_decided(qv_reason reason, std::string about = {}, int error = 0);

// By what an address is judged.
struct judge_rules {
  const address_settings &settings;
  const route_tables &tables;
  const policy_table &policy;
};

struct judge_question {
  std::string_view address;                // any bytes but NUL
  std::optional<std::string_view> sender;  // the envelope sender; nullopt: not known
  trace *told = nullptr;                   // who hears the steps; null: nobody
};

// An address on this host, judged in two halves, so that of several questions the first
// halves can be made before the second ones: what needs the same identity, or the same
// file, is then done in a row. The question's bytes, host and rules outlive it.
class judge_case {
 public:
  judge_case(site &host, const judge_rules &rules, const judge_question &question)
      : host_(host), rules_(rules), question_(question) {}

  // Route, policy and controlling user. To be called once, first.
  void find();
  // Whose home is looked into by decide; nullptr: none.
  const controlling_user *user() const { return decided_ ? nullptr : &who_.user; }
  // Identity, home, dot-qmail and what it says. To be called once.
  judgement decide();

 private:
  friend class judging;
  void settle(judgement j);
  judgement decide(class judging &all);
  site &host_;
  const judge_rules &rules_;
  const judge_question question_;
  bool decided_ = false;  // by what found_ says
  judgement found_;
  route where_;
  const policy_words *policy_ = nullptr;  // of the domain, where it is this host's
  user_result who_;
};

// The last step of a judgement: its verdict, after what the operator should know.
void judge_tell(trace &to, const judgement &j);

// Both halves at once.
judgement judge_address(site &host, const judge_rules &rules, const judge_question &question);

#endif
