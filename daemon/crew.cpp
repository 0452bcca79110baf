// crew.cpp - see crew.h. The parent: seats, questions of UNIX sockets, the watch,
// places that hang, changes of the control files, and the loop.

#include "crew.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "address/site_unix.h"
#include "address/watch.h"
#include "board.h"
#include "counters.h"
#include "forwarder.h"
#include "hub/kept.h"
#include "limits.h"
#include "listen.h"
#include "local.h"
#include "mounts.h"
#include "packet.h"
#include "qmail/clients.h"
#include "qmail/keys_table.h"
#include "qmail/routes.h"
#include "relay.h"
#include "say.h"
#include "sockbits.h"
#include "troubles.h"
#include "worker.h"

namespace {

constexpr size_t PENDING_MAX = 4096;       // questions of UNIX sockets that wait for a worker's answer
constexpr size_t LARGE_MAX = 64;           // so many at most while one is larger than clients make them
constexpr long long PENDING_MS = 2000;     // then it is answered "temporary": its client waits for 5 s at most
constexpr size_t SAID_MAX = 10000;         // advice that is remembered
constexpr size_t STRANGERS_MAX = 20;       // lines about strangers in a minute
constexpr long long SPARE_MS = 10000;      // how long a worker that was needed in trouble stays
constexpr unsigned SLOW_WORKERS = 4;       // while getpwnam_r is needed,
constexpr long long SLOW_MS = 60000;       // and so long behind that
constexpr long long FORK_AGAIN_MS = 1000;  // after a fork that failed, or workers that ended at once

volatile sig_atomic_t got_hangup, got_term, got_child, got_report;
void on_signal(int sig) {
  if (sig == SIGHUP)
    got_hangup = 1;
  else if (sig == SIGCHLD)
    got_child = 1;
  else if (sig == SIGUSR1)
    got_report = 1;
  else
    got_term = 1;
}

void say_string(const std::string &sentence) { say(sentence.c_str(), ".", ""); }

// What there is to say of changes, held back until they are in force: who reads
// it may count on it.
struct {
  bool holding = false;
  long long since_ms = 0;
  std::vector<std::string> sentences;
} held;

void say_held(const std::string &sentence) {
  if (held.holding)
    held.sentences.push_back(sentence);
  else
    say_string(sentence);
}

// What the parent alone knows of a worker.
struct worker {
  unsigned generation = 0;
  bool stuck = false, retired = false;
  long long born_ms = 0;
  uint32_t looks = 0;  // as the watch saw them last
};

// A question that was a worker's, with its datagram or its answer.
struct taken {
  board_question question;
  std::string bytes;
};

// A question of a UNIX socket that has been handed on.
struct pending {
  std::string datagram;
  ip_address client;
  long long since_ms = 0;
};

// A place that hangs, and the process that looks whether it still does.
struct hanging_place {
  uid_t uid = 0;         // as whom, and at what, was looked
  std::string path;
  std::string datagram;  // for what: the probe asks the same
  pid_t probe = 0;
  bool told = false;  // the probe has been told to end
  long long probe_ms = 0;
};

}  // namespace

struct crew {
  listen_sockets sockets;
  std::vector<std::string> endpoints;
  board *all = nullptr;
  relay way, slow_lane, hub_lane;
  unique_fd alarm, life_parent, life_worker;

  address *host = nullptr;
  const crew_calls *calls = nullptr;
  unsigned wanted = 1;
  sigset_t unblocked{};

  worker workers[BOARD_SEATS];
  unsigned generation = 0;
  unsigned long version = 0;  // of the host's rules, as the newest workers know them
  bool trouble = false;       // memory is short
  bool cannot_fork = false;
  unsigned early_ends = 0;    // workers that ended soon after they began, one after the other
  bool stale = false;         // or they lack something else
  long long slow_ms = -SLOW_MS;  // slow workers were needed
  long long watched_ms = 0, back_ms = 0, too_many_ms = 0, next_tick_ms = 0, calm_since_ms = 0, next_fork_ms = 0;

  std::unique_ptr<local_connections> local;
  std::unordered_map<uint64_t, pending> waiting;
  std::map<std::string, hanging_place> hanging;

  site_unix files{"", ""};  // for our own control files only
  watch clients_file{files, "verifyclients"};
  watch limits_file{files, "verifylimits"};
  watch routes_file{files, "verifyroutes"};
  watch smtproutes_file{files, "smtproutes"};
  watch keys_file{files, "verifykeys", [] { return keys_file_read(); }};
  clients_table clients;
  routes_table routes;
  keys_table keys;
  bool keys_read = false;  // control/verifykeys has been read, or was not there
  limits_settings settings;
  std::unique_ptr<kept> store;  // null: there are no routes, or there is no memory for it
  bool clients_read = false;  // control/verifyclients has been read, or was not there
  limits limit{say_string};
  troubles trouble_seen{say_string};
  std::set<std::string> said;
  std::map<std::string, long long> strangers;

