// limits_test.cpp - control/verifylimits: what it says, whom it limits and for how
// long, and what a flood of clients does to memory and to the log.

#include "daemon/limits.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

constexpr long long SECOND = 1000, MINUTE = LIMITS_MINUTE_MS, HOUR = LIMITS_HOUR_MS;

ip_address ip(const std::string &text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return ip_of(bytes, 4);
  EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), bytes), 1) << text;
  return ip_of(bytes, 16);
}

ip_address numbered(unsigned n) {
  const unsigned char bytes[4] = {10, static_cast<unsigned char>(n >> 16), static_cast<unsigned char>(n >> 8),
                                  static_cast<unsigned char>(n)};
  return ip_of(bytes, 4);
}

struct read_settings {
  explicit read_settings(std::string_view text) : settings(text, complaints) {}
  std::vector<std::string> complaints;
  limits_settings settings;
};

class Limits : public testing::Test {
 protected:
  void in_force(std::string_view text) {
    read_settings r(text);
    EXPECT_TRUE(r.complaints.empty()) << r.complaints[0];
    guard.set(r.settings);
  }
  // A question as the daemon takes it. True: it was answered.
  bool ask(const ip_address &client, qv_verdict verdict) {
    if (!guard.may_know(client, now)) return false;
    guard.count(client, verdict, now);
    return true;
  }
  bool ask(const char *client, qv_verdict verdict) { return ask(ip(client), verdict); }
  // How many of n were answered.
  int bad(const char *client, int n) {
    int answered = 0;
    for (int i = 0; i < n; ++i) answered += ask(client, QV_INVALID);
    return answered;
  }
  int good(const char *client, int n) {
    int answered = 0;
    for (int i = 0; i < n; ++i) answered += ask(client, QV_VALID);
    return answered;
  }
  bool may(const char *client) { return guard.may_know(ip(client), now); }
  // Time goes by as it does for the daemon.
  void pass(long long ms) {
    for (const long long end = now + ms; now < end;) {
      now = std::min(now + SECOND, end);
      guard.tick(now);
    }
  }
  size_t lines_with(const std::string &words) const {
    return static_cast<size_t>(std::count_if(notes.begin(), notes.end(), [&](const std::string &n) {
      return n.find(words) != n.npos;
    }));
  }

  std::vector<std::string> notes;
  limits guard{[this](const std::string &sentence) { notes.push_back(sentence); }};
  long long now = 0;
};

constexpr char A[] = "192.0.2.9", B[] = "198.51.100.7";

}  // namespace

// ---- what the file says

TEST(VerifyLimits, NothingSaidIsOff) {
  EXPECT_FALSE(limits_settings().on());
  EXPECT_FALSE(read_settings("").settings.on());
  EXPECT_FALSE(read_settings("exempt:192.0.2.1\n").settings.on());
  EXPECT_FALSE(read_settings("badperminute:0\nbadperhour:0\n").settings.on());
}

TEST(VerifyLimits, EachLine) {
  const read_settings r("# limits\nbadperminute:60\n\nBadPerHour: 500 \nexempt:192.0.2.0/24\nexempt: 2001:db8::/32\nexempt:10.\n");
  EXPECT_TRUE(r.complaints.empty());
  EXPECT_TRUE(r.settings.on());
  EXPECT_EQ(r.settings.badperminute, 60u);
  EXPECT_EQ(r.settings.badperhour, 500u);
  EXPECT_EQ(r.settings.exempt.size(), 3u);
  EXPECT_TRUE(prefix_any(r.settings.exempt, ip("10.9.9.9")) && prefix_any(r.settings.exempt, ip("2001:db8::7")));
  EXPECT_TRUE(read_settings("badperhour:1").settings.on());
  EXPECT_EQ(read_settings("badperminute:1000000000").settings.badperminute, LIMITS_BAD_MAX);
}

