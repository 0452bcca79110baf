// fuzz_patch.cpp - any bytes as the source of another qmail-smtpd, its Makefile, TARGETS or
// hier.c: what is put in comes out again, byte for byte; putting it in twice is putting it in
// once; a refusal names a line that is there.
//
// An input: which file, the file.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/edits.h"
#include "netqmail/build.h"
#include "netqmail/marks.h"
#include "netqmail/smtpd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

std::vector<edit> edits_for(unsigned file, std::string_view text, refusal &refused) {
  switch (file) {
    case 0: return smtpd_edits(text, refused);
    case 1: return build_makefile_edits(text, "qmail-smtpd.o", refused);
    case 2: return build_makefile_edits(text, "smtpd.o", refused);
    case 3: return build_targets_edits(text);
    default: return build_hier_edits(text);
  }
}

std::string without(std::string_view text, bool &fine) {
  std::string wrong;
  const std::vector<edit> out = marks_out(text, wrong);
  fine = wrong.empty();
  return edits_apply(text, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  bool fine;
  const std::string text = without({reinterpret_cast<const char *>(data) + 1, size - 1}, fine);
  if (!fine || without(text, fine) != text || !fine) return 0;  // marks within marks: nobody but a fuzzer makes them
  refusal refused;
  const std::vector<edit> in = edits_for(data[0] % 5, text, refused);
  const size_t lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  require(refused.why.empty() || (in.empty() && refused.line <= lines));
  if (in.empty()) return 0;
  const std::string changed = edits_apply(text, in);
  require(without(changed, fine) == text && fine);
  require(edits_diff("f", text, in).starts_with("--- f\n"));
  return 0;
}
