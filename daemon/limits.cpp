// limits.cpp - see limits.h.
//
// Clients are kept in sets of a few places. The set of a client is found by a hash with
// a random key that stays in this process, so that nobody can aim at another's place,
// and neighbours in the network are not neighbours here. In a full set the client that
// has been silent for longest makes room; but one whose limit has begun within the last
// hour never does, since it would not be known any more that it has had its 10 minutes.
// Where all of a set are such, a newcomer is not counted.

#include "limits.h"

#include <sys/random.h>

#include <array>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <new>

namespace {

constexpr unsigned WAYS = 8, SET_BITS = 13;
static_assert(WAYS << SET_BITS == LIMITS_CLIENTS);
constexpr uint32_t MOST = std::numeric_limits<uint32_t>::max();

// ---- what is known of a client

struct window {
  long long begun_ms;
  uint32_t answers, bad;
};

enum class limit : uint8_t { none, minute, hour };

// All zero: free.
struct client {
  uint64_t address;  // four bytes of IPv4, the first eight of IPv6
  bool used, v6;
  limit bites;          // which limit bites now
  bool has_had;         // a limit has begun, at begun_ms
  uint32_t over;        // how many invalid answers it had then
  long long begun_ms;
  long long seen_ms;
  window minute, hour;
};
static_assert(sizeof(client) * LIMITS_CLIENTS <= 4 << 20, "qmail-verifylimits(5) tells how much memory it is");

struct name {
  uint64_t address = 0;
  bool v6 = false;
};

name name_of(const ip_address &ip) {
  name n;
  n.v6 = ip.size == 16;
  for (unsigned i = 0; i < (n.v6 ? 8u : 4u); ++i) n.address = n.address << 8 | ip.bytes[i];
  return n;
}

ip_address address_of(const client &c) {
  ip_address ip;
  ip.size = c.v6 ? 16 : 4;
  for (unsigned i = 0, n = c.v6 ? 8 : 4; i < n; ++i) ip.bytes[i] = static_cast<uint8_t>(c.address >> 8 * (n - 1 - i));
  return ip;
}

std::string text_of(const client &c) { return ip_text(address_of(c)) + (c.v6 ? "/64" : ""); }

// Has its limit begun so lately that none may begin again?
bool had_lately(const client &c, long long now_ms) { return c.has_had && now_ms - c.begun_ms < LIMITS_HOUR_MS; }

void count_in(window &w, long long length_ms, bool bad, long long now_ms) {
  if (!w.answers || now_ms - w.begun_ms >= length_ms) w = {now_ms, 0, 0};
  if (w.answers == MOST) return;
  ++w.answers;
  w.bad += bad;
}

bool is_over(const window &w, unsigned long bad_max) { return bad_max && w.bad > bad_max && w.bad > w.answers / 2; }

// Where the system has no randomness yet (early at boot) the time has to do.
uint64_t random_number() {
  uint64_t n;
  if (getrandom(&n, sizeof n, GRND_NONBLOCK) == sizeof n) return n;
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_nsec) << 34 ^ static_cast<uint64_t>(t.tv_sec) << 17 ^
         static_cast<uint64_t>(t.tv_nsec);
}

// Both halves of the product: what is in any bit of one factor counts in all of it.
uint64_t folded_product(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

struct free_memory {
  void operator()(void *p) const { free(p); }
};

// Lines about clients, so many a minute; the others are counted.
class bounded_log {
 public:
  explicit bounded_log(limits::note to) : to_(std::move(to)) {}

  void begin(long long now_ms, const std::string &sentence) { say(now_ms, sentence, begins_); }
  void end(long long now_ms, const std::string &sentence) { say(now_ms, sentence, ends_); }

  // Tells of those that were counted, when their minute is over.
  void tick(long long now_ms) {
    if (now_ms - since_ms_ < LIMITS_MINUTE_MS) return;
    if (begins_ || ends_)
      to_("in the minute of the last " + std::to_string(LIMITS_LINES) + " such lines " + std::to_string(begins_) +
          " more SMTP clients went over a limit, and " + std::to_string(ends_) + " more are answered as before again");
    said_ = 0;
    begins_ = ends_ = 0;
  }

 private:
  void say(long long now_ms, const std::string &sentence, unsigned long &unsaid) {
    tick(now_ms);
    if (!said_) since_ms_ = now_ms;
    if (said_ == LIMITS_LINES) {
      ++unsaid;
      return;
    }
    ++said_;
    to_(sentence);
  }

  limits::note to_;
  long long since_ms_ = 0;  // of the minute in which said_ lines were written
  unsigned said_ = 0;
  unsigned long begins_ = 0, ends_ = 0;
};

}  // namespace

struct limits::state {
  explicit state(note to) : log(std::move(to)) {
    if (!clients) throw std::bad_alloc();
  }

  client *set_of(const name &n) const;
  client *find(const name &n) const;
  client *place_for(const name &n, long long now_ms) const;
  bool still_over(const client &c) const;
  void begin(client &c, limit which, long long now_ms);
  void end(client &c, long long now_ms);
  // Ends the limits that are to end now.
  template <class Ends>
  void sweep(long long now_ms, Ends ends);

