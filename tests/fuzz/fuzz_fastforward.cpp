// fuzz_fastforward.cpp - any bytes as fastforward's database, and as a list in it:
// every look-up ends, and nothing is refused that could not be looked up.
//
// An input: a byte of options, a byte of length, an address of that length, the
// database or what one is made of (made_cdb.h); the same bytes are the list ./list.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "address/fastforward.h"
#include "qmail/text.h"
#include "tests/fuzz/made_cdb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr unsigned PASS = 1, DEFAULT = 2, SENDER = 4, MADE = 8;

// Is this key certainly not in the database?
bool absent(const std::string &bytes, const std::string &key) {
  cdb db;
  db.adopt(fake_fd(bytes));
  int error = 0;
  const Look hit = db.has(text_lower(key), error);
  if (hit == Look::failed && error == 0) abort();
  return hit == Look::absent;
}

shell_command command_of(unsigned options) {
  shell_command command{true, {{"fastforward", true}}};
  if (options & PASS) command.words.push_back({"-p", true});
  if (options & DEFAULT) command.words.push_back({"-d", true});
  command.words.push_back({"f.cdb", true});
  return command;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const std::string all(reinterpret_cast<const char *>(data), size);
  const unsigned options = data[0];
  const std::string address = all.substr(2, data[1]), rest = all.substr(std::min(size, size_t{2} + data[1]));
  const std::string bytes = options & MADE ? made_cdb(rest, options >> 4, false) : rest;
  const size_t at = address.rfind('@');
  if (at == address.npos || address.find('\0') != address.npos) return 0;
  const std::string local = address.substr(0, at), domain = address.substr(at + 1);

  static const address_settings settings;
  static const policy_words policy;
  static const dotqmail_result found;
  fake_site host;
  host.data["/alias/f.cdb"] = host.data["/alias/./f.cdb"] = {bytes};
  host.data["/alias/./list"] = {rest};
  const controlling_user user{"alias", 100, 100, "/alias", "-", local, {}};
  int error = 0;
  const auto visit = host.become(user.uid, user.gid, error);
  visit->enter(user.home);
  std::optional<std::string_view> sender;
  if (!(options & SENDER)) sender = "";

  const delivery d{host, *visit, settings, policy, user, found, local, domain, sender};
  const outcome read = fastforward_read(d, command_of(options));
  if (read.reason == QV_REASON_NONE || read.reason == QV_REASON_PROGRAM_REFUSES) abort();
  if (read.verdict() == QV_TEMPORARY && read.error == 0) abort();
  const outcome hint = fastforward_hint(d, "f.cdb");
  if (hint.verdict() == QV_TEMPORARY || (hint.reason == QV_REASON_PROGRAM && hint.advice.empty())) abort();

  const bool refused = read.verdict() == QV_INVALID;
  if (refused && (options & PASS)) abort();
  if (refused || hint.verdict() == QV_INVALID)
    for (const std::string &key : {address, "@" + domain, local + "@"})
      if (!absent(bytes, ":" + key)) abort();
  return 0;
}
