// path.cpp - see path.h.

#include "path.h"

#include <algorithm>
#include <utility>

// ---- [a.b.c.d]

// An octet is taken modulo 256, however many digits it has.
void path_literal::feed(char c) {
  switch (state_) {
    case State::bracket: state_ = c == '[' ? State::first_digit : State::none; break;
    case State::first_digit:
    case State::digits: digit_or_end(c); break;
    case State::none:
    case State::closed: state_ = State::none; break;
  }
}

void path_literal::digit_or_end(char c) {
  const bool digits = state_ == State::digits;
  if (c >= '0' && c <= '9') {
    ip_[octet_] = static_cast<uint8_t>(ip_[octet_] * 10 + (c - '0'));
    state_ = State::digits;
  } else if (digits && c == '.' && octet_ < 3) {
    ++octet_;
    state_ = State::first_digit;
  } else {
    state_ = digits && c == ']' && octet_ == 3 ? State::closed : State::none;
  }
}

// ---- the address

void path_parser::begin() {
  angle_ = false;
  begin_address(State::colon, ' ');
}

void path_parser::begin_address(State state, char terminator) {
  state_ = state;
  terminator_ = terminator;
  escaped_ = quoted_ = false;
  kept_.clear();
  len_ = after_at_ = 0;
  literal_ = path_literal();
}

// The first '<' wins wherever it stands: what was read without it is forgotten.
void path_parser::feed(std::string_view piece) {
  if (!angle_) {
    const size_t angle = piece.find('<');
    for (char c : piece.substr(0, angle)) feed(c);
    if (angle == piece.npos) return;
    angle_ = true;
    begin_address(State::first, '>');
    piece.remove_prefix(angle + 1);
  }
  for (char c : piece) {
    if (state_ == State::done) return;
    feed(c);
  }
}

void path_parser::feed(char c) {
  switch (state_) {
    case State::colon:
      if (c == ':') state_ = State::blanks;
      return;
    case State::blanks:
      if (c == ' ') return;
      [[fallthrough]];
    case State::first:
      state_ = c == '@' ? State::route : State::copy;
      if (state_ == State::copy) copy(c);
      return;
    case State::route:
      if (c == ':') state_ = State::copy;
      return;
    case State::copy: copy(c); return;
    case State::done: return;
  }
}

void path_parser::copy(char c) {
  if (escaped_) {
    escaped_ = false;
    append(c);
  } else if (!quoted_ && c == terminator_) {
    state_ = State::done;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    quoted_ = !quoted_;
  } else {
    append(c);
  }
}

void path_parser::append(char c) {
  ++len_;
  if (kept_.size() <= PATH_ADDRESS_MAX) kept_.push_back(c);
  if (c == '@') {
    after_at_ = len_;
    literal_.at();
  } else {
    literal_.feed(c);
  }
}

path_result path_parser::end(const path_host &host) {
  path_result result;
  if (host.name && literal_.complete() && host.own.has(literal_.ip())) {
    kept_.resize(std::min(kept_.size(), after_at_));
    kept_.append(*host.name);
    len_ = after_at_ + host.name->size();
  }
  result.size = len_ + 1;
  result.parsed = address(std::exchange(kept_, std::string()));
  return result;
}
