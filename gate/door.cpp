// door.cpp - see door.h.

#include "door.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "connection.h"
#include "qmail/fd.h"
#include "sockbits.h"

namespace {

constexpr size_t READ_MAX = 16384;
constexpr size_t WRITE_MAX = 4096;  // what a pipe that has become writable takes without waiting
constexpr int AT_ONCE = 64;         // events, and connections taken from one listener
constexpr long long SWEEP_MS = 5000;
constexpr long long BREATH_MS = 1000;  // before connections are taken again after one could not be
// in what epoll tells: the kind of thing, above its number
constexpr uint64_t KIND = uint64_t{1} << 56;
enum : uint64_t { LISTENER = 1, CLIENT_IN, CLIENT_OUT, SERVERS, SIGNALS };

struct client {
  uint64_t id = 0;
  const gate_kind *kind = nullptr;
  unique_fd fd;          // of a connection that was taken
  int in = -1, out = -1;
  bool socket = false;   // else pipes, files, terminals
  bool in_always = false, out_always = false;  // a file: ready whenever it is wanted
  uint32_t in_watched = 0, out_watched = 0;  // what epoll was told of them
  bool failed = false, queued = false;
  long long heard_ms = 0;
  std::unique_ptr<gate_connection> connection;
};

bool would_wait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

class door {
 public:
  door(const gate_options &options, const gate_policy &policy, gate_log &log);

  void listen(const std::vector<gate_listener> &listeners);
  void speak(const gate_kind *kind);
  void run();

 private:
  void add(const gate_kind *kind, int in, int out, unique_fd fd);
  bool change(int operation, int fd, uint32_t what, uint64_t data);
  void want_listeners(bool wanted);
  void want(client &c);
  bool watch(int fd, uint32_t &have, uint32_t wanted, uint64_t data);
  void event(uint64_t data);
  void take(const gate_listener &listener);
  void refuse_more(const std::string &why);
  void read(client &c);
  void write(client &c);
  void work(client &c);
  void queue(client &c);
  void work_off();
  void answered(uint64_t ticket, const gate_answer &answer);
  void sweep();
  bool over() const;
  int patience(int due) const;
  void end();

  const gate_options &options_;
  gate_log &log_;
  gate_asking asking_;
  unique_fd events_, signals_;
  const std::vector<gate_listener> *listeners_ = nullptr;
  std::unordered_map<uint64_t, std::unique_ptr<client>> clients_;
  struct asked {
    uint64_t client, number;
  };
  std::unordered_map<uint64_t, asked> asked_;
  std::vector<uint64_t> queue_;  // clients for whom there is something to do
  uint64_t last_client_ = 0, last_ticket_ = 0;
  long long now_ = 0, swept_ = 0, breath_until_ = 0, ends_ = 0;
  bool listening_ = false, ending_ = false;
};

door::door(const gate_options &options, const gate_policy &policy, gate_log &log)
    : options_(options), log_(log),
      asking_(policy, options.verbose, log, [this](uint64_t ticket, const gate_answer &a) { answered(ticket, a); }) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  events_.reset(epoll_create1(EPOLL_CLOEXEC));
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!events_ || !signals_ || !change(EPOLL_CTL_ADD, signals_.get(), EPOLLIN, SIGNALS * KIND) ||
      !change(EPOLL_CTL_ADD, asking_.fd(), EPOLLIN, SERVERS * KIND))
    throw std::system_error(errno, std::generic_category(), "epoll");
  now_ = swept_ = sockbits_now_ms();
}

bool door::change(int operation, int fd, uint32_t what, uint64_t data) {
  epoll_event event{};
  event.events = what;
  event.data.u64 = data;
  return epoll_ctl(events_.get(), operation, fd, &event) == 0;
}

// ---- connections

void door::listen(const std::vector<gate_listener> &listeners) {
  listeners_ = &listeners;
  want_listeners(true);
}

void door::want_listeners(bool wanted) {
  if (!listeners_ || wanted == listening_) return;
  listening_ = wanted;
  for (size_t i = 0; i < listeners_->size(); ++i)
    change(wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, (*listeners_)[i].socket.fd.get(), EPOLLIN, LISTENER * KIND + i);
}