TEST(VerifyLimits, WhatIsNoNumberChangesNothing) {
  for (auto value : {"", "x", "-1", "+1", "1x", "1 0", "0x10", "60.5", "1000000001", "18446744073709551676"}) {
    const read_settings r("badperminute:60\nbadperminute:" + std::string(value) + "\n");
    EXPECT_EQ(r.settings.badperminute, 60u) << value;
    ASSERT_EQ(r.complaints.size(), 1u) << value;
    EXPECT_EQ(r.complaints[0], "control/verifylimits line 2: \"badperminute:" + std::string(value) +
                                   "\" changes nothing: write a number from 1 to 1000000000 behind the colon, or 0 for no limit");
  }
}

TEST(VerifyLimits, HowLongAnswersAreKept) {
  const limits_settings none;
  EXPECT_EQ(none.keep_valid_ms, 300000);
  EXPECT_EQ(none.keep_invalid_ms, 1000);
  EXPECT_EQ(none.keep_stale_ms, 86400000);
  EXPECT_EQ(none.keep_answers, 131072u);
  const read_settings r("KeepValid: 60\nkeepinvalid:0\nkeepstale:3600\nkeepanswers:1024\n");
  EXPECT_TRUE(r.complaints.empty());
  EXPECT_FALSE(r.settings.on());
  EXPECT_EQ(r.settings.keep_valid_ms, 60000);
  EXPECT_EQ(r.settings.keep_invalid_ms, 0);
  EXPECT_EQ(r.settings.keep_stale_ms, 3600000);
  EXPECT_EQ(r.settings.keep_answers, 1024u);
}

TEST(VerifyLimits, HowLongAnswersAreKeptHasBounds) {
  const read_settings r("keepvalid:86401\nkeepinvalid:61\nkeepstale:604801\nkeepanswers:1023\nkeepanswers:16777217\nkeepvalid:\n");
  const limits_settings none;
  EXPECT_EQ(r.settings.keep_valid_ms, none.keep_valid_ms);
  EXPECT_EQ(r.settings.keep_invalid_ms, none.keep_invalid_ms);
  EXPECT_EQ(r.settings.keep_stale_ms, none.keep_stale_ms);
  EXPECT_EQ(r.settings.keep_answers, none.keep_answers);
  const std::string file = "control/verifylimits line ", write = " changes nothing: write a number";
  const std::vector<std::string> expected = {
      file + "1: \"keepvalid:86401\"" + write + " of seconds behind the colon, from 0 to 86400",
      file + "2: \"keepinvalid:61\"" + write + " of seconds behind the colon, from 0 to 60",
      file + "3: \"keepstale:604801\"" + write + " of seconds behind the colon, from 0 to 604800",
      file + "4: \"keepanswers:1023\"" + write + " from 1024 to 16777216 behind the colon",
      file + "5: \"keepanswers:16777217\"" + write + " from 1024 to 16777216 behind the colon",
      file + "6: \"keepvalid:\"" + write + " of seconds behind the colon, from 0 to 86400"};
  EXPECT_EQ(r.complaints, expected);
}

TEST(VerifyLimits, WhatIsNoTimeChangesNothing) {
  for (const std::string name : {"keepvalid", "keepinvalid", "keepstale"})
    for (const std::string value : {"", "x", "-1", "+1", "1s", "1.5", "604801", "18446744073709551617"}) {
      const read_settings r(name + ":7\n" + name + ":" + value + "\n");
      ASSERT_EQ(r.complaints.size(), 1u) << name << value;
      EXPECT_EQ(r.settings.keep_valid_ms, name == "keepvalid" ? 7000 : 300000) << value;
      EXPECT_EQ(r.settings.keep_invalid_ms, name == "keepinvalid" ? 7000 : 1000) << value;
      EXPECT_EQ(r.settings.keep_stale_ms, name == "keepstale" ? 7000 : 86400000) << value;
    }
  const read_settings most("keepvalid:86400\nkeepinvalid:60\nkeepstale:604800\nkeepanswers:16777216\n");
  EXPECT_TRUE(most.complaints.empty());
  EXPECT_EQ(most.settings.keep_valid_ms, 86400000);
  EXPECT_EQ(most.settings.keep_invalid_ms, 60000);
  EXPECT_EQ(most.settings.keep_stale_ms, 604800000);
  EXPECT_EQ(most.settings.keep_answers, 16777216u);
}

