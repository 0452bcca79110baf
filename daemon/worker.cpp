// worker.cpp - see worker.h.

#include "worker.h"

#include <sys/epoll.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "address/tally.h"
#include "counters.h"
#include "forwarder.h"
#include "mounts.h"
#include "packet.h"
#include "say.h"
#include "sockbits.h"
#include "troubles.h"

namespace {

constexpr int BATCHES_MAX = 4;      // full ones between two looks at signals
constexpr size_t ASIDE_MAX = 1024;  // questions put aside; what is over that is answered as one that hangs
constexpr size_t STRANGERS_MAX = 64;
constexpr long long MOUNTS_MS = 1000;
constexpr int RETRY_MS = 10;        // how often those are tried
constexpr unsigned TURNS = 16;      // between two looks at signals, where it never has to wait
constexpr int REST_MS = 50;         // without a question: then its own ids again
constexpr long long TELL_MS = 1000; // how often the parent hears of what goes on

volatile sig_atomic_t got_drain, got_retire;
void on_drain(int) { got_drain = 1; }
void on_retire(int) { got_retire = 1; }

static_assert(BOARD_SLOTS <= CREW_TOGETHER_MAX && BOARD_SLOTS <= listen_sockets::TOGETHER_MAX);

// A question that has been put aside.
struct aside {
  board_question question;
  std::string datagram;
  long long since_ms;
};

}  // namespace

// One worker: its seat with the questions that it has in hand, what it has put aside,
// and the guard of its looks.
struct crew_hand {
  crew_hand(const worker_site &s, unsigned number, const sigset_t &u)
      : site(s), own(number), seat(s.all.seat[number]), unblocked(u) {
    const address_guard guard{
        [](void *me, const char *path, uid_t uid) { return static_cast<crew_hand *>(me)->look(path, uid); },
        [](void *me) { static_cast<crew_hand *>(me)->done(); }, this};
    address_watch(s.host, &guard);
    for (unsigned k = 0; k < BOARD_SLOTS; ++k) {
      board_slot &slot = seat.slot[k];
      places[k] = {slot.datagram, sizeof slot.datagram, whole(k) + BOARD_DATAGRAM, QV_QUESTION_MAX - BOARD_DATAGRAM,
                   &slot.len, &slot.question.asker};
    }
  }

  int run();
  bool prepare();
  void stop_listening();
  bool serve_udp(unsigned i);
  bool serve_relay();
  void retry();
  relay &relayed() const { return site.slow ? site.slow_lane : site.parent; }
  void store(unsigned slot, std::string_view datagram);
  void handle(unsigned n, bool patient = true);
  void send();
  void put_off();
  bool at(unsigned slot);
  bool comes_again(unsigned slot) const { return later[slot] || slowly[slot]; }
  bool hand_to_slow(unsigned slot);
  void reply(unsigned slot, const address_answer &answer, const char *bytes, size_t len);
  std::string_view datagram(unsigned slot);
  char *whole(unsigned slot) { return long_ones.get() + slot * QV_QUESTION_MAX; }
  void tell_of_trouble(const address_answer &a);
  void cannot_answer(int error, const listen_asker &asker);
  bool may_ask(unsigned slot);
  bool is_signed(unsigned slot);
  int routed(unsigned slot, const address_question &question, address_answer &a);
  int flush_kept(unsigned slot, std::string_view domain);
  bool is_local(unsigned slot) const;
  void tell_of_stranger(const ip_address &ip, const std::string &sentence);
  void count_looks();
  int look(const char *path, uid_t uid);
  void done() { seat.looking_ms.store(0, std::memory_order_release); }
  bool last_free() const;
  bool waited_for(const char *path, long long now);
  void wake_parent();

  const worker_site &site;
  const unsigned own;
  board_seat &seat;
  const sigset_t &unblocked;
  int events = -1;
  int trouble = 0;
  tally tallied{address_tally(site.host)};  // what has been counted of it, or was the parent's
  unsigned long dropped = say_dropped();  // the same
  bool deaf = false;  // told to end: takes no more questions
  bool rested = true;  // has its own ids
  std::deque<aside> put_aside;
  std::vector<mount_point> mounts;  // as they were at mounts_ms
  long long mounts_ms = -MOUNTS_MS - 1;
  bool troubled = false;  // and the parent knows since trouble_ms
  long long trouble_ms = 0, unanswered_ms = 0;
  int unanswered_error = 0;
  listen_place places[BOARD_SLOTS];
  char scratch[QV_QUESTION_MAX];
  const std::unique_ptr<char[]> long_ones{new char[BOARD_SLOTS * QV_QUESTION_MAX]};  // touched only for such
  unsigned in_hand = 0;  // slots that are in use
  unsigned now_at = 0;   // that of the question that is judged
  bool later[BOARD_SLOTS]{}, hangs[BOARD_SLOTS]{}, slowly[BOARD_SLOTS]{}, may_wait = true;
  long long slow_ms = -TELL_MS;  // when the parent was told of slow ones
  std::vector<std::pair<ip_address, long long>> strangers;  // told of, and when
};

