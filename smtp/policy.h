// policy.h - what qmail's control files say about a session.
//
// Follows setup(), bmfcheck() and addrallowed() in qmail-smtpd.c, rcpthosts.c and
// control.c. All files are read once, at the start; control/morercpthosts.cdb is
// opened then and searched when it is needed.

#ifndef SMTP_POLICY_H
#define SMTP_POLICY_H

#include <optional>
#include <string>

#include "env.h"
#include "path.h"
#include "qmail/cdb.h"
#include "qmail/control.h"
#include "qmail/look.h"

class policy {
 public:
  // Reads the files, relative to the working directory, and DATABYTES. False: one
  // of them could not be read, or neither smtpgreeting nor me is there.
  bool read(const smtp_env &env);

  // control/smtpgreeting, else control/me.
  std::string greeting;
  // control/localiphost, else control/me: this host's name for [its address].
  std::optional<std::string> localiphost;
  // control/timeoutsmtpd, in seconds, at least 1.
  int timeout = 1200;
  // DATABYTES, else control/databytes: bytes in a message, 0 for any number.
  unsigned databytes = 0;

  // Is the sender, or its @domain, in control/badmailfrom?
  bool bad_sender(const address &sender) const;

  // May mail for the recipient come in (control/rcpthosts, morercpthosts.cdb)?
  // found: yes, absent: no, failed: morercpthosts.cdb cannot be read.
  Look allowed(const address &recipient) const;

 private:
  bool read_names();
  bool read_numbers(const smtp_env &env);
  bool read_lists();
  Look in_cdb(std::string_view host) const;

  // Nothing: there is no such file.
  std::optional<control_map> rcpthosts_, badmailfrom_;
  cdb more_;
  bool have_more_ = false;
};

#endif