  // seats
  board_seat &seat(unsigned i) { return all->seat[i]; }
  bool alive(unsigned i) { return seat(i).pid.load() != 0; }
  bool serving(unsigned i) { return alive(i) && !seat(i).lost.load(); }
  bool slow(unsigned i) { return seat(i).slow.load(); }
  bool hub(unsigned i) { return seat(i).hub.load(); }
  bool judges(unsigned i) { return !slow(i) && !hub(i); }
  template <class Is>
  unsigned count(Is is) {
    unsigned n = 0;
    for (unsigned i = 0; i < all->seats_used.load(); ++i) n += is(i) ? 1 : 0;
    return n;
  }
  unsigned servers() {
    return count([&](unsigned i) { return serving(i) && judges(i); });
  }
  unsigned slow_servers() {
    return count([&](unsigned i) { return serving(i) && slow(i); });
  }
  unsigned hubs() {
    return count([&](unsigned i) { return serving(i) && hub(i); });
  }
  unsigned stuck() {
    return count([&](unsigned i) { return alive(i) && workers[i].stuck; });
  }
  enum class Role { judge, slow, hub };
  bool hire(long long now, Role role = Role::judge);
  void be_child();
  [[noreturn]] void work(unsigned i);
  void lose(unsigned i);
  void retire(unsigned i);
  void fill(long long now);
  void new_generation(long long now);
  // questions
  void question(uint64_t ticket, const char *datagram, size_t len, long long now);
  void too_many(const board_question &sent, std::string_view datagram, long long now);
  void hear(long long now);
  void answered(const relay_message &message, const char *bytes, size_t len, long long now);
  bool take(unsigned i, unsigned k, board_state state, taken &t);
  void hand_on(unsigned i);
  void hand_on_others(unsigned i, unsigned but);
  void refuse(const board_question &question, std::string_view datagram, qv_reason reason, const char *about);
  // the watch
  void look_around(long long now);
  void is_stuck(unsigned i, long long now, long long since);
  void reap(long long now);
  void ended(unsigned i, int status, long long now);
  void stopped(unsigned i);
  bool probe_ended(pid_t pid, int status, long long now);
  void hangs(const board_look &look, const std::string &datagram, long long now, long long since);
  std::string place_of(const board_look &look) const;
  void probe(hanging_place &place, long long now);
  void probes(long long now);
  void spare(long long now);
  // changes
  void overdue(long long now);
  void tick(long long now);
  void hold(long long now);
  void let_go(long long now);
  void hangup(long long now);
  void take_clients(std::vector<std::string> &complaints, bool hungup);
  void take_routes(std::vector<std::string> &complaints, bool hungup);
  void take_keys(std::vector<std::string> &complaints, bool hungup);
  void take_limits(std::vector<std::string> &complaints, bool hungup);
  bool look_again(watch &file, bool hungup, long long now) { return hungup ? file.hangup(now) : file.tick(now); }
  void own_files(bool hungup, long long now);
  void advice(relay_kind kind, const std::string &sentence, long long now);
  // all
  void warn();
  void step();
  void signals();
  void count_dropped();
  void run(void (*ready)(void *), void *ctx);
  void finish();
};

// ---- seats

// In a child: what belongs to the parent alone is closed.
void crew::be_child() {
  local.reset();
  sockets.close_local();
  life_parent.reset();
}

void crew::work(unsigned i) {
  be_child();
  if (hub(i)) {
    const forwarder_site site{seat(i), sockets, *calls, way, hub_lane, routes, keys, store.get(), life_worker.get()};
    _exit(forwarder_run(site, unblocked));
  }
  const worker_site site{*all,   sockets, clients, host,        *calls,   way,         slow_lane,
                         slow(i), routes,  keys,    store.get(), hub_lane, generation, alarm.get(), life_worker.get()};
  _exit(worker_run(site, i, unblocked));
}

// Another worker. False: there is no seat, or no process can be had now.
bool crew::hire(long long now, Role role) {
  unsigned i = 0;
  while (i < BOARD_SEATS && alive(i)) ++i;
  if (i == BOARD_SEATS || now < next_fork_ms) return false;
  board_seat &s = seat(i);
  s.judging_ms.store(0);
  s.looking_ms.store(0);
  s.looks.store(s.looks.load() + s.looks.load() % 2);
  s.lost.store(false);
  s.slow.store(role == Role::slow);
  s.hub.store(role == Role::hub);
  for (board_slot &slot : s.slot) slot.word.store(0);
  if (i >= all->seats_used.load()) all->seats_used.store(i + 1);
  workers[i] = {generation, false, false, now};
  const pid_t pid = fork();
  if (pid == 0) {
    s.pid.store(getpid());
    work(i);
  }
  if (pid == -1) {
    if (!cannot_fork) say_errno("cannot fork a worker, tried again every second", "");
    cannot_fork = true;
    next_fork_ms = now + FORK_AGAIN_MS;
    return false;
  }
  if (cannot_fork) say("workers can be forked again", ".", "");
  cannot_fork = false;
  s.pid.store(pid);
  all->parent_counts.add(COUNTER_WORKERS_STARTED);
  return true;
}

