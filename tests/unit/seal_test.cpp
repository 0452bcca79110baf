// seal_test.cpp - datagrams between daemons that share a key: what was sealed is good, and
// nothing else is.

#include "hub/seal.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "hub/siphash.h"
#include "packet.h"

namespace {

constexpr char KEYS[] =
    "one:00112233445566778899aabbccddeeff:192.0.2.\n"
    "two:0123456789abcdef0123456789abcdef\n"
    "store:ffeeddccbbaa99887766554433221100:198.51.100.7\n";
constexpr char ADDRESS[] = "joe@example.org";

ip_address ip(const char *text) {
  unsigned char bytes[4];
  EXPECT_EQ(inet_pton(AF_INET, text, bytes), 1) << text;
  return ip_of(bytes, 4);
}

using nonce = std::array<unsigned char, QV_NONCE_SIZE>;

nonce counting(unsigned char first) {
  nonce n;
  std::iota(n.begin(), n.end(), first);
  return n;
}

class Seal : public testing::Test {
 protected:
  Seal() { EXPECT_TRUE(complaints.empty()); }

  static std::string question(std::string_view address = ADDRESS, unsigned char first = 1) {
    const nonce n = counting(first);
    const unsigned char client[4] = {192, 0, 2, 77};
    packet_question q{};
    q.address = address.data();
    q.address_len = address.size();
    q.extended = 1;
    q.nonce = n.data();
    q.client = client;
    q.client_len = sizeof client;
    q.sender = "a@b";
    q.sender_len = 3;
    char buf[QV_QUESTION_WRITTEN_MAX];
    return {buf, packet_write_question(&q, buf, sizeof buf)};
  }

  static std::string answer(unsigned char first = 1, std::string_view user = "joe") {
    const nonce n = counting(first);
    packet_answer a{};
    a.status = 0x90;
    a.user = user.data();
    a.user_len = user.size();
    a.extended = 1;
    a.nonce = n.data();
    a.reason = QV_REASON_DEFAULT_DELIVERY;
    char buf[QV_REPLY_MAX];
    return {buf, packet_write_answer(&a, buf, sizeof buf)};
  }

  static std::string sealed_question(const key_entry &key, std::string text = question()) {
    const size_t len = text.size();
    text.resize(len + SEAL_MAX);
    text.resize(seal_question(key, text.data(), len, text.size()));
    return text;
  }

  static std::string sealed_answer(const key_entry &key, std::string_view address = ADDRESS,
                                   std::string text = answer()) {
    const size_t len = text.size();
    text.resize(len + SEAL_MAX);
    text.resize(seal_answer(key, address, text.data(), len, text.size()));
    return text;
  }

  const key_entry &key(const char *id) const {
    return *keys.find(id, ip(std::string_view(id) == "store" ? "198.51.100.7" : "192.0.2.1"));
  }

  seal_state check(const std::string &datagram, const char *peer = "192.0.2.1") {
    const seal_state state = seal_check_question(keys, ip(peer), datagram, by);
    EXPECT_EQ(by != nullptr, state == seal_state::good);
    return state;
  }

