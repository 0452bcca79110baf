// lint_mail.cpp - where mail for the host's domains leads to, see lint.h. Asks what
// qmail-verify would be asked, for a name that nobody has, and looks at what it says.

#include <algorithm>
#include <cerrno>
#include <set>

#include "address/judge.h"
#include "address/route.h"
#include "lint.h"
#include "qmail/text.h"

namespace {

// A local part that surely nobody has.
constexpr const char *NOBODY = "vrfylint4f1d0c7a92";

// These have to be there (RFC 5321, section 4.5.1, for the first; qmail's INSTALL.alias).
constexpr const char *OFFICES[] = {"postmaster", "mailer-daemon", "root"};

class mail {
 public:
  mail(lint_host &host, const lint_settings &settings, const lint_files &files, lint_report &report)
      : host_(host), settings_(settings), files_(files), report_(report) {
    tables_.envnoathost = files.line("envnoathost");
    tables_.percenthack = control_map(control_parsefile(files["percenthack"].text), control_map::Form::names);
    const bool no_locals = files["locals"].look == Look::absent;
    tables_.locals = control_map(no_locals ? files.line("me") + '\0' : control_parsefile(files["locals"].text),
                                 control_map::Form::names);
    tables_.virtualdomains = control_map(control_parsefile(files["virtualdomains"].text), control_map::Form::colon);
  }

  void locals() {
    const bool me = files_["locals"].look == Look::absent;
    const auto &entries = files_["locals"].entries;
    const lint_place at{me ? "control/me" : "control/locals", me || entries.empty() ? 1 : entries.front().line};
    const std::string domain = me ? files_.line("me") : entries.empty() ? std::string() : entries.front().name;
    if (domain.empty()) return;
    look(NOBODY + ("@" + domain), at, "");
    for (const char *office : OFFICES) {
      const judgement j = judge(office + ("@" + domain));
      if (j.verdict() == QV_INVALID)
        report_.add(lint_code::NO_MAILBOX, at,
                    office + ("@" + domain) + " is refused (" + qv_reason_name(j.reason) + "), which every host needs",
                    "write an address into ~" + settings_.judged.alias + "/.qmail-" + office);
    }
  }

  void virtuals() {
    const lint_files::one &file = files_["virtualdomains"];
    for (const lint_entry &e : file.entries) {
      if (e.value.empty() || file.find(e.name)->line != e.line) continue;
      const size_t at = e.name.find('@');
      if (tables_.locals.has(std::string_view(e.name).substr(at == std::string::npos ? 0 : at + 1))) continue;
      if (at != std::string::npos)
        look(e.name, {"control/virtualdomains", e.line}, e.value);
      else
        look(std::string(NOBODY) + "@" +
                 (e.name.empty()            ? "any.example"
                  : e.name.starts_with('.') ? "any" + e.name
                                            : e.name),
             {"control/virtualdomains", e.line}, e.value);
    }
  }

  void hint() {
    const std::string &path = settings_.judged.fastforward_cdb;
    site_passwd who;
    int error = 0;
    if (path.empty() || host_.looks().passwd(settings_.judged.alias, who, error) != Look::found || who.uid == 0) return;
    const auto visit = host_.looks().become(who.uid, who.gid, error);
    unique_fd fd;
    if (!visit) return report_.unread({path, 0}, error, "cannot be looked at as " + who.name);
    if ((error = visit->enter(who.home)) == 0 && (error = visit->open_data(path, fd)) != 0 && lint_certain(error))
      report_.add(
          lint_code::DATABASE, {path, 0},
          "cannot be read by " + who.name + " (" + lint_error(error) + "), though VERIFY_FASTFORWARDCDB names it",
          "make it with newaliases or setforward, or unset the variable");
  }

 private:
  judgement judge(const std::string &address) {
    return judge_address(host_.looks(), {settings_.judged, tables_, policy_}, {address, std::nullopt});
  }

