// daemon.cpp - see daemon.h.

#include "daemon.h"

#include "say.h"
#include "verifyrcpt.h"

namespace {

qv_verdict verdict_of(verifyrcpt_result result) {
  return result == VERIFYRCPT_VALID ? QV_VALID : result == VERIFYRCPT_INVALID ? QV_INVALID : QV_TEMPORARY;
}

// The reason has its verdict, unless the server says that it is another one.
qv_verdict verdict_of(verifyrcpt_result result, unsigned reason) {
  const qv_verdict by_reason = qv_reason_verdict(static_cast<qv_reason>(reason));
  const bool agrees = by_reason == QV_INVALID     ? result == VERIFYRCPT_INVALID
                      : by_reason == QV_TEMPORARY ? result == VERIFYRCPT_TEMPORARY
                                                  : result == VERIFYRCPT_VALID;
  return agrees ? by_reason : verdict_of(result);
}

class daemon_asker : public vrfy_asker {
 public:
  explicit daemon_asker(const vrfy_options &options) : options_(options) {}

  void ask(const source &next, const sink &answered) override {
    std::string address;
    while (next(address)) {
      vrfy_answer answer;
      if (!vrfy_cannot_be_asked(address, answer)) ask_one(address, answer);
      answered(address, answer);
    }
  }

 private:
  void ask_one(const std::string &address, vrfy_answer &to) {
    struct verifyrcpt v;
    verifyrcpt_answer from;
    verifyrcpt_begin(&v, options_.servers.c_str(), nullptr, nullptr);
    v.observe = 0;
    if (options_.sender) verifyrcpt_sender(&v, options_.sender->c_str());
    verifyrcpt(&v, address.c_str(), &from);
    verifyrcpt_end(&v);
    to.verdict = verdict_of(from.result, from.reason);
    to.reason = from.reason;
    to.position = from.position;
    to.user = from.user;
    if (!from.server[0]) to.why = vrfy_safe_sentence(from.why);
  }

  const vrfy_options &options_;
};

}  // namespace

std::unique_ptr<vrfy_asker> vrfy_daemon(const vrfy_options &options) {
  return std::make_unique<daemon_asker>(options);
}
