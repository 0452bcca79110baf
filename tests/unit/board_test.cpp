// board_test.cpp - what processes see of each other, and the way between them.

#include "daemon/board.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <new>

#include "daemon/relay.h"

namespace {
struct unmap {
  void operator()(board *b) const { munmap(b, sizeof *b); }
};
std::unique_ptr<board, unmap> fresh() { return std::unique_ptr<board, unmap>(board_new()); }
}  // namespace

TEST(board, a_place_holds_what_is_below_it) {
  EXPECT_TRUE(board_below("/home/joe", "/home/joe"));
  EXPECT_TRUE(board_below("/home/joe", "/home"));
  EXPECT_FALSE(board_below("/home/joey", "/home/joe"));
  EXPECT_FALSE(board_below("/home", "/home/joe"));
  EXPECT_TRUE(board_below("passwd", "passwd"));
}

TEST(board, places_hang_until_they_are_removed) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  EXPECT_FALSE(board_hangs(*b, "/home/joe"));
  EXPECT_TRUE(board_hangs_add(*b, "/home"));
  EXPECT_TRUE(board_hangs_add(*b, "/nfs"));
  EXPECT_TRUE(board_hangs(*b, "/home/joe"));
  EXPECT_TRUE(board_hangs(*b, "/nfs"));
  board_hangs_remove(*b, "/home");
  EXPECT_FALSE(board_hangs(*b, "/home/joe"));
  EXPECT_TRUE(board_hangs(*b, "/nfs/x"));
  board_hangs_remove(*b, "/never");
  EXPECT_EQ(b->hanging_count.load(), 1u);
}

TEST(board, there_is_room_for_so_many_places) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  for (unsigned i = 0; i < BOARD_HANGING_MAX; ++i) EXPECT_TRUE(board_hangs_add(*b, "/" + std::to_string(i)));
  EXPECT_FALSE(board_hangs_add(*b, "/more"));
  EXPECT_FALSE(board_hangs_add(*b, "/" + std::string(BOARD_PATH_MAX, 'x')));
}

TEST(board, a_question_is_taken_once_and_by_what_was_seen) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  board_slot &slot = b->seat[0].slot[3];
  EXPECT_FALSE(slot.take(board_state::waiting));
  slot.put();
  const uint32_t seen = slot.word.load();
  EXPECT_EQ(slot.state(), board_state::waiting);
  EXPECT_FALSE(slot.take(board_state::answered));
  EXPECT_TRUE(slot.answer());
  EXPECT_FALSE(slot.answer());
  EXPECT_FALSE(slot.take(seen)) << "it has been answered since";
  EXPECT_TRUE(slot.take(board_state::answered));
  EXPECT_FALSE(slot.take(board_state::answered));
  slot.put();
  EXPECT_FALSE(slot.take(seen)) << "that is another question";
  EXPECT_TRUE(slot.take(board_state::waiting));
  EXPECT_FALSE(slot.answer()) << "somebody else has it";
}

TEST(board, of_a_long_question_others_see_only_what_is_judged) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  board_seat &seat = b->seat[0];
  strcpy(seat.slot[1].datagram, "short");
  seat.slot[1].len = 5;
  EXPECT_EQ(board_datagram(seat, 1), "short");
  seat.slot[2].len = BOARD_DATAGRAM + 1;
  EXPECT_EQ(board_datagram(seat, 2).size(), 0u);
  seat.at.store(2);
  EXPECT_EQ(board_datagram(seat, 2).data(), seat.long_datagram);
  EXPECT_EQ(board_datagram(seat, 2).size(), BOARD_DATAGRAM + 1);
}

TEST(board, a_look_that_is_being_written_is_not_read) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  board_seat &seat = b->seat[0];
  board_look look;
  strcpy(seat.look.path, "/home/joe");
  EXPECT_TRUE(board_look_of(seat, look));
  EXPECT_STREQ(look.path, "/home/joe");
  seat.looks.fetch_add(1);
  EXPECT_FALSE(board_look_of(seat, look));
}

