/* packet.h - questions and answers as bytes: put together and taken apart.

   For both ends, in C and in C++: everything is inline, so that an SMTP server
   that links the client needs no file for it. The numbers are qmail-verify.h's,
   the prose is qmail-verify-packet(5). Nothing here allocates, waits or trusts
   what it reads: no byte beyond the given length is looked at, and what a reader
   hands out points into the datagram it was given. */

#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>
#include <string.h>

#include "qmail-verify.h"

/* A question. Plain: only address counts. */
struct packet_question {
  const char *address; /* no NUL in it */
  size_t address_len;
  int extended;
  const unsigned char *nonce;  /* QV_NONCE_SIZE bytes */
  const unsigned char *client; /* the SMTP client's IP address in network order; NULL: not told */
  size_t client_len;           /* 4 or 16 */
  const char *sender;          /* the envelope sender; NULL: not told */
  size_t sender_len;
  int counters; /* read: counters are wanted, from this line on; -1: they are not. Not written */
  unsigned hop; /* how many daemons have handed it on, at most 255 */
  const char *flush; /* read: what is kept of this domain is to be forgotten; NULL: it is not. Not written */
  size_t flush_len;
  size_t mac_len; /* read: how long the field with the authentication code is, 0: there is none. Not written */
};

/* An answer. Plain: status and user only. */
struct packet_answer {
  unsigned char status; /* position << 4 | result */
  const char *user;     /* the controlling user, no NUL in it */
  size_t user_len;
  int extended;
  const unsigned char *nonce; /* QV_NONCE_SIZE bytes */
  unsigned reason;            /* enum qv_reason */
  const char *counters;       /* lines of counters; NULL: none */
  size_t counters_len;
  unsigned counters_next; /* the number of the line behind them; 0: there is none */
  int flush;              /* it says how many kept answers were forgotten: */
  unsigned long flushed;
};

/* ---- parts (private) */

struct packet_field {
  unsigned type;
  const unsigned char *value;
  size_t len;
};

/* Takes the field at *pos; moves *pos behind it. 1, 0 at the end, -1 where it is cut. */
static inline int packet_next_field(const unsigned char *bytes, size_t len, size_t *pos, struct packet_field *f) {
  size_t left = len - *pos;
  if (left == 0) return 0;
  if (left < 3) return -1;
  f->type = bytes[*pos];
  f->len = (size_t)bytes[*pos + 1] << 8 | bytes[*pos + 2];
  if (left - 3 < f->len) return -1;
  f->value = bytes + *pos + 3;
  *pos += 3 + f->len;
  return 1;
}

/* Appends; *pos becomes max + 1 where it does not fit, and stays so. */
static inline void packet_put(unsigned char *buf, size_t max, size_t *pos, const void *bytes, size_t len) {
  if (*pos > max || max - *pos < len) {
    *pos = max + 1;
    return;
  }
  if (len) memcpy(buf + *pos, bytes, len);
  *pos += len;
}

static inline void packet_put_number(unsigned char *buf, size_t max, size_t *pos, size_t n) {
  const unsigned char two[2] = {(unsigned char)(n >> 8 & 0xff), (unsigned char)(n & 0xff)};
  packet_put(buf, max, pos, two, 2);
}

static inline void packet_put_field(unsigned char *buf, size_t max, size_t *pos, unsigned type, const void *value,
                                    size_t len) {
  const unsigned char t = (unsigned char)type;
  if (len > 0xffff) {
    *pos = max + 1;
    return;
  }
  packet_put(buf, max, pos, &t, 1);
  packet_put_number(buf, max, pos, len);
  packet_put(buf, max, pos, value, len);
}

/* Where QV_MAGIC and a nonce stand behind the first NUL: the place behind the
   nonce; 0 where the datagram is a plain one. */
static inline size_t packet_extension(const unsigned char *bytes, size_t len, size_t nul) {
  size_t head = QV_MAGIC_SIZE + QV_NONCE_SIZE;
  if (nul >= len || len - nul - 1 < head || memcmp(bytes + nul + 1, QV_MAGIC, QV_MAGIC_SIZE) != 0) return 0;
  return nul + 1 + head;
}

static inline size_t packet_first_nul(const unsigned char *bytes, size_t len) {
  const void *nul = len ? memchr(bytes, 0, len) : NULL;
  return nul ? (size_t)((const unsigned char *)nul - bytes) : len;
}

/* Has the datagram an extension? */
static inline int packet_is_extended(const void *datagram, size_t len) {
  const unsigned char *bytes = (const unsigned char *)datagram;
  return packet_extension(bytes, len, packet_first_nul(bytes, len)) != 0;
}

/* ---- questions */

/* Reads a question; everything in *q points into datagram. What stands behind the
   NUL and is no extension is passed over, as 1.32 did.
   Returns 0, or -1 where an extension is damaged: it is not to be answered. */
static inline int packet_read_question(const void *datagram, size_t len, struct packet_question *q) {
  const unsigned char *bytes = (const unsigned char *)datagram;
  struct packet_field f;
  size_t pos;
  int more;

  memset(q, 0, sizeof *q);
  q->counters = -1;
  q->address = (const char *)datagram;
  q->address_len = packet_first_nul(bytes, len);
  pos = packet_extension(bytes, len, q->address_len);
  if (!pos) return 0;
  q->extended = 1;
  q->nonce = bytes + pos - QV_NONCE_SIZE;
  while ((more = packet_next_field(bytes, len, &pos, &f)) == 1) {
    if (f.type == QV_FIELD_CLIENT && !q->client && (f.len == 4 || f.len == 16)) {
      q->client = f.value;
      q->client_len = f.len;
    } else if (f.type == QV_FIELD_SENDER && !q->sender) {
      q->sender = (const char *)f.value;
      q->sender_len = f.len;
    } else if (f.type == QV_FIELD_COUNTERS && f.len == 2 && q->counters == -1 && q->address_len == 0) {
      q->counters = f.value[0] << 8 | f.value[1];
    } else if (f.type == QV_FIELD_HOP && f.len == 1 && !q->hop) {
      q->hop = f.value[0];
    } else if (f.type == QV_FIELD_FLUSH && !q->flush && q->address_len == 0) {
      q->flush = (const char *)f.value;
      q->flush_len = f.len;
    } else if (f.type == QV_FIELD_MAC) {
      q->mac_len = 3 + f.len;
    }
  }
  return more;
}