// It does not count any more, and ends as soon as the system lets it.
void crew::lose(unsigned i) {
  seat(i).lost.store(true);
  kill(seat(i).pid.load(), SIGKILL);
}

// It ends when it has answered what it has in hand.
void crew::retire(unsigned i) {
  workers[i].retired = true;
  seat(i).lost.store(true);
  kill(seat(i).pid.load(), SIGUSR2);
}

// As many as are wanted.
void crew::fill(long long now) {
  while (!got_term && servers() < wanted && hire(now)) {
  }
  while (!got_term && now - slow_ms < SLOW_MS && slow_servers() < SLOW_WORKERS && hire(now, Role::slow)) {
  }
  if (!got_term && routes.any() && hubs() == 0) hire(now, Role::hub);
}

// What counts has changed: new workers know it, the old ones end when they have
// answered what they have in hand.
void crew::new_generation(long long now) {
  all->generation.store(++generation);  // from now on the old ones refuse nobody
  version = address_version(host);
  all->parent_counts.add(COUNTER_CHANGES);
  for (unsigned n = 0; n < wanted; ++n)
    if (!hire(now)) break;
  const bool any = count([&](unsigned i) { return serving(i) && judges(i) && workers[i].generation == generation; }) != 0;
  stale = !any;
  for (unsigned i = 0; any && i < all->seats_used.load(); ++i)
    if (serving(i) && workers[i].generation != generation) retire(i);
  fill(now);
}

// ---- questions

// From a UNIX socket. What it says of its SMTP client is believed there.
void crew::question(uint64_t ticket, const char *datagram, size_t len, long long now) {
  packet_question q;
  ip_address client;
  all->parent_counts.add(packet_is_extended(datagram, len) ? COUNTER_SOCKET_EXTENDED : COUNTER_SOCKET_PLAIN);
  if (packet_read_question(datagram, len, &q) == 0 && q.client) client = ip_of(q.client, q.client_len);
  const board_question sent{ticket, {}, 0};
  if (client.size && !limit.may_know(client, now))
    return refuse(sent, {datagram, len}, QV_REASON_LIMITED, ip_text(client).c_str());
  // whoever asks here does not ask again
  const bool room = waiting.size() < (len <= QV_QUESTION_WRITTEN_MAX ? PENDING_MAX : LARGE_MAX);
  if (!room || !way.ask(sent, datagram, len)) return too_many(sent, {datagram, len}, now);
  waiting[ticket] = {std::string(datagram, len), client, now};
  if (waiting.size() > all->gauges.waiting_most.load()) all->gauges.waiting_most.store(waiting.size());
}

// More than can be judged: said once a minute, not for each.
void crew::too_many(const board_question &sent, std::string_view datagram, long long now) {
  refuse(sent, datagram, QV_REASON_RESOURCE_TROUBLE, nullptr);
  if (too_many_ms && now - too_many_ms < 60000) return;
  too_many_ms = now;
  say("questions come over the UNIX socket faster than they can be judged: some are answered \"temporary\"", ".", "");
}

// What the workers tell.
void crew::hear(long long now) {
  relay_message message;
  const char *bytes;
  size_t len;
  for (int n = 0; n < 256 && way.hear(message, bytes, len); ++n) {
    switch (message.kind) {
      case relay_kind::answer: answered(message, bytes, len, now); break;
      case relay_kind::advice:
      case relay_kind::stranger: advice(message.kind, std::string(bytes, len), now); break;
      case relay_kind::trouble:
        trouble_seen.seen(trouble_of(message.reason, message.error), message.error, now);
        break;
      case relay_kind::fine: trouble_seen.disproved(now); break;
      case relay_kind::slow:
        slow_ms = now;
        fill(now);
        break;
    }
  }
}

void crew::answered(const relay_message &message, const char *bytes, size_t len, long long now) {
  const auto asked = waiting.find(message.ticket);
  if (asked == waiting.end()) return;
  if (asked->second.client.size) limit.count(asked->second.client, message.verdict, now);
  if (len) local->answer(message.ticket, bytes, len);
  waiting.erase(asked);
}

// The answer to a question that nobody can judge.
void crew::refuse(const board_question &question, std::string_view datagram, qv_reason reason, const char *about) {
  char reply[QV_REPLY_MAX];
  const size_t n = calls->temporary(datagram.data(), datagram.size(), reason, about, reply);
  all->parent_counts.add(COUNTER_REASON + unsigned{reason});
  if (question.ticket) {
    waiting.erase(question.ticket);
    if (n) local->answer(question.ticket, reply, n);
  } else if (n) {
    char sealed[BOARD_REPLY_MAX];
    memcpy(sealed, reply, n);
    const size_t len = seal_reply(keys, ip_of(question.asker.from.addr), datagram, sealed, n, sizeof sealed);
    sockets.answer(question.asker, sealed, len);
  }
}

