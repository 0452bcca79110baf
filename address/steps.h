/* steps.h - the steps of a judgement, as address_explain tells them and
   qmail-vrfy(1) lists them under STEPS.

   X(symbol, step, found, sentence)

   step is what was looked at, found what came of it: struct address_step has these
   words. The sentence is made into its text: %f stands for the file, %l for " line N"
   (nothing where there is none), %n for the name, %d for what cannot be read off the
   other members, %e for ": " and the words of errno (nothing where there is none).

   They come in qmail's order. Who wants only what decided looks at steps of depth 0: the
   dot-qmail file is the file of the last step "dot-qmail" whose found is neither absent nor
   not-regular (no such step: none was looked for, or none was there); the program line is
   the last step "program": its file, line, and the line itself as name. */

#ifndef ADDRESS_STEPS_H
#define ADDRESS_STEPS_H

/* clang-format off */
#define ADDRESS_STEPS(X) \
  X(address_too_long,      "address",        "too-long",      "longer than an address that qmail-queue takes: it decides") \
  X(address_empty_local,   "address",        "empty-local",   "nothing before the @: qmail accepts such mail and throws it away") \
  X(controls_unusable,     "controls",       "unusable",      "the control files cannot be used: %d") \
  X(controls_older,        "controls",       "older",         "control files have changed without SIGHUP: judged by the older ones, which may still count, too") \
  X(controls_refuse,       "controls",       "refuse",        "the older control files refuse it as well") \
  X(controls_accept,       "controls",       "accept",        "the older control files do not refuse it: what they say counts") \
  X(default_host_env,      "default-host",   "envnoathost",   "%f%l: no @ in the address, so %n is put behind it") \
  X(default_host_me,       "default-host",   "me",            "%f%l: no @ in the address, and no control/envnoathost, so %n is put behind it") \
  X(default_host_built_in, "default-host",   "built-in",      "no @ in the address, neither control/envnoathost nor control/me, so %n is put behind it") \
  X(percenthack_rewritten, "percenthack",    "rewritten",     "%f%l: %n: the address becomes %d") \
  X(locals_listed,         "locals",         "listed",        "%f%l: %n is a local domain") \
  X(locals_not_listed,     "locals",         "not-listed",    "%f: %n is not in it") \
  X(locals_me,             "locals",         "me",            "%f%l: %n is the only local domain, as there is no control/locals") \
  X(locals_not_me,         "locals",         "not-me",        "%f%l: there is no control/locals, and this is another name than %n") \
  X(virtual_address,       "virtualdomains", "address",       "%f%l: %n: this address alone; judged as %d") \
  X(virtual_domain,        "virtualdomains", "domain",        "%f%l: %n: the whole domain; judged as %d") \
  X(virtual_suffix,        "virtualdomains", "suffix",        "%f%l: %n: all domains that end so; judged as %d") \
  X(virtual_all,           "virtualdomains", "all",           "%f%l: %n: all domains; judged as %d") \
  X(virtual_exception,     "virtualdomains", "exception",     "%f%l: %n: nothing after the colon, so it is not for this host") \
  X(virtual_none,          "virtualdomains", "none",          "%f: no line for %n, so it is not for this host") \
  X(routes_none,           "verifyroutes",   "none",          "%f: no line for %n, so no other server is asked") \
  X(routes_nobody,         "verifyroutes",   "nobody",        "%f%l: no other server is asked about %n") \
  X(routes_servers,        "verifyroutes",   "servers",       "%f%l: the daemon asks about %n elsewhere: %d") \
  X(routes_wrong,          "verifyroutes",   "wrong",         "nobody can be asked about %n, which is answered \"temporary\": %d") \
  X(routes_unreadable,     "verifyroutes",   "unreadable",    "%f cannot be read%e") \
  X(policy_applies,        "policy",         "applies",       "%f%l: %n") \
  X(policy_none,           "policy",         "none",          "%f: no line for %n") \
  X(policy_unreadable,     "policy",         "unreadable",    "%f could not be read yet: every domain is only observed") \
  X(policy_observed,       "policy",         "observed",      "%n: accepted all the same, as the domain is only observed") \
  X(users_absent,          "users-cdb",      "absent",        "%f: not there, so passwd decides") \
  X(users_failed,          "users-cdb",      "failed",        "%f cannot be used%e") \
  X(users_exact,           "users-cdb",      "exact",         "%f: the exact key %n matches: %d") \
  X(users_wildcard,        "users-cdb",      "wildcard",      "%f: the wildcard key %n matches: %d") \
  X(users_no_key,          "users-cdb",      "no-key",        "%f: no key for %n, so passwd decides") \
  X(passwd_no_user,        "passwd",         "no-user",       "passwd: no user %n") \
  X(passwd_too_long,       "passwd",         "too-long",      "passwd: %n is longer than 31 bytes, and not looked for") \
  X(passwd_root,           "passwd",         "root",          "passwd: user %n is passed over: uid 0") \
  X(passwd_home_missing,   "passwd",         "home-missing",  "passwd: user %n is passed over: its home %f is not there%e") \
  X(passwd_home_denied,    "passwd",         "home-denied",   "passwd: user %n is passed over: its home %f cannot be looked at as qmailp%e") \
  X(passwd_home_not_owned, "passwd",         "home-not-owned", "passwd: user %n is passed over: its home %f belongs to %d") \
  X(passwd_home_failed,    "passwd",         "home-failed",   "passwd: user %n: its home %f could not be looked at as qmailp%e") \
  X(passwd_failed,         "passwd",         "failed",        "passwd: the look for user %n failed%e") \
  X(passwd_found,          "passwd",         "found",         "passwd: user %n: %d") \
  X(passwd_alias,          "passwd",         "alias",         "passwd: nobody, so user %n decides: %d") \
  X(passwd_no_alias,       "passwd",         "no-alias",      "passwd: nobody, and no user %n either") \
  X(identity_taken,        "identity",       "taken",         "looked at as user %n: %d") \
  X(identity_root,         "identity",       "root",          "user %n has uid 0: qmail defers, and nothing is looked at") \
  X(identity_failed,       "identity",       "failed",        "cannot become user %n, %d%e") \
  X(home_entered,          "home",           "entered",       "%f: entered") \
  X(home_not_absolute,     "home",           "not-absolute",  "the home \"%n\" does not begin with a slash") \
  X(home_failed,           "home",           "failed",        "%f: the home cannot be entered%e") \
  X(home_writable,         "home",           "writable",      "%f: the home is writable by others (mode %d): qmail defers") \
  X(home_sticky,           "home",           "sticky",        "%f: the home is sticky (mode %d): qmail defers") \
  X(dotqmail_absent,       "dot-qmail",      "absent",        "%f: absent%e") \
  X(dotqmail_not_regular,  "dot-qmail",      "not-regular",   "%f: %d, not a regular file, so it does not count") \
  X(dotqmail_unreadable,   "dot-qmail",      "unreadable",    "%f: may be there, but cannot be read%e") \
  X(dotqmail_writable,     "dot-qmail",      "writable",      "%f: writable by others (mode %d): qmail defers") \
  X(dotqmail_x_bit,        "dot-qmail",      "x-bit",         "%f: read; its x bit is set: for forwards only") \
  X(dotqmail_empty,        "dot-qmail",      "empty",         "%f: empty: default delivery") \
  X(dotqmail_too_large,    "dot-qmail",      "too-large",     "%f: too large to be read for a verdict") \
  X(dotqmail_read,         "dot-qmail",      "read",          "%f: read") \
  X(line_blank,            "line",           "blank",         "%f%l: the first line is blank: qmail defers") \
  X(line_comment,          "line",           "comment",       "%f%l: %n: a comment") \
  X(line_list,             "line",           "list",          "%f%l: %n: for forwards only from here on") \
  X(line_ignored,          "line",           "ignored",       "%f%l: %n: means nothing to qmail") \
  X(line_mailbox,          "line",           "mailbox",       "%f%l: %n: a mailbox") \
  X(line_forward,          "line",           "forward",       "%f%l: %n: a forward") \
  X(line_program,          "line",           "program",       "%f%l: %n: a program") \
  X(line_not_a_forward,    "line",           "not-a-forward", "%f%l: %n: no forward, in a file for forwards only: qmail defers") \
  X(program_unknown,       "program",        "unknown",       "%f%l: not known before delivery: %d") \
  X(program_goes_on,       "program",        "goes-on",       "%f%l: keeps nothing, the next line counts: %d") \
  X(program_keeps,         "program",        "keeps",         "%f%l: has the mail, the next line counts: %d") \
  X(program_ends,          "program",        "ends",          "%f%l: accepts, no later line counts: %d") \
  X(program_defers,        "program",        "defers",        "%f%l: defers: %d") \
  X(program_refuses,       "program",        "refuses",       "%f%l: refuses: %d") \
  X(program_kept,          "program",        "kept",          "%f%l: refuses, but a line before it may have kept the mail: %d") \
  X(program_failed,        "program",        "failed",        "%f%l: %d%e") \
  X(program_too_many,      "program",        "too-many",      "%f%l: not read: too many program lines for one address") \
  X(fastforward_key,       "fastforward",    "key",           "%f: key %n is there") \
  X(fastforward_no_key,    "fastforward",    "no-key",        "%f: no key %n") \
  X(fastforward_program,   "fastforward",    "program",       "%f: the record runs a program, which decides") \
  X(fastforward_too_large, "fastforward",    "too-large",     "%f: more than a look is worth") \
  X(fastforward_failed,    "fastforward",    "failed",        "%f: cannot be read%e") \
  X(vpopmail_bad_name,     "vpopmail",       "bad-name",      "vpopmail refuses a character of %n") \
  X(vpopmail_domain,       "vpopmail",       "domain",        "%f: %n: the domain's users are in %d") \
  X(vpopmail_no_domain,    "vpopmail",       "no-domain",     "%f: no record %n that vpopmail would use: every user is unknown") \
  X(vpopmail_user,         "vpopmail",       "user",          "%f: has user %n") \
  X(vpopmail_no_user,      "vpopmail",       "no-user",       "%f: no user %n") \
  X(vpopmail_bounce_flag,  "vpopmail",       "bounce-flag",   "%f: user %n has the flag that bounces all mail") \
  X(vpopmail_own_file,     "vpopmail",       "own-file",      "%f: user %n has a dot-qmail file, which decides") \
  X(vpopmail_action,       "vpopmail",       "action",        "%f: what vdelivermail does with unknown users: %n") \
  X(vpopmail_elsewhere,    "vpopmail",       "elsewhere",     "%f: %d") \
  X(vpopmail_failed,       "vpopmail",       "failed",        "%f: cannot be read%e") \
  X(vmailmgr_user,         "vmailmgr",       "user",          "%f: has user %n") \
  X(vmailmgr_no_user,      "vmailmgr",       "no-user",       "%f: no user %n") \
  X(vmailmgr_expired,      "vmailmgr",       "expired",       "%f: user %n has expired") \
  X(vmailmgr_strange,      "vmailmgr",       "strange",       "%f: the record of user %n is none that vdeliver reads") \
  X(vmailmgr_absent,       "vmailmgr",       "absent",        "%f: not there: vmailmgr may keep its users elsewhere") \
  X(vmailmgr_failed,       "vmailmgr",       "failed",        "%f: cannot be read%e") \
  X(follow_to,             "follow",         "to",            "forwards are followed (policy follow): %n") \
  X(follow_refused,        "follow",         "refused",       "%n would be refused") \
  X(follow_not_refused,    "follow",         "not-refused",   "%n would not be refused: the mail is accepted") \
  X(follow_loop,           "follow",         "loop",          "%n leads back to itself: not followed, the mail is accepted") \
  X(follow_too_many,       "follow",         "too-many",      "%n is not followed: too many forwards, the mail is accepted") \
  X(advice_given,          "advice",         "given",         "%d") \
  X(verdict_valid,         "verdict",        "valid",         "valid: %n: %d%e") \
  X(verdict_remote,        "verdict",        "remote",        "remote: %n: %d%e") \
  X(verdict_unknown,       "verdict",        "unknown",       "unknown: %n: %d%e") \
  X(verdict_invalid,       "verdict",        "invalid",       "invalid: %n: %d%e") \
  X(verdict_temporary,     "verdict",        "temporary",     "temporary: %n: %d%e")
/* clang-format on */

#endif
