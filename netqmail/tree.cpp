// tree.cpp - see tree.h.

#include "tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "build.h"
#include "marks.h"
#include "migrate/edits.h"
#include "migrate/say.h"
#include "qmail/fd.h"
#include "smtpd.h"

namespace {

// What is copied beside qmail-smtpd.c: the client library, and what calls it.
constexpr const char *COPIES[] = {"verifyrcpt.c", "verifyrcpt.h", "sockbits.c", "sockbits.h", "udpbits.c",
                                  "udpbits.h", "logbits.c", "logbits.h", "packet.h", "qmail-verify.h",
                                  "netqmail/verifydoor.c", "netqmail/verifydoor.h", "netqmail/README.verify"};

std::string base(const std::string &name) { return name.substr(name.rfind('/') + 1); }
bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

// From where they begin to differ up to where they are the same again.
edit difference(std::string_view a, std::string_view b) {
  size_t begin = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin()), end = 0;
  const size_t longest = std::min(a.size(), b.size()) - begin;
  while (end < longest && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
  return {begin, a.size() - end, std::string(b.substr(begin, b.size() - end - begin))};
}

class planner {
 public:
  planner(const std::string &folder, const std::string &ours, tree_plan &plan) : folder_(folder), ours_(ours), plan_(plan) {}
  void add();
  void undo();

 private:
  using editor = std::function<std::vector<edit>(std::string_view text, refusal &refused)>;
  bool fail(const std::string &why, bool trouble = false) {
    plan_.wrong = why;
    plan_.trouble = trouble;
    return false;
  }
  bool read(const std::string &path, file_read &file);
  bool find_source();
  bool clean(const std::string &path, file_read &file, std::string &text, std::vector<edit> &out);
  bool change(const std::string &name, bool needed, const editor &edits);
  bool copy(const std::string &name);
  bool remove(const std::string &name);
  std::string in_tree(const std::string &name) const { return folder_ + "/" + name; }

