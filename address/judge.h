// judge.h - would qmail deliver to it? The table of contents of a verdict.

#ifndef ADDRESS_JUDGE_H
#define ADDRESS_JUDGE_H

#include <string>
#include <string_view>

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

  qv_verdict verdict() const { return qv_reason_verdict(reason); }
};

// A judgement for this reason, with its position. Allocates nothing without about.
judgement judge_decided(qv_reason reason, std::string about = {}, int error = 0);

// Judges an address (any bytes but NUL) by these tables on this host.
judgement judge_address(site &host, const address_settings &settings, const route_tables &tables,
                        std::string_view address);

#endif
