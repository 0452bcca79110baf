// asker.cpp - see asker.h.

#include "asker.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "health.h"
#include "packet.h"
#include "qmail/fd.h"
#include "qmail/prefix.h"
#include "qmail/text.h"
#include "seal.h"
#include "udpbits.h"

namespace {

constexpr unsigned AT_ONCE = 32;                  // datagrams in one call
constexpr unsigned SERVE_MAX = 256;               // and from one socket before others have their turn
constexpr size_t ANSWER_MAX = QV_REPLY_MAX + SEAL_MAX;
constexpr size_t RESTING_MAX = 256;               // sockets on which a late answer may come,
constexpr long long RESTING_MS = 10000;           // and for how long
constexpr size_t NOTES_MAX = 1000;
constexpr size_t SHOWN_MAX = 255;
constexpr uint64_t OWN = uint64_t{1} << 32;       // in what epoll tells: a socket for one question
constexpr int RECEIVE_BUFFER = 4 << 20;

bool would_wait(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// Random bytes, many at a time.
class random_bytes {
 public:
  void fill(unsigned char *to, size_t n) {
    if (left_ < n) refill();
    memcpy(to, pool_.data() + pool_.size() - left_, n);
    left_ -= n;
  }

 private:
  void refill() {
    for (size_t got = 0; got < pool_.size();) {
      const ssize_t n = getrandom(pool_.data() + got, pool_.size() - got, 0);
      if (n > 0) got += static_cast<size_t>(n);
      else if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    left_ = pool_.size();
  }

  std::array<unsigned char, 4096> pool_;
  size_t left_ = 0;
};

// A server, and the socket that all questions to it share once it is known to answer in
// extended form.
struct server_link {
  enum class Form { unknown, extended, plain };

  udp_endpoint at{};
  std::string text;
  bool path = false;
  const key_entry *key = nullptr;  // with which it has to sign; null: none
  bool barred = false;             // the keys cannot be used: nothing that it says could be believed
  server_health health;
  Form form = Form::unknown;
  unique_fd fd;
  long long used_ms = 0;            // when something was sent on it last
  std::vector<std::string> outbox;  // datagrams for fd
  bool shares() const { return path || form == Form::extended; }
};

// A question that is on its way.
struct flight {
  uint64_t id = 0;  // the first bytes of its nonce
  unsigned char nonce[QV_NONCE_SIZE];
  std::string shared_by;  // what makes it the same as another one
  std::string address, sender, client, from;
  bool has_sender = false;
  unsigned hop = 0;
  std::vector<unsigned> servers;  // in the order in which they are asked
  std::vector<bool> told, refused;  // cannot tell; cannot be reached, until the next try is due
  size_t turn = 0;
  long long begun_ms = 0, answer_ms = 0;
  unsigned stamp = 0;  // of its timer
  std::vector<unsigned> last;  // whose answer is waited for: numbers in servers
  std::vector<int> own;        // sockets of its own
  std::vector<uint64_t> waiters;
  bool temporary_seen = false;
  hub_answer temporary;
};

struct own_socket {
  unique_fd fd;
  uint64_t flight = 0;
  unsigned server = 0;
};

struct timer {
  long long when_ms;
  uint64_t flight;
  unsigned stamp;
};

qv_verdict verdict_of(unsigned status) {
  switch (status & QV_RESULT_BITS) {
    case QV_RESULT_VALID: return QV_VALID;
    case QV_RESULT_INVALID: return QV_INVALID;
    default: return QV_TEMPORARY;
  }
}

// Is it a reason of this build? By its number, since not every number can be made a qv_reason.
bool is_known(unsigned reason) {
  switch (reason) {
#define KNOWN(number, symbol, name, verdict, position, text) case number:
    QV_REASONS(KNOWN)
#undef KNOWN
      return true;
    default: return false;
  }
}

// What an extended answer says. A reason that this build does not know counts as its status
// says. False: it contradicts its status, and is no answer to rely on.
bool take_extended(const packet_answer &a, hub_answer &out) {
  out.position = (a.status & QV_POSITION_BITS) >> 4;
  out.reason = a.reason;
  const qv_verdict by_status = verdict_of(a.status);
  if (!is_known(a.reason)) {
    out.verdict = by_status == QV_VALID ? QV_UNKNOWN : by_status;
    return true;
  }
  out.verdict = qv_reason_verdict(static_cast<qv_reason>(a.reason));
  const qv_verdict accepted = out.verdict == QV_REMOTE || out.verdict == QV_UNKNOWN ? QV_VALID : out.verdict;
  return accepted == by_status;
}

// What a 1.32 daemon says: its position tells why. It let addresses through, or refused them,
// where a look had failed: neither is an answer.
bool take_plain(const packet_answer &a, hub_answer &out) {
  out.position = (a.status & QV_POSITION_BITS) >> 4;
  const bool invalid = verdict_of(a.status) != QV_VALID;
  switch (out.position) {
    case 1: out.reason = QV_REASON_REMOTE; break;
    case 2: out.reason = QV_REASON_EXCEPTION; break;
    case 9: out.reason = QV_REASON_DEFAULT_DELIVERY; break;
    case 10: out.reason = QV_REASON_DOTQMAIL; break;
    case 12: out.reason = invalid ? QV_REASON_FASTFORWARD_ABSENT : QV_REASON_DOTQMAIL; break;
    case 14: out.reason = invalid ? QV_REASON_NO_MAILBOX : QV_REASON_PLAIN_UNSURE; break;
    default: out.reason = invalid ? QV_REASON_NO_ALIAS_USER : QV_REASON_PLAIN_UNSURE; break;
  }
  out.verdict = qv_reason_verdict(static_cast<qv_reason>(out.reason));
  if (invalid && out.verdict != QV_INVALID) {
    out.reason = QV_REASON_NO_ALIAS_USER;
    out.verdict = QV_TEMPORARY;
  }
  return true;
}

std::string shown(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, SHOWN_MAX)) out += c > ' ' && c <= '~' ? c : '?';
  return out;
}

bool up(const server_link &link) { return !link.barred && !link.health.aside(); }

std::string_view domain_of(std::string_view address) { return address.substr(address.rfind('@') + 1); }

}  // namespace

