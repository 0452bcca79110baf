/* verifyrcpt.c - ask qmail-verify about one recipient: the client library.

   In the order of the file:

     words     sentences for the log, put together without leaving their room
     VERIFY    reading the variable: switches, servers, remarks
     question  one question to all servers in turn, until the first answer
     policy    what an answer, or none, means for RCPT and DATA

   Promises: every question is asked from sockets of its own, so that no answer
   is taken for the answer to another question; a socket on which an answer may
   still arrive stays open, so that its port cannot come back meanwhile; no call
   waits longer than the limits in verifyrcpt.h; whatever goes wrong is
   "temporary" and is explained, never "invalid". */

#include "verifyrcpt.h"

#include "sockbits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- words */

/* A line that grows in a buffer of fixed size and is cut at its end. */
struct words {
  char *text;
  size_t size, len;
};

static void words_begin(struct words *w, char *text, size_t size) {
  w->text = text;
  w->size = size;
  w->len = 0;
  text[0] = 0;
}

/* Appends, and keeps it one line: control characters become question marks. */
__attribute__((format(printf, 2, 3))) static void words_add(struct words *w, const char *format, ...) {
  va_list args;
  int n;

  va_start(args, format);
  n = vsnprintf(w->text + w->len, w->size - w->len, format, args);
  va_end(args);
  if (n <= 0) return;
  for (char *c = w->text + w->len; *c; ++c)
    if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
  w->len += strlen(w->text + w->len);
}

/* ---- VERIFY */

struct item {
  const char *text;
  size_t len;
};

/* What is at hand while VERIFY is read. */
struct reading {
  const char *verify;
  verifyrcpt_note *note;
  void *ctx;
};

/* Tells what is remarkable about an item, with the whole variable after it. */
static void remark(const struct reading *r, struct item it, const char *what) {
  char text[2048];
  struct words w;

  if (!r->note) return;
  words_begin(&w, text, sizeof text);
  words_add(&w, "\"%.*s\" %s: VERIFY=%s", (int)(it.len < 256 ? it.len : 256), it.text, what, r->verify);
  r->note(r->ctx, text);
}

static int item_is(struct item it, const char *word) {
  return it.len == strlen(word) && !strncasecmp(it.text, word, it.len);
}

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Cuts the next item off *rest, without the blanks around it. */
static struct item next_item(const char **rest) {
  struct item it = {*rest, strcspn(*rest, ",")};

  *rest += it.len;
  if (**rest == ',') ++*rest;
  while (it.len && is_blank(it.text[0])) ++it.text, --it.len;
  while (it.len && is_blank(it.text[it.len - 1])) --it.len;
  return it;
}

/* Does it name a server, well or badly? All others are words. */
static int looks_like_server(struct item it) {
  for (size_t i = 0; i < it.len; ++i)
    if (it.text[i] == ':' || it.text[i] == '.' || it.text[i] == '/') return 1;
  return item_is(it, "localhost");
}

static void add_unusable(struct verifyrcpt *v, struct item it, const char *why) {
  size_t len = strlen(v->unusable_why);
  struct words w = {v->unusable_why, sizeof v->unusable_why, len};

  words_add(&w, "%s\"%.*s\": %s", len ? "; " : "", (int)(it.len < 64 ? it.len : 64), it.text, why);
  v->unusable = 1;
}

static void add_server(struct verifyrcpt *v, const struct reading *r, struct item it) {
  struct udp_endpoint ep;
  const char *why;

  if (udp_parse(it.text, it.len, QV_DEFAULT_IP, QV_DEFAULT_PORT, &ep, &why) == -1) {
    char what[128];

    snprintf(what, sizeof what, "is a server that cannot be asked (%s)", why);
    add_unusable(v, it, why);
    remark(r, it, what);
  } else if (v->servers == VERIFYRCPT_SERVERS_MAX) {
    remark(r, it, "is one server too many and is ignored");
  } else {
    v->server[v->servers] = ep;
    udp_format(&ep, v->server_text[v->servers]);
    ++v->servers;
  }
}

static void read_item(struct verifyrcpt *v, const struct reading *r, struct item it) {
  if (!it.len) return;
  if (item_is(it, "DEFER"))
    v->defer = 1;
  else if (item_is(it, "OBSERVE"))
    v->observe = 1;
  else if (item_is(it, "OPEN"))
    v->open = 1;
  else if (looks_like_server(it))
    add_server(v, r, it);
  else
    remark(r, it, "is not known and is ignored");
}

