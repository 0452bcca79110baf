// ask.cpp - see ask.h.

#include "ask.h"

#include "smtp/log.h"
#include "smtp/verify.h"
#include "verifyrcpt.h"

namespace {

constexpr int LOG_FD = 2;

// Made only where there is something to say: most recipients are good.
struct rcpt_log : session_log {
  explicit rcpt_log(const door_env &env) : session_log(LOG_FD, "qmail-rcptcheck") {
    remote(env.remote_ip ? env.remote_ip : "unknown");
  }
};

void note(void *env, const char *text) {
  rcpt_log(*static_cast<const door_env *>(env)).verify("note: ").words(text).end();
}

void note_what_does_not_apply(const struct verifyrcpt &session, const door_env &env) {
  if (session.defer)
    rcpt_log(env).verify("note: DEFER in VERIFY has no effect: DATA is not for qmail-rcptcheck to answer").end();
  if (session.maxbad)
    rcpt_log(env).verify("note: MAXBAD in VERIFY has no effect: qmail-rcptcheck runs once for each recipient").end();
}

verdict verdict_for(verifyrcpt_reply reply) {
  if (reply == VERIFYRCPT_ACCEPT) return verdict::accept;
  return reply == VERIFYRCPT_REFUSE ? verdict::refuse : verdict::retry;
}

}  // namespace

verdict ask(const door_env &env, const char *address, const char *sender) {
  struct verifyrcpt session;  // "struct": there is a function of that name, too
  door_env of_the_note = env;
  if (!verifyrcpt_begin(&session, env.verify, note, &of_the_note)) return verdict::accept;
  note_what_does_not_apply(session, env);
  verifyrcpt_client(&session, env.remote_ip);
  verifyrcpt_sender(&session, sender);
  verifyrcpt_answer answer;
  verifyrcpt_reply reply = verifyrcpt_rcpt(&session, address, &answer);
  if (verifyrcpt_data(&session)) reply = VERIFYRCPT_REFUSE;
  if (answer.result != VERIFYRCPT_VALID) {
    rcpt_log log(env);
    verify_log(log, address, reply, answer);
  }
  verifyrcpt_end(&session);
  return verdict_for(reply);
}

void ask_complain(const door_env &env, const char *words) { rcpt_log(env).say(words); }
