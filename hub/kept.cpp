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
constexpr size_t SHARE = 8;          // invalid answers have one place for so many valid ones
constexpr long long DEAD_MS = 1000;  // who has been writing for so long is no more
constexpr size_t WORDS = 14;         // of an entry, behind its sequence; the last is the sum of the others
constexpr size_t PAGE = 4096;        // bytes for which it is noted whether they were ever written

// What is known about one address. All of it in words that can be read while they are
// written: whoever reads looks at the sequence before and after. An odd sequence holds the
// time at which its writer began, milliseconds in the bits above the lowest 24.
struct alignas(64) entry {
  std::atomic<uint64_t> sequence;  // odd: it is being written; 0: it never was
  std::atomic<uint64_t> word[WORDS];
};
static_assert(sizeof(entry) == KEPT_ENTRY_SIZE && KEPT_ENTRY_SIZE < 200 && PAGE % (WAYS * sizeof(entry)) == 0);

// An entry taken apart.
struct content {
  uint64_t address[2] = {0, 0};  // both 0: nothing
  uint64_t domain = 0;
  int64_t put_ms = 0;
  uint64_t what = 0;  // reason, position, length of the user: 16 bits, 8 bits, and 8 from bit 40 on
  char user[KEPT_USER_MAX] = {};
};
static_assert(sizeof(content) == (WORDS - 1) * sizeof(uint64_t));

struct hash {
  uint64_t word[2];  // never both 0
};

bool same(const content &c, const hash &h) { return c.address[0] == h.word[0] && c.address[1] == h.word[1]; }

// One who was taken for dead, and writes on, must not leave half of this and half of that.
uint64_t sum_of(const uint64_t *words) {
  uint64_t sum = 0x9e3779b97f4a7c15U;
  for (size_t i = 0; i < WORDS - 1; ++i) sum = (std::rotl(sum, 7) ^ words[i]) * 0xff51afd7ed558ccdU;
  return sum;
}

enum class Place {
  empty,
  busy,  // somebody writes there, or ended while writing
  whole
};

// sequence: under which c was read.
Place look(const entry &e, uint64_t &sequence, content &c) {
  sequence = e.sequence.load(std::memory_order_acquire);
  if (sequence & 1) return Place::busy;
  if (sequence == 0) return Place::empty;
  uint64_t words[WORDS];
  // acquire: the second look at the sequence comes after these
  for (size_t i = 0; i < WORDS; ++i) words[i] = e.word[i].load(std::memory_order_acquire);
  if (e.sequence.load(std::memory_order_relaxed) != sequence) return Place::busy;
  memcpy(static_cast<void *>(&c), words, sizeof c);
  return words[WORDS - 1] == sum_of(words) && (c.address[0] || c.address[1]) ? Place::whole : Place::empty;
}

// Did its writer end before it was done?
bool dead(uint64_t sequence, long long now) {
  const auto since = static_cast<long long>(sequence >> 24);
  return (sequence & 1) && (now - since >= DEAD_MS || since - now >= DEAD_MS);
}

// Writes an entry that was seen with this sequence. False: somebody else has it, or had it
// since; nothing is written then.
bool overwrite(entry &e, uint64_t seen, const content &c, long long now) {
  if ((seen & 1) && !dead(seen, now)) return false;
  const uint64_t mine = static_cast<uint64_t>(now) << 24 | ((seen + 2) & 0xfffffe) | 1;
  if (!e.sequence.compare_exchange_strong(seen, mine, std::memory_order_acq_rel)) return false;
  uint64_t words[WORDS] = {};
  memcpy(words, &c, sizeof c);
  words[WORDS - 1] = sum_of(words);
  // release: who sees one of them sees the odd sequence, too
  for (size_t i = 0; i < WORDS; ++i) e.word[i].store(words[i], std::memory_order_release);
  e.sequence.store(mine + 1, std::memory_order_release);
  return true;
}

void forget(entry *bucket, const hash &h, long long now) {
  uint64_t sequence;
  content c;
  for (entry *e = bucket; e != bucket + WAYS; ++e)
    if (look(*e, sequence, c) == Place::whole && same(c, h)) overwrite(*e, sequence, {}, now);
}

