/* verifyrcpt.c - ask qmail-verify about one recipient: the client library.

   In the order of the file:

     words     sentences for the log, put together without leaving their room
     VERIFY    reading the variable: switches, servers, remarks
     question  one question to all servers in turn, until the first answer
     policy    what an answer, or none, means for RCPT and DATA

   Promises: every question has a nonce of its own, and an answer counts that
   repeats it; a plain answer (that of a 1.32 server) counts only while its server
   has given no other. Every question is asked from sockets of its own, and a
   socket on which an answer may still arrive stays open, so that its port cannot
   come back meanwhile: no plain answer is taken for that to another question. No
   call waits longer than the limits in verifyrcpt.h; whatever goes wrong is
   "temporary" and is explained, never "invalid". */

#include "verifyrcpt.h"

#include "packet.h"
#include "sockbits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
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

/* A path may hold any byte, and the text goes to logs. */
static void write_server_text(const struct udp_endpoint *ep, char text[UDP_TEXT_MAX]) {
  udp_format(ep, text);
  for (; *text; ++text)
    if (*text < ' ' || *text > '~') *text = '?';
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
    write_server_text(&ep, v->server_text[v->servers]);
    ++v->servers;
  }
}

#define MAXBAD "MAXBAD="
#define MAXBAD_LEN (sizeof MAXBAD - 1)

static int is_maxbad(struct item it) {
  return it.len >= MAXBAD_LEN && !strncasecmp(it.text, MAXBAD, MAXBAD_LEN);
}

/* A number from 1 on; one that is too large to be counted to is as good as the
   largest. */
static void read_maxbad(struct verifyrcpt *v, const struct reading *r, struct item it) {
  unsigned n = 0;
  size_t i;

  for (i = MAXBAD_LEN; i < it.len && it.text[i] >= '0' && it.text[i] <= '9'; ++i) {
    unsigned digit = (unsigned)(it.text[i] - '0');

    n = n > (UINT_MAX - digit) / 10 ? UINT_MAX : n * 10 + digit;
  }
  if (i == it.len && n)
    v->maxbad = n;
  else
    remark(r, it, "is not a number from 1 on and is ignored");
}

static void read_item(struct verifyrcpt *v, const struct reading *r, struct item it) {
  if (!it.len) return;
  if (item_is(it, "DEFER"))
    v->defer = 1;
  else if (item_is(it, "OBSERVE"))
    v->observe = 1;
  else if (item_is(it, "OPEN"))
    v->open = 1;
  else if (item_is(it, "STRICT"))
    v->strict = 1;
  else if (is_maxbad(it))
    read_maxbad(v, r, it);
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

/* ---- what the servers are told beside the address */

void verifyrcpt_client(struct verifyrcpt *v, const char *ip) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  unsigned char bytes[16];

  v->client_len = 0;
  if (!ip) return;
  if (inet_pton(AF_INET, ip, v->client) == 1) {
    v->client_len = 4;
  } else if (inet_pton(AF_INET6, ip, bytes) == 1) {
    int is_mapped = !memcmp(bytes, mapped, sizeof mapped);

    v->client_len = is_mapped ? 4 : 16;
    memcpy(v->client, is_mapped ? bytes + sizeof mapped : bytes, v->client_len);
  }
}

void verifyrcpt_sender(struct verifyrcpt *v, const char *sender) {
  v->sender_known = 0;
  if (!sender || strlen(sender) > sizeof v->sender) return;
  v->sender_len = strlen(sender);
  memcpy(v->sender, sender, v->sender_len);
  v->sender_known = 1;
}

/* ---- question */

/* When a server that is silent is asked once more, counted from the first time
   (a datagram may be lost); and when one that refuses is, counted from when all
   had refused: supervise starts a daemon anew after one second. */
static const int again_ms[] = {300, 1000, 2200};
#define AGAIN ((int)(sizeof again_ms / sizeof *again_ms))

