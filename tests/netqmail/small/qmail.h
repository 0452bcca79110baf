/* qmail.h - a queue that keeps nothing. */
#ifndef QMAIL_H
#define QMAIL_H
struct qmail { int open; };
extern int qmail_open();
extern void qmail_from();
#endif
