// queue.cpp - see queue.h.

#include "queue.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

// ---- envelope

namespace {
constexpr size_t BLOCK = 65536;
}

void envelope::begin(std::string_view sender) {
  sender_ = sender;
  blocks_.clear();
  size_ = 0;
  count_ = 0;
}

bool envelope::room_for(std::string_view recipient) const { return recipient.size() + 2 <= RECIPIENTS_MAX - size_; }

bool envelope::add(std::string_view recipient) {
  if (!room_for(recipient)) return false;
  const size_t size = recipient.size() + 2;
  // The first block grows as it is needed: most messages have few recipients.
  if (blocks_.empty()) blocks_.emplace_back();
  if (blocks_.back().size() + size > BLOCK && !blocks_.back().empty()) blocks_.emplace_back().reserve(BLOCK);
  blocks_.back().append(1, 'T').append(recipient).append(1, '\0');
  size_ += size;
  ++count_;
  return true;
}

// ---- exit status

queue_result queue_explain(int wait_status, bool failed) {
  using enum queue_result::Outcome;
  if (wait_status & 127) return {temporary, "qq crashed (#4.3.0)"};
  const int code = wait_status >> 8 & 255;
  switch (code) {
    case 0:
      if (!failed) return {accepted, {}};
      [[fallthrough]];
    case 54: return {temporary, "qq read error (#4.3.0)"};
    case 11:
    case 115: return {permanent, "envelope address too long for qq (#5.1.3)"};
    case 31: return {permanent, "mail server permanently rejected message (#5.3.0)"};
    case 51: return {temporary, "qq out of memory (#4.3.0)"};
    case 52: return {temporary, "qq timeout (#4.3.0)"};
    case 53: return {temporary, "qq write error or disk full (#4.3.0)"};
    case 55: return {temporary, "qq unable to read configuration (#4.3.0)"};
    case 56: return {temporary, "qq trouble making network connection (#4.3.0)"};
    case 61: return {temporary, "qq trouble in home directory (#4.3.0)"};
    case 62:
    case 63:
    case 64:
    case 65:
    case 66: return {temporary, "qq trouble creating files in queue (#4.3.0)"};
    case 71: return {temporary, "mail server temporarily rejected message (#4.3.0)"};
    case 72: return {temporary, "connection to mail server timed out (#4.4.1)"};
    case 73: return {temporary, "connection to mail server rejected (#4.4.1)"};
    case 74: return {temporary, "communication with mail server failed (#4.4.2)"};
    case 81:
    case 91: return {temporary, "qq internal bug (#4.3.0)"};
    case 120: return {temporary, "unable to exec qq (#4.3.0)"};
    default: break;
  }
  if (code >= 11 && code <= 40) return {permanent, "qq permanent problem (#5.3.0)"};
  return {temporary, "qq temporary problem (#4.3.0)"};
}

// ---- program

namespace {

struct pipe_ends {
  unique_fd read, write;
  bool open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == -1) return false;
    read.reset(fds[0]);
    write.reset(fds[1]);
    return true;
  }
};

// The child between vfork and exec: nothing but system calls. The exit statuses
// are those of qmail.c.
[[noreturn]] void become(const char *dir, const char *program, int message, int addresses) {
  char *const arguments[] = {const_cast<char *>(program), nullptr};
  if (dup2(message, 0) == -1 || dup2(addresses, 1) == -1) _exit(120);
  // A relative directory is the one in which this process already is.
  if (chdir(*dir == '/' ? dir : ".") == -1) _exit(61);
  execv(program, arguments);
  _exit(120);
}

// vfork, because a copy of the page tables is all that fork would add.
pid_t start(const char *dir, const char *program, int message, int addresses) {
  const pid_t pid = vfork();
  if (pid == 0) become(dir, program, message, addresses);
  return pid;
}

}  // namespace

queue_program::queue_program(const char *qmail_dir, const char *program) : qmail_dir_(qmail_dir), program_(program) {}

bool queue_program::open() {
  pipe_ends message, addresses;
  if (!message.open() || !addresses.open()) return false;
  if (!buffer_) buffer_.reset(new char[BUFFER]);
  pid_ = start(qmail_dir_, program_, message.read.get(), addresses.read.get());
  if (pid_ == -1) return false;
  message_ = std::move(message.write);
  envelope_ = std::move(addresses.write);
  to_ = message_.get();
  used_ = 0;
  failed_ = false;
  return true;
}

// Large pieces go straight to the pipe, small ones are gathered.
void queue_program::put(std::string_view bytes) {
  if (failed_) return;
  if (bytes.size() > BUFFER - used_) flush();
  if (bytes.size() > BUFFER) {
    write_all(bytes);
    return;
  }
  memcpy(buffer_.get() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

void queue_program::flush() {
  write_all(std::string_view(buffer_.get(), used_));
  used_ = 0;
}

// A program that ends early is no reason to end (SIGPIPE is ignored): its exit
// status has the word.
void queue_program::write_all(std::string_view bytes) {
  while (!bytes.empty() && !failed_) {
    const ssize_t n = write(to_, bytes.data(), bytes.size());
    if (n >= 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR)
      failed_ = true;
  }
}

// A message that failed gets no envelope, not even a beginning of one.
queue_result queue_program::close(const envelope &to) {
  if (!failed_) flush();
  message_.reset();
  to_ = envelope_.get();
  used_ = 0;
  put("F");
  put(to.sender());
  put(std::string_view("\0", 1));
  for (const std::string &block : to.blocks()) put(block);
  put(std::string_view("\0", 1));
  if (!failed_) flush();
  envelope_.reset();

  int status;
  pid_t ended;
  do ended = waitpid(pid_, &status, 0);
  while (ended == -1 && errno == EINTR);
  if (ended != pid_) return {queue_result::Outcome::temporary, "qq waitpid surprise (#4.3.0)"};
  return queue_explain(status, failed_);
}