struct hub_asker::state {
  const routes_table &routes;
  const keys_table &keys;
  kept *store;
  answered done;
  note say;
  count counted;
  const hub_manner manner;

  unique_fd events;
  std::vector<server_link> links;
  std::unordered_map<uint64_t, std::unique_ptr<flight>> flying;
  std::unordered_map<std::string, uint64_t> same;  // by shared_by
  std::unordered_map<int, own_socket> own;
  std::deque<std::pair<long long, unique_fd>> resting;  // closed at that time
  std::deque<timer> timers;
  std::map<std::string, long long> noted;
  random_bytes random;
  std::vector<unsigned> to_flush;
  size_t shared_open = 0;  // sockets of links, and perhaps some that have been closed
  long long now = 0;  // of the call that is under way

  state(const routes_table &r, const keys_table &k, kept *s, answered d, note n, count c, const hub_manner &m)
      : routes(r), keys(k), store(s), done(std::move(d)), say(std::move(n)), counted(std::move(c)), manner(m) {
    events.reset(epoll_create1(EPOLL_CLOEXEC));
    if (!events) throw std::system_error(errno, std::generic_category(), "epoll");
    for (const udp_endpoint &at : routes.servers()) {
      server_link &link = links.emplace_back();
      char text[UDP_TEXT_MAX];
      udp_format(&at, text);
      link.at = at;
      link.text = shown(text);
      link.path = *text == '/';
      const ip_address ip = ip_of(at.addr);
      if (!ip.size || ip_is_loopback(ip)) continue;
      link.key = keys.for_peer(ip);
      link.barred = keys.is_unusable();
    }
  }

