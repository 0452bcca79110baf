// explain.cpp - see explain.h.

#include "explain.h"

#include <unistd.h>

#include "answer.h"
#include "here.h"
#include "json.h"
#include "routed.h"
#include "say.h"

// ---- a judgement made here

void vrfy_step::keep(void *to, const address_step *s) {
  vrfy_step step;
  step.step = s->step;
  step.found = s->found;
  step.file = s->file;
  step.name.assign(s->name, s->name_len);
  step.text = s->text;
  step.line = s->line;
  step.depth = s->depth;
  step.error = s->error;
  static_cast<std::vector<vrfy_step> *>(to)->push_back(std::move(step));
}

namespace {

vrfy_judged judge(const vrfy_options &options, vrfy_host &host, vrfy_routed &routed, const std::string &address) {
  vrfy_judged out;
  if (vrfy_cannot_be_asked(address, out.answer)) return out;
  const address_question question = vrfy_question(options, address);
  address_answer answer;
  address_explain(host.get(), &question, &answer, vrfy_step::keep, &out.steps);
  out.answer = vrfy_answer_of(answer);
  routed.tell(host, address, out);
  return out;
}

// ---- what differs

bool same(const vrfy_answer &daemon, const vrfy_answer &here) {
  if (daemon.verdict != here.verdict || !daemon.why.empty() != !here.why.empty()) return false;
  // a plain answer has neither reason nor the whole user
  return daemon.reason == QV_REASON_NONE || (daemon.reason == here.reason && daemon.user == here.user);
}

// Reasons that a judgement made elsewhere, or at another time, has not.
bool is_momentary(unsigned reason) {
  switch (reason) {
    case QV_REASON_HOME_HANGS:
    case QV_REASON_WORKER_LOST:
    case QV_REASON_LIMITED:
    case QV_REASON_SERVER_SILENT:
    case QV_REASON_ROUTE_LOOP:
    case QV_REASON_RESOURCE_TROUBLE: return true;
    default: return false;
  }
}

std::string in_words(const vrfy_answer &answer) {
  const std::string reason = vrfy_reason_name(answer);
  std::string out = std::string(vrfy_verdict_name(answer.verdict)) + ": " + reason;
  if (answer.reason) out.append(" (").append(qv_reason_text(static_cast<qv_reason>(answer.reason))).append(")");
  if (!answer.user.empty()) out += ", user " + vrfy_safe(answer.user);
  return out;
}

std::string what_to_do(const vrfy_answer &daemon, const vrfy_judged &judged, bool root) {
  if (!daemon.why.empty()) return "the steps are those of a judgement made here; see that the daemon is up, or use -n";
  if (!root && judged.answer.verdict == QV_TEMPORARY)
    return "the steps were made without root's rights, which the daemon has: as root qmail-vrfy sees what it sees";
  if (is_momentary(daemon.reason))
    return "that is about the daemon, or about the client that asked, at that moment; without it the steps would "
           "have counted";
  return "have files changed? After a change of control/locals or control/virtualdomains send SIGHUP to qmail-send "
         "and qmail-verify (after one of me, envnoathost or percenthack restart both); if that is not it, hold the "
         "settings of \"qmail-verify -V\" against those of \"qmail-vrfy -V\", and the daemon's QMAILDIR against this "
         "one";
}

std::string indented(const std::string &text, unsigned depth = 0) {
  return std::string(2 + 2 * depth, ' ') + text + "\n";
}

// ---- JSON

std::string step_json(const vrfy_step &s) {
  std::string out = "{";
  vrfy_json_member(out, "step", s.step);
  vrfy_json_member(out, "found", s.found);
  vrfy_json_member(out, "file", s.file);
  out += ",\"line\":" + std::to_string(s.line);
  vrfy_json_member(out, "name", s.name);
  vrfy_json_member(out, "error", vrfy_error_words(s.error));
  vrfy_json_member(out, "text", s.text);
  return out + ",\"depth\":" + std::to_string(s.depth) + "}";
}

}  // namespace

std::string vrfy_explain_difference(const vrfy_answer &answer, const vrfy_judged &judged, bool asked, bool root) {
  if (!asked || same(answer, judged.answer) || (judged.routed && answer.why.empty())) return {};
  const std::string who = answer.why.empty() ? "the daemon says " + in_words(answer) : "no daemon has answered";
  return who + "; here it is " + in_words(judged.answer) + ". What the daemon says counts: " +
         what_to_do(answer, judged, root);
}

std::string vrfy_explain_text(const vrfy_answer &answer, const vrfy_judged &judged, bool asked) {
  std::string out;
  for (const vrfy_step &s : judged.steps) out += indented(s.text, s.depth);
  if (!answer.why.empty()) out += indented(answer.why);
  if (const std::string other = vrfy_explain_difference(answer, judged, asked, geteuid() == 0); !other.empty())
    out += indented(other);
  if (asked && judged.routed && answer.why.empty()) out += indented("the daemon says " + in_words(answer));
  out += indented("qmail-smtpd would reply: " + vrfy_reply(answer.verdict).text +
                  (answer.verdict == QV_REMOTE ? ", if control/rcpthosts has the domain, or the client may relay" : ""));
  if (answer.verdict == QV_INVALID)
    out += indented("(with DEFER in VERIFY: 250 to RCPT, and at DATA " + vrfy_reply_deferred().text + ")");
  return out;
}

std::string vrfy_explain_json(const std::string &address, const vrfy_answer &answer, const vrfy_judged &judged,
                              bool asked) {
  std::string out = vrfy_json_members(address, answer);
  if (const std::string other = vrfy_explain_difference(answer, judged, asked, geteuid() == 0); !other.empty()) {
    vrfy_json_member(out, "differs", other);
    out += ",\"here\":" + vrfy_json_answer(judged.answer) + "}";
  }
  out += ",\"steps\":[";
  for (const vrfy_step &s : judged.steps) out += (out.back() == '[' ? "" : ",") + step_json(s);
  return out + "]}\n";
}

bool vrfy_explain(const vrfy_options &options, const vrfy_explained &explained) {
  // the servers first: the host changes the working directory
  std::unique_ptr<vrfy_asker> asker = options.here ? nullptr : vrfy_asker_for(options);
  if (!options.here && !asker) return false;
  const std::unique_ptr<vrfy_host> host = vrfy_host::open(options);
  if (!host) return false;
  vrfy_routed routed(options);
  for (const std::string &address : options.addresses) {
    const vrfy_judged judged = judge(options, *host, routed, address);
    const vrfy_answer answer = asker ? asker->ask(address) : judged.answer;
    explained(answer, options.json ? vrfy_explain_json(address, answer, judged, asker != nullptr)
                                   : vrfy_explain_text(answer, judged, asker != nullptr) + vrfy_line(address, answer));
  }
  return true;
}
