// watch.cpp - see watch.h.

#include "watch.h"

bool watch::start(long long now_ms) {
  hangup(now_ms);
  return true;
}

// Read once more when it has stood: a change so soon after another one may leave
// the stamp as it is.
bool watch::hangup(long long now_ms) {
  seen_ = host_.control_stamp(name_);
  seen_ms_ = now_ms;
  const bool changed = read(true);
  settled_ = false;
  return changed;
}

bool watch::tick(long long now_ms) {
  const site_stamp now = host_.control_stamp(name_);
  if (!(now == seen_)) {
    seen_ = now;
    seen_ms_ = now_ms;
    settled_ = false;
  }
  return !settled_ && now_ms - seen_ms_ >= STAND_MS && read(false);
}

// Settled only where the file did not change while it was read, and could be. One
// that is just being written is left to its writer, unless somebody wants it now.
bool watch::read(bool now) {
  control_text fresh = read_ ? read_() : host_.control(name_);
  settled_ = fresh.look != Look::failed && host_.control_stamp(name_) == seen_;
  if (!now && !(host_.control_stamp(name_) == seen_)) return false;
  if (fresh.look == file_.look && fresh.error == file_.error && fresh.text == file_.text) return false;
  const bool failed = fresh.look == Look::failed;
  again_ = file_.look == Look::failed && !failed && fresh.look == good_.look && fresh.text == good_.text;
  if (!failed) good_ = fresh;
  file_ = std::move(fresh);
  return true;
}
