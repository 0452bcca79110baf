// health.cpp - see health.h.

#include "health.h"

void server_health::sent(long long now_ms) {
  if (unanswered_++ == 0) first_ms_ = now_ms;
}

bool server_health::heard() {
  const bool was = aside_;
  aside_ = false;
  unanswered_ = 0;
  return was;
}

bool server_health::failed(long long now_ms) {
  if (aside_ || unanswered_ < HEALTH_SILENT_TRIES || now_ms - first_ms_ < HEALTH_SILENT_MS) return false;
  aside_ = true;
  probe_ms_ = now_ms;
  return true;
}

bool server_health::probe(long long now_ms) {
  if (!due(now_ms)) return false;
  probe_ms_ = now_ms + HEALTH_PROBE_MS;
  return true;
}
