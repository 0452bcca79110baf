// rcptcheck_test.cpp - who runs qmail-rcptcheck, by its name and by what is there; its input.

#include <gtest/gtest.h>

#include <string>

#include "rcptcheck/door.h"

using namespace std::string_literals;

namespace {

constexpr door_fds NOTHING{true, false, false}, CLOSED{false, false, false}, PIPE_ON_3{true, true, false};

door_env with(const char *recipient, const char *smtprcptto) {
  door_env env{};
  env.recipient = recipient;
  env.smtprcptto = smtprcptto;
  return env;
}

}  // namespace

TEST(RcptcheckDoor, ByName) {
  EXPECT_EQ(door_by_name("/var/qmail/bin/qmail-rcptcheck"), door::none);
  EXPECT_EQ(door_by_name("rcptcheck"), door::rcptcheck);
  EXPECT_EQ(door_by_name("/usr/lib/rcptcheck"), door::rcptcheck);
  EXPECT_EQ(door_by_name("/rcptcheck/x"), door::none);
  EXPECT_EQ(door_by_name("bin/verify-spp"), door::spp);
  EXPECT_EQ(door_by_name("spp"), door::none);
  EXPECT_EQ(door_by_name("qmail-recipients"), door::recipients);
  EXPECT_EQ(door_by_name(""), door::none);
}

TEST(RcptcheckDoor, BySigns) {
  EXPECT_EQ(door_by_signs(with(nullptr, nullptr), NOTHING), door::none);
  EXPECT_EQ(door_by_signs(with(nullptr, nullptr), PIPE_ON_3), door::recipients);
  EXPECT_EQ(door_by_signs(with("", nullptr), PIPE_ON_3), door::rcptcheck);
  EXPECT_EQ(door_by_signs(with(nullptr, ""), PIPE_ON_3), door::spp);
  EXPECT_EQ(door_by_signs(with("a", "a"), NOTHING), door::rcptcheck);
  EXPECT_EQ(door_by_signs(with("a", "a"), CLOSED), door::spp);
  EXPECT_EQ(door_by_signs(with("a", nullptr), CLOSED), door::rcptcheck);
}

TEST(RcptcheckDoor, SettledWithoutAQuestion) {
  door_env env = with("a", "a");
  for (door d : {door::rcptcheck, door::spp, door::recipients}) EXPECT_FALSE(door_is_settled(d, env));
  env.smtprcpthostsok = "1";
  EXPECT_FALSE(door_is_settled(door::spp, env));
  env.smtprcpthostsok = "0";
  EXPECT_TRUE(door_is_settled(door::spp, env));
  EXPECT_FALSE(door_is_settled(door::rcptcheck, env)) << "a variable of qmail-spp's";
  env.smtprcpthostsok = "";
  env.smtpauthuser = "";
  EXPECT_FALSE(door_is_settled(door::spp, env));
  env.smtpauthuser = "ann";
  EXPECT_TRUE(door_is_settled(door::spp, env));
  env.rcptfound = "1";
  EXPECT_FALSE(door_is_settled(door::rcptcheck, env)) << "without USE_FD4 it is nobody's";
  env.use_fd4 = "1";
  EXPECT_TRUE(door_is_settled(door::rcptcheck, env));
  EXPECT_FALSE(door_is_settled(door::recipients, env));
  env.relayclient = "";
  EXPECT_TRUE(door_is_settled(door::recipients, env));
}

TEST(RcptcheckInput, IsWholeAtTheThirdNulOrAtItsEnd) {
  EXPECT_EQ(door_read_input("joe@x", false), door_input::more);
  EXPECT_EQ(door_read_input("joe@x\0\0"s, false), door_input::more);
  EXPECT_EQ(door_read_input("joe@x\0\0\0"s, false), door_input::whole);
  EXPECT_EQ(door_read_input("joe@x\0a\0b\0c"s, false), door_input::whole);
  EXPECT_EQ(door_read_input("joe@x\0"s, true), door_input::whole);
  EXPECT_EQ(door_read_input("joe@x", true), door_input::broken);
  EXPECT_EQ(door_read_input("", true), door_input::broken);
  EXPECT_EQ(door_read_input(std::string(DOOR_INPUT_MAX - 1, 'a'), false), door_input::more);
  EXPECT_EQ(door_read_input(std::string(DOOR_INPUT_MAX, 'a'), false), door_input::broken);
}

TEST(RcptcheckDoor, SaysNothingWhereThereIsNoDoor) {
  for (verdict v : {verdict::accept, verdict::refuse, verdict::retry}) {
    EXPECT_EQ(door_say(door::none, with(nullptr, nullptr), NOTHING, v), 111);
    const int codes[] = {0, 1, 111}, hook[] = {0, 100, 111};
    EXPECT_EQ(door_say(door::recipients, with(nullptr, nullptr), NOTHING, v), codes[static_cast<int>(v)]);
    EXPECT_EQ(door_say(door::rcptcheck, with("a", nullptr), NOTHING, v), hook[static_cast<int>(v)]);
  }
}
