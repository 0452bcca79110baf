/* verifyrcpt.h - ask qmail-verify about one recipient: the client library.

   Plain C, no globals, no malloc, nothing exits. All that one SMTP session
   knows of its verification servers lives in a struct verifyrcpt that the
   caller owns. A whole SMTP server needs five calls:

     verifyrcpt_begin   once: reads VERIFY
     verifyrcpt_rcpt    for each RCPT: accept, refuse, "try again", or close
     verifyrcpt_data    at DATA: does a deferred refusal stand?
     verifyrcpt_reset   at MAIL, RSET, HELO, EHLO and after DATA
     verifyrcpt_end     once: closes what is open

   and may use three more:

     verifyrcpt_client  once: whose session it is
     verifyrcpt_sender  at MAIL: who sends
     verifyrcpt_close   at DATA: were there too many invalid recipients?

   verifyrcpt alone asks a question and applies no policy. See verifyrcpt(3). */

#ifndef VERIFYRCPT_H
#define VERIFYRCPT_H

#include "qmail-verify.h"
#include "udpbits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- limits (milliseconds on a clock that is never set) */

#define VERIFYRCPT_SERVERS_MAX 8       /* servers that VERIFY may name */
#define VERIFYRCPT_KEPT_MAX 64         /* sockets that timed out, kept open and unread */
#define VERIFYRCPT_QUESTION_MS 5000    /* a question waits this long in all */
#define VERIFYRCPT_SESSION_MS 15000    /* a session waits this long in all */
#define VERIFYRCPT_IMPATIENT_MS 300    /* after a time-out, under OBSERVE, and before the next server */
#define VERIFYRCPT_WHY_MAX 1024        /* room to name that many servers */
#define VERIFYRCPT_USER_MAX 255        /* the most bytes of the controlling user */

/* What an answer, or the want of one, comes to. */
enum verifyrcpt_result {
  VERIFYRCPT_VALID = QV_RESULT_VALID,
  VERIFYRCPT_INVALID = QV_RESULT_INVALID,
  VERIFYRCPT_TEMPORARY = QV_RESULT_TEMPORARY
};

/* What the SMTP server is to do with a RCPT. */
enum verifyrcpt_reply {
  VERIFYRCPT_ACCEPT, /* 250 */
  VERIFYRCPT_REFUSE, /* 550 5.1.1 */
  VERIFYRCPT_RETRY,  /* 451 4.3.0 for this recipient; the session goes on */
  VERIFYRCPT_CLOSE   /* 421 4.7.0, and the session ends (MAXBAD) */
};

struct verifyrcpt_answer {
  enum verifyrcpt_result result;
  int asked;                    /* 0: no question was sent (switched off, or already decided) */
  unsigned position;            /* 1 to 15, the position in the decision; 0: none given */
  unsigned reason;              /* enum qv_reason, or a number that a newer server knows; 0: the answer was plain */
  char user[VERIFYRCPT_USER_MAX + 1]; /* the controlling user as the server gave it, raw bytes up to a NUL; may be empty */
  char server[UDP_TEXT_MAX];    /* the server that answered, printable ASCII; empty: none */
  char why[VERIFYRCPT_WHY_MAX]; /* an explanation for the log, one line; names each server and its error where none answered */
  int timed_out;                /* temporary: 1 where the first server asked was silent to the end */
  char cause[64];               /* temporary: that server's trouble in a few words, "connection refused" */
};

/* A remark on VERIFY for the log, one line without a newline; text lives only
   during the call and may hold any byte of VERIFY. */
typedef void verifyrcpt_note(void *ctx, const char *text);

/* One SMTP session's dealings with its verification servers. Private: use the
   calls below. */