// ---- looks

// Is every other worker looking at something, so that none would be left?
bool crew_hand::last_free() const {
  const unsigned used = site.all.seats_used.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < used; ++i) {
    const board_seat &other = site.all.seat[i];
    if (i != own && other.pid.load(std::memory_order_relaxed) != 0 && !other.lost.load(std::memory_order_relaxed) &&
        other.slow.load(std::memory_order_relaxed) == site.slow && other.looking_ms.load() == 0)
      return false;
  }
  return true;
}

// Has another worker been looking at something in the same place for a while?
bool crew_hand::waited_for(const char *path, long long now) {
  const unsigned used = site.all.seats_used.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < used; ++i) {
    const board_seat &other = site.all.seat[i];
    const long long since = other.looking_ms.load(std::memory_order_acquire);
    board_look at;
    if (i == own || other.pid.load() == 0 || since == 0 || now - since < CREW_SLOW_MS / 2 || !board_look_of(other, at))
      continue;
    if (strncmp(at.path, path, BOARD_PATH_MAX - 1) == 0) return true;
    if (*at.path != '/' || *path != '/') continue;  // passwd has no place
    if (now - mounts_ms > MOUNTS_MS) {
      mounts = mounts_now();
      mounts_ms = now;
    }
    if (mounts_place(mounts, path) == mounts_place(mounts, at.path)) return true;
  }
  return false;
}

void crew_hand::wake_parent() {
  if (site.all.alert.exchange(true)) return;
  const uint64_t one = 1;
  while (write(site.alarm, &one, sizeof one) == -1 && errno == EINTR) {
  }
}

// A look is announced before it is made.
int crew_hand::look(const char *path, uid_t uid) {
  const long long now = sockbits_now_ms();
  if (later[now_at] || hangs[now_at] || slowly[now_at]) return ETIMEDOUT;  // one that could not be made makes the rest worthless
  if (seat.looking_ms.load(std::memory_order_relaxed) != 0 && strncmp(seat.look.path, path, BOARD_PATH_MAX - 1) == 0) {
    seat.looking_ms.store(now, std::memory_order_release);
    return 0;
  }
  if (site.all.closed.load(std::memory_order_relaxed) ||
      (site.all.hanging_count.load(std::memory_order_relaxed) != 0 && board_hangs(site.all, path))) {
    hangs[now_at] = true;
    return ETIMEDOUT;
  }
  if (!site.slow && strcmp(path, ADDRESS_PASSWD) == 0) {
    slowly[now_at] = true;
    return ETIMEDOUT;
  }
  seat.looks.fetch_add(1);
  seat.look.uid = uid;
  const size_t len = strnlen(path, BOARD_PATH_MAX - 1);
  memcpy(seat.look.path, path, len);
  seat.look.path[len] = '\0';
  seat.looks.fetch_add(1);
  seat.looking_ms.store(now);
  if (!site.all.alert.load()) wake_parent();
  if (last_free() && waited_for(path, now)) {
    seat.looking_ms.store(0);
    (may_wait ? later : hangs)[now_at] = true;
    return ETIMEDOUT;
  }
  return 0;
}

// ---- questions

// Not more than once a minute of one, whatever they send.
void crew_hand::tell_of_stranger(const ip_address &ip, const std::string &sentence) {
  const long long now = sockbits_now_ms();
  std::erase_if(strangers, [&](const auto &one) { return now - one.second >= 60000; });
  for (const auto &one : strangers)
    if (one.first == ip) return;
  if (strangers.size() == STRANGERS_MAX) return;
  strangers.emplace_back(ip, now);
  site.parent.tell({0, relay_kind::stranger}, sentence.data(), sentence.size());
}

