// fuzz_dotqmail.cpp - any bytes as a dot-qmail file: a reason comes of it; one without
// a program line never refuses and is never called one that runs a program; nor does
// one refuse that is for forwards only, or that has the mail before any program.
//
// An input: a byte of options (the host, the administrator's words, the sender), the
// file.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "address/catchall.h"
#include "tests/unit/fake_site.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr unsigned FORWARD_ONLY = 1, PROGRAMS = 2, USERS = 4, POLICY = 8, EXACT = 16, NULL_SENDER = 32, HINT = 64,
                   SCRIPTS = 128;

void require(bool holds) {
  if (!holds) abort();
}

void install(fake_site &host, bool scripts) {
  for (const char *name : {"bouncesaying", "except", "condredirect", "ezmlm-send", "ezmlm-reject", "ezmlm-warn",
                           "ezmlm-manage", "vdelivermail", "fastforward", "vdeliver"})
    (scripts ? host.scripts : host.programs).insert(std::string("/var/qmail/bin/") + name);
  for (const char *path : {"/bin/true", "/bin/false", "/bin/refuser", "/home/joe/bin/true", "/usr/bin/fastforward"})
    host.programs.insert(path);
  host.own.insert("/home/joe/bin/true");
}

// Databases that have one user.
void settle(fake_site &host) {
  const std::string vpopmail = "hash:1:0:Ann:/home/joe/a:NOQUOTA";
  host.data["/home/joe/vpasswd.cdb"] = {fake_cdb({{"a", vpopmail}})};
  host.data["/home/joe/passwd.cdb"] = {fake_cdb({{"a", std::string("\2\010hash\0./users/a\0", 17)}})};
  host.data["/home/joe/f.cdb"] = {fake_cdb({{":a@here", std::string("&b@here\0", 8)}})};
  host.directories.insert("/home/joe/domains");
}

// The host that the options speak of; made once.
fake_site &host_of(unsigned options) {
  static std::unique_ptr<fake_site> hosts[8];
  std::unique_ptr<fake_site> &host = hosts[(options & (PROGRAMS | USERS)) / PROGRAMS + (options & SCRIPTS ? 4 : 0)];
  if (!host) {
    host = std::make_unique<fake_site>();
    if (options & PROGRAMS) install(*host, options & SCRIPTS);
    if (options & USERS) settle(*host);
  }
  host->log.clear();
  return *host;
}

policy_words words_of(unsigned options) {
  policy_words words;
  words.refuse_delete = words.refuse_null = words.ext = options & POLICY;
  if (options & POLICY) words.refuse = {"/bin/refuser"};
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const unsigned options = size > 0 ? data[0] : 0;
  fake_site &host = host_of(options);
  const policy_words policy = words_of(options);
  address_settings settings;
  if (options & HINT) settings.fastforward_cdb = "/home/joe/f.cdb";
  const controlling_user user{options & HINT ? "alias" : "joe", 100, 100, "/home/joe", "-", "a", {}};
  int error = 0;
  const auto visit = host.become(user.uid, user.gid, error);
  visit->enter(user.home);

  dotqmail_result found;
  found.by_default = !(options & EXACT);
  found.name = found.by_default ? ".qmail-default" : ".qmail-a";
  found.forward_only = options & FORWARD_ONLY;
  if (size > 0) found.file.content.assign(reinterpret_cast<const char *>(data) + 1, size - 1);
  const std::string &text = found.file.content;
  std::optional<std::string_view> sender;
  if (options & NULL_SENDER) sender = "";

  unsigned programs_left = CATCHALL_PROGRAMS_MAX;
  const delivery d{host, *visit, settings, policy, user, found, "joe-a", "here", sender};
  const outcome says = catchall_read(d, programs_left).says;
  require(says.reason != QV_REASON_NONE && programs_left <= CATCHALL_PROGRAMS_MAX);
  require((says.verdict() == QV_TEMPORARY) == (says.error != 0));
  const bool refuses = says.verdict() == QV_INVALID;
  const bool has_it = text.starts_with('.') || text.starts_with('/');
  require(!refuses || !(found.forward_only || has_it));
  if (refuses || says.reason == QV_REASON_PROGRAM) require(text.find('|') != std::string::npos);
  return 0;
}