// What stands in a worker's slot in this state becomes the parent's. The copy is made
// first: the worker may go on at any moment, and write over it.
bool crew::take(unsigned i, unsigned k, board_state state, taken &t) {
  board_slot &slot = seat(i).slot[k];
  const uint32_t seen = slot.word.load();
  if (board_slot::state_of(seen) != state) return false;
  t.question = slot.question;
  if (state == board_state::answered)
    t.bytes.assign(slot.reply, std::min(slot.reply_len, sizeof slot.reply));
  else
    t.bytes = board_datagram(seat(i), k);
  return slot.take(seen);
}

// What a worker has in hand beside the question that keeps it: its answers are sent,
// and other workers get what it has not begun. Of a long question, which nobody but the
// worker has whole, nothing is left: it is asked again.
void crew::hand_on_others(unsigned i, unsigned but) {
  taken t;
  for (unsigned k = 0; k < BOARD_SLOTS; ++k) {
    if (take(i, k, board_state::answered, t)) sockets.answer(t.question.asker, t.bytes.data(), t.bytes.size());
    if (k == but || !take(i, k, board_state::waiting, t) || t.bytes.empty()) continue;
    if (!way.ask(t.question, t.bytes.data(), t.bytes.size())) refuse(t.question, t.bytes, QV_REASON_WORKER_LOST, "");
  }
}

// The questions of a worker that is gone go to another one: that which it was judging
// only once, since it may have been the cause.
void crew::hand_on(unsigned i) {
  const unsigned at = seat(i).at.load() % BOARD_SLOTS;
  taken t;
  hand_on_others(i, at);
  if (!take(i, at, board_state::waiting, t)) return;
  if (++t.question.again > 1 || !way.ask(t.question, t.bytes.data(), t.bytes.size()))
    refuse(t.question, t.bytes, QV_REASON_WORKER_LOST, "");
}

// ---- the watch

void crew::look_around(long long now) {
  const bool was_away = now - watched_ms > CREW_STUCK_MS / 2;  // stopped, or the machine asleep: so were they
  watched_ms = now;
  if (was_away) back_ms = now;
  bool looking = false, free = false;
  for (unsigned i = 0; i < all->seats_used.load(); ++i) {
    if (!alive(i) || workers[i].stuck) continue;
    const long long look = seat(i).looking_ms.load(), judging = seat(i).judging_ms.load();
    if ((look && now - std::max(look, back_ms) >= CREW_STUCK_MS) ||
        (judging && now - std::max(judging, back_ms) >= CREW_QUESTION_MS)) {
      is_stuck(i, now, look ? look : judging);
      continue;
    }
    const bool delayed = (look && now - look >= CREW_SLOW_MS) || (judging && now - judging >= CREW_SLOW_MS);
    if (delayed) hand_on_others(i, seat(i).at.load());
    const uint32_t looks = seat(i).looks.load();
    looking = looking || look || looks != workers[i].looks;
    workers[i].looks = looks;
    free = free || (serving(i) && judges(i) && (!look || now - look < CREW_SLOW_MS));
  }
  if (!free && servers() < wanted + CREW_STUCK_MAX && hire(now)) calm_since_ms = now;
  fill(now);
  if (stuck()) calm_since_ms = now;
  all->alert.store(looking);
  // one that began meanwhile saw the alert that has just been ended
  if (!looking && count([&](unsigned i) { return alive(i) && seat(i).looking_ms.load() != 0; })) all->alert.store(true);
}

// A look that does not come back. Its question is answered, its worker replaced
// without waiting for its end.
void crew::is_stuck(unsigned i, long long now, long long since) {
  workers[i].stuck = true;
  all->parent_counts.add(COUNTER_WORKERS_STUCK);
  lose(i);
  board_seat &s = seat(i);
  board_look look;
  const bool known = s.looking_ms.load() != 0 && board_look_of(s, look);
  const unsigned at = s.at.load() % BOARD_SLOTS;
  taken t;
  hand_on_others(i, at);
  if (take(i, at, board_state::waiting, t)) {
    refuse(t.question, t.bytes, QV_REASON_HOME_HANGS, known ? look.path : "");
    if (known) hangs(look, t.bytes, now, since);
  }
  say_flush_of(&s.held);  // it is killed, and says nothing any more
  if (stuck() >= CREW_STUCK_MAX && !all->closed.exchange(true))
    say("", std::to_string(CREW_STUCK_MAX).c_str(),
        " workers are stuck in homes: no home is looked at, and addresses here are answered \"temporary\", until one of "
        "them ends.");
  fill(now);
}