// In the place of the same address (there are two where two processes put it at the same
// time: one is enough), else in an empty one or that of a dead writer, else in the oldest.
void replace(entry *bucket, const content &c, long long now) {
  const hash h{{c.address[0], c.address[1]}};
  entry *best = nullptr;
  uint64_t best_sequence = 0;
  long long best_rank = INT64_MAX;
  for (entry *e = bucket; e != bucket + WAYS; ++e) {
    uint64_t sequence;
    content there;
    const Place place = look(*e, sequence, there);
    if (place == Place::busy && !dead(sequence, now)) continue;
    const bool again = place == Place::whole && same(there, h);
    if (again && best_rank == INT64_MIN) overwrite(*e, sequence, {}, now);
    const long long rank = again ? INT64_MIN : place == Place::whole ? there.put_ms : INT64_MIN + 1;
    if (rank >= best_rank) continue;
    best = e;
    best_sequence = sequence;
    best_rank = rank;
  }
  if (best) overwrite(*best, best_sequence, c, now);
}

bool find(const entry *bucket, const hash &h, content &c) {
  uint64_t sequence;
  for (const entry *e = bucket; e != bucket + WAYS; ++e) {
    if (e->word[0].load(std::memory_order_relaxed) != h.word[0]) continue;
    if (look(*e, sequence, c) == Place::whole && same(c, h)) return true;
  }
  return false;
}

size_t domain_begin(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == address.npos ? address.size() : at + 1;
}

bool random_key(siphash_key &key) {
  for (size_t got = 0; got < key.size();) {
    const ssize_t n = getrandom(key.data() + got, key.size() - got, 0);
    if (n > 0)
      got += static_cast<size_t>(n);
    else if (errno != EINTR)
      return false;
  }
  return true;
}

}  // namespace

// The entries for valid answers, then those for invalid ones, then a byte for each page of them:
// 0, nobody has ever written there. What is only looked for takes no memory so.
struct kept::state {
  entry *entries = nullptr;
  std::atomic<unsigned char> *written = nullptr;
  size_t valid_n = 0, invalid_n = 0;  // powers of two
  void *memory = nullptr;
  size_t memory_size = 0;
  siphash_key key{};
  limits_settings settings;
  char user[KEPT_USER_MAX] = {};  // what get hands out

  ~state() {
    if (memory) munmap(memory, memory_size);
  }

  bool make(size_t answers);
  hash of(std::string_view address) const;
  uint64_t of_domain(std::string_view domain) const;
  // For how long it may be of any use.
  long long of_use_ms(bool is_valid) const {
    return is_valid ? std::max(settings.keep_valid_ms, settings.keep_stale_ms) : settings.keep_invalid_ms;
  }
  long long fresh_ms(bool is_valid) const { return is_valid ? settings.keep_valid_ms : settings.keep_invalid_ms; }
  entry *bucket(bool is_valid, const hash &h) const {
    const size_t buckets = (is_valid ? valid_n : invalid_n) / WAYS;
    return entries + (is_valid ? 0 : valid_n) + (h.word[0] & (buckets - 1)) * WAYS;
  }
  std::atomic<unsigned char> &written_at(const entry *e) const {
    return written[static_cast<size_t>(e - entries) * sizeof(entry) / PAGE];
  }
  bool any(const entry *e) const { return written_at(e).load(std::memory_order_relaxed) != 0; }
  template <class Do>
  void each(Do &&what) const;
};

bool kept::state::make(size_t answers) {
  valid_n = std::bit_ceil(std::clamp<size_t>(answers, LIMITS_KEEP_MIN, LIMITS_KEEP_MAX));
  invalid_n = valid_n / SHARE;
  const size_t entries_size = (valid_n + invalid_n) * sizeof(entry);
  memory_size = entries_size + entries_size / PAGE;
  if (!random_key(key)) return false;
  void *const m = mmap(nullptr, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m == MAP_FAILED) return false;
  memory = m;
  entries = static_cast<entry *>(m);  // zeros are empty entries
  written = reinterpret_cast<std::atomic<unsigned char> *>(static_cast<char *>(m) + entries_size);
  return true;
}