/* The first item, when it begins with D: DEFER whatever follows, and from its
   first digit, colon or bracket on an item of its own, as up to 1.32 (which knew
   no brackets). */
static void read_d_item(struct verifyrcpt *v, const struct reading *r, struct item it) {
  struct item glued = it;

  while (glued.len && !memchr("0123456789:[", glued.text[0], 12)) ++glued.text, --glued.len;
  v->defer = 1;
  if (glued.len)
    read_item(v, r, glued);
  else if (!item_is(it, "D") && !item_is(it, "DEFER"))
    remark(r, it, "is taken for DEFER");
}

int verifyrcpt_begin(struct verifyrcpt *v, const char *verify, verifyrcpt_note *note, void *ctx) {
  struct reading r = {verify, note, ctx};
  struct item it;

  memset(v, 0, sizeof *v);
  if (!verify) return 0;
  if (!*verify) {
    if (note) note(ctx, "VERIFY is empty: recipients are not verified (before 1.30 it meant that they are)");
    return 0;
  }
  v->enabled = 1;
  it = next_item(&verify);
  if (it.len && (it.text[0] == 'D' || it.text[0] == 'd'))
    read_d_item(v, &r, it);
  else
    read_item(v, &r, it);
  while (*verify) read_item(v, &r, next_item(&verify));

  if (!v->servers && !v->unusable) add_server(v, &r, (struct item){":", 1});
  if (v->observe) {
    v->open = 1;
    v->defer = 0;
  }
  return 1;
}

/* ---- question */

/* A datagram may be lost, so that a server that is silent is asked once more.
   Not earlier than this: a server that works slowly answers each copy, one after
   the other, so that an early repetition only adds to its work; and a 1.32
   server that is asked from one socket answers within two seconds or is in
   trouble. Two fifths of the time are left for the second answer. */
#define REPEAT_MS 2200

/* When a refused port is asked again, counted from when all had refused:
   supervise starts a daemon anew after one second. */
static const int retry_ms[] = {300, 1000, 2200};
#define RETRIES ((int)(sizeof retry_ms / sizeof *retry_ms))

enum state {
  NOT_ASKED,
  WAITING,
  REFUSED, /* nobody listens on the port: may be asked again */
  EMPTY,   /* an empty datagram is no answer, and no other will come */
  FAILED,  /* .error tells */
  ANSWERED
};

/* One server's part in a question. */
struct party {
  unsigned server;
  enum state state;
  int fd, error;
  int sent, heard; /* copies of the question, and datagrams or refusals for them */
  long long first_ms, last_ms;
};

struct question {
  struct verifyrcpt *v;
  const char *address;
  size_t len; /* with its NUL */
  long long begin_ms, deadline_ms;
  int stagger_ms;    /* how long a server may be silent before the next is asked too */
  long long next_ms; /* when the next server is asked */
  unsigned asked;    /* how many of party[] have been asked */
  int retry;         /* refused ports: the next of retry_ms; -1: not yet */
  long long refused_ms;
  struct party party[VERIFYRCPT_SERVERS_MAX]; /* v->servers of them, in the order of asking */
  struct party *answered;
  unsigned char response[QV_PLAIN_REPLY_MAX];
  ssize_t response_len;
};

/* Servers in the order of VERIFY, those that were silent lately after the others. */
static void line_up(struct question *q) {
  unsigned n = 0;

  for (unsigned late = 0; late < 2; ++late)
    for (unsigned i = 0; i < q->v->servers; ++i)
      if ((q->v->silent >> i & 1) == late)
        q->party[n++] = (struct party){.server = i, .fd = -1};
}

/* How long this question may wait. */
static long long budget_ms(const struct verifyrcpt *v) {
  long long left = VERIFYRCPT_SESSION_MS - v->waited_ms;
  long long budget = v->impatient || v->observe ? VERIFYRCPT_IMPATIENT_MS : VERIFYRCPT_QUESTION_MS;

  return budget < left ? budget : left;
}

static void question_begin(struct question *q, struct verifyrcpt *v, const char *address, long long budget) {
  memset(q, 0, sizeof *q);
  q->v = v;
  q->address = address;
  q->len = strlen(address) + 1;
  q->begin_ms = sockbits_now_ms();
  q->deadline_ms = q->begin_ms + budget;
  q->retry = -1;
  q->stagger_ms = VERIFYRCPT_IMPATIENT_MS;
  if (budget / v->servers < q->stagger_ms) q->stagger_ms = (int)(budget / v->servers);
  line_up(q);
}

