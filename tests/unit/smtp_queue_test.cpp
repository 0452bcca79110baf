// The queue: what exit statuses mean, the envelope, and programs that misbehave.

#include "smtp/queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace {

using Outcome = queue_result::Outcome;

std::string explain(int code, bool failed = false) {
  const queue_result result = queue_explain(code << 8, failed);
  const char kind = result.outcome == Outcome::accepted ? 'K' : result.outcome == Outcome::permanent ? 'D' : 'Z';
  return kind + std::string(result.text);
}

TEST(smtp_queue, exit_statuses) {
  EXPECT_EQ(explain(0), "K");
  EXPECT_EQ(explain(0, true), "Zqq read error (#4.3.0)") << "it cannot have read what was not written";
  EXPECT_EQ(explain(11), "Denvelope address too long for qq (#5.1.3)");
  EXPECT_EQ(explain(115), explain(11));
  EXPECT_EQ(explain(31), "Dmail server permanently rejected message (#5.3.0)");
  for (int code : {12, 20, 30, 32, 40}) EXPECT_EQ(explain(code), "Dqq permanent problem (#5.3.0)") << code;
  for (int code : {1, 10, 41, 50, 57, 60, 67, 70, 75, 80, 82, 90, 92, 99, 100, 111, 119, 121, 255})
    EXPECT_EQ(explain(code), "Zqq temporary problem (#4.3.0)") << code;
  EXPECT_EQ(explain(51), "Zqq out of memory (#4.3.0)");
  EXPECT_EQ(explain(52), "Zqq timeout (#4.3.0)");
  EXPECT_EQ(explain(53), "Zqq write error or disk full (#4.3.0)");
  EXPECT_EQ(explain(54), "Zqq read error (#4.3.0)");
  EXPECT_EQ(explain(55), "Zqq unable to read configuration (#4.3.0)");
  EXPECT_EQ(explain(56), "Zqq trouble making network connection (#4.3.0)");
  EXPECT_EQ(explain(61), "Zqq trouble in home directory (#4.3.0)");
  for (int code = 62; code <= 66; ++code)
    EXPECT_EQ(explain(code), "Zqq trouble creating files in queue (#4.3.0)") << code;
  EXPECT_EQ(explain(71), "Zmail server temporarily rejected message (#4.3.0)");
  EXPECT_EQ(explain(72), "Zconnection to mail server timed out (#4.4.1)");
  EXPECT_EQ(explain(73), "Zconnection to mail server rejected (#4.4.1)");
  EXPECT_EQ(explain(74), "Zcommunication with mail server failed (#4.4.2)");
  EXPECT_EQ(explain(81), "Zqq internal bug (#4.3.0)");
  EXPECT_EQ(explain(91), explain(81));
  EXPECT_EQ(explain(120), "Zunable to exec qq (#4.3.0)");
  EXPECT_EQ(queue_explain(SIGSEGV, false).text, "qq crashed (#4.3.0)");
}

TEST(smtp_queue, envelope_keeps_order_and_limit) {
  envelope e;
  e.begin("old");
  e.add("x");
  e.begin("sender");
  std::string want;
  for (int i = 0; i < 20000; ++i) {
    const std::string recipient = "recipient" + std::to_string(i);
    ASSERT_TRUE(e.add(recipient));
    want += "T" + recipient + std::string(1, '\0');
  }
  std::string got;
  for (const std::string &block : e.blocks()) got += block;
  EXPECT_EQ(got, want);
  EXPECT_EQ(e.sender(), "sender");
  EXPECT_EQ(e.recipients(), 20000U);

  e.begin("");
  const std::string large(1022, 'x');
  for (size_t i = 0; i < envelope::RECIPIENTS_MAX / 1024; ++i) ASSERT_TRUE(e.add(large));
  EXPECT_FALSE(e.add(""));
  EXPECT_FALSE(e.room_for(""));
  e.begin("");
  EXPECT_TRUE(e.add(large));
}

// ---- programs

class smtp_queue_program : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/qmail-verify-queue-XXXXXX";
    home_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  // Runs a shell script as the queue program, on a message of this size.
  std::string run(const std::string &script, size_t size = 10) {
    const std::string path = home_ + "/program";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    chmod(path.c_str(), 0755);
    return run_program(path, size);
  }
  std::string run_program(const std::string &path, size_t size = 10) {
    queue_program queue(home_.c_str(), path.c_str());
    envelope to;
    to.begin("a");
    to.add("b");
    if (!queue.open()) return "not opened";
    for (std::string piece(1000, 'x'); size; size -= std::min(size, piece.size()))
      queue.put(std::string_view(piece).substr(0, size));
    const queue_result result = queue.close(to);
    return result.outcome == Outcome::accepted ? "accepted" : std::string(result.text);
  }
  std::string file(const std::string &name) {
    std::ifstream in(home_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string home_;
};

TEST_F(smtp_queue_program, gets_message_and_envelope) {
  EXPECT_EQ(run("cat >message; cat <&1 >envelope; exit 0", 100000), "accepted");
  EXPECT_EQ(file("message"), std::string(100000, 'x'));
  EXPECT_EQ(file("envelope"), std::string("Fa\0Tb\0\0", 7));
}

TEST_F(smtp_queue_program, that_ends_early_neither_kills_nor_hangs) {
  EXPECT_EQ(run("exit 0", 1000000), "qq read error (#4.3.0)");
  EXPECT_EQ(run("exit 53", 1000000), "qq write error or disk full (#4.3.0)");
  EXPECT_EQ(run("kill -9 $$", 1000000), "qq crashed (#4.3.0)");
  EXPECT_EQ(run("cat >message; exit 31", 1000000), "mail server permanently rejected message (#5.3.0)");
}

TEST_F(smtp_queue_program, that_is_not_there) {
  EXPECT_EQ(run_program("/nonexistent/program"), "unable to exec qq (#4.3.0)");
  EXPECT_EQ(run_program(""), "unable to exec qq (#4.3.0)");
  queue_program queue("/nonexistent", "/bin/true");
  ASSERT_TRUE(queue.open());
  EXPECT_EQ(queue.close(envelope()).text, "qq trouble in home directory (#4.3.0)");
}

TEST_F(smtp_queue_program, never_sees_the_envelope_of_a_message_that_failed) {
  std::ofstream(home_ + "/program") << "#!/bin/sh\ncat >message; cat <&1 >envelope; exit 0\n";
  chmod((home_ + "/program").c_str(), 0755);
  const std::string path = home_ + "/program";
  queue_program queue(home_.c_str(), path.c_str());
  envelope to;
  to.begin("a");
  to.add("b");
  ASSERT_TRUE(queue.open());
  queue.put("half");
  queue.fail();
  EXPECT_EQ(queue.close(to).text, "qq read error (#4.3.0)");
  EXPECT_EQ(file("envelope"), "");
}

TEST_F(smtp_queue_program, is_started_in_the_qmail_directory) {
  EXPECT_EQ(run("cat >/dev/null; cat <&1 >/dev/null; pwd >where"), "accepted");
  EXPECT_EQ(file("where"), home_ + "\n");
}

}  // namespace
