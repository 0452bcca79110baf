// lines.cpp - see lines.h.

#include "lines.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "asker.h"

namespace {
constexpr size_t PIECE = 65536;  // read at once
}

bool vrfy_lines::open(const std::string &name) {
  struct stat st;
  name_ = name == "-" ? "standard input" : vrfy_safe(name);
  if (name != "-") own_.reset(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  fd_ = name == "-" ? STDIN_FILENO : own_.get();
  if (fd_ == -1 || fstat(fd_, &st) == -1) {
    vrfy_say_errno("cannot open " + name_, errno);
    return false;
  }
  if (S_ISREG(st.st_mode)) size_ = st.st_size;
  terminal_ = isatty(fd_);
  return true;
}

// One more piece of the file, or its end.
void vrfy_lines::fill() {
  held_.erase(0, begin_);
  end_ -= begin_;
  seen_ -= begin_;
  begin_ = 0;
  const size_t before = held_.size();
  held_.resize(before + PIECE);
  ssize_t n;
  do n = read(fd_, held_.data() + before, PIECE);
  while (n == -1 && errno == EINTR);
  if (n == -1) {
    vrfy_say_errno("cannot read " + name_, errno);
    failed_ = true;
  }
  held_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  read_ += std::max<ssize_t>(n, 0);
  eof_ = n <= 0;
}

// A line that is too long already is not kept as it grows.
void vrfy_lines::cut_off() {
  if (held_.size() - begin_ <= VRFY_ADDRESS_MAX + 1) return;
  held_.resize(begin_ + VRFY_ADDRESS_MAX + 1);
  seen_ = held_.size();
  cut_ = true;
}

// Is there a whole line? Then it is from begin_ to end_.
bool vrfy_lines::whole_line() {
  const size_t newline = held_.find('\n', seen_);
  seen_ = end_ = newline == std::string::npos ? held_.size() : newline;
  if (newline != std::string::npos) return true;
  if (!eof_) cut_off();
  return eof_ && begin_ < held_.size();
}

void vrfy_lines::drop_line() {
  begin_ = seen_ = end_ = std::min(end_ + 1, held_.size());
  cut_ = false;
  ++number_;
}

bool vrfy_lines::ready() {
  while (!whole_line() && !eof_) {
    pollfd p{fd_, POLLIN, 0};
    if (poll(&p, 1, 0) == 0) return false;
    fill();
  }
  return true;
}

bool vrfy_lines::next(std::string &line) {
  while (!whole_line()) {
    if (eof_) return false;
    fill();
  }
  const bool carriage = begin_ < end_ && end_ < held_.size() && held_[end_ - 1] == '\r';
  line.assign(held_, begin_, end_ - begin_ - carriage);
  const auto where = [&] { return name_ + ", line " + std::to_string(number_ + 1); };
  if (cut_ || line.size() > VRFY_ADDRESS_MAX) {
    line.resize(VRFY_ADDRESS_MAX + 1);
    many_.say(where(), "longer than any address");
  } else if (line.find('\0') != std::string::npos) {
    many_.say(where(), "there is a NUL in it, which no address can have");
  }
  drop_line();
  return true;
}