  std::vector<std::string> complaints;
  keys_table keys{KEYS, complaints};
  const key_entry *by = nullptr;
};

// The datagram without its seal, and then with this field.
std::string with_field(std::string datagram, unsigned type, const std::string &value) {
  datagram += {static_cast<char>(type), static_cast<char>(value.size() >> 8), static_cast<char>(value.size() & 0xff)};
  return datagram + value;
}

std::string unhex(const std::string &digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

}  // namespace

TEST_F(Seal, AQuestionRoundTrip) {
  for (const char *id : {"one", "two"}) {
    const std::string sealed = sealed_question(key(id));
    EXPECT_EQ(sealed.size(), question().size() + 3 + 16 + 3);
    EXPECT_EQ(check(sealed), seal_state::good);
    EXPECT_EQ(by, &key(id));
    packet_question q;
    ASSERT_EQ(packet_read_question(sealed.data(), sealed.size(), &q), 0);
    EXPECT_EQ(std::string_view(q.address, q.address_len), ADDRESS);
    EXPECT_EQ(std::string_view(q.sender, q.sender_len), "a@b");
  }
}

TEST_F(Seal, AnAnswerRoundTrip) {
  const std::string sealed = sealed_answer(key("store"));
  EXPECT_EQ(seal_check_answer(key("store"), ADDRESS, sealed), seal_state::good);
  packet_answer a;
  ASSERT_EQ(packet_read_answer(sealed.data(), sealed.size(), &a), 0);
  EXPECT_EQ(a.reason, static_cast<unsigned>(QV_REASON_DEFAULT_DELIVERY));
  EXPECT_EQ(std::string_view(a.user, a.user_len), "joe");
}

// The bytes that qmail-verify-packet(5) says are summed.
TEST_F(Seal, WhatIsSummed) {
  const std::string q = question(), a = answer();
  const auto field = [&](const key_entry &k, const std::string &summed) {
    const siphash_sum sum = siphash(k.secret, summed.data(), summed.size());
    return std::string(sum.begin(), sum.end()) + k.id;
  };
  EXPECT_EQ(sealed_question(key("one")), with_field(q, QV_FIELD_MAC, field(key("one"), std::string("q\3one\0\0", 7) + q)));
  EXPECT_EQ(sealed_answer(key("one")),
            with_field(a, QV_FIELD_MAC, field(key("one"), std::string("a\3one\0\x0f", 7) + ADDRESS + a)));
}

// The signed example of qmail-verify-packet(5); test_documents.py sees to it that these are its bytes.
TEST_F(Seal, TheExampleOfTheManualPage) {
  const std::string asked =
      "6e6f40622e6f72670071766572696679328d1f60e207b45a99c32e71fd1846ab3006000101ff0012b0aebc9503ff869b88cab81cffba69276b31";
  const std::string answered =
      "e1616c6961730071766572696679328d1f60e207b45a99c32e71fd1846ab300010ff00127461a056440c7795a7f11ee82e80f9f36b31";
  const keys_table own("k1:00112233445566778899aabbccddeeff\n", complaints);
  EXPECT_EQ(seal_check_question(own, ip("192.0.2.1"), unhex(asked), by), seal_state::good);
  ASSERT_TRUE(by);
  EXPECT_EQ(seal_check_answer(*by, "no@b.org", unhex(answered)), seal_state::good);
}

TEST_F(Seal, EveryByteOfAQuestionCounts) {
  const std::string sealed = sealed_question(key("two"));
  for (size_t i = 0; i < sealed.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = sealed;
      other[i] = static_cast<char>(other[i] ^ 1 << bit);
      EXPECT_NE(check(other), seal_state::good) << i;
      // one whose fields cannot be told any more has none; what has one, it is bad for
      const size_t nonce_at = strlen(ADDRESS) + 1 + QV_MAGIC_SIZE, value_at = question().size() + 3;
      const bool in_place = (i >= nonce_at && i < nonce_at + QV_NONCE_SIZE) || i >= value_at;
      if (in_place) {
        EXPECT_EQ(check(other), seal_state::bad) << i;
      }
    }
}

TEST_F(Seal, EveryByteOfAnAnswerCounts) {
  const std::string sealed = sealed_answer(key("two"));
  for (size_t i = 0; i < sealed.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = sealed;
      other[i] = static_cast<char>(other[i] ^ 1 << bit);
      EXPECT_NE(seal_check_answer(key("two"), ADDRESS, other), seal_state::good) << i;
    }
}

TEST_F(Seal, WhatIsCutOrGoesOnIsBad) {
  const std::string sealed = sealed_question(key("two"));
  for (size_t len = question().size() + 1; len < sealed.size(); ++len)
    EXPECT_EQ(check(sealed.substr(0, len)), seal_state::bad) << len;
  EXPECT_EQ(check(sealed + '\0'), seal_state::bad);
  EXPECT_EQ(check(with_field(sealed, QV_FIELD_FILLING, "xx")), seal_state::bad);
  const std::string reply = sealed_answer(key("two"));
  for (size_t len = answer().size() + 1; len < reply.size(); ++len)
    EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, reply.substr(0, len)), seal_state::bad) << len;
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, with_field(reply, QV_FIELD_USER, "x")), seal_state::bad);
}

TEST_F(Seal, TwoAreBad) {
  EXPECT_EQ(check(sealed_question(key("one"), sealed_question(key("two")))), seal_state::bad);
  EXPECT_EQ(check(sealed_question(key("two"), with_field(question(), QV_FIELD_MAC, ""))), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, sealed_answer(key("two"), ADDRESS, sealed_answer(key("two")))),
            seal_state::bad);
}

TEST_F(Seal, None) {
  EXPECT_EQ(check(question()), seal_state::none);
  EXPECT_EQ(check("joe@example.org"), seal_state::none);
  EXPECT_EQ(check(""), seal_state::none);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, answer()), seal_state::none);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, "\x90joe"), seal_state::none);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, ""), seal_state::none);
}

TEST_F(Seal, AValueThatIsNoCodeIsBad) {
  for (size_t len : {0u, 1u, 15u, 16u, 49u, 300u})
    EXPECT_EQ(check(with_field(question(), QV_FIELD_MAC, std::string(len, 'x'))), seal_state::bad) << len;
}

TEST_F(Seal, AKeyThatIsNotForThisPeer) {
  const std::string sealed = sealed_question(key("one"));
  EXPECT_EQ(check(sealed, "192.0.2.200"), seal_state::good);
  EXPECT_EQ(check(sealed, "192.0.3.1"), seal_state::bad);
  EXPECT_EQ(check(sealed_question(key("two")), "192.0.3.1"), seal_state::good);
  EXPECT_EQ(check(sealed_question(key("store"))), seal_state::bad);
}

