// What strangers may send: every byte in every place that a client, a verification
// server or the environment has a say in. Whatever it is, a log has the lines that
// there should be, of printable ASCII, and the envelope has the bytes that came.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "fakeserver.h"
#include "tests/smtp_harness.h"

namespace {

std::string prefix_of(const std::string &ip) {
  return "qmail-smtpd: pid " + std::to_string(getpid()) + " from " + ip + ": ";
}
const std::string prefix = prefix_of("192.0.2.45");

// The lines of a log without what each begins with. Fails where one is not ours, or
// has a byte that a terminal might obey.
std::vector<std::string> events(const std::string &log, const std::string &begin = prefix) {
  std::vector<std::string> out;
  std::string_view rest = log;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == rest.npos) {
      ADD_FAILURE() << "an unfinished line: " << testing::PrintToString(rest);
      break;
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    EXPECT_TRUE(line.starts_with(begin)) << testing::PrintToString(line);
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }))
        << testing::PrintToString(line);
    out.emplace_back(line.substr(std::min(begin.size(), line.size())));
  }
  return out;
}

// What a log shows of a byte in a name.
char shown(char c) { return c < ' ' || c > '~' || c == ':' || c == '<' || c == '>' ? '_' : c; }

// Bytes that are in the address as they were sent: not those that end it or quote.
bool ordinary(char c) { return std::string_view("\"\\>\n\0", 5).find(c) == std::string_view::npos; }

TEST(smtp_hostile, every_byte_in_names_and_addresses) {
  for (int i = 1; i < 256; ++i) {
    const char c = static_cast<char>(i);
    if (!ordinary(c)) continue;
    const std::string b(1, c), s(1, shown(c));
    harness h;
    h.run("HELO a" + b + "z\r\nMAIL FROM:<s" + b + "s@x>\r\nRCPT TO:<r" + b + "r@y>\r\nDATA\r\n.\r\nQUIT\r\n");
    ASSERT_EQ(h.queue.messages.size(), 1U) << i;
    EXPECT_EQ(h.queue.messages[0].envelope,
              "Fs" + b + "s@x" + std::string(1, '\0') + "Tr" + b + "r@y" + std::string(2, '\0'));
    EXPECT_EQ(events(h.log), (std::vector<std::string>{"New session", "Received HELO a" + s + "z",
                                                       "Sender <s" + s + "s@x>", "Recipient <r" + s + "r@y>",
                                                       "Message accepted, qp 1 (1 recipients, 0 bytes)",
                                                       "Remote end QUIT: quitting"}));
    const std::string &field = h.queue.messages[0].text;
    EXPECT_EQ(std::count(field.begin(), field.end(), '\n'), 2) << testing::PrintToString(field);
    EXPECT_TRUE(std::all_of(field.begin(), field.end(), [](char x) { return x == '\n' || (x >= ' ' && x <= '~'); }));
  }
}

TEST(smtp_hostile, a_nul_ends_a_name_and_an_address) {
  harness h;
  const std::string nul(1, '\0');
  h.run("HELO a" + nul + "b\r\nMAIL FROM:<s" + nul + "s>\r\nRCPT TO:<r" + nul + "@y>\r\nDATA" + nul + "x\r\n" + nul +
        "\r\n.\r\n" + nul + "QUIT\r\nQUIT\r\n");
  ASSERT_EQ(h.queue.messages.size(), 1U);
  EXPECT_EQ(h.queue.messages[0].envelope, "Fs" + nul + "Tr" + nul + nul);
  EXPECT_TRUE(h.queue.messages[0].text.ends_with(nul + "\n")) << "in a message it is a byte like others";
  EXPECT_EQ(events(h.log), (std::vector<std::string>{"New session", "Received HELO a", "Sender <s>", "Recipient <r>",
                                                     "Message accepted, qp 1 (1 recipients, 2 bytes)",
                                                     "Unimplemented command", "Remote end QUIT: quitting"}));
}

