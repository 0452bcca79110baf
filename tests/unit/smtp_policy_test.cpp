// Control files: rcpthosts, badmailfrom, the numbers and the names.

#include "smtp/policy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <climits>
#include <filesystem>
#include <fstream>

#include "tests/smtp_harness.h"

namespace {

namespace fs = std::filesystem;

// A qmail directory, and the working directory while it lives.
class qmail_home {
 public:
  qmail_home() : before_(fs::current_path()) {
    char name[] = "/tmp/qmail-verify-policy-XXXXXX";
    home_ = mkdtemp(name);
    fs::current_path(home_);
    fs::create_directory("control");
    write("me", "mx.example.com\n");
  }
  ~qmail_home() {
    fs::current_path(before_);
    fs::remove_all(home_);
  }
  void write(const std::string &name, std::string_view text) {
    std::ofstream(fs::path("control") / name, std::ios::binary) << text;
  }
  bool read(const char *databytes = nullptr) {
    smtp_env env = harness_env();
    env.databytes = databytes;
    rules = policy();
    return rules.read(env);
  }
  bool allowed(const std::string &recipient) { return rules.allowed(address(recipient)) == Look::found; }
  bool bad(const std::string &sender) { return rules.bad_sender(address(sender)); }
  policy rules;

 private:
  fs::path before_, home_;
};

TEST(smtp_policy, names) {
  qmail_home home;
  ASSERT_TRUE(home.read());
  EXPECT_EQ(home.rules.greeting, "mx.example.com");
  EXPECT_EQ(home.rules.localiphost, "mx.example.com");
  home.write("smtpgreeting", "hello there \t\nsecond\n");
  home.write("localiphost", "");
  ASSERT_TRUE(home.read());
  EXPECT_EQ(home.rules.greeting, "hello there");
  EXPECT_EQ(home.rules.localiphost, "");
  fs::remove("control/me");
  EXPECT_TRUE(home.read());
  fs::remove("control/localiphost");
  ASSERT_TRUE(home.read());
  EXPECT_FALSE(home.rules.localiphost);
  fs::remove("control/smtpgreeting");
  EXPECT_FALSE(home.read()) << "no name at all";
}

TEST(smtp_policy, what_cannot_be_read) {
  for (const char *name :
       {"me", "smtpgreeting", "localiphost", "timeoutsmtpd", "databytes", "rcpthosts", "badmailfrom"}) {
    qmail_home home;
    home.write("smtpgreeting", "x");
    fs::remove(fs::path("control") / name);
    fs::create_directory(fs::path("control") / name);
    EXPECT_FALSE(home.read()) << name;
  }
}

TEST(smtp_policy, numbers) {
  qmail_home home;
  ASSERT_TRUE(home.read());
  EXPECT_EQ(home.rules.timeout, 1200);
  EXPECT_EQ(home.rules.databytes, 0U);
  home.write("timeoutsmtpd", "0\n");
  home.write("databytes", "1000 bytes\n");
  ASSERT_TRUE(home.read());
  EXPECT_EQ(home.rules.timeout, 1);
  EXPECT_EQ(home.rules.databytes, 1000U);
  home.write("timeoutsmtpd", "4294967295\n");
  ASSERT_TRUE(home.read("77"));
  EXPECT_EQ(home.rules.timeout, 1) << "negative";
  EXPECT_EQ(home.rules.databytes, 77U) << "the environment counts";
  const std::pair<const char *, unsigned> values[] = {
      {"", 0}, {"lots", 0}, {"10k", 10}, {"4294967295", UINT_MAX - 1}, {"4294967297", 1}};
  for (const auto &[text, limit] : values) {
    ASSERT_TRUE(home.read(text));
    EXPECT_EQ(home.rules.databytes, limit) << text;
  }
  home.write("timeoutsmtpd", "x\n");
  home.write("databytes", "x\n");
  ASSERT_TRUE(home.read());
  EXPECT_EQ(home.rules.timeout, 1200);
  EXPECT_EQ(home.rules.databytes, 0U);
}

TEST(smtp_policy, rcpthosts) {
  qmail_home home;
  ASSERT_TRUE(home.read());
  EXPECT_TRUE(home.allowed("a@anywhere.test")) << "no rcpthosts: an open relay";
  home.write("rcpthosts", "example.com \t\n#comment.test\n.wild.test\n\nUPPER.test");
  ASSERT_TRUE(home.read());
  for (const char *in : {"a@example.com", "a@EXAMPLE.com", "a@b@example.com", "a", "", "a@x.wild.test",
                         "a@x.y.wild.test", "a@.wild.test", "a@upper.test"})
    EXPECT_TRUE(home.allowed(in)) << in;
  for (const char *out : {"a@sub.example.com", "a@wild.test", "a@xwild.test", "a@", "a@comment.test", "a@#comment.test",
                          "a@example.com.", "a@example.com@x"})
    EXPECT_FALSE(home.allowed(out)) << out;
  EXPECT_TRUE(home.rules.allowed(address(std::string("a\0@nowhere.test", 15))) == Look::found) << "its text is a";
  home.write("rcpthosts", "");
  ASSERT_TRUE(home.read());
  EXPECT_FALSE(home.allowed("a@example.com"));
  EXPECT_TRUE(home.allowed("a"));
}

TEST(smtp_policy, morercpthosts_that_is_damaged) {
  qmail_home home;
  home.write("morercpthosts.cdb", "");
  ASSERT_TRUE(home.read()) << "without rcpthosts it does not count";
  EXPECT_TRUE(home.allowed("a@x.test"));
  home.write("rcpthosts", "example.com\n");
  ASSERT_TRUE(home.read());
  EXPECT_TRUE(home.allowed("a@example.com"));
  EXPECT_TRUE(home.allowed("a"));
  EXPECT_EQ(home.rules.allowed(address("a@x.test")), Look::failed);
}

TEST(smtp_policy, badmailfrom) {
  qmail_home home;
  ASSERT_TRUE(home.read());
  EXPECT_FALSE(home.bad("x@spam.test"));
  home.write("badmailfrom", "@spam.test\n# @comment.test\nBad@good.test \nnodomain\n@\n");
  ASSERT_TRUE(home.read());
  for (const char *bad :
       {"x@spam.test", "X@SPAM.test", "x@y@spam.test", "@spam.test", "bad@good.test", "nodomain", "x@"})
    EXPECT_TRUE(home.bad(bad)) << bad;
  for (const char *good : {"x@sub.spam.test", "good@good.test", "", "spam.test", "x@spam.test.", "x@comment.test"})
    EXPECT_FALSE(home.bad(good)) << good;
}

}  // namespace