  void tell(const std::string &sentence);
  void ask(uint64_t waiter, const hub_question &q);
  std::unique_ptr<flight> begin(const hub_question &q, const routes_table::route &route);
  void next_try(flight &f);
  bool usable(const flight &f, size_t k, bool aside) const;
  void post(flight &f, size_t k);
  void make_room();
  bool post_shared(server_link &link, unsigned number, std::string datagram);
  bool post_own(flight &f, unsigned number, const std::string &datagram);
  std::string datagram_for(const flight &f, const server_link &link);
  void refused(flight &f, size_t k);
  void failed(unsigned number);
  void flush(unsigned number);
  void flush_all();
  void lost(unsigned number, int error);
  void due(const timer &t);
  void wait(flight &f);
  void hear_shared(unsigned number);
  void hear_own(int fd);
  void heard(unsigned number, std::string_view datagram, own_socket *by);
  void answered_by(flight &f, unsigned number, const packet_answer &a);
  bool kept_valid(std::string_view address, hub_answer &answer);
  bool serve_kept(uint64_t waiter, std::string_view address);
  void finish(flight &f, const hub_answer &answer, hub_event how = hub_event::answered);
  void finish_silent(flight &f);
  bool watch(int fd, uint64_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = what;
    return epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
};

// ---- what the operator hears

void hub_asker::state::tell(const std::string &sentence) {
  std::erase_if(noted, [&](const auto &one) { return now - one.second >= HUB_NOTE_MS; });
  if (noted.size() < NOTES_MAX && noted.try_emplace(sentence, now).second) say(sentence);
}

// ---- asking

void hub_asker::state::ask(uint64_t waiter, const hub_question &q) {
  hub_answer answer;
  const std::string domain(domain_of(q.address));
  const routes_table::route *route = routes.find(domain);
  kept_answer known;
  if (!route) {  // it had one a moment ago
    answer.verdict = QV_REMOTE;
    answer.reason = QV_REASON_REMOTE;
    answer.position = qv_reason_position(QV_REASON_REMOTE);
    answer.about = domain;
    return done(waiter, answer);
  }
  if (route->servers.empty()) {
    answer.reason = QV_REASON_ROUTE_TROUBLE;
    answer.about = route->wrong;
    return done(waiter, answer);
  }
  if (q.hop >= QV_HOPS_MAX) {
    std::string ours;
    for (const unsigned s : route->servers) ours += (ours.empty() ? "" : ", ") + links[s].text;
    tell(shown(domain) + ": daemons ask each other in a circle: control/verifyroutes here names " + ours +
             " for it, and control/verifyroutes of " + shown(q.from) + ", which has just asked, names this host; take it out of one of "
             "them");
    answer.reason = QV_REASON_ROUTE_LOOP;
    answer.about = ours;
    return done(waiter, answer);
  }
  if (store && store->get(q.address, now, false, known)) {  // since it was asked for
    answer = {known.verdict, known.reason, known.position, std::string(known.user), "kept"};
    return done(waiter, answer);
  }
  const auto any_of = [&](auto is) { return std::any_of(route->servers.begin(), route->servers.end(), is); };
  const bool healthy = any_of([&](unsigned s) { return up(links[s]); });
  // what is kept serves at once where nobody answers; whether that is still so is tried all the same
  const bool served = !healthy && serve_kept(waiter, q.address);
  if (served && !any_of([&](unsigned s) { return !links[s].barred && links[s].health.due(now); })) return;
  std::unique_ptr<flight> fresh = begin(q, *route);
  if (const auto other = same.find(fresh->shared_by); other != same.end()) {
    flight &f = *flying.at(other->second);
    if (served) return;
    if (f.waiters.size() < HUB_WAITERS_MAX) {
      counted(hub_event::shared);
      f.waiters.push_back(waiter);
      return;
    }
  }
  if (flying.size() >= HUB_FLIGHTS_MAX) {
    if (served) return;
    answer.reason = QV_REASON_RESOURCE_TROUBLE;
    return done(waiter, answer);
  }
  if (!served) fresh->waiters.push_back(waiter);
  fresh->answer_ms = healthy ? manner.answer_ms : std::min(manner.answer_ms, manner.probe_ms);
  flight &f = *fresh;
  same.try_emplace(f.shared_by, f.id);
  flying[f.id] = std::move(fresh);
  bool tried = false;
  for (size_t k = 0; k < f.servers.size(); ++k) {
    server_link &link = links[f.servers[k]];
    if (link.barred || !link.health.probe(now)) continue;
    tried = true;
    post(f, k);
  }
  if (!healthy && !tried) return finish_silent(f);
  next_try(f);
}

std::unique_ptr<flight> hub_asker::state::begin(const hub_question &q, const routes_table::route &route) {
  auto f = std::make_unique<flight>();
  do {
    random.fill(f->nonce, sizeof f->nonce);
    memcpy(&f->id, f->nonce, sizeof f->id);
  } while (flying.contains(f->id));
  f->address = q.address;
  f->has_sender = q.sender != nullptr;
  if (q.sender) f->sender.assign(q.sender, q.sender_len);
  if (q.client) f->client.assign(reinterpret_cast<const char *>(q.client), q.client_len);
  f->from = q.from;
  f->hop = q.hop;
  f->shared_by = f->address + '\0' + (f->has_sender ? '+' : '-') + f->sender + '\0' + f->client + static_cast<char>(q.hop);
  f->servers = route.servers;
  const std::string domain = text_lower(domain_of(q.address));
  const size_t first = manner.in_order ? 0 : std::hash<std::string>{}(domain) % f->servers.size();
  std::rotate(f->servers.begin(), f->servers.begin() + static_cast<std::ptrdiff_t>(first), f->servers.end());
  f->told.resize(f->servers.size());
  f->refused.resize(f->servers.size());
  f->begun_ms = now;
  return f;
}

// aside: those that have been set aside, too.
bool hub_asker::state::usable(const flight &f, size_t k, bool aside) const {
  const server_link &link = links[f.servers[k]];
  return !f.told[k] && !f.refused[k] && !link.barred && (aside || up(link));
}

// One server more is asked, where there is one; then its answer is waited for.
void hub_asker::state::next_try(flight &f) {
  const size_t n = f.servers.size();
  for (const bool aside : {false, true}) {
    // who has just been tried though it was set aside is not tried twice at once
    if (aside && !f.last.empty()) break;
    for (size_t i = 0; i < n; ++i) {
      const size_t k = (f.turn + i) % n;
      if (!usable(f, k, aside)) continue;
      f.turn = k + 1;
      post(f, k);
      if (f.refused[k]) continue;
      return wait(f);
    }
  }
  if (std::all_of(f.told.begin(), f.told.end(), [](bool told) { return told; })) return finish(f, hub_answer(f.temporary));
  wait(f);
}

void hub_asker::state::wait(flight &f) { timers.push_back({now + HUB_TRY_MS, f.id, ++f.stamp}); }

std::string hub_asker::state::datagram_for(const flight &f, const server_link &link) {
  packet_question q{};
  q.address = f.address.data();
  q.address_len = f.address.size();
  q.extended = 1;
  q.nonce = f.nonce;
  q.hop = f.hop + (manner.own_question ? 0 : 1);
  if (f.has_sender) {
    q.sender = f.sender.data();
    q.sender_len = f.sender.size();
  }
  if (!f.client.empty()) {
    q.client = reinterpret_cast<const unsigned char *>(f.client.data());
    q.client_len = f.client.size();
  }
  std::string out(QV_QUESTION_WRITTEN_MAX + SEAL_MAX, '\0');
  size_t len = packet_write_question(&q, out.data(), QV_QUESTION_WRITTEN_MAX);
  if (len == 0) {  // a sender that is longer than mail has: asked without
    q.sender = nullptr;
    len = packet_write_question(&q, out.data(), QV_QUESTION_WRITTEN_MAX);
  }
  if (link.key) len = seal_question(*link.key, out.data(), len, out.size());
  out.resize(len);
  return out;
}

void hub_asker::state::post(flight &f, size_t k) {
  const unsigned number = f.servers[k];
  server_link &link = links[number];
  std::string datagram = datagram_for(f, link);
  const bool posted = link.shares() ? post_shared(link, number, std::move(datagram)) : post_own(f, number, datagram);
  link.health.sent(now);
  if (!posted) return refused(f, k);
  f.last.push_back(static_cast<unsigned>(k));
  counted(hub_event::sent);
}

// Descriptors are few: where there are more servers than that the one gives way that has been
// asked least lately. What it has not answered is asked again.
void hub_asker::state::make_room() {
  if (shared_open < HUB_SHARED_MAX) return;
  server_link *oldest = nullptr;
  shared_open = 0;
  for (server_link &link : links) {
    if (!link.fd) continue;
    ++shared_open;
    if (link.outbox.empty() && (!oldest || link.used_ms < oldest->used_ms)) oldest = &link;
  }
  if (shared_open < HUB_SHARED_MAX || !oldest) return;
  oldest->fd.reset();
  --shared_open;
}

bool hub_asker::state::post_shared(server_link &link, unsigned number, std::string datagram) {
  link.used_ms = now;
  if (!link.fd) {
    make_room();
    link.fd.reset(connect_udp(&link.at));
    if (!link.fd) return false;
    ++shared_open;
    setsockopt(link.fd.get(), SOL_SOCKET, SO_RCVBUF, &RECEIVE_BUFFER, sizeof RECEIVE_BUFFER);
    if (!watch(link.fd.get(), number)) {
      link.fd.reset();
      return false;
    }
  }
  if (link.outbox.empty()) to_flush.push_back(number);
  link.outbox.push_back(std::move(datagram));
  return true;
}

bool hub_asker::state::post_own(flight &f, unsigned number, const std::string &datagram) {
  if (own.size() >= HUB_OWN_MAX) return true;  // as if it were lost: the next try is soon
  own_socket fresh{unique_fd(connect_udp(&links[number].at)), f.id, number};
  if (!fresh.fd) return false;
  ssize_t sent;
  do sent = send(fresh.fd.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL);
  while (sent == -1 && errno == EINTR);
  if (sent == -1 && !would_wait(errno) && errno != ENOBUFS && errno != EPERM) return false;
  const int fd = fresh.fd.get();
  if (!watch(fd, OWN | static_cast<unsigned>(fd))) return false;
  f.own.push_back(fd);
  own[fd] = std::move(fresh);
  return true;
}

void hub_asker::state::flush(unsigned number) {
  server_link &link = links[number];
  size_t sent = 0;
  while (link.fd && sent < link.outbox.size()) {
    std::array<mmsghdr, AT_ONCE> header{};
    std::array<iovec, AT_ONCE> part;
    const auto n = static_cast<unsigned>(std::min<size_t>(AT_ONCE, link.outbox.size() - sent));
    for (unsigned i = 0; i < n; ++i) {
      part[i] = {link.outbox[sent + i].data(), link.outbox[sent + i].size()};
      header[i].msg_hdr.msg_iov = &part[i];
      header[i].msg_hdr.msg_iovlen = 1;
    }
    const int taken = sendmmsg(link.fd.get(), header.data(), n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
    } else if (would_wait(errno) || errno == ENOBUFS || errno == EMSGSIZE || errno == EPERM) {
      ++sent;  // lost: tried again like others
    } else if (errno == ECONNREFUSED && !link.path) {
      lost(number, errno);  // that of one before: it can be sent all the same
    } else if (errno != EINTR) {
      link.outbox.clear();
      return lost(number, errno);
    }
  }
  link.outbox.clear();
}

void hub_asker::state::flush_all() {
  while (!to_flush.empty()) {
    const unsigned number = to_flush.back();
    to_flush.pop_back();
    flush(number);
  }
}

// ---- what fails

void hub_asker::state::failed(unsigned number) {
  server_link &link = links[number];
  if (!link.health.failed(now)) return;
  if (!link.path) link.form = server_link::Form::unknown;  // it may come back as an older one
  say(std::string(manner.named_in) + ": " + link.text + " does not answer: set aside, tried about once a second");
}

void hub_asker::state::refused(flight &f, size_t k) {
  f.refused[k] = true;
  failed(f.servers[k]);
}

// Nobody listens there, or the connection is gone: whoever waits for that server asks
// another one.
void hub_asker::state::lost(unsigned number, int error) {
  server_link &link = links[number];
  const bool idle_end = link.path && error == 0 && !link.health.aside();
  if (link.path) link.fd.reset();
  std::vector<uint64_t> waiting;
  for (const auto &[id, f] : flying)
    for (const unsigned k : f->last)
      if (f->servers[k] == number) waiting.push_back(id);
  if (!idle_end) failed(number);
  for (const uint64_t id : waiting) {
    const auto at = flying.find(id);
    if (at == flying.end()) continue;
    flight &f = *at->second;
    const auto k = std::find_if(f.last.begin(), f.last.end(), [&](unsigned i) { return f.servers[i] == number; });
    if (k == f.last.end()) continue;
    if (!idle_end) f.refused[*k] = true;
    f.last.erase(k);
    if (f.last.empty()) next_try(f);
  }
}

void hub_asker::state::due(const timer &t) {
  const auto at = flying.find(t.flight);
  if (at == flying.end() || at->second->stamp != t.stamp) return;
  flight &f = *at->second;
  for (const unsigned k : f.last) failed(f.servers[k]);
  f.last.clear();
  std::fill(f.refused.begin(), f.refused.end(), false);
  // half a try more: timers are late by a little, and that must not cost the last one
  if (now - f.begun_ms + HUB_TRY_MS / 2 > f.answer_ms)
    return f.temporary_seen ? finish(f, hub_answer(f.temporary)) : finish_silent(f);
  next_try(f);
}

// ---- hearing

void hub_asker::state::hear_shared(unsigned number) {
  static std::array<std::array<char, ANSWER_MAX>, AT_ONCE> buffer;
  server_link &link = links[number];
  for (unsigned all = 0; all < SERVE_MAX && link.fd;) {
    std::array<mmsghdr, AT_ONCE> header{};
    std::array<iovec, AT_ONCE> part;
    for (unsigned i = 0; i < AT_ONCE; ++i) {
      part[i] = {buffer[i].data(), ANSWER_MAX};
      header[i].msg_hdr.msg_iov = &part[i];
      header[i].msg_hdr.msg_iovlen = 1;
    }
    const int n = recvmmsg(link.fd.get(), header.data(), AT_ONCE, MSG_DONTWAIT, nullptr);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) return would_wait(errno) ? void() : lost(number, errno);
    all += static_cast<unsigned>(n);
    for (int i = 0; i < n; ++i) {
      const mmsghdr &one = header[static_cast<size_t>(i)];
      if (one.msg_len == 0 && link.path) return lost(number, 0);
      heard(number, {buffer[static_cast<size_t>(i)].data(), one.msg_len}, nullptr);
    }
    if (n < static_cast<int>(AT_ONCE)) return;
  }
}

