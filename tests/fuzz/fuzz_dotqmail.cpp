// fuzz_dotqmail.cpp - any bytes as a dot-qmail file of a host that has nothing
// else: a reason comes of it; one without a program line never refuses and is never
// called one that runs a program.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "address/catchall.h"
#include "tests/unit/fake_site.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fake_site host;
  static const address_settings settings;
  static const policy_words policy;
  static const controlling_user user{"joe", 100, 100, "/home/joe", "-", "a-b", {}};
  int error = 0;
  const auto visit = host.become(user.uid, user.gid, error);
  visit->enter(user.home);

  dotqmail_result found;
  found.name = ".qmail-default";
  found.by_default = true;
  found.forward_only = size > 0 && (data[0] & 1);
  if (size > 0) found.file.content.assign(reinterpret_cast<const char *>(data) + 1, size - 1);
  unsigned programs_left = CATCHALL_PROGRAMS_MAX;
  const delivery d{host, *visit, settings, policy, user, found, "joe-a-b", "here", std::nullopt};
  const qv_reason reason = catchall_read(d, programs_left).says.reason;
  if (reason == QV_REASON_NONE) abort();
  const bool says_program = reason == QV_REASON_PROGRAM || qv_reason_verdict(reason) == QV_INVALID;
  if (says_program && found.file.content.find('|') == std::string::npos) abort();
  host.log.clear();
  return 0;
}
