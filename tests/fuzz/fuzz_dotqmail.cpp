// fuzz_dotqmail.cpp - any bytes as a dot-qmail file: a reason comes of it, and a
// file without a program line is never called one that runs a program.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "address/catchall.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  dotqmail_result found;
  found.forward_only = size > 0 && (data[0] & 1);
  if (size > 0) found.file.content.assign(reinterpret_cast<const char *>(data) + 1, size - 1);
  const qv_reason reason = catchall_read(found);
  const std::string_view text = found.file.content;
  if (reason == QV_REASON_NONE || qv_reason_verdict(reason) == QV_INVALID) abort();
  if (reason == QV_REASON_PROGRAM && text.find('|') == text.npos) abort();
  return 0;
}
