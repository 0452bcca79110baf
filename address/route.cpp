// route.cpp - see route.h. Follows qmail-send.c rewrite().

#include "route.h"

namespace {

// Appends the default host where there is no @, then undoes percenthack as long
// as the domain is listed. A default host may hold an @ of its own: the loop
// starts behind the @ that was appended, as qmail-send's does.
std::string qualify(const route_tables &t, std::string_view address) {
  std::string a(address);
  size_t at = a.rfind('@');
  if (at == a.npos) {
    at = a.size();
    a += '@';
    a += t.envnoathost;
  }
  while (t.percenthack.has(std::string_view(a).substr(at + 1))) {
    size_t percent = at == 0 ? a.npos : a.rfind('%', at - 1);
    if (percent == a.npos) break;
    a.resize(at);
    a[percent] = '@';
    at = percent;
  }
  return a;
}

// The value of the first virtualdomains entry that applies: the whole address,
// the whole domain, each suffix from a dot behind the @, the empty key.
std::optional<std::string_view> prepend(const route_tables &t, std::string_view a, size_t at) {
  if (auto hit = t.virtualdomains.find(a)) return hit;
  for (size_t i = at + 1; i < a.size(); ++i)
    if (i == at + 1 || a[i] == '.')
      if (auto hit = t.virtualdomains.find(a.substr(i))) return hit;
  // rewrite() also tries the dot that may stand right behind the @, and the
  // empty rest, which is the catch-all's key
  return t.virtualdomains.find({});
}

}  // namespace

route route_find(const route_tables &tables, std::string_view address) {
  const std::string a = qualify(tables, address);
  const size_t at = a.rfind('@');
  route r;
  r.domain = a.substr(at + 1);
  if (tables.locals.has(r.domain)) {
    r.kind = route::Kind::local;
    r.local = a.substr(0, at);
    return r;
  }
  auto user = prepend(tables, a, at);
  if (!user) return r;
  if (user->empty()) {
    r.kind = route::Kind::exception;
    return r;
  }
  r.kind = route::Kind::local;
  r.local = std::string(*user) + "-" + a.substr(0, at);
  return r;
}
