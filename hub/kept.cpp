// kept.cpp - see kept.h.

#include "kept.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "qmail/text.h"
#include "siphash.h"
#include "sockbits.h"

namespace {

constexpr size_t WAYS = 8;
constexpr size_t SHARE = 8;              // invalid answers have one place for so many valid ones
constexpr long long DEAD_MS = 1000;      // who has been writing for so long is no more
constexpr size_t WORDS = 14;             // of an entry, behind its sequence; the last is the sum of the others

// What is known about one address. All of it in words that can be read while they are
// written: whoever reads looks at the sequence before and after.
struct entry {
  std::atomic<uint64_t> sequence;  // odd: it is being written
  std::atomic<uint64_t> word[WORDS];
};
static_assert(sizeof(entry) < 200);

// An entry taken apart.
struct content {
  uint64_t address[2] = {0, 0};  // both 0: empty
  uint64_t domain = 0;
  int64_t put_ms = 0;
  uint64_t what = 0;  // verdict, reason, position, length of the user, a byte or two each
  char user[KEPT_USER_MAX] = {};
};
static_assert(sizeof(content) == (WORDS - 1) * sizeof(uint64_t));

bool empty(const content &c) { return c.address[0] == 0 && c.address[1] == 0; }

struct hashes {
  uint64_t address[2], domain;
};

// One who was taken for dead, and writes on, must not leave half of this and half of that.
uint64_t sum_of(const uint64_t *words) {
  uint64_t sum = 0x9e3779b97f4a7c15U;
  for (size_t i = 0; i < WORDS - 1; ++i) sum = (std::rotl(sum, 7) ^ words[i]) * 0xff51afd7ed558ccdU;
  return sum;
}

// False: it is being written, or has never been.
bool load(const entry &e, content &c) {
  const uint64_t before = e.sequence.load(std::memory_order_acquire);
  if (before & 1) return false;
  uint64_t words[WORDS];
  for (size_t i = 0; i < WORDS; ++i) words[i] = e.word[i].load(std::memory_order_acquire);
  memcpy(static_cast<void *>(&c), words, sizeof c);
  return e.sequence.load(std::memory_order_relaxed) == before && words[WORDS - 1] == sum_of(words);
}

// By whoever has made the sequence odd; it becomes this even number.
void store(entry &e, const content &c, uint64_t sequence) {
  uint64_t words[WORDS] = {};
  memcpy(words, &c, sizeof c);
  words[WORDS - 1] = sum_of(words);
  for (size_t i = 0; i < WORDS; ++i) e.word[i].store(words[i], std::memory_order_release);
  e.sequence.store(sequence, std::memory_order_release);
}

}  // namespace

// One of the two tables. An odd sequence holds the time at which its writer began, so that
// one who ended meanwhile can be told: milliseconds in the upper bits.
struct kept::state {
  entry *valid = nullptr, *invalid = nullptr;
  size_t valid_n = 0, invalid_n = 0;  // powers of two
  void *memory = nullptr;
  size_t memory_size = 0;
  siphash_key key{};
  limits_settings settings;
  char user[KEPT_USER_MAX] = {};  // what get hands out

  ~state() {
    if (memory) munmap(memory, memory_size);
  }

  hashes of(std::string_view address) const;
  uint64_t of_domain(std::string_view domain) const;
  long long fresh_ms(bool is_valid) const { return is_valid ? settings.keep_valid_ms : settings.keep_invalid_ms; }
  static entry *bucket(entry *table, size_t n, const hashes &h) { return table + (h.address[0] & (n / WAYS - 1)) * WAYS; }
  bool find(entry *bucket, const hashes &h, content &c) const;
  void forget(entry *bucket, const hashes &h, long long now);
  void put(entry *bucket, const content &c, long long now);
  template <class Is>
  size_t clear(entry *table, size_t n, long long now, Is is);
  static bool take(entry &e, uint64_t &even, long long now);
};