TEST_F(Seal, AKeyThatIsNotKnownOrHasAnotherSecret) {
  key_entry strange = key("two");
  strange.id = "three";
  EXPECT_EQ(check(sealed_question(strange)), seal_state::bad);
  strange = key("two");
  strange.secret[15] ^= 1;
  EXPECT_EQ(check(sealed_question(strange)), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, sealed_answer(strange)), seal_state::bad);
  // the same secret with another id
  strange = key("two");
  strange.id = "one";
  EXPECT_EQ(seal_check_answer(strange, ADDRESS, sealed_answer(key("two"))), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, sealed_answer(strange)), seal_state::bad);
}

TEST_F(Seal, AnAnswerToAnotherQuestion) {
  const std::string sealed = sealed_answer(key("two"));
  EXPECT_EQ(seal_check_answer(key("two"), "Joe@example.org", sealed), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), "joe@example.or", sealed), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), "", sealed), seal_state::bad);
  EXPECT_EQ(seal_check_answer(key("two"), std::string(70000, 'x'), sealed), seal_state::bad);
  // the nonce of another question put into it
  std::string renamed = sealed;
  const nonce other = counting(99);
  const size_t at = sealed.find(QV_MAGIC) + QV_MAGIC_SIZE;
  std::copy(other.begin(), other.end(), renamed.begin() + static_cast<long>(at));
  EXPECT_EQ(seal_check_answer(key("two"), ADDRESS, renamed), seal_state::bad);
}

// The bytes of a question that were made so that they can be read as an answer, too.
TEST_F(Seal, AQuestionIsNoAnswerAndNoAnswerAQuestion) {
  const std::string both = answer();  // status and user are read as an address, reason and all as a field
  packet_question q;
  const std::string asked = with_field(question(), 0, std::string(4, '\0'));
  const std::string sealed = sealed_question(key("two"), asked);
  EXPECT_EQ(check(sealed), seal_state::good);
  EXPECT_NE(seal_check_answer(key("two"), "", sealed), seal_state::good);
  EXPECT_NE(seal_check_answer(key("two"), ADDRESS, sealed), seal_state::good);
  EXPECT_NE(check(sealed_answer(key("two"))), seal_state::good);
  EXPECT_NE(check(sealed_answer(key("two"), "")), seal_state::good);
  EXPECT_EQ(packet_read_question(both.data(), both.size(), &q), -1);
}

TEST_F(Seal, AReplyHasTheQuestionsKey) {
  const auto reply = [&](const std::string &asked, const char *peer, size_t room = SEAL_MAX) {
    std::string text = answer();
    const size_t len = text.size();
    text.resize(len + room);
    text.resize(seal_reply(keys, ip(peer), asked, text.data(), len, text.size()));
    return text;
  };
  EXPECT_EQ(reply(sealed_question(key("one")), "192.0.2.1"), sealed_answer(key("one")));
  EXPECT_EQ(reply(sealed_question(key("two")), "192.0.2.1"), sealed_answer(key("two")));
  EXPECT_EQ(reply(sealed_question(key("two"), question("")), "192.0.2.1"), sealed_answer(key("two"), ""));
  EXPECT_EQ(reply(question(), "192.0.2.1"), answer());
  EXPECT_EQ(reply(sealed_question(key("one")), "192.0.3.1"), answer());
  EXPECT_EQ(reply(sealed_question(key("one")) + "x", "192.0.2.1"), answer());
  EXPECT_EQ(reply(sealed_question(key("one")), "192.0.2.1", 21), answer());
  EXPECT_EQ(reply(sealed_question(key("one")), "192.0.2.1", 22), sealed_answer(key("one")));
  std::string text = answer();
  const size_t len = text.size();
  EXPECT_EQ(seal_reply(keys_table(), ip("192.0.2.1"), sealed_question(key("one")), text.data(), len, len), len);
}

TEST_F(Seal, NothingIsWrittenWhereThereIsNoRoom) {
  std::string text = question();
  const size_t len = text.size(), needed = sealed_question(key("two")).size();
  text.resize(len + SEAL_MAX, '#');
  EXPECT_EQ(seal_question(key("two"), text.data(), len, needed), needed);
  for (size_t max = len; max < needed; ++max) EXPECT_EQ(seal_question(key("two"), text.data(), len, max), 0u) << max;
  std::string plain = "joe@example.org";
  plain.resize(200);
  EXPECT_EQ(seal_question(key("two"), plain.data(), 15, plain.size()), 0u);
  EXPECT_EQ(seal_answer(key("two"), ADDRESS, plain.data(), 4, plain.size()), 0u);
  EXPECT_EQ(seal_answer(key("two"), std::string(70000, 'x'), text.data(), len, text.size()), 0u);
}

TEST_F(Seal, TheMostThatItAdds) {
  key_entry longest = key("two");
  longest.id.assign(KEY_ID_MAX, 'x');
  std::string text = answer();
  const size_t len = text.size();
  text.resize(len + SEAL_MAX);
  EXPECT_EQ(seal_answer(longest, ADDRESS, text.data(), len, text.size()), len + SEAL_MAX);
  EXPECT_EQ(seal_check_answer(longest, ADDRESS, text), seal_state::good);
}
