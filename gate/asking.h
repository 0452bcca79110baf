// asking.h - the servers of VERIFY are asked, its policy is applied, and what came of it is
// logged.
//
// The servers are asked in their order, the next one when one is silent for 0.3 s or refuses,
// all of them together for 4.5 s, so that who waits for 5 s hears it; a server that is silent is set aside
// (hub/health.h). OPEN accepts while none answers; OBSERVE accepts whatever comes of it,
// after 0.3 s at most, and logs what would have been answered; STRICT takes extended answers
// alone. DEFER and MAXBAD are the SMTP server's to do.

#ifndef GATE_ASKING_H
#define GATE_ASKING_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "hub/asker.h"
#include "log.h"
#include "protocol.h"

constexpr long long GATE_ANSWER_MS = 4500;

// What VERIFY says.
struct gate_policy {
  std::string servers;  // as control/verifyroutes has them behind the colon
  bool open = false, observe = false, strict = false;
  std::vector<std::string> notes;  // what is remarkable in it: sentences for the log
};

// Reads VERIFY; null and empty: the daemon at its default address. Returns what is wrong
// with it, a sentence without a full stop, safe for a log; empty: nothing.
std::string gate_policy_read(const char *verify, gate_policy &policy);

class gate_asking {
 public:
  // Once for each question, perhaps before ask returns. Must not call ask.
  using answered = std::function<void(uint64_t ticket, const gate_answer &answer)>;

  // verbose: what is accepted is logged, too. log outlives this. Throws as hub_asker.
  gate_asking(const gate_policy &policy, bool verbose, gate_log &log, answered done);

  // ticket: the caller's, of no other question that is on its way. protocol: for the log,
  // static storage.
  void ask(uint64_t ticket, const char *protocol, const gate_question &question, long long now_ms);
  // As hub_asker's.
  int fd() const { return asker_->fd(); }
  void serve(long long now_ms) { asker_->serve(now_ms); }
  int tick(long long now_ms) { return asker_->tick(now_ms); }

 private:
  struct asked {
    const char *protocol;
    std::string address, client;
  };
  void came(uint64_t ticket, const hub_answer &answer);
  void tell(const asked &question, const gate_answer &answer, const std::string &why, const std::string &server);

  gate_policy policy_;
  bool verbose_;
  gate_log &log_;
  answered done_;
  routes_table routes_;
  keys_table keys_;
  std::unique_ptr<hub_asker> asker_;
  std::unordered_map<uint64_t, asked> asked_;
};

#endif
