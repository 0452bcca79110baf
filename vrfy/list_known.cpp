// list_known.cpp - see list_known.h. Databases are read as their controlling users, as the
// judgement reads them.

#include "list_known.h"

#include <algorithm>
#include <cstring>

#include "address/controls.h"
#include "qmail/text.h"

// The looks of one judgement.
struct list_known::looks {
  const std::string &nobody;
  std::vector<look> all;
};

list_known::list_known(struct address *judge, lint_host &host, const address_settings &settings, list_judge &to,
                       list_trouble &trouble)
    : judge_(judge), host_(host), settings_(settings), to_(to), trouble_(trouble) {
  controls files(host.looks(), [](const std::string &) {});
  files.start(0);
  if (!files.in_force().empty()) tables_ = *files.in_force().front();
  std::vector<std::string> complaints;  // the judge has them, too
  policy_ = policy_table(host.file("control/verifypolicy").text, complaints);
}

void list_known::told(void *ctx, const address_step *step) {
  looks &to = *static_cast<looks *>(ctx);
  const std::string_view kind = step->step;
  look l{kind == "fastforward", kind == "vpopmail", step->file, text_lower({step->name, step->name_len})};
  if (step->depth || !*step->file || (!l.fastforward && !l.vpopmail && kind != "vmailmgr")) return;
  if (l.key.find(to.nobody) == l.key.npos || std::find(to.all.begin(), to.all.end(), l) != to.all.end()) return;
  to.all.push_back(std::move(l));
}

void list_known::names(std::string_view pattern) {
  const size_t star = pattern.find("*@");
  if (star == pattern.npos) return;
  const std::string address = list_instance(pattern, to_.nobody());
  looks seen{to_.nobody(), {}};
  address_answer answer;
  const address_question question{address.data(), address.size(), nullptr, 0};
  address_explain(judge_, &question, &answer, told, &seen);
  for (const look &l : seen.all)
    if (unique_fd fd; open(address, l.file, fd)) read(l, std::move(fd), pattern);
}

// A database that cannot be opened is what the pattern's verdict tells of.
bool list_known::open(const std::string &address, const std::string &path, unique_fd &fd) {
  const route where = route_find(tables_, address);
  if (where.kind != route::Kind::local || where.local.empty()) return false;
  const user_result who = user_find(host_.looks(), settings_, where.local);
  if (who.reason != QV_REASON_NONE) return false;
  int error = 0;
  const auto visit = host_.looks().become(who.user.uid, who.user.gid, error);
  if (!visit || visit->enter(who.user.home) != 0) return false;
  error = visit->open_data(path, fd);
  if (error && !site_absent(error)) trouble_.add(vrfy_safe(path), std::string("cannot be read: ") + strerror(error));
  return error == 0;
}

void list_known::read(const look &l, unique_fd fd, std::string_view pattern) {
  if (l.vpopmail && l.file.ends_with("/vpasswd")) return text(std::move(fd), l, pattern);
  cdb db;
  db.adopt(std::move(fd));
  db.map();
  int error = 0;
  const Look read_all = db.each(
      [&](std::string_view key, std::string_view) {
        take(key, l, pattern);
        return true;
      },
      error);
  if (read_all == Look::failed) trouble_.add(vrfy_safe(l.file), "its names cannot be read: " + lint_error(error));
}

// vpasswd, where there is no database.
void list_known::text(unique_fd fd, const look &l, std::string_view pattern) {
  std::string held;
  const int error = fd_slurp(fd.get(), held, [&](auto) {
    const size_t end = held.rfind('\n');
    if (end == held.npos) return false;
    for (std::string_view rest(held.data(), end); !rest.empty();) {
      const std::string_view line = text_line(rest);
      take(line.substr(0, line.find(':')), l, pattern);
    }
    held.erase(0, end + 1);
    return false;
  });
  if (error) trouble_.add(vrfy_safe(l.file), std::string("its names cannot be read: ") + strerror(error));
}

void list_known::take(std::string_view key, const look &l, std::string_view pattern) {
  if (key.size() > list_names::NAME_MAX_BYTES) return;
  l.fastforward ? forward(key, l, pattern) : user(key, l, pattern);
}

// Of a longer name vpopmail takes so many bytes.
constexpr size_t VPOPMAIL_NAME_SIZE = 156;

// The name as a whole, or what of it stands where the * is. With the policy word "ext" a
// user has what is behind a dash as well.
void list_known::user(std::string_view key, const look &l, std::string_view pattern) {
  const std::string_view before = std::string_view(l.key).substr(0, l.key.find(to_.nobody()));
  if (!key.starts_with(before)) return;
  const size_t star = pattern.find("*@");
  const std::string at(pattern.substr(star + 1));
  const std::string name = std::string(pattern.substr(0, star)) + text_lower(key.substr(before.size()));
  to_.ask(name + at, list_reads_as_pattern(at));
  if (l.vpopmail && key.size() == VPOPMAIL_NAME_SIZE) to_.ask(name + "*" + at, true);
  std::string_view domain = std::string_view(at).substr(1);
  if (domain.starts_with('*')) domain.remove_prefix(1);
  if (l.vpopmail && policy_.find(domain).ext) to_.ask(name + "-*" + at, true);
}

// A key is user@host, or user@ for all hosts; a host that is one of many, for which the
// pattern stands, is asked about by its name.
void list_known::forward(std::string_view key, const look &l, std::string_view pattern) {
  const size_t begin = l.key.find(to_.nobody()), end = begin + to_.nobody().size();
  if (end + 1 >= l.key.size() || l.key[end] != '@' || !key.starts_with(l.key.substr(0, begin))) return;
  const size_t at = key.rfind('@');
  if (at == key.npos || at < begin) return;
  const size_t star = pattern.find("*@");
  const std::string name(std::string(pattern.substr(0, star)) + std::string(key.substr(begin, at - begin)));
  const std::string_view host = key.substr(at + 1), domain = pattern.substr(star + 2);
  const bool many = domain.starts_with('*') && list_reads_as_pattern(pattern.substr(star + 1));
  if (host.empty()) return to_.ask(name + std::string(pattern.substr(star + 1)), many);
  if (many ? host.ends_with(domain.substr(1)) : host == domain) to_.ask(name + "@" + std::string(host), false);
}
