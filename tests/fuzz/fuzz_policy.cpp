// fuzz_policy.cpp - any bytes as control/verifypolicy: each sentence names a line
// and is short; where there is one that says so its domain is observed; and a text
// says the same of a domain however often it stands there. And as a record of
// vmailmgr's passwd.cdb: it ends.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "address/policy.h"
#include "address/vmailmgr.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

bool same(const policy_words &a, const policy_words &b) {
  return a.off == b.off && a.observe == b.observe && a.refuse_delete == b.refuse_delete &&
         a.refuse_null == b.refuse_null && a.ext == b.ext && a.follow == b.follow && a.refuse == b.refuse;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  std::vector<std::string> complaints, again;
  const policy_table table(text, complaints);
  if (complaints.size() > 101) abort();
  bool observed = false;
  for (const std::string &sentence : complaints) {
    if (sentence.size() > 600 || sentence.find('\n') != sentence.npos) abort();
    if (!sentence.starts_with("control/verifypolicy")) abort();
    observed = observed || sentence.ends_with(" is only observed");
  }

  const policy_table twice(std::string(text) + "\n" + std::string(text), again);
  bool found = false;
  for (size_t at = 0; at < text.size() && at < 4096;) {
    const std::string_view domain = text.substr(at, text.find_first_of(std::string_view(": \t\n@*\0", 7), at) - at);
    if (!same(table.find(domain), twice.find(domain))) abort();
    for (const std::string &program : table.find(domain).refuse)
      if (!program.starts_with('/') || !table.find(domain).refuses(program)) abort();
    found = found || table.find(domain).observe;
    at += domain.size() + 1;
  }
  found = found || table.find("").observe;
  if (observed && !found && text.size() <= 4096) abort();

  const vmailmgr_record record = vmailmgr_parse(text);
  if (record.complete && text.empty()) abort();
  return 0;
}
