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

// ---- steps, for who listens

const char *kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a fifo";
  return "a device";
}

trace_step step_of(int error, mode_t patrn, const site_dotqmail &file) {
  if (error != 0) return site_absent(error) ? trace_step::dotqmail_absent : trace_step::dotqmail_unreadable;
  if (!S_ISREG(file.mode)) return trace_step::dotqmail_not_regular;
  if (file.mode & patrn) return trace_step::dotqmail_writable;
  if (file.too_large) return trace_step::dotqmail_too_large;
  if (file.content.empty()) return trace_step::dotqmail_empty;
  return file.mode & S_IXUSR ? trace_step::dotqmail_x_bit : trace_step::dotqmail_read;
}

void tell_file(trace &to, int error, mode_t patrn, const std::string &path, const std::string &name,
               const site_dotqmail &file) {
  const trace_step what = step_of(error, patrn, file);
  to.step(what, {.file = path,
                 .name = name,
                 .error = trace_error(error),
                 .detail = what == trace_step::dotqmail_not_regular ? kind_of(file.mode) : trace_mode(file.mode)});
}

void tell_home(trace &to, const dotqmail_result &r, const std::string &home, mode_t mode) {
  const std::string bits = trace_mode(mode);
  to.step(r.reason == QV_REASON_HOME_UNREACHABLE ? trace_step::home_failed
          : r.reason == QV_REASON_HOME_WRITABLE  ? trace_step::home_writable
                                                 : trace_step::home_sticky,
          {.file = home, .error = r.error, .detail = bits});
}

// ---- the search

class searching {
 public:
  searching(site_visit &visit, mode_t patrn, const controlling_user &user, trace *told)
      : visit_(visit), patrn_(patrn), user_(user), told_(told) {}

  // qmesearch().
  bool search(dotqmail_result &r) const {
    const std::string safe = safe_extension(user_.ext), stem = ".qmail" + user_.dash;
    if (decides(stem + safe, r)) return true;
    for (size_t i = safe.size() + 1; i-- > 0;) {
      if (i > 0 && safe[i - 1] != '-') continue;
      if (!decides(stem + safe.substr(0, i) + "default", r)) continue;
      r.by_default = true;
      r.default_at = i;
      return true;
    }
    return false;
  }

 private:
  // qmeexists(): true where name decides, whatever it decides.
  bool decides(std::string name, dotqmail_result &r) const {
    const int error = visit_.open(name, r.file);
    if (told_) tell_file(*told_, error, patrn_, user_.home + "/" + name, name, r.file);
    if (error == 0 && !S_ISREG(r.file.mode)) return false;
    if (error != 0 && site_absent(error)) return false;
    if (error != 0) {
      r.reason = QV_REASON_DOTQMAIL_UNREADABLE;
      r.error = error;
    } else if (r.file.mode & patrn_) {
      r.reason = QV_REASON_DOTQMAIL_WRITABLE;
    }
    r.forward_only = (r.file.mode & S_IXUSR) != 0;
    r.name = std::move(name);
    return true;
  }

  site_visit &visit_;
  const mode_t patrn_;
  const controlling_user &user_;
  trace *const told_;
};

}  // namespace

dotqmail_result dotqmail_find(site_visit &visit, const address_settings &settings, const controlling_user &user,
                              trace *told) {
  dotqmail_result r;
  mode_t mode = 0;
  r.error = visit.mode(mode);
  if (r.error != 0)
    r.reason = QV_REASON_HOME_UNREACHABLE;
  else if (mode & settings.patrn)
    r.reason = QV_REASON_HOME_WRITABLE;
  else if (mode & S_ISVTX)
    r.reason = QV_REASON_HOME_STICKY;
  if (r.reason != QV_REASON_NONE) {
    if (told) tell_home(*told, r, user.home, mode);
    return r;
  }
  if (!searching(visit, settings.patrn, user, told).search(r)) r.reason = QV_REASON_NO_MAILBOX;
  return r;
}
