// qmail-smtpd.cpp - receives mail by SMTP: start, session, exit code.
//
// Replaces netqmail 1.06's qmail-smtpd; see qmail-smtpd(8). Run by tcpserver(1) or
// its like with the client on descriptors 0 and 1 and the log on 2. Exits 0 after
// QUIT, 1 after anything else.

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <memory>
#include <new>

#include "smtp/session.h"

namespace {

// A client or queue program that goes away is an error like others, and a queue
// program's exit status must be there to be read, whatever was inherited.
void set_signals() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
}

// No file or socket may come to stand where the client or the log is expected: a
// closed descriptor becomes one that can only be used the other way.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) == -1) open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY);
}

// The queue program is to inherit 0, 1 and 2 alone.
void close_others_on_exec() {
  const unsigned close_on_exec = 4;  // CLOSE_RANGE_CLOEXEC
  if (syscall(SYS_close_range, 3U, UINT_MAX, close_on_exec) == 0) return;
  for (int fd = 3; fd < 1024; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);  // before Linux 5.11
}

session *current;

void out_of_memory() {
  std::set_new_handler(nullptr);
  if (current) current->out_of_memory();
  _exit(1);
}

int serve() {
  session_host host{env_read(), {}, {}};
  queue_program queue(host.env.qmail_dir, host.env.queue);
  // Not on the stack: only the pages that are used need be there.
  const auto smtp = std::make_unique<session>(host, queue, 0, 1, 2);
  current = smtp.get();
  if (chdir(host.env.qmail_dir) == -1 || !host.rules.read(host.env)) return smtp->controls_unreadable();
  smtp->begin();
  if (!host.own.read()) return smtp->addresses_unknown();
  return smtp->run();
}

}  // namespace

int main() {
  set_signals();
  fill_standard_descriptors();
  close_others_on_exec();
  std::set_new_handler(out_of_memory);
  return serve();
}
