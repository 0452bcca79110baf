// fuzz_control.cpp - any bytes as a control file, and any order of changes to control
// files and signals: a line, a list, a number and a map say what a plain search says;
// once files could be read there is always something in force; and files that have
// stood are in force as a daemon that begins with them has them.
//
// The whole input is a file. It is also a story: steps that end with 0xff, each a
// byte that says what happens (see step) and a text; the first step is an address.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "address/controls.h"
#include "address/watch.h"
#include "qmail/control.h"
#include "qmail/text.h"
#include "tests/unit/fake_site.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

void require(bool holds) {
  if (!holds) abort();
}

// ---- one file

std::string_view without_blanks(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t");
  return line.substr(0, last == line.npos ? 0 : last + 1);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  for (char c : text)
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  return lines;
}

// control_readfile without flagme.
std::string list_of(std::string_view text) {
  std::string entries;
  for (const std::string &line : lines_of(text)) {
    const std::string_view entry = without_blanks(line);
    if (entry.empty() || entry[0] == '#' || entry[0] == '\0') continue;
    entries.append(entry).push_back('\0');
  }
  return entries;
}

// constmap by going through all entries.
using pairs = std::vector<std::pair<std::string, std::string>>;

pairs pairs_of(const std::string &entries, bool colon) {
  pairs all;
  std::string entry;
  for (char c : entries) {
    if (c != '\0') {
      entry += c;
      continue;
    }
    const size_t at = entry.find(':');
    if (!colon)
      all.emplace_back(entry, "");
    else if (at != entry.npos)
      all.emplace_back(entry.substr(0, at), entry.substr(at + 1));
    entry.clear();
  }
  return all;
}

std::optional<std::string_view> last_of(const pairs &all, std::string_view name) {
  for (auto p = all.rbegin(); p != all.rend(); ++p)
    if (text_equal(p->first, name)) return p->second;
  return std::nullopt;
}

void is_same_map(const std::string &entries, control_map::Form form) {
  const control_map map(entries, form);
  const pairs all = pairs_of(entries, form == control_map::Form::colon);
  const size_t some = std::min<size_t>(all.size(), 32);
  for (size_t i = 0; i < some; ++i)
    for (const std::string &name : {all[i].first, all[i].second, text_lower(all[i].first), all[i].first + "."})
      require(map.find(name) == last_of(all, name) && map.has(name) == map.find(name).has_value());
}

void read_file(std::string_view text) {
  require(control_parseline(text) == without_blanks(text.substr(0, text.find('\n'))));
  const std::string entries = control_parsefile(text);
  require(entries == list_of(text));
  is_same_map(entries, control_map::Form::names);
  is_same_map(entries, control_map::Form::colon);

  const unique_fd fd = fake_fd(std::string(text));
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  const control_text line = control_readline(path.c_str()), list = control_readfile(path.c_str());
  require(line.look == Look::found && line.text == control_parseline(text));
  require(list.look == Look::found && list.text == entries);
  require(control_slurp(path.c_str()).text == text);
  const control_number n = control_readint(path.c_str());
  require((n.look == Look::found) == (!text.empty() && text[0] >= '0' && text[0] <= '9'));
}

// ---- a story

constexpr const char *OWN = "verifypolicy";

struct story {
  fake_site host;
  std::vector<std::string> notes;
  controls rules{host, [this](const std::string &note) { notes.push_back(note); }};
  watch own{host, OWN};
  long long now_ms = 1;
  std::string address;

  explicit story(std::string_view about) : address(about.substr(0, about.find('\0'))) {}
};

bool same_routes(const route_tables &a, const route_tables &b, const std::string &address) {
  for (const std::string &asked : {address, address + "@", "x@" + address, a.envnoathost, "y@" + a.envnoathost}) {
    const route one = route_find(a, asked), other = route_find(b, asked);
    if (one.kind != other.kind || one.local != other.local || one.domain != other.domain) return false;
  }
  return true;
}

// What a daemon that begins now would have, if it could begin.
std::shared_ptr<const route_tables> fresh(fake_site &host) {
  controls other(host, [](const std::string &) {});
  other.start(0);
  require(other.in_force().size() <= 1);
  return other.in_force().empty() ? nullptr : other.in_force().front();
}

void change(fake_site &host, const char *name, unsigned how, std::string_view text) {
  if (how == 0) return host.set_control(name, std::string(text));
  host.break_control(name, how == 1 ? EIO : EACCES);
  if (how == 3) host.controls.erase(name);
}

// Time passes until each change has stood.
void settle(story &s) {
  const auto before = s.rules.in_force();
  for (const long long later_ms : {0LL, watch::STAND_MS, controls::STAND_MS}) {
    s.now_ms += later_ms;
    s.rules.tick(s.now_ms);
    s.own.tick(s.now_ms);
  }
  if (const auto now = fresh(s.host))
    require(same_routes(*s.rules.in_force().front(), *now, s.address));
  else
    require(s.rules.in_force() == before);
  const control_text own = s.host.control(OWN);
  require(s.own.file().look == own.look && s.own.file().text == own.text);
}

// The byte: bits 0 to 2 which file (the last is our own), or above them a signal or
// the time; bits 3 and 4 what becomes of it: written, EIO, EACCES, removed.
void step(story &s, unsigned what, std::string_view text) {
  const unsigned file = what & 7, how = what >> 3 & 3;
  if (file < CONTROL_NAMES.size()) return change(s.host, CONTROL_NAMES[file], how, text);
  if (file == 5) return change(s.host, OWN, how, text);
  if (file == 6) return settle(s);
  s.rules.hangup(s.now_ms);
  s.own.hangup(s.now_ms);
  // the lists count at once, in each state that is in force
  if (const auto now = fresh(s.host); now && s.host.control("locals").look == Look::found)
    for (const auto &tables : s.rules.in_force()) require(now->locals.has(s.address) == tables->locals.has(s.address));
}

void tell(std::string_view text) {
  story s(text.substr(0, text.find('\xff')));
  s.rules.start(s.now_ms);
  s.own.start(s.now_ms);
  bool began = false;
  for (size_t steps = 0; !text.empty() && steps < 64; ++steps) {
    text.remove_prefix(std::min(text.size(), text.substr(0, text.find('\xff')).size() + 1));
    const std::string_view now = text.substr(0, text.find('\xff'));
    if (!now.empty()) step(s, static_cast<unsigned char>(now[0]), now.substr(1));
    began = began || !s.rules.in_force().empty();
    require(began == !s.rules.in_force().empty() && s.rules.in_force().size() <= 1 + controls::SETS_MAX);
    for (const auto &tables : s.rules.in_force()) route_find(*tables, s.address);
  }
  for (const std::string &note : s.notes) require(note.size() < 500 && note.find('\n') == note.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  read_file(all);
  tell(all);
  return 0;
}
