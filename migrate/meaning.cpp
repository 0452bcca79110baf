// meaning.cpp - see meaning.h.

#include "meaning.h"

#include "qmail-verify.h"
#include "qmail/lines.h"
#include "qmail/text.h"
#include "udpbits.h"

namespace {

constexpr std::string_view VERIFY = "VERIFY", DEFER = "VERIFYDEFER", SERVER = "VERIFYSVR", DENY_ALL = "QMAILRRTDENYALL";

meaning left(std::string why) { return {meaning::What::left, {}, std::move(why)}; }
meaning set(std::string value) { return {meaning::What::set, std::move(value), {}}; }
meaning drop(std::string why = {}) { return {meaning::What::drop, {}, std::move(why)}; }

// Only what stood in VERIFYSVR: no path, no list, no "localhost".
bool is_server(const std::string &text) {
  udp_endpoint endpoint;
  const char *why;
  return text.find_first_not_of("0123456789.:") == text.npos &&
         udp_parse(text.data(), text.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &endpoint, &why) == 0;
}

// Today's words for VERIFYDEFER (set or not) and VERIFYSVR.
std::string value_of(bool deferred, const std::string &server) {
  const bool other = !server.empty() && server != ":";
  if (!deferred) return other ? server : ":";
  return other ? "DEFER," + server : "DEFER";
}

// VERIFYDEFER or VERIFYSVR is set.
meaning of_old(const meaning_scope &scope, From from) {
  const std::string server = scope.server.value_or("");
  if (!is_server(server))
    return left("VERIFYSVR is " + lines_quoted(server) +
                ", which is no address (ip, ip:port or :port): put what is meant into VERIFY");
  const bool on = scope.verify || scope.defer;
  if (!on && from == From::unsaid)
    return left("VERIFYSVR without VERIFY and VERIFYDEFER switched nothing on: --from=1.22 takes it out; but where "
                "one of them is set elsewhere for these clients, put " + lines_quoted(server) + " into that VERIFY");
  if (!on)
    return drop("VERIFYSVR is taken out, for without VERIFY and VERIFYDEFER it switched nothing on; where one of them "
                "is set elsewhere for these clients, put " + lines_quoted(server) + " into that VERIFY");
  const std::string value = value_of(scope.defer.has_value(), server);
  if (!scope.verify || !meaning_new(*scope.verify)) return set(value);
  if (*scope.verify == value) return drop();
  return left("VERIFY is " + lines_quoted(*scope.verify) + ", as of 1.30 and later, but the older variables beside it "
              "mean " + lines_quoted(value) + ": keep one of them");
}

// VERIFY alone.
meaning of_verify(const std::string &verify, From from, const meaning_age &age) {
  if (meaning_new(verify)) return {};
  if (from == From::before_130 || (age.old && !age.recent)) return set(":");
  if (!verify.empty() || (age.recent && !age.old)) return {};
  return left("VERIFY is empty: on before 1.30, off since then; --from=1.22 takes it for the older one");
}

meaning of_realrcptto(const meaning_scope &scope) {
  if (scope.old()) return left("VERIFYDEFER and VERIFYSVR are not realrcptto's but of qmail-verify before 1.30");
  if (scope.relay || scope.refused || scope.verify) return scope.deny_all ? drop() : meaning{};
  return set(value_of(scope.deny_all == "1", ""));
}

}  // namespace

std::optional<std::string> *meaning_scope::find(std::string_view name) {
  if (name == VERIFY) return &verify;
  if (name == DEFER) return &defer;
  if (name == SERVER) return &server;
  return name == DENY_ALL ? &deny_all : nullptr;
}

bool meaning_ours(std::string_view name) { return name == VERIFY || meaning_gone(name); }

bool meaning_gone(std::string_view name) { return name == DEFER || name == SERVER || name == DENY_ALL; }

bool meaning_new(std::string_view value) {
  if (value.find_first_of(":.,/[") != value.npos || value.starts_with('D') || value.starts_with('d')) return true;
  return text_equal(value, "OBSERVE") || text_equal(value, "OPEN") || text_equal(value, "STRICT") ||
         text_equal(value, "LOCALHOST") || text_equal(value.substr(0, 7), "MAXBAD=");
}

void meaning_age::add(const meaning_scope &scope) {
  old = old || scope.old();
  if (!scope.verify) return;
  recent = recent || meaning_new(*scope.verify);
  empty = empty || (scope.verify->empty() && !scope.old());
}

meaning meaning_of(const meaning_scope &scope, From from, const meaning_age &age) {
  if (from == From::realrcptto) return of_realrcptto(scope);
  if (!scope.verify && !scope.old()) return {};
  const bool torn = from == From::unsaid && age.old && age.recent && age.empty;
  if (torn && (scope.old() || scope.verify->empty()))
    return left("this file has VERIFY as of 1.30 and later, variables from before, and a VERIFY that is empty, which "
                "may be either: --from=1.22 takes the empty one for the older one");
  return scope.old() ? of_old(scope, from) : of_verify(*scope.verify, from, age);
}
