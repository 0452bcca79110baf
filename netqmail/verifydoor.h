/* verifydoor.h - what a qmail-smtpd in C asks of qmail-verify, in three calls.

   Copied beside that qmail-smtpd by netqmail/add-verify, with the client library,
   which does the asking (verifyrcpt.h). VERIFY and TCPREMOTEIP are read from the
   environment at the first call; lines for the log go to descriptor 2, in the form
   that qmail-smtpd(8) of qmail-verify has them. One SMTP session a process. */

#ifndef VERIFYDOOR_H
#define VERIFYDOOR_H

/* At RCPT, where the recipient would otherwise be accepted and is not for a client
   that may relay. recipient and sender: as they are to stand in the envelope. first: 1
   where no recipient has been accepted since MAIL.
   Returns the reply with which it is not accepted, a whole line with its end, in static
   storage; or 0: accept it. */
char *verifydoor_rcpt(const char *recipient, const char *sender, int first);

/* At DATA, before anything is handed to qmail-queue. Returns the reply with which the
   message is not accepted, as above, or 0: take it. */
char *verifydoor_data(void);

/* Is the session over behind this reply (421)? */
int verifydoor_is_last(const char *reply);

#endif
