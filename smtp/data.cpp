// data.cpp - see data.h.

#include "data.h"

#include <algorithm>
#include <cstring>
#include <memory>

// ---- the message

namespace {

using At = data_scanner::At;
using State = data_scanner::State;

// One byte: where that leads to, and what it puts out. In the loop of scan() both
// are in registers, which is what makes a message of very short lines cheap.
inline State take(char c, At &at, char *&out) {
  switch (at) {
    case At::line_begin:
      if (c == '.') {
        at = At::dot;
        return State::more;
      }
      break;
    case At::dot:
      if (c == '\r') {
        at = At::dot_cr;
        return State::more;
      }
      break;
    case At::dot_cr:
      if (c == '\n') return State::end;
      *out++ = '.';  // it was not the end of the message: this dot stays
      *out++ = '\r';
      break;
    case At::cr:
      if (c == '\n') {
        *out++ = '\n';
        at = At::line_begin;
        return State::more;
      }
      *out++ = '\r';
      break;
    case At::line: break;
  }
  if (c == '\n') return State::stray_newline;
  at = c == '\r' ? At::cr : At::line;
  if (c != '\r') *out++ = c;
  return State::more;
}

}  // namespace

// Bytes are looked at one by one where a line begins; from there the rest of the
// line is found and moved as a whole.
data_scanner::step data_scanner::scan(std::string_view in, char *const out) {
  const char *from = in.data(), *const end = from + in.size();
  char *to = out;
  At at = at_;
  State state = State::more;
  while (from != end && state == State::more) {
    if (at != At::line) {
      state = take(*from++, at, to);
      continue;
    }
    const size_t left = static_cast<size_t>(end - from);
    const char *lf = static_cast<const char *>(memchr(from, '\n', left));
    const char *stop = lf ? lf : end;
    // A CR just before it waits for what comes: it may belong to the line's end.
    if (stop != from && stop[-1] == '\r') {
      at = At::cr;
      --stop;
    } else if (lf) {
      state = State::stray_newline;
    }
    const size_t length = static_cast<size_t>(stop - from);
    memcpy(to, from, length);
    to += length;
    from = stop + (at == At::cr || lf ? 1 : 0);
  }
  at_ = at;
  return {static_cast<size_t>(from - in.data()), static_cast<size_t>(to - out), state};
}

// ---- hops

void data_hops::begin_line() {
  pos_ = 0;
  received_ = delivered_ = blank_ = true;
}

void data_hops::feed(std::string_view raw) {
  while (header_ && !raw.empty()) {
    const bool undecided = pos_ < 9 && (received_ || delivered_ || blank_);
    const size_t skip = undecided ? 0 : raw.find('\n');
    if (skip == raw.npos) return;
    raw.remove_prefix(skip);
    byte(raw.front());
    raw.remove_prefix(1);
  }
}

// No header is so long that the number begins anew.
void data_hops::one_more() {
  if (count_ < MAX) ++count_;
}

void data_hops::byte(char c) {
  // Each letter may be of either case.
  auto is = [this, c](const char *lower, const char *upper) { return c == lower[pos_] || c == upper[pos_]; };
  if (pos_ < 9) {
    delivered_ = delivered_ && is("delivered", "DELIVERED");
    if (delivered_ && pos_ == 8) one_more();
    received_ = received_ && pos_ < 8 && is("received", "RECEIVED");
    if (received_ && pos_ == 7) one_more();
    blank_ = blank_ && pos_ < 2 && c == "\r\n"[pos_];
    if (blank_ && pos_ == 1) header_ = false;
    ++pos_;
  }
  if (c == '\n') begin_line();
}

// ---- both

data_message data_receive(line_input &input, queue &to, unsigned databytes) {
  data_message message;
  data_scanner scanner;
  data_hops hops;
  const std::unique_ptr<char[]> out(new char[line_input::BLOCK + data_scanner::OUT_EXTRA]);
  while (message.state == data_scanner::State::more) {
    const std::string_view there = input.peek();
    if (there.empty()) return message;
    const data_scanner::step step = scanner.scan(there, out.get());
    hops.feed(there.substr(0, step.used));
    input.skip(step.used);
    message.state = step.state;
    message.bytes += step.produced;
    message.too_long = databytes && message.bytes > databytes;
    if (message.too_long) to.fail();
    to.put(std::string_view(out.get(), step.produced));
  }
  message.hops = hops.count();
  if (message.looping()) to.fail();
  return message;
}
