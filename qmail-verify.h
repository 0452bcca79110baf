/* qmail-verify.h - the contract between qmail-verify and those who ask it.

   Both ends compile this file, in C or in C++: the numbers of the packet, the
   verdicts, the reasons, the limits and the defaults stand here and nowhere
   else. The prose is qmail-verify-packet(5). */

#ifndef QMAIL_VERIFY_H
#define QMAIL_VERIFY_H

#define QV_VERSION "2.0"

/* ---- defaults and limits */

#define QV_DEFAULT_IP "127.0.0.1"
#define QV_DEFAULT_PORT 11113

/* The longest address that is judged, in bytes. qmail-queue takes an envelope
   recipient of 1002 bytes and no longer one (its ADDR); qmail-smtpd sends at
   most 899. Longer questions are answered "too-long". */
#define QV_ADDRESS_MAX 1002

/* The largest datagram that is read, in bytes: what UDP can carry. */
#define QV_QUESTION_MAX 65536

/* The longest controlling user in a plain reply, and the longest plain reply,
   in bytes. */
#define QV_USER_MAX 32
#define QV_PLAIN_REPLY_MAX (1 + QV_USER_MAX)

/* The longest dot-qmail file that is read for a verdict, in bytes. */
#define QV_DOTQMAIL_MAX 65536

/* ---- the plain packet (that of qmail-verify 1.32)

   question: the address, optionally followed by NUL and bytes that are ignored
   answer:   a status byte, then up to QV_USER_MAX bytes of controlling user,
             no terminator. The low nibble of the status is the result, the high
             nibble the position in the decision.

   A plain client takes every result but 0 for a permanent refusal, so that
   QV_RESULT_TEMPORARY is never sent in a plain answer: silence stands for it. */

#define QV_RESULT_BITS 0x0f
#define QV_POSITION_BITS 0xf0
#define QV_RESULT_VALID 0
#define QV_RESULT_INVALID 1
#define QV_RESULT_TEMPORARY 2

/* ---- the extended packet (packet.h puts it together and takes it apart)

   question: the address, NUL, QV_MAGIC, a nonce of QV_NONCE_SIZE random bytes,
             then fields
   answer:   a status byte as above, the controlling user, NUL, QV_MAGIC, the
             same nonce, the reason (two bytes), then fields

   A field is its type (one byte), the length of its value (two bytes) and the
   value; numbers have their high byte first. Of fields with the same type the
   first counts; types that are not known are passed over. A 1.32 daemon stops at
   the NUL of a question. Here QV_RESULT_TEMPORARY is sent as such.

   An answer is never longer than twice its question: fields are left out, then
   the user is cut until it fits. */

#define QV_MAGIC "qverify2"
#define QV_MAGIC_SIZE 8
#define QV_NONCE_SIZE 16

#define QV_FIELD_CLIENT 1 /* question: the SMTP client's IP address, 4 or 16 bytes */
#define QV_FIELD_SENDER 2 /* question: the envelope sender; empty: the null sender */
#define QV_FIELD_USER 3   /* answer: the whole controlling user, where the one before the NUL is cut */
#define QV_FIELD_FILLING 4 /* question: bytes that mean nothing, so that a longer answer has room */
#define QV_FIELD_COUNTERS 5 /* question about the empty address: the number (2 bytes) of the first line that is wanted;
                               answer: that of the next one, 0 if there is none, then lines of counters */
#define QV_FIELD_HOP 6      /* question: how many daemons have handed it on (one byte); none: 0 */
#define QV_FIELD_FLUSH 7    /* question about the empty address: forget what is kept of this domain, of all where it is
                               empty; answer: how many answers that were (4 bytes) */
#define QV_FIELD_MAC 255    /* a message authentication code; the last one where it is there */

/* A question that has been handed on so often is not handed on again: daemons ask in a circle. */
#define QV_HOPS_MAX 4

/* The longest question and the longest answer that are put together, in bytes. */
#define QV_QUESTION_WRITTEN_MAX (2 * QV_ADDRESS_MAX + 128)
#define QV_REPLY_MAX 512

/* ---- verdicts */