// All that is said of a recipient that is refused.
TEST(smtp_hostile, every_byte_in_what_is_refused) {
  std::string all;
  for (int i = 1; i < 256; ++i)
    if (ordinary(static_cast<char>(i))) all += static_cast<char>(i);
  FakeServer daemon([](FakeServer &self, size_t number, const Question &question) {
    std::string user = "\xe1";
    for (size_t i = 0; i < 32; ++i) user += static_cast<char>(number * 32 + i + 1);
    self.say(question, user);
  });
  const std::string verify = daemon.endpoint();
  for (const char *ip : {"192.0.2.45", "2001:db8::1"}) {
    harness h;
    h.host.env.verify = verify.c_str();
    h.host.env.remote_ip = ip;
    std::string input = "MAIL FROM:<>\r\n";
    for (size_t at = 0; at < 8; ++at) input += "RCPT TO:<" + all.substr(at * 32, 32) + "@y>\r\n";
    h.run(input + "QUIT\r\n");
    const std::vector<std::string> said = events(h.log, prefix_of(ip));
    ASSERT_EQ(said.size(), 3U + 8 * 2) << h.log;
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(said[2 + 2 * i], "Unverified mailbox at RCPT time");
      const std::string &line = said[3 + 2 * i], address = "verify: refused ", server = ", server " + verify;
      EXPECT_TRUE(line.starts_with(address) && line.ends_with(server)) << line;
      // One word for the address, one for the user: nothing of theirs looks like ours.
      const size_t end = line.find(' ', address.size());
      EXPECT_EQ(line.substr(end - 3, 16), "@y: no-mailbox, ") << line;
      const size_t user = line.find(", user ", end);
      EXPECT_EQ(line.find(' ', user + 7) - 1, line.size() - server.size()) << line;
    }
  }
}

TEST(smtp_hostile, every_byte_in_the_environment) {
  std::string all = "=";
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  for (const char *variable : {"ip", "host", "relay", "databytes", "verify"}) {
    harness h;
    const std::string_view name = variable;
    std::string begin = prefix;
    if (name == "ip") {
      h.host.env.remote_ip = all.c_str();
      begin = prefix.substr(0, prefix.find(" from ") + 6);
    }
    if (name == "host") h.host.env.remote_host = h.host.env.remote_info = h.host.env.local = all.c_str();
    if (name == "relay") h.host.env.relayclient = all.c_str();
    if (name == "databytes") h.host.env.databytes = all.c_str();
    if (name == "verify") h.host.env.verify = all.c_str();
    h.run("MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\nQUIT\r\n");
    for (const std::string &line : events(h.log, begin)) {
      const bool one_word = line.find(' ') == line.find(": ") + 1;
      EXPECT_TRUE(one_word || name != "ip") << "the address ends elsewhere: " << line;
    }
    for (const auto &message : h.queue.messages)
      EXPECT_EQ(std::count(message.text.begin(), message.text.end(), '\n'), 2) << message.text;
  }
}

// Is this one reply or more, each line of it printable and whole?
bool are_replies(std::string_view out) {
  if (out.empty()) return false;
  while (!out.empty()) {
    const size_t end = out.find("\r\n");
    if (end == out.npos || end < 4) return false;
    const std::string_view line = out.substr(0, end);
    out.remove_prefix(end + 2);
    if (line[0] < '2' || line[0] > '5' || (line[3] != ' ' && line[3] != '-')) return false;
    if (!std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; })) return false;
  }
  return true;
}

// Anything at all: whatever the session makes of it, its log and its replies are
// lines of ours.
TEST(smtp_hostile, any_bytes) {
  std::mt19937 random(4);
  const std::vector<std::string> words = {
      "HELO ", "MAIL FROM:<", "RCPT TO:<", "DATA", "RSET",  "\r\n",    "\r\n",                   "\n",
      ">",     "@",           "\r",        "\xff", ".\r\n", "\x1b[2J", "qmail-smtpd: pid 1 from ", {'\0'}};
  for (int round = 0; round < 3000; ++round) {
    std::string input;
    for (auto n = random() % 40; n > 0; --n) {
      if (random() % 3)
        input += words[random() % words.size()];
      else
        input += static_cast<char>(random());
    }
    harness h;
    h.run(input);
    events(h.log);
    EXPECT_TRUE(are_replies(h.out)) << testing::PrintToString(h.out);
    if (HasFailure()) FAIL() << testing::PrintToString(input);
  }
}

TEST(smtp_hostile, a_number_that_is_more_than_its_type_holds) {
  for (const char *good : {"0", "000", "10", "0010", "4294967295"}) {
    harness h;
    h.host.env.databytes = good;
    EXPECT_EQ(h.run("").log.find("note: DATABYTES"), std::string::npos) << good;
  }
  // The last of these is 5 to one who lets it begin anew.
  for (const char *odd : {"", "x", "10 ", "-1", "4294967296", "18446744073709551616", "18446744073709551621"}) {
    harness h;
    h.host.env.databytes = odd;
    EXPECT_NE(h.run("").log.find("note: DATABYTES"), std::string::npos) << odd;
  }
}

TEST(smtp_hostile, hops_are_counted_to_their_limit) {
  data_hops hops;
  for (int i = 0; i < 1000; ++i) hops.feed(i % 2 ? "Received: x\r\n" : "Delivered-To: x\r\n");
  EXPECT_EQ(hops.count(), data_hops::MAX);
}

}  // namespace
