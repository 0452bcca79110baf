// fuzz_route.cpp - control files and an address through the parser and rewrite().
//
// The input: locals, virtualdomains, percenthack, envnoathost and the address,
// separated by bytes of 0xff.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "address/route.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view all(reinterpret_cast<const char *>(data), size);
  std::string_view part[5];
  for (auto &p : part) {
    size_t end = all.find('\xff');
    p = all.substr(0, end);
    all.remove_prefix(end == all.npos ? all.size() : end + 1);
  }
  route_tables t{control_parseline(part[3]), control_map(control_parsefile(part[2]), control_map::Form::names),
                 control_map(control_parsefile(part[0]), control_map::Form::names),
                 control_map(control_parsefile(part[1]), control_map::Form::colon)};
  const std::string address(part[4].substr(0, part[4].find('\0')));
  const route r = route_find(t, address);
  if (r.domain.find('@') != r.domain.npos) abort();
  if (r.kind == route::Kind::local && !t.locals.has(r.domain) && r.local.find('-') == r.local.npos) abort();
  if (r.kind != route::Kind::local && t.locals.has(r.domain)) abort();
  return 0;
}
