// forwarder.cpp - see forwarder.h.

#include "forwarder.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <string>
#include <unordered_map>
#include <vector>

#include "counters.h"
#include "hub/asker.h"
#include "hub/seal.h"
#include "packet.h"
#include "say.h"
#include "sockbits.h"
#include "worker.h"

namespace {

constexpr unsigned TAKE_MAX = 64;         // questions from the lane before answers have their turn
constexpr size_t HELD_MAX = 65536;        // questions that wait
constexpr uint64_t LANE = 0, SERVERS = 1, LIFELINE = 2;

volatile sig_atomic_t got_drain, got_retire;
void on_drain(int) { got_drain = 1; }
void on_retire(int) { got_retire = 1; }

// What stands before the datagram in the lane.
struct handed {
  uint16_t to_len;
  uint16_t observe;
};

template <size_t N>
void copy(char (&to)[N], std::string_view from) {
  to[from.copy(to, N - 1)] = '\0';
}

// control/verifypolicy, "observe": what would not be accepted is, and is logged.
void observe(address_answer &a) {
  const std::string about = std::string(qv_reason_name(a.reason)) + (*a.about ? " " : "") + a.about;
  if (a.verdict != QV_INVALID && a.verdict != QV_TEMPORARY) return;
  a.verdict = QV_VALID;
  a.reason = QV_REASON_POLICY_OBSERVE;
  a.position = qv_reason_position(a.reason);
  copy(a.about, about);
}

// A question that waits for what comes of it.
struct held_question {
  board_question question;
  std::string datagram;
  bool observe = false;
};

struct reply {
  listen_asker asker;
  size_t len;
  char bytes[BOARD_REPLY_MAX];
};

class forwarder {
 public:
  forwarder(const forwarder_site &site, const sigset_t &unblocked)
      : site_(site), unblocked_(unblocked),
        asker_(site.routes, site.keys, site.store,
               [this](uint64_t waiter, const hub_answer &answer) { answered(waiter, answer); },
               [](const std::string &sentence) { say(sentence.c_str(), ".", ""); },
               [this](hub_event what) { count(what); }),
        buffer_(QV_QUESTION_MAX) {}

  int run();

 private:
  bool prepare();
  void stop_listening();
  bool take();
  void question(const board_question &question, std::string_view message);
  void answered(uint64_t waiter, const hub_answer &answer);
  void send();
  void count(hub_event what);
  bool over(long long &drain_until);

