// dotqmail.cpp - see dotqmail.h.

#include "dotqmail.h"

#include <sys/stat.h>

#include <string_view>

#include "qmail/text.h"

namespace {

// main(): the extension as it stands in a file name.
std::string safe_extension(std::string_view ext) {
  std::string safe = text_lower(ext);
  for (char &c : safe)
    if (c == '.') c = ':';
  return safe;
}

// qmeexists(): true where name decides, whatever it decides.
bool decides(site_visit &visit, mode_t patrn, std::string name, dotqmail_result &r) {
  const int error = visit.open(name, r.file);
  if (error == 0 && !S_ISREG(r.file.mode)) return false;
  if (error != 0 && site_absent(error)) return false;
  if (error != 0) {
    r.reason = QV_REASON_DOTQMAIL_UNREADABLE;
    r.error = error;
  } else if (r.file.mode & patrn) {
    r.reason = QV_REASON_DOTQMAIL_WRITABLE;
  }
  r.forward_only = (r.file.mode & S_IXUSR) != 0;
  r.name = std::move(name);
  return true;
}

// qmesearch().
bool search(site_visit &visit, mode_t patrn, const controlling_user &user, dotqmail_result &r) {
  const std::string safe = safe_extension(user.ext), stem = ".qmail" + user.dash;
  if (decides(visit, patrn, stem + safe, r)) return true;
  for (size_t i = safe.size() + 1; i-- > 0;) {
    if (i > 0 && safe[i - 1] != '-') continue;
    if (!decides(visit, patrn, stem + safe.substr(0, i) + "default", r)) continue;
    r.by_default = true;
    r.default_at = i;
    return true;
  }
  return false;
}

}  // namespace

dotqmail_result dotqmail_find(site_visit &visit, const address_settings &settings, const controlling_user &user) {
  dotqmail_result r;
  mode_t mode = 0;
  r.error = visit.mode(mode);
  if (r.error != 0)
    r.reason = QV_REASON_HOME_UNREACHABLE;
  else if (mode & settings.patrn)
    r.reason = QV_REASON_HOME_WRITABLE;
  else if (mode & S_ISVTX)
    r.reason = QV_REASON_HOME_STICKY;
  else if (!search(visit, settings.patrn, user, r))
    r.reason = QV_REASON_NO_MAILBOX;
  return r;
}
