// ping.cpp - qmail-vrfy --ping: do the servers answer, and how fast?
//
// Each is asked a few times for its counters, which a process has to answer that judges:
// a socket that is open proves nothing. A daemon looks at no file for it and logs nothing.

#include <algorithm>
#include <cstdio>
#include <vector>

#include "counters.h"
#include "options.h"
#include "output.h"
#include "say.h"

namespace {

constexpr unsigned TIMES = 5;
constexpr int TIMEOUT_MS = 1000;

std::string ms(long long us) {
  char text[32];
  snprintf(text, sizeof text, "%.2f", static_cast<double>(us) / 1000);
  return text;
}

std::string version_of(const vrfy_page &page) {
  for (const vrfy_counter &c : page.lines)
    if (c.family == "info" && !c.labels.empty()) return "qmail-verify " + c.labels[0].second;
  return page.extended ? "version not told to others than its own host" : "plain answers only, as of 1.32";
}

// SERVER, n of m, min/median/max, version, with tabs between them.
bool ping(const vrfy_endpoint &server, vrfy_output &out) {
  std::vector<long long> took;
  std::string version, trouble;
  for (unsigned i = 0; i < TIMES; ++i) {
    const vrfy_page page = vrfy_counters_ask(server, 0, TIMEOUT_MS);
    if (!page.answered || page.temporary) {
      trouble = page.answered ? "nobody there can judge now" : page.trouble;
      if (took.empty() && i > 0) break;  // silent twice: it is down
      continue;
    }
    took.push_back(page.us);
    version = version_of(page);
  }
  std::sort(took.begin(), took.end());
  std::string line = server.text + '\t' + std::to_string(took.size()) + " of " + std::to_string(TIMES) + '\t';
  if (took.empty())
    line += "-\t" + trouble;
  else
    line += ms(took.front()) + '/' + ms(took[took.size() / 2]) + '/' + ms(took.back()) + " ms\t" + version;
  if (!took.empty() && !trouble.empty()) line += ", " + trouble;
  out.put(line + '\n');
  return !took.empty();
}

}  // namespace

int vrfy_ping(const vrfy_options &options) {
  const std::vector<vrfy_endpoint> servers = vrfy_endpoints(options);
  vrfy_output out;
  bool all = !servers.empty();
  for (const vrfy_endpoint &server : servers) all = ping(server, out) && all;
  return out.end() || !all ? VRFY_TROUBLE : VRFY_OK;
}
