// counters.cpp - see counters.h.

#include "counters.h"

#include <algorithm>
#include <array>

#include "board.h"
#include "sockbits.h"

namespace {

constexpr const char *NAMES[] = {
#define COUNTER_X(symbol, name) name,
    COUNTERS(COUNTER_X)
#undef COUNTER_X
};

constexpr const char *VERDICTS[] = {"valid", "remote", "unknown", "invalid", "temporary"};

bool reason_known(unsigned reason) {
  return reason != QV_REASON_NONE && qv_reason_name(static_cast<qv_reason>(reason)) != std::string_view("none");
}

std::string reason_name(unsigned reason) {
  const auto r = static_cast<qv_reason>(reason);
  return std::string("answers_total{verdict=\"") + VERDICTS[qv_reason_verdict(r)] + "\",reason=\"" + qv_reason_name(r) +
         "\"}";
}

// Workers that serve.
unsigned serving(const board &all) {
  unsigned n = 0;
  for (unsigned i = 0; i < all.seats_used.load(); ++i)
    n += all.seat[i].pid.load() != 0 && !all.seat[i].lost.load() && !all.seat[i].hub.load() ? 1 : 0;
  return n;
}

uint64_t uptime(const board &all) {
  return static_cast<uint64_t>(std::max(0LL, (sockbits_now_ms() - all.gauges.start_ms.load()) / 1000));
}

struct gauge {
  const char *name;
  uint64_t (*value)(const board &all);
};
constexpr gauge GAUGES[] = {
    {"info{version=\"" QV_VERSION "\"}", [](const board &) -> uint64_t { return 1; }},
    {"start_time_seconds", [](const board &all) { return static_cast<uint64_t>(all.gauges.start_time.load()); }},
    {"uptime_seconds", uptime},
    {"workers", [](const board &all) -> uint64_t { return serving(all); }},
    {"workers_wanted", [](const board &all) { return all.gauges.workers_wanted.load(); }},
    {"hanging", [](const board &all) -> uint64_t { return all.hanging_count.load(); }},
    {"homes_closed", [](const board &all) -> uint64_t { return all.closed.load(); }},
    {"waiting", [](const board &all) { return all.gauges.waiting.load(); }},
    {"waiting_most", [](const board &all) { return all.gauges.waiting_most.load(); }},
    {"connections", [](const board &all) { return all.gauges.connections.load(); }},
};
constexpr unsigned GAUGES_N = sizeof GAUGES / sizeof *GAUGES, LINES = GAUGES_N + COUNTER_END;

// The line with this number; empty: it has none.
std::string line(const board &all, unsigned number) {
  if (number < GAUGES_N) return std::string(GAUGES[number].name) + ' ' + std::to_string(GAUGES[number].value(all)) + '\n';
  const unsigned which = number - GAUGES_N;
  const uint64_t n = counters_sum(all, which);
  if (which < COUNTER_REASON) return std::string(NAMES[which]) + ' ' + std::to_string(n) + '\n';
  const unsigned reason = which - COUNTER_REASON;
  return n && reason_known(reason) ? reason_name(reason) + ' ' + std::to_string(n) + '\n' : std::string();
}

}  // namespace

uint64_t counters_sum(const board &all, unsigned which) {
  uint64_t sum = all.parent_counts.n[which].load(std::memory_order_relaxed);
  for (unsigned i = 0; i < all.seats_used.load(); ++i) sum += all.seat[i].counts.n[which].load(std::memory_order_relaxed);
  return sum;
}

uint64_t counters_verdict(const board &all, qv_verdict verdict) {
  uint64_t sum = 0;
  for (unsigned reason = 1; reason < COUNTER_REASONS; ++reason)
    if (reason_known(reason) && qv_reason_verdict(static_cast<qv_reason>(reason)) == verdict)
      sum += counters_sum(all, COUNTER_REASON + reason);
  return sum;
}

std::string counters_text(const board &all, unsigned from, size_t max, unsigned &next) {
  std::string out;
  for (next = from; next < LINES; ++next) {
    const std::string one = line(all, next);
    if (out.size() + one.size() > max) return out;
    out += one;
  }
  next = 0;
  return out;
}

std::string counters_line(const board &all) {
  std::string out = "counters:";
  const auto put = [&](const char *name, uint64_t value) { out.append(" ").append(name).append("=").append(std::to_string(value)); };
  put("uptime", uptime(all));
  put("questions", counters_sum(all, COUNTER_UDP_PLAIN) + counters_sum(all, COUNTER_UDP_EXTENDED) +
                       counters_sum(all, COUNTER_SOCKET_PLAIN) + counters_sum(all, COUNTER_SOCKET_EXTENDED));
  for (const qv_verdict verdict : {QV_VALID, QV_REMOTE, QV_UNKNOWN, QV_INVALID, QV_TEMPORARY})
    put(VERDICTS[verdict], counters_verdict(all, verdict));
  put("ignored", counters_sum(all, COUNTER_IGNORED) + counters_sum(all, COUNTER_STRANGERS));
  put("waiting", all.gauges.waiting.load());
  put("waiting-most", all.gauges.waiting_most.load());
  put("connections", all.gauges.connections.load());
  put("workers", serving(all));
  put("workers-stuck", counters_sum(all, COUNTER_WORKERS_STUCK));
  put("workers-ended", counters_sum(all, COUNTER_WORKERS_ENDED));
  put("hanging", all.hanging_count.load());
  put("log-lines-dropped", counters_sum(all, COUNTER_LOG_DROPPED));
  return out;
}
