// migrate_edits_test.cpp - changes to a text, and the diff that shows them.

#include "migrate/edits.h"

#include <gtest/gtest.h>

#include "migrate/say.h"

namespace {

constexpr std::string_view TEN = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

TEST(migrate_edits, apply) {
  EXPECT_EQ(edits_apply("abcdef", {}), "abcdef");
  EXPECT_EQ(edits_apply("abcdef", {{0, 1, "X"}, {2, 2, "Y"}, {5, 6, ""}}), "XbYcde");
}

TEST(migrate_edits, lines_that_are_put_in_touch_no_other) {
  EXPECT_EQ(edits_diff("f", TEN, {{8, 8, "IV\nIVa\n"}}),
            "--- f\n+++ f\n@@ -2,6 +2,8 @@\n 2\n 3\n 4\n+IV\n+IVa\n 5\n 6\n 7\n");
  EXPECT_EQ(edits_diff("f", "a\nb\n", {{0, 0, "0\n"}, {2, 3, "B"}}), "--- f\n+++ f\n@@ -1,2 +1,3 @@\n+0\n a\n-b\n+B\n");
  EXPECT_EQ(edits_diff("f", "a\nb\n", {{0, 0, "0\n"}, {0, 1, "A"}}), "--- f\n+++ f\n@@ -1,2 +1,3 @@\n-a\n+0\n+A\n b\n");
  EXPECT_EQ(edits_diff("f", "a\n", {{2, 2, "b\n"}}), "--- f\n+++ f\n@@ -1,1 +1,2 @@\n a\n+b\n");
}

TEST(migrate_edits, no_edit_no_diff) { EXPECT_EQ(edits_diff("f", TEN, {}), ""); }

TEST(migrate_edits, one_line) {
  EXPECT_EQ(edits_diff("f", TEN, {{8, 9, "V"}}), "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n");
}

TEST(migrate_edits, a_line_goes) {
  EXPECT_EQ(edits_diff("f", TEN, {{8, 10, ""}}), "--- f\n+++ f\n@@ -2,7 +2,6 @@\n 2\n 3\n 4\n-5\n 6\n 7\n 8\n");
}

TEST(migrate_edits, two_that_are_near_stand_in_one_hunk) {
  EXPECT_EQ(edits_diff("f", TEN, {{2, 3, "II"}, {8, 9, "V"}}),
            "--- f\n+++ f\n@@ -1,8 +1,8 @@\n 1\n-2\n+II\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n");
}

TEST(migrate_edits, two_that_are_far_stand_in_two) {
  EXPECT_EQ(edits_diff("f", TEN, {{0, 2, ""}, {18, 20, "X"}}),
            "--- f\n+++ f\n@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n@@ -7,4 +6,4 @@\n 7\n 8\n 9\n-10\n+X\n");
}

TEST(migrate_edits, two_in_one_line) {
  EXPECT_EQ(edits_diff("f", "a b c\n", {{0, 1, "A"}, {4, 5, "C"}}), "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a b c\n+A b C\n");
}

TEST(migrate_edits, over_a_newline) {
  EXPECT_EQ(edits_diff("f", "a \\\n b\nc\n", {{1, 6, ""}}), "--- f\n+++ f\n@@ -1,3 +1,2 @@\n-a \\\n- b\n+a\n c\n");
  EXPECT_EQ(edits_diff("f", "a\nb\nc\n", {{1, 2, " "}}), "--- f\n+++ f\n@@ -1,3 +1,2 @@\n-a\n-b\n+a b\n c\n");
}

TEST(migrate_edits, without_a_final_newline) {
  EXPECT_EQ(edits_diff("f", "a", {{1, 1, "b"}}),
            "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+ab\n\\ No newline at end of file\n");
  EXPECT_EQ(edits_diff("f", "a\nb", {{0, 1, "A"}}), "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n\\ No newline at end of file\n");
}

TEST(migrate_edits, all_goes) { EXPECT_EQ(edits_diff("f", "a\n", {{0, 2, ""}}), "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a\n"); }

TEST(migrate_edits, line_numbers) {
  EXPECT_EQ(edits_line("a\nb\n", 0), 1U);
  EXPECT_EQ(edits_line("a\nb\n", 1), 1U);
  EXPECT_EQ(edits_line("a\nb\n", 2), 2U);
  EXPECT_EQ(edits_line("a\nb\n", 100), 3U);
}

TEST(migrate_say, nothing_raw) {
  EXPECT_EQ(say_name("a b\\\x1b\n"), "a b\\x5c\\x1b\\x0a");
  EXPECT_EQ(say_diff("+a\\\t\x1b\xc3\n"), "+a\\\t\\x1b\\xc3\n");
  EXPECT_EQ(say_word("/etc/tcp.smtp"), "/etc/tcp.smtp");
  EXPECT_EQ(say_word("a b'c"), "'a b'\\''c'");
  EXPECT_EQ(say_word(""), "''");
}

}  // namespace
