/* qmail-verify.c - the daemon: says whether qmail would deliver to an address.

   Run by root under supervise, in the foreground, logging to descriptor 2.
   Answers one datagram with one datagram (qmail-verify-packet(5)); silence where
   the question could not be answered. No input, no missing or damaged file and
   no failed call ends it; SIGTERM does, after what is already in the socket has
   been answered. See qmail-verify(8). */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "address/address.h"
#include "conf.h"
#include "logbits.h"
#include "qmail-verify.h"
#include "sockbits.h"
#include "udpbits.h"

#define PREFIX "qmail-verify: "
#define TICK_MS 1000   /* how often the control files are looked at */
#define BATCH_MAX 64   /* datagrams between two looks at signals and the clock */
#define DRAIN_MS 1000  /* after SIGTERM: no longer than this */

enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111 };

static struct log_state lost;
static volatile sig_atomic_t got_hangup, got_term;

static void on_signal(int sig) {
  if (sig == SIGHUP)
    got_hangup = 1;
  else
    got_term = 1;
}

/* ---- the log */

static void line_begin(struct log_line *line) {
  log_begin(line);
  log_puts(line, PREFIX);
}

static void line_end(struct log_line *line) { log_write(line, 2, &lost, PREFIX); }

static void say(const char *a, const char *b, const char *c) {
  struct log_line line;
  line_begin(&line);
  log_puts(&line, a);
  log_puts(&line, b);
  log_puts(&line, c);
  line_end(&line);
}

static void say_errno(const char *what, const char *name) {
  const char *why = strerror(errno);
  struct log_line line;
  line_begin(&line);
  log_puts(&line, what);
  log_puts(&line, name);
  log_puts(&line, ": ");
  log_puts(&line, why);
  line_end(&line);
}

static void note(void *ctx, const char *sentence) {
  (void)ctx;
  say(sentence, ".", "");
}

/* Appends bytes from outside until the line is as long as upto: a decision must
   not be pushed out of its line by what was asked. */
static void put_bounded(struct log_line *line, const char *bytes, size_t len, size_t upto) {
  size_t n = 0;
  for (; n < len && line->len < upto; ++n) log_putsafe(line, bytes + n, 1);
  if (n < len) log_puts(line, "...");
}

/* One line a decision, as 1.32 has it, the reason after it:
   ADDRESS permitted for USER. REASON ABOUT */
static void log_decision(const char *address, size_t len, const struct address_answer *a) {
  struct log_line line;
  line_begin(&line);
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
  line_end(&line);
}

/* ---- one question */

/* The address is what stands before the first NUL; the rest is for later
   versions. */
static size_t decode(const char *question, size_t len) {
  const char *nul = memchr(question, 0, len);
  return nul ? (size_t)(nul - question) : len;
}

static unsigned char status_of(unsigned position, enum qv_verdict verdict) {
  return (unsigned char)(position << 4 | (verdict == QV_INVALID ? QV_RESULT_INVALID : QV_RESULT_VALID));
}

/* The plain answer, or 0 bytes where silence is the answer. */
static size_t encode(const struct address_answer *a, char reply[QV_PLAIN_REPLY_MAX]) {
  size_t user = strlen(a->user);
  if (a->verdict == QV_TEMPORARY) return 0;
  if (user > QV_USER_MAX) user = QV_USER_MAX;
  reply[0] = (char)status_of(a->position, a->verdict);
  memcpy(reply + 1, a->user, user);
  return 1 + user;
}

static void reply_to(int fd, const struct udp_endpoint *from, const char *reply, size_t len) {
  char who[UDP_TEXT_MAX];
  if (len == 0 || udp_send(fd, reply, len, from) == 0) return;
  udp_format(from, who);
  say_errno("cannot answer ", who);
}

/* The path of a question: decode, judge, encode, reply, log. */
static void answer(struct address *host, int fd, const struct udp_endpoint *from, const char *question, size_t len) {
  struct address_answer a;
  char reply[QV_PLAIN_REPLY_MAX];
  size_t address_len = decode(question, len);
  address_judge(host, &(struct address_question){question, address_len, NULL, 0}, &a);
  reply_to(fd, from, reply, encode(&a, reply));
  log_decision(question, address_len, &a);
}

