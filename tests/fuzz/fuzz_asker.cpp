// fuzz_asker.cpp - any datagrams as answers of a server that hub_asker asks: each question is
// answered once, in time, and what comes of it was said by one that may be believed: an
// extended answer with the question's nonce, or a plain one to a socket for one question, of a
// server that has not answered in extended form before.
//
// The input: a byte whose first bit tells whether the server is known to answer in extended
// form; then datagrams, each with a byte for its length and one for what is done (see below).

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "hub/asker.h"
#include "packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr uint8_t KNOWN = 1;                           // in the first byte
constexpr uint8_t WITH_NONCE = 1, TIME_PASSES = 2;     // what is done with a datagram
constexpr unsigned WHICH_SHIFT = 4;                    // and to which of the sockets it goes
constexpr size_t DATAGRAMS_MAX = 32;
constexpr char WARM_UP[] = "joe@a.example", ADDRESS[] = "joe@b.example";

void require(bool holds) {
  if (!holds) abort();
}

// What has been asked, from where.
struct asked {
  sockaddr_in from;
  std::string nonce;
  bool own;  // from a socket for this question alone
};

class server {
 public:
  server() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    socklen_t len = sizeof at;
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(fd_ != -1 && bind(fd_, reinterpret_cast<sockaddr *>(&at), len) == 0);
    require(getsockname(fd_, reinterpret_cast<sockaddr *>(&at), &len) == 0);
    routes = ":127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  // The next question.
  bool take(asked &q) const {
    char buf[QV_QUESTION_WRITTEN_MAX + 1];
    socklen_t len = sizeof q.from;
    const ssize_t n = recvfrom(fd_, buf, sizeof buf, 0, reinterpret_cast<sockaddr *>(&q.from), &len);
    if (n == -1) return false;
    packet_question read;
    require(packet_read_question(buf, static_cast<size_t>(n), &read) == 0 && read.extended);
    q.nonce.assign(reinterpret_cast<const char *>(read.nonce), QV_NONCE_SIZE);
    return true;
  }
  void say(const asked &to, std::string_view datagram) const {
    sendto(fd_, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr *>(&to.from), sizeof to.from);
  }

  std::string routes;

 private:
  int fd_;
};

// A hub that has asked, and what it may believe of what it has heard.
class hub {
 public:
  hub(const server &store, const routes_table &routes)
      : store_(store), asker_(routes, keys_, nullptr, [this](uint64_t who, const hub_answer &a) { answered(who, a); },
                              [this](const std::string &said) { noted(said); }, [](hub_event) {}) {}

  void ask(const char *address) {
    invalid_said_ = valid_said_ = false;
    sources_.clear();
    hub_question q;
    q.address = address;
    asker_.ask(++waiting_for_, q, now_);
    pass(0);
  }
  void pass(long long ms) {
    now_ += ms;
    for (int i = 0; i < 3; ++i) asker_.serve(now_);
    asker_.tick(now_);
    for (asked q; store_.take(q);) {
      q.own = !extended_;
      sources_.push_back(q);
    }
  }
  // A datagram of the server, to the socket of one of its questions.
  void hear(std::string datagram, bool with_nonce, size_t which) {
    if (sources_.empty() || answered_ == waiting_for_) return;
    const asked &to = sources_[which % sources_.size()];
    if (with_nonce) put_nonce(datagram, to.nonce);
    judge(datagram, to);
    store_.say(to, datagram);
    pass(0);
  }
  // Whatever came, it ends.
  void end() {
    for (long long ms = 0; ms <= HUB_ANSWER_MS + HUB_TRY_MS; ms += HUB_TRY_MS) pass(HUB_TRY_MS);
    require(answered_ == waiting_for_ && asker_.flights() == 0);
  }

 private:
  static void put_nonce(std::string &datagram, const std::string &nonce) {
    const size_t at = datagram.find('\0', 1);
    if (at == datagram.npos || datagram.size() - at < 1 + QV_MAGIC_SIZE + QV_NONCE_SIZE) return;
    datagram.replace(at + 1 + QV_MAGIC_SIZE, QV_NONCE_SIZE, nonce);
  }
  void judge(const std::string &datagram, const asked &to) {
    packet_answer a;
    if (packet_read_answer(datagram.data(), datagram.size(), &a) == -1) return;
    if (a.extended ? memcmp(a.nonce, to.nonce.data(), QV_NONCE_SIZE) != 0 : !to.own || extended_) return;
    if (a.extended) extended_ = true;
    const unsigned result = a.status & QV_RESULT_BITS;
    valid_said_ = valid_said_ || result == QV_RESULT_VALID;
    invalid_said_ = invalid_said_ || (a.extended ? result == QV_RESULT_INVALID : result != QV_RESULT_VALID);
  }
  void answered(uint64_t who, const hub_answer &a) {
    require(who == waiting_for_ && answered_ == who - 1);
    answered_ = who;
    if (a.verdict == QV_INVALID) return require(invalid_said_);
    require(a.verdict == QV_TEMPORARY || valid_said_);
  }
  void noted(const std::string &said) {
    if (said.find("set aside") != said.npos) extended_ = false;
  }

  const server &store_;
  keys_table keys_;
  hub_asker asker_;
  std::vector<asked> sources_;
  uint64_t waiting_for_ = 0, answered_ = 0;
  long long now_ = 1000000;
  bool extended_ = false;  // in that form it has answered since it was last set aside
  bool invalid_said_ = false, valid_said_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const server store;
  static std::vector<std::string> complaints;
  static const std::string none;
  static const routes_table routes(store.routes, &none, 0, complaints);
  require(complaints.empty());
  if (size == 0) return 0;
  for (asked left; store.take(left);) continue;

  hub one(store, routes);
  if (data[0] & KNOWN) {
    one.ask(WARM_UP);
    const std::string good = std::string("\xa0joe\0", 5) + QV_MAGIC + std::string(QV_NONCE_SIZE, ' ') + '\0' +
                             static_cast<char>(QV_REASON_DOTQMAIL);
    one.hear(good, true, 0);
    one.end();
  }
  one.ask(ADDRESS);
  size_t at = 1;
  for (size_t n = 0; n < DATAGRAMS_MAX && size - at >= 2; ++n) {
    const size_t len = std::min<size_t>(data[at], size - at - 2);
    const uint8_t todo = data[at + 1];
    const std::string datagram(reinterpret_cast<const char *>(data) + at + 2, len);
    at += 2 + len;
    if (todo & TIME_PASSES) one.pass(HUB_TRY_MS);
    one.hear(datagram, todo & WITH_NONCE, todo >> WHICH_SHIFT);
  }
  one.end();
  return 0;
}
