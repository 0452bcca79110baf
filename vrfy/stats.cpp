// stats.cpp - qmail-vrfy --stats: the daemon's counters, as text or for Prometheus.

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "counters.h"
#include "options.h"
#include "output.h"
#include "say.h"

namespace {

constexpr int TIMEOUT_MS = 1000;
constexpr unsigned TRIES = 3;    // a datagram may be lost
constexpr unsigned PAGES = 100;  // more than any daemon has

struct family {
  std::string_view name, help;
};
constexpr family FAMILIES[] = {
    {"info", "The daemon that answered."},
    {"start_time_seconds", "When it was started, in seconds since 1970."},
    {"uptime_seconds", "How long ago that was."},
    {"workers", "Processes that judge."},
    {"workers_wanted", "How many there are while nothing is slow."},
    {"hanging", "Places that do not answer: homes and file systems."},
    {"homes_closed", "1 while too many workers are stuck and no home is looked at."},
    {"waiting", "Questions of UNIX sockets that wait for a worker."},
    {"waiting_most", "The most that have waited at a time."},
    {"connections", "Connections to UNIX sockets."},
    {"questions_total", "Datagrams that came, by where they came to and by packet."},
    {"stats_questions_total", "Questions for these counters."},
    {"ignored_total", "Datagrams without an answer: no question, asker not known, not signed; servers' that are none."},
    {"routed_total", "Questions about domains in control/verifyroutes, by what answered them."},
    {"servers_asked_total", "Questions that were sent to other servers for them."},
    {"unsent_total", "Answers that could not be sent."},
    {"put_aside_total", "Questions that waited for a home which another one was waiting for."},
    {"passwd_slow_total", "Questions that needed getpwnam_r, and went to a slow worker for it."},
    {"passwd_total", "Users looked up, by what knew: the index of /etc/passwd, what was kept for a second, getpwnam_r."},
    {"absent_by_listing_total", "Names in homes that a kept listing proved absent."},
    {"workers_started_total", "Processes started to judge."},
    {"workers_ended_total", "Processes that ended otherwise than told to."},
    {"hangups_total", "SIGHUPs."},
    {"changes_total", "Times that changed files were taken over."},
    {"log_lines_dropped_total", "Log lines that the reader of the log did not take in time."},
    {"answers_total", "Answers, by verdict and reason; temporary ones to plain packets are silence."},
};

// All that a server tells. False after a message.
bool ask(const vrfy_endpoint &server, std::vector<vrfy_counter> &lines) {
  unsigned from = 0;
  for (unsigned pages = 0; pages < PAGES; ++pages) {
    vrfy_page page;
    for (unsigned i = 0; i < TRIES && !page.answered; ++i) page = vrfy_counters_ask(server, from, TIMEOUT_MS);
    if (!page.answered || !page.counters) {
      vrfy_say(server.text + ": " +
               (!page.answered    ? page.trouble
                : page.extended ? std::string("tells no counters: it is older than this qmail-vrfy")
                                : std::string("tells no counters: it gives plain answers only, as qmail-verify 1.32")));
      return false;
    }
    std::move(page.lines.begin(), page.lines.end(), std::back_inserter(lines));
    if (page.next <= from) return true;
    from = page.next;
  }
  return true;
}

// ---- text

std::string words(const vrfy_counter &c) {
  std::string out = c.family;
  for (const auto &[name, value] : c.labels) out += ' ' + name + '=' + value;
  return out;
}

void put_text(const std::vector<vrfy_counter> &lines, vrfy_output &out) {
  size_t left = 0, right = 0;
  for (const vrfy_counter &c : lines) {
    left = std::max(left, words(c).size());
    right = std::max(right, c.value.size());
  }
  for (const vrfy_counter &c : lines) {
    const std::string name = words(c);
    out.put(name + std::string(left - name.size() + 2 + right - c.value.size(), ' ') + c.value + '\n');
  }
}

// ---- Prometheus' text format, version 0.0.4

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string sample(const vrfy_counter &c, const std::string &server) {
  std::string labels;
  const auto put = [&](const std::string &name, const std::string &value) {
    labels += (labels.empty() ? "" : ",") + name + "=\"" + escaped(value) + '"';
  };
  if (!server.empty()) put("server", server);
  for (const auto &[name, value] : c.labels) put(name, value);
  return "qmail_verify_" + c.family + (labels.empty() ? "" : '{' + labels + '}') + ' ' + c.value + '\n';
}

// A family's samples stand together, of all servers.
void put_prometheus(const std::vector<std::pair<std::string, std::vector<vrfy_counter>>> &servers, vrfy_output &out) {
  std::vector<std::string> order;
  std::map<std::string, std::string> samples;
  for (const auto &[server, lines] : servers)
    for (const vrfy_counter &c : lines) {
      std::string &to = samples[c.family];
      if (to.empty()) order.push_back(c.family);
      to += sample(c, servers.size() > 1 ? server : std::string());
    }
  for (const std::string &name : order) {
    const auto known = std::find_if(std::begin(FAMILIES), std::end(FAMILIES), [&](const family &f) { return f.name == name; });
    const char *const type = name.ends_with("_total") ? "counter" : "gauge";
    if (known != std::end(FAMILIES)) out.put("# HELP qmail_verify_" + name + ' ' + std::string(known->help) + '\n');
    out.put("# TYPE qmail_verify_" + name + ' ' + type + '\n');
    out.put(samples[name]);
  }
}

}  // namespace

int vrfy_stats(const vrfy_options &options) {
  std::vector<std::pair<std::string, std::vector<vrfy_counter>>> servers;
  const std::vector<vrfy_endpoint> endpoints = vrfy_endpoints(options);
  vrfy_output out;
  bool all = !endpoints.empty();
  for (const vrfy_endpoint &server : endpoints) {
    std::vector<vrfy_counter> lines;
    if (ask(server, lines))
      servers.emplace_back(server.text, std::move(lines));
    else
      all = false;
  }
  if (options.prometheus) {
    put_prometheus(servers, out);
  } else {
    for (const auto &[server, lines] : servers) {
      if (endpoints.size() > 1) out.put((&server == &servers.front().first ? "" : "\n") + server + '\n');
      put_text(lines, out);
    }
  }
  return out.end() || !all ? VRFY_TROUBLE : VRFY_OK;
}