TEST(VerifyLimits, OfLinesWithTheSameNameTheLastCounts) {
  const read_settings r("keepvalid:99999\nkeepvalid:5\nkeepvalid:6\nkeepinvalid:2\nkeepinvalid:3\n"
                        "keepstale:1\nkeepstale:2\nkeepanswers:2000\nkeepanswers:3000\n");
  EXPECT_EQ(r.settings.keep_valid_ms, 6000);
  EXPECT_EQ(r.settings.keep_invalid_ms, 3000);
  EXPECT_EQ(r.settings.keep_stale_ms, 2000);
  EXPECT_EQ(r.settings.keep_answers, 3000u);
  const std::string file = "control/verifylimits line ";
  const std::string twice = " stands below a line of the same name, which no longer counts: take one of them out";
  ASSERT_EQ(r.complaints.size(), 5u);
  EXPECT_EQ(r.complaints[1], file + "3: \"keepvalid:6\"" + twice);
  EXPECT_EQ(r.complaints[2], file + "5: \"keepinvalid:3\"" + twice);
  EXPECT_EQ(r.complaints[3], file + "7: \"keepstale:2\"" + twice);
  EXPECT_EQ(r.complaints[4], file + "9: \"keepanswers:3000\"" + twice);
}

TEST(VerifyLimits, WhatElseCannotBeRead) {
  const read_settings r("badperminute\nexempt:mx.example\n badperhour:1\nbadpersecond:1\nexempt\n60\nbadperhour:7\nbadperhour:8\n");
  const std::string file = "control/verifylimits line ", write =
      " is not understood, and changes nothing: write badperminute:number, badperhour:number, exempt:prefix, "
      "keepvalid:seconds, keepinvalid:seconds, keepstale:seconds or keepanswers:number";
  const std::vector<std::string> expected = {
      file + "1: \"badperminute\"" + write,
      file + "2: \"exempt:mx.example\" exempts nobody: not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or "
             "2001:db8::/32)",
      file + "3: \" badperhour:1\"" + write,
      file + "4: \"badpersecond:1\"" + write,
      file + "5: \"exempt\"" + write,
      file + "6: \"60\"" + write,
      file + "8: \"badperhour:8\" stands below a line of the same name, which no longer counts: take one of them out"};
  EXPECT_EQ(r.complaints, expected);
  EXPECT_EQ(r.settings.badperhour, 8u);
  EXPECT_EQ(r.settings.badperminute, 0u);
  EXPECT_TRUE(r.settings.exempt.empty());
}

// ---- whom it limits

TEST_F(Limits, OffNobodyIsLimited) {
  EXPECT_EQ(bad(A, 100000), 100000);
  EXPECT_TRUE(notes.empty());
}

TEST_F(Limits, OverTheLimitOfAMinute) {
  in_force("badperminute:60\n");
  EXPECT_EQ(bad(A, 60), 60);
  EXPECT_TRUE(notes.empty());
  EXPECT_TRUE(may(A));
  EXPECT_EQ(bad(A, 10), 1);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "SMTP client 192.0.2.9 asked 61 times in a minute for addresses that do not exist (badperminute:60): "
                      "answered \"temporary\" from now on, for 10 minutes");
  EXPECT_FALSE(may(A)) << "for every address";
  EXPECT_TRUE(may(B)) << "nobody else is";
}

TEST_F(Limits, OverTheLimitOfAnHour) {
  in_force("badperhour:100\n");
  for (int i = 0; i < 100; ++i, pass(30 * SECOND)) EXPECT_TRUE(ask(A, QV_INVALID));
  EXPECT_TRUE(may(A));
  EXPECT_EQ(bad(A, 2), 1);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "SMTP client 192.0.2.9 asked 101 times in an hour for addresses that do not exist (badperhour:100): "
                      "answered \"temporary\" from now on, for 10 minutes");
}

