// tcp_table.cpp - see tcp_table.h.

#include "tcp_table.h"

#include "escape.h"
#include "map.h"

namespace {

constexpr size_t LINE_MAX_BYTES = 4096;  // as tcp_table(5) has it

std::string line(const char *code, std::string_view text) { return std::string(code) + " " + gate_escape(text) + "\n"; }

class tcp_table : public gate_protocol {
 public:
  gate_request take(std::string_view input, bool at_end) override;
  std::string answer(const gate_request &request, const gate_answer &answer) const override;
  size_t request_max() const override { return LINE_MAX_BYTES; }
};

gate_request tcp_table::take(std::string_view input, bool at_end) {
  gate_request request;
  const size_t end = input.find('\n');
  if (end == input.npos) {
    if (at_end) request.what = gate_request::kind::close;
    return request;
  }
  std::string_view text = input.substr(0, end);
  if (text.ends_with('\r')) text.remove_suffix(1);
  request.used = end + 1;
  request.what = gate_request::kind::reply;
  std::string key;
  if (!text.starts_with("get ") || !gate_unescape(text.substr(4), key) || key.find('\0') != key.npos) {
    request.reply = line("400", "the only request is get KEY, with blanks and percent signs as %XX");
  } else if (!gate_map_is_address(key)) {
    request.reply = line("500", "no address");
  } else {
    request.what = gate_request::kind::ask;
    request.question.address = gate_map_address(key);
  }
  return request;
}

std::string tcp_table::answer(const gate_request &, const gate_answer &answer) const {
  switch (answer.decision) {
    case gate_decision::accept: return line("200", gate_map_value(answer));
    case gate_decision::refuse: return line("500", "no mailbox here by that name");
    case gate_decision::retry: break;
  }
  return line("400", "qmail-verify cannot tell now");
}

}  // namespace

std::unique_ptr<gate_protocol> tcp_table_protocol() { return std::make_unique<tcp_table>(); }
