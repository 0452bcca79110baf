// judge.cpp - see judge.h. One step after the other, each of which may decide:
// route, controlling user, identity and home, dot-qmail, what it says.

#include "judge.h"

#include "catchall.h"
#include "dotqmail.h"

judgement judge_decided(qv_reason reason, std::string about, int error) {
  judgement j;
  j.reason = reason;
  j.position = qv_reason_position(reason);
  j.error = error;
  j.about = std::move(about);
  return j;
}

namespace {

std::string below(const std::string &home, const std::string &name) { return name.empty() ? home : home + "/" + name; }

// The position that 1.32 gave where a file decided: 9 wherever the dash is
// empty, 12 for a default file, 10 for the exact one.
unsigned file_position(const dotqmail_result &found, const controlling_user &user) {
  if (user.dash.empty()) return 9;
  return found.by_default ? 12 : 10;
}

// qmail-local, from its arguments to the lines of the file.
judgement judge_delivery(site_visit &visit, const address_settings &settings, const controlling_user &user) {
  if (user.home.empty() || user.home.front() != '/') return judge_decided(QV_REASON_HOME_NOT_ABSOLUTE, user.home);
  if (int error = visit.enter(user.home)) return judge_decided(QV_REASON_HOME_UNREACHABLE, user.home, error);

  const dotqmail_result found = dotqmail_find(visit, settings, user);
  if (found.reason == QV_REASON_NO_MAILBOX)
    return judge_decided(user.dash.empty() ? QV_REASON_DEFAULT_DELIVERY : QV_REASON_NO_MAILBOX, user.home);
  qv_reason reason = found.reason;
  if (reason == QV_REASON_NONE) reason = catchall_read(found);
  judgement j = judge_decided(reason, below(user.home, found.name), found.error);
  if (!found.name.empty() && j.verdict() != QV_TEMPORARY) j.position = file_position(found, user);
  return j;
}

// qmail-lspawn's spawn(), once the user is known.
judgement judge_user(site &host, const address_settings &settings, const controlling_user &user) {
  // prot_gid comes before prot_uid and the test for root; -1 cannot be had as a group
  const bool gid_fails = user.gid == static_cast<gid_t>(-1);
  if (user.uid == 0 && !gid_fails) return judge_decided(QV_REASON_ROOT);
  int error = 0;
  auto visit = host.become(user.uid, user.gid, error);
  if (!visit) return judge_decided(QV_REASON_IDENTITY_TROUBLE, user.home, error);
  return judge_delivery(*visit, settings, user);
}

}  // namespace

judgement judge_address(site &host, const address_settings &settings, const route_tables &tables,
                        std::string_view address) {
  if (address.size() > QV_ADDRESS_MAX) return judge_decided(QV_REASON_TOO_LONG);

  const route where = route_find(tables, address);
  if (where.kind == route::Kind::remote) return judge_decided(QV_REASON_REMOTE, where.domain);
  if (where.kind == route::Kind::exception) return judge_decided(QV_REASON_EXCEPTION, where.domain);
  if (where.local.empty()) return judge_decided(QV_REASON_EMPTY_LOCAL);

  const user_result who = user_find(host, settings, where.local);
  if (who.reason != QV_REASON_NONE) return judge_decided(who.reason, who.about, who.error);

  judgement j = judge_user(host, settings, who.user);
  j.user = who.user.name;
  return j;
}