TEST_F(Limits, WhicheverIsReachedFirst) {
  in_force("badperminute:10\nbadperhour:15\n");
  bad(A, 10);
  pass(MINUTE);
  EXPECT_EQ(bad(A, 10), 6);
  EXPECT_EQ(lines_with("asked 16 times in an hour"), 1u);
  bad(B, 20);
  EXPECT_EQ(lines_with("asked 11 times in a minute"), 1u);
}

TEST_F(Limits, AMinuteEndsAndAnotherBegins) {
  in_force("badperminute:10\n");
  for (int i = 0; i < 20; ++i, pass(MINUTE)) EXPECT_EQ(bad(A, 10), 10);
  EXPECT_TRUE(notes.empty());
  bad(A, 1);
  pass(MINUTE - 1);
  EXPECT_EQ(bad(A, 11), 10) << "one minute from the first answer on";
}

TEST_F(Limits, AnHourEndsAndAnotherBegins) {
  in_force("badperhour:10\n");
  EXPECT_EQ(bad(A, 10), 10);
  pass(HOUR - 1);
  EXPECT_TRUE(ask(A, QV_VALID));
  pass(1);
  EXPECT_EQ(bad(A, 10), 10);
  EXPECT_TRUE(notes.empty());
}

TEST_F(Limits, OnlyWhereMoreThanHalfWereInvalid) {
  in_force("badperminute:10\n");
  good(A, 100);
  EXPECT_EQ(bad(A, 100), 100) << "half of them";
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(bad(A, 2), 1) << "one more than half";
  EXPECT_EQ(notes.size(), 1u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(ask(B, QV_VALID));
    EXPECT_TRUE(ask(B, QV_INVALID));
  }
}

TEST_F(Limits, TheHalfIsThatOfTheSameWindow) {
  in_force("badperminute:10\n");
  good(A, 1000);
  pass(MINUTE);
  EXPECT_EQ(bad(A, 12), 11) << "what was asked before does not count";
}

TEST_F(Limits, RemoteAndUnknownAreAnswersTemporaryIsNone) {
  in_force("badperminute:10\n");
  for (int i = 0; i < 5; ++i) ask(A, QV_REMOTE), ask(A, QV_UNKNOWN);
  for (int i = 0; i < 50; ++i) ask(A, QV_TEMPORARY), ask(B, QV_TEMPORARY);
  EXPECT_EQ(bad(A, 11), 11) << "11 of 21";
  EXPECT_FALSE(may(A));
  EXPECT_EQ(bad(B, 12), 11) << "11 of 11";
}

TEST_F(Limits, AGoodAnswerNeverBeginsALimit) {
  in_force("badperminute:1000\n");
  bad(A, 100);
  in_force("badperminute:10\n");
  EXPECT_EQ(good(A, 1), 1);
  EXPECT_TRUE(may(A) && notes.empty());
  bad(A, 1);
  EXPECT_FALSE(may(A)) << "what was counted stayed";
}

TEST_F(Limits, WithoutAnAddressNobodyIsCounted) {
  in_force("badperminute:1\n");
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ask(ip_address(), QV_INVALID));
  EXPECT_TRUE(notes.empty());
}

// ---- who is one client

TEST_F(Limits, IPv6ByItsFirst64Bits) {
  in_force("badperminute:3\n");
  for (auto client : {"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::", "2001:db8:1:2:1:2:3:4"})
    EXPECT_TRUE(ask(client, QV_INVALID));
  EXPECT_FALSE(may("2001:db8:1:2:8000::"));
  EXPECT_TRUE(may("2001:db8:1:3::1"));
  EXPECT_EQ(lines_with("SMTP client 2001:db8:1:2::/64 asked 4 times"), 1u);
}

TEST_F(Limits, IPv4InIPv6IsIPv4AndNoOtherIsTakenForIt) {
  in_force("badperminute:1\n");
  ask("::ffff:192.0.2.9", QV_INVALID), ask(A, QV_INVALID);
  EXPECT_FALSE(may(A) || may("::ffff:192.0.2.9"));
  EXPECT_TRUE(may("0:0:c000:209::1")) << "the same 64 bits, of another family";
}

