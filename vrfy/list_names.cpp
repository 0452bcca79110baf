// list_names.cpp - see list_names.h.

#include "list_names.h"

#include <algorithm>
#include <cstring>

void list_names::add(std::string_view name, bool pattern) {
  if (name.size() > NAME_MAX_BYTES) return;
  if (used_ + name.size() >= CHUNK) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(CHUNK));
    used_ = 0;
  }
  if (!name.empty()) memcpy(chunks_.back().get() + used_, name.data(), name.size());
  refs_.push_back((chunks_.size() - 1) << 32 | used_ << 12 | name.size() << 1 | (pattern ? 1 : 0));
  used_ += name.size();
}

void list_names::settle() {
  std::sort(refs_.begin(), refs_.end(), [&](ref a, ref b) {
    const int order = text(a).compare(text(b));
    return order ? order < 0 : (a & 1) > (b & 1);
  });
  refs_.erase(std::unique(refs_.begin(), refs_.end(), [&](ref a, ref b) { return text(a) == text(b); }), refs_.end());
}

size_t list_names::lower_bound(std::string_view from) const {
  const auto at = std::lower_bound(refs_.begin(), refs_.end(), from, [&](ref r, auto f) { return text(r) < f; });
  return static_cast<size_t>(at - refs_.begin());
}

bool list_names::has_pattern(std::string_view name) const {
  const size_t i = lower_bound(name);
  return i < size() && (*this)[i] == name && pattern(i);
}

void list_names::clear() { *this = {}; }
