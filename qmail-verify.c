/* qmail-verify.c - the daemon: says whether qmail would deliver to an address.

   Run by root under supervise, in the foreground, logging to descriptor 2.
   Answers one datagram with one datagram (qmail-verify-packet(5)). No input, no
   missing or damaged file and no failed call ends it; SIGTERM does, after what is
   already in the sockets has been answered. See qmail-verify(8).

   Here stands what happens to a question: decode, judge, encode, reply, log; and the
   start. Who does it, and when, stands in daemon/crew. */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address/address.h"
#include "conf.h"
#include "daemon/counters.h"
#include "daemon/crew.h"
#include "daemon/rights.h"
#include "daemon/say.h"
#include "packet.h"
#include "qmail-verify.h"
#include "settings.h"
#include "sockbits.h"
#include "udpbits.h"

enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111 };

/* ---- the log */

/* Appends bytes from outside until the line is as long as upto: a decision must
   not be pushed out of its line by what was asked. */
static void put_bounded(struct log_line *line, const char *bytes, size_t len, size_t upto) {
  size_t n = 0;
  if (line->len + 4 * len <= upto) { /* however it is written */
    log_putsafe(line, bytes, len);
    return;
  }
  for (; n < len && line->len < upto; ++n) log_putsafe(line, bytes + n, 1);
  if (n < len) log_puts(line, "...");
}

/* One line a decision, as 1.32 has it, the reason after it:
   ADDRESS permitted for USER. REASON ABOUT */
static void log_decision(const char *address, size_t len, const struct address_answer *a) {
  struct log_line line;
  say_begin(&line);
  if (len == 0) log_puts(&line, "<>");
  put_bounded(&line, address, len, LOG_LINE_MAX / 2);
  if (a->verdict == QV_INVALID) {
    log_puts(&line, " denied. ");
  } else {
    log_puts(&line, a->verdict == QV_TEMPORARY ? " not answered for " : " permitted for ");
    if (a->user[0])
      put_bounded(&line, a->user, strlen(a->user), LOG_LINE_MAX / 2 + 512);
    else
      log_puts(&line, "UNKNOWN");
    log_puts(&line, ". ");
  }
  log_puts(&line, qv_reason_name(a->reason));
  if (a->about[0]) {
    const char *about = a->about, *blank = strchr(about, ' ');
    log_puts(&line, " ");
    if (a->reason == QV_REASON_POLICY_OBSERVE && blank) { /* the first word is ours: a reason */
      log_putb(&line, about, (size_t)(blank + 1 - about));
      about = blank + 1;
    }
    put_bounded(&line, about, strlen(about), LOG_LINE_MAX - 256);
  }
  if (a->error) {
    log_puts(&line, ": ");
    log_puts(&line, a->error == EBADMSG ? "damaged" : strerror(a->error));
  }
  say_end(&line);
}

/* ---- one question */

static unsigned char status_of(unsigned position, enum qv_verdict verdict) {
  unsigned result = verdict == QV_INVALID     ? QV_RESULT_INVALID
                    : verdict == QV_TEMPORARY ? QV_RESULT_TEMPORARY
                                              : QV_RESULT_VALID;
  return (unsigned char)(position << 4 | result);
}

/* The answer, or 0 bytes where silence is the answer: a plain one has no word for
   "temporary". */
static size_t encode(const struct packet_question *q, size_t question_len, const struct address_answer *a,
                     char reply[QV_REPLY_MAX]) {
  struct packet_answer out = {.status = status_of(a->position, a->verdict),
                              .user = a->user,
                              .user_len = strlen(a->user),
                              .extended = q->extended,
                              .nonce = q->nonce,
                              .reason = a->reason};
  size_t max = QV_PLAIN_REPLY_MAX;
  if (!q->extended && a->verdict == QV_TEMPORARY) return 0;
  /* where the question is signed, so is the answer: that is not counted here */
  if (q->extended) max = question_len - q->mac_len < QV_REPLY_MAX / 2 ? 2 * (question_len - q->mac_len) : QV_REPLY_MAX;
  return packet_write_answer(&out, reply, max);
}

/* Is it one of our own plain answers, thrown back? No NUL, no @, not longer than an
   answer, and a first byte that answers begin with, and addresses hardly do. */
static int looks_like_an_answer(const char *datagram, size_t len) {
  unsigned char status = (unsigned char)datagram[0];
  if (len > QV_PLAIN_REPLY_MAX || memchr(datagram, 0, len) || memchr(datagram, '@', len)) return 0;
#define QV_X(number, symbol, name, verdict, position, text) \
  if (verdict != QV_TEMPORARY && status == status_of(position, verdict)) return 1;
  QV_REASONS(QV_X)
#undef QV_X
  /* the positions that stand for 10 */
  return (status >> 4 == 9 || status >> 4 == 12) && (status & QV_RESULT_BITS) <= QV_RESULT_INVALID;
}

