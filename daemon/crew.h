/* crew.h - the processes of the daemon: a parent that judges nothing, and workers
   that do.

   C and C++. The workers share the UDP sockets: each takes the questions that are
   there, up to CREW_TOGETHER_MAX, and answers them together; where a look takes long,
   what it has not begun is given to the others. The
   parent takes the questions of the UNIX sockets and hands them on; it holds the
   control files, forks new workers when they change (a worker knows one state, all old
   or all new), and watches: a look that does not come back costs the worker that made
   it, never the others' answers. The parent itself never enters a home. One process more
   asks the servers of control/verifyroutes, where there is one (forwarder.h). */

#ifndef DAEMON_CREW_H
#define DAEMON_CREW_H

#include <stddef.h>
#include <sys/types.h>

#include "address/address.h"
#include "qmail-verify.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- deadlines, milliseconds */

#define CREW_TICK_MS 1000     /* how often the control files are looked at */
#define CREW_LOOK_MS 10       /* how often the parent looks at the workers while any looks into a home */
#define CREW_SLOW_MS 20       /* a look that takes longer is slow: one worker always keeps out of that place */
#define CREW_STUCK_MS 1000    /* a look that takes longer is stuck: its worker is replaced */
#define CREW_QUESTION_MS 5000 /* so is one that has one question for so long: its client has gone */
#define CREW_PROBE_MS 5000    /* how often a place that hangs is tried */
#define CREW_DRAIN_MS 1000    /* after SIGTERM: no longer than this */

#define CREW_STUCK_MAX 8      /* workers that are waited for; with more no home is entered */
#define CREW_WORKERS_MAX 16

#define CREW_TOGETHER_MAX 16  /* questions that a worker takes at once */

struct crew;      /* all of it */
struct crew_hand; /* the questions that a worker has in hand, each with its number */

/* What is done with questions: given by the program. */
struct crew_calls {
  /* In a worker: judges the questions from 0 to n - 1 and calls crew_reply for each, or
     does nothing where one is not to be answered, or crew_later says that it comes
     again. */
  void (*answer)(struct crew_hand *hand, struct address *host, unsigned n);
  /* In the parent: the answer to a question that cannot be judged, for this reason
     and with these words (may be empty) for the log, NULL: no line. Writes at most QV_REPLY_MAX bytes; returns how
     many, 0: none. */
  size_t (*temporary)(const char *datagram, size_t len, enum qv_reason reason, const char *about, char *reply);
  /* In the process that asks other servers: what came of a question that was handed to it.
     Logs it; writes and returns as temporary. */
  size_t (*told)(const char *datagram, size_t len, const struct address_answer *answer, char *reply);
  /* In a process of its own: judges the datagram, whose look did not come back, and
     throws away what comes of it. */
  void (*again)(struct address *host, const char *datagram, size_t len);
};

/* Opens what LISTEN names; group (-1: this process's own) and mode: of UNIX sockets.
   NULL after a word to the log, and *code is what to exit with. */
struct crew *crew_open(const char *listen, gid_t group, mode_t mode, int *code);

/* The i-th endpoint that is listened on, as text; NULL: there are no more. Lives as
   long as the crew. */
const char *crew_endpoint(const struct crew *crew, unsigned i);

/* Serves until SIGTERM or SIGINT with so many workers (1 to CREW_WORKERS_MAX). host: as address_new made
   it, in the qmail directory. SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 and SIGCHLD are its own from now on. Returns the exit code.
   ready is called when the workers serve. */
int crew_run(struct crew *crew, struct address *host, unsigned workers, const struct crew_calls *calls,
             void (*ready)(void *ctx), void *ctx);

/* For address_new: a sentence for the log. ctx is not used. */
void crew_note(void *ctx, const char *sentence);

void crew_close(struct crew *crew);

/* ---- in a worker, within answer; i is the number of a question */

/* The datagram, which lives until answer returns. 0: it is not to be judged. */
int crew_datagram(struct crew_hand *hand, unsigned i, const char **bytes, size_t *len);
/* Where the question came from. local: by a UNIX socket; port: by UDP from this one. */
void crew_from(const struct crew_hand *hand, unsigned i, int *local, unsigned *port);
/* The same for the log; room for UDP_TEXT_MAX bytes. */
void crew_from_text(const struct crew_hand *hand, unsigned i, char *text);
/* A datagram that was no question has been passed over. */
void crew_ignored(struct crew_hand *hand);
/* Writes the counters' lines from this one on to text (counters_text of counters.h), *len
   bytes, at most max. Returns the number of the line that follows, 0: there are no more;
   -1: whoever asks is not to know. */
int crew_counters(struct crew_hand *hand, unsigned i, unsigned from, char *text, size_t max, size_t *len);
/* Forgets what is kept of other servers' answers about this domain, of all where len is 0. How
   many that were; -1: whoever asks must not. */
int crew_flush(struct crew_hand *hand, unsigned i, const char *domain, size_t len);
/* Is the address, which was judged to be remote, of a domain in control/verifyroutes? 0: no,
   or *answer has become what another server said of it a while ago. 1: the question has
   been handed to who asks that server, and answers it. */
int crew_routed(struct crew_hand *hand, unsigned i, const struct address_question *question, struct address_answer *answer);
/* Do we listen on this port? */
int crew_own_port(const struct crew_hand *hand, unsigned port);
/* It is judged from now on: what is looked at is looked at for it. 0: it is not to be
   judged, now or any more. */
int crew_at(struct crew_hand *hand, unsigned i);
/* Is its judgement worth nothing, because a look could not be made now? The question
   comes again. */
int crew_later(const struct crew_hand *hand, unsigned i);
/* Have the control files changed since this worker began? It must refuse nobody then. */
int crew_old(const struct crew_hand *hand);
/* The answer that came of a judgement: len bytes, at most QV_REPLY_MAX, 0: silence. It
   is sent when answer returns, or before. */
void crew_reply(struct crew_hand *hand, unsigned i, const struct address_answer *answer, const char *reply, size_t len);

#ifdef __cplusplus
}
#endif
#endif
