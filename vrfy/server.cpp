// server.cpp - see server.h.

#include "server.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>

#include "qmail-verify.h"

namespace {

constexpr unsigned AT_ONCE = 64;  // datagrams in one call
// When one that refuses is tried again, counted from the first time: supervise starts a
// daemon anew after one second.
constexpr long long RETRY_MS[] = {300, 1000, 2200};

// As many datagrams as one call takes, each with a buffer of its own.
struct datagrams {
  std::array<mmsghdr, AT_ONCE> header{};
  std::array<iovec, AT_ONCE> part{};

  void set(unsigned i, const void *bytes, size_t len) {
    part[i] = {const_cast<void *>(bytes), len};
    header[i].msg_hdr.msg_iov = &part[i];
    header[i].msg_hdr.msg_iovlen = 1;
  }
};

bool would_wait(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

std::string vrfy_server::trouble() const {
  if (is_unix() && error_ == EAGAIN) return "too many are waiting there";
  if (error_ == ECONNREFUSED) return "connection refused";
  if (error_ == EPIPE || error_ == ECONNRESET) return "connection closed";
  return strerror(error_);
}

// As verifyrcpt.c has it: as if the daemon were not there, or not there any more. A
// connection that has worked may have been closed because nothing was asked for a
// minute: it is made anew at once.
void vrfy_server::failed(int error, long long now_ms) {
  const bool refusal =
      error == ECONNREFUSED || (is_unix() && (error == ENOENT || error == EAGAIN || error == EPIPE || error == ECONNRESET));
  if (state_ != State::usable) return;
  changed_ = true;
  posted_.clear();
  error_ = error;
  if (is_unix()) socket_.reset();
  if (is_unix() && refusal && std::exchange(answered_, false)) return;
  if (retries_ == 0) refused_ms_ = now_ms;
  state_ = refusal && retries_ < std::size(RETRY_MS) ? State::refused : State::down;
}

void vrfy_server::flush(const std::function<std::string_view(unsigned number)> &bytes, long long now_ms) {
  if (state_ != State::usable || posted_.empty()) return;
  if (!socket_) socket_.reset(connect_udp(&endpoint_));
  if (!socket_) return failed(errno, now_ms);
  size_t sent = 0;
  while (sent < posted_.size()) {
    datagrams out;
    const auto n = static_cast<unsigned>(std::min<size_t>(AT_ONCE, posted_.size() - sent));
    for (unsigned i = 0; i < n; ++i) {
      const std::string_view one = bytes(posted_[sent + i]);
      out.set(i, one.data(), one.size());
    }
    const int taken = sendmmsg(fd(), out.header.data(), n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken > 0) {
      sent += static_cast<unsigned>(taken);
    } else if (errno == ENOBUFS || errno == EMSGSIZE) {
      ++sent;  // one that is lost
    } else if (errno != EINTR) {
      if (!would_wait(errno)) return failed(errno, now_ms);
      break;
    }
  }
  posted_.erase(posted_.begin(), posted_.begin() + static_cast<std::ptrdiff_t>(sent));
}

void vrfy_server::hear(const std::function<void(std::string_view datagram)> &heard, long long now_ms) {
  static std::array<std::array<char, QV_REPLY_MAX>, AT_ONCE> buffer;
  while (socket_) {
    datagrams in;
    for (unsigned i = 0; i < AT_ONCE; ++i) in.set(i, buffer[i].data(), buffer[i].size());
    const int n = recvmmsg(fd(), in.header.data(), AT_ONCE, MSG_DONTWAIT, nullptr);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) {
      if (!would_wait(errno)) failed(errno, now_ms);
      return;
    }
    for (int i = 0; i < n; ++i) {
      const size_t len = in.header[static_cast<size_t>(i)].msg_len;
      if (len == 0 && is_unix()) return failed(ECONNRESET, now_ms);  // its end
      if (state_ == State::usable) heard({buffer[static_cast<size_t>(i)].data(), len});
    }
    if (n < static_cast<int>(AT_ONCE)) return;
  }
}

void vrfy_server::has_answered() {
  answered_ = true;
  retries_ = 0;
}

bool vrfy_server::has_changed() { return std::exchange(changed_, false); }

long long vrfy_server::retry_ms() const {
  return state_ == State::refused ? refused_ms_ + RETRY_MS[retries_] : LLONG_MAX;
}

void vrfy_server::retry() {
  int error;
  socklen_t len = sizeof error;
  if (socket_) getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &len);  // of before
  state_ = State::usable;
  ++retries_;
}

void vrfy_server::reset() {
  retry();
  retries_ = 0;
  posted_.clear();
}
