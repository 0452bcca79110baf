// lint_domains.cpp - control files against each other, see lint.h.

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "address/policy.h"
#include "address/route.h"
#include "lint.h"
#include "qmail/clients.h"
#include "qmail/keys_table.h"
#include "qmail/limits_settings.h"
#include "qmail/routes.h"
#include "qmail/text.h"
#include "qmail-verify.h"
#include "udpbits.h"

namespace {

// Has the file an entry for the name, or for an ending of it that begins with a dot?
// As rcpthosts() and qmail-send's rewrite() look. everything: the empty entry is for all.
const lint_entry *covering(const lint_files::one &file, std::string_view name, bool everything) {
  for (size_t at = 0; at < name.size(); ++at)
    if (at == 0 || name[at] == '.')
      if (const lint_entry *hit = file.find(name.substr(at))) return hit;
  return everything ? file.find("") : nullptr;
}

// Is the name below a suffix (".example.org")?
bool below(std::string_view name, std::string_view suffix) {
  return suffix.starts_with('.') && name.size() > suffix.size() && name.ends_with(suffix);
}

using endpoints = std::vector<udp_endpoint>;

// Where the daemon listens if it is not told otherwise.
bool has_own_address(const endpoints &servers) {
  static const std::string own = QV_DEFAULT_IP ":" + std::to_string(QV_DEFAULT_PORT);
  return std::any_of(servers.begin(), servers.end(), [](const udp_endpoint &server) {
    char text[UDP_TEXT_MAX];
    udp_format(&server, text);
    return text == own;
  });
}

// What a line of control/verifyroutes has behind its colon, or follows in a line of
// control/smtproutes that has this behind it.
routes_table servers_of(std::string_view value, std::string_view relay = {}) {
  std::vector<std::string> complaints;
  const std::string line = "x:" + std::string(relay);
  return {"x:" + std::string(value), &line, 0, complaints};
}

bool has_servers(const lint_entry &e) { return e.value.find_first_not_of(" \t") != e.value.npos; }

std::string_view domain_of(std::string_view name) { return name.substr(name.rfind('@') + 1); }

class domains {
 public:
  domains(lint_host &host, const lint_files &files, lint_report &report)
      : host_(host),
        files_(files),
        report_(report),
        routes_(files["verifyroutes"].text, &files["smtproutes"].text, 0, route_complaints_) {
    for (const lint_entry &e : files["virtualdomains"].entries)
      if (e.name.find('@') != std::string::npos && !e.value.empty())
        with_addresses_.insert(std::string(domain_of(e.name)));
  }

  void me() {
    if (files_["me"].look == Look::absent)
      report_.add(lint_code::ME_MISSING, {"control/me", 0},
                  "is missing: qmail-smtpd and qmail-remote do not start without it, and names are made up",
                  "write this host's full name into it");
  }

  void virtuals() {
    for (const lint_entry &e : virtualdomains().entries) {
      const std::string_view domain = domain_of(e.name);
      if (!domain.empty() && !domain.starts_with('.') && is_local(domain))
        report_.add(lint_code::LOCAL_AND_VIRTUAL, {"control/virtualdomains", e.line},
                    lint_quoted(e.name) + " never matches: " + lint_quoted(domain) + " is in " + local_place(domain) +
                        " too, which is asked first",
                    "take the domain out of one of them");
    }
  }

  void percenthack() {
    for (const lint_entry &e : files_["percenthack"].entries) {
      if (!is_ours(e.name) && files_.known({"locals", "virtualdomains"}))
        report_.add(lint_code::PERCENTHACK_NOWHERE, {"control/percenthack", e.line},
                    lint_quoted(e.name) + " is neither in control/locals nor in control/virtualdomains",
                    "take it out, or add the domain there");
      if (rcpthosts_there() && accepted(e.name))
        report_.add(lint_code::PERCENTHACK_RELAY, {"control/percenthack", e.line},
                    lint_quoted(e.name) +
                        " is in control/rcpthosts too: everybody can send mail to other hosts by way of "
                        "user%host@" +
                        e.name,
                    "take it out");
    }
  }

  void envnoathost() {
    const std::string name = text_lower(files_.line("envnoathost"));
    if (files_["envnoathost"].look != Look::found || name.empty() || name.find(' ') != name.npos) return;
    if (is_ours(name) || is_routed(name) || !files_.known({"locals", "virtualdomains", "smtproutes"})) return;
    report_.add(lint_code::ENVNOATHOST_NOWHERE, {"control/envnoathost", 1},
                lint_quoted(name) +
                    ", the domain of addresses without one, is neither in control/locals nor in "
                    "control/virtualdomains nor in control/smtproutes",
                "write a domain of this host into it, or remove the file");
  }

