// fuzz_seal.cpp - any bytes as a datagram between daemons that share keys: none is good that was
// not sealed; what is sealed is good, in its own direction, for its own address, by its own key,
// and not with a byte of it changed, taken off or put behind.
//
// The buffers have exactly the size that is told, so that a sanitizer sees whoever goes a
// byte too far.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "hub/seal.h"
#include "packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

// Made at each start: no input that is kept can have a code of theirs by accident.
constexpr char KEYS[] =
    "here:00112233445566778899aabbccddeeff:192.0.2.0/24\n"
    "all:0123456789abcdef0123456789abcdef\n";

void require(bool holds) {
  if (!holds) abort();
}

using bytes = std::vector<char>;

std::string_view view(const bytes &b) { return {b.data(), b.size()}; }

struct checker {
  checker() : keys(KEYS, complaints) {
    const unsigned char four[4] = {192, 0, 2, 7}, other[4] = {198, 51, 100, 1};
    peer = ip_of(four, sizeof four);
    stranger = ip_of(other, sizeof other);
    here = keys.find("here", peer);
    all = keys.find("all", peer);
    require(complaints.empty() && here && all);
  }

  seal_state question(std::string_view datagram, const ip_address &from, const key_entry *&by) const {
    const bytes exact(datagram.begin(), datagram.end());
    const seal_state state = seal_check_question(keys, from, view(exact), by);
    require((by != nullptr) == (state == seal_state::good));
    return state;
  }
  seal_state answer(std::string_view datagram, std::string_view address) const {
    const bytes exact(datagram.begin(), datagram.end());
    return seal_check_answer(*all, address, view(exact));
  }

  std::vector<std::string> complaints;
  keys_table keys;
  ip_address peer, stranger;
  const key_entry *here, *all;
};

// Calls each with the datagram changed in one place, chosen by the input.
template <class Each>
void damaged(const bytes &sealed, size_t chosen, Each each) {
  bytes other = sealed;
  const size_t at = chosen % sealed.size();
  other[at] = static_cast<char>(other[at] ^ (1 << chosen % 8));
  each(other);
  each(bytes(sealed.begin(), sealed.end() - 1 - static_cast<long>(chosen % 19)));
  other = sealed;
  other.push_back('\0');
  each(other);
}

void questions(const checker &c, std::string_view datagram, size_t chosen) {
  const key_entry *by;
  const seal_state before = c.question(datagram, c.peer, by);
  require(before != seal_state::good);
  bytes room(datagram.begin(), datagram.end());
  room.resize(datagram.size() + SEAL_MAX);
  require(seal_question(*c.here, room.data(), datagram.size(), datagram.size()) == 0);
  const size_t len = seal_question(*c.here, room.data(), datagram.size(), room.size());
  require((len != 0) == (packet_is_extended(datagram.data(), datagram.size()) != 0));
  if (!len) return require(before == seal_state::none);
  room.resize(len);
  // behind another code there is no good one, nor behind fields that are cut, which may even swallow it
  packet_question q;
  const bool whole = packet_read_question(datagram.data(), datagram.size(), &q) == 0;
  const seal_state sealed = c.question(view(room), c.peer, by);
  require((sealed == seal_state::good) == (whole && before == seal_state::none));
  if (sealed != seal_state::good) return;
  require(by == c.here && c.question(view(room), c.stranger, by) == seal_state::bad);
  require(c.answer(view(room), "") != seal_state::good);
  damaged(room, chosen, [&](const bytes &other) { require(c.question(view(other), c.peer, by) != seal_state::good); });

  bytes reply(datagram.begin(), datagram.end());
  reply.resize(datagram.size() + SEAL_MAX);
  const size_t replied = seal_reply(c.keys, c.peer, view(room), reply.data(), datagram.size(), reply.size());
  require(replied >= datagram.size() && replied <= reply.size());
  require(seal_reply(c.keys, c.stranger, view(room), reply.data(), datagram.size(), reply.size()) == datagram.size());
}

void answers(const checker &c, std::string_view datagram, size_t chosen) {
  const std::string_view address = "joe@example.org";
  const key_entry *by;
  const seal_state before = c.answer(datagram, address);
  require(before != seal_state::good);
  bytes room(datagram.begin(), datagram.end());
  room.resize(datagram.size() + SEAL_MAX);
  const size_t len = seal_answer(*c.all, address, room.data(), datagram.size(), room.size());
  if (!len) return require(before == seal_state::none);
  room.resize(len);
  packet_answer a;
  const bool whole = packet_read_answer(datagram.data(), datagram.size(), &a) == 0;
  const seal_state sealed = c.answer(view(room), address);
  require((sealed == seal_state::good) == (whole && before == seal_state::none));
  if (sealed != seal_state::good) return;
  require(c.answer(view(room), "Joe@example.org") == seal_state::bad && c.answer(view(room), "") == seal_state::bad);
  require(c.question(view(room), c.peer, by) != seal_state::good);
  require(seal_check_answer(*c.here, address, view(room)) == seal_state::bad);
  damaged(room, chosen, [&](const bytes &other) { require(c.answer(view(other), address) != seal_state::good); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const checker c;
  if (size > 66000) return 0;
  const std::string_view datagram(reinterpret_cast<const char *>(data), size);
  const size_t chosen = size ? data[size - 1] + size_t{data[size / 2]} * 7 + size : 0;
  questions(c, datagram, chosen);
  answers(c, datagram, chosen);
  return 0;
}
