// load.cpp - asks one class of questions as fast as they are answered, or at a given
// rate, checks every answer, and says how many there were.
//
//   load server=IP:PORT|/SOCKET address=TEMPLATE expect=valid|invalid|any|echo [NAME=VALUE...]
//
// server=/SOCKET     a UNIX socket: a connection for each question on its way, kept, and
//                    asked again once it was answered; not with rate=
// address=TEMPLATE   %p becomes a number below count=, in a pseudo-random order without
//                    repetition until all have been asked; %e twice that number;
//                    %r 16 hexadecimal digits that are never the same again
// count=N  first=I   how many numbers there are, and where in their order to begin
// seed=S             where %r begins
// packets=plain|extended   extended ones with a client and a sender, as qmail-smtpd's
// reason=NUMBER      of extended answers, besides what expect= says
// in_flight=W        closed loop: so many questions on their way at once (default 1)
// rate=R             open loop: R questions a second, evenly, whatever comes back (but
//                    with 128 on their way they wait: more might not fit the server's
//                    socket); extended only
// seconds=S | questions=N   when to end (default: 0.3 seconds)
// timeout=S          what is not answered after this is lost (default: 1)
// processor=N        to run on
//
// What belongs to what: an extended answer carries its question's nonce. A plain one
// does not; there all answers on the way are due the same verdict, so that it need not
// be known which is whose to check them: they are counted against the questions, on a
// socket that nothing older can arrive at. With one on its way, or on its connection,
// it is known.
//
// Prints one JSON object. rate: answers a second, from the first question to the last
// answer. latency: microseconds, where it is known which answer is whose; with rate=
// from the moment when the question was due. busy: this process's CPU by the clock;
// near 1 in a closed loop: it was the limit, not the server.
//
// Exits 0 whatever the answers were; 100 when called wrongly; 111 when it cannot ask.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loads.h"
#include "packet.h"