TEST_F(Limits, TheExempt) {
  in_force("exempt:192.0.2.0/24\nbadperminute:1\nexempt:2001:db8::1\n");
  EXPECT_EQ(bad(A, 100), 100);
  EXPECT_EQ(bad("2001:db8::1", 100), 100);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(bad("2001:db8::2", 100), 2) << "the exempt one of its /64 did not count";
  EXPECT_EQ(bad("2001:db8::1", 100), 100);
}

// ---- for how long

TEST_F(Limits, TenMinutes) {
  in_force("badperminute:1\n");
  bad(A, 2);
  pass(LIMITS_BITE_MS - 1);
  EXPECT_FALSE(may(A));
  EXPECT_EQ(notes.size(), 1u);
  pass(1);
  EXPECT_TRUE(may(A));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[1], "SMTP client 192.0.2.9 is answered as before again");
}

TEST_F(Limits, TheEndDoesNotWaitForATick) {
  in_force("badperminute:1\n");
  bad(A, 2);
  now += LIMITS_BITE_MS;
  EXPECT_TRUE(may(A));
  EXPECT_EQ(notes.size(), 2u);
  pass(MINUTE);
  EXPECT_EQ(notes.size(), 2u);
}

TEST_F(Limits, TenMinutesInAnyHour) {
  in_force("badperminute:1\nbadperhour:5\n");
  long long limited = 0;
  std::vector<long long> begins;
  for (; now < 3 * HOUR; pass(SECOND)) {  // who never stops asking
    if (ask(A, QV_INVALID)) continue;
    limited += SECOND;
    if (begins.empty() || now - begins.back() >= LIMITS_BITE_MS) begins.push_back(now);
  }
  ASSERT_EQ(begins.size(), 3u);
  EXPECT_GE(begins[1] - begins[0], HOUR - SECOND);
  EXPECT_GE(begins[2] - begins[1], HOUR - SECOND);
  EXPECT_LE(limited, 3 * LIMITS_BITE_MS);
  EXPECT_GE(limited, 3 * LIMITS_BITE_MS - 3 * SECOND);
  EXPECT_EQ(lines_with("answered \"temporary\""), 3u);
  EXPECT_EQ(lines_with("answered as before again"), 3u);
}

TEST_F(Limits, AskingOnDoesNotMakeItLonger) {
  in_force("badperminute:1\n");
  bad(A, 2);
  for (; now < LIMITS_BITE_MS; pass(SECOND)) EXPECT_FALSE(ask(A, QV_INVALID));
  EXPECT_TRUE(may(A));
}

// ---- changes of the file

TEST_F(Limits, ALimitThatIsTakenOutEnds) {
  in_force("badperminute:1\n");
  bad(A, 2);
  in_force("");
  EXPECT_TRUE(may(A));
  EXPECT_EQ(lines_with("as before again"), 1u);
  EXPECT_EQ(bad(A, 100), 100);
  in_force("badperminute:1\n");
  EXPECT_EQ(bad(A, 100), 100) << "its hour is not over";
  pass(HOUR);
  EXPECT_EQ(bad(A, 100), 2);
}

TEST_F(Limits, ALimitThatIsRaisedEndsWhereItWouldNotHaveBegun) {
  in_force("badperminute:1\nbadperhour:1000\n");
  bad(A, 2);
  in_force("badperminute:1\n");
  EXPECT_FALSE(may(A));
  in_force("badperminute:2\n");
  EXPECT_TRUE(may(A));
}

TEST_F(Limits, WhoBecomesExemptIsAnsweredAtOnce) {
  in_force("badperminute:1\n");
  bad(A, 2), bad(B, 2), bad("2001:db8::1", 2);
  in_force("badperminute:1\nexempt:192.0.2.9\nexempt:2001:db8::1\n");
  EXPECT_TRUE(may(A));
  EXPECT_FALSE(may(B));
  EXPECT_TRUE(may("2001:db8::1"));
  EXPECT_FALSE(may("2001:db8::2"));
}