void hub_asker::state::hear_own(int fd) {
  char buffer[ANSWER_MAX];
  const auto at = own.find(fd);
  if (at == own.end()) return;
  const unsigned number = at->second.server;
  const ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n >= 0) return heard(number, {buffer, static_cast<size_t>(n)}, &at->second);
  if (would_wait(errno) || errno == EINTR) return;
  const auto f = flying.find(at->second.flight);
  if (f == flying.end()) return;
  flight &one = *f->second;
  const auto k = std::find_if(one.last.begin(), one.last.end(), [&](unsigned i) { return one.servers[i] == number; });
  if (k == one.last.end()) return;
  const unsigned where = *k;
  one.last.erase(k);
  refused(one, where);
  if (one.last.empty()) next_try(one);
}

// Is it an answer, and to which question?
void hub_asker::state::heard(unsigned number, std::string_view datagram, own_socket *by) {
  server_link &link = links[number];
  packet_answer a;
  flight *f = nullptr;
  if (packet_read_answer(datagram.data(), datagram.size(), &a) == -1) return counted(hub_event::ignored);
  if (a.extended) {
    uint64_t id;
    memcpy(&id, a.nonce, sizeof id);
    if (const auto at = flying.find(id); at != flying.end() && memcmp(at->second->nonce, a.nonce, QV_NONCE_SIZE) == 0)
      f = at->second.get();
  } else if (by && !manner.strict && !link.key && link.form != server_link::Form::extended) {
    if (const auto at = flying.find(by->flight); at != flying.end()) f = at->second.get();
  }
  if (!f || std::find(f->servers.begin(), f->servers.end(), number) == f->servers.end()) return counted(hub_event::ignored);
  if (link.key && seal_check_answer(*link.key, f->address, datagram) != seal_state::good) {
    tell("an answer of " + link.text + " is not signed with key " + link.key->id +
             " of control/verifykeys: ignored; it needs the same key there");
    return counted(hub_event::ignored);
  }
  if (!link.path) link.form = a.extended ? server_link::Form::extended : server_link::Form::plain;
  if (link.health.heard()) say(std::string(manner.named_in) + ": " + link.text + " answers again");
  answered_by(*f, number, a);
}

