// A whole SMTP session, over descriptors, with a queue that runs nothing.
//
// The first byte of the input chooses the host (rcpthosts and so on come from the
// working directory and are left out), the rest is what the client sends. What
// must hold: the session ends; each reply line begins with a known code; exit
// status 0 comes only with 221; a message that was accepted had a whole envelope;
// the log is lines of printable bytes.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/smtp_harness.h"

namespace {

void require(bool holds) {
  if (!holds) abort();
}

template <typename Check>
void each_line(std::string_view text, Check check) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    require(end != text.npos);
    check(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

bool known(std::string_view reply) {
  static constexpr std::string_view codes = "214 220 221 250 252 354 421 451 452 502 503 550 552 553 554 555 ";
  return reply.size() >= 4 && (reply[3] == ' ' || reply[3] == '-') && codes.find(reply.substr(0, 3)) != codes.npos &&
         reply.back() == '\r';
}

bool printable(std::string_view line) {
  for (char c : line)
    if (c < ' ' || c > '~') return false;
  return line.starts_with("qmail-smtpd: pid ") && line.size() < LOG_LINE_MAX;
}

void check(const harness &h) {
  size_t accepted = 0, quits = 0;
  each_line(h.out, [&](std::string_view reply) {
    require(known(reply));
    accepted += reply.starts_with("250 ok ") && reply.find(" qp ") != reply.npos;
    quits += reply.starts_with("221 ");
  });
  each_line(h.log, [](std::string_view line) { require(printable(line)); });
  require(quits <= 1 && (h.status == 0) == (quits == 1));
  size_t queued = 0;
  for (const queue_stub::message &message : h.queue.messages) {
    const std::string &e = message.envelope;
    require(message.failed || !message.closed || (e.starts_with('F') && e.ends_with(std::string_view("\0\0", 2))));
    require(message.closed || e.empty());
    queued += message.closed && !message.failed;
  }
  require(accepted == (h.queue.status == 0 ? queued : 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  harness h;
  if (choice & 1) h.host.rules.localiphost = "mx.example.com";
  if (choice & 2) h.host.env.relayclient = "@relay.test";
  if (choice & 4) h.host.rules.databytes = 20;
  if (choice & 8) h.queue.status = 31 << 8;
  if (choice & 16) h.queue.opens = false;
  // Nothing is asked: a server that cannot be asked is "temporary" at once.
  if (choice & 32) h.host.env.verify = choice & 64 ? "OPEN,none.test" : "none.test";
  h.run(std::string_view(reinterpret_cast<const char *>(data) + 1, size - 1));
  check(h);
  return 0;
}
