// route_test.cpp - qmail-send's rewrite(), rule by rule.

#include "address/route.h"

#include <gtest/gtest.h>

namespace {

struct Case {
  const char *address, *expected;  // "remote", "exception", or "local part / domain"
};

std::string lines(std::string text) { return control_parsefile(text); }

route_tables tables(const std::string &locals, const std::string &vdoms, const std::string &hack = "",
                    const std::string &host = "default.host") {
  return {host, control_map(lines(hack), control_map::Form::names), control_map(lines(locals), control_map::Form::names),
          control_map(lines(vdoms), control_map::Form::colon)};
}

std::string shown(const route &r) {
  if (r.kind == route::Kind::remote) return "remote";
  if (r.kind == route::Kind::exception) return "exception";
  return r.local + " / " + r.domain;
}

void check(const route_tables &t, std::initializer_list<Case> cases) {
  for (const Case &c : cases) EXPECT_EQ(shown(route_find(t, c.address)), c.expected) << c.address;
}

}  // namespace

TEST(Route, LocalsAndTheLastAt) {
  check(tables("example.org\n", ""), {{"a@example.org", "a / example.org"},
                                      {"a@EXAMPLE.org", "a / EXAMPLE.org"},
                                      {"a@b@example.org", "a@b / example.org"},
                                      {"@example.org", " / example.org"},
                                      {"a@x.example.org", "remote"},
                                      {"a@example.org ", "remote"},
                                      {"a@", "remote"}});
}

TEST(Route, WithoutAtTheDefaultHostIsAppended) {
  check(tables("default.host\n", ""), {{"a", "a / default.host"}, {"", " / default.host"}, {"a%b", "a%b / default.host"}});
  check(tables("default.host\n", "", "", ""), {{"a", "remote"}});
  check(tables("host\n", "", "", "x@host"), {{"a", "a@x / host"}});
}

TEST(Route, PercenthackGoesOnWhileTheDomainIsListed) {
  check(tables("c\n", "", "a\nb\n"), {{"u%c%b@a", "u / c"},
                                      {"u%c@a", "u / c"},
                                      {"u@a", "remote"},
                                      {"u%x@c", "u%x / c"},
                                      {"%c@a", " / c"},
                                      {"u%c@d@a", "remote"}});
}

TEST(Route, VirtualdomainsInOrder) {
  check(tables("", "d:dom\nu@d:who\n.w:wild\nx.w:exact\n:all\n"), {{"u@d", "who-u / d"},
                                                                  {"v@d", "dom-v / d"},
                                                                  {"v@y.w", "wild-v / y.w"},
                                                                  {"v@y.z.w", "wild-v / y.z.w"},
                                                                  {"v@x.w", "exact-v / x.w"},
                                                                  {"v@q.x.w", "wild-v / q.x.w"},
                                                                  {"v@w", "all-v / w"},
                                                                  {"v@.w", "wild-v / .w"},
                                                                  {"@d", "dom- / d"}});
}

TEST(Route, LocalsWinOverEveryEntry) {
  check(tables("d\n", "u@d:who\nd:dom\n:all\n"), {{"u@d", "u / d"}});
}

TEST(Route, AnEmptyPrependStopsTheSearchAndMeansRemote) {
  check(tables("", "d:\nu@e:\n.w:\n:all\n"),
        {{"u@d", "exception"}, {"u@e", "exception"}, {"v@e", "all-v / e"}, {"v@x.w", "exception"}});
}

TEST(Route, OddEntries) {
  check(tables("", "no-colon\nd:a:b\nd2:x@y\nD3: blank\n"),
        {{"u@no-colon", "remote"}, {"u@d", "a:b-u / d"}, {"u@d2", "x@y-u / d2"}, {"u@d3", " blank-u / d3"}});
}
