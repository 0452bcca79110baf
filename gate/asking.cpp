// asking.cpp - see asking.h.

#include "asking.h"

#include <arpa/inet.h>

#include <string_view>

#include "qmail/prefix.h"
#include "verifyrcpt.h"

namespace {

// The bytes of an IP address as text; size 0: it is none.
ip_address read_ip(const std::string &text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return ip_of(bytes, 4);
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return ip_of(bytes, 16);
  return {};
}

gate_answer understood(const hub_answer &answer) {
  gate_answer out;
  out.verdict = answer.verdict;
  out.reason = answer.reason;
  out.user = answer.user;
  switch (answer.verdict) {
    case QV_INVALID: out.decision = gate_decision::refuse; break;
    case QV_TEMPORARY: out.decision = gate_decision::retry; break;
    default: out.decision = gate_decision::accept; break;
  }
  return out;
}

// "no-mailbox: no dot-qmail file for the extension, and no default"
std::string words(unsigned reason) {
  const auto known = static_cast<qv_reason>(reason);
  const std::string_view name = qv_reason_name(known);
  if (reason == QV_REASON_SERVER_SILENT) return "no verification server answers";
  if (name == "none") return "reason " + std::to_string(reason);
  return std::string(name) + ": " + qv_reason_text(known);
}

}  // namespace

std::string gate_policy_read(const char *verify, gate_policy &policy) {
  struct verifyrcpt session;
  const auto note = [](void *ctx, const char *text) {
    static_cast<gate_policy *>(ctx)->notes.push_back(gate_safe_sentence(text));
  };
  verifyrcpt_begin(&session, verify && *verify ? verify : ":", note, &policy);
  policy.open = session.open;
  policy.observe = session.observe;
  policy.strict = session.strict;
  if (session.defer)
    policy.notes.push_back("DEFER in VERIFY is for an SMTP server: here each recipient is answered at once");
  if (session.maxbad)
    policy.notes.push_back("MAXBAD in VERIFY is for an SMTP server: not counted here; control/verifylimits of the daemon "
                           "limits SMTP clients");
  for (unsigned i = 0; i < session.servers; ++i) {
    char text[UDP_TEXT_MAX];
    udp_format(&session.server[i], text);
    policy.servers += (i ? "," : "") + std::string(text);
  }
  const std::string wrong = session.unusable ? gate_safe_sentence(session.unusable_why) : "";
  verifyrcpt_end(&session);
  return wrong.empty() ? "" : "VERIFY names a server that cannot be asked: " + wrong;
}

gate_asking::gate_asking(const gate_policy &policy, bool verbose, gate_log &log, answered done)
    : policy_(policy), verbose_(verbose), log_(log), done_(std::move(done)) {
  std::vector<std::string> complaints;
  routes_ = routes_table(":" + policy_.servers + "\n", nullptr, 0, complaints);
  hub_manner manner;
  manner.answer_ms = policy_.observe ? VERIFYRCPT_IMPATIENT_MS : GATE_ANSWER_MS;
  manner.probe_ms = VERIFYRCPT_IMPATIENT_MS;
  manner.in_order = manner.own_question = true;
  manner.strict = policy_.strict;
  manner.named_in = "VERIFY";
  asker_ = std::make_unique<hub_asker>(
      routes_, keys_, nullptr, [this](uint64_t ticket, const hub_answer &answer) { came(ticket, answer); },
      [this](const std::string &sentence) { log_.say(sentence); }, [](hub_event) {}, manner);
}

void gate_asking::ask(uint64_t ticket, const char *protocol, const gate_question &question, long long now_ms) {
  asked_[ticket] = {protocol, question.address, question.client};
  if (question.address.size() > QV_ADDRESS_MAX) {  // as the daemon has it
    hub_answer long_one;
    long_one.verdict = QV_UNKNOWN;
    long_one.reason = QV_REASON_TOO_LONG;
    return came(ticket, long_one);
  }
  hub_question q;
  q.address = question.address;
  if (question.sender && question.sender->size() <= QV_ADDRESS_MAX) {
    q.sender = question.sender->data();
    q.sender_len = question.sender->size();
  }
  const ip_address client = read_ip(question.client);
  if (client.size) {
    q.client = client.bytes.data();
    q.client_len = client.size;
  }
  asker_->ask(ticket, q, now_ms);
}

void gate_asking::came(uint64_t ticket, const hub_answer &answer) {
  const auto at = asked_.find(ticket);
  if (at == asked_.end()) return;
  const asked question = std::move(at->second);
  asked_.erase(at);
  gate_answer out = understood(answer);
  std::string why = words(answer.reason);
  if (policy_.observe && out.decision != gate_decision::accept) {
    why += std::string("; accepted all the same (OBSERVE), else ") + (out.decision == gate_decision::refuse ? "550" : "451");
    out.decision = gate_decision::accept;
  } else if (policy_.open && answer.reason == QV_REASON_SERVER_SILENT) {
    why += "; accepted unverified (OPEN)";
    out.decision = gate_decision::accept;
  }
  tell(question, out, why, answer.about);
  done_(ticket, out);
}

void gate_asking::tell(const asked &question, const gate_answer &answer, const std::string &why, const std::string &server) {
  const char *what = answer.decision == gate_decision::refuse ? "refused" : "accepted";
  if (answer.verdict == QV_INVALID && answer.decision == gate_decision::accept) what = "invalid";
  if (answer.verdict == QV_TEMPORARY) what = "temporary";
  if (*what == 'a' && !verbose_) return;
  std::string line = std::string(question.protocol);
  if (!question.client.empty()) line += " for " + gate_safe(question.client);
  line += std::string(": ") + what + " " + gate_safe(question.address) + ": " + why;
  if (!answer.user.empty()) line += ", user " + gate_safe(answer.user);
  if (!server.empty()) line += ", server " + server;
  log_.say(line);
}
