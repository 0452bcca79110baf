/* sessions.c - two threads with a session each ask at the same time.

   sessions VERIFY ROUNDS VALID INVALID: 0 where each thread has always got its answer. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <verifyrcpt.h>

struct asker {
  const char *verify, *address;
  enum verifyrcpt_reply reply;
  int rounds, wrong;
};

static void *ask(void *ctx) {
  struct asker *me = ctx;
  struct verifyrcpt session;
  struct verifyrcpt_answer answer;
  verifyrcpt_begin(&session, me->verify, NULL, NULL);
  for (int i = 0; i < me->rounds; ++i) {
    if (verifyrcpt_rcpt(&session, me->address, &answer) == me->reply) continue;
    if (me->wrong++ == 0) printf("%s: %s\n", me->address, answer.why);
  }
  verifyrcpt_end(&session);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t other;
  if (argc != 5) return 100;
  struct asker valid = {argv[1], argv[3], VERIFYRCPT_ACCEPT, atoi(argv[2]), 0};
  struct asker invalid = {argv[1], argv[4], VERIFYRCPT_REFUSE, atoi(argv[2]), 0};
  if (pthread_create(&other, NULL, ask, &invalid)) return 111;
  ask(&valid);
  pthread_join(other, NULL);
  return valid.wrong || invalid.wrong;
}
