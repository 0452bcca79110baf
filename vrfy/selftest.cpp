// selftest.cpp - qmail-vrfy --selftest: where is verification without effect?
//
// Asks about a name that nobody has in each domain of control/locals and
// control/virtualdomains. A domain that accepts it accepts anything: it is named, with
// the file and the line that do so, as far as this process has the rights to look. And
// what control/rcpthosts accepts has to be of this host, or routed.

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "answer.h"
#include "asker.h"
#include "conf.h"
#include "here.h"
#include "json.h"
#include "lint.h"
#include "lint_unix.h"
#include "nobody.h"
#include "options.h"
#include "output.h"
#include "say.h"

namespace {

// A domain that is asked about.
struct question {
  std::string domain;  // as the control file has it
  lint_place at;
  std::string address;
  vrfy_answer answer;
};

// What decided, by the steps of a judgement (address/steps.h).
struct decided {
  std::string home, file, line, policy;
  char kind = 0;  // of the line: p(rogram), m(ailbox), f(orward)

  static void told(void *ctx, const address_step *step) {
    if (step->depth == 0) static_cast<decided *>(ctx)->take(*step);
  }

 private:
  void take(const address_step &s) {
    const std::string_view step = s.step, found = s.found;
    if (step == "home" && found == "entered") home = s.file;
    if (step == "dot-qmail" && found != "absent" && found != "not-regular") file = s.file;
    if (step == "policy" && found == "applies") policy = std::string(s.file) + " line " + std::to_string(s.line);
    if (step == "program") keep('p', s);
    if (step == "line" && found == "mailbox" && kind != 'p' && kind != 'm') keep('m', s);
    if (step == "line" && found == "forward" && !kind) keep('f', s);
  }

  void keep(char what, const address_step &s) {
    kind = what;
    line.assign(s.name, s.name_len);
  }
};

class selftest {
 public:
  explicit selftest(const vrfy_options &options) : options_(options) {}

  int run() {
    char full[PATH_MAX];
    if (realpath(options_.qmail.c_str(), full)) options_.qmail = full;
    const auto asker = vrfy_asker_for(options_);
    const auto host = asker ? lint_unix_open(options_) : nullptr;
    if (!host) return VRFY_TROUBLE;
    lint_report silent([](const lint_finding &) {});
    const lint_files files(*host, lint_unix_settings(options_), silent);
    known(files);
    gather(files);
    ask(*asker);
    if (options_.here) users(*asker, *host, files);
    tell();
    nowhere(*host, files);
    const int written = out_.end();
    return written || trouble_ ? VRFY_TROUBLE : nowhere_ ? VRFY_FOUND : VRFY_OK;
  }

 private:
  // Files without which it cannot be said what there is to be asked.
  void known(const lint_files &files) {
    for (const char *name : {"me", "locals", "virtualdomains", "rcpthosts", "morercpthosts", "smtproutes", "verifyroutes"}) {
      if (files[name].look != Look::failed) continue;
      vrfy_say(std::string("control/") + name + " cannot be read: nothing is said about its domains");
      trouble_ = true;
    }
  }

  // ---- what is asked

  void add(std::string domain, lint_place at, const std::string &asked) {
    questions_.push_back({std::move(domain), std::move(at), name_ + "@" + asked, {}});
  }

  void gather(const lint_files &files) {
    const auto &locals = files["locals"], &virtuals = files["virtualdomains"];
    if (locals.look == Look::absent && !files.line("me").empty())
      add(files.line("me"), {"control/me", 1}, files.line("me"));
    for (const lint_entry &e : locals.entries)
      if (locals.find(e.name)->line == e.line) add(e.name, {"control/locals", e.line}, e.name);
    for (const lint_entry &e : virtuals.entries) {
      const bool counts = !e.value.empty() && virtuals.find(e.name)->line == e.line && !locals.find(e.name);
      const std::string below = e.name.starts_with('.') ? name_ + e.name : e.name.empty() ? name_ + ".invalid" : e.name;
      if (counts && e.name.find('@') == std::string::npos) add(e.name, {"control/virtualdomains", e.line}, below);
    }
  }

  void ask(vrfy_asker &asker) {
    size_t asked = 0, answered = 0;
    asker.ask(
        [&](std::string &address) {
          if (asked == questions_.size()) return false;
          address = questions_[asked++].address;
          return true;
        },
        [&](const std::string &, const vrfy_answer &answer) { questions_[answered++].answer = answer; });
  }

  // Users' own catch-alls: only counted, and only by -n, as a daemon writes a line into
  // its log for each question.
  void users(vrfy_asker &asker, lint_host &host, const lint_files &files) {
    const auto &locals = files["locals"];
    const std::string domain = locals.entries.empty() ? files.line("me") : locals.entries.front().name;
    std::vector<std::string> names;
    if (const int error = host.each_user([&](const site_passwd &entry) { names.push_back(entry.name); })) {
      vrfy_say_errno("passwd cannot be listed", error);
      trouble_ = true;
    }
    size_t asked = 0, answered = 0;
    asker.ask(
        [&](std::string &address) {
          if (asked == names.size()) return false;
          address = names[asked++] + CONF_BREAK[0] + name_ + "@" + domain;
          return true;
        },
        [&](const std::string &, const vrfy_answer &a) {
          const bool accepts = a.verdict == QV_VALID || a.verdict == QV_UNKNOWN;
          users_ += a.user == names[answered++] && accepts;
        });
  }

