// connection.cpp - see connection.h.

#include "connection.h"

#include <algorithm>

void gate_connection::work() {
  while (!closing_ && !is_full() && take()) {
  }
}

// One request. False: there is no whole one.
bool gate_connection::take() {
  if (input_.empty() && !ended_) return false;
  gate_request request = protocol_->take(input_, ended_);
  const bool stuck = request.what == gate_request::kind::more && (ended_ || input_.size() >= protocol_->request_max());
  if (stuck) {
    request.what = gate_request::kind::close;
    if (!ended_) request.complaint = "a request is longer than " + std::to_string(protocol_->request_max()) + " bytes: closed";
  }
  if (request.what == gate_request::kind::more) return false;
  input_.erase(0, request.used);
  if (!request.complaint.empty()) complain_(request.complaint);
  closing_ = request.last || request.what == gate_request::kind::close;
  if (request.what != gate_request::kind::skip) put(std::move(request));
  return true;
}

void gate_connection::put(gate_request &&request) {
  const uint64_t number = ++next_;
  const bool is_question = request.what == gate_request::kind::ask;
  const gate_question question = is_question ? request.question : gate_question();
  slots_.push_back({number, std::move(request), !is_question});
  if (is_question) ask_(number, question);
  release();
}

void gate_connection::answered(uint64_t number, const gate_answer &answer) {
  const auto at = std::find_if(slots_.begin(), slots_.end(), [&](const slot &s) { return s.number == number; });
  if (at == slots_.end() || at->ready) return;
  at->request.reply = protocol_->answer(at->request, answer);
  at->ready = true;
  release();
}

// What may be said now, is.
void gate_connection::release() {
  for (auto at = slots_.begin(); at != slots_.end();) {
    if (!at->ready) {
      if (protocol_->ordered()) return;
      ++at;
      continue;
    }
    output_ += at->request.reply;
    at = slots_.erase(at);
  }
}

void gate_connection::wrote(size_t n) {
  written_ += n;
  if (written_ < output_.size()) return;
  output_.clear();
  written_ = 0;
}