void hub_asker::state::answered_by(flight &f, unsigned number, const packet_answer &a) {
  hub_answer answer;
  if (!(a.extended ? take_extended(a, answer) : take_plain(a, answer))) return counted(hub_event::ignored);
  answer.user.assign(a.user, a.user_len);
  answer.about = links[number].text;
  if (answer.verdict != QV_TEMPORARY) {
    if (store)
      store->put(f.address, {answer.verdict, static_cast<qv_reason>(answer.reason), answer.position, answer.user, false}, now);
    return finish(f, answer);
  }
  f.temporary_seen = true;
  f.temporary = std::move(answer);
  for (size_t k = 0; k < f.servers.size(); ++k)
    if (f.servers[k] == number) {
      f.told[k] = true;
      std::erase(f.last, static_cast<unsigned>(k));
    }
  if (f.last.empty()) next_try(f);
}

// ---- the end of a question

void hub_asker::state::finish(flight &f, const hub_answer &answer, hub_event how) {
  const auto at = flying.find(f.id);
  const std::unique_ptr<flight> gone = std::move(at->second);
  flying.erase(at);
  if (const auto other = same.find(gone->shared_by); other != same.end() && other->second == gone->id) same.erase(other);
  if (!gone->waiters.empty()) counted(how);
  for (const int fd : gone->own) {
    const auto socket = own.find(fd);
    epoll_ctl(events.get(), EPOLL_CTL_DEL, fd, nullptr);
    // its port must not come back while a late answer may be on its way to it
    resting.emplace_back(now + RESTING_MS, std::move(socket->second.fd));
    own.erase(socket);
  }
  while (!resting.empty() && (resting.size() > RESTING_MAX || resting.front().first <= now)) resting.pop_front();
  for (const uint64_t waiter : gone->waiters) done(waiter, answer);
}

