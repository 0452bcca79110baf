// answer.cpp - see answer.h.

#include "answer.h"

#include <cerrno>
#include <cstring>

#include "json.h"
#include "say.h"

namespace {

bool is_known(unsigned reason) {
  return strcmp(qv_reason_name(static_cast<qv_reason>(reason)), qv_reason_name(QV_REASON_NONE)) != 0;
}

void put_member(std::string &to, const char *name, std::string_view value) {
  to.append(to.size() > 1 ? ",\"" : "\"").append(name).append("\":");
  vrfy_json_string(to, value);
}

}  // namespace

const char *vrfy_verdict_name(qv_verdict verdict) {
  switch (verdict) {
    case QV_VALID: return "valid";
    case QV_REMOTE: return "remote";
    case QV_UNKNOWN: return "unknown";
    case QV_INVALID: return "invalid";
    case QV_TEMPORARY: break;
  }
  return "temporary";
}

std::string vrfy_reason_name(const vrfy_answer &answer) {
  if (answer.reason && !is_known(answer.reason)) return std::to_string(answer.reason);
  if (answer.reason || !answer.position) return qv_reason_name(static_cast<qv_reason>(answer.reason));
  return qv_position_text(answer.position);
}

std::string vrfy_trouble(const vrfy_answer &answer) {
  if (!answer.why.empty()) return answer.why;
  std::string out = qv_reason_text(static_cast<qv_reason>(answer.reason));
  if (!answer.about.empty()) out += ": " + vrfy_safe(answer.about);
  if (answer.error) out.append(": ").append(answer.error == EBADMSG ? "damaged" : strerror(answer.error));
  return out;
}

std::string vrfy_line(const std::string &address, const vrfy_answer &answer) {
  return vrfy_safe(address) + '\t' + vrfy_verdict_name(answer.verdict) + '\t' + vrfy_reason_name(answer) + '\t' +
         vrfy_safe(answer.user) + '\n';
}

std::string vrfy_json_line(const std::string &address, const vrfy_answer &answer) {
  std::string out = "{";
  put_member(out, "address", address);
  put_member(out, "verdict", vrfy_verdict_name(answer.verdict));
  put_member(out, "reason", vrfy_reason_name(answer));
  out += ",\"position\":" + std::to_string(answer.position);
  put_member(out, "user", answer.user);
  if (!answer.about.empty()) put_member(out, "about", answer.about);
  if (answer.verdict == QV_TEMPORARY) put_member(out, "trouble", vrfy_trouble(answer));
  return out + "}\n";
}