enum state {
  NOT_ASKED,
  WAITING,
  REFUSED, /* nobody listens, or who did has gone: may be asked again */
  EMPTY,   /* an empty datagram is no answer, and no other will come */
  FAILED,  /* .error tells */
  ANSWERED
};

/* One server's part in a question. */
struct party {
  unsigned server;
  enum state state;
  int fd, error;
  int is_unix;        /* a connection, which loses nothing and can break */
  int sent, heard;    /* copies of the question, and answers or refusals for them */
  int repeats;        /* of again_ms: the next */
  int ignored_plain;  /* a plain answer came, and does not count */
  long long first_ms;
};

struct question {
  struct verifyrcpt *v;
  unsigned char nonce[QV_NONCE_SIZE];
  unsigned char bytes[QV_QUESTION_WRITTEN_MAX];
  size_t len;
  long long begin_ms, deadline_ms;
  int stagger_ms;    /* how long a server may be silent before the next is asked too */
  long long next_ms; /* when the next server is asked */
  unsigned asked;    /* how many of party[] have been asked */
  int retry;         /* refused servers: the next of again_ms; -1: not yet */
  long long refused_ms;
  struct party party[VERIFYRCPT_SERVERS_MAX]; /* v->servers of them, in the order of asking */
  struct party *answered;
  unsigned char response[QV_REPLY_MAX];
  struct packet_answer answer; /* points into response */
};

/* Servers in the order of VERIFY, those that were silent lately after the others. */
static void line_up(struct question *q) {
  unsigned n = 0;

  for (unsigned late = 0; late < 2; ++late)
    for (unsigned i = 0; i < q->v->servers; ++i)
      if ((q->v->silent >> i & 1) == late)
        q->party[n++] = (struct party){.server = i, .fd = -1, .is_unix = q->v->server[i].addr.ss_family == AF_UNIX};
}

/* How long this question may wait. */
static long long budget_ms(const struct verifyrcpt *v) {
  long long left = VERIFYRCPT_SESSION_MS - v->waited_ms;
  long long budget = v->impatient || v->observe ? VERIFYRCPT_IMPATIENT_MS : VERIFYRCPT_QUESTION_MS;

  return budget < left ? budget : left;
}

/* The bytes of the question. 0, or -1 with errno: EMSGSIZE for an address that
   is too long, or why there is no nonce (it must not be a weak one, and the kernel
   is not waited for). */
static int question_write(struct question *q, const struct verifyrcpt *v, const char *address) {
  struct packet_question p = {.address = address, .address_len = strlen(address), .extended = 1, .nonce = q->nonce};
  ssize_t n = getrandom(q->nonce, sizeof q->nonce, GRND_NONBLOCK);

  if (n != (ssize_t)sizeof q->nonce) {
    if (n != -1) errno = EIO;
    return -1;
  }
  if (v->client_len) {
    p.client = v->client;
    p.client_len = v->client_len;
  }
  if (v->sender_known) {
    p.sender = v->sender;
    p.sender_len = v->sender_len;
  }
  q->len = packet_write_question(&p, q->bytes, sizeof q->bytes);
  if (!q->len) errno = EMSGSIZE;
  return q->len ? 0 : -1;
}

static void question_begin(struct question *q, struct verifyrcpt *v, long long budget) {
  q->v = v;
  q->begin_ms = sockbits_now_ms();
  q->deadline_ms = q->begin_ms + budget;
  q->retry = -1;
  q->stagger_ms = VERIFYRCPT_IMPATIENT_MS;
  if (budget / v->servers < q->stagger_ms) q->stagger_ms = (int)(budget / v->servers);
  line_up(q);
}

/* Is it as if the daemon were not there, or not there any more? A UNIX socket
   says so in several ways; EAGAIN: too many are waiting to be accepted. */
static int is_refusal(const struct party *p, int error) {
  if (error == ECONNREFUSED) return 1;
  return p->is_unix && (error == ENOENT || error == EAGAIN || error == EPIPE || error == ECONNRESET);
}