  void routes() {
    for (const lint_entry &e : files_["smtproutes"].entries)
      if (!e.name.empty() && !e.name.starts_with('.') && is_here(e.name))
        report_.add(lint_code::ROUTE_LOCAL, {"control/smtproutes", e.line},
                    lint_quoted(e.name) + " is this host's own domain: its mail is never sent to another host",
                    "take the line out, or the domain out of control/locals and control/virtualdomains");
  }

  // Which other servers the daemon asks.
  void verifyroutes() {
    const lint_files::one &file = files_["verifyroutes"];
    for (const char *of : {"control/verifyroutes", "control/smtproutes"})
      lint_sentences(lint_code::ROUTES, of, complaints_about(of), "see qmail-verifyroutes(5)", report_);
    for (const lint_entry &e : file.entries) {
      if (!has_servers(e) || file.find(e.name)->line != e.line) continue;
      if (!e.name.empty() && !e.name.starts_with('.') && is_here(e.name))
        report_.add(lint_code::ROUTE_LOCAL, {"control/verifyroutes", e.line},
                    lint_quoted(e.name) +
                        " is this host's own domain: its addresses are judged here, and no server is asked",
                    "take the line out, or the domain out of control/locals and control/virtualdomains");
      else if (takes_mail() && !e.name.empty() && !accepted_below(e.name))
        needed("control/verifyroutes", e, false);
      if (has_own_address(servers_of(e.value).servers()))
        report_.add(lint_code::ROUTE_SELF, {"control/verifyroutes", e.line},
                    "names the address at which the daemon of this host listens: it asks itself",
                    "write the address of the host that has the users");
    }
    for (const lint_entry *e : relays_to_here())
      report_.add(lint_code::ROUTE_SELF, {"control/smtproutes", e->line},
                  "leads to this host, and control/verifyroutes follows it: the daemon asks itself",
                  "name the server for this domain in control/verifyroutes");
  }

  // Mail that comes in is accepted for the domains of this host?
  void rcpthosts() {
    const lint_files::one &file = files_["rcpthosts"];
    if (file.look == Look::absent)
      report_.add(lint_code::RCPTHOSTS_MISSING, {"control/rcpthosts", 0},
                  "is missing: qmail-smtpd takes mail for every domain from everybody (open relay)",
                  "write the domains of this host into it, one a line");
    if (!takes_mail()) return;
    for (const lint_entry &e : files_["locals"].entries) needed("control/locals", e, false);
    for (const lint_entry &e : virtualdomains().entries)
      if (!e.value.empty()) needed("control/virtualdomains", e, true);
  }

  // Does what is accepted lead anywhere?
  void nowhere() {
    if (!files_.known({"locals", "virtualdomains", "smtproutes", "verifyroutes"})) return;
    for (const lint_entry &e : files_["rcpthosts"].entries) leads("control/rcpthosts", e);
    for (const lint_entry &e : files_["morercpthosts"].entries) leads("control/morercpthosts", e);
    if (files_["morercpthosts"].look == Look::absent)
      for (const std::string &name : more_) leads("control/morercpthosts.cdb", {0, name, {}});
  }

  void morercpthosts() {
    const std::string text = "control/morercpthosts", made = "control/morercpthosts.cdb";
    const lint_files::one &file = files_["morercpthosts"];
    cdb db;
    int error = 0;
    const Look look = host_.database(made, db, error);
    more_known_ = look != Look::failed && file.look != Look::failed;
    if (look == Look::failed) report_.unread({made, 0}, error);
    if (look == Look::absent && !file.entries.empty())
      report_.add(lint_code::MORERCPTHOSTS_NO_CDB, {made, 0}, "is missing: nothing in " + text + " counts",
                  "run qmail-newmrh");
    if (look != Look::found) return;
    const auto take = [&](std::string_view key, std::string_view) { return more_.emplace(key), true; };
    if (db.each(take, error) != Look::found || !db.sound("", error)) {
      more_known_ = false;
      if (error != CDB_DAMAGED) return report_.unread({made, 0}, error);
      return report_.add(lint_code::MORERCPTHOSTS_DAMAGED, {made, 0}, "is no database, or not a whole one",
                         "run qmail-newmrh");
    }
    if (file.look == Look::found) compare(text, made, file);
  }

  // Who may ask the daemon, and how often.
  void daemon_files() {
    std::vector<std::string> clients, keys, limits;
    clients_table(files_["verifyclients"].text, clients);
    keys_table(files_["verifykeys"].text, keys);
    limits_settings(files_["verifylimits"].text, limits);
    lint_sentences(lint_code::CLIENTS, "control/verifyclients", clients, "see qmail-verifyclients(5)", report_);
    lint_sentences(lint_code::KEYS, "control/verifykeys", keys, "see qmail-verifykeys(5)", report_);
    lint_sentences(lint_code::LIMITS, "control/verifylimits", limits, "see qmail-verifylimits(5)", report_);
  }