// Where no server answers: a valid answer of before, however old it may be.
bool hub_asker::state::kept_valid(std::string_view address, hub_answer &answer) {
  kept_answer known;
  if (!store || !store->get(address, now, true, known) || known.verdict != QV_VALID) return false;
  answer = {known.verdict, known.reason, known.position, std::string(known.user),
            known.stale ? "stale: no server answers" : "kept"};
  return true;
}

bool hub_asker::state::serve_kept(uint64_t waiter, std::string_view address) {
  hub_answer answer;
  if (!kept_valid(address, answer)) return false;
  counted(hub_event::stale);
  done(waiter, answer);
  return true;
}

void hub_asker::state::finish_silent(flight &f) {
  hub_answer answer;
  if (kept_valid(f.address, answer)) return finish(f, answer, hub_event::stale);
  answer.reason = QV_REASON_SERVER_SILENT;
  answer.position = qv_reason_position(QV_REASON_SERVER_SILENT);
  for (const unsigned s : f.servers) answer.about += (answer.about.empty() ? "" : ", ") + links[s].text;
  finish(f, answer, hub_event::unanswered);
}

// ---- for the caller

hub_asker::hub_asker(const routes_table &routes, const keys_table &keys, kept *store, answered done, note say, count counted,
                     const hub_manner &manner)
    : state_(std::make_unique<state>(routes, keys, store, std::move(done), std::move(say), std::move(counted), manner)) {}

hub_asker::~hub_asker() = default;

void hub_asker::ask(uint64_t waiter, const hub_question &question, long long now_ms) {
  state_->now = now_ms;
  state_->ask(waiter, question);
}

int hub_asker::fd() const { return state_->events.get(); }

void hub_asker::serve(long long now_ms) {
  state_->now = now_ms;
  epoll_event ready[AT_ONCE];
  const int n = epoll_wait(fd(), ready, AT_ONCE, 0);
  for (int i = 0; i < n; ++i) {
    if (ready[i].data.u64 & OWN)
      state_->hear_own(static_cast<int>(ready[i].data.u64 & ~OWN));
    else
      state_->hear_shared(static_cast<unsigned>(ready[i].data.u64));
  }
}

int hub_asker::tick(long long now_ms) {
  state_->now = now_ms;
  while (!state_->timers.empty() && state_->timers.front().when_ms <= now_ms) {
    const timer t = state_->timers.front();
    state_->timers.pop_front();
    state_->due(t);
  }
  state_->flush_all();
  return state_->timers.empty() ? -1 : static_cast<int>(std::max<long long>(state_->timers.front().when_ms - now_ms, 0));
}

size_t hub_asker::flights() const { return state_->flying.size(); }