/* Why a datagram that came by UDP from this port is not answered, or NULL. A plain
   answer can be read as a plain question, so that a daemon that was made by a forged
   source to talk to another one, or to a service such as echo or chargen, would never
   stop. An extended answer is no question: its reason is no field. */
static const char *ignored(const struct crew_hand *hand, unsigned i, const struct packet_question *q,
                           const char *datagram, size_t len) {
  unsigned port;
  int local;
  crew_from(hand, i, &local, &port);
  if (len == 0) return "it is empty";
  if (local) return NULL;
  if (port < 1024) return "no client asks from a port below 1024";
  if (q->extended) return NULL;
  if (port == QV_DEFAULT_PORT || crew_own_port(hand, port)) return "that is a verification server's port";
  if (looks_like_an_answer(datagram, len)) return "it is an answer, not a question";
  return NULL;
}

static void ignore(struct crew_hand *hand, unsigned i, const char *why) {
  char about[UDP_TEXT_MAX + 16];
  crew_from_text(hand, i, about);
  strcat(about, " ignored: ");
  say("datagram from ", about, why);
  crew_ignored(hand);
}

/* Tells counters. Nothing is looked at for it and nothing logged, so that it can be asked
   again and again; whoever does not know the field sees the answer to the question about
   the empty address. Returns NULL, or why there is no answer. */
static const char *count(struct crew_hand *hand, unsigned i, const struct packet_question *q, size_t len) {
  static const struct address_answer none = {.verdict = QV_VALID, .reason = QV_REASON_NONE};
  const size_t frame = 1 + 1 + QV_MAGIC_SIZE + QV_NONCE_SIZE + 2 + 3 + 2;
  const size_t max = len < QV_REPLY_MAX ? len : QV_REPLY_MAX; /* never more than was asked with */
  char text[QV_REPLY_MAX], reply[QV_REPLY_MAX];
  struct packet_answer out = {.status = (unsigned char)(qv_reason_position(QV_REASON_EMPTY_LOCAL) << 4),
                              .user = "",
                              .extended = 1,
                              .nonce = q->nonce,
                              .reason = QV_REASON_EMPTY_LOCAL,
                              .counters = text};
  if (max < frame + COUNTERS_LINE_MAX) return "it wants counters, and has no room for them (QV_FIELD_FILLING)";
  const int next = crew_counters(hand, i, (unsigned)q->counters, text, max - frame, &out.counters_len);
  if (next == -1) out.counters = NULL; /* who may ask hears at least that there is somebody */
  out.counters_next = next == -1 ? 0 : (unsigned)next;
  crew_reply(hand, i, &none, reply, packet_write_answer(&out, reply, max));
  return NULL;
}

/* Forgets answers of other servers. Whoever does not know the field sees an answer as above. */
static const char *flush(struct crew_hand *hand, unsigned i, const struct packet_question *q, size_t len) {
  static const struct address_answer none = {.verdict = QV_VALID, .reason = QV_REASON_NONE};
  char reply[QV_REPLY_MAX];
  const int n = crew_flush(hand, i, q->flush, q->flush_len);
  struct packet_answer out = {.status = (unsigned char)(qv_reason_position(QV_REASON_EMPTY_LOCAL) << 4),
                              .user = "",
                              .extended = 1,
                              .nonce = q->nonce,
                              .reason = QV_REASON_EMPTY_LOCAL,
                              .flush = n != -1,
                              .flushed = n == -1 ? 0 : (unsigned long)n};
  struct log_line line;
  if (n == -1) return "only who is on this host may have answers forgotten";
  say_begin(&line);
  log_puts(&line, "forgotten, as qmail-vrfy --flush wants it: ");
  log_putnum(&line, (unsigned long long)out.flushed);
  log_puts(&line, q->flush_len ? " answers about " : " answers");
  log_putsafe(&line, q->flush, q->flush_len < 255 ? q->flush_len : 255);
  say_end(&line);
  crew_reply(hand, i, &none, reply, packet_write_answer(&out, reply, 2 * len < QV_REPLY_MAX ? 2 * len : QV_REPLY_MAX));
  return NULL;
}

static struct address_question question_of(const struct packet_question *q) {
  return (struct address_question){q->address, q->address_len, q->sender, q->sender_len};
}

/* It is "temporary" for this reason, whatever it was. */
static void put_off(struct address_answer *a, enum qv_reason reason) {
  a->verdict = QV_TEMPORARY;
  a->reason = reason;
  a->position = qv_reason_position(reason);
}