// The parent hears of a trouble at most once a second, and of its end once.
void crew_hand::tell_of_trouble(const address_answer &a) {
  const long long now = sockbits_now_ms();
  if (trouble_of(a.reason, a.error) != trouble_kind::none) {
    if (troubled && now - trouble_ms < 1000) return;
    site.parent.tell({0, relay_kind::trouble, a.verdict, a.reason, a.error}, "", 0);
    troubled = true;
    trouble_ms = now;
  } else if (troubled && trouble_disproved(a.reason) && now - trouble_ms >= 1000) {
    site.parent.tell({0, relay_kind::fine}, "", 0);
    troubled = false;
  }
}

// Each error is said once a minute: it may be so for every answer.
void crew_hand::cannot_answer(int error, const listen_asker &asker) {
  const long long now = sockbits_now_ms();
  seat.counts.add(COUNTER_UNSENT);
  if (error == unanswered_error && now - unanswered_ms < 60000) return;
  unanswered_error = error;
  unanswered_ms = now;
  char who[UDP_TEXT_MAX];
  udp_format(&asker.from, who);
  errno = error;
  say_errno("cannot answer ", who);
}

// Who is beyond this host must stand in control/verifyclients, where there is one.
// Where there is none everybody may ask, but the operator hears of it.
bool crew_hand::may_ask(unsigned slot) {
  const board_question &question = seat.slot[slot].question;
  if (question.ticket || site.sockets.udp()[question.asker.socket].loopback) return true;
  const ip_address ip = ip_of(question.asker.from.addr);
  const bool may = site.clients.may_ask(ip);
  if (ip_is_loopback(ip)) return may;
  if (may && site.keys.known()) return is_signed(slot);
  if (may && site.clients.known()) return may;
  tell_of_stranger(ip, may ? ip_text(ip) + " asks from beyond this host, and there is no control/verifyclients: list there who may"
                           : "datagram from " + ip_text(ip) + " ignored: it is not in control/verifyclients");
  if (!may) seat.counts.add(COUNTER_STRANGERS);
  return may;
}

// Where there are keys, whoever is beyond this host has to have one of them.
bool crew_hand::is_signed(unsigned slot) {
  const ip_address ip = ip_of(seat.slot[slot].question.asker.from.addr);
  const key_entry *key;
  const seal_state state = seal_check_question(site.keys, ip, datagram(slot), key);
  if (state == seal_state::good) return true;
  seat.counts.add(COUNTER_UNSIGNED);
  tell_of_stranger(ip, "datagram from " + ip_text(ip) +
                           (state == seal_state::none
                                ? " ignored: it is not signed, and there is control/verifykeys"
                                : " ignored: it is signed, but not with a key of control/verifykeys for that host"));
  return false;
}

// The slot's question, whole. Lives as long as it is in hand.
std::string_view crew_hand::datagram(unsigned slot) {
  const board_slot &s = seat.slot[slot];
  return {s.len > sizeof s.datagram ? whole(slot) : s.datagram, s.len};
}

// A question that did not come straight to its slot.
void crew_hand::store(unsigned slot, std::string_view datagram) {
  board_slot &s = seat.slot[slot];
  s.len = datagram.size();
  memcpy(s.datagram, datagram.data(), std::min(s.len, sizeof s.datagram));
  if (s.len > sizeof s.datagram) memcpy(whole(slot), datagram.data(), s.len);
}

// The questions in the first n slots. patient: they may be put aside.
void crew_hand::handle(unsigned n, bool patient) {
  in_hand = n;
  may_wait = patient && put_aside.size() < ASIDE_MAX;
  for (unsigned k = 0; k < n; ++k) {
    later[k] = hangs[k] = slowly[k] = false;
    if (may_ask(k)) seat.slot[k].put();
  }
  site.calls.answer(this, site.host, n);
  send();
  rested = false;
  say_flush();
  put_off();
  count_looks();
  in_hand = 0;
  seat.judging_ms.store(0, std::memory_order_release);
}

// False: the parent has given the question to another worker.
bool crew_hand::at(unsigned slot) {
  const board_slot &s = seat.slot[slot];
  if (comes_again(slot)) return false;
  now_at = slot;
  if (s.len > sizeof s.datagram) memcpy(seat.long_datagram, whole(slot), s.len);
  seat.at.store(slot);
  seat.judging_ms.store(sockbits_now_ms(), std::memory_order_release);
  return s.state() == board_state::waiting;
}

