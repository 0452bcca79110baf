// Questions and answers as bytes: what is written is read again, what is cut or
// damaged is told from what is whole, and nothing is as long as it must not be.

#include "packet.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace std::string_literals;

namespace {

const std::string nonce = "0123456789abcdef", head = "\0qverify2"s + nonce;

const unsigned char *raw(const std::string &s) {
  return reinterpret_cast<const unsigned char *>(s.data());
}

// Bytes with nothing behind them that could be read by mistake.
struct Exact {
  explicit Exact(const std::string &s) : bytes(new char[s.size()]), size(s.size()) { s.copy(bytes.get(), size); }
  std::unique_ptr<char[]> bytes;
  size_t size;
};

// A question in words; "damaged".
std::string question(const std::string &datagram) {
  const Exact exact(datagram);
  packet_question q;
  if (packet_read_question(exact.bytes.get(), exact.size, &q) == -1) return "damaged";
  std::string words = "<" + std::string(q.address, q.address_len) + ">";
  if (q.extended) words += " nonce " + std::string(reinterpret_cast<const char *>(q.nonce), QV_NONCE_SIZE);
  if (q.client) words += " client " + std::string(reinterpret_cast<const char *>(q.client), q.client_len);
  if (q.sender) words += " sender <" + std::string(q.sender, q.sender_len) + ">";
  return words;
}

std::string answer(const std::string &datagram) {
  const Exact exact(datagram);
  packet_answer a;
  if (packet_read_answer(exact.bytes.get(), exact.size, &a) == -1) return "damaged";
  std::string words = std::to_string(a.status) + " <" + std::string(a.user, a.user_len) + ">";
  if (a.extended) words += " nonce " + std::string(reinterpret_cast<const char *>(a.nonce), QV_NONCE_SIZE) + " reason " + std::to_string(a.reason);
  return words;
}

std::string write_question(const std::string &address, const char *client, const char *sender, size_t max = QV_QUESTION_WRITTEN_MAX) {
  std::string bytes(max, 'x');
  packet_question q{};
  q.address = address.data();
  q.address_len = address.size();
  q.extended = 1;
  q.nonce = raw(nonce);
  const std::string ip = client ? client : "";
  if (client) q.client = raw(ip), q.client_len = ip.size();
  if (sender) q.sender = sender, q.sender_len = strlen(sender);
  bytes.resize(packet_write_question(&q, bytes.data(), max));
  return bytes;
}

std::string write_answer(unsigned char status, const std::string &user, bool extended, unsigned reason, size_t max) {
  std::string bytes(max, 'x');
  packet_answer a{};
  a.status = status;
  a.user = user.data();
  a.user_len = user.size();
  a.extended = extended;
  a.nonce = raw(nonce);
  a.reason = reason;
  bytes.resize(packet_write_answer(&a, bytes.data(), max));
  return bytes;
}

std::string field(unsigned type, const std::string &value) {
  return std::string{static_cast<char>(type), static_cast<char>(value.size() >> 8), static_cast<char>(value.size())} + value;
}

TEST(PacketQuestion, Plain) {
  for (const auto &rest : {""s, "\0"s, "\0anything"s, "\0\0\0"s, "\0qverify1"s + nonce, "\0QVERIFY2"s + nonce, "\0"s + head, head.substr(0, head.size() - 1)})
    EXPECT_EQ(question("joe@example.com" + rest), "<joe@example.com>") << rest;
  EXPECT_EQ(question(""), "<>");
  EXPECT_EQ(question("\0"s), "<>");
}

TEST(PacketQuestion, Extended) {
  EXPECT_EQ(question("joe@x" + head), "<joe@x> nonce " + nonce);
  EXPECT_EQ(question(head), "<> nonce " + nonce);
  EXPECT_EQ(question("joe@x" + head + field(1, "abcd") + field(2, "ann@y")), "<joe@x> nonce " + nonce + " client abcd sender <ann@y>");
  EXPECT_EQ(question("joe@x" + head + field(2, "") + field(1, nonce)), "<joe@x> nonce " + nonce + " client " + nonce + " sender <>") << "in any order";
  EXPECT_EQ(question("joe@x" + head + field(2, "a") + field(2, "b")), "<joe@x> nonce " + nonce + " sender <a>") << "the first counts";
  EXPECT_EQ(question("joe@x" + head + field(1, "abc") + field(1, "abcde") + field(1, "abcd")), "<joe@x> nonce " + nonce + " client abcd") << "no address has three bytes";
  EXPECT_EQ(question("joe@x" + head + field(0, "") + field(77, std::string(1000, 'z')) + field(2, "a") + field(255, nonce)),
            "<joe@x> nonce " + nonce + " sender <a>") << "what is not known is passed over";
}

TEST(PacketQuestion, CutAnywhere) {
  const std::string address = "joe@x", fields = field(1, "abcd") + field(2, "ann@y"), whole = address + head + fields;
  for (size_t len = 0; len < whole.size(); ++len) {
    const std::string is = question(whole.substr(0, len)), base = "<" + address.substr(0, len) + ">";
    if (len < address.size() + head.size())
      EXPECT_EQ(is, base) << len;
    else if (len == address.size() + head.size())
      EXPECT_EQ(is, base + " nonce " + nonce);
    else if (len == address.size() + head.size() + 7)
      EXPECT_EQ(is, base + " nonce " + nonce + " client abcd");
    else
      EXPECT_EQ(is, "damaged") << len;
  }
}

TEST(PacketQuestion, ThereAndBack) {
  EXPECT_EQ(write_question("joe@x", nullptr, nullptr), "joe@x" + head);
  EXPECT_EQ(write_question("joe@x", "abcd", "ann@y"), "joe@x" + head + field(1, "abcd") + field(2, "ann@y"));
  EXPECT_EQ(question(write_question("", nonce.c_str(), "")), "<> nonce " + nonce + " client " + nonce + " sender <>");
  const std::string longest(QV_ADDRESS_MAX, 'a');
  EXPECT_EQ(question(write_question(longest, nonce.c_str(), longest.c_str())), "<" + longest + "> nonce " + nonce + " client " + nonce + " sender <" + longest + ">")
      << "there is room for the longest of all";
  packet_question plain{};
  char bytes[8];
  plain.address = "joe@x";
  plain.address_len = 5;
  EXPECT_EQ(std::string(bytes, packet_write_question(&plain, bytes, sizeof bytes)), "joe@x\0"s);
}

TEST(PacketQuestion, WhatDoesNotFitIsNotWritten) {
  const std::string whole = write_question("joe@x", "abcd", "ann@y");
  for (size_t max = 0; max < whole.size(); ++max) EXPECT_EQ(write_question("joe@x", "abcd", "ann@y", max), "") << max;
  EXPECT_EQ(write_question("joe@x", "abcd", "ann@y", whole.size()), whole);
  const std::string huge(65536, 's');
  EXPECT_EQ(write_question("joe@x", nullptr, huge.c_str(), 100000), "") << "two bytes cannot tell that length";
  EXPECT_EQ(write_question("joe@x", nullptr, huge.substr(1).c_str(), 100000).size(), 5 + head.size() + 3 + 65535);
}

TEST(PacketAnswer, Plain) {
  EXPECT_EQ(answer("\xe1joe"), "225 <joe>");
  EXPECT_EQ(answer("\x10"), "16 <>");
  EXPECT_EQ(answer("\0joe"s), "0 <joe>") << "the status may be 0";
  EXPECT_EQ(answer("\xa0joe\0more"s), "160 <joe>");
  EXPECT_EQ(answer(""), "damaged") << "an empty datagram is none";
}

TEST(PacketAnswer, Extended) {
  EXPECT_EQ(answer("\xe1joe" + head + "\x00\x10"s), "225 <joe> nonce " + nonce + " reason 16");
  EXPECT_EQ(answer("\0"s + head + "\xff\xff"s), "0 <> nonce " + nonce + " reason 65535");
  EXPECT_EQ(answer("\xe1jo" + head + "\x00\x10"s + field(3, "joe")), "225 <joe> nonce " + nonce + " reason 16") << "the whole user";
  EXPECT_EQ(answer("\xe1jo" + head + "\x00\x10"s + field(3, "joe") + field(3, "ann")), "225 <joe> nonce " + nonce + " reason 16");
  EXPECT_EQ(answer("\xe1jo" + head + "\x00\x10"s + field(3, "joe\0y"s)), "225 <joe> nonce " + nonce + " reason 16") << "no NUL in a user";
  EXPECT_EQ(answer("\xe1jo" + head + "\x00\x10"s + field(9, "x") + field(255, nonce)), "225 <jo> nonce " + nonce + " reason 16");
}

TEST(PacketAnswer, CutAnywhere) {
  const std::string whole = "\xe1jo" + head + "\x00\x10"s + field(3, "joe");
  const size_t plain = 3 + head.size();
  for (size_t len = 1; len < whole.size(); ++len) {
    const std::string is = answer(whole.substr(0, len));
    if (len < plain)
      EXPECT_EQ(is, "225 <" + whole.substr(1, len < 3 ? len - 1 : 2) + ">") << len;
    else if (len == plain + 2)
      EXPECT_EQ(is, "225 <jo> nonce " + nonce + " reason 16");
    else
      EXPECT_EQ(is, "damaged") << len;
  }
}

TEST(PacketAnswer, PlainOnesHave33BytesAtMost) {
  for (size_t user = 0; user < 300; ++user) {
    const std::string name(user, 'u'), bytes = write_answer(0xe1, name, false, 16, QV_PLAIN_REPLY_MAX);
    EXPECT_EQ(bytes, "\xe1" + name.substr(0, QV_USER_MAX));
  }
  EXPECT_EQ(write_answer(0xe1, "joe", false, 16, 2), "\xe1j");
  EXPECT_EQ(write_answer(0xe1, "joe", false, 16, 0), "");
}

// max is twice the length of each question that there can be.
TEST(PacketAnswer, ExtendedOnesHaveTwiceTheQuestionAtMost) {
  for (size_t asked = 1 + QV_MAGIC_SIZE + QV_NONCE_SIZE; asked < 300; ++asked)
    for (size_t user : {0, 1, 21, 22, 23, 31, 32, 33, 100, 255, 400}) {
      const size_t max = std::min<size_t>(2 * asked, QV_REPLY_MAX), frame = 1 + head.size() + 2;
      const std::string name(user, 'u'), bytes = write_answer(0xe1, name, true, 0x1234, max);
      ASSERT_LE(bytes.size(), max);
      const bool whole = user <= QV_USER_MAX || frame + QV_USER_MAX + 3 + user <= max;
      const size_t fits = std::min({user, size_t{QV_USER_MAX}, max - frame});
      ASSERT_EQ(answer(bytes), "225 <" + name.substr(0, whole && fits >= std::min<size_t>(user, QV_USER_MAX) ? user : fits) + "> nonce " + nonce + " reason 4660") << asked << " " << user;
    }
  EXPECT_EQ(write_answer(0xe1, "", true, 16, head.size() + 2), "") << "too small for anything";
}

// Two daemons that are made to ask each other stop at once.
TEST(PacketAnswer, AnExtendedOneIsNoQuestion) {
  for (unsigned reason = 1; reason < 200; ++reason)
    for (size_t user = 0; user < 256; ++user)
      ASSERT_EQ(question(write_answer(0xe1, std::string(user, 'u'), true, reason, QV_REPLY_MAX)), "damaged") << reason << " " << user;
}

// What went over the wire with qmail-verify 1.32 on both ends.
TEST(PacketCaptured, Of132) {
  auto bytes = [](std::string_view hex) {
    std::string out;
    for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
  };
  std::vector<std::pair<std::string, std::string>> captured;
#define CAPTURED(asked, answered) captured.emplace_back(bytes(asked), bytes(answered));
#include "captured-1.32.inc"
#undef CAPTURED
  ASSERT_GE(captured.size(), 25u);
  for (const auto &[asked, answered] : captured) {
    EXPECT_EQ(question(asked), "<" + asked.substr(0, asked.size() - 1) + ">") << "a plain question with its NUL";
    EXPECT_EQ(answer(answered), std::to_string(static_cast<unsigned char>(answered[0])) + " <" + answered.substr(1) + ">");
    EXPECT_EQ(write_answer(static_cast<unsigned char>(answered[0]), answered.substr(1), false, 16, QV_PLAIN_REPLY_MAX), answered) << "and so do we answer";
  }
}

TEST(PacketAnyBytes, AreReadWithinTheirBounds) {
  std::mt19937 random(19);
  const std::string pieces[] = {"\0"s, head, "qverify2", nonce, "joe", field(1, "abcd"), field(2, "a"), field(3, "u"), "\xff\xff\xff", "\x00\x10"s};
  for (int i = 0; i < 20000; ++i) {
    std::string datagram;
    for (auto n = random() % 6; n; --n) datagram += pieces[random() % std::size(pieces)];
    if (!datagram.empty() && random() % 2) datagram[random() % datagram.size()] = static_cast<char>(random());
    question(datagram);
    answer(datagram);
  }
}

}  // namespace
