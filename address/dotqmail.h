// dotqmail.h - which dot-qmail file decides?
//
// Replicates qmail-local's checkhome(), qmesearch() and qmeexists(): the state
// of the home, the exact name, then "default" behind every dash from the right.
// Looks only through a site_visit, that is as the controlling user.

#ifndef ADDRESS_DOTQMAIL_H
#define ADDRESS_DOTQMAIL_H

#include <string>

#include "qmail-verify.h"
#include "site.h"
#include "user.h"

struct dotqmail_result {
  // NONE: a file was found (name, file); NO_MAILBOX: none; else what stands in
  // the way: a state of the home or of a file, or a look that failed (error).
  qv_reason reason = QV_REASON_NONE;
  int error = 0;
  std::string name;            // relative to the home; empty where the home itself decided
  bool by_default = false;     // a -default file
  size_t default_at = 0;       // by_default: where in the extension its end begins that "default" stands for
  bool forward_only = false;   // the x bit is set: forwards only
  site_dotqmail file;
};

// The home must have been entered with visit. told: who hears the steps; null: nobody.
dotqmail_result dotqmail_find(site_visit &visit, const address_settings &settings, const controlling_user &user,
                              trace *told = nullptr);

#endif