enum qv_verdict {
  QV_VALID,    /* qmail would deliver, or defer for a state that was seen */
  QV_REMOTE,   /* not a domain of this host: not ours to judge */
  QV_UNKNOWN,  /* a program or file decides at delivery time */
  QV_INVALID,  /* qmail would bounce it */
  QV_TEMPORARY /* the look failed: could not be answered now */
};

/* ---- reasons

   X(number, SYMBOL, name, verdict, position, explanation)

   "position" is the high nibble of a plain answer, 1 to 15, and keeps what 1.32
   meant by it: 1 remote, 2 an empty virtualdomains entry, 9 no dot-qmail file is
   needed, 10 the exact file, 12 a default file, 14 nothing found; 15 (unused
   there) is a decision before any dot-qmail file is looked for. 1.32's positions
   3 to 8, 11 and 13 were failures: here they are temporary, without an answer.
   Where the table says 10 for a file the answer carries 12 if a default file
   decided, and 9 if the dash is empty. */

/* clang-format off */
#define QV_REASONS(X) \
  X( 1, REMOTE,               "remote",               QV_REMOTE,     1, "the domain is neither in locals nor in virtualdomains") \
  X( 2, EXCEPTION,            "exception",            QV_REMOTE,     2, "virtualdomains has an entry for it with nothing after the colon") \
  X( 3, EMPTY_LOCAL,          "empty-local",          QV_VALID,      9, "nothing before the @: qmail accepts and discards it") \
  X( 4, DEFAULT_DELIVERY,     "default-delivery",     QV_VALID,      9, "no dot-qmail file is needed") \
  X( 5, DOTQMAIL,             "dotqmail",             QV_VALID,     10, "a dot-qmail file delivers or forwards") \
  X( 6, DOTQMAIL_EMPTY,       "dotqmail-empty",       QV_VALID,     10, "an empty dot-qmail file: default delivery") \
  X( 7, DOTQMAIL_BLANK,       "dotqmail-blank",       QV_VALID,     10, "the first line of the dot-qmail file is blank: qmail defers") \
  X( 8, DOTQMAIL_XBIT,        "dotqmail-xbit",        QV_VALID,     10, "a dot-qmail file for forwards only has another line: qmail defers") \
  X( 9, DOTQMAIL_WRITABLE,    "dotqmail-writable",    QV_VALID,     10, "the dot-qmail file is writable by others: qmail defers") \
  X(10, HOME_WRITABLE,        "home-writable",        QV_VALID,     15, "the home directory is writable by others: qmail defers") \
  X(11, HOME_STICKY,          "home-sticky",          QV_VALID,     15, "the home directory is sticky: qmail defers") \
  X(12, ROOT,                 "root",                 QV_VALID,     15, "the controlling user has uid 0: qmail defers") \
  X(13, PROGRAM,              "program",              QV_UNKNOWN,   10, "a program decides at delivery time") \
  X(14, DOTQMAIL_LARGE,       "dotqmail-large",       QV_UNKNOWN,   10, "the dot-qmail file is too large to be read for a verdict") \
  X(15, TOO_LONG,             "too-long",             QV_UNKNOWN,   15, "longer than qmail-queue takes: qmail-queue decides") \
  X(16, NO_MAILBOX,           "no-mailbox",           QV_INVALID,   14, "no dot-qmail file for the extension, and no default") \
  X(17, HOME_NOT_ABSOLUTE,    "home-not-absolute",    QV_INVALID,   15, "the home directory does not begin with a slash: qmail bounces") \
  X(18, HOME_UNREACHABLE,     "home-unreachable",     QV_TEMPORARY, 15, "the home directory cannot be entered") \
  X(19, DOTQMAIL_UNREADABLE,  "dotqmail-unreadable",  QV_TEMPORARY, 11, "a dot-qmail file may be there, but cannot be opened or read") \
  X(20, CDB_TROUBLE,          "cdb-trouble",          QV_TEMPORARY,  3, "users/cdb exists and cannot be used") \
  X(21, NO_ALIAS_USER,        "no-alias-user",        QV_TEMPORARY,  8, "there is no alias user") \
  X(22, PASSWD_TROUBLE,       "passwd-trouble",       QV_TEMPORARY,  8, "the passwd look-up failed") \
  X(23, HOME_STAT_TROUBLE,    "home-stat-trouble",    QV_TEMPORARY,  8, "a home directory from passwd could not be looked at") \
  X(24, IDENTITY_TROUBLE,     "identity-trouble",     QV_TEMPORARY, 15, "could not become the user whose home must be looked at") \
  X(25, CONTROL_TROUBLE,      "control-trouble",      QV_TEMPORARY,  1, "the control files cannot be read") \
  X(26, RESOURCE_TROUBLE,     "resource-trouble",     QV_TEMPORARY,  1, "out of memory") \
  X(27, PROGRAM_ACCEPTS,      "program-accepts",      QV_VALID,     10, "the program lines of the dot-qmail file always accept") \
  X(28, PROGRAM_DEFERS,       "program-defers",       QV_VALID,     10, "a program line of the dot-qmail file always makes qmail defer") \
  X(29, PROGRAM_REFUSES,      "program-refuses",      QV_INVALID,   10, "a program line of the dot-qmail file always refuses") \
  X(30, KEPT,                 "kept",                 QV_UNKNOWN,   10, "a line refuses, but one before it may have kept the mail") \
  X(31, FASTFORWARD,          "fastforward",          QV_VALID,     10, "fastforward's database has the address") \
  X(32, FASTFORWARD_ABSENT,   "fastforward-absent",   QV_INVALID,   10, "fastforward's database does not have the address") \
  X(33, FASTFORWARD_TROUBLE,  "fastforward-trouble",  QV_TEMPORARY, 11, "fastforward's database, or a list in it, cannot be read") \
  X(34, VPOPMAIL_USER,        "vpopmail-user",        QV_VALID,     10, "vpopmail has the user") \
  X(35, VPOPMAIL_CATCHALL,    "vpopmail-catchall",    QV_VALID,     10, "vpopmail does not have the user, and hands the mail to its catch-all") \
  X(36, VPOPMAIL_DELETE,      "vpopmail-delete",      QV_VALID,     10, "vpopmail does not have the user, and accepts and discards the mail") \
  X(37, VPOPMAIL_NO_USER,     "vpopmail-no-user",     QV_INVALID,   10, "vpopmail does not have the user") \
  X(38, VPOPMAIL_BOUNCE_FLAG, "vpopmail-bounce-flag", QV_INVALID,   10, "vpopmail's user has the flag that bounces all mail") \
  X(39, VPOPMAIL_BAD_NAME,    "vpopmail-bad-name",    QV_INVALID,   10, "vpopmail refuses a character of the address") \
  X(40, VPOPMAIL_TROUBLE,     "vpopmail-trouble",     QV_TEMPORARY, 11, "vpopmail's users cannot be read") \
  X(41, VPOPMAIL_ELSEWHERE,   "vpopmail-elsewhere",   QV_UNKNOWN,   10, "vpopmail's users are not in files") \
  X(42, VMAILMGR_USER,        "vmailmgr-user",        QV_VALID,     10, "vmailmgr has the user, or a default user") \
  X(43, VMAILMGR_NO_USER,     "vmailmgr-no-user",     QV_INVALID,   10, "vmailmgr has neither the user nor a default user") \
  X(44, VMAILMGR_TROUBLE,     "vmailmgr-trouble",     QV_TEMPORARY, 11, "vmailmgr's users cannot be read") \
  X(45, EZMLM,                "ezmlm",                QV_VALID,     10, "an address of an ezmlm mailing list") \
  X(46, EZMLM_LIST,           "ezmlm-list",           QV_VALID,     10, "an ezmlm list's own address, where ezmlm refuses the null sender") \
  X(47, EZMLM_NULL_SENDER,    "ezmlm-null-sender",    QV_INVALID,   10, "the null sender to an ezmlm list's own address (policy refuse-null)") \
  X(48, POLICY_OFF,           "policy-off",           QV_VALID,     15, "control/verifypolicy: valid without looking (off)") \
  X(49, POLICY_OBSERVE,       "policy-observe",       QV_VALID,     15, "control/verifypolicy: would not have been accepted, but the domain is only observed (observe)") \
  X(50, POLICY_REFUSE,        "policy-refuse",        QV_INVALID,   10, "control/verifypolicy: this program always refuses (refuse=)") \
  X(51, POLICY_DELETE,        "policy-delete",        QV_INVALID,   10, "vpopmail would discard the mail: refused by control/verifypolicy (refuse-delete)") \
  X(52, POLICY_FOLLOW,        "policy-follow",        QV_INVALID,   10, "every address it forwards to would be refused (policy follow)") \
  X(53, VPOPMAIL_OWN,         "vpopmail-own",         QV_UNKNOWN,   10, "vpopmail's user has a dot-qmail file, which decides at delivery time") \
  X(54, HOME_HANGS,           "home-hangs",           QV_TEMPORARY, 15, "the home, or its file system, does not answer") \
  X(55, WORKER_LOST,          "worker-lost",          QV_TEMPORARY,  1, "the process that judged the address ended before it could answer") \
  X(56, LIMITED,              "limited",              QV_TEMPORARY,  1, "control/verifylimits: this SMTP client has asked for too many addresses that do not exist") \
  X(57, SERVER_SILENT,        "server-silent",        QV_TEMPORARY,  1, "control/verifyroutes: no server of the domain answers") \
  X(58, ROUTE_LOOP,           "route-loop",           QV_TEMPORARY,  1, "control/verifyroutes: daemons hand the question on in a circle") \
  X(59, ROUTE_TROUBLE,        "route-trouble",        QV_TEMPORARY,  1, "control/verifyroutes: the domain's line names no server that can be asked") \
  X(60, PLAIN_UNSURE,         "plain-unsure",         QV_UNKNOWN,   15, "a 1.32 server let the address through because its look failed")
