// policy.cpp - see policy.h.

#include "policy.h"

#include <map>

#include "words.h"

namespace {

constexpr size_t REQUEST_MAX = 65536;

std::string action(const std::string &words) { return "action=" + words + "\n\n"; }

using attributes = std::map<std::string, std::string, std::less<>>;

class policy : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override;
  size_t request_max() const override { return REQUEST_MAX; }
};

gate_request closed(const char *complaint) {
  gate_request request;
  request.what = gate_request::kind::close;
  request.complaint = complaint;
  return request;
}

// Of the attributes those that count here. False: a line is no NAME=VALUE.
bool read(std::string_view lines, attributes &read) {
  while (!lines.empty()) {
    const size_t end = lines.find('\n'), equals = lines.find('=');
    if (equals >= end) return false;
    const std::string_view name = lines.substr(0, equals);
    for (const char *known : {"request", "protocol_state", "recipient", "sender", "client_address", "sasl_username"})
      if (name == known) read.try_emplace(known, lines.substr(equals + 1, end - equals - 1));
    lines.remove_prefix(end + 1);
  }
  return true;
}

gate_request policy::take(std::string_view input, bool at_end) {
  const size_t end = input.starts_with("\n") ? 0 : input.find("\n\n");
  if (end == input.npos) {
    if (!at_end) return {};
    return closed(input.empty() ? "" : "the connection ended within a request");
  }
  gate_request request;
  attributes of;
  request.used = end == 0 ? 1 : end + 2;
  if (!read(input.substr(0, end == 0 ? 0 : end + 1), of)) return closed("a line of a request is not NAME=VALUE: closed");
  if (of["request"] != "smtpd_access_policy") return closed("a request that is not smtpd_access_policy: closed");
  const auto state = of.find("protocol_state");
  const std::string &recipient = of["recipient"];
  if (recipient.find('\0') != recipient.npos) return closed("a recipient with a NUL in it: closed");
  if ((state != of.end() && state->second != "RCPT") || recipient.empty() || !of["sasl_username"].empty()) {
    request.what = gate_request::kind::reply;
    request.reply = action("DUNNO");
    return request;
  }
  request.what = gate_request::kind::ask;
  request.question.address = recipient;
  request.question.client = of["client_address"];
  if (const auto sender = of.find("sender"); sender != of.end()) request.question.sender = sender->second;
  return request;
}

std::string policy::answer(const gate_request &, const gate_answer &answer) const {
  switch (answer.decision) {
    case gate_decision::accept: return action("DUNNO");
    case gate_decision::refuse: return action(gate_words_refused());
    case gate_decision::retry: break;
  }
  return action(gate_words_retry());
}

}  // namespace

std::unique_ptr<gate_protocol> policy_protocol() { return std::make_unique<policy>(); }
