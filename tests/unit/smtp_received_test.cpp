// The Received field.

#include "smtp/received.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/smtp_harness.h"

namespace {

TEST(smtp_received, date) {
  EXPECT_EQ(received_date(0), "1 Jan 1970 00:00:00 -0000");
  EXPECT_EQ(received_date(951782399), "28 Feb 2000 23:59:59 -0000");
  EXPECT_EQ(received_date(951782400), "29 Feb 2000 00:00:00 -0000");
  EXPECT_EQ(received_date(-1), "31 Dec 1969 23:59:59 -0000");
}

TEST(smtp_received, date_as_the_c_library_has_it) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 20000; ++round) {
    const time_t when = static_cast<time_t>(random() % 16725225600) - 2208988800;  // 1900 to 2500
    tm broken;
    gmtime_r(&when, &broken);
    char text[64];
    strftime(text, sizeof text, "%b %Y %H:%M:%S -0000", &broken);
    ASSERT_EQ(received_date(when), std::to_string(broken.tm_mday) + " " + text);
  }
}

TEST(smtp_received, field) {
  smtp_env env = harness_env();
  const std::string helo = "a b(c)\xff";
  EXPECT_EQ(received_field(env, nullptr, 0),
            "Received: from mail.sender.test (192.0.2.45)\n  by mx.example.com with SMTP; 1 Jan 1970 00:00:00 -0000\n");
  env.remote_info = "";
  EXPECT_EQ(received_field(env, &helo, 0),
            "Received: from mail.sender.test (HELO a?b?c?\?) (@192.0.2.45)\n"
            "  by mx.example.com with SMTP; 1 Jan 1970 00:00:00 -0000\n");
  env.remote_info = "joe;x";
  env.remote_host = "h\n";
  env.local = "l(";
  env.remote_ip = "::1";
  EXPECT_EQ(received_field(env, nullptr, 0),
            "Received: from h? (joe?x@::1)\n  by l? with SMTP; 1 Jan 1970 00:00:00 -0000\n");
}

}  // namespace
