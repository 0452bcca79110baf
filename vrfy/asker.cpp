// asker.cpp - see asker.h.

#include "asker.h"

#include <utility>

#include "daemon.h"
#include "here.h"
#include "options.h"

vrfy_answer vrfy_asker::ask(const std::string &address) {
  vrfy_answer out;
  bool asked = false;
  ask(
      [&](std::string &next) {
        next = address;
        return !std::exchange(asked, true);
      },
      [&](const std::string &, const vrfy_answer &answer) { out = answer; });
  return out;
}

std::unique_ptr<vrfy_asker> vrfy_asker_for(const vrfy_options &options) {
  return options.here ? vrfy_here(options) : vrfy_daemon(options);
}

bool vrfy_cannot_be_asked(const std::string &address, vrfy_answer &answer) {
  const bool nul = address.find('\0') != std::string::npos;
  if (!nul && address.size() <= VRFY_ADDRESS_MAX) return false;
  answer = {};
  answer.why = nul ? "not asked: there is a NUL in it" : "not asked: it is too long";
  return true;
}
