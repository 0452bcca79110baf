// seal.h - the message authentication codes between daemons on different hosts.
//
// A datagram is sealed by a last field, QV_FIELD_MAC: SipHash-2-4-128 of the direction, the
// key's id, for an answer the address that was asked for, and all bytes of the datagram
// before that field (address, nonce, hop, answer, reason ...), then the key's id. It stands
// at the very end of the datagram, or it is not good. qmail-verify-packet(5) has the bytes.

#ifndef HUB_SEAL_H
#define HUB_SEAL_H

#include <cstddef>
#include <string_view>

#include "qmail/keys_table.h"

// The most bytes that sealing adds.
constexpr size_t SEAL_MAX = 3 + 16 + KEY_ID_MAX;

enum class seal_state {
  none,  // no such field
  good,
  bad    // another key, or other bytes than were sealed, or a key that is not for this peer; also a
         // datagram whose fields are cut
};

// Appends the field to an extended question of len bytes in a buffer of max bytes. The new
// length; 0: no room, or it is not extended.
size_t seal_question(const key_entry &key, char *datagram, size_t len, size_t max);
// The same for the answer to a question about this address.
size_t seal_answer(const key_entry &key, std::string_view address, char *datagram, size_t len, size_t max);

// What is to be said of a question from this peer. key: by which key it is good, in keys; else
// null.
seal_state seal_check_question(const keys_table &keys, const ip_address &peer, std::string_view datagram,
                               const key_entry *&key);
// The answer to this question, sealed with the key by which the question is good; as it is
// where that has no such field or none that is good, or where there is no room. The new length.
size_t seal_reply(const keys_table &keys, const ip_address &peer, std::string_view question, char *answer, size_t len,
                  size_t max);
// Of an answer to a question about this address that was sealed with this key. That its nonce is
// the question's is for the caller to see: an older answer is good, too.
seal_state seal_check_answer(const key_entry &key, std::string_view address, std::string_view datagram);

#endif
