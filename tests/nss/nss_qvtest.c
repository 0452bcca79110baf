/* nss_qvtest.c - an NSS module for tests: knows nobody, and fails as the file
   named in QVTEST_NSS says: a status (NOTFOUND, UNAVAIL, TRYAGAIN), an errno and,
   perhaps, milliseconds to take. The file is read at each look-up, and a file of that
   name with ".asked" behind it, where there is one, gets a byte. As qvnobody, by a
   second name of its file, it knows nobody and never fails. */

#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum nss_status _nss_qvtest_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop);

static void note(const char *path) {
  char asked[4096];
  FILE *f;
  if (snprintf(asked, sizeof asked, "%s.asked", path) >= (int)sizeof asked) return;
  f = fopen(asked, "r+");
  if (!f) return;
  fseek(f, 0, SEEK_END);
  fputc('.', f);
  fclose(f);
}

enum nss_status _nss_qvtest_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop) {
  const char *path = getenv("QVTEST_NSS");
  FILE *f = path ? fopen(path, "r") : NULL;
  char status[16] = "UNAVAIL";
  int error = 0, ms = 0;
  (void)name, (void)pw, (void)buf, (void)len;
  if (f) {
    if (fscanf(f, "%15s %d %d", status, &error, &ms) < 2) error = 5;
    fclose(f);
    note(path);
  }
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
  *errnop = error;
  if (!strcmp(status, "NOTFOUND")) return NSS_STATUS_NOTFOUND;
  return !strcmp(status, "TRYAGAIN") ? NSS_STATUS_TRYAGAIN : NSS_STATUS_UNAVAIL;
}

enum nss_status _nss_qvnobody_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop);

enum nss_status _nss_qvnobody_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop) {
  (void)name, (void)pw, (void)buf, (void)len, (void)errnop;
  return NSS_STATUS_NOTFOUND;
}
