/* stralloc.c - see stralloc.h. */
#include "stralloc.h"
#include <stdlib.h>
#include <string.h>

static int room(sa,n) stralloc *sa; unsigned int n;
{
  char *s;
  if (n <= sa->a) return 1;
  s = realloc(sa->s,n + 100);
  if (!s) return 0;
  sa->s = s;
  sa->a = n + 100;
  return 1;
}

static int catb(sa,s,n) stralloc *sa; char *s; unsigned int n;
{
  if (!room(sa,sa->len + n)) return 0;
  memcpy(sa->s + sa->len,s,n);
  sa->len += n;
  return 1;
}

int stralloc_copys(sa,s) stralloc *sa; char *s; { sa->len = 0; return catb(sa,s,(unsigned int) strlen(s)); }
int stralloc_cats(sa,s) stralloc *sa; char *s; { return catb(sa,s,(unsigned int) strlen(s)); }
int stralloc_0(sa) stralloc *sa; { return catb(sa,"",1); }
