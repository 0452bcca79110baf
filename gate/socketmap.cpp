// socketmap.cpp - see socketmap.h.

#include "socketmap.h"

#include "map.h"
#include "qmail-verify.h"
#include "words.h"

namespace {

constexpr size_t PAYLOAD_MAX = 10000;  // what Postfix sends at most
constexpr size_t DIGITS_MAX = 5;

std::string netstring(const std::string &payload) { return std::to_string(payload.size()) + ":" + payload + ","; }

gate_request closed(const std::string &complaint) {
  gate_request request;
  request.what = gate_request::kind::close;
  request.complaint = complaint;
  return request;
}

class socketmap : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override;
  size_t request_max() const override { return DIGITS_MAX + 1 + PAYLOAD_MAX + 1; }

 private:
  static gate_request question(std::string_view payload);
};

// "LENGTH:PAYLOAD,"; what is none cannot be answered, since nobody knows where it ends.
gate_request socketmap::take(std::string_view input, bool at_end) {
  size_t digits = 0, len = 0;
  while (digits < input.size() && digits <= DIGITS_MAX && input[digits] >= '0' && input[digits] <= '9')
    len = len * 10 + static_cast<size_t>(input[digits++] - '0');
  const bool whole = digits < input.size();
  if ((whole && (digits == 0 || input[digits] != ':')) || digits > DIGITS_MAX || len > PAYLOAD_MAX)
    return closed("what came is not a netstring of at most " + std::to_string(PAYLOAD_MAX) + " bytes: closed");
  if (!whole || input.size() < digits + 1 + len + 1) {
    if (!at_end) return {};
    return closed(input.empty() ? "" : "the connection ended within a netstring");
  }
  if (input[digits + 1 + len] != ',') return closed("a netstring does not end with a comma: closed");
  gate_request request = question(input.substr(digits + 1, len));
  request.used = digits + 1 + len + 1;
  return request;
}

gate_request socketmap::question(std::string_view payload) {
  gate_request request;
  const size_t blank = payload.find(' ');
  const std::string_view map = payload.substr(0, blank);
  const std::string_view key = blank == payload.npos ? std::string_view() : payload.substr(blank + 1);
  if (blank == payload.npos || (map != "recipients" && map != "access")) {
    request.what = gate_request::kind::reply;
    request.reply = netstring("PERM there are the maps recipients and access, and no other one");
    request.complaint = "a map \"" + std::string(map.substr(0, 64)) + "\" was asked for; the names after the path or the port are recipients, for relay_recipient_maps, and access, for check_recipient_access";
  } else if (!gate_map_is_address(key) || key.find('\0') != key.npos) {
    request.what = gate_request::kind::reply;
    request.reply = netstring("NOTFOUND ");
  } else {
    request.what = gate_request::kind::ask;
    request.question.address = gate_map_address(key);
    request.tag = map;
  }
  return request;
}

std::string socketmap::answer(const gate_request &request, const gate_answer &answer) const {
  const bool access = request.tag == "access";
  switch (answer.decision) {
    case gate_decision::accept: return netstring(access ? "NOTFOUND " : "OK " + gate_map_value(answer));
    case gate_decision::refuse: return netstring(access ? "OK " + gate_words_refused() : "NOTFOUND ");
    case gate_decision::retry: break;
  }
  return netstring("TEMP qmail-verify cannot tell now");
}

}  // namespace

std::unique_ptr<gate_protocol> socketmap_protocol() { return std::make_unique<socketmap>(); }