hash kept::state::of(std::string_view address) const {
  std::string same(address);
  for (size_t i = domain_begin(address); i < same.size(); ++i) same[i] = text_lower(same[i]);
  const siphash_sum sum = siphash(key, same.data(), same.size());
  hash h;
  memcpy(h.word, sum.data(), sizeof h.word);
  if (h.word[0] == 0 && h.word[1] == 0) h.word[0] = 1;
  return h;
}

uint64_t kept::state::of_domain(std::string_view domain) const {
  const std::string lower = text_lower(domain);
  const siphash_sum sum = siphash(key, lower.data(), lower.size());
  uint64_t h;
  memcpy(&h, sum.data(), sizeof h);
  return h;
}

// Each answer that is kept: what(entry, sequence, content).
template <class Do>
void kept::state::each(Do &&what) const {
  uint64_t sequence;
  content c;
  for (entry *e = entries, *const end = entries + valid_n + invalid_n; e != end; e += PAGE / sizeof(entry)) {
    if (!any(e)) continue;
    for (entry *one = e; one != e + PAGE / sizeof(entry); ++one)
      if (look(*one, sequence, c) == Place::whole) what(*one, sequence, c);
  }
}

bool kept_may(qv_verdict verdict, qv_reason reason) {
  if (verdict != QV_VALID && verdict != QV_INVALID) return false;
  switch (reason) {
    case QV_REASON_EZMLM_LIST:  // depend on the sender
    case QV_REASON_EZMLM_NULL_SENDER:
    case QV_REASON_POLICY_OBSERVE: return false;  // may hide a look that failed
    default: return qv_reason_verdict(reason) == verdict;
  }
}

kept::kept(std::unique_ptr<state> s) : state_(std::move(s)) {}
kept::~kept() = default;

std::unique_ptr<kept> kept::make(size_t entries) {
  auto s = std::make_unique<state>();
  if (!s->make(entries)) return nullptr;
  return std::unique_ptr<kept>(new kept(std::move(s)));
}

void kept::set(const limits_settings &settings) { state_->settings = settings; }

bool kept::get(std::string_view address, long long now_ms, bool stale, kept_answer &answer) {
  state &s = *state_;
  const hash h = s.of(address);
  for (const bool is_valid : {true, false}) {
    content c;
    const entry *const bucket = s.bucket(is_valid, h);
    if (!s.any(bucket) || !find(bucket, h, c)) continue;
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
  if (answer.verdict == QV_TEMPORARY || answer.reason == QV_REASON_PLAIN_UNSURE) return;
  const hash h = s.of(address);
  const bool is_valid = answer.verdict == QV_VALID;
  const bool keeps =
      kept_may(answer.verdict, answer.reason) && answer.user.size() <= KEPT_USER_MAX && s.of_use_ms(is_valid) > 0;
  for (const bool table : {true, false})
    if (!(keeps && table == is_valid) && s.any(s.bucket(table, h))) forget(s.bucket(table, h), h, now_ms);
  if (!keeps) return;
  content c;
  memcpy(c.address, h.word, sizeof c.address);
  c.domain = s.of_domain(address.substr(domain_begin(address)));
  c.put_ms = now_ms;
  c.what = uint64_t{answer.reason} | uint64_t{answer.position & 0xff} << 16 | uint64_t{answer.user.size()} << 40;
  answer.user.copy(c.user, sizeof c.user);
  entry *const bucket = s.bucket(is_valid, h);
  if (!s.any(bucket)) s.written_at(bucket).store(1, std::memory_order_relaxed);
  replace(bucket, c, now_ms);
}

size_t kept::flush(std::string_view domain) {
  const uint64_t wanted = state_->of_domain(domain);
  const long long now = sockbits_now_ms();
  size_t n = 0;
  state_->each([&](entry &e, uint64_t sequence, const content &c) {
    if (domain.empty() || c.domain == wanted) n += overwrite(e, sequence, {}, now) ? 1 : 0;
  });
  return n;
}

size_t kept::count(long long now_ms) const {
  const state &s = *state_;
  size_t n = 0;
  s.each([&](entry &e, uint64_t, const content &c) {
    n += now_ms - c.put_ms < s.fresh_ms(&e < s.entries + s.valid_n) ? 1 : 0;
  });
  return n;
}
