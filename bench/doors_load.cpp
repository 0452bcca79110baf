// doors_load.cpp - asks one class of questions through a door of qmail-verify-gate as fast as
// they are answered, checks every answer, and says how many there were.
//
//   doors_load server=IP:PORT|/SOCKET protocol=NAME address=TEMPLATE expect=valid|invalid [NAME=VALUE...]
//
// protocol=socketmap|policy|tcp_table|line|qd1
// address=, count=, first=, seed=, seconds= or questions=, timeout=, processor=: as load.cpp has them
// connections=W      so many at once, with one question on its way on each (default 1), as SMTP
//                    servers have it: one of theirs asks, waits, and asks again
// kept=1|0           0: each question has a connection of its own (default 1)
//
// Prints one JSON object, as load.cpp. An answer that is not whole after timeout=, and a
// connection that ends before its answer, are lost questions.
//
// Exits 0 whatever the answers were; 100 when called wrongly; 111 when it cannot ask.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>

#include "loads.h"

namespace {

// ---- the protocols, as who asks speaks them

enum class Said { more, valid, invalid, other };

struct protocol {
  std::string_view name;
  std::string (*question)(const std::string &address, bool kept);
  Said (*answer)(std::string_view input);
};

Said said(std::string_view word, std::string_view valid, std::string_view invalid) {
  if (word.starts_with(valid)) return Said::valid;
  return word.starts_with(invalid) ? Said::invalid : Said::other;
}

std::string ask_socketmap(const std::string &address, bool) {
  const std::string payload = "recipients " + address;
  return std::to_string(payload.size()) + ":" + payload + ",";
}

Said hear_socketmap(std::string_view input) {
  if (!input.ends_with(',')) return Said::more;
  const size_t colon = input.find(':');
  return colon == input.npos ? Said::other : said(input.substr(colon + 1), "OK ", "NOTFOUND ,");
}

std::string ask_policy(const std::string &address, bool) {
  return "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.25\n"
         "sender=friend@example.net\nrecipient=" + address + "\n\n";
}

Said hear_policy(std::string_view input) {
  return input.ends_with("\n\n") ? said(input, "action=DUNNO\n", "action=550 ") : Said::more;
}

std::string ask_tcp_table(const std::string &address, bool) { return "get " + address + "\n"; }

Said hear_tcp_table(std::string_view input) {
  return input.ends_with('\n') ? said(input, "200 ", "500 ") : Said::more;
}

std::string ask_line(const std::string &address, bool) {
  return address + "\nsender=friend@example.net\nclient=192.0.2.25\n\n";
}

Said hear_line(std::string_view input) {
  return input.ends_with('\n') ? said(input, "valid\n", "invalid\n") : Said::more;
}

// As Qmail::Deliverable::Client, which keeps its connection.
std::string ask_qd1(const std::string &address, bool kept) {
  return "GET /qd1/deliverable?" + address + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
         (kept ? "\r\n" : "Connection: close\r\n\r\n");
}

Said hear_qd1(std::string_view input) {
  const size_t head = input.find("\r\n\r\n");
  if (head == input.npos) return Said::more;
  std::string lower(input.substr(0, head));
  for (char &c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const size_t length = lower.find("content-length:");
  if (!lower.starts_with("http/1.1 200") || length == lower.npos) return Said::other;
  const auto wanted = static_cast<size_t>(atoi(lower.c_str() + length + 15));
  const std::string_view body = input.substr(head + 4);
  if (body.size() < wanted) return Said::more;
  return atoi(std::string(body).c_str()) == 0 ? Said::invalid : Said::valid;
}

constexpr protocol PROTOCOLS[] = {
    {"socketmap", ask_socketmap, hear_socketmap}, {"policy", ask_policy, hear_policy},
    {"tcp_table", ask_tcp_table, hear_tcp_table}, {"line", ask_line, hear_line},
    {"qd1", ask_qd1, hear_qd1},
};

// ---- what is to be done

struct plan {
  sockaddr_storage server{};
  socklen_t server_len = 0;
  const protocol *speaks = nullptr;
  std::string address;
  Said expect = Said::other;
  uint64_t count = 1, first = 0, seed = 1, questions = UINT64_MAX;
  unsigned connections = 1;
  bool kept = true;
  double seconds = 0.3, timeout = 1;
  int processor = -1;
};

void read_server(std::string_view argument, std::string_view value, plan &p) {
  if (value.starts_with('/')) {
    auto &at = reinterpret_cast<sockaddr_un &>(p.server);
    if (value.size() >= sizeof at.sun_path) usage(argument);
    at.sun_family = AF_UNIX;
    memcpy(at.sun_path, value.data(), value.size());
    p.server_len = sizeof at;
    return;
  }
  auto &at = reinterpret_cast<sockaddr_in &>(p.server);
  const size_t colon = value.find(':');
  at.sin_family = AF_INET;
  if (colon == value.npos || inet_pton(AF_INET, std::string(value.substr(0, colon)).c_str(), &at.sin_addr) != 1)
    usage(argument);
  at.sin_port = htons(static_cast<uint16_t>(read_whole(argument, value.substr(colon + 1))));
  p.server_len = sizeof at;
}

const protocol *read_protocol(std::string_view argument, std::string_view value) {
  for (const protocol &one : PROTOCOLS)
    if (one.name == value) return &one;
  usage(argument);
}

void read_argument(std::string_view argument, plan &p) {
  const size_t equals = argument.find('=');
  if (equals == argument.npos) usage(argument);
  const std::string_view name = argument.substr(0, equals), value = argument.substr(equals + 1);
  if (name == "server") read_server(argument, value, p);
  else if (name == "protocol") p.speaks = read_protocol(argument, value);
  else if (name == "address") p.address = value;
  else if (name == "expect" && value == "valid") p.expect = Said::valid;
  else if (name == "expect" && value == "invalid") p.expect = Said::invalid;
  else if (name == "count") p.count = read_whole(argument, value);
  else if (name == "first") p.first = read_whole(argument, value);
  else if (name == "seed") p.seed = read_whole(argument, value);
  else if (name == "questions") p.questions = read_whole(argument, value), p.seconds = HUGE_VAL;
  else if (name == "connections") p.connections = static_cast<unsigned>(read_whole(argument, value));
  else if (name == "kept" && (value == "0" || value == "1")) p.kept = value == "1";
  else if (name == "seconds") p.seconds = read_number(argument, value);
  else if (name == "timeout") p.timeout = read_number(argument, value);
  else if (name == "processor") p.processor = static_cast<int>(read_whole(argument, value));
  else usage(argument);
}

plan read_plan(int argc, char **argv) {
  plan p;
  for (int i = 1; i < argc; ++i) read_argument(argv[i], p);
  if (p.address.empty() || !p.server_len || !p.speaks || p.expect == Said::other)
    usage("server=, protocol=, address= and expect= are needed");
  if (p.connections < 1 || p.connections > 512 || p.count < 1) usage("connections= or count= is out of range");
  return p;
}

// ---- a connection

class asker {
 public:
  asker(const plan &plan, tally &tally, addresses &from, int epoll) : p(plan), t(tally), names(from), epoll_(epoll) {}
  ~asker() { hang_up(); }
  asker(const asker &) = delete;
  asker &operator=(const asker &) = delete;

  bool waits() const { return since_ != 0; }
  bool is_late(int64_t now) const { return waits() && now - since_ > static_cast<int64_t>(p.timeout * 1e9); }

  void ask(int64_t now) {
    if (socket_ == -1) call();
    names.next(address_);
    input_.clear();
    const std::string question = p.speaks->question(address_, p.kept);
    if (send(socket_, question.data(), question.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(question.size()))
      die("cannot send");  // one question has room
    since_ = now;
    ++t.sent;
  }

  // What is there of the answer.
  void hear() {
    char piece[4096];
    const ssize_t n = recv(socket_, piece, sizeof piece, MSG_DONTWAIT);
    if (n == -1 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return lose();
    input_.append(piece, static_cast<size_t>(n));
    const Said what = p.speaks->answer(input_);
    if (what != Said::more) count(what);
  }

  void lose() {
    t.lost += waits();
    since_ = 0;
    hang_up();
  }

 private:
  void call() {
    socket_ = socket(p.server.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ == -1 || connect(socket_, reinterpret_cast<const sockaddr *>(&p.server), p.server_len) == -1)
      die("cannot connect");
    const int on = 1;
    const linger none = {1, 0};  // no port stays taken after its one question
    if (p.server.ss_family == AF_INET) setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (p.server.ss_family == AF_INET && !p.kept) setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = this;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event) == -1) die("epoll_ctl");
  }

  void hang_up() {
    if (socket_ != -1) close(socket_);
    socket_ = -1;
  }

  void count(Said what) {
    const int64_t now = now_ns();
    t.timed(now - since_);
    t.last_answer = now;
    since_ = 0;
    ++t.answered;
    if (what != p.expect) {
      ++t.wrong;
      if (t.example.empty()) t.example = input_.substr(0, 100) + " for " + address_;
    }
    if (!p.kept) hang_up();
  }

  const plan &p;
  tally &t;
  addresses &names;
  const int epoll_;
  int socket_ = -1;
  int64_t since_ = 0;
  std::string address_, input_;
};

// Each answer makes room for a question.
void ask_all(const plan &p, addresses &names, tally &t) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll == -1) die("epoll_create");
  std::vector<std::unique_ptr<asker>> all;
  for (unsigned i = 0; i < p.connections; ++i) all.push_back(std::make_unique<asker>(p, t, names, epoll));
  t.began = t.last_answer = now_ns();
  const int64_t end = p.seconds < 1e9 ? t.began + static_cast<int64_t>(p.seconds * 1e9) : INT64_MAX;
  const auto more = [&](asker &a) {
    const int64_t now = now_ns();
    if (!a.waits() && now < end && t.sent < p.questions) a.ask(now);
  };
  for (auto &a : all) more(*a);
  while (std::any_of(all.begin(), all.end(), [](const auto &a) { return a->waits(); })) {
    epoll_event events[64];
    const int n = epoll_wait(epoll, events, 64, 100);
    for (int i = 0; i < n; ++i) {
      auto &a = *static_cast<asker *>(events[i].data.ptr);
      a.hear();
      more(a);
    }
    if (n > 0) continue;
    for (auto &a : all)
      if (a->is_late(now_ns())) a->lose(), more(*a);
  }
  all.clear();
  close(epoll);
}

}  // namespace

int main(int argc, char **argv) {
  const plan p = read_plan(argc, argv);
  stay_on(p.processor);
  tally t;
  t.latencies.reserve(1 << 20);
  addresses names(p.address, p.count, p.first, p.seed);
  const double before = cpu_seconds();
  ask_all(p, names, t);
  const double seconds = static_cast<double>(now_ns() - t.began) / 1e9;
  print(t, (cpu_seconds() - before) / seconds);
  return 0;
}
