/* rights.h - what the daemon keeps of root's rights. C and C++. */

#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#ifdef __cplusplus
extern "C" {
#endif

/* For good, for this process and all that it forks: of root's capabilities only those
   to change user and group ids (Linux), none of its supplementary groups, no new privileges by execution, no core dumps,
   not traced by others, a bounded number of descriptors and a bounded memory. To be
   called when everything is open that needs more. On other systems: limits alone.
   Returns 0, or -1 with errno and in *what (static storage) what could not be given up. */
int rights_drop(const char **what);

#ifdef __cplusplus
}
#endif
#endif
