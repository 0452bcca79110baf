/* address.h - would qmail deliver to it? The public face of this folder, for C
   and C++.

   Opens no socket, writes no log and never exits: what an operator should know
   is handed to a callback. No exception leaves it.

   A handle is for one thread at a time; several threads may judge at the same time,
   each with a handle of its own. A look into a home is made with the effective ids of its
   owner, which the calling thread has meanwhile, and no other thread: so callbacks may
   run with a user's ids. Between calls the thread has its own again, but see
   address_judge_together. See libqmailverify(3). */

#ifndef ADDRESS_ADDRESS_H
#define ADDRESS_ADDRESS_H

#include <stddef.h>
#include <sys/types.h>

#include "qmail-verify.h"

#ifdef __cplusplus
extern "C" {
#endif

struct address; /* one qmail host as it is judged */

/* netqmail's build settings that matter for a verdict. Copied. */
struct address_config {
  char break_char;      /* conf-break */
  unsigned patrn;       /* conf-patrn: the mode bits that no home or dot-qmail may have */
  const char *alias;    /* conf-users, line 1 */
  const char *qmailp;   /* conf-users, line 5 */
  const char *nofiles;  /* conf-groups, line 2 */
  const char *qmail;    /* the qmail directory: control files, users/cdb, the homes of passwd that do not begin
                           with a slash, and the programs of dot-qmail files are looked for below it */
  const char *fastforward_cdb; /* VERIFY_FASTFORWARDCDB: a hint, see qmail-verify(8); NULL: none */
  int map_users_cdb;    /* 1: users/cdb is read from a mapping, at less cost a question; installs a handler of
                           SIGBUS for the whole process, for databases that are cut short. 0: it is read by
                           position, and no signal is touched */
  int ask_each_source;  /* 1: a source of nsswitch.conf that fails is never hidden by one behind it, or by nscd, which
                           is passed over; sets whom all look-ups of users of the whole process ask. 0: getpwnam_r
                           as it is */
};

/* The settings of the build that this library is of, the same as "qmail-verify -V"
   shows; no hint, no mapping, getpwnam_r as it is. */
void address_config_default(struct address_config *config);

/* A sentence for the operator's log, without a newline. Lives during the call. */
typedef void address_note(void *ctx, const char *sentence);

/* Watches over looks that may never come back: into a home, or into passwd.
   look is called before each of them, with the home or the file that is looked at
   (ADDRESS_PASSWD before getpwnam_r, ADDRESS_GROUP before getgrnam_r) and as whom; it
   returns 0, or an errno for the look, which then is not made. done is called when the last look of a visit is over. */
#define ADDRESS_PASSWD "passwd"
#define ADDRESS_GROUP "group"
struct address_guard {
  int (*look)(void *ctx, const char *path, uid_t uid);
  void (*done)(void *ctx);
  void *ctx;
};

/* What came of a question. */
struct address_answer {
  enum qv_verdict verdict;
  enum qv_reason reason;
  unsigned position; /* 1 to 15, for a plain answer */
  int error;         /* errno of a look that failed, else 0; EBADMSG: a damaged database */
  char user[256];    /* the controlling user, cut; empty where none was found */
  char about[1024];  /* the file, directory or name that decided, cut; may be empty */
};

/* Begins: opens the qmail directory, which stays open (close-on-exec), and reads the
   control files below it. The working directory does not count, unless config->qmail
   begins without a slash: then it is looked for there, now and never again. now_ms:
   milliseconds on a clock that is never set, here and below. Where the control files cannot be read it begins all the same, answers
   "temporary" and tries again at each address_tick.
   NULL, with errno: ENOMEM, or why the qmail directory cannot be opened (ENOENT, ENOTDIR,
   EACCES ... as open(2) has it). */
struct address *address_new(const struct address_config *config, address_note *note, void *ctx, long long now_ms);

/* A question. Everything in it lives during the call. */
struct address_question {
  const char *address; /* len bytes, none of them NUL */
  size_t len;
  const char *sender; /* the envelope sender, sender_len bytes; NULL: not known */
  size_t sender_len;
};

/* Judges the address. Never fails: what goes wrong is a verdict of QV_TEMPORARY. */
void address_judge(struct address *a, const struct address_question *question, struct address_answer *answer);

/* An address that this host does not deliver to itself. */
struct address_remote {
  char to[QV_ADDRESS_MAX + 1]; /* as qmail-remote gets it, len bytes and a NUL */
  size_t len;
  int observe;                 /* control/verifypolicy: its domain is only observed */
};

/* Does qmail-send hand the address to qmail-remote, by the newest control files, and would
   none of the older ones that may still be in force with it deliver here? Then 1, and
   *remote is filled in. 0: no, or control/verifypolicy has "off" for its domain, or the
   address is too long. -1: that could not be told for lack of memory. */
int address_is_remote(struct address *a, const struct address_question *question, struct address_remote *remote);

/* One step of a judgement. Strings live during the call and are never NULL. */
struct address_step {
  const char *step;  /* what was looked at: a word of the table in steps.h and in qmail-vrfy(1), STEPS */
  const char *found; /* what came of it: likewise */
  const char *file;  /* the file or directory; may be empty */
  unsigned line;     /* in that file, from 1; 0: none */
  const char *name;  /* what was looked for: a key, a user, a file's name, or the line itself; name_len bytes of any kind */
  size_t name_len;
  int error;         /* errno of a look that failed, else 0 */
  const char *text;  /* the step as a sentence for an administrator, printable ASCII */
  unsigned depth;    /* 0: about the address itself; more: about one that it is forwarded to, or older control files */
};
typedef void address_told(void *ctx, const struct address_step *step);

/* Judges like address_judge, and tells each step when it is made, in the order in
   which qmail decides; the last one is the verdict. What the operator should know is told
   as a step, not to the callback of address_new. told must not call this handle, nor
   leave by an exception. */
void address_explain(struct address *a, const struct address_question *question, struct address_answer *answer,
                     address_told *told, void *ctx);

/* So many questions at most are judged together. */
#define ADDRESS_TOGETHER_MAX 32

/* What is called for each of several questions, by its number. */
struct address_calls {
  /* Before anything is looked at for question i, up to twice: 0 leaves it out (from
     then on). */
  int (*at)(void *ctx, unsigned i);
  /* What came of question i; lives during the call. The order is not that of the
     questions. */
  void (*judged)(void *ctx, unsigned i, struct address_answer *answer);
  void *ctx;
};

/* The same for n questions that have come together (at most ADDRESS_TOGETHER_MAX), at
   less cost: what one of them has seen of users/cdb, passwd or a home serves for the
   others, and questions of one user come in a row. Leaves this thread with the ids of
   one of these users, in the hope of more questions: call address_rest when there are
   none, before the thread does anything else, and before another thread uses the
   handle. */
void address_judge_together(struct address *a, const struct address_question *questions, unsigned n,
                            const struct address_calls *calls);

/* This thread has its own ids again: effective user, effective group and supplementary
   groups as they were before its first question. */
void address_rest(struct address *a);

/* From now on every look is guarded. Copied; NULL: none. */
void address_watch(struct address *a, const struct address_guard *guard);

/* A number that is another one whenever other rules count than before: after
   address_tick or address_hangup. */
unsigned long address_version(const struct address *a);

/* To be called about once a second: notices changed control files. It and address_hangup
   do what address_rest does. */
void address_tick(struct address *a, long long now_ms);

/* SIGHUP: takes over what qmail-send takes over. */
void address_hangup(struct address *a, long long now_ms);

void address_free(struct address *a);

#ifdef __cplusplus
}
#endif
#endif