static void failed(struct party *p, int error) {
  p->state = error == ECONNREFUSED ? REFUSED : FAILED;
  p->error = error;
}

static void send_to(struct question *q, struct party *p, long long now) {
  if (!p->sent) p->first_ms = now;
  p->last_ms = now;
  if (sockbits_send(p->fd, q->address, q->len) == -1) {
    failed(p, errno);
  } else {
    p->state = WAITING;
    ++p->sent;
  }
}

static void ask(struct question *q, struct party *p, long long now) {
  p->fd = connect_udp(&q->v->server[p->server]);
  if (p->fd == -1)
    failed(p, errno);
  else
    send_to(q, p, now);
}

static int any(const struct question *q, enum state state) {
  for (unsigned i = 0; i < q->asked; ++i)
    if (q->party[i].state == state) return 1;
  return 0;
}

/* Asks the next servers: each when its turn has come, or when no other is left to wait for. */
static void ask_in_turn(struct question *q, long long now) {
  while (q->asked < q->v->servers && (now >= q->next_ms || !any(q, WAITING))) {
    ask(q, &q->party[q->asked++], now);
    q->next_ms = now + q->stagger_ms;
  }
}

static long long repeat_ms(const struct party *p) {
  return p->state == WAITING && p->sent == p->heard + 1 ? p->last_ms + REPEAT_MS : -1;
}

static void repeat(struct question *q, long long now) {
  for (unsigned i = 0; i < q->asked; ++i) {
    long long at = repeat_ms(&q->party[i]);

    if (at != -1 && now >= at) send_to(q, &q->party[i], now);
  }
}

/* All servers were asked and none is left to wait for. Is a refused port to be
   asked again in this question? */
static int may_retry(struct question *q, long long now) {
  if (!any(q, REFUSED)) return 0;
  if (q->retry == -1) {
    if (q->v->retried || now + retry_ms[0] >= q->deadline_ms) return 0;
    q->v->retried = 1;
    q->retry = 0;
    q->refused_ms = now;
  }
  return q->retry < RETRIES && q->refused_ms + retry_ms[q->retry] < q->deadline_ms;
}

static void retry(struct question *q, long long now) {
  if (q->retry == -1 || q->retry == RETRIES || now < q->refused_ms + retry_ms[q->retry]) return;
  ++q->retry;
  for (unsigned i = 0; i < q->asked; ++i)
    if (q->party[i].state == REFUSED) send_to(q, &q->party[i], now);
}

static void earlier(long long *when, long long other) {
  if (other < *when) *when = other;
}

/* When there is something to do again, if nothing is heard before. */
static long long wake_ms(const struct question *q) {
  long long when = q->deadline_ms;

  if (q->asked < q->v->servers) earlier(&when, q->next_ms);
  if (q->retry != -1 && q->retry < RETRIES && any(q, REFUSED))
    earlier(&when, q->refused_ms + retry_ms[q->retry]);
  for (unsigned i = 0; i < q->asked; ++i) {
    long long at = repeat_ms(&q->party[i]);

    if (at != -1) earlier(&when, at);
  }
  return when;
}

/* Takes what has come on one socket. */
static void hear(struct question *q, struct party *p) {
  ssize_t n = sockbits_hear(p->fd, q->response, sizeof q->response);

  if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  ++p->heard;
  if (n > 0) {
    p->state = ANSWERED;
    q->answered = p;
    q->response_len = n;
  } else if (n == 0) {
    p->state = EMPTY;
  } else {
    failed(p, errno);
  }
}

/* Nothing can be heard any more: whoever was waited for has failed. */
static void give_up(struct question *q, int error) {
  for (unsigned i = 0; i < q->asked; ++i)
    if (q->party[i].state == WAITING) failed(&q->party[i], error);
}

/* Waits until something is heard or has to be done. Every socket is listened to,
   also those whose server was given up. Returns 0, or -1 where poll fails. */
static int wait_and_hear(struct question *q) {
  struct pollfd fds[VERIFYRCPT_SERVERS_MAX];
  int ready;

  for (unsigned i = 0; i < q->asked; ++i)
    fds[i] = (struct pollfd){.fd = q->party[i].fd, .events = POLLIN, .revents = 0};
  ready = sockbits_wait(fds, q->asked, wake_ms(q));
  if (ready == -1) give_up(q, errno);
  for (unsigned i = 0; ready > 0 && i < q->asked && !q->answered; ++i)
    if (fds[i].revents) hear(q, &q->party[i]);
  return ready == -1 ? -1 : 0;
}

