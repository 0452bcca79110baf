// map.cpp - see map.h.

#include "map.h"

bool gate_map_is_address(std::string_view key) {
  const size_t at = key.rfind('@');
  return at != key.npos && at > 0 && at + 1 < key.size();
}

std::string gate_map_value(const gate_answer &answer) {
  const char *name = qv_reason_name(static_cast<qv_reason>(answer.reason));
  if (answer.verdict == QV_TEMPORARY || answer.verdict == QV_INVALID) return "unverified";
  return answer.reason == QV_REASON_NONE || std::string_view(name) == "none" ? "valid" : name;
}
