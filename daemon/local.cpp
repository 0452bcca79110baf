// local.cpp - see local.h.
//
// Tickets, and the names of connections in epoll, are numbers from one counter that
// never repeats, with the place of the connection in their lowest bits. A connection
// has the number that the counter had when it was taken: a ticket with a lower one
// belongs to somebody who was there before.

#include "local.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "qmail-verify.h"
#include "qmail/fd.h"

namespace {

constexpr unsigned PLACE_BITS = 10;
static_assert(LOCAL_MAX == 1u << PLACE_BITS);
static_assert(POLLIN == EPOLLIN && POLLHUP == EPOLLHUP && POLLERR == EPOLLERR);
constexpr uint64_t LISTENER = 1ull << 63;  // in epoll: a listening socket, by its place

// In one call of serve.
constexpr int EVENTS = 64, ACCEPTS = 64, QUESTIONS = 16;

struct connection {
  unique_fd fd;
  uint64_t born = 0;
  uid_t uid = 0;
  long long active_ms = 0;
};

struct listener {
  int fd;
  bool paused;
};

// Says the same kind of thing once a minute, and how often it was in between.
class seldom {
 public:
  void say(const local_connections::note &note, long long now_ms, const std::string &sentence) {
    if (said_ && now_ms - last_ms_ < LOCAL_NOTE_MS) {
      ++unsaid_;
      return;
    }
    note(sentence + (unsaid_ ? " (and " + std::to_string(unsaid_) + " times since this was last said)" : ""));
    said_ = true;
    last_ms_ = now_ms;
    unsaid_ = 0;
  }

 private:
  bool said_ = false;
  long long last_ms_ = 0;
  unsigned long unsaid_ = 0;
};

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

// An empty message and the end of the connection both read as nothing. Behind the
// end there is nothing more.
bool has_ended(int fd) {
  pollfd p{fd, POLLRDHUP, 0};
  int waiting = 0;
  return poll(&p, 1, 0) != 0 && (ioctl(fd, FIONREAD, &waiting) == -1 || waiting == 0);
}

}  // namespace

struct local_connections::state {
  explicit state(note n) : to(std::move(n)), poller(epoll_create1(EPOLL_CLOEXEC)), buffer(QV_QUESTION_MAX) {}

  connection *find(uint64_t number);
  bool watch(int fd, uint64_t name, uint32_t events, int how);
  void short_of(int error);
  void pause(listener &l, bool paused);
  void accept_some(listener &l, const question &ask);
  uint64_t take(unique_fd fd);
  bool has_room(uid_t uid);
  void hear(uint64_t name, uint32_t events, const question &ask);
  bool hear_one(uint64_t name, const question &ask);
  void end(connection &c);

  const pid_t owner = getpid();
  note to;
  unique_fd poller;
  std::vector<listener> listeners;
  std::array<connection, LOCAL_MAX> connections;
  unsigned count = 0;
  uint64_t next = 1;
  long long now_ms = 0, resume_ms = 0;
  bool any_paused = false;
  std::vector<char> buffer;
  seldom full, full_uid, shortage, large;
};

// The connection that a ticket, or its name in epoll, belongs to; null where it is gone.
connection *local_connections::state::find(uint64_t number) {
  connection &c = connections[number % LOCAL_MAX];
  return c.fd && number >= c.born ? &c : nullptr;
}

bool local_connections::state::watch(int fd, uint64_t name, uint32_t events, int how) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = name;
  return epoll_ctl(poller.get(), how, fd, &event) == 0;
}

// ---- the beginning of a connection

// A listening socket is readable as long as somebody waits to be accepted. Where that
// is impossible now it is looked at again a little later; they wait in its backlog.
void local_connections::state::pause(listener &l, bool paused) {
  const auto place = static_cast<uint64_t>(&l - listeners.data());
  if (!watch(l.fd, LISTENER | place, paused ? 0u : EPOLLIN, EPOLL_CTL_MOD)) return;
  l.paused = paused;
}

void local_connections::state::short_of(int error) {
  shortage.say(to, now_ms, std::string("no descriptor or memory for one more connection to the UNIX socket: ") +
                               strerror(error));
}

