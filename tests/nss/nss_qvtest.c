/* nss_qvtest.c - an NSS module for tests: knows nobody, and fails as the file
   named in QVTEST_NSS says: a status (NOTFOUND, UNAVAIL, TRYAGAIN) and an errno.
   The file is read at each look-up. */

#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum nss_status _nss_qvtest_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop);

enum nss_status _nss_qvtest_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop) {
  const char *path = getenv("QVTEST_NSS");
  FILE *f = path ? fopen(path, "r") : NULL;
  char status[16] = "UNAVAIL";
  int error = 0;
  (void)name, (void)pw, (void)buf, (void)len;
  if (f) {
    if (fscanf(f, "%15s %d", status, &error) != 2) error = 5;
    fclose(f);
  }
  *errnop = error;
  if (!strcmp(status, "NOTFOUND")) return NSS_STATUS_NOTFOUND;
  return !strcmp(status, "TRYAGAIN") ? NSS_STATUS_TRYAGAIN : NSS_STATUS_UNAVAIL;
}
