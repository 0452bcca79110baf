// line.cpp - see line.h.

#include "line.h"

namespace {

constexpr size_t REQUEST_MAX = 8192;

class line_questions : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override;
  size_t request_max() const override { return REQUEST_MAX; }
};

// Takes a line off text. False: there is no whole one.
bool cut_line(std::string_view &text, bool at_end, std::string_view &line) {
  const size_t end = text.find('\n');
  if (end == text.npos && (!at_end || text.empty())) return false;
  line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

void take_field(std::string_view line, gate_question &question) {
  constexpr std::string_view sender = "sender=", client = "client=";
  if (line.starts_with(sender) && !question.sender) question.sender = line.substr(sender.size());
  if (line.starts_with(client) && question.client.empty()) question.client = line.substr(client.size());
}

gate_request line_questions::take(std::string_view input, bool at_end) {
  gate_request request;
  std::string_view rest = input, line;
  if (!cut_line(rest, at_end, line)) {
    if (at_end) request.what = gate_request::kind::close;
    return request;
  }
  request.question.address = line;
  bool ended = false;
  while (!ended && cut_line(rest, at_end, line)) {
    ended = line.empty();
    take_field(line, request.question);
  }
  if (!ended && !at_end) return {};
  request.used = input.size() - rest.size();
  request.what = gate_request::kind::ask;
  const std::string &address = request.question.address;
  if (address.empty() || address.find('\0') != address.npos) {
    request.what = gate_request::kind::reply;
    request.reply = "temporary\n";
    request.complaint = "a question without an address, or with a NUL in it: answered temporary";
  }
  return request;
}

std::string line_questions::answer(const gate_request &, const gate_answer &answer) const {
  switch (answer.decision) {
    case gate_decision::accept: return "valid\n";
    case gate_decision::refuse: return "invalid\n";
    case gate_decision::retry: break;
  }
  return "temporary\n";
}

}  // namespace

std::unique_ptr<gate_protocol> line_protocol() { return std::make_unique<line_questions>(); }