hashes kept::state::of(std::string_view address) const {
  const size_t at = address.rfind('@');
  std::string same(address);
  const size_t domain = at == address.npos ? same.size() : at + 1;
  for (size_t i = domain; i < same.size(); ++i) same[i] = text_lower(same[i]);
  const siphash_sum sum = siphash(key, same.data(), same.size());
  hashes h;
  memcpy(h.address, sum.data(), sizeof h.address);
  if (h.address[0] == 0 && h.address[1] == 0) h.address[0] = 1;
  h.domain = of_domain(std::string_view(same).substr(domain));
  return h;
}

// The domain in lower case.
uint64_t kept::state::of_domain(std::string_view domain) const {
  const std::string marked = '@' + std::string(domain);  // no address begins so and has the same sum
  const siphash_sum sum = siphash(key, marked.data(), marked.size());
  uint64_t h;
  memcpy(&h, sum.data(), sizeof h);
  return h;
}

// Makes the sequence odd. False: somebody writes there, and is not dead.
bool kept::state::take(entry &e, uint64_t &even, long long now) {
  uint64_t seen = e.sequence.load(std::memory_order_relaxed);
  if (seen & 1) {
    const auto since = static_cast<long long>(seen >> 24);
    if (now - since < DEAD_MS && since - now < DEAD_MS) return false;
  }
  const uint64_t mine = static_cast<uint64_t>(now) << 24 | ((seen + 2) & 0xfffffe) | 1;
  if (!e.sequence.compare_exchange_strong(seen, mine, std::memory_order_acq_rel)) return false;
  even = mine + 1;
  return true;
}

bool kept::state::find(entry *bucket, const hashes &h, content &c) const {
  for (size_t i = 0; i < WAYS; ++i) {
    if (bucket[i].word[0].load(std::memory_order_relaxed) != h.address[0]) continue;
    if (load(bucket[i], c) && c.address[0] == h.address[0] && c.address[1] == h.address[1]) return true;
  }
  return false;
}

void kept::state::forget(entry *bucket, const hashes &h, long long now) {
  content c;
  uint64_t even;
  for (size_t i = 0; i < WAYS; ++i)
    if (load(bucket[i], c) && c.address[0] == h.address[0] && c.address[1] == h.address[1] && take(bucket[i], even, now))
      store(bucket[i], content(), even);
}

// In the place of the same address, else an empty one, else the oldest; the last resort is
// one that somebody writes, or died writing.
void kept::state::put(entry *bucket, const content &c, long long now) {
  entry *best = nullptr;
  long long oldest = INT64_MAX;
  for (size_t i = 0; i < WAYS; ++i) {
    content there;
    long long age_key = bucket[i].sequence.load(std::memory_order_relaxed) == 0 ? INT64_MIN : INT64_MAX - 1;
    if (load(bucket[i], there)) {
      if (there.address[0] == c.address[0] && there.address[1] == c.address[1]) {
        best = &bucket[i];
        break;
      }
      age_key = empty(there) ? INT64_MIN : there.put_ms;
    }
    if (age_key < oldest) {
      oldest = age_key;
      best = &bucket[i];
    }
  }
  uint64_t even;
  if (best && take(*best, even, now)) store(*best, c, even);
}

template <class Is>
size_t kept::state::clear(entry *table, size_t n, long long now, Is is) {
  size_t cleared = 0;
  content c;
  uint64_t even;
  for (size_t i = 0; i < n; ++i) {
    if (table[i].sequence.load(std::memory_order_relaxed) == 0) continue;  // never used: not to be touched
    if (!load(table[i], c) || empty(c) || !is(c) || !take(table[i], even, now)) continue;
    store(table[i], content(), even);
    ++cleared;
  }
  return cleared;
}

bool kept_may(qv_verdict verdict, qv_reason reason) {
  if (verdict != QV_VALID && verdict != QV_INVALID) return false;
  switch (reason) {
    case QV_REASON_EZMLM_LIST:         // depend on the sender
    case QV_REASON_EZMLM_NULL_SENDER:
    case QV_REASON_POLICY_OBSERVE:     // may be hiding a look that failed
      return false;
    default: return true;
  }
}

kept::kept(std::unique_ptr<state> s) : state_(std::move(s)) {}
kept::~kept() = default;

