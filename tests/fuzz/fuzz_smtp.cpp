// fuzz_smtp.cpp - a whole SMTP session, over descriptors, with a queue that runs
// nothing.
//
// The first byte of the input chooses the host, the rest is what the client sends.
// What must hold: the session ends; each reply line begins with a known code; exit
// status 0 comes only with 221; a message that was accepted had a whole envelope, of
// recipients whom the host takes and nobody has refused; the log is lines of printable
// bytes.

#include <netinet/in.h>
#include <poll.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "packet.h"
#include "qmail/text.h"
#include "tests/smtp_harness.h"
#include "tests/unit/fake_site.h"
#include "udpbits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr unsigned LITERAL = 1, RELAY = 2, SMALL = 4, QUEUE_REFUSES = 8, NO_QUEUE = 16, VERIFY = 96, VERIFY_NOBODY = 32,
                   VERIFY_OPEN = 96, VERIFY_SERVER = 64, CONTROLS = 128;

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

// ---- a verification server: what it says of an address is told by its first letter

// stray: the opposite, for somebody else's question.
void answer(const packet_question &q, bool stray, std::string &out) {
  char first = q.address_len ? q.address[0] : 'v';
  if (stray) first = first == 'i' ? 'v' : 'i';
  packet_answer a{};
  a.status = first == 'i' ? 0xe1 : first == 't' ? 0xf2 : 0xa0;
  a.user = q.address;
  a.user_len = q.address_len;
  a.extended = q.extended;
  unsigned char other[QV_NONCE_SIZE] = {};
  a.nonce = stray ? other : q.nonce;
  a.reason = first == 'i' ? QV_REASON_NO_MAILBOX : QV_REASON_DOTQMAIL;
  out.resize(QV_REPLY_MAX);
  out.resize(packet_write_answer(&a, out.data(), out.size()));
}

// Answers as long as the process lives. A stray answer comes first.
void serve(int fd) {
  char datagram[QV_QUESTION_MAX];
  pollfd wait{fd, POLLIN, 0};
  for (;;) {
    udp_endpoint from{};
    packet_question q;
    std::string out;
    if (poll(&wait, 1, -1) != 1) continue;
    const ssize_t len = udp_receive(fd, datagram, sizeof datagram, &from);
    if (len < 0 || packet_read_question(datagram, static_cast<size_t>(len), &q) != 0) continue;
    for (const bool stray : {true, false}) {
      if (stray && !q.extended) continue;
      answer(q, stray, out);
      udp_send(fd, out.data(), out.size(), &from);
    }
  }
}

const std::string &server() {
  static const std::string name = [] {
    udp_endpoint ep{};
    ep.addr.ss_family = AF_INET;
    ep.len = sizeof(sockaddr_in);
    auto *in = reinterpret_cast<sockaddr_in *>(&ep.addr);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = bind_udp(&ep);
    require(fd != -1 && getsockname(fd, reinterpret_cast<sockaddr *>(&ep.addr), &ep.len) == 0);
    std::thread(serve, fd).detach();
    char text[UDP_TEXT_MAX];
    udp_format(&ep, text);
    return std::string(text);
  }();
  return name;
}

// ---- control files

// The rules of a host with control files of each kind, read from a folder that is
// gone afterwards.
policy read_rules() {
  namespace fs = std::filesystem;
  std::string place = fs::temp_directory_path() / "fuzz_smtp.XXXXXX";
  require(mkdtemp(place.data()) != nullptr);
  const fs::path before = fs::current_path();
  fs::current_path(place);
  fs::create_directory("control");
  auto put = [](const char *name, const std::string &text) { std::ofstream(std::string("control/") + name) << text; };
  put("me", "mx.example.com\n");
  put("rcpthosts", "# ours\nexample.com\n.example.net\n");
  put("morercpthosts.cdb", fake_cdb({{"example.org", ""}, {".example.edu", ""}}));
  put("badmailfrom", "bad@sender.test\n@bad.test\n");
  put("timeoutsmtpd", "3\n");
  policy rules;
  require(rules.read(harness_env()));
  fs::current_path(before);
  fs::remove_all(place);
  return rules;
}

policy &rules() {
  static policy kept = read_rules();
  return kept;
}

// ---- what must hold

// The domains that CONTROLS has, or none at all.
bool taken(std::string_view recipient) {
  const size_t at = recipient.rfind('@');
  if (at == recipient.npos) return true;
  const std::string domain = "." + text_lower(recipient.substr(at + 1));
  return domain == ".example.com" || domain == ".example.org" || domain.ends_with(".example.net") ||
         domain.ends_with(".example.edu");
}

// Of the envelope "Fsender\0Trecipient\0...\0".
void recipients_are_good(std::string_view envelope, unsigned choice) {
  envelope.remove_prefix(envelope.find('\0') + 1);
  for (; envelope.starts_with('T'); envelope.remove_prefix(envelope.find('\0') + 1)) {
    const std::string_view recipient = envelope.substr(1, envelope.find('\0') - 1);
    if (choice & RELAY) continue;
    if (choice & CONTROLS) require(taken(recipient));
    if ((choice & VERIFY) == VERIFY_SERVER) require(recipient.empty() || (recipient[0] != 'i' && recipient[0] != 't'));
    require((choice & VERIFY) != VERIFY_NOBODY);
  }
}

void check(const harness &h, unsigned choice) {
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
    if (message.closed && !message.failed) recipients_are_good(e, choice);
    queued += message.closed && !message.failed;
  }
  require(accepted == (h.queue.status == 0 ? queued : 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  harness h;
  if (choice & CONTROLS) h.host.rules = std::move(rules());
  if (choice & LITERAL) h.host.rules.localiphost = "mx.example.com";
  if (choice & RELAY) h.host.env.relayclient = "@relay.test";
  h.host.rules.databytes = choice & SMALL ? 20 : 0;
  if (choice & QUEUE_REFUSES) h.queue.status = 31 << 8;
  if (choice & NO_QUEUE) h.queue.opens = false;
  std::string verify;
  switch (choice & VERIFY) {
    // nobody is asked: a server that cannot be asked is "temporary" at once
    case VERIFY_NOBODY: verify = "none.test"; break;
    case VERIFY_OPEN: verify = "OPEN,none.test"; break;
    case VERIFY_SERVER: verify = (choice & LITERAL ? "DEFER,MAXBAD=3," : "MAXBAD=3,") + server(); break;
    default: break;
  }
  if (choice & VERIFY) h.host.env.verify = verify.c_str();
  h.run(std::string_view(reinterpret_cast<const char *>(data) + 1, size - 1));
  if (choice & CONTROLS) rules() = std::move(h.host.rules);
  check(h, choice);
  return 0;
}
