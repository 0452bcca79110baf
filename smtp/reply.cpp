// reply.cpp - see reply.h. Follows safewrite() in qmail-smtpd.c, timeoutread.c
// and timeoutwrite.c.

#include "reply.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <poll.h>
#include <unistd.h>

bool reply_wait(int fd, short events, int seconds) {
  pollfd one = {fd, events, 0};
  timespec limit = {seconds, 0};
  int ready;
  do ready = ppoll(&one, 1, &limit, nullptr);
  while (ready == -1 && errno == EINTR);
  return ready != 0;  // other trouble is for the read or write that follows to find
}

void reply_writer::put(std::string_view text) {
  if (text.size() > sizeof buffer_ - used_) flush();
  if (text.size() > sizeof buffer_) {
    send(text);
    return;
  }
  memcpy(buffer_ + used_, text.data(), text.size());
  used_ += text.size();
}

bool reply_writer::flush() {
  send(std::string_view(buffer_, used_));
  used_ = 0;
  return !failed_;
}

void reply_writer::send(std::string_view text) {
  while (!text.empty() && !failed_) {
    ssize_t n = reply_wait(fd_, POLLOUT, timeout_) ? write(fd_, text.data(), text.size()) : -1;
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else {
      failed_ = true;
      log_.say("Write error (disconnect?): quitting");
    }
  }
}
