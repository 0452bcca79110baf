// list_domains.cpp - see list.h: the domains of this host, as qmail-send has them
// (qmail-send.c, getcontrols and rewrite).

#include <algorithm>
#include <cstring>

#include "list.h"
#include "qmail/control.h"
#include "qmail/text.h"

namespace {

// A control file; one that cannot be read is trouble, and empty.
control_text read(lint_host &host, const char *name, list_trouble &trouble) {
  const std::string path = std::string("control/") + name;
  control_text file = host.file(path);
  if (file.look == Look::failed) trouble.add(path, std::string("cannot be read: ") + strerror(file.error));
  return file;
}

// Calls each with every entry, in lower case.
template <class Each>
void each_entry(const std::string &text, Each each) {
  const std::string entries = text_lower(control_parsefile(text));
  std::string_view rest = entries, entry;
  while (text_field(rest, entry)) each(entry);
}

// The entries of virtualdomains by name: of two with one name the last one counts.
std::map<std::string, std::string> read_virtual(const std::string &text) {
  std::map<std::string, std::string> out;
  each_entry(text, [&](std::string_view entry) {
    const size_t colon = entry.find(':');
    if (colon != entry.npos) out[std::string(entry.substr(0, colon))] = entry.substr(colon + 1);
  });
  return out;
}

}  // namespace

bool list_domains::any_many() const {
  return std::any_of(all.begin(), all.end(), [](const list_domain &d) { return d.many; });
}

void list_domains::add_concrete(std::string_view domain) {
  if (known_.find(domain) != known_.end()) return;
  const list_domain *longest = nullptr;
  for (const list_domain &d : all)
    if (d.many && domain.ends_with(std::string_view(d.at).substr(1)) && (!longest || d.at.size() > longest->at.size()))
      longest = &d;
  if (!longest) return;
  known_[std::string(domain)] = true;
  all.push_back({std::string(domain), longest->prefix, false});
}

list_domains list_domains_read(lint_host &host, list_trouble &trouble) {
  const control_text me = read(host, "me", trouble), locals = read(host, "locals", trouble),
                     virtuals = read(host, "virtualdomains", trouble), hacks = read(host, "percenthack", trouble),
                     env = read(host, "envnoathost", trouble), policy = read(host, "verifypolicy", trouble);
  list_domains out;
  const std::string own = text_lower(control_parseline(me.text));
  out.default_host = env.look == Look::found  ? text_lower(control_parseline(env.text))
                     : me.look == Look::found ? own
                                              : "envnoathost";
  const auto add_local = [&](std::string_view name) {
    if (out.known_.emplace(name, true).second) out.all.push_back({std::string(name), "", false});
  };
  if (locals.look == Look::found) each_entry(locals.text, add_local);
  if (locals.look == Look::absent) add_local(own);
  if (locals.look == Look::absent && me.look == Look::absent)
    trouble.add("control/locals", "neither it nor control/me exists");
  for (const auto &[name, user] : read_virtual(virtuals.text)) {
    if (user.empty()) continue;  // not for this host
    const bool many = name.empty() || name.starts_with('.');
    if (name.find('@') != name.npos)
      out.addresses.push_back(name);
    else if (many || out.known_.emplace(name, true).second)
      out.all.push_back({(many ? "*" : "") + name, user + "-", many});
  }
  each_entry(hacks.text, [&](std::string_view name) { out.hacks.emplace_back(name); });
  out.add_concrete(out.default_host);
  if (out.any_many())
    for (const control_line &line : control_lines(policy.text))
      out.add_concrete(text_lower(line.text.substr(0, line.text.find(':'))));
  return out;
}
