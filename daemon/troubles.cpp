// troubles.cpp - see troubles.h.

#include "troubles.h"

#include <cerrno>
#include <cstring>

namespace {

struct words {
  const char *begins, *what_to_do, *ends;
};

// By trouble_kind. The error stands behind the first.
constexpr words WORDS[TROUBLE_KINDS] = {
    {"", "", ""},
    {"users/cdb cannot be used", "run qmail-newu", "users/cdb can be used again"},
    {"passwd look-ups fail", "see to what /etc/nsswitch.conf names for passwd", "passwd look-ups work again"},
    {"there is no user alias", "put it back into passwd, or give users/assign a line for all other addresses",
     "addresses that belong to the user alias are answered again"},
    {"memory is short", "allow more (softlimit)", "there is memory again"},
    {"descriptors are short", "raise the limit of this service (softlimit -o) or of the system (fs.file-max)",
     "there are descriptors again"},
};

}  // namespace

trouble_kind trouble_of(qv_reason reason, int error) {
  if (qv_reason_verdict(reason) != QV_TEMPORARY) return trouble_kind::none;
  if (error == EMFILE || error == ENFILE) return trouble_kind::descriptors;
  if (error == ENOMEM || reason == QV_REASON_RESOURCE_TROUBLE) return trouble_kind::memory;
  if (reason == QV_REASON_CDB_TROUBLE) return trouble_kind::cdb;
  if (reason == QV_REASON_PASSWD_TROUBLE) return trouble_kind::passwd;
  if (reason == QV_REASON_NO_ALIAS_USER) return trouble_kind::alias;
  return trouble_kind::none;
}

bool trouble_disproved(qv_reason reason) {
  switch (reason) {
    case QV_REASON_REMOTE:
    case QV_REASON_EXCEPTION:
    case QV_REASON_EMPTY_LOCAL:
    case QV_REASON_TOO_LONG:
    case QV_REASON_POLICY_OFF:
    case QV_REASON_POLICY_OBSERVE: return false;  // decided before, or in spite of it
    default: return qv_reason_verdict(reason) != QV_TEMPORARY;
  }
}

void troubles::seen(trouble_kind kind, int error, long long now_ms) {
  if (kind == trouble_kind::none) return;
  const auto i = static_cast<unsigned>(kind);
  states_[i].last_ms = now_ms;
  if (states_[i].on) return;
  states_[i].on = true;
  std::string sentence = WORDS[i].begins;
  if (error) sentence += std::string(": ") + (error == EBADMSG ? "damaged" : strerror(error));
  note_(sentence + "; addresses that need this are answered \"temporary\" until that is mended: " + WORDS[i].what_to_do);
}

void troubles::tick(long long now_ms) {
  for (unsigned i = 0; i < TROUBLE_KINDS; ++i) {
    state &s = states_[i];
    if (!s.on || fine_ms_ <= s.last_ms || now_ms - s.last_ms < CALM_MS) continue;
    s.on = false;
    note_(WORDS[i].ends);
  }
}
