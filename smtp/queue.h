// queue.h - handing a message to the queue program.
//
// Follows qmail.c and qmail-queue(8): the program reads the message from its
// descriptor 0, then the envelope from its descriptor 1, and its exit status says
// what came of it. Unless all went well it never sees a whole envelope, and so
// throws the message away.

#ifndef SMTP_QUEUE_H
#define SMTP_QUEUE_H

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/fd.h"

// Sender and recipients as qmail-queue takes them: F, sender, NUL; T, recipient,
// NUL for each; NUL.
class envelope {
 public:
  // What the recipients may take, in bytes.
  static constexpr size_t RECIPIENTS_MAX = size_t{32} << 20;

  // A new sender, and no recipients.
  void begin(std::string_view sender);

  // False: there is no room for it.
  bool add(std::string_view recipient);
  bool room_for(std::string_view recipient) const;

  unsigned long recipients() const { return count_; }

  // The pieces in their order, without the NUL at the end.
  const std::string &sender() const { return sender_; }
  const std::vector<std::string> &blocks() const { return blocks_; }

 private:
  std::string sender_;
  std::vector<std::string> blocks_;  // in pieces, so that growing never copies all
  size_t size_ = 0;
  unsigned long count_ = 0;
};

// What came of a message.
struct queue_result {
  enum class Outcome { accepted, permanent, temporary };
  Outcome outcome;
  std::string_view text;  // for the client, where it was not accepted
};

// What a wait status means; failed: not all could be written, or was to be. That
// alone makes an exit status of 0 a failure.
queue_result queue_explain(int wait_status, bool failed);

// Where messages go. One at a time: open, put, then close or, for a session that
// ends, nothing.
class queue {
 public:
  virtual ~queue() = default;

  // False: there is no way to hand over a message now.
  virtual bool open() = 0;
  // A number for the message that was opened.
  virtual unsigned long id() const = 0;
  // More of the message.
  virtual void put(std::string_view bytes) = 0;
  // The message is not to be queued, whatever comes.
  virtual void fail() = 0;
  // The end of the message, and its envelope.
  virtual queue_result close(const envelope &to) = 0;
};

// A program, started for each message. It inherits descriptors 0 (message),
// 1 (envelope) and 2 (log); all others of this process are close-on-exec.
class queue_program : public queue {
 public:
  // program: its path, seen from qmail_dir, in which it is started.
  queue_program(const char *qmail_dir, const char *program);

  bool open() override;
  unsigned long id() const override { return static_cast<unsigned long>(pid_); }
  void put(std::string_view bytes) override;
  void fail() override { failed_ = true; }
  queue_result close(const envelope &to) override;

 private:
  void flush();
  void write_all(std::string_view bytes);
  static constexpr size_t BUFFER = 16384;
  const char *qmail_dir_, *program_;
  pid_t pid_ = -1;
  unique_fd message_, envelope_;
  bool failed_ = false;
  int to_ = -1;  // the descriptor that is written now
  size_t used_ = 0;
  std::unique_ptr<char[]> buffer_;
};

#endif