std::unique_ptr<kept> kept::make(size_t entries) {
  auto s = std::make_unique<state>();
  s->valid_n = std::bit_ceil(std::clamp<size_t>(entries, LIMITS_KEEP_MIN, LIMITS_KEEP_MAX));
  s->invalid_n = s->valid_n / SHARE;
  s->memory_size = (s->valid_n + s->invalid_n) * sizeof(entry);
  for (size_t got = 0; got < s->key.size();) {
    const ssize_t n = getrandom(s->key.data() + got, s->key.size() - got, 0);
    if (n > 0)
      got += static_cast<size_t>(n);
    else if (errno != EINTR)
      return nullptr;
  }
  void *memory = mmap(nullptr, s->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  s->memory = memory;
  s->valid = static_cast<entry *>(memory);  // zeros are empty entries
  s->invalid = s->valid + s->valid_n;
  return std::unique_ptr<kept>(new kept(std::move(s)));
}

void kept::set(const limits_settings &settings) { state_->settings = settings; }

bool kept::get(std::string_view address, long long now_ms, bool stale, kept_answer &answer) {
  state &s = *state_;
  const hashes h = s.of(address);
  for (const bool is_valid : {true, false}) {
    content c;
    entry *bucket = is_valid ? s.bucket(s.valid, s.valid_n, h) : s.bucket(s.invalid, s.invalid_n, h);
    if (!s.find(bucket, h, c)) continue;
    const long long age = now_ms - c.put_ms;
    const bool fresh = age < s.fresh_ms(is_valid);
    if (!fresh && !(stale && is_valid && age < s.settings.keep_stale_ms)) continue;
    const size_t len = std::min<size_t>(c.what >> 40 & 0xff, KEPT_USER_MAX);
    memcpy(s.user, c.user, len);
    answer.verdict = is_valid ? QV_VALID : QV_INVALID;
    answer.reason = static_cast<qv_reason>(c.what & 0xffff);
    answer.position = static_cast<unsigned>(c.what >> 16 & 0xff);
    answer.user = {s.user, len};
    answer.stale = !fresh;
    return true;
  }
  return false;
}

void kept::put(std::string_view address, const kept_answer &answer, long long now_ms) {
  state &s = *state_;
  if (answer.verdict == QV_TEMPORARY) return;
  const hashes h = s.of(address);
  entry *valid = s.bucket(s.valid, s.valid_n, h), *invalid = s.bucket(s.invalid, s.invalid_n, h);
  const bool is_valid = answer.verdict == QV_VALID;
  const bool keeps = kept_may(answer.verdict, answer.reason) && answer.user.size() <= KEPT_USER_MAX && s.fresh_ms(is_valid) > 0;
  if (!keeps || !is_valid) s.forget(valid, h, now_ms);
  if (!keeps || is_valid) s.forget(invalid, h, now_ms);
  if (!keeps) return;
  content c;
  memcpy(c.address, h.address, sizeof c.address);
  c.domain = h.domain;
  c.put_ms = now_ms;
  c.what = uint64_t{answer.reason} | uint64_t{answer.position & 0xff} << 16 | uint64_t{answer.user.size()} << 40;
  answer.user.copy(c.user, sizeof c.user);
  s.put(is_valid ? valid : invalid, c, now_ms);
}

size_t kept::flush(std::string_view domain) {
  state &s = *state_;
  const uint64_t wanted = s.of_domain(text_lower(domain));
  const auto is = [&](const content &c) { return domain.empty() || c.domain == wanted; };
  const long long now = sockbits_now_ms();
  return s.clear(s.valid, s.valid_n, now, is) + s.clear(s.invalid, s.invalid_n, now, is);
}

size_t kept::count(long long now_ms) const {
  const state &s = *state_;
  size_t n = 0;
  content c;
  for (size_t i = 0; i < s.valid_n + s.invalid_n; ++i) {
    if (s.valid[i].sequence.load(std::memory_order_relaxed) == 0 || !load(s.valid[i], c) || empty(c)) continue;
    n += now_ms - c.put_ms < s.fresh_ms(i < s.valid_n) ? 1 : 0;
  }
  return n;
}