TEST(board, children_share_it) {
  const auto b = fresh();
  ASSERT_TRUE(b);
  const pid_t pid = fork();
  if (pid == 0) {
    b->seat[3].looking_ms.store(17);
    _exit(0);
  }
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(b->seat[3].looking_ms.load(), 17);
}

TEST(relay, a_question_comes_whole_with_who_asked) {
  relay way;
  ASSERT_TRUE(way.open());
  board_question sent;
  sent.ticket = 1234567890123ull;
  sent.asker.socket = 2;
  const std::string datagram("joe@example.org\0more", 20);
  ASSERT_TRUE(way.ask(sent, datagram.data(), datagram.size()));
  board_question got;
  std::vector<char> bytes(QV_QUESTION_MAX);
  size_t len = 0;
  ASSERT_TRUE(way.take(got, bytes.data(), len));
  EXPECT_EQ(got.ticket, sent.ticket);
  EXPECT_EQ(got.asker.socket, 2u);
  EXPECT_EQ(std::string(bytes.data(), len), datagram);
  EXPECT_FALSE(way.take(got, bytes.data(), len)) << "there is one only";
}

TEST(relay, what_happened_to_be_in_holes_is_not_sent) {
  relay way;
  ASSERT_TRUE(way.open());
  alignas(board_question) unsigned char raw[2][sizeof(board_question)], got[2][sizeof(board_question)];
  for (int i = 0; i < 2; ++i) {
    memset(raw[i], i ? 0xff : 0x55, sizeof raw[i]);
    auto *sent = new (raw[i]) board_question;
    sent->ticket = 7;
    sent->asker.local[31] = 9;
    sent->asker.local_size = 32;
    sent->again = 1;
    ASSERT_TRUE(way.ask(*sent, "a", 1));
    char bytes[QV_QUESTION_MAX];
    size_t len = 0;
    ASSERT_TRUE(way.take(*reinterpret_cast<board_question *>(got[i]), bytes, len));
  }
  EXPECT_EQ(memcmp(got[0], got[1], sizeof got[0]), 0);
  const auto *question = reinterpret_cast<board_question *>(got[0]);
  EXPECT_EQ(question->ticket, 7u);
  EXPECT_EQ(question->asker.local[31], 9);
  EXPECT_EQ(question->asker.local_size, 32u);
  EXPECT_EQ(question->again, 1u);
}

TEST(relay, the_largest_question_and_an_empty_one_pass) {
  relay way;
  ASSERT_TRUE(way.open());
  const std::string large(QV_QUESTION_MAX, 'x');
  EXPECT_TRUE(way.ask({}, large.data(), large.size()));
  EXPECT_FALSE(way.ask({}, large.data(), large.size() + 1));
  EXPECT_TRUE(way.ask({}, "", 0));
  board_question got;
  std::vector<char> bytes(QV_QUESTION_MAX);
  size_t len = 0;
  ASSERT_TRUE(way.take(got, bytes.data(), len));
  EXPECT_EQ(len, large.size());
  ASSERT_TRUE(way.take(got, bytes.data(), len));
  EXPECT_EQ(len, 0u);
}

TEST(relay, answers_come_back_and_nobody_waits_for_room) {
  relay way;
  ASSERT_TRUE(way.open());
  EXPECT_TRUE(way.tell({7, relay_kind::answer, QV_INVALID}, "abc", 3));
  relay_message message;
  const char *bytes = nullptr;
  size_t len = 0;
  ASSERT_TRUE(way.hear(message, bytes, len));
  EXPECT_EQ(message.ticket, 7u);
  EXPECT_EQ(message.verdict, QV_INVALID);
  EXPECT_EQ(std::string(bytes, len), "abc");
  EXPECT_FALSE(way.hear(message, bytes, len));
  int sent = 0;
  while (sent < 1000000 && way.tell({0, relay_kind::advice, QV_VALID}, "abc", 3)) ++sent;
  EXPECT_LT(sent, 1000000) << "a full way says so";
}