  void policy() {
    std::vector<std::string> complaints;
    const lint_files::one &file = files_["verifypolicy"];
    const policy_table table(file.text, complaints);
    lint_sentences(lint_code::POLICY, "control/verifypolicy", complaints,
                   "see qmail-verifypolicy(5) for what a line may say", report_);
    if (!files_.known({"locals", "virtualdomains", "me"})) return;
    for (const control_line &line : control_lines(file.text)) {
      const std::string name = text_lower(line.text.substr(0, line.text.find(':')));
      if (name.size() == line.text.size() || name.empty() || name.find_first_of(" \t@*") != name.npos) continue;
      if (is_ours(name) || has_below(name)) continue;
      report_.add(
          lint_code::POLICY_NOWHERE, {"control/verifypolicy", line.number},
          lint_quoted(name) + " is neither in control/locals nor in control/virtualdomains: the line never counts",
          "take it out, or write the domain as it stands there");
    }
  }

 private:
  const lint_files::one &virtualdomains() const { return files_["virtualdomains"]; }
  bool rcpthosts_there() const { return files_["rcpthosts"].look == Look::found; }
  // An empty control/rcpthosts: a host that takes mail of its own clients only.
  bool takes_mail() const {
    return rcpthosts_there() && more_known_ && !(control_lines(files_["rcpthosts"].text).empty() && more_.empty());
  }

  // control/locals, or control/me where that is missing
  bool is_local(std::string_view name) const {
    if (files_["locals"].look == Look::absent) return text_equal(name, files_.line("me")) && !name.empty();
    return files_["locals"].find(name) != nullptr;
  }
  std::string local_place(std::string_view name) const {
    const lint_entry *e = files_["locals"].find(name);
    return e ? "control/locals line " + std::to_string(e->line) : std::string("control/me");
  }

  bool is_virtual(std::string_view name) const {
    const lint_entry *e = covering(virtualdomains(), name, true);
    return e && !e->value.empty();
  }
  // Some of it, or all.
  bool is_ours(std::string_view name) const {
    return is_local(name) || is_virtual(name) || with_addresses_.contains(std::string(name));
  }
  // All of it.
  bool is_here(std::string_view name) const { return is_local(name) || is_virtual(name); }
  bool is_routed(std::string_view name) const { return covering(files_["smtproutes"], name, true) != nullptr; }

  // Does the daemon ask a server about it?
  bool is_verified(std::string_view name) const { return routes_.find(name) != nullptr; }

  std::vector<std::string> complaints_about(std::string_view file) const {
    std::vector<std::string> out;
    std::copy_if(route_complaints_.begin(), route_complaints_.end(), std::back_inserter(out),
                 [&](const std::string &sentence) { return sentence.starts_with(file); });
    return out;
  }

  // The lines of control/smtproutes that lead here, and that control/verifyroutes follows for
  // some domain: of two names of which a domain has both, one is the other's ending.
  std::vector<const lint_entry *> relays_to_here() const {
    const lint_files::one &routes = files_["verifyroutes"], &relays = files_["smtproutes"];
    std::map<unsigned, const lint_entry *> found;
    const auto look = [&](const lint_entry *route, const lint_entry *relay) {
      if (!route || !relay || !servers_of(route->value).follows_smtproutes()) return;
      if (has_own_address(servers_of("smtproutes", relay->value).servers())) found[relay->line] = relay;
    };
    if (!routes_.follows_smtproutes()) return {};
    for (const lint_entry &e : routes.entries) look(routes.find(e.name), covering(relays, e.name, true));
    for (const lint_entry &e : relays.entries) look(covering(routes, e.name, true), relays.find(e.name));
    std::vector<const lint_entry *> out;
    for (const auto &[line, relay] : found) out.push_back(relay);
    return out;
  }

  // Is there a domain of this host below this suffix?
  bool has_below(std::string_view suffix) const {
    const auto is_below = [&](const lint_entry &e) { return below(domain_of(e.name), suffix); };
    const auto any = [&](const lint_files::one &f) {
      return std::any_of(f.entries.begin(), f.entries.end(), is_below);
    };
    if (files_["locals"].look == Look::absent && below(text_lower(files_.line("me")), suffix)) return true;
    return suffix.starts_with('.') && (any(files_["locals"]) || any(virtualdomains()));
  }

