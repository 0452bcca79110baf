// route.cpp - see route.h. Follows qmail-send.c rewrite().

#include "route.h"

namespace {

// ---- steps, for who listens: which line of which file it was

const control_text &file_of(const route_tables &t, Control_file which) {
  static const control_text none;
  return t.files ? (*t.files)[which] : none;
}

unsigned line_of(const route_tables &t, Control_file which, std::string_view name, control_form form) {
  return control_line_of(file_of(t, which).text, name, form);
}

void tell_default_host(trace &to, const route_tables &t) {
  const bool env = file_of(t, CONTROL_ENVNOATHOST).look == Look::found, me = file_of(t, CONTROL_ME).look == Look::found;
  if (env || me)
    to.step(env ? trace_step::default_host_env : trace_step::default_host_me,
            {.file = env ? "control/envnoathost" : "control/me", .line = 1, .name = t.envnoathost});
  else
    to.step(trace_step::default_host_built_in, {.name = t.envnoathost});
}

void tell_percenthack(trace &to, const route_tables &t, std::string_view domain, std::string_view address) {
  to.step(trace_step::percenthack_rewritten,
          {.file = "control/percenthack",
           .line = line_of(t, CONTROL_PERCENTHACK, domain, control_form::names),
           .name = domain,
           .detail = address});
}

void tell_locals(trace &to, const route_tables &t, std::string_view domain, bool listed) {
  if (t.files && file_of(t, CONTROL_LOCALS).look != Look::found)
    to.step(listed ? trace_step::locals_me : trace_step::locals_not_me,
            {.file = "control/me", .line = 1, .name = domain});
  else if (listed)
    to.step(trace_step::locals_listed,
            {.file = "control/locals", .line = line_of(t, CONTROL_LOCALS, domain, control_form::names), .name = domain});
  else
    to.step(trace_step::locals_not_listed, {.file = "control/locals", .name = domain});
}

void tell_virtual(trace &to, const route_tables &t, trace_step which, std::string_view key, std::string_view user,
                  std::string_view address) {
  const std::string entry = std::string(key) + ":" + std::string(user);
  const std::string judged = std::string(user) + "-" + std::string(address);
  to.step(user.empty() ? trace_step::virtual_exception : which,
          {.file = "control/virtualdomains",
           .line = line_of(t, CONTROL_VIRTUALDOMAINS, key, control_form::colon),
           .name = entry,
           .detail = judged});
}

// ---- rewrite()

// Appends the default host where there is no @, then undoes percenthack as long
// as the domain is listed. A default host may hold an @ of its own: the loop
// starts behind the @ that was appended, as qmail-send's does.
std::string qualify(const route_tables &t, std::string_view address, trace *told) {
  std::string a(address);
  size_t at = a.rfind('@');
  if (at == a.npos) {
    at = a.size();
    a += '@';
    a += t.envnoathost;
    if (told) tell_default_host(*told, t);
  }
  while (t.percenthack.has(std::string_view(a).substr(at + 1))) {
    size_t percent = at == 0 ? a.npos : a.rfind('%', at - 1);
    if (percent == a.npos) break;
    const std::string domain = told ? a.substr(at + 1) : std::string();
    a.resize(at);
    a[percent] = '@';
    if (told) tell_percenthack(*told, t, domain, a);
    at = percent;
  }
  return a;
}

// The value of the first virtualdomains entry that applies: the whole address,
// the whole domain, each suffix from a dot behind the @, the empty key.
std::optional<std::string_view> prepend(const route_tables &t, std::string_view a, size_t at, trace *told) {
  auto look = [&](std::string_view key, trace_step which) {
    auto hit = t.virtualdomains.find(key);
    if (hit && told) tell_virtual(*told, t, which, key, *hit, a);
    return hit;
  };
  if (auto hit = look(a, trace_step::virtual_address)) return hit;
  for (size_t i = at + 1; i < a.size(); ++i)
    if (i == at + 1 || a[i] == '.')
      if (auto hit = look(a.substr(i), i == at + 1 ? trace_step::virtual_domain : trace_step::virtual_suffix))
        return hit;
  // rewrite() also tries the dot that may stand right behind the @, and the
  // empty rest, which is the catch-all's key
  auto hit = look({}, trace_step::virtual_all);
  if (!hit && told)
    told->step(trace_step::virtual_none, {.file = "control/virtualdomains", .name = a.substr(at + 1)});
  return hit;
}

}  // namespace

route route_find(const route_tables &tables, std::string_view address, trace *told) {
  const std::string a = qualify(tables, address, told);
  const size_t at = a.rfind('@');
  route r;
  r.domain = a.substr(at + 1);
  r.local = a.substr(0, at);
  const bool listed = tables.locals.has(r.domain);
  if (told) tell_locals(*told, tables, r.domain, listed);
  if (listed) {
    r.kind = route::Kind::local;
    return r;
  }
  auto user = prepend(tables, a, at, told);
  if (!user) return r;
  if (user->empty()) {
    r.kind = route::Kind::exception;
    return r;
  }
  r.kind = route::Kind::local;
  r.local.insert(0, std::string(*user) + "-");
  return r;
}
