// seal.cpp - see seal.h, and qmail-verify-packet(5) for the bytes that are summed.
//
// They begin with the direction, so that no question can be handed back as an answer, and each
// part of unknown length has its length before it, so that no two inputs read the same.

#include "seal.h"

#include <cstring>
#include <string>

#include "packet.h"
#include "siphash.h"

namespace {

constexpr size_t SUM_BYTES = std::tuple_size_v<siphash_sum>;
constexpr size_t PART_MAX = 0xffff;  // of an address, whose length takes two bytes
constexpr char QUESTION = 'q', ANSWER = 'a';

const unsigned char *bytes_of(std::string_view datagram) {
  return reinterpret_cast<const unsigned char *>(datagram.data());
}

// Which way a datagram goes, and what of an answer does not stand in it.
struct direction {
  char letter;
  std::string_view address;
};

siphash_sum sum_of(const key_entry &key, const direction &way, std::string_view sealed) {
  std::string all(1, way.letter);
  all.reserve(4 + key.id.size() + way.address.size() + sealed.size());
  all += static_cast<char>(key.id.size());
  all += key.id;
  all += {static_cast<char>(way.address.size() >> 8), static_cast<char>(way.address.size() & 0xff)};
  all.append(way.address).append(sealed);
  return siphash(key.secret, all.data(), all.size());
}

// Where the fields begin; 0: it is no extended datagram.
size_t question_fields(std::string_view datagram) {
  const unsigned char *bytes = bytes_of(datagram);
  return packet_extension(bytes, datagram.size(), packet_first_nul(bytes, datagram.size()));
}

size_t answer_fields(std::string_view datagram) {
  if (datagram.empty()) return 0;
  const unsigned char *bytes = bytes_of(datagram);
  const size_t nul = 1 + packet_first_nul(bytes + 1, datagram.size() - 1);
  const size_t reason = packet_extension(bytes, datagram.size(), nul);
  return reason && datagram.size() - reason >= 2 ? reason + 2 : 0;
}

size_t append(const key_entry &key, const direction &way, char *datagram, size_t len, size_t max) {
  const siphash_sum sum = sum_of(key, way, {datagram, len});
  unsigned char value[SUM_BYTES + KEY_ID_MAX];
  size_t pos = len;
  memcpy(value, sum.data(), SUM_BYTES);
  memcpy(value + SUM_BYTES, key.id.data(), key.id.size());
  packet_put_field(reinterpret_cast<unsigned char *>(datagram), max, &pos, QV_FIELD_MAC, value,
                   SUM_BYTES + key.id.size());
  return pos > max ? 0 : pos;
}

struct seal {
  seal_state state = seal_state::none;  // never good: that takes a key
  std::string_view sealed, id;
  const unsigned char *sum = nullptr;  // null: there is none, or it cannot be one
};

// The field at the end of a datagram whose fields begin at pos (0: it has none). One that is
// not the last, and an extension that is cut, is bad.
seal seal_of(std::string_view datagram, size_t pos) {
  seal found;
  packet_field f;
  if (!pos) return found;
  for (;;) {
    const size_t begin = pos;
    const int more = packet_next_field(bytes_of(datagram), datagram.size(), &pos, &f);
    if (more == 0) return found;
    if (more < 0 || f.type == QV_FIELD_MAC) found.state = seal_state::bad;
    if (more < 0) return found;
    if (f.type != QV_FIELD_MAC) continue;
    if (pos != datagram.size() || f.len <= SUM_BYTES || f.len > SUM_BYTES + KEY_ID_MAX) return found;
    found.sealed = datagram.substr(0, begin);
    found.sum = f.value;
    found.id = {reinterpret_cast<const char *>(f.value) + SUM_BYTES, f.len - SUM_BYTES};
    return found;
  }
}

seal_state judged(const seal &found, const key_entry *key, const direction &way) {
  if (!found.sum || !key || key->id != found.id) return found.state;
  return siphash_equal(sum_of(*key, way, found.sealed), found.sum) ? seal_state::good : seal_state::bad;
}

}  // namespace

size_t seal_question(const key_entry &key, char *datagram, size_t len, size_t max) {
  return question_fields({datagram, len}) ? append(key, {QUESTION, {}}, datagram, len, max) : 0;
}

size_t seal_answer(const key_entry &key, std::string_view address, char *datagram, size_t len, size_t max) {
  if (address.size() > PART_MAX || !answer_fields({datagram, len})) return 0;
  return append(key, {ANSWER, address}, datagram, len, max);
}

seal_state seal_check_question(const keys_table &keys, const ip_address &peer, std::string_view datagram,
                               const key_entry *&key) {
  const seal found = seal_of(datagram, question_fields(datagram));
  const key_entry *named = found.sum ? keys.find(found.id, peer) : nullptr;
  const seal_state state = judged(found, named, {QUESTION, {}});
  key = state == seal_state::good ? named : nullptr;
  return state;
}

size_t seal_reply(const keys_table &keys, const ip_address &peer, std::string_view question, char *answer, size_t len,
                  size_t max) {
  const key_entry *key;
  if (seal_check_question(keys, peer, question, key) != seal_state::good) return len;
  const size_t sealed = seal_answer(*key, question.substr(0, question.find('\0')), answer, len, max);
  return sealed ? sealed : len;
}

seal_state seal_check_answer(const key_entry &key, std::string_view address, std::string_view datagram) {
  if (address.size() > PART_MAX) return seal_state::bad;
  return judged(seal_of(datagram, answer_fields(datagram)), &key, {ANSWER, address});
}
