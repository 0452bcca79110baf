// map.cpp - see map.h.

#include "map.h"

bool gate_map_is_address(std::string_view key) {
  const size_t at = key.rfind('@');
  return at != key.npos && at > 0 && at + 1 < key.size();
}

std::string gate_map_address(std::string_view key) {
  if (!key.starts_with('"')) return std::string(key);
  std::string address;
  for (size_t i = 1; i < key.size(); ++i) {
    if (key[i] == '"') {
      const std::string_view rest = key.substr(i + 1);
      return rest.starts_with('@') ? address.append(rest) : std::string(key);
    }
    if (key[i] == '\\' && i + 1 < key.size()) ++i;
    address += key[i];
  }
  return std::string(key);
}

std::string gate_map_value(const gate_answer &answer) {
  const char *name = qv_reason_name(static_cast<qv_reason>(answer.reason));
  if (answer.verdict == QV_TEMPORARY || answer.verdict == QV_INVALID) return "unverified";
  return answer.reason == QV_REASON_NONE || std::string_view(name) == "none" ? "valid" : name;
}