/* Writes a question of at most max bytes into buf. Returns its length, 0 where it
   does not fit. */
static inline size_t packet_write_question(const struct packet_question *q, void *buf, size_t max) {
  unsigned char *to = (unsigned char *)buf;
  size_t pos = 0;

  packet_put(to, max, &pos, q->address, q->address_len);
  packet_put(to, max, &pos, "", 1);
  if (q->extended) {
    packet_put(to, max, &pos, QV_MAGIC, QV_MAGIC_SIZE);
    packet_put(to, max, &pos, q->nonce, QV_NONCE_SIZE);
    if (q->client) packet_put_field(to, max, &pos, QV_FIELD_CLIENT, q->client, q->client_len);
    if (q->sender) packet_put_field(to, max, &pos, QV_FIELD_SENDER, q->sender, q->sender_len);
    if (q->hop) {
      const unsigned char hop = (unsigned char)q->hop;
      packet_put_field(to, max, &pos, QV_FIELD_HOP, &hop, 1);
    }
  }
  return pos > max ? 0 : pos;
}

/* ---- answers */

/* Reads an answer; everything in *a points into datagram. A plain answer's user
   ends at a NUL, too. Returns 0, or -1 where it is empty or its extension is
   damaged: then it is no answer. */
static inline int packet_read_answer(const void *datagram, size_t len, struct packet_answer *a) {
  const unsigned char *bytes = (const unsigned char *)datagram;
  struct packet_field f;
  size_t nul, pos;
  int more, user_seen = 0;

  memset(a, 0, sizeof *a);
  if (len == 0) return -1;
  nul = 1 + packet_first_nul(bytes + 1, len - 1);
  a->status = bytes[0];
  a->user = (const char *)datagram + 1;
  a->user_len = nul - 1;
  pos = packet_extension(bytes, len, nul);
  if (!pos) return 0;
  if (len - pos < 2) return -1;
  a->extended = 1;
  a->nonce = bytes + pos - QV_NONCE_SIZE;
  a->reason = (unsigned)bytes[pos] << 8 | bytes[pos + 1];
  pos += 2;
  while ((more = packet_next_field(bytes, len, &pos, &f)) == 1) {
    if (f.type == QV_FIELD_COUNTERS && f.len >= 2 && !a->counters) {
      a->counters_next = (unsigned)f.value[0] << 8 | f.value[1];
      a->counters = (const char *)f.value + 2;
      a->counters_len = f.len - 2;
    }
    if (f.type == QV_FIELD_FLUSH && f.len == 4 && !a->flush) {
      a->flush = 1;
      a->flushed = (unsigned long)f.value[0] << 24 | (unsigned long)f.value[1] << 16 | (unsigned long)f.value[2] << 8 |
                   f.value[3];
    }
    if (f.type != QV_FIELD_USER || user_seen++) continue;
    a->user = (const char *)f.value;
    a->user_len = packet_first_nul(f.value, f.len);
  }
  return more;
}

/* Writes an answer of at most max bytes into buf; max is QV_PLAIN_REPLY_MAX for a
   plain question, twice the question's length, but not over QV_REPLY_MAX, for an
   extended one. What does not fit is left out: the field with the whole user, then
   the user's end. Returns its length, 0 where max is too small for anything. */
static inline size_t packet_write_answer(const struct packet_answer *a, void *buf, size_t max) {
  unsigned char *to = (unsigned char *)buf;
  size_t user = a->user_len < QV_USER_MAX ? a->user_len : QV_USER_MAX, whole, pos = 0;
  const size_t frame = a->extended ? 1 + 1 + QV_MAGIC_SIZE + QV_NONCE_SIZE + 2 : 1;

  if (max < frame) return 0;
  if (max - frame < user) user = max - frame;
  packet_put(to, max, &pos, &a->status, 1);
  packet_put(to, max, &pos, a->user, user);
  if (!a->extended) return pos;
  packet_put(to, max, &pos, "", 1);
  packet_put(to, max, &pos, QV_MAGIC, QV_MAGIC_SIZE);
  packet_put(to, max, &pos, a->nonce, QV_NONCE_SIZE);
  packet_put_number(to, max, &pos, a->reason);
  whole = pos;
  if (a->user_len > user) packet_put_field(to, max, &whole, QV_FIELD_USER, a->user, a->user_len);
  if (a->counters) {
    const unsigned char type = QV_FIELD_COUNTERS;
    packet_put(to, max, &whole, &type, 1);
    packet_put_number(to, max, &whole, a->counters_len + 2);
    packet_put_number(to, max, &whole, a->counters_next);
    packet_put(to, max, &whole, a->counters, a->counters_len);
  }
  if (a->flush) {
    const unsigned char n[4] = {(unsigned char)(a->flushed >> 24 & 0xff), (unsigned char)(a->flushed >> 16 & 0xff),
                                (unsigned char)(a->flushed >> 8 & 0xff), (unsigned char)(a->flushed & 0xff)};
    packet_put_field(to, max, &whole, QV_FIELD_FLUSH, n, sizeof n);
  }
  return whole > max ? pos : whole;
}

#endif
