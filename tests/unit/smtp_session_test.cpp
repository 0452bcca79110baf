// The session: what the table of commands and the state between them make of what
// a client says. (What the recorded sessions show is in tests/transcripts.)

#include "smtp/session.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/smtp_harness.h"

namespace {

bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

TEST(smtp_session, exit_status) {
  EXPECT_EQ(harness().run("QUIT\r\n").status, 0);
  EXPECT_EQ(harness().run("quit\n").status, 0);
  EXPECT_EQ(harness().run("").status, 1);
  EXPECT_EQ(harness().run("QUIT").status, 1);
  EXPECT_EQ(harness().run("QUITX\r\n").status, 1);
}

TEST(smtp_session, commands_in_any_case) {
  harness h;
  h.run("hElO x\r\nnoop\r\nEHLO y\r\nrset\r\nVrFy\r\nHELP me\r\nBOGUS\r\nQUIT\r\n");
  EXPECT_EQ(h.out,
            "220 mx.example.com ESMTP\r\n250 mx.example.com\r\n250 ok\r\n"
            "250-mx.example.com\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
            "250 flushed\r\n252 send some mail, i'll try my best\r\n"
            "214 netqmail home page: http://qmail.org/netqmail\r\n"
            "502 unimplemented (#5.5.1)\r\n221 mx.example.com\r\n");
}

TEST(smtp_session, relay_client_suffix_is_not_measured) {
  harness h;
  h.host.env.relayclient = "@relay.test";
  h.run("MAIL FROM:<>\r\nRCPT TO:<" + std::string(899, 'x') + ">\r\nDATA\r\n.\r\nQUIT\r\n");
  ASSERT_EQ(h.queue.messages.size(), 1U);
  EXPECT_EQ(h.queue.messages[0].envelope,
            std::string("F\0T", 3) + std::string(899, 'x') + "@relay.test" + std::string(2, '\0'));
}

TEST(smtp_session, helo_keeps_its_limit) {
  harness h;
  h.run("HELO " + std::string(200000, 'h') + "\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\nQUIT\r\n");
  ASSERT_EQ(h.queue.messages.size(), 1U);
  EXPECT_TRUE(has(h.queue.messages[0].text, "(HELO " + std::string(session::HELO_MAX, 'h') + ")"));
}

TEST(smtp_session, helo_that_is_the_name_is_not_repeated) {
  harness h;
  h.run("HELO MAIL.sender.TEST\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\nQUIT\r\n");
  EXPECT_FALSE(has(h.queue.messages[0].text, "HELO"));
  h.run("HELO\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(has(h.queue.messages[1].text, "(HELO )"));
}

TEST(smtp_session, a_queue_that_cannot_be_opened) {
  harness h;
  h.queue.opens = false;
  h.run("MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\nDATA\r\nQUIT\r\n");
  EXPECT_TRUE(has(h.out, "451 qqt failure (#4.3.0)\r\n503 MAIL first (#5.5.1)\r\n"));
  EXPECT_TRUE(has(h.log, ": qqt failure\n"));
}

TEST(smtp_session, what_cannot_begin) {
  harness h;
  const unique_fd in = harness_file(), out = harness_file(), log = harness_file();
  session smtp(h.host, h.queue, in.get(), out.get(), log.get());
  EXPECT_EQ(smtp.controls_unreadable(), 1);
  EXPECT_EQ(smtp.addresses_unknown(), 1);
  smtp.out_of_memory();
  EXPECT_EQ(harness_text(out.get()),
            "421 unable to read controls (#4.3.0)\r\n421 unable to figure out my IP addresses (#4.3.0)\r\n"
            "421 out of memory (#4.3.0)\r\n");
  EXPECT_TRUE(has(harness_text(log.get()), " from (not yet set): Unable to read controls: quitting\n"));
  EXPECT_TRUE(has(harness_text(log.get()), " from (not yet set): Out of memory: quitting\n"));
}

TEST(smtp_session, the_clients_address_cannot_forge_log_lines) {
  harness h;
  h.host.env.remote_ip = "1\n2\xff<:";
  EXPECT_TRUE(has(h.run("QUIT\r\n").log, " from 1_2__:: New session\n"));
}

TEST(smtp_session, a_client_that_is_gone_ends_it) {
  harness h;
  int closed[2];
  ASSERT_EQ(pipe(closed), 0);
  signal(SIGPIPE, SIG_IGN);
  const unique_fd in = harness_file("NOOP\r\nNOOP\r\nQUIT\r\n"), out(closed[1]), log = harness_file();
  close(closed[0]);
  session smtp(h.host, h.queue, in.get(), out.get(), log.get());
  smtp.begin();
  EXPECT_EQ(smtp.run(), 1);
  const std::string said = harness_text(log.get());
  EXPECT_TRUE(has(said, "Write error (disconnect?): quitting\n"));
  EXPECT_FALSE(has(said, "QUIT"));
}

}  // namespace