// ---- a flood

TEST_F(Limits, AFloodOfClientsFreesNobodyWhoIsLimited) {
  in_force("badperminute:1\n");
  for (unsigned i = 0; i < 1000; ++i) ask(numbered(i), QV_INVALID), ask(numbered(i), QV_INVALID);
  for (unsigned i = 1000; i < 1000000; ++i) ask(numbered(i), QV_VALID);
  unsigned limited = 0;
  for (unsigned i = 0; i < 1000; ++i) limited += !guard.may_know(numbered(i), now);
  EXPECT_EQ(limited, 1000u);
}

TEST_F(Limits, AFloodDoesNotMakeAnybodysTenMinutesMore) {
  in_force("badperminute:1\n");
  bad(A, 2);
  pass(LIMITS_BITE_MS);
  for (unsigned i = 0; i < 1000000; ++i) ask(numbered(i), QV_VALID);
  EXPECT_EQ(bad(A, 100), 100) << "it is still known that it had them";
}

TEST_F(Limits, WhereAllPlacesAreLimitedNewcomersAreAnswered) {
  in_force("badperminute:1\n");
  const unsigned clients = 4 * LIMITS_CLIENTS;
  for (unsigned i = 0; i < clients; ++i) ask(numbered(i), QV_INVALID), ask(numbered(i), QV_INVALID);
  unsigned limited = 0;
  for (unsigned i = 0; i < clients; ++i) limited += !guard.may_know(numbered(i), now);
  EXPECT_LE(limited, LIMITS_CLIENTS);
  EXPECT_GT(limited, LIMITS_CLIENTS * 9 / 10);
}

TEST_F(Limits, WhoGoesOnAskingIsNotForgotten) {
  in_force("badperminute:50\n");
  unsigned others = 0;
  for (int second = 0; second < 51; ++second, pass(SECOND)) {
    EXPECT_TRUE(ask(A, QV_INVALID)) << second;
    for (int i = 0; i < 2000; ++i) ask(numbered(others++), QV_VALID);
  }
  EXPECT_FALSE(may(A));
}

TEST_F(Limits, NeighboursAreSpread) {
  // Half as many clients as there are places: hardly any is forgotten, and whom that
  // meets is not to be foretold.
  in_force("badperminute:1\n");
  for (unsigned i = 0; i < LIMITS_CLIENTS / 2; ++i) ask(numbered(i), QV_INVALID);
  for (unsigned i = 0; i < LIMITS_CLIENTS / 2; ++i) ask(numbered(i), QV_INVALID);
  unsigned limited = 0;
  for (unsigned i = 0; i < LIMITS_CLIENTS / 2; ++i) limited += !guard.may_know(numbered(i), now);
  EXPECT_GT(limited, LIMITS_CLIENTS / 2 * 9 / 10);
}

TEST_F(Limits, TheLogIsBounded) {
  in_force("badperminute:1\n");
  for (unsigned i = 0; i < 2000; ++i) ask(numbered(i), QV_INVALID), ask(numbered(i), QV_INVALID);
  EXPECT_EQ(notes.size(), LIMITS_LINES);
  EXPECT_EQ(lines_with("asked 2 times"), LIMITS_LINES);
  pass(MINUTE);
  ASSERT_EQ(notes.size(), LIMITS_LINES + 1u);
  EXPECT_EQ(notes.back(), "in the minute of the last 20 such lines 1980 more SMTP clients went over a limit, and 0 more "
                          "are answered as before again");
  pass(LIMITS_BITE_MS);
  EXPECT_EQ(lines_with("is answered as before again"), LIMITS_LINES);
  EXPECT_EQ(notes.back(), "in the minute of the last 20 such lines 0 more SMTP clients went over a limit, and 1980 more "
                          "are answered as before again");
  pass(HOUR);
  EXPECT_EQ(notes.size(), 2 * (LIMITS_LINES + 1u));
  bad(A, 2);
  EXPECT_EQ(lines_with(A), 1u);
}