  limits_settings settings;
  bounded_log log;
  // Pages that were never touched cost nothing: where the limits are off, none is.
  std::unique_ptr<client[], free_memory> clients{static_cast<client *>(calloc(LIMITS_CLIENTS, sizeof(client)))};
  const uint64_t key[4] = {random_number(), random_number() | 1, random_number(), random_number() | 1};
  unsigned biting = 0;          // clients that are limited now
  long long next_end_ms = 0;    // no limit ends before; where any bites
  long long last_ms = 0;        // of the last call
};

// ---- places

client *limits::state::set_of(const name &n) const {
  const uint64_t hash = folded_product(folded_product(n.address ^ key[0], key[1]) ^ key[2], key[3]);
  return &clients[(hash >> (64 - SET_BITS)) * WAYS];
}

client *limits::state::find(const name &n) const {
  client *set = set_of(n);
  for (client *c = set; c < set + WAYS; ++c)
    if (c->used && c->address == n.address && c->v6 == n.v6) return c;
  return nullptr;
}

// A place for one who is not known yet; null where all must stay.
client *limits::state::place_for(const name &n, long long now_ms) const {
  client *set = set_of(n), *best = nullptr;
  for (client *c = set; c < set + WAYS; ++c) {
    if (!c->used) {
      best = c;
      break;
    }
    if (c->bites != limit::none || had_lately(*c, now_ms)) continue;
    if (!best || c->seen_ms < best->seen_ms) best = c;
  }
  if (!best) return nullptr;
  *best = {};
  best->used = true;
  best->address = n.address;
  best->v6 = n.v6;
  return best;
}

// ---- the limit of a client

void limits::state::begin(client &c, limit which, long long now) {
  const bool minute = which == limit::minute;
  const std::string limit_text = minute ? "badperminute:" + std::to_string(settings.badperminute)
                                        : "badperhour:" + std::to_string(settings.badperhour);
  c.bites = which;
  c.has_had = true;
  c.begun_ms = now;
  c.over = minute ? c.minute.bad : c.hour.bad;
  if (!biting++ || now + LIMITS_BITE_MS < next_end_ms) next_end_ms = now + LIMITS_BITE_MS;
  log.begin(now, "SMTP client " + text_of(c) + " asked " + std::to_string(c.over) + " times in " +
                     (minute ? "a minute" : "an hour") + " for addresses that do not exist (" + limit_text +
                     "): answered \"temporary\" from now on, for 10 minutes");
}

void limits::state::end(client &c, long long now) {
  c.bites = limit::none;
  --biting;
  log.end(now, "SMTP client " + text_of(c) + " is answered as before again");
}

// Would the settings as they are now have limited it, too?
bool limits::state::still_over(const client &c) const {
  const unsigned long most = c.bites == limit::minute ? settings.badperminute : settings.badperhour;
  return most && c.over > most && !prefix_any(settings.exempt, address_of(c));
}

template <class Ends>
void limits::state::sweep(long long now, Ends ends) {
  next_end_ms = std::numeric_limits<long long>::max();
  for (client *c = clients.get(), *last = c + LIMITS_CLIENTS; c < last && biting; ++c) {
    if (c->bites == limit::none) continue;
    if (ends(*c))
      end(*c, now);
    else
      next_end_ms = std::min(next_end_ms, c->begun_ms + LIMITS_BITE_MS);
  }
}

// ---- the calls

limits::limits(note to) : state_(std::make_unique<state>(std::move(to))) {}

limits::~limits() = default;

void limits::set(limits_settings settings) {
  state_->settings = std::move(settings);
  if (state_->biting) state_->sweep(state_->last_ms, [this](const client &c) { return !state_->still_over(c); });
}

bool limits::may_know(const ip_address &ip, long long now_ms) {
  state_->last_ms = now_ms;
  if (!ip.size || !state_->biting) return true;
  client *c = state_->find(name_of(ip));
  if (!c || c->bites == limit::none) return true;
  if (now_ms - c->begun_ms >= LIMITS_BITE_MS) {
    state_->end(*c, now_ms);
    return true;
  }
  return prefix_any(state_->settings.exempt, ip);
}

void limits::count(const ip_address &ip, qv_verdict verdict, long long now_ms) {
  state_->last_ms = now_ms;
  const limits_settings &settings = state_->settings;
  if (!ip.size || !settings.on() || verdict == QV_TEMPORARY || prefix_any(settings.exempt, ip)) return;
  const name n = name_of(ip);
  client *c = state_->find(n);
  if (!c) c = state_->place_for(n, now_ms);
  if (!c) return;
  c->seen_ms = now_ms;
  count_in(c->minute, LIMITS_MINUTE_MS, verdict == QV_INVALID, now_ms);
  count_in(c->hour, LIMITS_HOUR_MS, verdict == QV_INVALID, now_ms);
  if (verdict != QV_INVALID || c->bites != limit::none || had_lately(*c, now_ms)) return;
  if (is_over(c->minute, settings.badperminute))
    state_->begin(*c, limit::minute, now_ms);
  else if (is_over(c->hour, settings.badperhour))
    state_->begin(*c, limit::hour, now_ms);
}

void limits::tick(long long now_ms) {
  state_->last_ms = now_ms;
  if (state_->biting && now_ms >= state_->next_end_ms)
    state_->sweep(now_ms, [now_ms](const client &c) { return now_ms - c.begun_ms >= LIMITS_BITE_MS; });
  state_->log.tick(now_ms);
}
