// policy.cpp - see policy.h.

#include "policy.h"

#include <climits>

#include "qmail/control.h"
#include "qmail/text.h"

namespace {

// The reading of an optional file. False: it is there and cannot be read.
bool keep(control_text &&file, std::optional<std::string> &text) {
  if (file.look == Look::found) text = std::move(file.text);
  return file.look != Look::failed;
}

// The same of a list of names.
bool keep(control_text &&file, std::optional<control_map> &names) {
  if (file.look == Look::found) names.emplace(file.text, control_map::Form::names);
  return file.look != Look::failed;
}

// qmail's variables hold 32 bits and are assigned an unsigned long.
bool keep(const control_number &file, unsigned &number) {
  if (file.look == Look::found) number = static_cast<unsigned>(file.number);
  return file.look != Look::failed;
}

}  // namespace

bool policy::read(const smtp_env &env) { return read_names() && read_numbers(env) && read_lists(); }

bool policy::read_names() {
  std::optional<std::string> me, smtpgreeting;
  if (!keep(control_readline("control/me"), me)) return false;
  if (!keep(control_readline("control/smtpgreeting"), smtpgreeting)) return false;
  if (!keep(control_readline("control/localiphost"), localiphost)) return false;
  if (!smtpgreeting) smtpgreeting = me;
  if (!localiphost) localiphost = me;
  if (!smtpgreeting) return false;
  greeting = *smtpgreeting;
  return true;
}

bool policy::read_numbers(const smtp_env &env) {
  unsigned seconds = static_cast<unsigned>(timeout);
  if (!keep(control_readint("control/timeoutsmtpd"), seconds)) return false;
  timeout = static_cast<int>(seconds);
  if (timeout <= 0) timeout = 1;

  if (!keep(control_readint("control/databytes"), databytes)) return false;
  if (env.databytes) {
    unsigned long number;
    control_scan(env.databytes, number);  // no digits: 0, and so no limit
    databytes = static_cast<unsigned>(number);
  }
  // One more than the limit has to be a number, too.
  if (databytes == UINT_MAX) --databytes;
  return true;
}

// Without rcpthosts, morercpthosts.cdb does not count.
bool policy::read_lists() {
  if (!keep(control_readfile("control/badmailfrom"), badmailfrom_)) return false;
  if (!keep(control_readfile("control/rcpthosts"), rcpthosts_)) return false;
  if (!rcpthosts_) return true;
  int error;
  const Look more = more_.open("control/morercpthosts.cdb", error);
  have_more_ = more == Look::found;
  return more != Look::failed;
}

bool policy::bad_sender(const address &sender) const {
  if (!badmailfrom_) return false;
  const std::string_view whole = sender.bytes();
  if (badmailfrom_->has(whole)) return true;
  const size_t at = whole.rfind('@');
  return at != whole.npos && badmailfrom_->has(whole.substr(at));
}

// An address without a domain is the host's own business (control/envnoathost).
Look policy::allowed(const address &recipient) const {
  if (!rcpthosts_) return Look::found;
  const std::string_view whole = recipient.text();
  const size_t at = whole.rfind('@');
  if (at == whole.npos) return Look::found;
  const std::string host = text_lower(whole.substr(at + 1));
  const std::string_view name = host;
  for (size_t i = 0; i < name.size(); ++i)
    if ((i == 0 || name[i] == '.') && rcpthosts_->has(name.substr(i))) return Look::found;
  return have_more_ ? in_cdb(name) : Look::absent;
}

Look policy::in_cdb(std::string_view host) const {
  for (size_t i = 0; i < host.size(); ++i) {
    if (i != 0 && host[i] != '.') continue;
    int error;
    const Look look = more_.has(host.substr(i), error);
    if (look != Look::absent) return look;
  }
  return Look::absent;
}