  void look(const std::string &address, const lint_place &at, const std::string &prefix) {
    const judgement j = judge(address);
    if (!j.advice.empty() && j.reason != QV_REASON_VPOPMAIL_ELSEWHERE && told_.insert(j.advice).second)
      report_.add(lint_code::PROGRAM, at, j.advice, "mend what is named, or look why with qmail-vrfy -v " + address);
    switch (j.reason) {
      case QV_REASON_FASTFORWARD_TROUBLE:
      case QV_REASON_VPOPMAIL_TROUBLE:
      case QV_REASON_VMAILMGR_TROUBLE:
        return database(j, at);
      case QV_REASON_NO_MAILBOX:
        return nowhere(address, at, prefix);
      default:
        return;
    }
  }

  // Nothing of the domain can be looked up: named by the file that stands in the way.
  void database(const judgement &j, const lint_place &at) {
    if (!lint_certain(j.error)) return report_.unread({j.about, 0}, j.error);
    report_.add(lint_code::DATABASE, {j.about, 0},
                "cannot be used (" + lint_error(j.error) + "), by which mail of " + at.file + " line " +
                    std::to_string(at.line) + " is delivered",
                "make it anew");
  }

  // No default file: is there any file by which an address of this entry could be
  // delivered?
  void nowhere(const std::string &address, const lint_place &at, const std::string &prefix) {
    if (prefix.empty()) return;
    const std::string local = prefix + "-" + address.substr(0, address.rfind('@'));
    const user_result who = user_find(host_.looks(), settings_.judged, local);
    if (who.reason != QV_REASON_NONE || who.user.dash.empty()) return;
    if (address.starts_with(NOBODY) && has_any(who.user)) return;
    const bool alias =
        who.user.key.empty() && who.user.name == settings_.judged.alias && !text_equal(prefix, who.user.name);
    report_.add(lint_code::VIRTUAL_NOWHERE, at,
                (alias ? "there is no user " + lint_quoted(prefix) + ", and " : "") + who.user.home +
                    " has no dot-qmail file for its mail: all of it bounces",
                "write " + who.user.home + "/.qmail" + who.user.dash + file_stem(who.user, address) +
                    (alias ? ", or make the user" : "") + ", or take the line out");
  }

  // The ending of a file name that takes the mail: the exact one for an address.
  std::string file_stem(const controlling_user &user, const std::string &address) const {
    std::string ext = text_lower(user.ext);
    std::replace(ext.begin(), ext.end(), '.', ':');
    if (!address.starts_with(NOBODY)) return ext;
    const size_t end = ext.rfind(NOBODY);
    return (end == ext.npos ? std::string() : ext.substr(0, end)) + "default";
  }

  // Is there a file whose name begins as those of this user's addresses do? Also where
  // that cannot be told.
  bool has_any(const controlling_user &user) {
    int error = 0;
    const auto visit = host_.looks().become(user.uid, user.gid, error);
    std::string stem = ".qmail" + user.dash + file_stem(user, NOBODY);
    stem.resize(stem.size() - std::string_view("default").size());
    bool any = false;
    if (!visit || visit->enter(user.home) != 0) return true;
    error = visit->names(user.home, [&](const std::string &name) {
      any = name.size() > stem.size() && name.starts_with(stem);
      return !any;
    });
    return any || error != 0;
  }

  lint_host &host_;
  const lint_settings &settings_;
  const lint_files &files_;
  lint_report &report_;
  route_tables tables_;
  policy_table policy_;
  std::set<std::string> told_;
};

}  // namespace

void lint_mail(lint_host &host, const lint_settings &settings, const lint_files &files, lint_report &report) {
  mail rules(host, settings, files, report);
  rules.hint();
  if (!files.known({"me", "envnoathost", "percenthack", "locals", "virtualdomains"})) return;
  rules.locals();
  rules.virtuals();
}
