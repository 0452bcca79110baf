// Addresses in MAIL and RCPT: examples, and the parser that is fed with pieces
// held against one that reads the whole argument.

#include "smtp/path.h"

#include <gtest/gtest.h>

#include <random>

namespace {

const std::optional<std::string> me = "mx.example.com", nobody;

ipme own() {
  ipme addresses;
  addresses.add({0, 0, 0, 0});
  addresses.add({127, 0, 0, 1});
  return addresses;
}

path_result parse(std::string_view argument, const std::optional<std::string> &name = me) {
  static const ipme addresses = own();
  path_parser parser;
  parser.feed(argument);
  return parser.end({addresses, name});
}

std::string text(std::string_view argument) { return std::string(parse(argument).parsed.text()); }

TEST(smtp_path, angle_brackets) {
  EXPECT_EQ(text("FROM:<a@b.test>"), "a@b.test");
  EXPECT_EQ(text("FROM: <a@b.test> SIZE=100"), "a@b.test");
  EXPECT_EQ(text("FROM:<>"), "");
  EXPECT_EQ(text("anything <a@b.test"), "a@b.test");
  EXPECT_EQ(text("x y z<a b<c>d>"), "a b<c");
}

TEST(smtp_path, without_brackets) {
  EXPECT_EQ(text("TO:a@b.test"), "a@b.test");
  EXPECT_EQ(text("TO:   a@b.test x"), "a@b.test");
  EXPECT_EQ(text("a@b.test"), "") << "no colon: nothing";
  EXPECT_EQ(text("TO:"), "");
  EXPECT_EQ(text("TO:\"a b\"@c x"), "a b@c");
  EXPECT_EQ(text("TO:late x y <a@b>"), "a@b") << "a bracket counts wherever it stands";
}

TEST(smtp_path, source_routes_are_stripped_once) {
  EXPECT_EQ(text("<@hub.test:a@b>"), "a@b");
  EXPECT_EQ(text("<@h1,@h2:a@b>"), "a@b");
  EXPECT_EQ(text("<@h1:@h2:a@b>"), "@h2:a@b");
  EXPECT_EQ(text("TO:@hub.test:a@b"), "a@b");
  EXPECT_EQ(text("<@nothing>"), "");
}

TEST(smtp_path, quotes_and_backslashes) {
  EXPECT_EQ(text("<\"a>b\"@c>"), "a>b@c");
  EXPECT_EQ(text("<a\\>b@c>"), "a>b@c");
  EXPECT_EQ(text("<\"a\\\"b\"@c>"), "a\"b@c");
  EXPECT_EQ(text("<a\"b>c"), "ab>c");
  EXPECT_EQ(text("<a\\"), "a");
}

TEST(smtp_path, own_address_becomes_a_name) {
  EXPECT_EQ(text("<a@[127.0.0.1]>"), "a@mx.example.com");
  EXPECT_EQ(text("<a@[0.0.0.0]>"), "a@mx.example.com");
  EXPECT_EQ(text("<a@[383.256.0.257]>"), "a@mx.example.com") << "octets are taken modulo 256";
  EXPECT_EQ(text("<a@[127.0.00000000000000000000000000.1]>"), "a@mx.example.com");
  EXPECT_EQ(text("<x@[127.0.0.1]@[127.0.0.1]>"), "x@[127.0.0.1]@mx.example.com");
  for (const char *other :
       {"a@[127.0.0.2]", "a@[127.0.0.1", "a@[127.0.0.1]x", "a@[127.0.0.1.]", "a@[127.0.0]", "a@[.0.0.1]",
        "a@[127.0.0.1]@x", "[127.0.0.1]", "a@[]", "a@x[127.0.0.1]", "a@[-1.0.0.1]", "a@[127.0.0.0.1]"})
    EXPECT_EQ(text("<" + std::string(other) + ">"), other);
  EXPECT_EQ(parse("<a@[127.0.0.1]>", nobody).parsed.text(), "a@[127.0.0.1]") << "no localiphost, no me";
}

TEST(smtp_path, a_name_with_a_nul_ends_there) {
  const path_result result = parse("<a@[127.0.0.1]>", std::string("x\0y", 3));
  EXPECT_EQ(result.parsed.bytes(), std::string_view("a@x\0y", 5));
  EXPECT_EQ(result.parsed.text(), "a@x");
  EXPECT_EQ(result.size, 6U);
}

TEST(smtp_path, length_is_that_of_the_parsed_address) {
  EXPECT_FALSE(parse("<" + std::string(899, 'x') + ">").too_long());
  EXPECT_TRUE(parse("<" + std::string(900, 'x') + ">").too_long());
  EXPECT_EQ(parse("<" + std::string(900, 'x') + ">").size, 901U);
  EXPECT_FALSE(parse("<" + std::string(5000, '"') + std::string(899, 'x') + ">").too_long());
  EXPECT_EQ(parse("<" + std::string(100000, 'x') + "@[127.0.0.1]>").size, 100000U + 1 + me->size() + 1);
  EXPECT_FALSE(parse("<x@[" + std::string(5000, '0') + "127.0.0.1]>").too_long());
  // 884 bytes and the name are 899.
  EXPECT_FALSE(parse("<" + std::string(884, 'x') + "@[127.0.0.1]>").too_long());
  EXPECT_TRUE(parse("<" + std::string(885, 'x') + "@[127.0.0.1]>").too_long());
}

// The rules again, for an argument that is there as a whole.
std::string model(std::string argument) {
  char terminator = '>';
  size_t at = argument.find('<');
  if (at != std::string::npos) {
    argument.erase(0, at + 1);
  } else {
    terminator = ' ';
    at = argument.find(':');
    argument.erase(0, at == std::string::npos ? at : at + 1);
    argument.erase(0, argument.find_first_not_of(' '));
  }
  if (!argument.empty() && argument[0] == '@') {
    at = argument.find(':');
    argument.erase(0, at == std::string::npos ? at : at + 1);
  }
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < argument.size(); ++i) {
    if (argument[i] == '\\') {
      if (++i < argument.size()) out += argument[i];
    } else if (argument[i] == terminator && !quoted) {
      break;
    } else if (argument[i] == '"') {
      quoted = !quoted;
    } else {
      out += argument[i];
    }
  }
  return out;
}

TEST(smtp_path, in_pieces_as_whole) {
  std::mt19937 random(1);
  const std::string letters = "ab.@<>: \\\"";
  const ipme addresses = own();
  path_parser parser;
  for (int round = 0; round < 20000; ++round) {
    std::string argument;
    for (auto n = random() % 24; n > 0; --n) argument += letters[random() % letters.size()];
    parser.begin();
    for (size_t at = 0; at < argument.size();) {
      const size_t n = 1 + random() % 5;
      parser.feed(std::string_view(argument).substr(at, n));
      at += n;
    }
    ASSERT_EQ(parser.end({addresses, nobody}).parsed.bytes(), model(argument)) << argument;
  }
}

}  // namespace
