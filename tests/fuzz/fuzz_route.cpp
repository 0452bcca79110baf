// fuzz_route.cpp - control files and an address through the parser and rewrite(): the
// route is the one that a second reading of qmail-send's rewrite() finds.
//
// The input: locals, virtualdomains, percenthack, envnoathost and the address,
// separated by bytes of 0xff.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "address/route.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

// rewrite(), step by step as qmail-send takes them.
route expected(const route_tables &t, std::string a) {
  size_t at = a.rfind('@');
  if (at == a.npos) {
    at = a.size();
    a += "@" + t.envnoathost;
  }
  while (t.percenthack.has(a.substr(at + 1))) {
    const size_t percent = a.substr(0, at).rfind('%');
    if (percent == a.npos) break;
    a = a.substr(0, percent) + "@" + a.substr(percent + 1, at - percent - 1);
    at = percent;
  }
  at = a.rfind('@');
  const std::string before = a.substr(0, at), domain = a.substr(at + 1);
  if (t.locals.has(domain)) return {route::Kind::local, before, domain};
  for (size_t i = 0; i <= a.size(); ++i) {
    const bool counts = i == 0 || i == at + 1 || i == a.size() || (i > at && a[i] == '.');
    const auto hit = counts ? t.virtualdomains.find(a.substr(i)) : std::nullopt;
    if (!hit) continue;
    if (hit->empty()) return {route::Kind::exception, before, domain};
    return {route::Kind::local, std::string(*hit) + "-" + before, domain};
  }
  return {route::Kind::remote, before, domain};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view all(reinterpret_cast<const char *>(data), size);
  std::string_view part[5];
  for (auto &p : part) {
    size_t end = all.find('\xff');
    p = all.substr(0, end);
    all.remove_prefix(end == all.npos ? all.size() : end + 1);
  }
  const route_tables t{control_parseline(part[3]), control_map(control_parsefile(part[2]), control_map::Form::names),
                       control_map(control_parsefile(part[0]), control_map::Form::names),
                       control_map(control_parsefile(part[1]), control_map::Form::colon)};
  const std::string address(part[4].substr(0, part[4].find('\0')));
  const route found = route_find(t, address), wanted = expected(t, address);
  require(found.kind == wanted.kind && found.local == wanted.local && found.domain == wanted.domain);
  return 0;
}
