/* qmail-smtpd.c - a small SMTP server in the manner of the old ones: functions without
   prototypes, one line a reply, and the names that they all have. */
#include "stralloc.h"
#include "qmail.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void flush() { fflush(stdout); }
void out(s) char *s; { fputs(s,stdout); }

void die_nomem() { out("421 out of memory (#4.3.0)\r\n"); flush(); _exit(1); }
void err_wantmail() { out("503 MAIL first (#5.5.1)\r\n"); }
void err_wantrcpt() { out("503 RCPT first (#5.5.1)\r\n"); }
void err_nogateway() { out("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n"); }

char *relayclient;
int seenmail = 0;
stralloc addr = {0};
stralloc mailfrom = {0};
stralloc rcptto = {0};
struct qmail qqt;

void addrparse(arg) char *arg;
{
  char *end;
  while (*arg && *arg != '<') ++arg;
  if (*arg) ++arg;
  end = strchr(arg,'>');
  if (end) *end = 0;
  if (!stralloc_copys(&addr,arg)) die_nomem();
  if (!stralloc_0(&addr)) die_nomem();
}

int addrallowed() { return strstr(addr.s,".example") == 0; }

void smtp_helo(arg) char *arg; { (void) arg; seenmail = 0; out("250 small\r\n"); }
void smtp_rset(arg) char *arg; { (void) arg; seenmail = 0; out("250 flushed\r\n"); }
void smtp_mail(arg) char *arg;
{
  addrparse(arg);
  seenmail = 1;
  if (!stralloc_copys(&rcptto,"")) die_nomem();
  if (!stralloc_copys(&mailfrom,addr.s)) die_nomem();
  if (!stralloc_0(&mailfrom)) die_nomem();
  out("250 ok\r\n");
}
void smtp_rcpt(arg) char *arg; {
  if (!seenmail) { err_wantmail(); return; }
  addrparse(arg);
  if (relayclient) {
    --addr.len;
    if (!stralloc_cats(&addr,relayclient)) die_nomem();
    if (!stralloc_0(&addr)) die_nomem();
  }
  else
    if (!addrallowed()) { err_nogateway(); return; }
  if (!stralloc_cats(&rcptto,"T")) die_nomem();
  if (!stralloc_cats(&rcptto,addr.s)) die_nomem();
  if (!stralloc_0(&rcptto)) die_nomem();
  out("250 ok\r\n");
}

char line[2048];
int getl()
{
  flush();
  if (!fgets(line,sizeof line,stdin)) return 0;
  line[strcspn(line,"\r\n")] = 0;
  return 1;
}

void smtp_data(arg) char *arg; {
  (void) arg;
  if (!seenmail) { err_wantmail(); return; }
  if (!rcptto.len) { err_wantrcpt(); return; }
  seenmail = 0;
  if (qmail_open(&qqt) == -1) { out("451 qqt failure (#4.3.0)\r\n"); return; }
  out("354 go ahead\r\n");
  while (getl()) if (!strcmp(line,".")) break;
  qmail_from(&qqt,mailfrom.s);
  out("250 ok 1 qp 1\r\n");
}

struct commands { char *verb; void (*fun)(); } smtpcommands[] = {
  { "rcpt", smtp_rcpt }
, { "mail", smtp_mail }
, { "data", smtp_data }
, { "helo", smtp_helo }
, { "rset", smtp_rset }
, { 0, 0 }
} ;

int main()
{
  int i;
  relayclient = getenv("RELAYCLIENT");
  out("220 small\r\n");
  while (getl()) {
    if (!strncasecmp(line,"quit",4)) { out("221 small\r\n"); flush(); _exit(0); }
    for (i = 0;smtpcommands[i].verb;++i)
      if (!strncasecmp(line,smtpcommands[i].verb,4)) break;
    if (smtpcommands[i].verb) smtpcommands[i].fun(line + 4);
    else out("502 unimplemented (#5.5.1)\r\n");
  }
  _exit(1);
}
