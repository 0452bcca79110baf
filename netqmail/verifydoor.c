/* verifydoor.c - see verifydoor.h. */

#include "verifydoor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logbits.h"
#include "verifyrcpt.h"

static char no_mailbox[] = "550 sorry, no mailbox here by that name. (#5.1.1)\r\n";
static char invalid_mailboxes[] = "554 sorry, invalid mailbox name(s). (#5.1.1)\r\n";
static char verify_failure[] = "451 qv temporary failure (#4.3.0)\r\n";
static char too_many_invalid[] = "421 too many invalid recipients (#4.7.0)\r\n";

static struct verifyrcpt session;
static int begun;
static char prefix[320];
static struct log_state log_lost;

/* ---- the log */

/* Words of ours with foreign bytes in them: blanks stay. */
static void put_words(struct log_line *line, const char *words) {
  for (; *words; ++words) {
    if (*words == ' ')
      log_puts(line, " ");
    else
      log_putsafe(line, words, 1);
  }
}

static void log_start(struct log_line *line, const char *words) {
  log_begin(line);
  log_puts(line, prefix);
  log_puts(line, words);
}

static void log_say(const char *words) {
  struct log_line line;
  log_start(&line, words);
  log_write(&line, 2, &log_lost, prefix);
}

static void log_note(void *ctx, const char *text) {
  struct log_line line;
  (void)ctx;
  log_start(&line, "verify: note: ");
  put_words(&line, text);
  log_write(&line, 2, &log_lost, prefix);
}

static void log_failure(const struct verifyrcpt_answer *answer) {
  struct log_line line;
  if (answer->timed_out) {
    log_say("Timeout (no response from verification server)");
    return;
  }
  log_start(&line, "temporary failure (");
  put_words(&line, answer->cause);
  log_puts(&line, ")");
  log_write(&line, 2, &log_lost, prefix);
}

static void log_answer(const char *what, const char *recipient, const struct verifyrcpt_answer *answer) {
  struct log_line line;
  log_start(&line, "verify: ");
  log_puts(&line, what);
  log_puts(&line, " ");
  log_putsafe(&line, recipient, strlen(recipient));
  if (answer->why[0]) {
    log_puts(&line, ": ");
    put_words(&line, answer->why);
  }
  if (answer->user[0]) {
    log_puts(&line, ", user ");
    log_putsafe(&line, answer->user, strlen(answer->user));
  }
  if (answer->server[0]) {
    log_puts(&line, ", server ");
    log_putsafe(&line, answer->server, strlen(answer->server));
  }
  log_write(&line, 2, &log_lost, prefix);
}

/* ---- the session */

/* The client's address stands in it as one word. */
static void set_prefix(const char *ip) {
  size_t n = (size_t)snprintf(prefix, sizeof prefix, "qmail-smtpd: pid %ld from ", (long)getpid());
  for (; *ip && n < sizeof prefix - 3; ++ip) prefix[n++] = *ip > ' ' && *ip <= '~' ? *ip : '_';
  memcpy(prefix + n, ": ", 3);
}

static void begin(void) {
  const char *verify = getenv("VERIFY"), *ip = getenv("TCPREMOTEIP");
  if (begun) return;
  begun = 1;
  set_prefix(ip ? ip : "unknown");
  if (verify && !*verify) log_say("Note recipient verification explicitly disabled.");
  verifyrcpt_begin(&session, verify, log_note, NULL);
  verifyrcpt_client(&session, ip);
}

static void log_reply(enum verifyrcpt_reply reply, const char *recipient, const struct verifyrcpt_answer *answer) {
  if (reply == VERIFYRCPT_REFUSE) log_say("Unverified mailbox at RCPT time");
  if (reply == VERIFYRCPT_RETRY) log_failure(answer);
  if (reply == VERIFYRCPT_CLOSE) log_say("Too many invalid recipients: quitting");
  if (answer->result == VERIFYRCPT_INVALID)
    log_answer(reply == VERIFYRCPT_REFUSE ? "refused" : "invalid", recipient, answer);
  else if (answer->result == VERIFYRCPT_TEMPORARY)
    log_answer("temporary", recipient, answer);
  else if (strstr(answer->why, "(OBSERVE)"))
    log_answer("valid", recipient, answer);
}

char *verifydoor_rcpt(const char *recipient, const char *sender, int first) {
  struct verifyrcpt_answer answer;
  enum verifyrcpt_reply reply;

  begin();
  if (first) verifyrcpt_reset(&session);
  verifyrcpt_sender(&session, sender);
  reply = verifyrcpt_rcpt(&session, recipient, &answer);
  log_reply(reply, recipient, &answer);
  switch (reply) {
    case VERIFYRCPT_ACCEPT: return NULL;
    case VERIFYRCPT_REFUSE: return no_mailbox;
    case VERIFYRCPT_CLOSE: return too_many_invalid;
    case VERIFYRCPT_RETRY: break;
  }
  return verify_failure;
}

char *verifydoor_data(void) {
  char *reply = NULL;
  if (!begun) return NULL;
  if (verifyrcpt_close(&session)) {
    log_say("Too many invalid recipients: quitting");
    reply = too_many_invalid;
  } else if (verifyrcpt_data(&session)) {
    log_say("Unverified mailbox(es) at DATA time");
    reply = invalid_mailboxes;
  }
  verifyrcpt_reset(&session);
  return reply;
}

int verifydoor_is_last(const char *reply) {
  return strncmp(reply, "421", 3) == 0;
}
