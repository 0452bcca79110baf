// asker.cpp - see asker.h.

#include "asker.h"

#include <utility>

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
