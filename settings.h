/* settings.h - the settings that a program was built with, for its option -V. */

#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdio.h>

#include "conf.h"
#include "qmail-verify.h"

/* Writes version and settings. Returns 0, or -1 where they cannot be written. */
static inline int settings_print(const char *program, FILE *to) {
  fprintf(to,
          "%s %s\nqmail directory: %s\nbreak character: %s\nforbidden mode bits: %03o\nusers: %s\ngroups: %s\n",
          program, QV_VERSION, CONF_QMAIL, CONF_BREAK, (unsigned)CONF_PATRN, CONF_USERS, CONF_GROUPS);
  return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}

#endif