// Where descriptor 0 is a socket, it is the one of the answers, too: OpenSMTPD before 7.5
// gives a table process no other.
void door::speak(const gate_kind *kind) {
  struct stat st;
  add(kind, 0, fstat(0, &st) == 0 && S_ISSOCK(st.st_mode) ? 0 : 1, unique_fd());
}

void door::add(const gate_kind *kind, int in, int out, unique_fd fd) {
  auto fresh = std::make_unique<client>();
  client &c = *fresh;
  struct stat st;
  const int on = 1;
  c.id = ++last_client_;
  c.kind = kind;
  c.fd = std::move(fd);
  c.in = in;
  c.out = out;
  c.socket = fstat(in, &st) == 0 && S_ISSOCK(st.st_mode) && fstat(out, &st) == 0 && S_ISSOCK(st.st_mode);
  if (c.socket) setsockopt(in, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  c.heard_ms = now_;
  c.connection = std::make_unique<gate_connection>(
      kind->make(),
      [this, &c](uint64_t number, const gate_question &question) {
        const uint64_t ticket = ++last_ticket_;
        asked_[ticket] = {c.id, number};
        asking_.ask(ticket, c.kind->name, question, now_);
      },
      [this, &c](const std::string &complaint) {
        log_.say_rarely(std::string(c.kind->name) + ": " + gate_safe_sentence(complaint), now_);
      });
  clients_[c.id] = std::move(fresh);
  want(c);
}

// What is waited for of it.
void door::want(client &c) {
  const uint32_t in = c.connection->wants_input() ? EPOLLIN : 0u;
  const uint32_t out = !c.connection->output().empty() && !c.failed ? EPOLLOUT : 0u;
  if (c.in_always) {
    if (in) queue(c);
  } else if (!watch(c.in, c.in_watched, c.in == c.out ? in | out : in, CLIENT_IN * KIND + c.id) && errno == EPERM) {
    c.in_always = true;
    queue(c);
  }
  if (c.in == c.out || c.out_always) return;
  if (watch(c.out, c.out_watched, out, CLIENT_OUT * KIND + c.id) || errno != EPERM) return;
  c.out_always = true;
  queue(c);
}

// False: epoll does not know such a thing (EPERM: a file, which is always ready).
bool door::watch(int fd, uint32_t &have, uint32_t wanted, uint64_t data) {
  if (have == wanted) return true;
  const int operation = !wanted ? EPOLL_CTL_DEL : have ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (!change(operation, fd, wanted, data)) return false;
  have = wanted;
  return true;
}

void door::take(const gate_listener &listener) {
  for (int i = 0; i < AT_ONCE; ++i) {
    if (clients_.size() >= options_.clients)
      return refuse_more("there are " + std::to_string(options_.clients) + " connections (-c): others wait");
    unique_fd fd(accept4(listener.socket.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
      return refuse_more("connections wait: no more can be taken: " + std::generic_category().message(errno));
    if (!fd) return;
    const int in = fd.get();
    add(listener.place.kind, in, in, std::move(fd));
  }
}

void door::refuse_more(const std::string &why) {
  log_.say_rarely(why, now_);
  want_listeners(false);
  breath_until_ = now_ + BREATH_MS;
}

// ---- bytes

void door::read(client &c) {
  char buffer[READ_MAX];
  if (!c.connection->wants_input()) return;
  const ssize_t n = c.socket ? recv(c.in, buffer, sizeof buffer, MSG_DONTWAIT) : ::read(c.in, buffer, sizeof buffer);
  if (n == -1 && would_wait(errno)) return;
  c.heard_ms = now_;
  if (n > 0) {
    c.connection->feed({buffer, static_cast<size_t>(n)});
  } else {
    c.failed = c.failed || n == -1;
    c.connection->end();
  }
}

void door::write(client &c) {
  while (!c.failed && !c.connection->output().empty()) {
    const std::string_view out = c.connection->output();
    const ssize_t n = c.socket ? send(c.out, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                               : ::write(c.out, out.data(), std::min(out.size(), WRITE_MAX));
    if (n == -1 && would_wait(errno)) return;
    c.failed = n == -1;
    if (n > 0) c.connection->wrote(static_cast<size_t>(n));
    if (!c.socket && !c.out_always) return;  // the next piece once there is room for it
  }
}

void door::queue(client &c) {
  if (c.queued) return;
  c.queued = true;
  queue_.push_back(c.id);
}

void door::work(client &c) {
  c.queued = false;
  if (c.in_always) read(c);
  c.connection->work();
  if (c.socket || c.out_always) write(c);
  if (c.failed || c.connection->is_over()) {
    clients_.erase(c.id);  // answers that are still to come find nobody
    return;
  }
  want(c);
}

void door::work_off() {
  while (!queue_.empty()) {
    const std::vector<uint64_t> round = std::exchange(queue_, {});
    for (const uint64_t id : round)
      if (const auto at = clients_.find(id); at != clients_.end()) work(*at->second);
    if (std::any_of(clients_.begin(), clients_.end(), [](const auto &c) { return c.second->in_always; })) return;
  }
}

void door::answered(uint64_t ticket, const gate_answer &answer) {
  const auto at = asked_.find(ticket);
  if (at == asked_.end()) return;
  const asked to = at->second;
  asked_.erase(at);
  const auto c = clients_.find(to.client);
  if (c == clients_.end()) return;
  c->second->heard_ms = now_;
  c->second->connection->answered(to.number, answer);
  queue(*c->second);
}

// ---- the loop

void door::event(uint64_t data) {
  const uint64_t number = data % KIND;
  switch (data / KIND) {
    case LISTENER: return take((*listeners_)[number]);
    case SERVERS: return asking_.serve(now_);
    case SIGNALS: return end();
    default: break;
  }
  const auto at = clients_.find(number);
  if (at == clients_.end()) return;
  client &c = *at->second;
  if (data / KIND == CLIENT_OUT || c.socket) write(c);
  if (data / KIND == CLIENT_IN) read(c);
  queue(c);
}

void door::end() {
  signalfd_siginfo what;
  while (::read(signals_.get(), &what, sizeof what) > 0) {
  }
  if (ending_) return;
  ending_ = true;
  ends_ = now_ + GATE_DRAIN_MS;
  want_listeners(false);
  for (const auto &[id, c] : clients_) {
    c->connection->end();
    queue(*c);
  }
}

// Connections that have been silent for too long.
void door::sweep() {
  if (now_ - swept_ < SWEEP_MS || !listeners_) return;
  swept_ = now_;
  std::erase_if(clients_, [&](const auto &one) {
    const client &c = *one.second;
    const bool stuck = c.connection->is_within() || !c.connection->output().empty();
    return c.connection->pending() == 0 && now_ - c.heard_ms >= (stuck ? GATE_WITHIN_MS : GATE_SILENT_MS);
  });
}

bool door::over() const {
  if (clients_.empty() && (ending_ || !listeners_)) return true;
  return ending_ && now_ >= ends_;
}

int door::patience(int due) const {
  if (!queue_.empty()) return 0;
  long long wait = listeners_ ? SWEEP_MS : -1;
  const auto sooner = [&](long long ms) { wait = wait < 0 ? std::max<long long>(ms, 0) : std::clamp<long long>(ms, 0, wait); };
  if (due >= 0) sooner(due);
  if (listeners_ && !listening_ && !ending_) sooner(breath_until_ - now_);
  if (ending_) sooner(ends_ - now_);
  return static_cast<int>(wait);
}

void door::run() {
  while (!over()) {
    work_off();
    const int due = asking_.tick(now_);
    work_off();
    if (over()) return;
    epoll_event ready[AT_ONCE];
    const int n = epoll_wait(events_.get(), ready, AT_ONCE, patience(due));
    now_ = sockbits_now_ms();
    for (int i = 0; i < n; ++i) event(ready[i].data.u64);
    sweep();
    if (!ending_ && now_ >= breath_until_ && clients_.size() < options_.clients) want_listeners(true);
  }
}

}  // namespace

void gate_door_listen(const gate_options &options, const gate_policy &policy, const std::vector<gate_listener> &listeners,
                      gate_log &log) {
  door d(options, policy, log);
  d.listen(listeners);
  d.run();
}

void gate_door_stdio(const gate_options &options, const gate_policy &policy, gate_log &log) {
  door d(options, policy, log);
  d.speak(options.kind);
  d.run();
}