/* A broken connection is of no more use, and poll would report it for ever. */
static void failed(struct party *p, int error) {
  p->state = is_refusal(p, error) ? REFUSED : FAILED;
  p->error = error;
  if (!p->is_unix || p->fd == -1) return;
  close(p->fd);
  p->fd = -1;
}

/* A copy that cannot be sent is a copy that is lost: only the first is missed. */
static void send_to(struct question *q, struct party *p) {
  if (sockbits_send(p->fd, q->bytes, q->len) != -1) {
    p->state = WAITING;
    ++p->sent;
  } else if (!p->sent || p->is_unix || is_refusal(p, errno)) {
    failed(p, errno);
  }
}

static void ask(struct question *q, struct party *p, long long now) {
  if (!p->first_ms) p->first_ms = now;
  p->fd = connect_udp(&q->v->server[p->server]);
  if (p->fd == -1)
    failed(p, errno);
  else
    send_to(q, p);
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
  if (p->state != WAITING || p->is_unix || p->repeats == AGAIN) return -1;
  return p->first_ms + again_ms[p->repeats];
}

/* The repeats whose time has come, or went by meanwhile, are one. */
static void pass_repeats(struct party *p, long long now) {
  while (p->repeats < AGAIN && now >= p->first_ms + again_ms[p->repeats]) ++p->repeats;
}

static void repeat(struct question *q, long long now) {
  for (unsigned i = 0; i < q->asked; ++i) {
    struct party *p = &q->party[i];
    long long at = repeat_ms(p);

    if (at == -1 || now < at) continue;
    pass_repeats(p, now);
    send_to(q, p);
  }
}

/* All servers were asked and none is left to wait for. Is a refused one to be
   asked again in this question? */
static int may_retry(struct question *q, long long now) {
  if (!any(q, REFUSED)) return 0;
  if (q->retry == -1) {
    if (q->v->retried || now + again_ms[0] >= q->deadline_ms) return 0;
    q->v->retried = 1;
    q->retry = 0;
    q->refused_ms = now;
  }
  return q->retry < AGAIN && q->refused_ms + again_ms[q->retry] < q->deadline_ms;
}

/* A broken connection is made anew; from a UDP socket it is another copy. */
static void retry(struct question *q, long long now) {
  if (q->retry == -1 || q->retry == AGAIN || now < q->refused_ms + again_ms[q->retry]) return;
  ++q->retry;
  for (unsigned i = 0; i < q->asked; ++i) {
    struct party *p = &q->party[i];

    if (p->state != REFUSED) continue;
    pass_repeats(p, now);
    if (p->fd == -1)
      ask(q, p, now);
    else
      send_to(q, p);
  }
}

static void earlier(long long *when, long long other) {
  if (other < *when) *when = other;
}

/* When there is something to do again, if nothing is heard before. */
static long long wake_ms(const struct question *q) {
  long long when = q->deadline_ms;

  if (q->asked < q->v->servers) earlier(&when, q->next_ms);
  if (q->retry != -1 && q->retry < AGAIN && any(q, REFUSED))
    earlier(&when, q->refused_ms + again_ms[q->retry]);
  for (unsigned i = 0; i < q->asked; ++i) {
    long long at = repeat_ms(&q->party[i]);

    if (at != -1) earlier(&when, at);
  }
  return when;
}

/* May this server still answer as a 1.32 server does? */
static int plain_counts(const struct question *q, const struct party *p) {
  return !q->v->strict && !(q->v->extended >> p->server & 1);
}

/* Is this datagram the answer? What is not is passed over, and waited on: it may
   be a late answer to another question, or come from nobody knows whom. */
static int is_answer(struct question *q, struct party *p, size_t len) {
  if (packet_read_answer(q->response, len, &q->answer) == -1) return 0;
  if (q->answer.extended) {
    if (memcmp(q->answer.nonce, q->nonce, sizeof q->nonce) != 0) return 0;
    q->v->extended |= 1U << p->server;
    return 1;
  }
  if (plain_counts(q, p)) return 1;
  p->ignored_plain = 1;
  return 0;
}