struct verifyrcpt {
  unsigned enabled : 1, defer : 1, observe : 1, open : 1, strict : 1;
  unsigned unusable : 1;  /* a server in VERIFY cannot be asked: every answer is temporary */
  unsigned impatient : 1; /* a question timed out and none was answered since */
  unsigned retried : 1;   /* a refused port has been asked again in this session */
  unsigned invalid : 1;   /* DEFER: a recipient of this transaction is invalid */
  unsigned maxbad, bad;   /* MAXBAD, 0: not set; invalid recipients in this session */
  unsigned servers;
  unsigned extended;      /* bit i: server[i] has given an extended answer in this session */
  unsigned silent;        /* bit i: server[i] was silent when last asked, so that others are asked before it */
  struct udp_endpoint server[VERIFYRCPT_SERVERS_MAX];
  char server_text[VERIFYRCPT_SERVERS_MAX][UDP_TEXT_MAX];
  long long waited_ms; /* waiting in this session so far */
  unsigned kept, kept_next;
  int kept_fd[VERIFYRCPT_KEPT_MAX];
  unsigned char client[16];
  size_t client_len; /* 4, 16, or 0: not known */
  char sender[QV_ADDRESS_MAX];
  size_t sender_len;
  int sender_known;
  char unusable_why[VERIFYRCPT_WHY_MAX];
};

/* Reads verify, the value of VERIFY (NULL: unset), as qmail-smtpd(8) has it.
   note may be NULL; it is called for everything in it that is remarkable.
   Returns 1 where recipients are to be verified, else 0. */
int verifyrcpt_begin(struct verifyrcpt *v, const char *verify, verifyrcpt_note *note, void *ctx);

/* Tells the servers with each question whose session this is: ip is the SMTP
   client's address as text (TCPREMOTEIP). NULL and what is neither an IPv4 nor an
   IPv6 address are not sent; an IPv4-mapped one is sent as IPv4. Once, after
   verifyrcpt_begin; may be left out. */
void verifyrcpt_client(struct verifyrcpt *v, const char *ip);

/* Tells the servers with each question of this transaction who sends: sender is
   the envelope sender, empty for the null sender, and is copied. NULL and one of
   more than QV_ADDRESS_MAX bytes are not sent. At MAIL, after verifyrcpt_reset,
   which forgets it; may be left out. */
void verifyrcpt_sender(struct verifyrcpt *v, const char *sender);

/* Asks about address (a NUL-terminated string, as it will stand in the
   envelope). No policy is applied. Fills *answer and returns answer->result.
   Waits at most what the limits above leave. Where all that has been used up,
   VERIFY names only servers that cannot be asked, the address is too long for a
   question (some 2,000 bytes) or the kernel gives no random numbers, nothing is
   sent (answer->asked is 0), the result is VERIFYRCPT_TEMPORARY and answer->why
   tells. Where verification is off the result is VERIFYRCPT_VALID. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* C++: a function named as a structure */
enum verifyrcpt_result verifyrcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer);
#pragma GCC diagnostic pop

/* The same with the policy of VERIFY (DEFER, OBSERVE, OPEN, MAXBAD) applied: what
   to reply to this RCPT. Where verification is off, or DEFER without MAXBAD has
   already an invalid recipient in this transaction, nothing is asked
   (answer->asked is 0, answer->why empty) and the reply is VERIFYRCPT_ACCEPT.
   Where the session has had MAXBAD invalid recipients nothing is asked either, and
   the reply is VERIFYRCPT_CLOSE (the result then is VERIFYRCPT_TEMPORARY); but with
   DEFER the question goes on being asked, see verifyrcpt_close. */
enum verifyrcpt_reply verifyrcpt_rcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer);

/* At DATA: 1 where this transaction has to be refused (554 5.1.1), else 0. */
int verifyrcpt_data(const struct verifyrcpt *v);

/* At DATA, before verifyrcpt_data: 1 where DEFER and MAXBAD want it answered with
   421 4.7.0, and the session ended; else 0. */
int verifyrcpt_close(const struct verifyrcpt *v);

/* A clean slate for the next transaction. The session's counts stay. */
void verifyrcpt_reset(struct verifyrcpt *v);

/* Closes what is open. v may be begun again. */
void verifyrcpt_end(struct verifyrcpt *v);

#ifdef __cplusplus
}
#endif
#endif