  std::string folder_, ours_, source_;
  tree_plan &plan_;
  bool was_there_ = false;  // marks of ours are in the source
};

bool planner::read(const std::string &path, file_read &file) {
  const std::string wrong = file_read_whole(path, file);
  return wrong.empty() || fail(say_name(path) + " " + wrong, true);
}

// indimail has the session in smtpd.c.
bool planner::find_source() {
  for (const char *name : {"smtpd.c", "qmail-smtpd.c"}) {
    file_read file;
    if (!exists(in_tree(name))) continue;
    if (!read(in_tree(name), file)) return false;
    source_ = name;
    if (file.text.find("rcptto") != file.text.npos) break;
  }
  return !source_.empty() || fail(say_name(folder_) + ": no qmail-smtpd.c there; give the folder of the source that your "
                                  "qmail-smtpd was built from (for some it is src in it)");
}

// The file, and its text without anything of ours.
bool planner::clean(const std::string &path, file_read &file, std::string &text, std::vector<edit> &out) {
  std::string wrong;
  if (!read(path, file)) return false;
  out = marks_out(file.text, wrong);
  if (!wrong.empty()) return fail(say_name(path) + ", " + wrong);
  text = edits_apply(file.text, out);
  return true;
}

// needed: without it nothing can be done. What edits gives for the text without ours is put in.
bool planner::change(const std::string &name, bool needed, const editor &edits) {
  const std::string path = in_tree(name);
  std::string text;
  tree_change c{path, true, {}, true, {}, {}};
  if (!needed && !exists(path)) {
    if (edits) plan_.remarks.push_back(say_name(path) + ": not there, and not needed");
    return true;
  }
  if (!clean(path, c.old, text, c.edits)) return false;
  if (needed && text != c.old.text) was_there_ = true;
  refusal refused;
  const std::vector<edit> in = edits ? edits(text, refused) : std::vector<edit>();
  if (!refused.why.empty())
    return fail(say_name(path) + (refused.line ? ", line " + std::to_string(refused.line) : "") + ": " + say_name(refused.why));
  if (edits && in.empty()) plan_.remarks.push_back(say_name(path) + ": nothing to be put in was found a place for; not needed to build");
  c.text = edits_apply(text, in);
  if (c.edits.empty())
    c.edits = in;
  else if (edits)  // an older version of ours makes way for this one
    c.edits = {difference(c.old.text, c.text)};
  if (c.text != c.old.text) plan_.changes.push_back(std::move(c));
  return true;
}

bool planner::copy(const std::string &name) {
  file_read from;
  tree_change c{in_tree(base(name)), false, {}, true, {}, {}};
  if (!read(ours_ + "/" + name, from)) return false;
  c.text = from.text;
  c.old.seen = from.seen;
  if (exists(c.path)) {
    c.there = true;
    if (!read(c.path, c.old)) return false;
    if (c.old.text == c.text) return true;
    if (!was_there_)
      return fail(say_name(c.path) + ": is there already, and is another file than qmail-verify's; where it is an older client "
                  "of qmail-verify, take that and its lines out first");
  }
  plan_.changes.push_back(std::move(c));
  return true;
}

bool planner::remove(const std::string &name) {
  file_read own;
  tree_change c{in_tree(base(name)), true, {}, false, {}, {}};
  if (!exists(c.path)) return true;
  if (!read(ours_ + "/" + name, own) || !read(c.path, c.old)) return false;
  if (own.text == c.old.text)
    plan_.changes.push_back(std::move(c));
  else
    plan_.remarks.push_back(say_name(c.path) + ": is not the file that was copied; left");
  return true;
}

void planner::add() {
  if (!find_source()) return;
  const std::string object = source_.substr(0, source_.size() - 1) + "o";
  const editor makefile = [&](std::string_view text, refusal &r) { return build_makefile_edits(text, object, r); };
  const editor targets = [](std::string_view text, refusal &) { return build_targets_edits(text); };
  const editor hier = [](std::string_view text, refusal &) { return build_hier_edits(text); };
  if (!change(source_, true, smtpd_edits) || !change("Makefile", true, makefile)) return;
  if (!change("TARGETS", false, targets) || !change("hier.c", false, hier)) return;
  for (const char *name : COPIES)
    if (!copy(name)) return;
}

void planner::undo() {
  if (!find_source() || !change(source_, true, nullptr) || !change("Makefile", true, nullptr)) return;
  if (!change("TARGETS", false, nullptr) || !change("hier.c", false, nullptr)) return;
  if (!was_there_) return plan_.remarks.push_back(say_name(folder_) + ": nothing of qmail-verify's is in it");
  for (const char *name : COPIES)
    if (!remove(name)) return;
}

tree_plan planned(const std::string &folder, const std::string &ours, void (planner::*what)()) {
  tree_plan plan;
  (planner(folder, ours, plan).*what)();
  if (!plan.wrong.empty()) plan.changes.clear();
  return plan;
}

// ---- writing

std::string make(const tree_change &c) {
  const unique_fd fd(open(c.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return std::string("cannot be made: ") + strerror(errno);
  std::string_view left = c.text;
  while (!left.empty()) {
    const ssize_t n = write(fd.get(), left.data(), left.size());
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) {
      const int error = errno;
      unlink(c.path.c_str());
      return std::string("cannot be written: ") + strerror(error);
    }
    left.remove_prefix(static_cast<size_t>(n));
  }
  return "";
}

std::string do_change(const tree_change &c) {
  Backup backup;
  if (!c.there) return make(c);
  if (c.wanted) return file_replace(c.old, c.text, backup, Keep::nothing);
  return unlink(c.old.target.c_str()) == 0 ? "" : std::string("cannot be removed: ") + strerror(errno);
}

std::string take_back(const tree_change &c) {
  if (!c.there) return unlink(c.path.c_str()) == 0 ? "" : strerror(errno);
  if (!c.wanted) return make({c.path, false, {}, true, c.old.text, {}});
  file_read now;
  Backup backup;
  const std::string wrong = file_read_whole(c.path, now);
  return wrong.empty() ? file_replace(now, c.old.text, backup, Keep::nothing) : wrong;
}

}  // namespace

tree_plan tree_add(const std::string &folder, const std::string &ours) { return planned(folder, ours, &planner::add); }
tree_plan tree_undo(const std::string &folder, const std::string &ours) { return planned(folder, ours, &planner::undo); }

std::string tree_diff(const tree_plan &plan) {
  std::string diff, others;
  for (const tree_change &c : plan.changes) {
    if (c.there && c.wanted)
      diff += edits_diff(say_name(c.path), c.old.text, c.edits);
    else
      others += std::string(c.wanted ? "Copied: " : "Removed: ") + say_name(c.path) + "\n";
  }
  return diff + others;
}

std::string tree_write(const tree_plan &plan) {
  for (size_t i = 0; i < plan.changes.size(); ++i) {
    std::string wrong = do_change(plan.changes[i]);
    if (wrong.empty()) continue;
    wrong = say_name(plan.changes[i].path) + " " + wrong + "; all files are as they were";
    while (i-- > 0)
      if (const std::string worse = take_back(plan.changes[i]); !worse.empty())
        wrong += ", but for " + say_name(plan.changes[i].path) + " (" + worse + ")";
    return wrong;
  }
  return "";
}