/* Takes what has come on one socket. On a connection nothing is its end; as a
   datagram it is what a plain server may send in place of an answer. */
static void hear(struct question *q, struct party *p) {
  ssize_t n = sockbits_hear(p->fd, q->response, sizeof q->response);

  if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (n == 0 && !p->is_unix && !plain_counts(q, p)) return;
  if (n > 0 && !is_answer(q, p, (size_t)n)) return;
  ++p->heard;
  if (n > 0) {
    p->state = ANSWERED;
    q->answered = p;
  } else if (n == 0 && !p->is_unix) {
    p->state = EMPTY;
  } else {
    failed(p, n == 0 ? ECONNRESET : errno);
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

/* Closes connections, and the sockets on which nothing can arrive any more; keeps
   the others. */
static void put_away(struct question *q) {
  for (unsigned i = 0; i < q->asked; ++i) {
    struct party *p = &q->party[i];

    if (p->fd == -1) continue;
    if (p->is_unix || (p->heard >= p->sent && p->state != EMPTY))
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

static const char *error_words(const struct party *p) {
  if (p->is_unix && p->error == EAGAIN) return "too many are waiting there";
  if (p->error == ECONNREFUSED) return "connection refused";
  if (p->is_unix && is_refusal(p, p->error) && p->error != ENOENT) return "connection closed";
  return strerror(p->error);
}

static void party_words(struct words *w, const struct question *q, const struct party *p, long long now) {
  long long tenths = (now - p->first_ms + 50) / 100;

  switch (p->state) {
    case WAITING: words_add(w, "no answer in %lld.%lld s", tenths / 10, tenths % 10); break;
    case EMPTY: words_add(w, "empty answer"); break;
    case REFUSED:
    case FAILED: words_add(w, "%s", error_words(p)); break;
    case NOT_ASKED:
    case ANSWERED: break;
  }
  if (p->ignored_plain) words_add(w, ", plain answer ignored%s", q->v->strict ? " (STRICT)" : "");
}

static void explain_party(struct words *w, const struct question *q, const struct party *p, long long now) {
  words_add(w, "%s%s: ", w->len ? "; " : "", q->v->server_text[p->server]);
  party_words(w, q, p, now);
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

/* A plain user has an end of its own: whatever a plain server sends behind it does
   not count. */
static void take_answer(const struct question *q, struct verifyrcpt_answer *answer) {
  const struct packet_answer *a = &q->answer;
  size_t len = a->user_len, max = a->extended ? VERIFYRCPT_USER_MAX : QV_USER_MAX;

  answer->result = result_of(a->status);
  answer->position = (a->status & QV_POSITION_BITS) >> 4;
  answer->reason = a->reason;
  memcpy(answer->user, a->user, len < max ? len : max);
  memcpy(answer->server, q->v->server_text[q->answered->server], sizeof answer->server);
}

/* What decided: the reason where there is one, else the position. */
static void decision_words(struct words *w, const struct verifyrcpt_answer *answer) {
  enum qv_reason reason = (enum qv_reason)answer->reason;

  if (!strcmp(qv_reason_name(reason), qv_reason_name(QV_REASON_NONE))) {
    words_add(w, "%s", qv_position_text(answer->position));
    if (answer->reason) words_add(w, " (reason %u)", answer->reason);
  } else {
    words_add(w, "%s: %s", qv_reason_name(reason), qv_reason_text(reason));
  }
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
    set_cause(answer, 0, answer->reason ? qv_reason_name((enum qv_reason)answer->reason) : "the server cannot tell now");
  } else {
    words_begin(&w, answer->cause, sizeof answer->cause);
    party_words(&w, q, first, sockbits_now_ms());
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
  decision_words(&w, answer);
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

/* The question cannot be put into bytes. */
static enum verifyrcpt_result unwritten(struct verifyrcpt_answer *answer, int error) {
  struct words w;

  words_begin(&w, answer->why, sizeof answer->why);
  words_add(&w, "not asked: %s", error == EMSGSIZE ? "the address is too long for a question" : "no random numbers: ");
  if (error != EMSGSIZE) words_add(&w, "%s", strerror(error));
  set_cause(answer, 0, error == EMSGSIZE ? "address too long" : "no random numbers");
  return answer->result;
}

enum verifyrcpt_result verifyrcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer) {
  struct question q;

  if (answered_unasked(v, answer)) return answer->result;
  memset(&q, 0, sizeof q);
  if (question_write(&q, v, address) == -1) return unwritten(answer, errno);
  question_begin(&q, v, budget_ms(v));
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

static int is_full(const struct verifyrcpt *v) {
  return v->maxbad && v->bad >= v->maxbad;
}

/* would: what else would have been replied. */
static enum verifyrcpt_reply observed(const char *would, struct verifyrcpt_answer *answer) {
  char words[64];

  if (would) {
    snprintf(words, sizeof words, "accepted all the same (OBSERVE), else %s", would);
    add_why(answer, words);
  }
  return VERIFYRCPT_ACCEPT;
}

static const char *would_reply(const struct verifyrcpt_answer *answer) {
  switch (answer->result) {
    case VERIFYRCPT_INVALID: return "550";
    case VERIFYRCPT_TEMPORARY: return "451";
    default: return NULL;
  }
}

static enum verifyrcpt_reply too_many(const struct verifyrcpt *v, struct verifyrcpt_answer *answer) {
  struct words w;

  memset(answer, 0, sizeof *answer);
  answer->result = VERIFYRCPT_TEMPORARY;
  words_begin(&w, answer->why, sizeof answer->why);
  words_add(&w, "not asked: this session has had %u invalid recipients (MAXBAD=%u)", v->bad, v->maxbad);
  set_cause(answer, 0, "too many invalid recipients");
  return VERIFYRCPT_CLOSE;
}

/* OPEN is for the want of an answer; a server that says "temporary" has answered. */
static enum verifyrcpt_reply unanswered(const struct verifyrcpt *v, struct verifyrcpt_answer *answer) {
  if (!v->open || answer->server[0]) return VERIFYRCPT_RETRY;
  add_why(answer, "accepted unverified (OPEN)");
  return VERIFYRCPT_ACCEPT;
}

/* Is the question not needed? With MAXBAD each invalid recipient is counted, also
   where DEFER knows already what to say at DATA. */
static int is_decided(const struct verifyrcpt *v) {
  return v->invalid && !v->maxbad;
}

enum verifyrcpt_reply verifyrcpt_rcpt(struct verifyrcpt *v, const char *address, struct verifyrcpt_answer *answer) {
  const int full = is_full(v);

  if (is_decided(v)) {
    memset(answer, 0, sizeof *answer);
    return VERIFYRCPT_ACCEPT;
  }
  if (full && !v->defer && !v->observe) return too_many(v, answer);
  verifyrcpt(v, address, answer);
  if (answer->result == VERIFYRCPT_INVALID && v->bad < UINT_MAX) ++v->bad;
  if (v->observe) return observed(full ? "421" : would_reply(answer), answer);
  if (answer->result == VERIFYRCPT_VALID) return VERIFYRCPT_ACCEPT;
  if (answer->result == VERIFYRCPT_TEMPORARY) return unanswered(v, answer);
  if (!v->defer) return VERIFYRCPT_REFUSE;
  v->invalid = 1;
  return VERIFYRCPT_ACCEPT;
}

int verifyrcpt_data(const struct verifyrcpt *v) {
  return v->invalid;
}

int verifyrcpt_close(const struct verifyrcpt *v) {
  return v->defer && is_full(v);
}

void verifyrcpt_reset(struct verifyrcpt *v) {
  v->invalid = 0;
  v->sender_known = 0;
}

void verifyrcpt_end(struct verifyrcpt *v) {
  for (unsigned i = 0; i < v->kept; ++i) close(v->kept_fd[i]);
  memset(v, 0, sizeof *v);
}
