// opensmtpd.cpp - see opensmtpd.h.

#include "opensmtpd.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

constexpr size_t REQUEST_MAX = 16384;  // MAX_IMSGSIZE; a line has a key of at most 1023 bytes
constexpr std::string_view SERVICES = "register|mailaddr\nregister|ready\n";
constexpr std::string_view NOT_SERVED = "only addresses are known here: for \"rcpt-to <table>\"";

// smtpd-api.h
constexpr uint32_t API_VERSION = 2;
constexpr uint32_t SERVICE_MAILADDR = 0x40;
enum message : uint32_t { OK, FAIL, OPEN, CLOSE, UPDATE, CHECK, LOOKUP, FETCH };
struct header {  // imsg.h
  uint32_t type;
  uint16_t len;  // with this header
  uint16_t flags;
  uint32_t peer, pid;
};

gate_request replied(std::string reply, std::string complaint = "") {
  gate_request request;
  request.what = gate_request::kind::reply;
  request.reply = std::move(reply);
  request.complaint = std::move(complaint);
  return request;
}

gate_request skipped(std::string complaint) {
  gate_request request;
  request.what = gate_request::kind::skip;
  request.complaint = std::move(complaint);
  return request;
}

gate_request closed(std::string complaint) {
  gate_request request;
  request.what = gate_request::kind::close;
  request.complaint = std::move(complaint);
  return request;
}

gate_request asked(std::string_view address, std::string tag) {
  gate_request request;
  request.what = gate_request::kind::ask;
  request.question.address = address;
  request.tag = std::move(tag);
  return request;
}

bool is_address(std::string_view key) { return !key.empty() && key.find('\0') == key.npos; }

std::string no_address(std::string_view key) {
  return "\"" + std::string(key.substr(0, 64)) + "\" was asked for, which is no address: answered as an error";
}

// ---- lines

// What stands in front of the next bar, which is cut off with it.
std::string_view cut_field(std::string_view &line) {
  const size_t bar = line.find('|');
  const std::string_view field = line.substr(0, bar);
  line.remove_prefix(bar == line.npos ? line.size() : bar + 1);
  return field;
}

std::string result(std::string_view operation, std::string_view id, std::string_view what) {
  return std::string(operation).append("-result|").append(id).append("|").append(what).append("\n");
}

// "check|mailaddr|ID|KEY" and its like, behind the table's name.
gate_request take_operation(std::string_view rest, std::string_view line) {
  const std::string_view operation = cut_field(rest);
  if (operation == "update") return replied(result(operation, rest, "ok"));
  const std::string_view service = cut_field(rest), id = cut_field(rest);
  // it waits for the answer, and nobody could say which question this one is for
  if (id.empty()) return closed("a request that is not understood: \"" + std::string(line.substr(0, 200)) + "\"");
  const bool is_question = operation == "check" || operation == "lookup";
  if (!is_question || service != "mailaddr")
    return replied(result(operation, id, "error|" + std::string(NOT_SERVED)),
                   "asked for " + std::string(operation.substr(0, 20)) + " of " + std::string(service.substr(0, 20)) + ": " +
                       std::string(NOT_SERVED));
  if (!is_address(rest)) return replied(result(operation, id, "error|no address"), no_address(rest));
  return asked(rest, std::string(operation) + "|" + std::string(id));
}

gate_request take_line(std::string_view line) {
  std::string_view rest = line;
  const std::string_view first = cut_field(rest);
  if (first == "config") return rest == "ready" ? replied(std::string(SERVICES)) : skipped("");
  if (first != "table") return skipped("a line that is not understood: \"" + std::string(line.substr(0, 200)) + "\"");
  const std::string_view version = cut_field(rest);
  cut_field(rest);  // the time
  cut_field(rest);  // the table's name
  gate_request request = take_operation(rest, line);
  if (version != "0.1" && request.complaint.empty())
    request.complaint = "table protocol " + std::string(version.substr(0, 20)) + ": read as 0.1, which is known here";
  return request;
}

gate_request take_text(std::string_view input, bool at_end) {
  const size_t end = input.find('\n');
  if (end == input.npos) return at_end ? closed("the input ended within a line") : gate_request();
  gate_request request = take_line(input.substr(0, end));
  request.used = end + 1;
  return request;
}

std::string answer_text(const gate_request &request, const gate_answer &answer) {
  const size_t bar = request.tag.find('|');
  const std::string operation = request.tag.substr(0, bar), id = request.tag.substr(bar + 1);
  switch (answer.decision) {
    case gate_decision::accept:
      return result(operation, id, operation == "lookup" ? "found|" + request.question.address : "found");
    case gate_decision::refuse: return result(operation, id, "not-found");
    case gate_decision::retry: break;
  }
  return result(operation, id, "error|qmail-verify cannot tell now");
}