void crew::ended(unsigned i, int status, long long now) {
  const bool expected = workers[i].stuck || workers[i].retired || got_term;
  if (!expected) {
    all->parent_counts.add(COUNTER_WORKERS_ENDED);
    char pid[24], how[32];
    snprintf(pid, sizeof pid, "%ld", static_cast<long>(seat(i).pid.load()));
    if (WIFSIGNALED(status))
      snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    else
      snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    log_line line;
    say_begin(&line);
    log_puts(&line, "worker ");
    log_puts(&line, pid);
    log_puts(&line, " ended by ");
    log_puts(&line, how);
    log_puts(&line, ": another one takes its place");
    say_end(&line);
    early_ends = now - workers[i].born_ms < FORK_AGAIN_MS ? early_ends + 1 : 0;
    if (early_ends > 1) next_fork_ms = now + FORK_AGAIN_MS;
    if (!seat(i).lost.load()) hand_on(i);
  }
  say_flush_of(&seat(i).held);
  seat(i).pid.store(0);
  if (all->closed.load() && stuck() < CREW_STUCK_MAX) {
    all->closed.store(false);
    say("homes are looked at again", ".", "");
  }
}

// Somebody stopped it: nobody waits for that one.
void crew::stopped(unsigned i) {
  if (seat(i).lost.load()) {
    kill(seat(i).pid.load(), SIGKILL);
    return;
  }
  say("a worker was stopped by a signal: another one takes its place", ".", "");
  hand_on(i);
  workers[i].retired = true;
  lose(i);
}

void crew::reap(long long now) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
    if (probe_ended(pid, status, now)) continue;
    for (unsigned i = 0; i < all->seats_used.load(); ++i) {
      if (seat(i).pid.load() != pid) continue;
      WIFSTOPPED(status) ? stopped(i) : ended(i, status, now);
      break;
    }
  }
  fill(now);
}

// ---- places that hang

// The file system, where that is one of the network. Else it may be one file that
// a user has linked to something that is gone, so it is his home alone, until another
// user's home beside it hangs, too: then all that is below the directory of both.
std::string crew::place_of(const board_look &look) const {
  if (*look.path != '/') return look.path;
  std::string place = mounts_place(mounts_now(), look.path);
  for (const auto &[other, h] : hanging) {
    const std::string both = h.uid == look.uid ? std::string() : mounts_common(h.path, look.path);
    if (!both.empty() && both.size() < place.size()) place = both;
  }
  return place;
}

void crew::hangs(const board_look &look, const std::string &datagram, long long now, long long since) {
  const std::string place = place_of(look);
  if (hanging.contains(place) || !board_hangs_add(*all, place)) return;
  hanging_place &h = hanging[place];
  h.uid = look.uid;
  h.path = look.path;
  h.datagram = datagram;
  probe(h, now);
  log_line line;
  say_begin(&line);
  log_puts(&line, "a look at ");
  log_putsafe(&line, look.path, strlen(look.path));
  log_puts(&line, " did not come back in ");
  log_putnum(&line, static_cast<unsigned long long>(now - since));
  log_puts(&line, " ms: addresses that need ");
  log_putsafe(&line, place.data(), place.size());
  log_puts(&line, " are answered \"temporary\" until it does; it is tried every 5 seconds");
  say_end(&line);
}

// A process of its own, whose coming back is the answer.
void crew::probe(hanging_place &place, long long now) {
  place.probe_ms = now;
  place.told = false;
  const pid_t pid = fork();
  if (pid == 0) {
    be_child();
    held.holding = true;  // nobody wants to hear what it finds
    struct sigaction act {};
    act.sa_handler = SIG_DFL;
    for (const int sig : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2}) sigaction(sig, &act, nullptr);
    sigprocmask(SIG_SETMASK, &unblocked, nullptr);
    address_watch(host, nullptr);
    calls->again(host, place.datagram.data(), place.datagram.size());
    _exit(0);
  }
  place.probe = pid == -1 ? 0 : pid;
}

bool crew::probe_ended(pid_t pid, int status, long long now) {
  const auto at = std::find_if(hanging.begin(), hanging.end(), [&](auto &h) { return h.second.probe == pid; });
  if (at == hanging.end()) return false;
  if (WIFSTOPPED(status)) return true;  // told to end when its time is over
  at->second.probe = 0;
  if (WIFEXITED(status)) {
    log_line line;
    say_begin(&line);
    log_putsafe(&line, at->first.data(), at->first.size());
    log_puts(&line, " answers again.");
    say_end(&line);
    board_hangs_remove(*all, at->first);
    hanging.erase(at);
  } else if (now - at->second.probe_ms >= CREW_PROBE_MS) {
    probe(at->second, now);
  }
  return true;
}

void crew::probes(long long now) {
  for (auto &[place, h] : hanging) {
    if (now - h.probe_ms < CREW_PROBE_MS) continue;
    if (h.probe == 0) {
      probe(h, now);
    } else if (!h.told) {
      kill(h.probe, SIGKILL);
      h.told = true;
    }
  }
}

// Workers that were needed only while others were slow or stuck.
void crew::spare(long long now) {
  const bool too_many = servers() > wanted && now - calm_since_ms >= SPARE_MS, no_slow = now - slow_ms >= SLOW_MS;
  for (unsigned i = 0; i < all->seats_used.load(); ++i)
    if (serving(i) && !seat(i).judging_ms.load() && (hub(i) ? !routes.any() : slow(i) ? no_slow : too_many)) return retire(i);
}

