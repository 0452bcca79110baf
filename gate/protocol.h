// protocol.h - one connection of somebody who asks about recipients: what it says taken
// apart, the answers put together.
//
// A protocol is bytes in, bytes out: no socket, no clock, no daemon. gate/connection feeds it
// and keeps the order, gate/door asks. One object serves one connection.
//
// Whoever asks is trusted as far as it has reached the socket; what it says is not: lengths
// are bounded, and what cannot be understood is answered as the protocol has it for trouble
// that may pass, never as an address that does not exist.

#ifndef GATE_PROTOCOL_H
#define GATE_PROTOCOL_H

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "qmail-verify.h"

// What is asked about a recipient.
struct gate_question {
  std::string address;                // as it stands in the envelope: no brackets, no quotes, no NUL
  std::optional<std::string> sender;  // the envelope sender, "" for the null sender; absent: not told
  std::string client;                 // the SMTP client's IP address as text; empty: not told
};

enum class gate_decision {
  accept,  // 250
  refuse,  // 550 5.1.1: qmail would bounce it
  retry    // 451 4.3.0: cannot be told now
};

// What came of it. decision is what counts: the policy of VERIFY (OPEN, OBSERVE) is in it.
struct gate_answer {
  gate_decision decision = gate_decision::retry;
  qv_verdict verdict = QV_TEMPORARY;  // what the daemon said; temporary: it did not
  unsigned reason = QV_REASON_NONE;   // enum qv_reason, or a number that this build does not know
  std::string user;                   // the controlling user, raw bytes; may be empty
};

// What take() found at the beginning of the input.
struct gate_request {
  enum class kind {
    more,   // not whole yet; used is 0
    skip,   // used bytes that want no answer
    ask,    // a question: ask, then answer()
    reply,  // answered without asking anybody: reply
    close   // reply, if it is not empty, is the last thing said; then the connection is closed
  };
  kind what = kind::more;
  size_t used = 0;        // bytes of the input that this was
  gate_question question; // ask
  std::string tag;        // ask: what answer() needs of the request (an id, a version); the protocol's own
  std::string reply;      // reply, close: its bytes
  std::string complaint;  // a remark for the log, one sentence without a full stop, may hold foreign bytes; may be empty
  bool last = false;      // ask, reply: what follows it on this connection is not wanted: close behind the answer
};

class gate_protocol {
 public:
  virtual ~gate_protocol() = default;

  // The next request in input, which begins where the last one ended. at_end: nothing will
  // follow it. Called again with more input for kind::more; more input than request_max()
  // never stands there: what fills it and is not whole is closed by the caller.
  virtual gate_request take(std::string_view input, bool at_end) = 0;

  // The bytes that answer a request of kind::ask.
  virtual std::string answer(const gate_request &request, const gate_answer &answer) const = 0;

  // The longest request, in bytes.
  virtual size_t request_max() const = 0;

  // Must answers leave in the order of the questions? False: each carries its request's id.
  virtual bool ordered() const { return true; }
};

#endif