// By UDP it is sent with the others.
void crew_hand::reply(unsigned slot, const address_answer &answer, const char *bytes, size_t len) {
  board_slot &s = seat.slot[slot];
  tell_of_trouble(answer);
  if (s.question.ticket) {
    if (!s.take(board_state::waiting)) return;
    site.parent.tell({s.question.ticket, relay_kind::answer, answer.verdict}, bytes, len);
    return seat.counts.add(COUNTER_REASON + unsigned{answer.reason} % COUNTER_REASONS);
  }
  memcpy(s.reply, bytes, len);
  s.reply_len = len;
  if (len && site.keys.known())
    s.reply_len = seal_reply(site.keys, ip_of(s.question.asker.from.addr), datagram(slot), s.reply, len, sizeof s.reply);
  if (len ? s.answer() : s.take(board_state::waiting)) seat.counts.add(COUNTER_REASON + unsigned{answer.reason} % COUNTER_REASONS);
}

// Is it for another server, which the address is asked of? 0: it is not, or a is what was
// kept of its answers. 1: it has been handed on.
int crew_hand::routed(unsigned slot, const address_question &question, address_answer &a) {
  if (a.verdict != QV_REMOTE || !site.routes.any()) return 0;
  static address_remote remote;
  const int is = address_is_remote(site.host, &question, &remote);
  const std::string_view to{remote.to, remote.len};
  if (is == -1) return forwarder_trouble(a, ENOMEM), 0;
  if (is == 0 || !site.routes.find(forwarder_domain(to))) return 0;
  kept_answer known;
  if (site.store && site.store->get(to, sockbits_now_ms(), false, known)) {
    forwarder_kept(known, remote.observe, a);
    seat.counts.add(COUNTER_ROUTED_KEPT);
    return 0;
  }
  if (!forwarder_hand_on(site.hub_lane, seat.slot[slot].question, remote, datagram(slot))) return forwarder_trouble(a, 0), 0;
  seat.slot[slot].take(board_state::waiting);
  return 1;
}

// Who asks from this host?
bool crew_hand::is_local(unsigned slot) const {
  const board_question &question = seat.slot[slot].question;
  return question.ticket || ip_is_loopback(ip_of(question.asker.from.addr));
}

// How many answers about this domain have been forgotten; -1: whoever asks must not.
int crew_hand::flush_kept(unsigned slot, std::string_view domain) {
  if (!is_local(slot)) return -1;
  const size_t n = site.store ? site.store->flush(domain) : 0;
  return static_cast<int>(std::min<size_t>(n, INT_MAX));
}

// What was looked at for the questions in hand, and log lines that nobody took.
void crew_hand::count_looks() {
  const tally &now = address_tally(site.host);
  const auto add = [&](counter which, uint64_t n, uint64_t before) {
    if (n != before) seat.counts.add(which, n - before);
  };
  add(COUNTER_PASSWD_INDEX, now.passwd_index, tallied.passwd_index);
  add(COUNTER_PASSWD_KEPT, now.passwd_kept, tallied.passwd_kept);
  add(COUNTER_PASSWD_ASKED, now.passwd_asked, tallied.passwd_asked);
  add(COUNTER_LISTING_ABSENT, now.listing_absent, tallied.listing_absent);
  add(COUNTER_LOG_DROPPED, say_dropped(), dropped);
  tallied = now;
  dropped = say_dropped();
}

void crew_hand::send() {
  listen_reply replies[BOARD_SLOTS];
  unsigned n = 0;
  const auto go = [&] {
    listen_asker to;
    if (const int error = n ? site.sockets.answer(replies, n, to) : 0; error) cannot_answer(error, to);
    n = 0;
  };
  for (unsigned k = 0; k < in_hand; ++k) {
    board_slot &s = seat.slot[k];
    if (!s.take(board_state::answered)) continue;
    if (n && replies[0].asker->socket != s.question.asker.socket) go();
    replies[n++] = {&s.question.asker, s.reply, s.reply_len};
  }
  go();
}

// False: there is no room in the lane.
bool crew_hand::hand_to_slow(unsigned slot) {
  const std::string_view whole_one = datagram(slot);
  const long long now = sockbits_now_ms();
  if (now - slow_ms >= TELL_MS) {
    site.parent.tell({0, relay_kind::slow}, "", 0);
    slow_ms = now;
  }
  return site.slow_lane.ask(seat.slot[slot].question, whole_one.data(), whole_one.size());
}