// ---- changes

// What workers have to say is said once by all of them.
void crew::advice(relay_kind kind, const std::string &sentence, long long now) {
  if (kind == relay_kind::stranger) {
    std::erase_if(strangers, [&](const auto &one) { return now - one.second >= 60000; });
    if (strangers.size() >= STRANGERS_MAX || !strangers.try_emplace(sentence, now).second) return;
  } else {
    if (said.contains(sentence)) return;
    if (said.size() >= SAID_MAX) said.clear();
    said.insert(sentence);
  }
  say_string(sentence);
}

// One that cannot be read changes nothing; until one has been read nobody from beyond
// this host may ask.
void crew::take_clients(std::vector<std::string> &complaints, bool hungup) {
  const control_text &text = clients_file.file();
  if (text.look == Look::failed) {
    if (!clients_read) clients = clients_table::nobody();
    complaints.push_back(std::string("control/verifyclients cannot be read: ") + strerror(text.error) +
                         (clients_read ? "; what was read before counts"
                                       : "; until it can, nobody beyond this host is answered"));
    return;
  }
  const bool again = clients_file.again();
  clients_read = true;
  if (text.look == Look::found) {
    clients = clients_table(text.text, complaints);
    if (!hungup && !again) say_held("control/verifyclients has changed: taken over");
  } else {
    clients = clients_table();
    if (!hungup && !again) say_held("control/verifyclients is gone: whoever can reach this host's addresses may ask");
  }
  if (!hungup && again) say_held("control/verifyclients can be read again");
}

// One that cannot be read changes nothing. Workers know what is to be kept for how long.
void crew::take_limits(std::vector<std::string> &complaints, bool hungup) {
  const control_text &text = limits_file.file();
  const bool told = !hungup && !limits_file.again();
  if (told && text.look == Look::found) say_held("control/verifylimits has changed: taken over");
  if (told && text.look == Look::absent) say_held("control/verifylimits is gone: nobody is limited");
  if (!hungup && limits_file.again()) say_held("control/verifylimits can be read again");
  if (text.look == Look::failed)
    return complaints.push_back(std::string("control/verifylimits cannot be read: ") + strerror(text.error) +
                                "; what was read before counts");
  settings = text.look == Look::found ? limits_settings(text.text, complaints) : limits_settings();
  limit.set(settings);
  if (store) store->set(settings);
}

// Until control/verifyroutes has been read once nothing is routed: addresses elsewhere are
// accepted, as without it.
void crew::take_routes(std::vector<std::string> &complaints, bool hungup) {
  const control_text &text = routes_file.file(), &smtp = smtproutes_file.file();
  if (text.look == Look::failed)
    return complaints.push_back(std::string("control/verifyroutes cannot be read: ") + strerror(text.error) +
                                "; what was read before counts");
  const bool told = !hungup && !routes_file.again();
  if (!hungup && routes_file.again()) say_held("control/verifyroutes can be read again");
  const bool had = routes.any();
  routes = text.look == Look::found
               ? routes_table(text.text, smtp.look == Look::failed ? nullptr : &smtp.text, smtp.error, complaints)
               : routes_table();
  if (told && text.look == Look::absent && had) say_held("control/verifyroutes is gone: no other server is asked");
  if (told && text.look == Look::found) say_held("control/verifyroutes, or control/smtproutes which it follows, has changed: taken over");
  if (routes.any() && !store) {
    // answers stand in buckets: with as many places again hardly any of them overflows
    store = kept::make(2 * settings.keep_answers);
    if (store) store->set(settings);
    if (!store) complaints.push_back(std::string("answers of other servers cannot be kept: ") + strerror(errno) +
                                     "; write a smaller keepanswers into control/verifylimits, then restart");
  }
}

// A file that cannot be used lets nobody in from beyond this host, until one has been
// used; then what was read before counts.
void crew::take_keys(std::vector<std::string> &complaints, bool hungup) {
  const control_text &text = keys_file.file();
  if (text.look == Look::failed) {
    if (!keys_read) keys = keys_table::unusable();
    complaints.push_back(text.text + (keys_read ? "; what was read before counts"
                                                : "; until it can be used, nobody beyond this host is answered"));
    return;
  }
  const bool told = !hungup && !keys_file.again();
  keys_read = true;
  keys = text.look == Look::found ? keys_table(text.text, complaints) : keys_table();
  if (told && text.look == Look::absent) say_held("control/verifykeys is gone: nothing is signed, and nothing has to be");
  if (told && text.look == Look::found) say_held("control/verifykeys has changed: taken over");
  if (!hungup && keys_file.again()) say_held("control/verifykeys can be read again");
}

