// flush.cpp - qmail-vrfy --flush: a daemon forgets what other servers have told it.

#include <string>

#include "counters.h"
#include "options.h"
#include "output.h"
#include "say.h"

namespace {

constexpr int TIMEOUT_MS = 1000;
constexpr unsigned TRIES = 3;  // a datagram may be lost

// What it says, or false after a message.
bool flush(const vrfy_endpoint &server, const std::string &domain, vrfy_output &out) {
  vrfy_page page;
  unsigned long flushed = 0;
  for (unsigned i = 0; i < TRIES && !page.answered; ++i) page = vrfy_flush_ask(server, domain, TIMEOUT_MS);
  if (!page.answered) return vrfy_say(server.text + ": " + page.trouble), false;
  if (!page.flush) return vrfy_say(server.text + ": keeps no answers: it is older than this qmail-vrfy"), false;
  flushed = page.flushed;
  out.put(std::to_string(flushed) + '\n');
  return true;
}

}  // namespace

int vrfy_flush(const vrfy_options &options) {
  const auto endpoints = vrfy_endpoints(options);
  vrfy_output out;
  bool all = !endpoints.empty();
  for (const vrfy_endpoint &server : endpoints) all = flush(server, options.domain, out) && all;
  return out.end() || !all ? VRFY_TROUBLE : VRFY_OK;
}