void local_connections::state::accept_some(listener &l, const question &ask) {
  for (int n = 0; n < ACCEPTS; ++n) {
    unique_fd fd(accept4(l.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      // whoever connects has a question, and nearly always has sent it by now, or is gone
      pollfd p{fd.get(), POLLIN, 0};
      const uint64_t born = take(std::move(fd));
      if (born && poll(&p, 1, 0) == 1) hear(born, static_cast<uint32_t>(p.revents), ask);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (!is_shortage(errno)) return;
    short_of(errno);
    pause(l, true);
    any_paused = true;
    resume_ms = now_ms + LOCAL_PAUSE_MS;
    return;
  }
}

bool local_connections::state::has_room(uid_t uid) {
  if (count >= LOCAL_MAX) {
    full.say(to, now_ms, "there are " + std::to_string(LOCAL_MAX) + " connections to the UNIX socket: one of uid " +
                             std::to_string(uid) + " was not taken");
    return false;
  }
  const auto has = std::count_if(connections.begin(), connections.end(),
                                 [&](const connection &c) { return c.fd && c.uid == uid; });
  if (has < LOCAL_UID_MAX) return true;
  full_uid.say(to, now_ms, "uid " + std::to_string(uid) + " has " + std::to_string(LOCAL_UID_MAX) +
                               " connections to the UNIX socket: one more was not taken");
  return false;
}

// Its name, or 0 where it was not taken.
uint64_t local_connections::state::take(unique_fd fd) {
  ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1 || !has_room(peer.uid)) return 0;
  connection *c = &*std::find_if(connections.begin(), connections.end(), [](const connection &free) { return !free.fd; });
  const uint64_t born = next++ << PLACE_BITS | static_cast<uint64_t>(c - connections.data());
  if (!watch(fd.get(), born, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_ADD)) return short_of(errno), 0;
  *c = connection{std::move(fd), born, peer.uid, now_ms};
  ++count;
  return born;
}

// ---- questions, and the end

// A process that was forked off may have copies of the descriptor, so that closing
// ours is not enough: epoll would go on to tell of it, and the peer would not notice.
void local_connections::state::end(connection &c) {
  epoll_ctl(poller.get(), EPOLL_CTL_DEL, c.fd.get(), nullptr);
  shutdown(c.fd.get(), SHUT_RDWR);
  c.fd.reset();
  --count;
}

// Takes one message. False: there is none, or the connection is gone.
bool local_connections::state::hear_one(uint64_t name, const question &ask) {
  connection *c = find(name);
  if (!c) return false;
  const ssize_t n = recv(c->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (n == -1 && errno == EINTR) return true;
  if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n == -1 || (n == 0 && has_ended(c->fd.get()))) {
    end(*c);
    return false;
  }
  if (n == 0) return true;
  c->active_ms = now_ms;
  const auto len = static_cast<size_t>(n);
  if (len > buffer.size())
    large.say(to, now_ms, "a question of " + std::to_string(len) + " bytes from uid " + std::to_string(c->uid) +
                              " was ignored: it may have " + std::to_string(buffer.size()));
  else
    ask(next++ << PLACE_BITS | name % LOCAL_MAX, c->uid, buffer.data(), len);
  return true;
}

void local_connections::state::hear(uint64_t name, uint32_t events, const question &ask) {
  connection *c = find(name);
  if (!c || c->born != name) return;
  if (events & (EPOLLHUP | EPOLLERR)) return end(*c);  // nobody is there to be answered
  for (int n = 0; n < QUESTIONS && hear_one(name, ask); ++n) continue;
}

// ---- the calls

local_connections::local_connections(note to) : state_(new state(std::move(to))) {}

local_connections::~local_connections() {
  if (getpid() == state_->owner)
    for (connection &c : state_->connections)
      if (c.fd) state_->end(c);
  delete state_;
}

bool local_connections::listen_to(int fd) {
  if (!state_->poller) state_->poller.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!state_->poller) return false;
  state_->listeners.push_back({fd, false});
  if (state_->watch(fd, LISTENER | (state_->listeners.size() - 1), EPOLLIN, EPOLL_CTL_ADD)) return true;
  state_->listeners.pop_back();
  return false;
}

int local_connections::fd() const { return state_->poller.get(); }

unsigned local_connections::count() const { return state_->count; }

void local_connections::serve(long long now_ms, const question &ask) {
  epoll_event events[EVENTS];
  state_->now_ms = now_ms;
  const int n = epoll_wait(state_->poller.get(), events, EVENTS, 0);
  for (int i = 0; i < n; ++i) {
    const uint64_t name = events[i].data.u64;
    if (name & LISTENER)
      state_->accept_some(state_->listeners[name & ~LISTENER], ask);
    else
      state_->hear(name, events[i].events, ask);
  }
}

void local_connections::answer(uint64_t ticket, const void *bytes, size_t len) {
  connection *c = state_->find(ticket);
  ssize_t n;
  if (!c) return;
  do n = send(c->fd.get(), bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n == -1 && errno == EINTR);
  if (n == -1)
    state_->end(*c);
  else
    c->active_ms = state_->now_ms;
}

void local_connections::expire(long long now_ms) {
  state_->now_ms = now_ms;
  for (connection &c : state_->connections)
    if (c.fd && now_ms - c.active_ms >= LOCAL_IDLE_MS) state_->end(c);
  if (!state_->any_paused || now_ms < state_->resume_ms) return;
  state_->any_paused = false;
  for (listener &l : state_->listeners) {
    if (l.paused) state_->pause(l, false);
    state_->any_paused |= l.paused;
  }
}
