// The message: the scanner that moves blocks held against one that looks at bytes.

#include "smtp/data.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/smtp_harness.h"

namespace {

struct outcome {
  data_scanner::State state = data_scanner::State::more;
  std::string text;
  size_t used = 0;
  unsigned hops = 0;
  bool operator==(const outcome &) const = default;
};

// In blocks of these sizes.
template <typename Sizes>
outcome scan(std::string_view in, Sizes next_size) {
  outcome result;
  data_scanner scanner;
  data_hops hops;
  while (result.used < in.size() && result.state == data_scanner::State::more) {
    const std::string_view block = in.substr(result.used, next_size());
    std::string out(block.size() + data_scanner::OUT_EXTRA, '\0');
    const data_scanner::step step = scanner.scan(block, out.data());
    EXPECT_LE(step.produced, out.size());
    hops.feed(block.substr(0, step.used));
    result.text.append(out, 0, step.produced);
    result.used += step.used;
    result.state = step.state;
  }
  result.hops = hops.count();
  return result;
}

outcome scan(std::string_view in) {
  return scan(in, [&] { return in.size(); });
}

// RFC 821 as qmail reads it, on the whole text, line by line.
outcome model(std::string_view in) {
  outcome result;
  bool header = true;
  for (size_t begin = 0; begin < in.size();) {
    const size_t lf = in.find('\n', begin);
    const std::string_view raw = in.substr(begin, lf == in.npos ? lf : lf + 1 - begin);
    begin += raw.size();
    result.used = begin;
    if (header) {
      std::string lower(raw.substr(0, 9));
      for (char &c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      result.hops += lower.starts_with("received");
      result.hops += lower == "delivered";
      header = !raw.starts_with("\r\n");
    }
    std::string_view line = raw;
    const bool ended = line.ends_with("\r\n");
    if (line.ends_with('\n') && !ended) {
      result.state = data_scanner::State::stray_newline;
      return result;
    }
    if (line == ".\r\n") {
      result.state = data_scanner::State::end;
      return result;
    }
    if (ended) line.remove_suffix(2);
    // The dot of ". CR x" stays, that of every other line goes.
    const bool keeps = line.starts_with(".\r");
    if (line.starts_with('.') && !keeps) line.remove_prefix(1);
    result.text += line;
    if (ended) result.text += '\n';
  }
  return result;
}

std::string random_message(std::mt19937 &random) {
  static const char *const words[] = {
      "\r\n", "\r\n", "\r\n", "\r", "\n", ".", "..", "x", " ", "\r\n.\r\n", "\r\n\r\n", "\r\n.\r", "text text",
      "Received", "RECEIVED:", "receive", "dElIvErEd", "Delivered-To: y"};
  std::string out;
  const unsigned odd = random() % 4;
  for (auto n = random() % 30; n > 0; --n) {
    const char *word = words[random() % std::size(words)];
    if (*word == '\n' && odd) continue;
    out += word;
  }
  return out;
}

TEST(smtp_data, blocks_as_bytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 50000; ++round) {
    const std::string in = random_message(random);
    outcome want = model(in);
    const auto largest = 1 + random() % 40;
    const outcome got = scan(in, [&] { return 1 + random() % largest; });
    ASSERT_EQ(got.state, want.state) << testing::PrintToString(in);
    ASSERT_EQ(got.used, want.used) << testing::PrintToString(in);
    ASSERT_EQ(got.hops, want.hops) << testing::PrintToString(in);
    if (want.state == data_scanner::State::end) {
      ASSERT_EQ(got.text, want.text) << testing::PrintToString(in);
    }
  }
}

TEST(smtp_data, ends) {
  EXPECT_EQ(scan(".\r\n").state, data_scanner::State::end);
  EXPECT_EQ(scan("a\r\n.\r\nQUIT\r\n").used, 6U);
  EXPECT_EQ(scan("a\r\n.\r").state, data_scanner::State::more);
  EXPECT_EQ(scan("a.\r\n").state, data_scanner::State::more);
  EXPECT_EQ(scan("a\r\n..\r\n").state, data_scanner::State::more);
  EXPECT_EQ(scan("a\r\n.\n").state, data_scanner::State::stray_newline);
  EXPECT_EQ(scan("\n").state, data_scanner::State::stray_newline);
}

TEST(smtp_data, dots_and_crs) {
  EXPECT_EQ(scan(".a\r\n..b\r\n...\r\n.\r\n").text, "a\n.b\n..\n");
  EXPECT_EQ(scan("\r\n.\rx\r\n.\r\n").text, "\n.\rx\n");
  EXPECT_EQ(scan("a\r\r\nb\rc\r\n.\r\n").text, "a\r\nb\rc\n");
  EXPECT_EQ(scan(std::string("a\0b\xff\r\n.\r\n", 9)).text, std::string("a\0b\xff\n", 5));
}

TEST(smtp_data, hops_are_counted_in_the_header) {
  EXPECT_EQ(scan("Received: a\r\nreceivedx\r\nDELIVERED-TO: b\r\n").hops, 3U);
  EXPECT_EQ(scan(" Received: a\r\nXReceived: a\r\nDelivere\r\n").hops, 0U);
  EXPECT_EQ(scan("a\r\n\r\nReceived: b\r\n").hops, 0U);
  EXPECT_EQ(scan("a\r\n\rReceived: b\r\nReceived: c\r\n").hops, 1U) << "not an empty line";
  EXPECT_EQ(scan("a\r\n.\r\nReceived: not of this message\r\n").hops, 0U);
}

// ---- with a queue

std::string message(const std::string &text) {
  return "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n" + text + ".\r\nQUIT\r\n";
}

TEST(smtp_data, limit_counts_bytes_as_queued) {
  const std::pair<const char *, bool> cases[] = {
      {"1234567\r\n12\r\n", false}, {"123456\r\n12\r\n", true}, {"..34567\r\n..\r\n", true}};
  for (const auto &[text, fits] : cases) {
    harness h;
    h.host.rules.databytes = 10;
    h.run(message(text));
    ASSERT_EQ(h.queue.messages.size(), 1U);
    EXPECT_EQ(h.queue.messages[0].failed, !fits) << text;
    EXPECT_EQ(h.out.find("552 sorry, that message size exceeds my databytes limit") == std::string::npos, fits);
  }
}

TEST(smtp_data, what_the_client_hears) {
  std::string hops;
  for (int i = 0; i < 100; ++i) hops += "Received: x\r\n";
  harness h;
  h.host.rules.databytes = 10;
  h.queue.status = 31 << 8;
  auto hears = [&h](const std::string &text, const std::string &reply) {
    return h.run(message(text)).out.find("354 go ahead\r\n" + reply) != std::string::npos;
  };
  EXPECT_TRUE(hears(hops, "554 too many hops")) << "a loop counts most";
  EXPECT_TRUE(hears("12345678901\r\n", "552 ")) << "then the size";
  EXPECT_TRUE(hears("x\r\n", "554 mail server permanently rejected"));
  h.queue.status = 0;
  EXPECT_TRUE(hears("x\r\n", "250 ok "));
  EXPECT_EQ(h.queue.messages.back().envelope, std::string("Fa\0Tb\0\0", 7));
}

TEST(smtp_data, no_envelope_for_half_a_message) {
  harness h;
  EXPECT_EQ(h.run("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nhalf").status, 1);
  ASSERT_EQ(h.queue.messages.size(), 1U);
  EXPECT_FALSE(h.queue.messages[0].closed);
  EXPECT_EQ(h.run("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nbare\n.\r\nQUIT\r\n").status, 1);
  EXPECT_FALSE(h.queue.messages[1].closed);
}

}  // namespace
