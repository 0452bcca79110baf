// gate_talk.h - a connection to a protocol of qmail-verify-gate, and answers for it.

#ifndef TESTS_UNIT_GATE_TALK_H
#define TESTS_UNIT_GATE_TALK_H

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gate/connection.h"

inline gate_answer answer(gate_decision decision, qv_reason reason = QV_REASON_DOTQMAIL) {
  gate_answer a;
  a.decision = decision;
  a.reason = reason;
  a.verdict = qv_reason_verdict(reason);
  return a;
}
inline const gate_answer accepted = answer(gate_decision::accept);
inline const gate_answer refused = answer(gate_decision::refuse, QV_REASON_NO_MAILBOX);
inline const gate_answer retry = answer(gate_decision::retry, QV_REASON_SERVER_SILENT);

// A connection whose questions are written down, and answered later or at once.
struct talk {
  explicit talk(std::unique_ptr<gate_protocol> protocol)
      : connection(
            std::move(protocol),
            [this](uint64_t number, const gate_question &q) {
              questions.emplace_back(number, q);
              if (at_once) connection.answered(number, *at_once);
            },
            [this](const std::string &what) { complaints.push_back(what); }) {}
  std::string say(std::string_view bytes) {
    connection.feed(bytes);
    connection.work();
    return heard();
  }
  std::string heard() {
    const std::string out(connection.output());
    connection.wrote(out.size());
    return out;
  }
  std::vector<std::pair<uint64_t, gate_question>> questions;
  std::vector<std::string> complaints;
  const gate_answer *at_once = nullptr;
  gate_connection connection;
};

#endif