// What has to wait is put aside or handed on; what the program had no answer for is
// forgotten.
void crew_hand::put_off() {
  for (unsigned k = 0; k < in_hand; ++k) {
    if (!comes_again(k) || !seat.slot[k].take(board_state::waiting)) continue;
    seat.counts.add(slowly[k] ? COUNTER_PASSWD_SLOW : COUNTER_PUT_ASIDE);
    if (slowly[k] && hand_to_slow(k)) continue;
    if (put_aside.size() < ASIDE_MAX)
      put_aside.push_back({seat.slot[k].question, std::string(datagram(k)), sockbits_now_ms()});
  }
}

// Takes some. False: there were none.
bool crew_hand::serve_udp(unsigned i) {
  for (int batch = 0; batch < BATCHES_MAX; ++batch) {
    const int n = site.sockets.receive(i, places, BOARD_SLOTS);
    if (n > 0) {
      trouble = 0;
      for (int k = 0; k < n; ++k) {
        board_slot &s = seat.slot[k];
        s.question.ticket = 0;
        s.question.again = 0;
        seat.counts.add(packet_is_extended(s.datagram, std::min(s.len, sizeof s.datagram)) ? COUNTER_UDP_EXTENDED
                                                                                          : COUNTER_UDP_PLAIN);
        if (s.len > sizeof s.datagram) memcpy(whole(static_cast<unsigned>(k)), s.datagram, sizeof s.datagram);
      }
      handle(static_cast<unsigned>(n));
      if (n < static_cast<int>(BOARD_SLOTS)) return true;
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return batch > 0;
    if (errno != trouble) say_errno("cannot receive a datagram", "");
    trouble = errno;
    usleep(100000);  // said once, tried again ten times a second
    return false;
  }
  return true;
}

bool crew_hand::serve_relay() {
  unsigned n = 0;
  size_t len = 0;
  // what takes long is better spread
  const unsigned most = site.slow ? 1 : BOARD_SLOTS;
  while (n < most && relayed().take(seat.slot[n].question, scratch, len)) store(n++, {scratch, len});
  if (n) handle(n);
  return n != 0;
}

// What was put aside is tried again, until one has to wait on; that one goes behind
// the others. After as long as a look may take it is answered as one that hangs.
void crew_hand::retry() {
  for (size_t left = put_aside.size(); left > 0; --left) {
    const aside one = std::move(put_aside.front());
    put_aside.pop_front();
    seat.slot[0].question = one.question;
    store(0, one.datagram);
    const size_t before = put_aside.size();
    handle(1, sockbits_now_ms() - one.since_ms < CREW_STUCK_MS + CREW_STUCK_MS / 2);
    if (put_aside.size() == before) continue;
    put_aside.back().since_ms = one.since_ms;
    return;
  }
}

// ---- the loop

bool crew_hand::prepare() {
  const auto watch = [&](int fd, uint64_t what, uint32_t how) {
    epoll_event event{};
    event.events = how;
    event.data.u64 = what;
    return epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  struct sigaction act {};
  act.sa_handler = on_drain;
  sigaction(SIGTERM, &act, nullptr);
  act.sa_handler = on_retire;
  sigaction(SIGUSR2, &act, nullptr);
  act.sa_handler = SIG_IGN;  // the parent reads control files, tells counters and says when to end
  sigaction(SIGHUP, &act, nullptr);
  sigaction(SIGUSR1, &act, nullptr);
  sigaction(SIGINT, &act, nullptr);
  act.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &act, nullptr);
  events = epoll_create1(EPOLL_CLOEXEC);
  if (events == -1) return false;
  // one worker is woken for a question; one that has been stopped is replaced
  for (unsigned i = 0; !site.slow && i < site.sockets.udp().size(); ++i)
    if (!watch(site.sockets.udp()[i].fd.get(), i, EPOLLIN | EPOLLEXCLUSIVE)) return false;
  return watch(relayed().worker_fd(), UINT64_MAX, EPOLLIN | EPOLLEXCLUSIVE) &&
         watch(site.lifeline, UINT64_MAX - 1, EPOLLIN);
}

// Others are woken from now on.
void crew_hand::stop_listening() {
  if (deaf) return;
  deaf = true;
  for (const listen_udp &one : site.sockets.udp()) epoll_ctl(events, EPOLL_CTL_DEL, one.fd.get(), nullptr);
  epoll_ctl(events, EPOLL_CTL_DEL, relayed().worker_fd(), nullptr);
}

int crew_hand::run() {
  say_hold(&seat.held);
  if (!prepare()) return say_errno("a worker cannot begin", ""), 111;
  bool alone = false;
  unsigned turns = 0;
  while (!alone && !got_drain && !(got_retire && put_aside.empty())) {
    epoll_event ready[16];
    const bool busy = !put_aside.empty() || got_retire;
    const int n = epoll_pwait(events, ready, 16, busy ? RETRY_MS : rested ? -1 : REST_MS, &unblocked);
    if (n <= 0 && !rested) {
      address_rest(site.host);
      rested = true;
    }
    for (int i = 0; i < n; ++i) {
      if (ready[i].data.u64 == UINT64_MAX - 1)
        alone = true;
      else if (got_retire)
        continue;
      else if (ready[i].data.u64 == UINT64_MAX)
        serve_relay();
      else
        serve_udp(static_cast<unsigned>(ready[i].data.u64));
    }
    if (n > 0 && ++turns % TURNS == 0) worker_let_signals_in(unblocked);
    if (got_retire) stop_listening();
    if (!put_aside.empty()) retry();
    say_flush();
  }
  if (!got_drain) return 0;
  const long long end = sockbits_now_ms() + CREW_DRAIN_MS;
  for (unsigned i = 0; !site.slow && i < site.sockets.udp().size(); ++i)
    while (sockbits_now_ms() < end && serve_udp(i)) {
    }
  while (sockbits_now_ms() < end && serve_relay()) {
  }
  return 0;
}

namespace {
const crew_hand *working;  // in a worker: itself
}

void worker_let_signals_in(const sigset_t &unblocked) {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, &unblocked, &blocked);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

int worker_run(const worker_site &site, unsigned seat, const sigset_t &unblocked) {
  crew_hand hand(site, seat, unblocked);
  working = &hand;
  const int code = hand.run();
  say_flush();
  return code;
}

bool worker_note(const char *sentence) {
  if (!working) return false;
  working->site.parent.tell({0, relay_kind::advice}, sentence, strlen(sentence));
  return true;
}

// ---- for the program's answer()

int crew_datagram(struct crew_hand *hand, unsigned slot, const char **bytes, size_t *len) {
  if (hand->seat.slot[slot].state() != board_state::waiting) return 0;
  const std::string_view datagram = hand->datagram(slot);
  *bytes = datagram.data();
  *len = datagram.size();
  return 1;
}

void crew_from(const struct crew_hand *hand, unsigned slot, int *local, unsigned *port) {
  const board_question &question = hand->seat.slot[slot].question;
  *local = question.ticket != 0;
  *port = *local ? 0 : udp_port(&question.asker.from);
}

void crew_from_text(const struct crew_hand *hand, unsigned slot, char *text) {
  const board_question &question = hand->seat.slot[slot].question;
  if (question.ticket)
    strcpy(text, "a UNIX socket");
  else
    udp_format(&question.asker.from, text);
}

void crew_ignored(struct crew_hand *hand) { hand->seat.counts.add(COUNTER_IGNORED); }

int crew_counters(struct crew_hand *hand, unsigned slot, unsigned from, char *text, size_t max, size_t *len) {
  if (!hand->is_local(slot)) return -1;
  unsigned next;
  const std::string told = counters_text(hand->site.all, from, max, next);
  *len = told.copy(text, max);
  hand->seat.counts.add(COUNTER_COUNTERS_ASKED);
  return static_cast<int>(next);
}

int crew_flush(struct crew_hand *hand, unsigned slot, const char *domain, size_t len) {
  return hand->flush_kept(slot, {domain, len});
}

int crew_routed(struct crew_hand *hand, unsigned slot, const struct address_question *question, struct address_answer *a) {
  return hand->routed(slot, *question, *a);
}

int crew_own_port(const struct crew_hand *hand, unsigned port) { return hand->site.sockets.own_port(port); }
int crew_at(struct crew_hand *hand, unsigned slot) { return hand->at(slot); }
int crew_later(const struct crew_hand *hand, unsigned slot) { return hand->comes_again(slot); }
int crew_old(const struct crew_hand *hand) { return hand->site.all.generation.load() != hand->site.generation; }

void crew_reply(struct crew_hand *hand, unsigned slot, const struct address_answer *answer, const char *reply,
                size_t len) {
  hand->reply(slot, *answer, reply, len);
}