/* Until the first answer, the deadline, or until there is nobody to wait for. */
static void ask_all(struct question *q) {
  for (;;) {
    long long now = sockbits_now_ms();

    ask_in_turn(q, now);
    retry(q, now);
    repeat(q, now);
    if (!any(q, WAITING) && q->asked == q->v->servers && !may_retry(q, now)) return;
    if (wait_and_hear(q) == -1) return;
    if (q->answered || sockbits_now_ms() >= q->deadline_ms) return;
  }
}

/* Keeps a socket open, unread, so that nobody gets its port. The oldest gives way. */
static void keep(struct verifyrcpt *v, int fd) {
  if (v->kept == VERIFYRCPT_KEPT_MAX)
    close(v->kept_fd[v->kept_next]);
  else
    ++v->kept;
  v->kept_fd[v->kept_next] = fd;
  v->kept_next = (v->kept_next + 1) % VERIFYRCPT_KEPT_MAX;
}

/* Closes the sockets on which nothing can arrive any more, keeps the others. */
static void put_away(struct question *q) {
  for (unsigned i = 0; i < q->asked; ++i) {
    struct party *p = &q->party[i];

    if (p->fd == -1) continue;
    if (p->heard >= p->sent && p->state != EMPTY)
      close(p->fd);
    else
      keep(q->v, p->fd);
  }
}

/* What this question teaches for the session's next ones. An answer within 0.3 s
   is work, not waiting: a list of a thousand recipients costs the session nothing. */
static void learn(struct question *q) {
  struct verifyrcpt *v = q->v;
  long long now = sockbits_now_ms(), took = now - q->begin_ms;

  if (!q->answered || took > VERIFYRCPT_IMPATIENT_MS) v->waited_ms += took;
  for (unsigned i = 0; i < q->asked; ++i) {
    const struct party *p = &q->party[i];
    unsigned bit = 1U << p->server;

    if (p->state == ANSWERED) v->silent &= ~bit;
    if (p->state == WAITING && now - p->first_ms >= q->stagger_ms) v->silent |= bit;
  }
  if (q->answered)
    v->impatient = 0;
  else if (any(q, WAITING))
    v->impatient = 1;
}

/* ---- the answer in words */

static void party_words(struct words *w, const struct party *p, long long now) {
  long long tenths = (now - p->first_ms + 50) / 100;

  switch (p->state) {
    case WAITING: words_add(w, "no answer in %lld.%lld s", tenths / 10, tenths % 10); break;
    case REFUSED: words_add(w, "connection refused"); break;
    case EMPTY: words_add(w, "empty answer"); break;
    case FAILED: words_add(w, "%s", strerror(p->error)); break;
    case NOT_ASKED:
    case ANSWERED: break;
  }
}

static void explain_party(struct words *w, const struct question *q, const struct party *p, long long now) {
  words_add(w, "%s%s: ", w->len ? "; " : "", q->v->server_text[p->server]);
  party_words(w, p, now);
}

/* Every server that did not answer, those that could not be asked included. */
static void explain_silence(struct words *w, const struct question *q) {
  long long now = sockbits_now_ms();

  for (unsigned i = 0; i < q->asked; ++i) {
    enum state state = q->party[i].state;

    if (state == ANSWERED || (state == WAITING && q->answered && now - q->party[i].first_ms < q->stagger_ms)) continue;
    explain_party(w, q, &q->party[i], now);
  }
  if (q->v->unusable) words_add(w, "%s%s", w->len ? "; " : "", q->v->unusable_why);
}

/* 1.32 took every result but 0 for a refusal, and so do we but for 2. */
static enum verifyrcpt_result result_of(unsigned char status) {
  switch (status & QV_RESULT_BITS) {
    case QV_RESULT_VALID: return VERIFYRCPT_VALID;
    case QV_RESULT_TEMPORARY: return VERIFYRCPT_TEMPORARY;
    default: return VERIFYRCPT_INVALID;
  }
}

static void take_answer(const struct question *q, struct verifyrcpt_answer *answer) {
  unsigned char status = q->response[0];

  answer->result = result_of(status);
  answer->position = (status & QV_POSITION_BITS) >> 4;
  memcpy(answer->user, q->response + 1, (size_t)q->response_len - 1);
  memcpy(answer->server, q->v->server_text[q->answered->server], sizeof answer->server);
}

/* Why there is no answer, in a few words. */
static void set_cause(struct verifyrcpt_answer *answer, int timed_out, const char *words) {
  struct words w;

  words_begin(&w, answer->cause, sizeof answer->cause);
  words_add(&w, "%s", words);
  answer->timed_out = timed_out;
}

