// controls.cpp - see controls.h. Follows qmail-send.c getcontrols() and
// regetcontrols(), and control.c for the defaults.

#include "controls.h"

#include <algorithm>
#include <cstring>

namespace {

bool same(const control_text &a, const control_text &b) { return a.look == b.look && a.text == b.text; }

bool same(const control_files &a, const control_files &b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](auto &x, auto &y) { return same(x, y); });
}

// What SIGHUP does to a state: qmail-send keeps its me, envnoathost and
// percenthack.
control_files with_lists_of(control_files files, const control_files &fresh) {
  files[CONTROL_LOCALS] = fresh[CONTROL_LOCALS];
  files[CONTROL_VIRTUALDOMAINS] = fresh[CONTROL_VIRTUALDOMAINS];
  return files;
}

std::string names_of_changes(const control_files &old, const control_files &fresh) {
  std::string names;
  for (size_t i = 0; i < fresh.size(); ++i)
    if (!same(old[i], fresh[i])) names += std::string(names.empty() ? "control/" : ", control/") + CONTROL_NAMES[i];
  return names;
}

std::shared_ptr<const route_tables> build(control_files files) {
  auto t = std::make_shared<route_tables>();
  t->files = std::make_shared<const control_files>(std::move(files));
  const control_files &f = *t->files;
  const std::string me = control_parseline(f[CONTROL_ME].text);
  if (f[CONTROL_ENVNOATHOST].look == Look::found)
    t->envnoathost = control_parseline(f[CONTROL_ENVNOATHOST].text);
  else
    t->envnoathost = f[CONTROL_ME].look == Look::found ? me : "envnoathost";
  // me as a default is taken as it is, without looking for comments; an empty
  // one is the name of an empty domain
  const bool own = f[CONTROL_LOCALS].look == Look::found;
  t->locals = control_map(own ? control_parsefile(f[CONTROL_LOCALS].text) : me + '\0', control_map::Form::names);
  t->percenthack = control_map(control_parsefile(f[CONTROL_PERCENTHACK].text), control_map::Form::names);
  t->virtualdomains = control_map(control_parsefile(f[CONTROL_VIRTUALDOMAINS].text), control_map::Form::colon);
  return t;
}

}  // namespace

controls::stamps controls::look() const {
  stamps s;
  for (size_t i = 0; i < s.size(); ++i) s[i] = host_.control_stamp(CONTROL_NAMES[i]);
  return s;
}

control_files controls::read() const {
  control_files f;
  for (size_t i = 0; i < f.size(); ++i) f[i] = host_.control(CONTROL_NAMES[i]);
  return f;
}

bool controls::usable(const control_files &files, std::string &why) const {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].look != Look::failed) continue;
    why = std::string("control/") + CONTROL_NAMES[i] + " cannot be read: " + strerror(files[i].error);
    return false;
  }
  if (files[CONTROL_ME].look == Look::absent && files[CONTROL_LOCALS].look == Look::absent) {
    why = "neither control/me nor control/locals exists";
    return false;
  }
  return true;
}

// Once for each new complaint, not once a second.
void controls::complain(const std::string &why) {
  if (why == complaint_) return;
  complaint_ = why;
  note_(why + (states_.empty() ? "; every question is answered \"temporary\" until that is mended"
                               : "; what was read before stays in force until that is mended"));
}

void controls::recovered() {
  if (!complaint_.empty()) note_("control files can be read again");
  complaint_.clear();
}

void controls::noticed(const stamps &seen, long long now_ms) {
  noticed_ = seen;
  noticed_ms_ = now_ms;
  settled_ = false;
}

void controls::publish() {
  tables_.assign(states_.rbegin(), states_.rend());
  ++version_;
}

void controls::start(long long now_ms) {
  noticed(look(), now_ms);
  const control_files files = read();
  std::string why;
  if (!usable(files, why)) return complain(why);
  recovered();
  states_.push_back(build(files));
  publish();
}

void controls::hangup(long long now_ms) {
  if (states_.empty()) return start(now_ms);
  noticed(look(), now_ms);
  const control_files fresh = read();
  std::string why;
  if (!usable(with_lists_of(*states_.front()->files, fresh), why)) return complain(why);
  complaint_.clear();

  std::vector<std::shared_ptr<const route_tables>> next;
  for (const auto &s : states_) {
    const control_files files = with_lists_of(*s->files, fresh);
    if (std::none_of(next.begin(), next.end(), [&](auto &t) { return same(*t->files, files); }))
      next.push_back(build(files));
  }
  const bool other = !std::equal(next.begin(), next.end(), states_.begin(), states_.end(),
                                 [](auto &a, auto &b) { return same(*a->files, *b->files); });
  states_ = std::move(next);
  if (other) publish();
  note_("SIGHUP: control/locals and control/virtualdomains read again");
}

void controls::take_over(const control_files &files) {
  const std::string names = names_of_changes(*states_.back()->files, files);
  if (names.empty()) return;
  states_.push_back(build(files));
  if (states_.size() > SETS_MAX) states_.erase(states_.begin() + 1);
  publish();
  note_(names + " changed 10 seconds ago without SIGHUP: taken over, but an address is refused only where the old "
                "files refuse it too; send SIGHUP to qmail-send and qmail-verify (after a change of me, envnoathost or "
                "percenthack restart both)");
}

void controls::tick(long long now_ms) {
  if (states_.empty()) return start(now_ms);
  const stamps seen = look();
  if (seen != noticed_) return noticed(seen, now_ms);
  if (settled_ || now_ms - noticed_ms_ < STAND_MS) return;
  const control_files files = read();
  // a change while the files were being read: all old or all new, so once more
  if (const stamps later = look(); later != seen) return noticed(later, now_ms);
  std::string why;
  if (!usable(files, why)) {
    noticed_ms_ = now_ms;
    return complain(why);
  }
  recovered();
  settled_ = true;
  take_over(files);
}
