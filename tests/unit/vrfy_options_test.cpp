// The command line of qmail-vrfy: what is taken, what is refused, and in which words.

#include "vrfy/options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "conf.h"
#include "fakeserver.h"
#include "qmail-verify.h"

namespace {

class VrfyOptions : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("VERIFY");
    unsetenv("QMAILDIR");
  }
  void TearDown() override { SetUp(); }

  // The exit code of these arguments; options and said tell the rest.
  int read(std::vector<std::string> words) {
    options = {};
    words.insert(words.begin(), "qmail-vrfy");
    std::vector<char *> argv;
    for (std::string &word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    testing::internal::CaptureStderr();
    const int code = vrfy_options_read(static_cast<int>(words.size()), argv.data(), options);
    said = testing::internal::GetCapturedStderr();
    return code;
  }
  void refuses(const std::vector<std::string> &words, const std::string &why) {
    EXPECT_EQ(read(words), 100) << testing::PrintToString(words);
    EXPECT_EQ(said.substr(0, said.find('\n')), "qmail-vrfy: " + why);
  }

  vrfy_options options;
  std::string said;
};

using Words = std::vector<std::string>;

TEST_F(VrfyOptions, AddressesAndOptionsMayBeMixed) {
  ASSERT_EQ(read({"a@b", "-n", "c@d", "--sender=me@x"}), 0) << said;
  EXPECT_EQ(options.addresses, (Words{"a@b", "c@d"}));
  EXPECT_TRUE(options.here && !options.json && !options.explain);
  EXPECT_EQ(options.sender, "me@x");
  EXPECT_EQ(options.mode, vrfy_check);
  EXPECT_EQ(said, "");
}

TEST_F(VrfyOptions, ShortOnesTogether) {
  ASSERT_EQ(read({"-njflist"}), 0) << said;
  EXPECT_TRUE(options.here && options.json);
  EXPECT_EQ(options.file, "list");
}

TEST_F(VrfyOptions, NothingIsAnOptionBehindTwoDashes) {
  ASSERT_EQ(read({"-n", "--", "-n", "--help", ""}), 0) << said;
  EXPECT_EQ(options.addresses, (Words{"-n", "--help", ""}));
}

TEST_F(VrfyOptions, TheNullSenderIsNotTheUnknownOne) {
  ASSERT_EQ(read({"--sender=", "a"}), 0);
  EXPECT_EQ(options.sender, "");
  ASSERT_EQ(read({"--sender", "", "a"}), 0);
  EXPECT_EQ(options.sender, "");
  ASSERT_EQ(read({"a"}), 0);
  EXPECT_FALSE(options.sender.has_value());
  refuses({"--sender=" + std::string(QV_ADDRESS_MAX + 1, 'a'), "a"}, "--sender: is longer than an address may be");
}

TEST_F(VrfyOptions, StandardInputIsAFile) {
  ASSERT_EQ(read({"-f", "-"}), 0) << said;
  EXPECT_EQ(options.file, "-");
}

TEST_F(VrfyOptions, Modes) {
  ASSERT_EQ(read({"-V"}), 0);
  EXPECT_EQ(options.mode, vrfy_version);
  ASSERT_EQ(read({"--help"}), 0);
  EXPECT_EQ(options.mode, vrfy_help);
  refuses({"-V", "--help"}, "--help: does not go with another mode: give one of them");
}

TEST_F(VrfyOptions, AnIdForANewKey) {
  ASSERT_EQ(read({"--genkey"}), 0);
  EXPECT_EQ(options.mode, vrfy_genkey);
  EXPECT_EQ(options.key_id, "");
  ASSERT_EQ(read({"--genkey", "hub.1"}), 0);
  EXPECT_EQ(options.key_id, "hub.1");
  refuses({"--genkey", "a", "b"}, "--genkey takes an id, and nothing else");
  refuses({"--genkey", "-n"}, "--genkey takes an id, and nothing else");
  refuses({"--genkey", "a:b"}, "--genkey: an id is 1 to 32 letters, digits, dots, dashes and underscores");
  refuses({"--genkey", ""}, "--genkey: an id is 1 to 32 letters, digits, dots, dashes and underscores");
}

TEST_F(VrfyOptions, WhatMakesNoSenseIsRefused) {
  refuses({}, "no address: name one, or give -f FILE");
  refuses({"-n"}, "no address: name one, or give -f FILE");
  refuses({"-f", "list", "a@b"}, "give addresses or -f FILE, not both");
  refuses({"-f"}, "-f needs an argument");
  refuses({"-f", ""}, "-f: name a file, or - for standard input");
  refuses({"-n", "-s", ":", "a"}, "-n and -s do not go together: with -n no server is asked");
  refuses({"-z", "a"}, "-z is not an option");
  refuses({"-nz", "a"}, "-z is not an option");
  refuses({"--zzz=3", "a"}, "--zzz=3 is not an option");
  refuses({"--help=3"}, "--help takes no argument");
  refuses({"--sender"}, "--sender needs an argument");
}

TEST_F(VrfyOptions, WhatIsRefusedIsSafeForATerminal) {
  refuses({"--\x1b[2J", "a"}, "--\\x1b[2J is not an option");
  refuses({"-\x9b", "a"}, "-\\x9b is not an option");
  refuses({"-s", "a\x1b.b", "a"}, "-s: \"a?.b\" is a server that cannot be asked (not an IPv4 address (names are not looked up))");
}

TEST_F(VrfyOptions, ServersAreThoseOfVerifyWithoutOption) {
  ASSERT_EQ(read({"-s", "STRICT,:12", "a"}), 0) << said;
  EXPECT_EQ(options.servers, "STRICT,:12");
  setenv("VERIFY", "DEFER,:13", 1);
  ASSERT_EQ(read({"a"}), 0);
  EXPECT_EQ(options.servers, "DEFER,:13");
  ASSERT_EQ(read({"-s", ":12", "a"}), 0);
  EXPECT_EQ(options.servers, ":12");
  refuses({"-s", "", "a"}, "-s: name a server, 127.0.0.1 for instance");
  refuses({"-s", "localhsot", "a"}, "-s: \"localhsot\" is not known and is ignored");
}

TEST_F(VrfyOptions, TheDaemonsSocketIsAskedWhereThereIsOne) {
  const TemporaryFolder qmail;
  ASSERT_EQ(mkdir(qmail.path("verify").c_str(), 0755), 0);
  setenv("QMAILDIR", qmail.path("").c_str(), 1);
  for (const char *empty : {"", static_cast<const char *>(nullptr)}) {
    if (empty) setenv("VERIFY", empty, 1);
    ASSERT_EQ(read({"a"}), 0);
    EXPECT_EQ(options.servers, ":");
  }
  close(listen_on_path(qmail.path("verify/socket"), 1));
  ASSERT_EQ(read({"a"}), 0);
  EXPECT_EQ(options.servers, qmail.path("") + "/verify/socket");
}

TEST_F(VrfyOptions, TheQmailDirectoryIsTheOneThatWasBuiltIn) {
  ASSERT_EQ(read({"a"}), 0);
  EXPECT_EQ(options.qmail, CONF_QMAIL);
  setenv("QMAILDIR", "/elsewhere", 1);
  ASSERT_EQ(read({"a"}), 0);
  EXPECT_EQ(options.qmail, "/elsewhere");
}

}  // namespace