namespace {

constexpr unsigned BATCH = 64;         // datagrams in one call
constexpr size_t ON_THEIR_WAY_MAX = 128;  // in an open loop
constexpr size_t ANSWER_MAX = 2048;

// ---- what is to be done

enum class Expect { valid, invalid, any, echo };

struct plan {
  sockaddr_in server{};  // port 0: it is at path
  std::string path;
  std::string address;
  Expect expect = Expect::any;
  unsigned reason = QV_REASON_NONE;
  uint64_t count = 1, first = 0, seed = 1, questions = UINT64_MAX;
  bool extended = false;
  unsigned in_flight = 1;
  double rate = 0, seconds = 0.3, timeout = 1;
  int processor = -1;
};

sockaddr_in read_server(std::string_view argument, std::string_view value) {
  sockaddr_in a{};
  const size_t colon = value.find(':');
  a.sin_family = AF_INET;
  if (colon == value.npos || inet_pton(AF_INET, std::string(value.substr(0, colon)).c_str(), &a.sin_addr) != 1)
    usage(argument);
  a.sin_port = htons(static_cast<uint16_t>(read_whole(argument, value.substr(colon + 1))));
  return a;
}

Expect read_expect(std::string_view argument, std::string_view value) {
  if (value == "valid") return Expect::valid;
  if (value == "invalid") return Expect::invalid;
  if (value == "any") return Expect::any;
  if (value == "echo") return Expect::echo;
  usage(argument);
}

void read_argument(std::string_view argument, plan &p) {
  const size_t equals = argument.find('=');
  if (equals == argument.npos) usage(argument);
  const std::string_view name = argument.substr(0, equals), value = argument.substr(equals + 1);
  if (name == "server" && value.starts_with('/')) p.path = value;
  else if (name == "server") p.server = read_server(argument, value);
  else if (name == "address") p.address = value;
  else if (name == "expect") p.expect = read_expect(argument, value);
  else if (name == "reason") p.reason = static_cast<unsigned>(read_whole(argument, value));
  else if (name == "count") p.count = read_whole(argument, value);
  else if (name == "first") p.first = read_whole(argument, value);
  else if (name == "seed") p.seed = read_whole(argument, value);
  else if (name == "questions") p.questions = read_whole(argument, value), p.seconds = HUGE_VAL;
  else if (name == "packets" && (value == "plain" || value == "extended")) p.extended = value == "extended";
  else if (name == "in_flight") p.in_flight = static_cast<unsigned>(read_whole(argument, value));
  else if (name == "rate") p.rate = read_number(argument, value);
  else if (name == "seconds") p.seconds = read_number(argument, value);
  else if (name == "timeout") p.timeout = read_number(argument, value);
  else if (name == "processor") p.processor = static_cast<int>(read_whole(argument, value));
  else usage(argument);
}

plan read_plan(int argc, char **argv) {
  plan p;
  for (int i = 1; i < argc; ++i) read_argument(argv[i], p);
  if (p.address.empty() || (p.server.sin_port == 0) == p.path.empty()) usage("server= and address= are needed");
  if (p.path.size() >= sizeof sockaddr_un{}.sun_path || (p.rate > 0 && !p.path.empty())) usage(p.path);
  if (p.in_flight < 1 || p.in_flight > 1024 || p.count < 1) usage("in_flight= or count= is out of range");
  if (p.rate > 0 && !p.extended) usage("rate= needs packets=extended");
  return p;
}

// ---- questions on their way

// One datagram's room in a call for many.
struct datagrams {
  mmsghdr header[BATCH]{};
  iovec part[BATCH]{};
  unsigned char bytes[BATCH][ANSWER_MAX]{};
  datagrams() {
    for (unsigned i = 0; i < BATCH; ++i) {
      part[i] = {bytes[i], ANSWER_MAX};
      header[i].msg_hdr.msg_iov = &part[i];
      header[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

class asker {
 public:
  asker(const plan &plan, tally &tally, addresses &from) : p(plan), t(tally), names(from) {
    memcpy(run_, &plan.seed, sizeof run_);
    open();
  }
  ~asker() { close(socket_); }
  asker(const asker &) = delete;
  asker &operator=(const asker &) = delete;

  size_t on_their_way() const { return p.extended ? due_.size() : counted_; }

  // Asks n more, at most BATCH. since: when they were to be asked.
  void ask(unsigned n, int64_t since) {
    for (unsigned i = 0; i < n; ++i) write(i, since);
    for (unsigned done = 0; done < n;) {
      const int sent = sendmmsg(socket_, out_.header + done, n - done, 0);
      if (sent <= 0) die("cannot send");
      done += static_cast<unsigned>(sent);
    }
    t.sent += n;
    counted_ += n;
    last_asked_ = since;
  }

  // Takes the answers that are there; waits for one where told to. Returns how many.
  unsigned take(bool wait) {
    for (unsigned i = 0; i < BATCH; ++i) in_.part[i].iov_len = ANSWER_MAX;
    const int n = recvmmsg(socket_, in_.header, BATCH, wait ? MSG_WAITFORONE : MSG_DONTWAIT, nullptr);
    if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
    if (n == -1) die("cannot receive");
    const int64_t now = now_ns();
    for (int i = 0; i < n; ++i) check({reinterpret_cast<const char *>(in_.bytes[i]), in_.header[i].msg_len}, now);
    t.last_answer = now;
    return static_cast<unsigned>(n);
  }

  // What is on its way is lost; it is not waited for any more.
  void give_up() {
    t.lost += on_their_way();
    due_.clear();
    counted_ = 0;
    close(socket_);
    open();
  }

 private:
  void open() {
    const timeval wait = {static_cast<time_t>(p.timeout), static_cast<suseconds_t>(std::fmod(p.timeout, 1) * 1e6)};
    const int room = 4 << 20;
    socket_ = p.path.empty() ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
                             : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (socket_ == -1 || connect_it() == -1 || setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1)
      die("cannot open a socket");
    if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == -1)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  }

  int connect_it() const {
    if (p.path.empty()) return connect(socket_, reinterpret_cast<const sockaddr *>(&p.server), sizeof p.server);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    memcpy(at.sun_path, p.path.c_str(), p.path.size() + 1);
    return connect(socket_, reinterpret_cast<const sockaddr *>(&at), sizeof at);
  }

  void write(unsigned i, int64_t since) {
    static const unsigned char CLIENT[4] = {192, 0, 2, 25};
    static const std::string_view SENDER = "friend@example.net";
    names.next(address_);
    packet_question q{};
    unsigned char nonce[QV_NONCE_SIZE];
    q.address = address_.data();
    q.address_len = address_.size();
    if (p.extended) {
      memcpy(nonce, &number_, sizeof number_);
      memcpy(nonce + sizeof number_, run_, sizeof run_);
      due_.emplace(number_++, since);
      q.extended = 1;
      q.nonce = nonce;
      q.client = CLIENT;
      q.client_len = sizeof CLIENT;
      q.sender = SENDER.data();
      q.sender_len = SENDER.size();
    }
    const size_t len = packet_write_question(&q, out_.bytes[i], ANSWER_MAX);
    if (!len) usage("the address is too long");
    out_.part[i].iov_len = len;
  }

  void check(std::string_view answer, int64_t now) {
    packet_answer a{};
    packet_question echoed{};
    const unsigned char *nonce;
    bool right;
    if (p.expect == Expect::echo) {
      right = packet_read_question(answer.data(), answer.size(), &echoed) == 0;
      nonce = echoed.nonce;
    } else {
      right = packet_read_answer(answer.data(), answer.size(), &a) == 0;
      nonce = a.nonce;
      right = right && says(a);
    }
    if (!account(nonce, now)) return;
    ++t.answered;
    if (right) return;
    ++t.wrong;
    if (t.example.empty())
      t.example = "status " + std::to_string(a.status) + (a.extended ? " reason " + std::to_string(a.reason) : "") +
                  " user " + std::string(a.user, a.user_len) + (p.in_flight == 1 ? " for " + address_ : "");
  }

  bool says(const packet_answer &a) const {
    const unsigned result = a.status & QV_RESULT_BITS;
    if (p.extended != (a.extended != 0) || result > QV_RESULT_INVALID) return false;
    if (p.reason && p.extended && a.reason != p.reason) return false;
    return p.expect == Expect::any || result == (p.expect == Expect::valid ? QV_RESULT_VALID : QV_RESULT_INVALID);
  }

  // False: nobody asked.
  bool account(const unsigned char *nonce, int64_t now) {
    if (!p.extended) {
      if (counted_ == 0) return ++t.stray, false;
      --counted_;
      if (p.in_flight == 1 || !p.path.empty()) t.timed(now - last_asked_);
      return true;
    }
    uint64_t number = 0;
    if (nonce) memcpy(&number, nonce, sizeof number);
    const auto found = nonce && memcmp(nonce + sizeof number, run_, sizeof run_) == 0 ? due_.find(number) : due_.end();
    if (found == due_.end()) return ++t.stray, false;
    t.timed(now - found->second);
    due_.erase(found);
    return true;
  }

  const plan &p;
  tally &t;
  addresses &names;
  std::string address_;
  unsigned char run_[8];
  uint64_t number_ = 0;
  std::unordered_map<uint64_t, int64_t> due_;  // extended: by the nonce's number, since when
  size_t counted_ = 0;                         // plain: how many
  int64_t last_asked_ = 0;
  int socket_ = -1;
  datagrams out_, in_;
};

// ---- the two ways to ask

// Each answer makes room for a question.
void closed_loop(const plan &p, asker &a, tally &t) {
  const int64_t end = p.seconds < 1e9 ? t.began + static_cast<int64_t>(p.seconds * 1e9) : INT64_MAX;
  const auto more = [&](uint64_t n) {
    const int64_t now = now_ns();
    if (now >= end) return;
    n = std::min(n, p.questions - t.sent);
    for (; n > 0; n -= std::min<uint64_t>(n, BATCH)) a.ask(static_cast<unsigned>(std::min<uint64_t>(n, BATCH)), now);
  };
  more(p.in_flight);
  while (a.on_their_way() > 0) {
    const unsigned n = a.take(true);
    if (n == 0) a.give_up();
    more(p.in_flight - a.on_their_way());
  }
}

// The same over connections, one question at a time on each.
void connections(const plan &p, addresses &names, tally &t) {
  std::vector<std::unique_ptr<asker>> all;
  for (unsigned i = 0; i < p.in_flight; ++i) all.push_back(std::make_unique<asker>(p, t, names));
  t.began = t.last_answer = now_ns();
  const int64_t end = p.seconds < 1e9 ? t.began + static_cast<int64_t>(p.seconds * 1e9) : INT64_MAX;
  for (bool any = true; any;) {
    any = false;
    for (auto &a : all)
      if (const int64_t now = now_ns(); now < end && t.sent < p.questions) a->ask(1, now);
    for (auto &a : all) {
      if (a->on_their_way() == 0) continue;
      any = true;
      if (a->take(true) == 0) a->give_up();
    }
  }
}

// A question when it is due. This one never sleeps: a clock that wakes it late would be
// taken for the server.
void open_loop(const plan &p, asker &a, tally &t) {
  const double gap = 1e9 / p.rate;
  const auto all = std::min<uint64_t>(p.questions, static_cast<uint64_t>(p.rate * std::min(p.seconds, 3600.0)));
  const auto patience = static_cast<int64_t>(p.timeout * 1e9);
  int64_t due = t.began;
  while (t.sent < all || a.on_their_way() > 0) {
    const int64_t now = now_ns();
    if (t.sent < all && now >= due && a.on_their_way() < ON_THEIR_WAY_MAX) {
      a.ask(1, due);
      due = t.began + static_cast<int64_t>(static_cast<double>(t.sent) * gap);
    }
    a.take(false);
    if (now > std::max(due, t.last_answer) + patience) a.give_up();
  }
}

void datagram_socket(const plan &p, addresses &names, tally &t) {
  asker a(p, t, names);
  t.began = t.last_answer = now_ns();
  if (p.rate > 0)
    open_loop(p, a, t);
  else
    closed_loop(p, a, t);
}

}  // namespace

int main(int argc, char **argv) {
  const plan p = read_plan(argc, argv);
  stay_on(p.processor);
  tally t;
  t.latencies.reserve(1 << 20);
  addresses names(p.address, p.count, p.first, p.seed);
  const double before = cpu_seconds();
  if (p.path.empty())
    datagram_socket(p, names, t);
  else
    connections(p, names, t);
  const double seconds = static_cast<double>(now_ns() - t.began) / 1e9;
  print(t, (cpu_seconds() - before) / seconds);
  return 0;
}