/* Questions that are judged together. */
struct questions {
  struct crew_hand *hand;
  unsigned n;
  unsigned number[CREW_TOGETHER_MAX]; /* of each, with the crew */
  size_t len[CREW_TOGETHER_MAX];
  struct packet_question packet[CREW_TOGETHER_MAX];
  struct address_question question[CREW_TOGETHER_MAX];
};

static int at(void *ctx, unsigned i) {
  const struct questions *all = ctx;
  return crew_at(all->hand, all->number[i]);
}

/* The path of a question, its second half: encode, reply, log. */
static void judged(void *ctx, unsigned i, struct address_answer *a) {
  const struct questions *all = ctx;
  const struct packet_question *q = &all->packet[i];
  char reply[QV_REPLY_MAX];
  if (crew_later(all->hand, all->number[i]) || crew_routed(all->hand, all->number[i], &all->question[i], a)) return;
  /* a worker that does not know the newest control files refuses nobody */
  if (a->verdict == QV_INVALID && crew_old(all->hand)) put_off(a, QV_REASON_WORKER_LOST);
  crew_reply(all->hand, all->number[i], a, reply, encode(q, all->len[i], a, reply));
  log_decision(q->address, q->address_len, a);
}

/* The first one: decode, judge. */
static void answer(struct crew_hand *hand, struct address *host, unsigned n) {
  struct questions all = {.hand = hand};
  const struct address_calls calls = {at, judged, &all};
  for (unsigned i = 0; i < n; ++i) {
    struct packet_question *q = &all.packet[all.n];
    const char *datagram;
    size_t len;
    if (!crew_datagram(hand, i, &datagram, &len)) continue;
    int damaged = packet_read_question(datagram, len, q) == -1;
    const char *why = damaged ? "its extension is damaged" : ignored(hand, i, q, datagram, len);
    if (!why && q->counters != -1) why = count(hand, i, q, len);
    if (!why && q->flush) why = flush(hand, i, q, len);
    if (why) ignore(hand, i, why);
    if (why || q->counters != -1 || q->flush) continue;
    all.number[all.n] = i;
    all.len[all.n] = len;
    all.question[all.n++] = question_of(q);
  }
  address_judge_together(host, all.question, all.n, &calls);
}

/* The same where another server has judged it. */
static size_t told(const char *datagram, size_t len, const struct address_answer *a, char *reply) {
  struct packet_question q;
  if (packet_read_question(datagram, len, &q) == -1) return 0;
  log_decision(q.address, q.address_len, a);
  return encode(&q, len, a, reply);
}

/* And for a question that cannot be judged. */
static size_t temporary(const char *datagram, size_t len, enum qv_reason reason, const char *about, char *reply) {
  struct packet_question q;
  struct address_answer a;
  if (packet_read_question(datagram, len, &q) == -1) return 0;
  memset(&a, 0, sizeof a);
  put_off(&a, reason);
  if (about) {
    snprintf(a.about, sizeof a.about, "%s", about);
    log_decision(q.address, q.address_len, &a);
  }
  return encode(&q, len, &a, reply);
}

/* The same once more, to see whether it comes back. */
static void again(struct address *host, const char *datagram, size_t len) {
  struct packet_question q;
  struct address_answer a;
  if (packet_read_question(datagram, len, &q) == -1) return;
  const struct address_question question = question_of(&q);
  address_judge(host, &question, &a);
}

/* ---- start */

static int usage(void) {
  fputs("qmail-verify: usage: qmail-verify [-V]\n"
        "qmail-verify: it is run by root under supervise and set up by the variables LISTEN, QMAILDIR and "
        "WORKERS, see qmail-verify(8)\n",
        stderr);
  return EXIT_USAGE;
}

/* The directory, or NULL after a word to the log. A daemon that is not root is
   for trying out, and must not be mistaken for the host's own. */
static const char *qmail_directory(void) {
  const char *dir = getenv("QMAILDIR");
  if (dir && *dir) return dir;
  if (geteuid() == 0) return CONF_QMAIL;
  say("not run by root: set QMAILDIR to the qmail directory that is to be judged", "", "");
  return NULL;
}

/* A number in this base, of at most max, and nothing else. 0, or -1. */
static int number(const char *text, int base, unsigned long max, unsigned long *n) {
  char *end;
  if (*text < '0' || *text > '9') return -1;
  errno = 0;
  *n = strtoul(text, &end, base);
  return errno || *end || *n > max ? -1 : 0;
}

static int wrong(const char *variable, const char *text, const char *what_to_do) {
  struct log_line line;
  say_begin(&line);
  log_puts(&line, variable);
  log_putsafe(&line, text, strlen(text));
  log_puts(&line, ": ");
  log_puts(&line, what_to_do);
  say_end(&line);
  return -1;
}