// Our own files, but for control/verifypolicy. After SIGHUP complaints are repeated.
void crew::own_files(bool hungup, long long now) {
  std::vector<std::string> complaints;
  const bool other_clients = look_again(clients_file, hungup, now), other_limits = look_again(limits_file, hungup, now);
  bool other_routes = look_again(routes_file, hungup, now);
  if (look_again(smtproutes_file, hungup, now)) other_routes = other_routes || routes.follows_smtproutes();
  const bool other_keys = look_again(keys_file, hungup, now);
  if (other_clients || hungup) take_clients(complaints, hungup);
  if (other_limits || hungup) take_limits(complaints, hungup);
  if (other_routes || hungup) take_routes(complaints, hungup);
  if (other_keys || hungup) take_keys(complaints, hungup);
  stale = stale || other_clients || other_routes || other_keys || (other_limits && store);
  for (const std::string &complaint : complaints) say_held(complaint);
}

// A change is in force when the workers that do not know it have ended; those that
// are stuck answer nobody.
void crew::let_go(long long now) {
  if (!held.holding || stale) return;
  const bool old = count([&](unsigned i) { return alive(i) && workers[i].retired && !workers[i].stuck; }) != 0;
  if (old && now - held.since_ms < CREW_STUCK_MS) return;
  held.holding = false;
  for (const std::string &sentence : held.sentences) say_string(sentence);
  held.sentences.clear();
}

void crew::hold(long long now) {
  if (!held.holding) held.since_ms = now;
  held.holding = true;
}

// What a worker that was lost had put aside, for instance.
void crew::overdue(long long now) {
  std::vector<std::pair<uint64_t, std::string>> late;
  for (const auto &[ticket, one] : waiting)
    if (now - one.since_ms >= PENDING_MS) late.emplace_back(ticket, one.datagram);
  for (const auto &[ticket, datagram] : late)
    refuse({ticket, {}, 0}, datagram, QV_REASON_WORKER_LOST, "");
}

void crew::tick(long long now) {
  hold(now);
  address_tick(host, now);
  own_files(false, now);
  local->expire(now);
  limit.tick(now);
  trouble_seen.tick(now);
  probes(now);
  spare(now);
  overdue(now);
}

void crew::hangup(long long now) {
  all->parent_counts.add(COUNTER_HANGUPS);
  said.clear();
  hold(now);
  address_hangup(host, now);
  own_files(true, now);
}

// ---- the loop

void crew::signals() {
  struct sigaction act {};
  act.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &act, nullptr);
  sigaction(SIGUSR2, &act, nullptr);  // the workers', to be told to end
  act.sa_handler = on_signal;
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int sig : {SIGHUP, SIGTERM, SIGINT, SIGCHLD, SIGUSR1, SIGUSR2}) sigaddset(&blocked, sig);
  sigprocmask(SIG_BLOCK, &blocked, &unblocked);
  for (const int sig : {SIGHUP, SIGTERM, SIGINT, SIGCHLD, SIGUSR1}) {
    sigdelset(&unblocked, sig);
    sigaction(sig, &act, nullptr);
  }
  sigdelset(&unblocked, SIGUSR2);
}

// Log lines of this process that nobody took.
void crew::count_dropped() {
  static unsigned long counted;
  all->parent_counts.add(COUNTER_LOG_DROPPED, say_dropped() - counted);
  counted = say_dropped();
}

// What an operator should know of where it listens.
void crew::warn() {
  for (const std::string &warning : sockets.warnings()) say_string(warning);
  for (const listen_udp &one : sockets.udp()) {
    if (one.loopback || clients.known()) continue;
    char where[UDP_TEXT_MAX];
    udp_format(&one.own, where);
    say("LISTEN: ", where,
        " is not a loopback address, and there is no control/verifyclients: whoever can reach it may ask which addresses "
        "exist here; list there who may");
  }
}

void crew::run(void (*ready)(void *), void *ctx) {
  long long now = sockbits_now_ms();
  watched_ms = calm_since_ms = now;
  all->gauges.start_ms.store(now);
  all->gauges.start_time.store(time(nullptr));
  all->gauges.workers_wanted.store(wanted);
  next_tick_ms = now + CREW_TICK_MS;
  for (watch *file : {&clients_file, &limits_file, &routes_file, &smtproutes_file, &keys_file}) file->start(now);
  own_files(true, now);
  warn();
  version = address_version(host);
  stale = false;
  fill(now);
  ready(ctx);
  while (!got_term) {
    try {
      step();
      if (trouble) say("there is memory again", ".", "");
      trouble = false;
    } catch (const std::exception &) {  // memory: what was in hand is lost, and asked again
      if (!trouble) say("out of memory: some questions are not answered until there is more", ".", "");
      trouble = true;
      const timespec soon{0, 100 * 1000000};
      nanosleep(&soon, nullptr);
    }
  }
}