static void find_cause(const struct question *q, struct verifyrcpt_answer *answer) {
  const struct party *first = &q->party[0];
  struct words w;

  if (answer->result != VERIFYRCPT_TEMPORARY) return;
  if (q->answered) {
    set_cause(answer, 0, "the server cannot tell now");
  } else {
    words_begin(&w, answer->cause, sizeof answer->cause);
    party_words(&w, first, sockbits_now_ms());
    answer->timed_out = first->state == WAITING;
  }
}

static void explain(const struct question *q, struct verifyrcpt_answer *answer) {
  char rest[VERIFYRCPT_WHY_MAX];
  struct words w, others;

  words_begin(&w, answer->why, sizeof answer->why);
  if (!q->answered) {
    explain_silence(&w, q);
    return;
  }
  words_add(&w, "%s", qv_position_text(answer->position));
  if (answer->result == VERIFYRCPT_TEMPORARY) words_add(&w, " (%s cannot tell now)", answer->server);
  words_begin(&others, rest, sizeof rest);
  explain_silence(&others, q);
  if (others.len) words_add(&w, " (%s)", rest);
}

/* The answers for which nobody is asked. 1 where this is one. */
static int answered_unasked(struct verifyrcpt *v, struct verifyrcpt_answer *answer) {
  struct words w;

  memset(answer, 0, sizeof *answer);
  words_begin(&w, answer->why, sizeof answer->why);
  answer->result = VERIFYRCPT_TEMPORARY;
  if (!v->enabled) {
    answer->result = VERIFYRCPT_VALID;
  } else if (!v->servers) {
    words_add(&w, "%s", v->unusable_why);
    set_cause(answer, 0, "VERIFY names no server that can be asked");
  } else if (budget_ms(v) <= 0) {
    set_cause(answer, 1, "no time left");
    words_add(&w, "not asked: this session has waited %d s for answers", VERIFYRCPT_SESSION_MS / 1000);
  } else {
    return 0;
  }
  return 1;
}

enum verifyrcpt_result verifyrcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer) {
  struct question q;

  if (answered_unasked(v, answer)) return answer->result;
  question_begin(&q, v, address, budget_ms(v));
  ask_all(&q);
  answer->asked = 1;
  if (q.answered) take_answer(&q, answer);
  explain(&q, answer);
  find_cause(&q, answer);
  learn(&q);
  put_away(&q);
  return answer->result;
}

/* ---- policy */

static void add_why(struct verifyrcpt_answer *answer, const char *words) {
  size_t len = strlen(answer->why);
  struct words w = {answer->why, sizeof answer->why, len};

  words_add(&w, "%s%s", len ? "; " : "", words);
}

static enum verifyrcpt_reply observed(struct verifyrcpt_answer *answer) {
  if (answer->result == VERIFYRCPT_INVALID) add_why(answer, "accepted all the same (OBSERVE), else 550");
  if (answer->result == VERIFYRCPT_TEMPORARY) add_why(answer, "accepted all the same (OBSERVE), else 451");
  return VERIFYRCPT_ACCEPT;
}

/* OPEN is for the want of an answer; a server that says "temporary" has answered. */
static enum verifyrcpt_reply unanswered(const struct verifyrcpt *v, struct verifyrcpt_answer *answer) {
  if (!v->open || answer->server[0]) return VERIFYRCPT_RETRY;
  add_why(answer, "accepted unverified (OPEN)");
  return VERIFYRCPT_ACCEPT;
}

enum verifyrcpt_reply verifyrcpt_rcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer) {
  if (v->invalid) {
    memset(answer, 0, sizeof *answer);
    return VERIFYRCPT_ACCEPT;
  }
  verifyrcpt(v, address, answer);
  if (v->observe) return observed(answer);
  if (answer->result == VERIFYRCPT_VALID) return VERIFYRCPT_ACCEPT;
  if (answer->result == VERIFYRCPT_TEMPORARY) return unanswered(v, answer);
  if (!v->defer) return VERIFYRCPT_REFUSE;
  v->invalid = 1;
  return VERIFYRCPT_ACCEPT;
}

int verifyrcpt_data(const struct verifyrcpt *v) {
  return v->invalid;
}

void verifyrcpt_reset(struct verifyrcpt *v) {
  v->invalid = 0;
}

void verifyrcpt_end(struct verifyrcpt *v) {
  for (unsigned i = 0; i < v->kept; ++i) close(v->kept_fd[i]);
  memset(v, 0, sizeof *v);
}
