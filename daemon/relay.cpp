// relay.cpp - see relay.h.

#include "relay.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace {

bool send_both(int fd, const void *head, size_t head_len, const void *bytes, size_t len) {
  iovec parts[2] = {{const_cast<void *>(head), head_len}, {const_cast<void *>(bytes), len}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  ssize_t n;
  do n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n == -1 && errno == EINTR);
  return n != -1;
}

// The same question, with zeros where the structure has holes: nothing that happened to
// be on the stack goes through the socket.
void fill_holes(const board_question &from, board_question &to) {
  memset(static_cast<void *>(&to), 0, sizeof to);
  to.ticket = from.ticket;
  to.asker.from.addr = from.asker.from.addr;
  to.asker.from.len = from.asker.from.len;
  to.asker.socket = from.asker.socket;
  memcpy(to.asker.local, from.asker.local, sizeof to.asker.local);
  to.asker.local_size = from.asker.local_size;
  to.again = from.again;
}

// The length of what stands behind the head, or -1.
ssize_t receive_both(int fd, void *head, size_t head_len, void *bytes, size_t max) {
  iovec parts[2] = {{head, head_len}, {bytes, max}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  ssize_t n;
  do n = recvmsg(fd, &message, MSG_DONTWAIT);
  while (n == -1 && errno == EINTR);
  return n < static_cast<ssize_t>(head_len) ? -1 : n - static_cast<ssize_t>(head_len);
}

}  // namespace

bool relay::open() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1) return false;
  parent_.reset(fds[0]);
  worker_.reset(fds[1]);
  const int room = 1 << 20;  // as far as the system allows it
  for (const int fd : fds) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  buffer_.resize(QV_QUESTION_MAX);
  return true;
}

bool relay::ask(const board_question &question, const void *datagram, size_t len) {
  board_question head;
  fill_holes(question, head);
  return len <= QV_QUESTION_MAX && send_both(parent_.get(), &head, sizeof head, datagram, len);
}

bool relay::take(board_question &question, char *datagram, size_t &len) {
  const ssize_t n = receive_both(worker_.get(), &question, sizeof question, datagram, QV_QUESTION_MAX);
  if (n != -1) len = static_cast<size_t>(n);
  return n != -1;
}

bool relay::tell(const relay_message &message, const void *bytes, size_t len) {
  return send_both(worker_.get(), &message, sizeof message, bytes, len);
}

bool relay::hear(relay_message &message, const char *&bytes, size_t &len) {
  const ssize_t n = receive_both(parent_.get(), &message, sizeof message, buffer_.data(), buffer_.size());
  if (n == -1) return false;
  bytes = buffer_.data();
  len = static_cast<size_t>(n);
  return true;
}
