// fuzz_gate.cpp - any bytes to each protocol of qmail-verify-gate: what is asked and answered
// does not depend on the pieces in which they come, what is asked about is an address
// without a NUL, a question is answered once, and the connection comes to its end.
//
// An input: the protocol's number, how the bytes are cut, the bytes.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gate/connection.h"
#include "gate/protocols.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr const char *NAMES[] = {"socketmap", "policy", "tcp_table", "line", "opensmtpd", "qd1"};
constexpr size_t INPUT_MAX = 4000;  // less than every protocol's longest request

void require(bool holds) {
  if (!holds) abort();
}

// The same answer for the same question.
gate_answer answer_to(const gate_question &question) {
  size_t sum = question.address.size();
  for (const char c : question.address + question.client + question.sender.value_or("-")) sum = sum * 31 + static_cast<unsigned char>(c);
  gate_answer a;
  const qv_reason reasons[] = {QV_REASON_DOTQMAIL, QV_REASON_NO_MAILBOX, QV_REASON_SERVER_SILENT};
  const gate_decision decisions[] = {gate_decision::accept, gate_decision::refuse, gate_decision::retry};
  a.decision = decisions[sum % 3];
  a.reason = reasons[sum % 3];
  a.verdict = qv_reason_verdict(reasons[sum % 3]);
  return a;
}

struct outcome {
  std::string said, asked;
  bool operator==(const outcome &) const = default;
};

// Lines of answers that carry their request's id may come in any order.
std::string sorted(const std::string &said) {
  std::vector<std::string> lines;
  for (size_t at = 0, end; at < said.size(); at = end + 1) {
    end = std::min(said.find('\n', at), said.size());
    lines.push_back(said.substr(at, end - at));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string &line : lines) all += line + '\n';
  return all;
}

outcome talk(const gate_kind &kind, std::string_view bytes, size_t piece) {
  outcome o;
  std::vector<std::pair<uint64_t, gate_answer>> waiting;
  gate_connection c(
      kind.make(),
      [&](uint64_t number, const gate_question &q) {
        require(q.address.find('\0') == q.address.npos && !q.address.empty());
        o.asked += q.address + '\n' + q.client + '\n' + q.sender.value_or("-") + '\n';
        waiting.emplace_back(number, answer_to(q));
      },
      [](const std::string &) {});
  const auto settle = [&] {
    do {
      for (const auto &[number, a] : std::exchange(waiting, {})) c.answered(number, a);
      o.said += c.output();
      c.wrote(c.output().size());
      c.work();
    } while (!waiting.empty() || !c.output().empty());
  };
  while (!bytes.empty()) {
    if (!c.wants_input()) break;
    c.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    c.work();
    settle();
  }
  c.end();
  c.work();
  settle();
  require(c.is_over() && c.pending() == 0);
  if (o.said.starts_with("register|") || o.said.find("-result|") != o.said.npos) o.said = sorted(o.said);
  return o;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2 || size > INPUT_MAX) return 0;
  const gate_kind *kind = gate_kind_named(NAMES[data[0] % std::size(NAMES)]);
  const std::string_view bytes(reinterpret_cast<const char *>(data) + 2, size - 2);
  require(talk(*kind, bytes, INPUT_MAX) == talk(*kind, bytes, size_t{data[1]} % 61 + 1));
  return 0;
}