/* How many processes judge: WORKERS, else one for each processor, but two at least,
   so that one of them may wait, and not more than 8. 0 after a word to the log. */
static unsigned workers_wanted(void) {
  const char *text = getenv("WORKERS");
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned long n;
  if (!text || !*text) return processors < 2 ? 2 : processors > 8 ? 8 : (unsigned)processors;
  if (number(text, 10, CREW_WORKERS_MAX, &n) == 0 && n >= 1) return (unsigned)n;
  wrong("WORKERS=", text, "set it to a number from 1 to 16, or leave it unset");
  return 0;
}

/* The group of UNIX sockets: SOCKETGROUP, else that of qmaild, so that qmail-smtpd may
   ask. 0, or -1 after a word to the log. */
static int socket_group(gid_t *group) {
  const char *text = getenv("SOCKETGROUP");
  unsigned long n;
  if (text && *text) {
    const struct group *gr = getgrnam(text);
    if (!gr && number(text, 10, (gid_t)-2, &n) == -1)
      return wrong("SOCKETGROUP=", text, "there is no such group; set it to a group's name or number");
    *group = gr ? gr->gr_gid : (gid_t)n;
    return 0;
  }
  const struct passwd *qmaild = getpwnam(CONF_QMAILD);
  *group = qmaild ? qmaild->pw_gid : (gid_t)-1;
  return 0;
}

/* Their mode: SOCKETMODE, else 0660. */
static int socket_mode(mode_t *mode) {
  const char *text = getenv("SOCKETMODE");
  unsigned long n = 0660;
  if (text && *text && number(text, 8, 0777, &n) == -1)
    return wrong("SOCKETMODE=", text, "set it to a mode in octal digits, 0660 for instance");
  *mode = (mode_t)n;
  return 0;
}

static void announce_endpoint(const char *endpoint, const char *dir) {
  const char *port = strrchr(endpoint, ':');
  struct log_line line;
  say_begin(&line);
  if (*endpoint == '/') {
    log_puts(&line, "Listening on socket: ");
    log_putsafe(&line, endpoint, strlen(endpoint));
  } else {
    log_puts(&line, "Listening on address: ");
    log_putb(&line, endpoint, (size_t)(port - endpoint));
    log_puts(&line, ", port ");
    log_puts(&line, port + 1);
  }
  log_puts(&line, ". Judging ");
  log_puts(&line, dir);
  log_puts(&line, ".");
  say_end(&line);
}

struct start {
  struct crew *crew;
  const char *dir;
};

/* Last of all: who reads it may change control files from now on. */
static void announce(void *ctx) {
  const struct start *start = ctx;
  const char *endpoint;
  if (geteuid() != 0)
    say("not run by root: only homes of this process's own uid and gid are judged, what needs another is not answered", "",
        "");
  for (unsigned i = 0; (endpoint = crew_endpoint(start->crew, i)); ++i) announce_endpoint(endpoint, start->dir);
}

int main(int argc, char **argv) {
  static const struct crew_calls calls = {answer, temporary, told, again};
  struct address_config config;
  const char *listen = getenv("LISTEN"), *what;
  struct start start;
  struct address *host;
  unsigned workers;
  gid_t group = (gid_t)-1;
  mode_t mode = 0;
  int code;

  signal(SIGUSR1, SIG_IGN); /* counters: until there are some */
  if (argc == 2 && strcmp(argv[1], "-V") == 0) return settings_print("qmail-verify", stdout), 0;
  if (argc != 1) return usage();
  if (!(start.dir = qmail_directory()) || !(workers = workers_wanted())) return EXIT_USAGE;
  if (chdir(start.dir) == -1) return say_errno("cannot enter the qmail directory ", start.dir), EXIT_TROUBLE;
  if (socket_group(&group) == -1 || socket_mode(&mode) == -1) return EXIT_USAGE;
  if (!(start.crew = crew_open(listen ? listen : "", group, mode, &code))) return code;
  if (rights_drop(&what) == -1) return say_errno("cannot give up rights: ", what), EXIT_TROUBLE;
  address_config_default(&config);
  config.qmail = *start.dir == '/' ? start.dir : "."; /* entered above */
  config.fastforward_cdb = getenv("VERIFY_FASTFORWARDCDB");
  config.map_users_cdb = 1;
  config.ask_each_source = 1;
  host = address_new(&config, crew_note, NULL, sockbits_now_ms());
  if (!host && errno == ENOMEM) return say("out of memory", "", ""), EXIT_TROUBLE;
  if (!host) return say_errno("cannot enter the qmail directory ", start.dir), EXIT_TROUBLE;

  code = crew_run(start.crew, host, workers, &calls, announce, &start);
  say("SIGTERM: done.", "", "");
  address_free(host);
  crew_close(start.crew);
  return code;
}