  const forwarder_site &site_;
  const sigset_t &unblocked_;
  hub_asker asker_;
  std::unordered_map<uint64_t, held_question> held_;
  uint64_t next_ = 0;
  std::vector<char> buffer_;
  std::vector<reply> replies_;
  unique_fd events_;
  bool deaf_ = false, alone_ = false;
};

void forwarder::count(hub_event what) {
  switch (what) {
    case hub_event::sent: return site_.seat.counts.add(COUNTER_SERVERS_ASKED);
    case hub_event::answered: return site_.seat.counts.add(COUNTER_ROUTED_ANSWERED);
    case hub_event::stale: return site_.seat.counts.add(COUNTER_ROUTED_STALE);
    case hub_event::unanswered: return site_.seat.counts.add(COUNTER_ROUTED_UNANSWERED);
    case hub_event::shared: return site_.seat.counts.add(COUNTER_ROUTED_SHARED);
    case hub_event::ignored: return site_.seat.counts.add(COUNTER_NO_ANSWERS);
  }
}

// Takes some. False: there were none.
bool forwarder::take() {
  board_question question;
  size_t len = 0;
  unsigned n = 0;
  while (n < TAKE_MAX && site_.lane.take(question, buffer_.data(), len)) {
    ++n;
    this->question(question, {buffer_.data(), len});
  }
  return n != 0;
}

void forwarder::question(const board_question &question, std::string_view message) {
  handed head;
  packet_question q;
  if (message.size() < sizeof head) return;
  memcpy(&head, message.data(), sizeof head);
  const std::string_view to = message.substr(sizeof head, head.to_len);
  const std::string_view datagram = message.substr(std::min(message.size(), sizeof head + head.to_len));
  if (packet_read_question(datagram.data(), datagram.size(), &q) == -1) return;
  const uint64_t waiter = ++next_;
  held_[waiter] = {question, std::string(datagram), head.observe != 0};
  if (held_.size() > HELD_MAX) {
    hub_answer none;
    none.reason = QV_REASON_RESOURCE_TROUBLE;
    return answered(waiter, none);
  }
  char from[UDP_TEXT_MAX] = "a program on this host";
  if (!question.ticket) udp_format(&question.asker.from, from);
  hub_question asked;
  asked.address = to;
  asked.sender = q.sender;
  asked.sender_len = q.sender_len;
  asked.client = q.client;
  asked.client_len = q.client_len;
  asked.hop = q.hop;
  asked.from = from;
  asker_.ask(waiter, asked, sockbits_now_ms());
}

void forwarder::answered(uint64_t waiter, const hub_answer &answer) {
  const auto at = held_.find(waiter);
  if (at == held_.end()) return;
  const held_question one = std::move(at->second);
  held_.erase(at);
  address_answer a{};
  a.verdict = answer.verdict;
  a.reason = static_cast<qv_reason>(answer.reason);
  a.position = answer.position;
  copy(a.user, answer.user);
  copy(a.about, answer.about);
  if (one.observe) observe(a);

  reply r;
  r.asker = one.question.asker;
  r.len = site_.calls.told(one.datagram.data(), one.datagram.size(), &a, r.bytes);
  site_.seat.counts.add(COUNTER_REASON + unsigned{a.reason} % COUNTER_REASONS);
  if (one.question.ticket) {
    site_.parent.tell({one.question.ticket, relay_kind::answer, a.verdict}, r.bytes, r.len);
  } else if (r.len) {
    r.len = seal_reply(site_.keys, ip_of(r.asker.from.addr), one.datagram, r.bytes, r.len, sizeof r.bytes);
    replies_.push_back(r);
  }
}

// By UDP, several at a time.
void forwarder::send() {
  listen_reply out[listen_sockets::TOGETHER_MAX];
  for (size_t i = 0; i < replies_.size();) {
    unsigned n = 0;
    const unsigned socket = replies_[i].asker.socket;
    for (; i < replies_.size() && n < listen_sockets::TOGETHER_MAX && replies_[i].asker.socket == socket; ++i)
      out[n++] = {&replies_[i].asker, replies_[i].bytes, replies_[i].len};
    listen_asker to;
    if (site_.sockets.answer(out, n, to)) site_.seat.counts.add(COUNTER_UNSENT);
  }
  replies_.clear();
}

bool forwarder::prepare() {
  const auto watch = [&](int fd, uint64_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = what;
    return epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  struct sigaction act {};
  act.sa_handler = on_drain;
  sigaction(SIGTERM, &act, nullptr);
  act.sa_handler = on_retire;
  sigaction(SIGUSR2, &act, nullptr);
  act.sa_handler = SIG_IGN;
  for (const int sig : {SIGHUP, SIGUSR1, SIGINT}) sigaction(sig, &act, nullptr);
  act.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &act, nullptr);
  events_.reset(epoll_create1(EPOLL_CLOEXEC));
  return events_ && watch(site_.lane.worker_fd(), LANE) && watch(asker_.fd(), SERVERS) && watch(site_.lifeline, LIFELINE);
}

void forwarder::stop_listening() {
  if (deaf_) return;
  deaf_ = true;
  epoll_ctl(events_.get(), EPOLL_CTL_DEL, site_.lane.worker_fd(), nullptr);
}

// Told to end, and nobody waits any more, or not for longer.
bool forwarder::over(long long &drain_until) {
  if (alone_) return true;
  if (!got_drain && !got_retire) return false;
  const long long now = sockbits_now_ms();
  if (got_retire) stop_listening();
  if (got_drain && !drain_until) drain_until = now + CREW_DRAIN_MS;
  return held_.empty() || (got_drain && now >= drain_until);
}

int forwarder::run() {
  say_hold(&site_.seat.held);
  if (!prepare()) return say_errno("the process that asks other servers cannot begin", ""), 111;
  long long drain_until = 0;
  unsigned turns = 0;
  while (!over(drain_until)) {
    const int due = asker_.tick(sockbits_now_ms());
    send();
    say_flush();
    epoll_event ready[4];
    const int wait = got_drain || got_retire ? 10 : due;
    const int n = epoll_pwait(events_.get(), ready, 4, wait, &unblocked_);
    for (int i = 0; i < n; ++i) {
      if (ready[i].data.u64 == LANE) take();
      if (ready[i].data.u64 == SERVERS) asker_.serve(sockbits_now_ms());
      if (ready[i].data.u64 == LIFELINE) alone_ = true;
    }
    if (n > 0 && ++turns % 16 == 0) worker_let_signals_in(unblocked_);
  }
  send();
  return 0;
}

}  // namespace

// ---- in a worker

std::string_view forwarder_domain(std::string_view address) { return address.substr(address.rfind('@') + 1); }

void forwarder_kept(const kept_answer &known, bool only_observe, address_answer &a) {
  a = {};
  a.verdict = known.verdict;
  a.reason = known.reason;
  a.position = known.position;
  copy(a.user, known.user);
  copy(a.about, known.stale ? "stale" : "kept");
  if (only_observe) observe(a);
}

void forwarder_trouble(address_answer &a, int error) {
  a.verdict = QV_TEMPORARY;
  a.reason = QV_REASON_RESOURCE_TROUBLE;
  a.position = qv_reason_position(a.reason);
  a.error = error;
  copy(a.about, error ? "" : "too many questions wait for other servers");
}

bool forwarder_hand_on(relay &lane, const board_question &question, const address_remote &remote,
                       std::string_view datagram) {
  const handed head{static_cast<uint16_t>(remote.len), static_cast<uint16_t>(remote.observe != 0)};
  std::string message(sizeof head + remote.len + datagram.size(), '\0');
  memcpy(message.data(), &head, sizeof head);
  memcpy(message.data() + sizeof head, remote.to, remote.len);
  memcpy(message.data() + sizeof head + remote.len, datagram.data(), datagram.size());
  return lane.ask(question, message.data(), message.size());
}

// ---- the process

int forwarder_run(const forwarder_site &site, const sigset_t &unblocked) {
  try {
    forwarder all(site, unblocked);
    const int code = all.run();
    say_flush();
    return code;
  } catch (const std::exception &e) {
    say("the process that asks other servers ends: ", e.what(), "");
    say_flush();
    return 111;
  }
}