// Waits until there is something to do, and does it.
void crew::step() {
  pollfd fds[] = {{way.parent_fd(), POLLIN, 0}, {alarm.get(), POLLIN, 0}, {local->fd(), POLLIN, 0}};
  long long now = sockbits_now_ms();
  long long left = std::max<long long>(next_tick_ms - now, 0);
  if (servers() < wanted) left = std::min(left, std::max<long long>(next_fork_ms - now, 0));
  if (all->alert.load()) left = std::min<long long>(left, CREW_LOOK_MS);
  const timespec wait{static_cast<time_t>(left / 1000), static_cast<long>(left % 1000) * 1000000};
  const bool any = ppoll(fds, 3, &wait, &unblocked) > 0;
  if (any) worker_let_signals_in(unblocked);
  now = sockbits_now_ms();
  if (any && fds[1].revents) {
    uint64_t drained;
    if (read(alarm.get(), &drained, sizeof drained) > 0) watched_ms = now;
  }
  if (any && fds[2].revents)
    local->serve(now, [&](uint64_t ticket, uid_t, const char *bytes, size_t len) { question(ticket, bytes, len, now); });
  if (any && fds[0].revents) hear(now);
  if (got_child) {
    got_child = 0;
    reap(now);
  }
  look_around(now);
  if (got_hangup) {
    got_hangup = 0;
    hangup(now);
  }
  all->gauges.waiting.store(waiting.size());
  all->gauges.connections.store(local->count());
  count_dropped();
  if (got_report) {
    got_report = 0;
    say(counters_line(*all).c_str(), "", "");
  }
  if (now >= next_tick_ms) {
    tick(now);
    next_tick_ms = now + CREW_TICK_MS;
  }
  if (version != address_version(host) || (stale && now >= next_fork_ms)) new_generation(now);
  let_go(now);
}

// SIGTERM: what has arrived is answered, but nobody who is stuck is waited for.
void crew::finish() {
  const long long end = sockbits_now_ms() + CREW_DRAIN_MS;
  for (unsigned i = 0; i < all->seats_used.load(); ++i)
    if (alive(i)) kill(seat(i).pid.load(), workers[i].stuck ? SIGKILL : SIGTERM);
  for (auto &[place, h] : hanging)
    if (h.probe) kill(h.probe, SIGKILL);
  for (;;) {
    long long now = sockbits_now_ms();
    local->serve(now, [&](uint64_t ticket, uid_t, const char *bytes, size_t len) { question(ticket, bytes, len, now); });
    hear(now);
    reap(now);
    if (now >= end || servers() + slow_servers() + hubs() == 0) break;
    pollfd fds[] = {{way.parent_fd(), POLLIN, 0}, {local->fd(), POLLIN, 0}};
    const timespec wait{0, 10 * 1000000};
    ppoll(fds, 2, &wait, &unblocked);
  }
  hear(sockbits_now_ms());
  for (unsigned i = 0; i < all->seats_used.load(); ++i)
    if (alive(i)) kill(seat(i).pid.load(), SIGKILL);
  sockets.unlink_paths();
}

// ---- for the program

void crew_note(void *, const char *sentence) {
  if (!worker_note(sentence)) say_held(sentence);
}

struct crew *crew_open(const char *listen, gid_t group, mode_t mode, int *code) {
  *code = 111;
  try {
    auto c = std::make_unique<crew>();
    listen_trouble trouble;
    if (!c->sockets.open(listen, {group, mode}, trouble)) {
      say(trouble.sentence.c_str(), "", "");
      *code = trouble.code;
      return nullptr;
    }
    for (const listen_udp &one : c->sockets.udp()) {
      char text[UDP_TEXT_MAX];
      udp_format(&one.own, text);
      c->endpoints.emplace_back(text);
    }
    for (const listen_local &one : c->sockets.local()) c->endpoints.push_back(one.path);
    int life[2];
    c->all = board_new();
    c->alarm.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!c->all || !c->alarm || !c->way.open() || !c->slow_lane.open() || !c->hub_lane.open() || pipe2(life, O_CLOEXEC) == -1) return say_errno("cannot begin", ""), nullptr;
    c->life_worker.reset(life[0]);
    c->life_parent.reset(life[1]);
    c->local = std::make_unique<local_connections>(say_string);
    for (const listen_local &one : c->sockets.local())
      if (!c->local->listen_to(one.fd.get())) return say_errno("cannot begin", ""), nullptr;
    return c.release();
  } catch (const std::exception &) {
    say("out of memory", "", "");
    return nullptr;
  }
}

const char *crew_endpoint(const struct crew *crew, unsigned i) {
  return i < crew->endpoints.size() ? crew->endpoints[i].c_str() : nullptr;
}

int crew_run(struct crew *crew, struct address *host, unsigned workers, const struct crew_calls *calls,
             void (*ready)(void *ctx), void *ctx) {
  crew->host = host;
  crew->calls = calls;
  crew->wanted = std::clamp(workers, 1U, unsigned{CREW_WORKERS_MAX});
  crew->signals();
  crew->run(ready, ctx);
  crew->finish();
  return 0;
}

void crew_close(struct crew *crew) { delete crew; }
