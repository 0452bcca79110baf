// line.cpp - see line.h.

#include "line.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

line_input::line_input(int fd, reply_writer &replies, session_log &log)
    : fd_(fd), replies_(replies), log_(log), block_(new char[BLOCK]) {}

std::string_view line_input::peek() {
  if (first_ == end_ && !fill()) return {};
  return std::string_view(block_.get() + first_, end_ - first_);
}

bool line_input::fill() {
  if (!replies_.flush()) return false;
  if (!reply_wait(fd_, POLLIN, timeout_)) {
    log_.say("Connection timed out: quitting");
    replies_.put(reply_timeout);
    replies_.flush();
    return false;
  }
  ssize_t n = read(fd_, block_.get(), BLOCK);
  if (n <= 0) {
    log_.say("Read error (disconnect?): quitting");
    return false;
  }
  first_ = 0;
  end_ = static_cast<size_t>(n);
  return true;
}

void line_splitter::feed(std::string_view piece) {
  if (over_) return;
  const size_t nul = piece.find('\0');
  over_ = nul != piece.npos;
  piece = piece.substr(0, nul);
  if (held_cr_ && (!piece.empty() || over_)) {
    held_cr_ = false;
    take("\r");
  }
  if (!over_ && !piece.empty() && piece.back() == '\r') {
    held_cr_ = true;
    piece.remove_suffix(1);
  }
  take(piece);
}

void line_splitter::end() {
  if (state_ == State::verb) listener_.verb(std::string_view(verb_, verb_len_));
}

void line_splitter::take(std::string_view piece) {
  if (state_ == State::verb) take_verb(piece);
  if (state_ == State::blanks) {
    piece.remove_prefix(std::min(piece.find_first_not_of(' '), piece.size()));
    if (!piece.empty()) state_ = State::argument;
  }
  if (state_ == State::argument && !piece.empty()) listener_.argument(piece);
}

void line_splitter::take_verb(std::string_view &piece) {
  const size_t blank = piece.find(' ');
  for (char c : piece.substr(0, blank)) {
    if (verb_len_ == LINE_VERB_MAX) break;
    verb_[verb_len_++] = c;
  }
  piece.remove_prefix(std::min(blank, piece.size()));
  if (piece.empty()) return;
  state_ = State::blanks;
  listener_.verb(std::string_view(verb_, verb_len_));
}

bool line_read(line_input &input, line_listener &listener) {
  line_splitter line(listener);
  for (;;) {
    const std::string_view there = input.peek();
    if (there.empty()) return false;
    const size_t end = there.find('\n');
    line.feed(there.substr(0, end));
    if (end != there.npos) {
      input.skip(end + 1);
      line.end();
      return true;
    }
    input.skip(there.size());
  }
}
