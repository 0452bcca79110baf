// here.cpp - see here.h.

#include "here.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "answer.h"
#include "say.h"
#include "sockbits.h"

// ---- the host

void vrfy_host::note(void *ctx, const char *sentence) {
  if (static_cast<vrfy_host *>(ctx)->said_.insert(sentence).second) vrfy_say(sentence);
}

std::unique_ptr<vrfy_host> vrfy_host::open(const vrfy_options &options) {
  address_config config;
  address_config_default(&config);
  config.qmail = options.qmail.c_str();
  config.fastforward_cdb = getenv("VERIFY_FASTFORWARDCDB");
  config.map_users_cdb = 1;
  config.ask_each_source = 1;
  std::unique_ptr<vrfy_host> out(new vrfy_host);
  out->address_ = address_new(&config, note, out.get(), sockbits_now_ms());
  if (!out->address_ && errno == ENOMEM) throw std::bad_alloc();
  if (!out->address_) {
    vrfy_say_errno("cannot enter the qmail directory " + vrfy_safe(options.qmail), errno);
    return nullptr;
  }
  if (geteuid() != 0)
    vrfy_say("not run by root: only homes of this process's own uid and gid are judged, what needs another is not "
             "answered");
  return out;
}

vrfy_host::~vrfy_host() {
  if (address_) address_free(address_);
}

address_question vrfy_question(const vrfy_options &options, const std::string &address) {
  address_question out{address.data(), address.size(), nullptr, 0};
  if (options.sender) {
    out.sender = options.sender->data();
    out.sender_len = options.sender->size();
  }
  return out;
}

// ---- the asker

namespace {

constexpr long long TICK_MS = 1000;  // how often changed control files are looked for

class here : public vrfy_asker {
 public:
  here(const vrfy_options &options, std::unique_ptr<vrfy_host> host) : options_(options), host_(std::move(host)) {}

  void ask(const source &next, const sink &answered) override {
    for (bool more = true; more;) {
      more = gather(next);
      judge();
      for (const one &o : batch_) answered(o.address, o.answer);
    }
    address_rest(host_->get());
  }

 private:
  struct one {
    std::string address;
    vrfy_answer answer;
  };

  // The addresses of the next batch: as many as are there, and at least one. False: they
  // are the last.
  bool gather(const source &next) {
    batch_.clear();
    if (!ready()) address_rest(host_->get());
    while (batch_.size() < ADDRESS_TOGETHER_MAX && (batch_.empty() || ready())) {
      one o;
      if (!next(o.address)) return false;
      batch_.push_back(std::move(o));
    }
    return true;
  }

  void judge() {
    questions_.clear();
    asked_.clear();
    for (one &o : batch_) {
      if (vrfy_cannot_be_asked(o.address, o.answer)) continue;
      questions_.push_back(vrfy_question(options_, o.address));
      asked_.push_back(&o);
    }
    if (const long long now = sockbits_now_ms(); now - ticked_ms_ >= TICK_MS) {
      address_tick(host_->get(), now);
      ticked_ms_ = now;
    }
    const address_calls calls{[](void *, unsigned) { return 1; }, judged, this};
    address_judge_together(host_->get(), questions_.data(), static_cast<unsigned>(questions_.size()), &calls);
  }

  static void judged(void *ctx, unsigned i, address_answer *from) {
    static_cast<here *>(ctx)->asked_[i]->answer = vrfy_answer_of(*from);
  }

  const vrfy_options &options_;
  std::unique_ptr<vrfy_host> host_;
  std::vector<one> batch_;
  std::vector<one *> asked_;  // those of the batch that are judged
  std::vector<address_question> questions_;
  long long ticked_ms_ = sockbits_now_ms();
};

}  // namespace

std::unique_ptr<vrfy_asker> vrfy_here(const vrfy_options &options) {
  auto host = vrfy_host::open(options);
  if (!host) return nullptr;
  return std::make_unique<here>(options, std::move(host));
}
