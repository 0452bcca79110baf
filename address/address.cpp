// address.cpp - see address.h. Where C++ ends: every exception is caught here
// and becomes a temporary verdict.

#include "address.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "controls.h"
#include "judge.h"
#include "site_unix.h"

struct address {
  address_settings settings;
  site_unix host;
  controls files;

  address(const address_config &c, address_note *note, void *ctx)
      : settings{c.break_char, static_cast<mode_t>(c.patrn), c.alias},
        host(c.qmailp, c.nofiles),
        files(host, [note, ctx](const std::string &sentence) {
          if (note) note(ctx, sentence.c_str());
        }) {}
};

namespace {

template <size_t N>
void copy(char (&to)[N], const std::string &from) {
  const size_t n = std::min(from.size(), N - 1);
  memcpy(to, from.data(), n);
  to[n] = '\0';
}

void fill(address_answer &out, const judgement &j) {
  out.verdict = j.verdict();
  out.reason = j.reason;
  out.position = j.position;
  out.error = j.error;
  copy(out.user, j.user);
  copy(out.about, j.about);
}

// The newest control files answer; an invalid address stays invalid only where
// every older state that may still be in force with qmail-send agrees.
judgement judge_by_all(address &a, std::string_view addr) {
  const auto &sets = a.files.in_force();
  if (sets.empty()) return judge_decided(QV_REASON_CONTROL_TROUBLE);
  judgement newest;
  for (const auto &tables : sets) {
    judgement j = judge_address(a.host, a.settings, *tables, addr);
    if (j.verdict() != QV_INVALID) return j;
    if (tables == sets.front()) newest = std::move(j);
  }
  return newest;
}

// Out of memory is a look that failed, whatever it was for.
template <class Work>
bool guarded(Work work) noexcept {
  try {
    work();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

struct address *address_new(const struct address_config *config, address_note *note, void *ctx, long long now_ms) {
  struct address *a = nullptr;
  guarded([&] {
    auto fresh = std::make_unique<address>(*config, note, ctx);
    fresh->files.start(now_ms);
    a = fresh.release();
  });
  return a;
}

void address_judge(struct address *a, const char *addr, size_t len, struct address_answer *answer) {
  if (guarded([&] { fill(*answer, judge_by_all(*a, std::string_view(addr, len))); })) return;
  fill(*answer, judge_decided(QV_REASON_RESOURCE_TROUBLE, {}, ENOMEM));
}

void address_tick(struct address *a, long long now_ms) {
  guarded([&] { a->files.tick(now_ms); });
}

void address_hangup(struct address *a, long long now_ms) {
  guarded([&] { a->files.hangup(now_ms); });
}

void address_free(struct address *a) { delete a; }
