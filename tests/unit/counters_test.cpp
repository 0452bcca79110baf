// counters_test.cpp - the daemon's numbers: summed, told in pieces, read again.

#include "daemon/counters.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <set>

#include "daemon/board.h"
#include "packet.h"
#include "vrfy/counters.h"

namespace {

struct unmap {
  void operator()(board *b) const { munmap(b, sizeof *b); }
};
std::unique_ptr<board, unmap> fresh() { return std::unique_ptr<board, unmap>(board_new()); }

std::string all_of(const board &b, size_t max) {
  std::string out;
  for (unsigned from = 0, next;; from = next) {
    const std::string piece = counters_text(b, from, max, next);
    EXPECT_LE(piece.size(), max);
    out += piece;
    if (next == 0) return out;
    if (next <= from || piece.empty()) {
      ADD_FAILURE() << "no way on from " << from;
      return out;
    }
  }
}

}  // namespace

TEST(counters, blocks_are_added_up) {
  const auto b = fresh();
  b->seats_used.store(3);
  b->parent_counts.add(COUNTER_HANGUPS);
  b->seat[0].counts.add(COUNTER_IGNORED, 5);
  b->seat[2].counts.add(COUNTER_IGNORED);
  b->seat[2].counts.add(COUNTER_REASON + unsigned{QV_REASON_NO_MAILBOX}, 7);
  b->parent_counts.add(COUNTER_REASON + unsigned{QV_REASON_LIMITED});
  b->seat[1].counts.add(COUNTER_REASON);  // of no reason: those about counters
  EXPECT_EQ(counters_sum(*b, COUNTER_IGNORED), 6U);
  EXPECT_EQ(counters_sum(*b, COUNTER_HANGUPS), 1U);
  EXPECT_EQ(counters_verdict(*b, QV_INVALID), 7U);
  EXPECT_EQ(counters_verdict(*b, QV_TEMPORARY), 1U);
  EXPECT_EQ(counters_verdict(*b, QV_VALID), 0U);
}

// Whatever room there is for a piece, all pieces are the same text.
TEST(counters, pieces) {
  const auto b = fresh();
  b->seats_used.store(1);
  for (unsigned i = 0; i < COUNTER_END; ++i) b->seat[0].counts.add(i, UINT64_MAX - i);
  const std::string whole = all_of(*b, 1 << 20);
  EXPECT_EQ(all_of(*b, 400), whole);
  EXPECT_EQ(all_of(*b, COUNTERS_LINE_MAX), whole);
  EXPECT_NE(whole.find("answers_total{verdict=\"invalid\",reason=\"no-mailbox\"} "), whole.npos);
  unsigned next = 1;
  EXPECT_EQ(counters_text(*b, 60000, 1000, next), "");
  EXPECT_EQ(next, 0U);
}

// What the daemon writes qmail-vrfy reads, every line of it.
TEST(counters, lines_are_read_again) {
  const auto b = fresh();
  b->seats_used.store(1);
  for (unsigned i = 0; i < COUNTER_END; ++i) b->seat[0].counts.add(i, i + 1);
  std::set<std::string> names;
  const std::string whole = all_of(*b, 1 << 20);
  size_t lines = 0;
  for (size_t at = 0, end; (end = whole.find('\n', at)) != whole.npos; at = end + 1, ++lines) {
    const std::string line = whole.substr(at, end - at);
    vrfy_counter c;
    EXPECT_LT(line.size(), size_t{COUNTERS_LINE_MAX}) << line;
    ASSERT_TRUE(vrfy_counter_read(line, c)) << line;
    names.insert(line.substr(0, line.rfind(' ')));
  }
  EXPECT_EQ(names.size(), lines) << "a name twice";
  EXPECT_GT(lines, 80U);
}

TEST(counters, what_is_no_line) {
  vrfy_counter c;
  for (const char *text : {"", " ", "a", "a ", " 1", "a b", "A 1", "a{ 1", "a{} x", "a{b} 1", "a{b=} 1", "a{b=\"} 1", "a{b=\"\"} 1",
                           "a{b=\"c\"d} 1", "a{b=\"\\\"} 1", "a -1", "a 1.5", "a 123456789012345678901", "a\x1b 1"})
    EXPECT_FALSE(vrfy_counter_read(text, c)) << text;
  ASSERT_TRUE(vrfy_counter_read("a_b{c=\"d-e.1\",f=\"g\"} 12", c));
  EXPECT_EQ(c.family, "a_b");
  ASSERT_EQ(c.labels.size(), 2U);
  EXPECT_EQ(c.labels[1].second, "g");
}

TEST(counters, in_one_line_for_the_log) {
  const auto b = fresh();
  b->seats_used.store(BOARD_SEATS);
  for (board_seat &seat : b->seat)
    for (unsigned i = 0; i < COUNTER_END; ++i) seat.counts.add(i, UINT64_MAX / BOARD_SEATS);
  const std::string line = counters_line(*b);
  EXPECT_LT(line.size(), 1000U);
  EXPECT_EQ(line.find('\n'), line.npos);
}

// ---- the packet

TEST(counters, an_answer_is_no_question) {
  const unsigned char nonce[QV_NONCE_SIZE] = {};
  const std::string text(300, 'x');
  packet_answer a{};
  a.status = 0x90;
  a.user = "";
  a.extended = 1;
  a.nonce = nonce;
  a.reason = QV_REASON_EMPTY_LOCAL;
  a.counters = text.data();
  a.counters_len = text.size();
  a.counters_next = 0x1234;
  char bytes[QV_REPLY_MAX];
  const size_t len = packet_write_answer(&a, bytes, sizeof bytes);
  ASSERT_GT(len, text.size());
  packet_answer read;
  ASSERT_EQ(packet_read_answer(bytes, len, &read), 0);
  EXPECT_EQ(std::string(read.counters, read.counters_len), text);
  EXPECT_EQ(read.counters_next, 0x1234U);
  packet_question q;
  EXPECT_EQ(packet_read_question(bytes, len, &q), -1) << "two daemons could be made to talk to each other";
  EXPECT_EQ(packet_write_answer(&a, bytes, len - 1), len - text.size() - 5) << "left out where it does not fit";
}

TEST(counters, a_question_is_about_the_empty_address) {
  unsigned char bytes[200];
  const unsigned char nonce[QV_NONCE_SIZE] = {}, two[] = {1, 2}, three[] = {1, 2, 3};
  const auto read = [&](const char *address, const void *value, size_t size) {
    packet_question q{};
    q.address = address;
    q.address_len = strlen(address);
    q.extended = 1;
    q.nonce = nonce;
    size_t len = packet_write_question(&q, bytes, sizeof bytes);
    packet_put_field(bytes, sizeof bytes, &len, QV_FIELD_COUNTERS, value, size);
    EXPECT_EQ(packet_read_question(bytes, len, &q), 0);
    return q.counters;
  };
  EXPECT_EQ(read("", two, 2), 0x102);
  EXPECT_EQ(read("", three, 3), -1);
  EXPECT_EQ(read("", two, 1), -1);
  EXPECT_EQ(read("a@b", two, 2), -1);
}
