// connection.h - one connection: requests in, answers out, in the order of the protocol.
//
// No socket and no clock. Input and output are bounded: while there is too much of either,
// or too many questions are on their way, wants_input() is false and nothing is taken.

#ifndef GATE_CONNECTION_H
#define GATE_CONNECTION_H

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol.h"

constexpr size_t GATE_PENDING_MAX = 256;       // requests that are not answered yet
constexpr size_t GATE_OUTPUT_MAX = 64 * 1024;  // bytes that the other side has not taken yet

class gate_connection {
 public:
  // A question, by a number that answered() knows it by; it may be answered before this returns.
  using asks = std::function<void(uint64_t number, const gate_question &question)>;
  // What gate_request::complaint says.
  using complains = std::function<void(const std::string &complaint)>;

  gate_connection(std::unique_ptr<gate_protocol> protocol, asks ask, complains complain)
      : protocol_(std::move(protocol)), ask_(std::move(ask)), complain_(std::move(complain)) {}

  // May bytes be fed to it?
  bool wants_input() const { return !closing_ && !ended_ && !is_full() && input_.size() < protocol_->request_max(); }
  // Bytes that came; then work().
  void feed(std::string_view bytes) { input_.append(bytes); }
  // No more will come; then work().
  void end() { ended_ = true; }
  // Takes the requests that are there.
  void work();
  // What came of a question. Then work(), later: not from within.
  void answered(uint64_t number, const gate_answer &answer);

  // What is to be written, and how much of it was.
  std::string_view output() const { return std::string_view(output_).substr(written_); }
  void wrote(size_t n);
  // All is said, and nothing more is wanted: to be closed.
  bool is_over() const { return closing_ && slots_.empty() && output().empty(); }
  // Requests that are not answered yet.
  size_t pending() const { return slots_.size(); }
  // Is there a part of a request?
  bool is_within() const { return !input_.empty() && slots_.empty(); }

 private:
  struct slot {
    uint64_t number;
    gate_request request;
    bool ready;
  };
  bool is_full() const { return slots_.size() >= GATE_PENDING_MAX || output_.size() >= GATE_OUTPUT_MAX; }
  bool take();
  void put(gate_request &&request);
  void release();

  std::unique_ptr<gate_protocol> protocol_;
  asks ask_;
  complains complain_;
  std::string input_, output_;
  size_t written_ = 0;
  std::deque<slot> slots_;
  uint64_t next_ = 0;
  bool ended_ = false, closing_ = false;
};

#endif
