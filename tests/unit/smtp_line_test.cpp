// Command lines: where they end, what is verb and what argument, in any pieces.

#include "smtp/line.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/smtp_harness.h"

namespace {

struct line {
  std::string verb, argument;
  int verbs = 0;
  bool operator==(const line &) const = default;
};

struct listener : line_listener {
  line now;
  void verb(std::string_view word) override {
    now.verb = word;
    ++now.verbs;
  }
  void argument(std::string_view piece) override {
    EXPECT_EQ(now.verbs, 1) << "the verb comes first";
    now.argument += piece;
  }
};

// One line, without its LF, in these pieces.
line split(const std::vector<std::string> &pieces) {
  listener to;
  line_splitter splitter(to);
  for (const std::string &piece : pieces) splitter.feed(piece);
  splitter.end();
  return to.now;
}

TEST(smtp_line, verb_and_argument) {
  EXPECT_EQ(split({"NOOP\r"}), (line{"NOOP", "", 1}));
  EXPECT_EQ(split({"HELO  two  words \r"}), (line{"HELO", "two  words ", 1}));
  EXPECT_EQ(split({""}), (line{"", "", 1}));
  EXPECT_EQ(split({" x"}), (line{"", "x", 1}));
  EXPECT_EQ(split({"NOOP   "}), (line{"NOOP", "", 1}));
  EXPECT_EQ(split({"ALONGVERBINDEED x"}), (line{"ALONGVER", "x", 1}));
}

TEST(smtp_line, one_cr_belongs_to_the_end) {
  EXPECT_EQ(split({"NOOP\r\r"}).verb, "NOOP\r");
  EXPECT_EQ(split({"NOOP", "\r"}).verb, "NOOP");
  EXPECT_EQ(split({"NO\r", "OP"}).verb, "NO\rOP");
  EXPECT_EQ(split({"a \r", "\r", "b\r"}).argument, "\r\rb");
  EXPECT_EQ(split({"a x\r", ""}).argument, "x");
}

TEST(smtp_line, a_nul_ends_it) {
  EXPECT_EQ(split({std::string("NO\0OP", 5)}).verb, "NO");
  EXPECT_EQ(split({std::string("NOOP\r\0", 6)}).verb, "NOOP\r");
  EXPECT_EQ(split({"NOOP\r", std::string("\0", 1)}).verb, "NOOP\r");
  EXPECT_EQ(split({std::string("HELO x\0y", 8), "z z"}).argument, "x");
}

// The rules for a line that is there as a whole.
line model(std::string text) {
  if (!text.empty() && text.back() == '\r') text.pop_back();
  text = text.substr(0, text.find('\0'));
  const size_t blank = text.find(' ');
  line out{text.substr(0, blank).substr(0, LINE_VERB_MAX), "", 1};
  const size_t argument = blank == text.npos ? blank : text.find_first_not_of(' ', blank);
  if (argument != text.npos) out.argument = text.substr(argument);
  return out;
}

TEST(smtp_line, in_pieces_as_whole) {
  std::mt19937 random(2);
  const std::string letters("ab \r\0", 5);
  for (int round = 0; round < 20000; ++round) {
    std::string whole;
    std::vector<std::string> pieces;
    for (auto n = random() % 6; n > 0; --n) {
      std::string piece;
      for (auto k = random() % 5; k > 0; --k) piece += letters[random() % letters.size()];
      pieces.push_back(piece);
      whole += piece;
    }
    ASSERT_EQ(split(pieces), model(whole)) << testing::PrintToString(whole);
  }
}

TEST(smtp_line, reads_lines_until_the_client_is_gone) {
  const unique_fd in = harness_file("one 1\r\ntwo 2\nthree"), out = harness_file(), err = harness_file();
  session_log log(err.get());
  reply_writer replies(out.get(), log);
  line_input input(in.get(), replies, log);
  listener to;
  replies.put("220 hello\r\n");
  ASSERT_TRUE(line_read(input, to));
  EXPECT_EQ(to.now, (line{"one", "1", 1}));
  EXPECT_EQ(harness_text(out.get()), "220 hello\r\n") << "replies are sent before reading";
  to.now = line();
  ASSERT_TRUE(line_read(input, to));
  EXPECT_EQ(to.now, (line{"two", "2", 1}));
  EXPECT_FALSE(line_read(input, to)) << "a line without an end is none";
  EXPECT_NE(harness_text(err.get()).find(": Read error (disconnect?): quitting\n"), std::string::npos);
}

TEST(smtp_line, a_client_that_is_silent) {
  int silent[2];
  ASSERT_EQ(pipe(silent), 0);
  const unique_fd in(silent[0]), other(silent[1]), out = harness_file(), err = harness_file();
  session_log log(err.get());
  reply_writer replies(out.get(), log);
  line_input input(in.get(), replies, log);
  input.timeout(0);
  EXPECT_TRUE(input.peek().empty());
  EXPECT_EQ(harness_text(out.get()), "451 timeout (#4.4.2)\r\n");
  EXPECT_NE(harness_text(err.get()).find(": Connection timed out: quitting\n"), std::string::npos);
}

TEST(smtp_line, a_client_that_does_not_read) {
  int full[2];
  ASSERT_EQ(pipe(full), 0);
  const unique_fd reader(full[0]), out(full[1]), err = harness_file();
  session_log log(err.get());
  reply_writer replies(out.get(), log);
  replies.timeout(0);
  const std::string much(1 << 20, 'x');
  // The pipe takes some, then waits: a write that would block is one more second.
  ASSERT_EQ(fcntl(out.get(), F_SETFL, O_NONBLOCK), 0);
  replies.put(much);
  EXPECT_FALSE(replies.flush());
  EXPECT_FALSE(replies.flush());
  EXPECT_TRUE(replies.failed());
  const std::string said = harness_text(err.get());
  EXPECT_EQ(said.find("Write error (disconnect?): quitting"), said.rfind("Write error (disconnect?): quitting"));
  EXPECT_NE(said.find("Write error (disconnect?): quitting"), std::string::npos);
}

}  // namespace
