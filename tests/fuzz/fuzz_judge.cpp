// fuzz_judge.cpp - any bytes as an address on a small host, and as a dot-qmail file of
// its user joe: a verdict comes of it, the same for capitals and small letters; for an
// address of another host nothing is looked at; and a home is looked into as its owner
// only, at names that cannot lead out of it.
//
// An input: a byte of options, the address, 0xff, the file ~joe/.qmail-f-default.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "address/judge.h"
#include "tests/unit/fake_site.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

constexpr unsigned USERS_CDB = 1, NULL_SENDER = 2, POLICY = 4, NO_BREAK = 8, BROKEN = 16;

void require(bool holds) {
  if (!holds) abort();
}

struct small_host {
  fake_site site;
  route_tables tables;
  policy_table with, without;
  std::vector<std::string> complaints;

  small_host() : with("follows.test:follow\noff.test:off\n.watched.test:observe\n:refuse-null,follow\n", complaints) {
    tables.envnoathost = "here.test";
    tables.percenthack = list("here.test\nhop.test\n", control_map::Form::names);
    tables.locals = list("here.test\noff.test\n", control_map::Form::names);
    tables.virtualdomains = list("virt.test:joe\n.watched.test:joe-w\nfollows.test:joe-f\nann@one.test:ann\n"
                                 "except.test:\nnobody.test:nobody-x\n", control_map::Form::colon);
    site.add_user("joe", 100, "/home/joe");
    site.add_user("ann-x", 101, "/home/ann");
    site.add_user("root", 0, "/root");
    site.add_user("alias", 7, "/alias");
    file("/home/joe/.qmail", "./Mailbox\n");
    file("/home/joe/.qmail-list", "&ann-x@here.test\n&joe-none@here.test\n");
    file("/home/joe/.qmail-list-default", "|exit 100\n");
    file("/home/joe/.qmail-w-default", "&joe-none@here.test\n");
    file("/home/joe/.qmail-sub/x", "");
    file("/alias/.qmail-postmaster", "");
  }

  static control_map list(std::string_view text, control_map::Form form) { return {control_parsefile(text), form}; }

  void file(const std::string &path, const std::string &content, mode_t mode = 0644) {
    site.files[path] = {content, S_IFREG | mode, 0, false};
  }

  void arrange(unsigned options, std::string_view own) {
    file("/home/joe/.qmail-f-default", std::string(own));
    if (options & USERS_CDB)
      site.set_users_cdb("=joe:joe:100:100:/home/joe:::\n+joe-:joe:100:100:/home/joe:-::\n"
                         "+deep.:joe:100:100:/home/joe:-:f-:\n+:alias:7:7:/alias:-::\n.\n");
    else
      site.cdb_error = ENOENT;
    site.home_errors.clear();
    if (options & BROKEN) site.home_errors["/home/ann"] = EIO;
    site.log.clear();
    site.asked.clear();
  }
};

std::string home_of(std::string_view identity) {
  return identity == "100 100" ? "/home/joe" : identity == "101 101" ? "/home/ann" : identity == "7 7" ? "/alias" : "?";
}

// "uid gid path". What a program line has looked at is left out.
void is_a_look_of_the_owner(std::string_view look, bool programs) {
  const size_t end = look.find(' ', look.find(' ') + 1);
  const std::string home = home_of(look.substr(0, end));
  const std::string_view path = look.substr(end + 1);
  require(home != "?");
  if (programs || path == home) return;
  require(path.starts_with(home + "/.qmail"));
  require(path.find("/..") == path.npos && path.substr(home.size() + 7).find('.') == path.npos);
}

std::string other_case(std::string text) {
  for (char &c : text)
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) c = static_cast<char>(c ^ 0x20);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static small_host host;
  if (size == 0) return 0;
  const unsigned options = data[0];
  const std::string_view all(reinterpret_cast<const char *>(data) + 1, size - 1);
  const size_t middle = std::min(all.find('\xff'), all.size());
  const std::string address(all.substr(0, std::min(middle, all.find('\0'))));
  const std::string_view own = all.substr(std::min(all.size(), middle + 1));
  const bool programs = own.find('|') != own.npos;
  host.arrange(options, own);
  address_settings settings;
  if (options & NO_BREAK) settings.break_char = '.';
  const judge_rules rules{settings, host.tables, options & POLICY ? host.with : host.without};
  judge_question question{address, std::nullopt};
  if (options & NULL_SENDER) question.sender = "";

  const judgement j = judge_address(host.site, rules, question);
  require(j.reason != QV_REASON_NONE && j.position >= 1 && j.position <= 15);
  require(j.verdict() != QV_TEMPORARY || j.error != 0);
  const bool looked = !host.site.log.empty() || !host.site.asked.empty();
  if (j.verdict() == QV_REMOTE || j.reason == QV_REASON_TOO_LONG || j.reason == QV_REASON_POLICY_OFF) require(!looked);
  if (address.size() <= QV_ADDRESS_MAX)
    require((j.verdict() == QV_REMOTE) == (route_find(host.tables, address).kind != route::Kind::local));
  require((j.reason == QV_REASON_TOO_LONG) == (address.size() > QV_ADDRESS_MAX));
  for (const std::string &look : host.site.log) is_a_look_of_the_owner(look, programs);

  const std::string other = other_case(address);
  question.address = other;
  require(judge_address(host.site, rules, question).reason == j.reason);
  return 0;
}