/* Is it one of our own answers, thrown back? No NUL, no @, not longer than an
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

/* Why a datagram is not answered, or NULL. A plain answer can be read as a plain
   question, so that a daemon that was made by a forged source to talk to another
   one, or to a service such as echo or chargen, would never stop. */
static const char *ignored(const struct udp_endpoint *from, const struct udp_endpoint *own, const char *datagram,
                           size_t len) {
  unsigned port = udp_port(from);
  if (len == 0) return "it is empty";
  if (port == QV_DEFAULT_PORT || port == udp_port(own)) return "that is a verification server's port";
  if (port < 1024) return "no client asks from a port below 1024";
  if (looks_like_an_answer(datagram, len)) return "it is an answer, not a question";
  return NULL;
}

static void take(struct address *host, int fd, const struct udp_endpoint *own, const struct udp_endpoint *from,
                 const char *datagram, size_t len) {
  const char *why = ignored(from, own, datagram, len);
  char about[UDP_TEXT_MAX + 16];
  if (!why) {
    answer(host, fd, from, datagram, len);
    return;
  }
  udp_format(from, about);
  strcat(about, " ignored: ");
  say("datagram from ", about, why);
}

/* Takes what is in the socket, at most max datagrams. How many, or -1 with errno
   where the socket cannot be read. */
static int serve(struct address *host, int fd, const struct udp_endpoint *own, int max) {
  static char datagram[QV_QUESTION_MAX];
  for (int n = 0; n < max; ++n) {
    struct udp_endpoint from;
    ssize_t len = udp_receive(fd, datagram, sizeof datagram, &from);
    if (len == -1) return errno == EAGAIN || errno == EWOULDBLOCK ? n : -1;
    take(host, fd, own, &from, datagram, (size_t)len);
  }
  return max;
}

/* ---- start and loop */

/* A socket that cannot be read is tried again soon, and said once. */
static void serve_batch(struct address *host, int fd, const struct udp_endpoint *own) {
  static int trouble;
  const struct timespec soon = {0, 100 * 1000000};
  if (serve(host, fd, own, BATCH_MAX) != -1) {
    trouble = 0;
    return;
  }
  if (errno != trouble) say_errno("cannot receive a datagram", "");
  trouble = errno;
  nanosleep(&soon, NULL);
}

static void run(struct address *host, int fd, const struct udp_endpoint *own, const sigset_t *unblocked) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  long long next_tick = sockbits_now_ms() + TICK_MS;
  while (!got_term) {
    long long left = next_tick - sockbits_now_ms();
    struct timespec wait = {0, 0};
    if (left > 0) wait = (struct timespec){left / 1000, (long)(left % 1000) * 1000000};
    if (ppoll(&ready, 1, &wait, unblocked) > 0) serve_batch(host, fd, own);
    if (got_hangup) {
      got_hangup = 0;
      address_hangup(host, sockbits_now_ms());
    }
    if (sockbits_now_ms() >= next_tick) {
      address_tick(host, sockbits_now_ms());
      next_tick = sockbits_now_ms() + TICK_MS;
    }
  }
}

static void drain(struct address *host, int fd, const struct udp_endpoint *own) {
  long long end = sockbits_now_ms() + DRAIN_MS;
  while (sockbits_now_ms() < end && serve(host, fd, own, 1) > 0)
    ;
}

static void print_settings(void) {
  printf("qmail-verify %s\nqmail directory: %s\nbreak character: %s\nforbidden mode bits: %03o\nusers: %s\ngroups: %s\n",
         QV_VERSION, CONF_QMAIL, CONF_BREAK, CONF_PATRN, CONF_USERS, CONF_GROUPS);
}

