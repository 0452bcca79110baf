// fuzz_vpopmail.cpp - any bytes as a record, as vpasswd and as vpasswd.cdb: every
// look ends, and nobody is refused whom the bytes do not surely leave out or lock.
//
// An input: a byte of options, a byte of length, a local part of that length, the
// bytes.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "address/vpopmail.h"
#include "qmail/text.h"
#include "tests/unit/fake_site.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr int EXT = 1, DELETE = 2, REFUSE_DELETE = 4, UNCLEAR = 8;

const std::string DIR = "/v/domains/x.example";

shell_command command_of(int options) {
  const shell_word action{options & DELETE ? "delete" : "bounce-no-mailbox", !(options & UNCLEAR)};
  return {true, {{"/v/bin/vdelivermail", true}, {"", true}, action}};
}

outcome read(const std::string &file, const std::string &bytes, const std::string &name, int options) {
  static const address_settings settings;
  static const dotqmail_result found;
  fake_site host;
  host.data[DIR + file] = {bytes};
  policy_words policy;
  policy.ext = options & EXT;
  policy.refuse_delete = options & REFUSE_DELETE;
  const controlling_user user{"x.example", 89, 89, DIR, "-", name, "!x.example-"};
  int error = 0;
  const auto visit = host.become(user.uid, user.gid, error);
  visit->enter(user.home);
  const outcome o = vpopmail_read({host, *visit, settings, policy, user, found, name, "x.example", std::nullopt},
                                  command_of(options));
  if (o.reason == QV_REASON_NONE || o.reason == QV_REASON_VPOPMAIL_ELSEWHERE) abort();
  if (o.verdict() == QV_TEMPORARY && o.error == 0) abort();
  if (o.reason == QV_REASON_POLICY_DELETE && !policy.refuse_delete) abort();
  if (o.reason == QV_REASON_VPOPMAIL_NO_USER && (options & (DELETE | UNCLEAR))) abort();
  if (!o.about.empty() && o.about != DIR + file) abort();
  return o;
}

bool refused_as_unknown(const outcome &o) {
  return o.reason == QV_REASON_VPOPMAIL_NO_USER || o.reason == QV_REASON_POLICY_DELETE;
}

// A file that has the name, made of the bytes where it can be, never refuses it as
// one that is not known.
void known(const std::string &name, const std::string &bytes, int options) {
  const outcome in_cdb = read("/vpasswd.cdb", fake_cdb({{name, bytes}}), name, options);
  if (refused_as_unknown(in_cdb) || in_cdb.verdict() == QV_TEMPORARY) abort();
  const vpopmail_record record = vpopmail_parse(bytes);
  if ((record.bounces || !record.directory.empty()) && !record.complete) abort();
  if (in_cdb.verdict() == QV_INVALID && !(record.complete && record.bounces)) abort();
  const outcome in_text = read("/vpasswd", name + ":" + bytes + "\n", name, options);
  if (refused_as_unknown(in_text) || in_text.verdict() == QV_TEMPORARY) abort();
  const bool one_line = bytes.find_first_of(std::string("\n\0", 2)) == std::string::npos;
  if (one_line && in_text.verdict() == QV_INVALID && in_cdb.verdict() != QV_INVALID) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const std::string all(reinterpret_cast<const char *>(data), size);
  const int options = data[0];
  const std::string name = text_lower(all.substr(2, data[1])), bytes = all.substr(std::min(size, size_t{2} + data[1]));
  if (name.find('\0') != name.npos) return 0;

  const outcome from_cdb = read("/vpasswd.cdb", bytes, name, options);
  read("/vpasswd", bytes, name, options);
  if (from_cdb.reason == QV_REASON_VPOPMAIL_BAD_NAME || name.size() > 156) return 0;
  cdb db;
  db.adopt(fake_fd(bytes));
  int error = 0;
  if (refused_as_unknown(from_cdb) && db.has(name, error) != Look::absent) abort();
  known(name, bytes, options);
  return 0;
}