  // ---- what came of it

  void tell() {
    size_t refuse = 0, accept = 0;
    for (const question &q : questions_) {
      refuse += q.answer.verdict == QV_INVALID;
      accept += q.answer.verdict != QV_INVALID && q.answer.verdict != QV_TEMPORARY;
      trouble_ = trouble_ || q.answer.verdict == QV_TEMPORARY;
      if (options_.json)
        out_.put(json(q, reason_of(q)));
      else if (q.answer.verdict != QV_INVALID || options_.explain)
        out_.put(shown(q.domain) + ": " + reason_of(q) + "\n");
    }
    if (options_.json) return;
    out_.put(std::to_string(questions_.size()) + " domains: " + std::to_string(accept) + " accept any name, " +
             std::to_string(refuse) + " refuse, " + std::to_string(questions_.size() - accept - refuse) +
             " could not be told\n");
    if (users_) out_.put(std::to_string(users_) + " users accept anything behind their names and a dash\n");
  }

  static std::string shown(const std::string &domain) {
    return domain.empty() ? std::string("every other domain") : vrfy_safe(domain);
  }

  std::string reason_of(const question &q) {
    const std::string verdict = vrfy_verdict_name(q.answer.verdict), reason = vrfy_reason_name(q.answer);
    switch (q.answer.verdict) {
      case QV_TEMPORARY:
        return vrfy_safe_sentence(vrfy_trouble(q.answer)) + ": " + verdict;
      case QV_INVALID:
        return "refuses: " + verdict + " (" + reason + ")";
      case QV_REMOTE:
        return "is not known as a domain of this host to whom was asked: has the control file changed? " + verdict;
      default:
        return why(q) + ": " + verdict + (q.answer.reason == QV_REASON_PROGRAM ? "" : " (" + reason + ")");
    }
  }

  // The file that takes any name, and what it does.
  std::string why(const question &q) {
    decided d;
    address_answer here{};
    if (geteuid() == 0 && (host_ || (host_ = vrfy_host::open(options_)))) {
      const address_question asked = vrfy_question(options_, q.address);
      address_explain(host_->get(), &asked, &here, decided::told, &d);
    }
    // what is seen here must be what was answered
    if (here.reason == QV_REASON_NONE || here.reason != static_cast<qv_reason>(q.answer.reason)) d = {};
    if (here.reason == QV_REASON_POLICY_OFF) return d.policy + " says off";
    if (here.reason == QV_REASON_POLICY_OBSERVE) return d.policy + " says observe";
    if (d.file.empty())
      return q.answer.user.empty() ? "accepts any name" : "everything is for ~" + vrfy_safe(q.answer.user);
    return "catch-all " + file(d, q.answer.user) + " " + does(d);
  }

  static std::string file(const decided &d, const std::string &user) {
    if (d.home.empty() || !d.file.starts_with(d.home + "/")) return vrfy_safe(d.file);
    return "~" + vrfy_safe(user) + vrfy_safe(d.file.substr(d.home.size()));
  }

  // The line's first word for a program, its path or address for another.
  static std::string does(const decided &d) {
    std::string_view text = d.line;
    if (d.kind == 'p') {
      text.remove_prefix(std::min(text.find_first_not_of("| \t"), text.size()));
      return "runs '" + vrfy_safe(text.substr(0, text.find_first_of(" \t"))) + "'";
    }
    if (d.kind == 'm') return "delivers to '" + vrfy_safe(text) + "'";
    if (text.starts_with('&')) text.remove_prefix(1);
    return d.kind == 'f' ? "forwards to '" + vrfy_safe(text) + "'" : std::string("takes it");
  }

  static std::string json(const question &q, const std::string &text) {
    std::string out = "{\"domain\":";
    vrfy_json_string(out, q.domain);
    out += ",\"file\":\"" + q.at.file + "\",\"line\":" + std::to_string(q.at.line) + ",\"address\":";
    vrfy_json_string(out, q.address);
    out += std::string(",\"verdict\":\"") + vrfy_verdict_name(q.answer.verdict) + "\",\"reason\":";
    vrfy_json_string(out, vrfy_reason_name(q.answer));
    out += ",\"user\":";
    vrfy_json_string(out, q.answer.user);
    out += ",\"text\":";
    vrfy_json_string(out, text);
    return out + "}\n";
  }

  // ---- what is accepted, and goes nowhere

  void nowhere(lint_host &host, const lint_files &files) {
    lint_report report([&](const lint_finding &f) {
      if (f.code == lint_code::UNREAD) {
        vrfy_say(vrfy_safe_sentence(f.at.file + " " + f.text));
        trouble_ = true;
      }
      if (f.code != lint_code::RCPTHOST_NOWHERE) return;
      nowhere_ = true;
      out_.put(options_.json ? lint_json(f) : lint_line(f));
    });
    lint_nowhere(host, files, report);
  }

  vrfy_options options_;
  const std::string name_ = vrfy_nobody();
  std::vector<question> questions_;
  std::unique_ptr<vrfy_host> host_;
  vrfy_output out_;
  size_t users_ = 0;
  bool trouble_ = false, nowhere_ = false;
};

}  // namespace

int vrfy_selftest(const vrfy_options &options) { return selftest(options).run(); }
