// server.h - a server that is asked many questions at a time: its socket, and whether
// there is any use in it.

#ifndef VRFY_SERVER_H
#define VRFY_SERVER_H

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/fd.h"
#include "udpbits.h"

class vrfy_server {
 public:
  // text: its name, printable.
  vrfy_server(const udp_endpoint &endpoint, std::string text) : endpoint_(endpoint), text_(std::move(text)) {}

  const std::string &text() const { return text_; }
  bool is_unix() const { return endpoint_.addr.ss_family == AF_UNIX; }

  // May it be sent questions? Not while it refuses them.
  bool is_usable() const { return state_ == State::usable; }
  // It has been given up: it has refused four times, the last time 2.2 s after the
  // first, or it cannot be asked at all.
  bool is_down() const { return state_ == State::down; }
  // What is wrong with one that is not usable.
  std::string trouble() const;

  // A question that is to be sent, by a number that bytes knows below.
  void post(unsigned number) { posted_.push_back(number); }
  // Sends what has been posted, as far as that is possible without waiting.
  void flush(const std::function<std::string_view(unsigned number)> &bytes, long long now_ms);
  // Takes what has come.
  void hear(const std::function<void(std::string_view datagram)> &heard, long long now_ms);
  // One of its datagrams was an answer: it is there.
  void has_answered();

  // For poll; -1: nothing to wait for.
  int fd() const { return socket_.get(); }
  bool wants_to_send() const { return socket_ && !posted_.empty(); }

  // Since this was last asked: it has refused, or become down, or has to be sent again
  // what is not answered, because its connection is a new one.
  bool has_changed();
  // When it is to be tried again; LLONG_MAX: never.
  long long retry_ms() const;
  // It may be sent questions again, whatever there was.
  void retry();
  // As at the beginning.
  void reset();

 private:
  enum class State { usable, refused, down };
  void failed(int error, long long now_ms);

  udp_endpoint endpoint_;
  std::string text_;
  State state_ = State::usable;
  unique_fd socket_;
  std::vector<unsigned> posted_;
  int error_ = 0;
  unsigned retries_ = 0;      // since it refused for the first time
  long long refused_ms_ = 0;  // that was then
  bool answered_ = false;     // on this connection
  bool changed_ = false;
};

#endif