static int usage(void) {
  fputs("qmail-verify: usage: qmail-verify [-V]\n"
        "qmail-verify: it is run by root under supervise and set up by the variables LISTEN and QMAILDIR, "
        "see qmail-verify(8)\n",
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

/* The signals that the loop acts upon arrive only where it waits; unblocked: what to
   wait with. */
static void set_signals(sigset_t *unblocked) {
  static const int acted_upon[] = {SIGHUP, SIGTERM, SIGINT};
  struct sigaction act;
  memset(&act, 0, sizeof act);
  act.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &act, NULL);
  act.sa_handler = on_signal;
  sigprocmask(SIG_BLOCK, NULL, unblocked);
  for (size_t i = 0; i < sizeof acted_upon / sizeof *acted_upon; ++i) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, acted_upon[i]);
    sigprocmask(SIG_BLOCK, &one, NULL);
    sigdelset(unblocked, acted_upon[i]);
    sigaction(acted_upon[i], &act, NULL);
  }
}

/* Reads LISTEN and binds. The socket, or -1 and the exit code in *code. */
static int listen_on(struct udp_endpoint *own, int *code) {
  const char *text = getenv("LISTEN"), *why;
  char where[UDP_TEXT_MAX];
  int fd;
  if (!text) text = "";
  if (udp_parse(text, strlen(text), QV_DEFAULT_IP, QV_DEFAULT_PORT, own, &why) == -1) {
    struct log_line line;
    line_begin(&line);
    log_puts(&line, "LISTEN=");
    log_putsafe(&line, text, strlen(text));
    log_puts(&line, ": ");
    log_puts(&line, why);
    log_puts(&line, "; set it to ip, ip:port or :port");
    line_end(&line);
    *code = EXIT_USAGE;
    return -1;
  }
  udp_format(own, where);
  fd = bind_udp(own);
  if (fd == -1) {
    say_errno("cannot listen on ", where);
    *code = EXIT_TROUBLE;
  }
  return fd;
}

static void announce(const struct udp_endpoint *own, const char *dir) {
  char where[UDP_TEXT_MAX], *port;
  struct log_line line;
  udp_format(own, where);
  port = strrchr(where, ':');
  *port++ = '\0';
  line_begin(&line);
  log_puts(&line, "Listening on address: ");
  log_puts(&line, where);
  log_puts(&line, ", port ");
  log_puts(&line, port);
  log_puts(&line, ". Judging ");
  log_puts(&line, dir);
  log_puts(&line, ".");
  line_end(&line);
  if (strncmp(where, "127.", 4) != 0)
    say("LISTEN=", where, " is not a loopback address: whoever can reach it may ask which addresses exist here");
  if (geteuid() != 0)
    say("not run by root: only homes of this process's own uid and gid are judged, what needs another is not answered", "",
        "");
}

int main(int argc, char **argv) {
  struct address_config config = {CONF_BREAK[0], CONF_PATRN, CONF_ALIAS, CONF_QMAILP, CONF_NOFILES, NULL, NULL};
  struct udp_endpoint own;
  sigset_t unblocked;
  struct address *host;
  const char *dir;
  int fd, code = EXIT_TROUBLE;

  if (argc == 2 && strcmp(argv[1], "-V") == 0) return print_settings(), 0;
  if (argc != 1) return usage();
  set_signals(&unblocked);
  if (!(dir = qmail_directory())) return EXIT_USAGE;
  if (chdir(dir) == -1) return say_errno("cannot enter the qmail directory ", dir), EXIT_TROUBLE;
  config.qmail = dir;
  config.fastforward_cdb = getenv("VERIFY_FASTFORWARDCDB");
  if ((fd = listen_on(&own, &code)) == -1) return code;
  host = address_new(&config, note, NULL, sockbits_now_ms());
  if (!host) return say("out of memory", "", ""), EXIT_TROUBLE;
  announce(&own, dir); /* last: who reads it may change control files from now on */

  run(host, fd, &own, &unblocked);
  drain(host, fd, &own);
  say("SIGTERM: done.", "", "");
  address_free(host);
  close(fd);
  return 0;
}
