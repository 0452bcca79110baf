// fuzz_passwd.cpp - any bytes as /etc/passwd: the index knows the names that fgetpwent_r
// reads there, the first of each, with the same numbers and homes, and no other; and any
// bytes as nsswitch.conf.
//
// Where the index does not follow a text or a line there has to be a reason that is known.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <pwd.h>
#include <string>
#include <string_view>
#include <vector>

#include "address/nsswitch.h"
#include "address/passwd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

// What getpwnam_r finds: the first of each name, none with + or - before it.
std::map<std::string, site_passwd> users(std::string text) {
  std::map<std::string, site_passwd> all;
  if (text.empty()) return all;
  FILE *const file = fmemopen(text.data(), text.size(), "r");
  require(file != nullptr);
  std::vector<char> buf(text.size() + 1024);
  struct passwd pw, *result = nullptr;
  while (fgetpwent_r(file, &pw, buf.data(), buf.size(), &result) == 0) {
    const std::string name = pw.pw_name;
    if (!name.starts_with('+') && !name.starts_with('-')) all.insert({name, {name, pw.pw_uid, pw.pw_gid, pw.pw_dir}});
  }
  fclose(file);
  return all;
}

// A number below 0 or above 32 bits, or a last line with blanks before it.
bool may_ask(const std::string &text) {
  size_t digits = 0;
  for (char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits >= 10 || c == '-') return true;
  }
  const size_t newline = text.rfind('\n');
  const std::string last = text.substr(newline == text.npos ? 0 : newline + 1);
  return !last.empty() && (last[0] == ' ' || (last[0] >= '\t' && last[0] <= '\r'));
}

passwd_memory memory(const std::string &text) {
  passwd_memory bytes(text.size() + 1);
  memcpy(bytes.get(), text.data(), text.size());
  return bytes;
}

void passwd_text(const std::string &text) {
  passwd_table table;
  site_passwd entry;
  if (!table.build(memory(text), text.size())) {
    require(text.find('\0') != text.npos);
    require(table.memory() == 0 && table.find("root", entry) == passwd_says::absent);
    return;
  }
  const auto all = users(text);
  const bool asks = may_ask(text);
  for (const auto &[name, user] : all) {
    const passwd_says says = table.find(name, entry);
    if (says == passwd_says::ask && asks) continue;
    require(says == passwd_says::found);
    require(entry.name == name && entry.uid == user.uid && entry.gid == user.gid && entry.home == user.home);
  }
  // every piece that might be taken for a name
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find_first_of(":\n ", begin);
    const std::string piece = text.substr(begin, end == text.npos ? end : end - begin);
    const passwd_says says = table.find(piece, entry);
    require(says == (all.count(piece) ? passwd_says::found : passwd_says::absent) || (says == passwd_says::ask && asks));
    begin = end == text.npos ? text.size() : end + 1;
  }
}

// Whatever is followed names files first, in a line of its own.
void nsswitch_text(std::string_view text) {
  const nsswitch_passwd says = nsswitch_read(text);
  if (says == nsswitch_passwd::unknown) return;
  require(text.find("passwd") != text.npos && text.find("files") != text.npos && text.find('\0') == text.npos);
  if (says == nsswitch_passwd::files_systemd) require(text.find("systemd") != text.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string text(reinterpret_cast<const char *>(data), size);
  passwd_text(text);
  nsswitch_text(text);
  return 0;
}