  bool accepted(std::string_view name) const {
    if (covering(files_["rcpthosts"], name, false)) return true;
    for (size_t at = 0; at < name.size(); ++at)
      if ((at == 0 || name[at] == '.') && more_.contains(std::string(name.substr(at)))) return true;
    return false;
  }

  // Is a domain accepted that is this, or below this suffix?
  bool accepted_below(std::string_view name) const {
    const auto &names = files_["rcpthosts"].entries;
    return accepted(name) ||
           std::any_of(names.begin(), names.end(), [&](const lint_entry &e) { return below(e.name, name); }) ||
           std::any_of(more_.begin(), more_.end(), [&](const std::string &other) { return below(other, name); });
  }

  // This host's own names take mail from its own programs, and need not be known outside.
  bool own_name(std::string_view name) const {
    return name.find('.') == name.npos || name.ends_with(".localdomain") || name.ends_with(".local") ||
           name.starts_with('[') || text_equal(name, files_.line("me"));
  }

  void needed(const char *file, const lint_entry &e, bool is_virtual_entry) {
    const std::string_view name = domain_of(e.name);
    if (name.empty() || own_name(name) || accepted(name) || (is_virtual_entry && is_local(name))) return;
    if (!told_.emplace(name).second) return;
    report_.add(
        lint_code::NOT_IN_RCPTHOSTS, {file, e.line},
        lint_quoted(name) + " is not in control/rcpthosts: qmail-smtpd refuses mail for it that comes from outside",
        "add it there, or take it out here");
  }

  bool routed_below(std::string_view suffix) const {
    const auto &relays = files_["smtproutes"].entries, &routes = files_["verifyroutes"].entries;
    const auto is_below = [&](const lint_entry &e) { return below(e.name, suffix); };
    return std::any_of(relays.begin(), relays.end(), is_below) ||
           std::any_of(routes.begin(), routes.end(), [&](auto &e) { return is_below(e) && has_servers(e); });
  }

  void leads(const char *file, const lint_entry &e) {
    const lint_entry *counts = files_[std::string_view(file).substr(sizeof "control/" - 1)].find(e.name);
    if (counts && counts->line != e.line) return;
    if (e.name.starts_with('[') || is_ours(e.name) || is_routed(e.name) || is_verified(e.name) ||
        text_equal(e.name, files_.line("me")))
      return;
    if (has_below(e.name) || routed_below(e.name)) return;
    report_.add(lint_code::RCPTHOST_NOWHERE, {file, e.line},
                lint_quoted(e.name) +
                    " is accepted, but neither in control/locals nor in control/virtualdomains nor in "
                    "control/smtproutes nor in control/verifyroutes: its mail is sent on to wherever the DNS says",
                "take it out; or add it to one of them, to control/smtproutes as \"" + e.name +
                    ":\" if this host is a backup MX for it");
  }

  void compare(const std::string &text, const std::string &made, const lint_files::one &file) {
    std::set<std::string> wanted;
    for (const control_line &line : control_lines(file.text)) {
      wanted.insert(text_lower(line.text));
      if (!more_.contains(text_lower(line.text)))
        return differs({text, line.number}, lint_quoted(line.text) + " is not in " + made);
    }
    for (const std::string &name : more_)
      if (!wanted.contains(name)) return differs({made, 0}, lint_quoted(name) + " is not in " + text);
    struct stat old, now;
    if (host_.status(made, old) == 0 && host_.status(text, now) == 0 && lint_older(old, now))
      report_.add(lint_code::MORERCPTHOSTS_OLDER, {made, 0},
                  "is older than " + text + ", though they still say the same", "run qmail-newmrh");
  }

  void differs(lint_place at, const std::string &what) {
    report_.add(lint_code::MORERCPTHOSTS_DIFFERS, std::move(at), what + ", which qmail-smtpd reads",
                "run qmail-newmrh");
  }

  lint_host &host_;
  const lint_files &files_;
  lint_report &report_;
  std::vector<std::string> route_complaints_;
  routes_table routes_;
  std::set<std::string> with_addresses_;  // domains of which single addresses are virtual
  std::set<std::string> more_;            // control/morercpthosts.cdb
  bool more_known_ = true;
  std::set<std::string, std::less<>> told_;
};

}  // namespace

void lint_nowhere(lint_host &host, const lint_files &files, lint_report &report) {
  domains rules(host, files, report);
  rules.morercpthosts();
  rules.nowhere();
}

void lint_domains(lint_host &host, const lint_files &files, lint_report &report) {
  domains rules(host, files, report);
  rules.me();
  rules.virtuals();
  rules.morercpthosts();
  rules.rcpthosts();
  rules.nowhere();
  rules.percenthack();
  rules.envnoathost();
  rules.routes();
  rules.verifyroutes();
  rules.policy();
  rules.daemon_files();
}
