// smtp_harness.h - a whole SMTP session in this process, for unit tests and the
// fuzz target: files stand for the client, an object for the queue.

#ifndef TESTS_SMTP_HARNESS_H
#define TESTS_SMTP_HARNESS_H

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "qmail/fd.h"
#include "smtp/queue.h"
#include "smtp/session.h"

// Keeps what it is given, and says what it is told to say.
class queue_stub : public queue {
 public:
  struct message {
    std::string text, envelope;
    bool failed = false, closed = false;
  };
  std::vector<message> messages;
  bool opens = true;
  int status = 0;  // as waitpid(2) has it

  bool open() override {
    if (opens) messages.emplace_back();
    return opens;
  }
  unsigned long id() const override { return messages.size(); }
  void put(std::string_view bytes) override {
    if (!messages.back().failed) messages.back().text.append(bytes);
  }
  void fail() override { messages.back().failed = true; }
  queue_result close(const ::envelope &to) override {
    message &now = messages.back();
    now.closed = true;
    if (!now.failed) {
      now.envelope = "F" + to.sender() + std::string(1, '\0');
      for (const std::string &block : to.blocks()) now.envelope += block;
      now.envelope += '\0';
    }
    return queue_explain(status, now.failed);
  }
};

// A file without a name that holds text, at its beginning.
inline unique_fd harness_file(std::string_view text = {}) {
  unique_fd fd(memfd_create("harness", MFD_CLOEXEC));
  while (!text.empty()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n <= 0) break;
    text.remove_prefix(static_cast<size_t>(n));
  }
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

inline std::string harness_text(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// The environment of most tests.
inline smtp_env harness_env() {
  smtp_env env{};
  env.qmail_dir = "/";
  env.queue = "none";
  env.remote_ip = "192.0.2.45";
  env.remote_host = "mail.sender.test";
  env.local = "mx.example.com";
  return env;
}

struct harness {
  session_host host{harness_env(), {}, {}};
  queue_stub queue;
  std::string out, log;
  int status = -1;

  harness() {
    host.rules.greeting = "mx.example.com";
    host.own.add({127, 0, 0, 1});
  }

  // A session with a client that sends this and goes away.
  harness &run(std::string_view input) {
    const unique_fd in = harness_file(input), to = harness_file(), err = harness_file();
    {
      session smtp(host, queue, in.get(), to.get(), err.get());
      smtp.begin();
      status = smtp.run();
    }
    out = harness_text(to.get());
    log = harness_text(err.get());
    return *this;
  }
};

#endif
