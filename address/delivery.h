// delivery.h - what a program line of a dot-qmail file has before it, and what
// comes of such a line.
//
// The readers of program lines (program, fastforward, vpopmail, vmailmgr) take a
// delivery and return an outcome. None of them runs anything.

#ifndef ADDRESS_DELIVERY_H
#define ADDRESS_DELIVERY_H

#include <optional>
#include <string>
#include <string_view>

#include "dotqmail.h"
#include "policy.h"
#include "qmail-verify.h"
#include "site.h"
#include "user.h"

// One delivery as qmail-local is about to make it. Everything that is referred to
// outlives it. The home has been entered with visit.
struct delivery {
  site &host;
  site_visit &visit;
  const address_settings &settings;
  const policy_words &policy;     // of the domain
  const controlling_user &user;   // $USER is its name, $HOME its home, $EXT its ext
  const dotqmail_result &found;   // the dot-qmail file
  std::string_view local;         // $LOCAL: before the last @ of what qmail-lspawn gets
  std::string_view domain;        // $HOST: behind it, in its own case
  std::optional<std::string_view> sender;  // $SENDER; nullopt: not known
  trace *told = nullptr;                   // who hears the steps; null: nobody

  // $RECIPIENT.
  std::string recipient() const;
  // $DEFAULT: the end of $EXT that "default" stands for; nullopt where the exact
  // file was found and the variable is not set.
  std::optional<std::string_view> default_ext() const;
  // A path in a line as a full one: a relative path begins at the home.
  std::string full_path(const std::string &path) const;
  // The dot-qmail file, as a full path.
  std::string file_path() const;
  // A step about a file in which something was looked up, for who listens. path as in a
  // line.
  void tell(trace_step what, const std::string &path, std::string_view name = {}, int error = 0,
            std::string_view detail = {}) const {
    if (told) told->step(what, {.file = full_path(path), .name = name, .error = error, .detail = detail});
  }
};

// What comes of a program line. The reason's verdict says which it is: invalid,
// exit 100 or its like: qmail bounces; temporary: a look failed; unknown: the
// program decides, and may have kept the mail; valid: see goes_on.
struct outcome {
  qv_reason reason = QV_REASON_PROGRAM;
  bool goes_on = false;  // valid only: exit 0, the next line counts; else exit 99 or 111: none does
  bool kept = false;     // valid only: the mail was delivered, so that a later refusal comes too late
  int error = 0;         // errno of a look that failed
  std::string about;     // the file that decided, instead of the dot-qmail file; may be empty
  std::string advice;    // what the operator should know and do, told once a domain; may be empty

  qv_verdict verdict() const { return qv_reason_verdict(reason); }
};

// Shorthands. Exit 0, kept or not; exit 99; an exit that always defers; what the
// reason says.
outcome outcome_pass(qv_reason reason, bool kept);
outcome outcome_stop(qv_reason reason);
outcome outcome_of(qv_reason reason, std::string about = {}, int error = 0);

#endif