/* clang-format on */

enum qv_reason {
  QV_REASON_NONE = 0,
  QV_REASON_ANY = 0xffff, /* no reason: so that an enum qv_reason can hold the numbers of newer builds */
#define QV_X(number, symbol, name, verdict, position, text) QV_REASON_##symbol = (number),
  QV_REASONS(QV_X)
#undef QV_X
};

/* The name of a reason, as logs and manuals have it; "none" for an unknown
   number. Static storage. */
static inline const char *qv_reason_name(enum qv_reason reason) {
  switch (reason) {
#define QV_X(number, symbol, name, verdict, position, text) \
  case QV_REASON_##symbol: return name;
    QV_REASONS(QV_X)
#undef QV_X
    case QV_REASON_NONE:
    case QV_REASON_ANY: break;
  }
  return "none";
}

/* A reason in words. Static storage. */
static inline const char *qv_reason_text(enum qv_reason reason) {
  switch (reason) {
#define QV_X(number, symbol, name, verdict, position, text) \
  case QV_REASON_##symbol: return text;
    QV_REASONS(QV_X)
#undef QV_X
    case QV_REASON_NONE:
    case QV_REASON_ANY: break;
  }
  return "no reason given";
}

/* The verdict that a reason carries; QV_TEMPORARY for an unknown number. */
static inline enum qv_verdict qv_reason_verdict(enum qv_reason reason) {
  switch (reason) {
#define QV_X(number, symbol, name, verdict, position, text) \
  case QV_REASON_##symbol: return verdict;
    QV_REASONS(QV_X)
#undef QV_X
    case QV_REASON_NONE:
    case QV_REASON_ANY: break;
  }
  return QV_TEMPORARY;
}

/* The position of a reason in a plain answer, 1 to 15. */
static inline unsigned qv_reason_position(enum qv_reason reason) {
  switch (reason) {
#define QV_X(number, symbol, name, verdict, position, text) \
  case QV_REASON_##symbol: return (position);
    QV_REASONS(QV_X)
#undef QV_X
    case QV_REASON_NONE:
    case QV_REASON_ANY: break;
  }
  return 15;
}

/* What a position in a plain answer says, for logs of those who heard only
   that: the words hold for a daemon of ours and for 1.32. Static storage. */
static inline const char *qv_position_text(unsigned position) {
  switch (position) {
    case 1: return "remote";
    case 2: return "exception";
    case 9: return "no extension";
    case 10: return "dot-qmail";
    case 12: return "default dot-qmail";
    case 14: return "no-mailbox";
    case 15: return "home or user";
    default: return "position unknown";
  }
}

#endif
