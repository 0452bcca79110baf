// delivery.cpp - see delivery.h. The variables follow qmail-local.c main().

#include "delivery.h"

std::string delivery::recipient() const { return std::string(local) + "@" + std::string(domain); }

std::optional<std::string_view> delivery::default_ext() const {
  if (!found.by_default) return std::nullopt;
  return std::string_view(user.ext).substr(found.default_at);
}

std::string delivery::full_path(const std::string &path) const {
  return !path.empty() && path.front() == '/' ? path : user.home + "/" + path;
}

std::string delivery::file_path() const { return full_path(found.name); }

outcome outcome_of(qv_reason reason, std::string about, int error) {
  outcome o;
  o.reason = reason;
  o.about = std::move(about);
  o.error = error;
  return o;
}

outcome outcome_pass(qv_reason reason, bool kept) {
  outcome o = outcome_of(reason);
  o.goes_on = true;
  o.kept = kept;
  return o;
}

outcome outcome_stop(qv_reason reason) { return outcome_of(reason); }
