/* qmail.c - see qmail.h. */
#include "qmail.h"
int qmail_open(qq) struct qmail *qq; { qq->open = 1; return 0; }
void qmail_from(qq,s) struct qmail *qq; char *s; { (void) s; qq->open = 0; }
