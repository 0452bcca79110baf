// fuzz_packet.cpp - any bytes as a question and as an answer: nothing beyond them is
// read, what comes of them stands within them, what is written is what is read again,
// and an answer is never longer than it may be.
//
// The buffers have exactly the size that is told, so that a sanitizer sees whoever
// goes a byte too far.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

using bytes = std::vector<unsigned char>;

void require(bool holds) {
  if (!holds) abort();
}

bool within(const bytes &datagram, const void *part, size_t len) {
  if (part == nullptr || len == 0) return len == 0;
  const auto *begin = static_cast<const unsigned char *>(part);
  return begin >= datagram.data() && begin + len <= datagram.data() + datagram.size();
}

std::string_view text(const char *s, size_t len) { return len ? std::string_view(s, len) : std::string_view(); }

std::string_view text(const unsigned char *s, size_t len) { return text(reinterpret_cast<const char *>(s), len); }

std::string_view nonce(const packet_question &q) { return text(q.nonce, QV_NONCE_SIZE); }

std::string_view nonce(const packet_answer &a) { return text(a.nonce, QV_NONCE_SIZE); }

// ---- questions

void is_well_formed(const bytes &datagram, const packet_question &q) {
  require(within(datagram, q.address, q.address_len));
  require(text(q.address, q.address_len).find('\0') == std::string_view::npos);
  require(q.address_len == datagram.size() || datagram[q.address_len] == 0);
  require(q.extended ? within(datagram, q.nonce, QV_NONCE_SIZE) : !q.nonce && !q.client && !q.sender);
  require(q.client ? (q.client_len == 4 || q.client_len == 16) && within(datagram, q.client, q.client_len)
                   : q.client_len == 0);
  require(q.sender ? within(datagram, q.sender, q.sender_len) : q.sender_len == 0);
}

void is_same(const packet_question &a, const packet_question &b) {
  require(text(a.address, a.address_len) == text(b.address, b.address_len) && a.extended == b.extended);
  require(!a.client == !b.client && text(a.client, a.client_len) == text(b.client, b.client_len));
  require(!a.sender == !b.sender && text(a.sender, a.sender_len) == text(b.sender, b.sender_len));
  if (a.extended) require(nonce(a) == nonce(b));
}

bytes write(const packet_question &q, size_t max) {
  bytes out(max);
  const size_t len = packet_write_question(&q, out.data(), max);
  require(len <= max);
  out.resize(len);
  return out;
}

void rewrite(const packet_question &q) {
  const size_t head = q.address_len + 1, extension = QV_MAGIC_SIZE + QV_NONCE_SIZE + 6 + q.client_len + q.sender_len;
  const bytes out = write(q, head + extension);
  require(!out.empty());
  packet_question again;
  require(packet_read_question(out.data(), out.size(), &again) == 0);
  is_well_formed(out, again);
  is_same(q, again);
  require(write(q, out.size()) == out && write(q, out.size() - 1).empty());
}

// ---- answers

void is_well_formed(const bytes &datagram, const packet_answer &a) {
  require(within(datagram, a.user, a.user_len) && text(a.user, a.user_len).find('\0') == std::string_view::npos);
  require(a.status == datagram[0]);
  require(a.extended ? within(datagram, a.nonce, QV_NONCE_SIZE) : !a.nonce);
}

bytes write(const packet_answer &a, size_t max) {
  bytes out(max);
  const size_t len = packet_write_answer(&a, out.data(), max);
  require(len <= max);
  out.resize(len);
  return out;
}

// What was written says the same, but for the end of a user that does not fit.
void rewrite(const packet_answer &a, size_t max) {
  const bytes out = write(a, max);
  const size_t frame = a.extended ? 4 + QV_MAGIC_SIZE + QV_NONCE_SIZE : 1;
  require(out.empty() == (max < frame));
  if (out.empty()) return;
  packet_answer again;
  require(packet_read_answer(out.data(), out.size(), &again) == 0);
  is_well_formed(out, again);
  require(a.status == again.status && a.extended == again.extended && a.reason == again.reason);
  require(text(a.user, a.user_len).starts_with(text(again.user, again.user_len)));
  const bool room = a.extended && max >= frame + QV_USER_MAX + 3 + a.user_len;
  if (room || (a.user_len <= QV_USER_MAX && max >= frame + a.user_len)) require(again.user_len == a.user_len);
  if (a.extended) require(nonce(a) == nonce(again));
}

// The longest answer to a question.
size_t longest(const packet_question &q, size_t question_len) {
  return q.extended ? std::min(2 * question_len, size_t{QV_REPLY_MAX}) : size_t{QV_PLAIN_REPLY_MAX};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const bytes datagram(data, data + size);
  packet_question q;
  const bool asked = packet_read_question(datagram.data(), size, &q) == 0;
  is_well_formed(datagram, q);
  if (asked) rewrite(q);

  packet_answer a;
  if (packet_read_answer(datagram.data(), size, &a) != 0) return 0;
  is_well_formed(datagram, a);
  if (!a.extended) a.reason = 0;
  for (const size_t max : {size_t{0}, size_t{1}, size_t{27}, size_t{28}, size_t{29}, size_t{QV_PLAIN_REPLY_MAX},
                           size_t{QV_REPLY_MAX}, size, size + QV_USER_MAX + 3 + 28})
    rewrite(a, max);

  // an answer to the question, with the first bytes of the address as its user
  if (!asked) return 0;
  packet_answer reply{};
  reply.status = datagram.empty() ? 0 : datagram[0];
  reply.user = q.address;
  reply.user_len = q.address_len;
  reply.extended = q.extended;
  reply.nonce = q.nonce;
  reply.reason = q.extended ? QV_REASON_NO_MAILBOX : 0;
  rewrite(reply, longest(q, size));
  require(write(reply, longest(q, size)).size() <= std::max(2 * size, size_t{QV_PLAIN_REPLY_MAX}));
  return 0;
}