// ---- binary messages

template <typename number>
std::string raw(const number &n) {
  static_assert(std::has_unique_object_representations_v<number>);
  return {reinterpret_cast<const char *>(&n), sizeof n};
}

// A number off the front of bytes. False: there are not so many.
template <typename number>
bool cut_raw(std::string_view &bytes, number &n) {
  if (bytes.size() < sizeof n) return false;
  memcpy(&n, bytes.data(), sizeof n);
  bytes.remove_prefix(sizeof n);
  return true;
}

bool cut_string(std::string_view &bytes) {
  const size_t end = bytes.find('\0');
  if (end == bytes.npos) return false;
  bytes.remove_prefix(end + 1);
  return true;
}

std::string message_ok(const std::string &contents) {
  return raw(header{OK, static_cast<uint16_t>(sizeof(header) + contents.size()), 0, 0, 0}) + contents;
}

// 1: found, or done; 0: not found; -1: error
std::string message_result(int32_t r, const std::string &value = "") { return message_ok(raw(r) + value); }

// table_read_params of table_api.c, whose pairs of strings nobody sends any more.
bool cut_parameters(std::string_view &contents) {
  size_t count = 0;
  if (!cut_raw(contents, count)) return false;
  for (; count; --count)
    if (!cut_string(contents) || !cut_string(contents)) return false;
  return true;
}

gate_request take_question(uint32_t type, std::string_view contents) {
  uint32_t service = 0;
  const bool is_whole = cut_raw(contents, service) && cut_parameters(contents);
  if (!is_whole || service != SERVICE_MAILADDR || type == FETCH)
    return replied(message_result(-1), "message " + std::to_string(type) + ", service " + std::to_string(service) + ": " +
                                           std::string(NOT_SERVED));
  if (!contents.ends_with('\0')) return replied(message_result(-1), no_address(contents));
  contents.remove_suffix(1);
  if (!is_address(contents)) return replied(message_result(-1), no_address(contents));
  return asked(contents, type == LOOKUP ? "lookup" : "check");
}

gate_request take_open(std::string_view contents) {
  uint32_t version = 0;
  if (cut_raw(contents, version) && version == API_VERSION) return replied(message_ok(""));
  return closed("table API version " + std::to_string(version) + ", and only " + std::to_string(API_VERSION) + " is known here");
}

gate_request take_contents(uint32_t type, std::string_view contents) {
  switch (type) {
    case OPEN: return take_open(contents);
    case UPDATE: return replied(message_result(1));
    case CHECK:
    case LOOKUP:
    case FETCH: return take_question(type, contents);
    case CLOSE: return closed("");
    default: return closed("a message of type " + std::to_string(type) + ", which a table process is not sent");
  }
}

gate_request take_message(std::string_view input, bool at_end) {
  header h{};
  std::string_view rest = input;
  const bool has_header = cut_raw(rest, h);
  if (has_header && (h.len < sizeof h || h.len > REQUEST_MAX)) return closed("what came is no message of OpenSMTPD");
  if (!has_header || input.size() < h.len) return at_end ? closed("the input ended within a message") : gate_request();
  gate_request request = take_contents(h.type, input.substr(sizeof h, h.len - sizeof h));
  request.used = h.len;
  return request;
}

std::string answer_message(const gate_request &request, const gate_answer &answer) {
  switch (answer.decision) {
    case gate_decision::accept:
      if (request.tag != "lookup") return message_result(1);
      return message_result(1, request.question.address + '\0');
    case gate_decision::refuse: return message_result(0);
    case gate_decision::retry: break;
  }
  return message_result(-1);
}

// ---- either

class opensmtpd : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override {
    return is_text_ ? answer_text(request, answer) : answer_message(request, answer);
  }
  size_t request_max() const override { return REQUEST_MAX; }
  bool ordered() const override { return !is_text_; }  // messages have no id

 private:
  bool is_known_ = false, is_text_ = false;
};

gate_request opensmtpd::take(std::string_view input, bool at_end) {
  if (input.empty()) return at_end ? closed("") : gate_request();
  if (!is_known_) {
    is_known_ = true;
    is_text_ = input[0] == 'c';  // "config|"; the other one begins with the number of OPEN
  }
  return is_text_ ? take_text(input, at_end) : take_message(input, at_end);
}

}  // namespace

std::unique_ptr<gate_protocol> opensmtpd_protocol() { return std::make_unique<opensmtpd>(); }
