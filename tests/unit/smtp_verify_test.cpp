// What a session tells its verification servers, and what it logs of their answers.
// (Replies to each value of VERIFY are in tests/transcripts.)

#include "smtp/verify.h"

#include <gtest/gtest.h>

#include "fakeserver.h"
#include "tests/smtp_harness.h"

namespace {

bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

// A session with this value of VERIFY.
struct verify_harness : harness {
  const std::string verify;
  explicit verify_harness(const std::string &value) : verify(value) { host.env.verify = verify.c_str(); }
};

// In a question: the client's address (empty: it is not there), the sender ("-").
std::string client_of(const Question &question) {
  const packet_question read = question.read();
  return std::string(reinterpret_cast<const char *>(read.client), read.client_len);
}
std::string sender_of(const Question &question) {
  const packet_question read = question.read();
  return read.sender ? std::string(read.sender, read.sender_len) : "-";
}

TEST(smtp_verify, servers_are_told_client_and_sender) {
  FakeServer server(always_extended(0x90, QV_REASON_DEFAULT_DELIVERY));
  verify_harness h(server.endpoint());
  h.run(
      "MAIL FROM:<s@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<c@y>\r\nRSET\r\n"
      "MAIL FROM:<@route:\"t\\@\"@x>\r\nRCPT TO:<d@y>\r\nDATA\r\n.\r\n"
      "MAIL FROM:<" + std::string(2000, 'x') + ">\r\nQUIT\r\n");
  const std::vector<Question> asked = server.questions();
  ASSERT_EQ(asked.size(), 4U);
  for (const Question &question : asked) EXPECT_EQ(client_of(question), std::string("\xc0\x00\x02\x2d", 4));
  EXPECT_EQ(sender_of(asked[0]), "s@x");
  EXPECT_EQ(sender_of(asked[1]), "s@x");
  EXPECT_EQ(sender_of(asked[2]), "");
  EXPECT_EQ(sender_of(asked[3]), "t@@x") << "as it stands in the envelope";
  EXPECT_EQ(asked[3].address(), "d@y");
}

// Once a session, whatever the rest of it is, and no reply is another for it.
TEST(smtp_verify, variables_of_older_programs_are_noted) {
  const std::string commands = "MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n";
  harness without;
  without.run(commands);
  EXPECT_FALSE(has(without.log, "without effect")) << without.log;
  harness one;
  one.host.env.verifysvr = "";
  one.run(commands);
  EXPECT_TRUE(has(one.log, ": verify: note: VERIFYSVR set, without effect now: VERIFY alone counts, see qmail-verify-migrate(8)\n"))
      << one.log;
  EXPECT_EQ(one.out, without.out);
  harness all;
  all.host.env.verifydefer = all.host.env.verifysvr = all.host.env.denyall = "1";
  all.host.env.relayclient = "";
  all.run(commands);
  const size_t first = all.log.find("note: VERIFYDEFER, VERIFYSVR, QMAILRRTDENYALL set");
  EXPECT_NE(first, std::string::npos) << all.log;
  EXPECT_EQ(all.log.find("note: ", first + 1), std::string::npos) << "once";
}

TEST(smtp_verify, a_client_without_an_address) {
  FakeServer server(always_extended(0x90, QV_REASON_DEFAULT_DELIVERY));
  verify_harness h(server.endpoint());
  h.host.env.remote_ip = "unknown";
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  ASSERT_EQ(server.questions().size(), 1U);
  EXPECT_EQ(client_of(server.questions()[0]), "");
  h.host.env.remote_ip = "2001:db8::7";
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  EXPECT_EQ(client_of(server.questions()[1]).size(), 16U);
}

TEST(smtp_verify, the_log_has_the_reason_and_the_client_has_not) {
  FakeServer server(always_extended(0xa1, QV_REASON_VPOPMAIL_NO_USER, "shop"));
  verify_harness h(server.endpoint());
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  const std::string line = std::string("verify: refused a@y: vpopmail-no-user: ") +
                           qv_reason_text(QV_REASON_VPOPMAIL_NO_USER) + ", user shop, server " + server.endpoint();
  EXPECT_TRUE(has(h.log, line + "\n")) << h.log;
  EXPECT_TRUE(has(h.out, "550 sorry, no mailbox here by that name. (#5.1.1)\r\n"));
  EXPECT_FALSE(has(h.out, "vpopmail"));
}

TEST(smtp_verify, a_reason_of_tomorrow) {
  FakeServer server(always_extended(0xa1, 60000));
  verify_harness h(server.endpoint());
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  EXPECT_TRUE(has(h.log, "verify: refused a@y: dot-qmail (reason 60000), server ")) << h.log;
}

TEST(smtp_verify, a_server_that_cannot_tell) {
  FakeServer server(always_extended(0x32, QV_REASON_CDB_TROUBLE));
  verify_harness h(server.endpoint() + ",OPEN");
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  EXPECT_TRUE(has(h.out, "451 qv temporary failure (#4.3.0)\r\n"));
  EXPECT_TRUE(has(h.log, ": temporary failure (cdb-trouble)\n")) << h.log;
  EXPECT_TRUE(has(h.log, "verify: temporary a@y: cdb-trouble: ")) << h.log;
}

// MAXBAD ends the session wherever it stands; what is behind it is not read as commands.
TEST(smtp_verify, too_many_invalid_recipients) {
  FakeServer server(always_extended(0xe1, QV_REASON_NO_MAILBOX));
  const std::string rest = "RCPT TO:<c@y>\r\nRSET\r\nDATA\r\nx\r\n.\r\nQUIT\r\n";
  verify_harness now(server.endpoint() + ",MAXBAD=2");
  now.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\n" + rest);
  EXPECT_EQ(now.status, 1);
  EXPECT_TRUE(now.out.ends_with("550 sorry, no mailbox here by that name. (#5.1.1)\r\n"
                                "421 too many invalid recipients (#4.7.0)\r\n"));
  EXPECT_TRUE(has(now.log, ": Too many invalid recipients: quitting\n"));
  EXPECT_EQ(server.questions().size(), 2U);

  verify_harness later(server.endpoint() + ",MAXBAD=2,DEFER");
  later.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n" + rest);
  EXPECT_EQ(later.status, 1);
  EXPECT_TRUE(later.out.ends_with("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n"
                                  "421 too many invalid recipients (#4.7.0)\r\n"));
  EXPECT_TRUE(later.log.ends_with(": Too many invalid recipients: quitting\n"));
  EXPECT_TRUE(later.queue.messages.empty());
}

TEST(smtp_verify, a_server_at_a_path_is_named_in_the_log) {
  const TemporaryFolder folder;
  verify_harness h(folder.path("so cket") + ",OBSERVE");
  h.run("MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nQUIT\r\n");
  EXPECT_TRUE(has(h.log, "verify: temporary a@y: " + folder.path("so cket") + ": ")) << h.log;
}

}  // namespace
