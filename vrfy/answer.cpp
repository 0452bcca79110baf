// answer.cpp - see answer.h.

#include "answer.h"

#include <cerrno>
#include <cstring>

#include "json.h"
#include "say.h"
#include "smtp/reply.h"

namespace {

bool is_known(unsigned reason) {
  return strcmp(qv_reason_name(static_cast<qv_reason>(reason)), qv_reason_name(QV_REASON_NONE)) != 0;
}

vrfy_smtp_reply reply(std::string_view text) {
  return {static_cast<unsigned>(std::stoul(std::string(text.substr(0, 3)))), std::string(text.substr(0, text.size() - 2))};
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
  if (answer.error) out.append(": ").append(vrfy_error_words(answer.error));
  return out;
}

std::string vrfy_line(const std::string &address, const vrfy_answer &answer) {
  return vrfy_safe(address) + '\t' + vrfy_verdict_name(answer.verdict) + '\t' + vrfy_reason_name(answer) + '\t' +
         vrfy_safe(answer.user) + '\n';
}

void vrfy_json_member(std::string &to, const char *name, std::string_view value) {
  to.append(to.size() > 1 ? ",\"" : "\"").append(name).append("\":");
  vrfy_json_string(to, value);
}

std::string vrfy_json_answer(const vrfy_answer &answer) {
  std::string out = "{";
  vrfy_json_member(out, "verdict", vrfy_verdict_name(answer.verdict));
  vrfy_json_member(out, "reason", vrfy_reason_name(answer));
  if (is_known(answer.reason)) vrfy_json_member(out, "meaning", qv_reason_text(static_cast<qv_reason>(answer.reason)));
  out += ",\"position\":" + std::to_string(answer.position);
  vrfy_json_member(out, "user", answer.user);
  if (!answer.about.empty()) vrfy_json_member(out, "about", answer.about);
  if (answer.error) vrfy_json_member(out, "error", vrfy_error_words(answer.error));
  if (answer.verdict == QV_TEMPORARY) vrfy_json_member(out, "trouble", vrfy_trouble(answer));
  return out;
}

std::string vrfy_json_members(const std::string &address, const vrfy_answer &answer) {
  std::string out = "{";
  vrfy_json_member(out, "address", address);
  out += "," + vrfy_json_answer(answer).substr(1);
  const vrfy_smtp_reply smtp = vrfy_reply(answer.verdict);
  out += ",\"reply\":{\"code\":" + std::to_string(smtp.code);
  vrfy_json_member(out, "text", smtp.text);
  return out + "}";
}

std::string vrfy_json_line(const std::string &address, const vrfy_answer &answer) {
  return vrfy_json_members(address, answer) + "}\n";
}

vrfy_answer vrfy_answer_of(const address_answer &from) {
  vrfy_answer out;
  out.verdict = from.verdict;
  out.reason = from.reason;
  out.position = from.position;
  out.user = from.user;
  out.about = from.about;
  out.error = from.error;
  return out;
}

std::string vrfy_error_words(int error) { return error == 0 ? "" : error == EBADMSG ? "damaged" : strerror(error); }

vrfy_smtp_reply vrfy_reply(qv_verdict verdict) {
  switch (verdict) {
    case QV_INVALID: return reply(reply_no_mailbox);
    case QV_TEMPORARY: return reply(reply_verify_failure);
    default: return reply(reply_ok);
  }
}

vrfy_smtp_reply vrfy_reply_deferred() { return reply(reply_invalid_mailboxes); }
