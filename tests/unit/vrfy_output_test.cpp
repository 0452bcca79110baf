// What qmail-vrfy reads and writes: lists of addresses, fields, JSON, the progress bar.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "fakeserver.h"
#include "vrfy/answer.h"
#include "vrfy/json.h"
#include "vrfy/lines.h"
#include "vrfy/progress.h"
#include "vrfy/say.h"

using namespace std::string_literals;

namespace {

// ---- lists

struct List {
  TemporaryFolder folder;
  vrfy_lines lines;
  std::string said;

  std::vector<std::string> read(const std::string &content) {
    std::ofstream(folder.path("list"), std::ios::binary) << content;
    std::vector<std::string> out;
    testing::internal::CaptureStderr();
    EXPECT_TRUE(lines.open(folder.path("list")));
    for (std::string line; lines.next(line);) out.push_back(line);
    lines.end();
    said = testing::internal::GetCapturedStderr();
    return out;
  }
};

using Words = std::vector<std::string>;

TEST(VrfyLines, AreTakenAsTheyAre) {
  EXPECT_EQ(List().read("a@b\n c d \n#x\n\xff\xfe@\n"), (Words{"a@b", " c d ", "#x", "\xff\xfe@"}));
  EXPECT_EQ(List().read("a\r\nb\r\r\nc"), (Words{"a", "b\r", "c"}));
  EXPECT_EQ(List().read("\n\r\n\na\n\n\r\n"), (Words{"", "", "", "a", "", ""}));
  EXPECT_EQ(List().read(""), Words{});
  EXPECT_EQ(List().read("\n"), Words{""});
}

TEST(VrfyLines, ManyAndLongOnes) {
  std::string content;
  Words expected;
  for (unsigned i = 0; i < 30000; ++i) {
    expected.push_back("user" + std::to_string(i) + std::string(i % 61, 'x'));
    content += expected.back() + (i % 7 ? "\n" : "\r\n\n");
    if (i % 7 == 0) expected.emplace_back();
  }
  expected.push_back(std::string(VRFY_ADDRESS_MAX, 'y'));
  List list;
  EXPECT_EQ(list.read(content + expected.back() + "\n"), expected);
  EXPECT_EQ(list.said, "");
  EXPECT_EQ(list.lines.taken(), list.lines.size());
}

TEST(VrfyLines, NoAddressIsNamedWithItsNumber) {
  List list;
  const Words got = list.read("a\n\nb\0c\n"s + std::string(3 * VRFY_ADDRESS_MAX, 'z') + "\nd\n");
  EXPECT_EQ(got, (Words{"a", "", "b\0c"s, std::string(VRFY_ADDRESS_MAX + 1, 'z'), "d"}));
  EXPECT_NE(list.said.find("list, line 3: there is a NUL in it"), std::string::npos) << list.said;
  EXPECT_NE(list.said.find("list, line 4: longer than any address"), std::string::npos) << list.said;
  vrfy_answer answer;
  EXPECT_FALSE(vrfy_cannot_be_asked(got[0], answer));
  EXPECT_FALSE(vrfy_cannot_be_asked(got[1], answer));
  EXPECT_TRUE(vrfy_cannot_be_asked(got[2], answer));
  EXPECT_TRUE(vrfy_cannot_be_asked(got[3], answer));
  EXPECT_EQ(answer.verdict, QV_TEMPORARY);
}

TEST(VrfyLines, ManyThatAreNoAddressesAreCounted) {
  std::string content;
  for (int i = 0; i < 1000; ++i) content += "\0\n"s;
  List list;
  list.read(content);
  EXPECT_EQ(std::count(list.said.begin(), list.said.end(), '\n'), 11);
  EXPECT_NE(list.said.find("990 more: there is a NUL in it"), std::string::npos) << list.said;
}

TEST(VrfyLines, APipeIsNotWaitedForWithoutNeed) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  unique_fd from(ends[0]), to(ends[1]);
  vrfy_lines lines;
  std::string line;
  ASSERT_TRUE(lines.open("/proc/self/fd/" + std::to_string(from.get())));
  EXPECT_FALSE(lines.ready());
  ASSERT_EQ(write(to.get(), "ab", 2), 2);
  EXPECT_FALSE(lines.ready()) << "half a line";
  ASSERT_EQ(write(to.get(), "c\n", 2), 2);
  EXPECT_TRUE(lines.ready());
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "abc");
  EXPECT_FALSE(lines.ready());
  to.reset();
  EXPECT_TRUE(lines.ready()) << "the end";
  EXPECT_FALSE(lines.next(line));
  EXPECT_FALSE(lines.failed());
}

TEST(VrfyLines, WhatCannotBeReadIsNoEnd) {
  vrfy_lines missing, folder;
  std::string line;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(missing.open("/nonexistent/\x1b"));
  ASSERT_TRUE(folder.open("/"));
  EXPECT_FALSE(folder.next(line));
  EXPECT_TRUE(folder.failed());
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "qmail-vrfy: cannot open /nonexistent/\\x1b: No such file or directory\n"
            "qmail-vrfy: cannot read /: Is a directory\n");
}

// ---- fields

TEST(VrfySafe, AsTheLogHasIt) {
  EXPECT_EQ(vrfy_safe("a\\b c\t\n\x7f\xc3\xa9~!"), "a\\\\b\\x20c\\x09\\x0a\\x7f\\xc3\\xa9~!");
  EXPECT_EQ(vrfy_safe(std::string(VRFY_ADDRESS_MAX, '\0')).size(), 4 * VRFY_ADDRESS_MAX);
  EXPECT_EQ(vrfy_safe_sentence("a b\\ \x1b"), "a b\\ \\x1b");
}

vrfy_answer answered(qv_verdict verdict, unsigned reason, unsigned position, const std::string &user) {
  vrfy_answer a;
  a.verdict = verdict;
  a.reason = reason;
  a.position = position;
  a.user = user;
  return a;
}

TEST(VrfyLine, FourFields) {
  EXPECT_EQ(vrfy_line("a b@c", answered(QV_VALID, QV_REASON_DOTQMAIL, 10, "j\to")),
            "a\\x20b@c\tvalid\tdotqmail\tj\\x09o\n");
  EXPECT_EQ(vrfy_line("", answered(QV_REMOTE, QV_REASON_REMOTE, 1, "")), "\tremote\tremote\t\n");
  EXPECT_EQ(vrfy_line("a", answered(QV_INVALID, 999, 14, "joe")), "a\tinvalid\t999\tjoe\n");
  EXPECT_EQ(vrfy_line("a", answered(QV_UNKNOWN, QV_REASON_PROGRAM, 12, "joe")), "a\tunknown\tprogram\tjoe\n");
  EXPECT_EQ(vrfy_line("a", answered(QV_INVALID, 0, 14, "joe")), "a\tinvalid\tno-mailbox\tjoe\n");
  EXPECT_EQ(vrfy_line("a", answered(QV_VALID, 0, 12, "joe")), "a\tvalid\tdefault dot-qmail\tjoe\n");
  EXPECT_EQ(vrfy_line("a", {}), "a\ttemporary\tnone\t\n");
}

TEST(VrfyLine, Trouble) {
  vrfy_answer a = answered(QV_TEMPORARY, QV_REASON_HOME_UNREACHABLE, 15, "joe");
  EXPECT_EQ(vrfy_trouble(a), "the home directory cannot be entered");
  a.about = "/home/j o";
  a.error = EACCES;
  EXPECT_EQ(vrfy_trouble(a), "the home directory cannot be entered: /home/j\\x20o: Permission denied");
  a.error = EBADMSG;
  EXPECT_EQ(vrfy_trouble(a), "the home directory cannot be entered: /home/j\\x20o: damaged");
  a.why = "127.0.0.1:1: connection refused";
  EXPECT_EQ(vrfy_trouble(a), a.why);
}

// ---- JSON

std::string json(std::string_view bytes) {
  std::string out;
  vrfy_json_string(out, bytes);
  return out;
}

TEST(VrfyJson, Strings) {
  EXPECT_EQ(json(""), "\"\"");
  EXPECT_EQ(json("a\"\\/b"), "\"a\\\"\\\\/b\"");
  EXPECT_EQ(json("\0\t\n\x1f\x7f"s), "\"\\u0000\\u0009\\u000a\\u001f\\u007f\"");
  EXPECT_EQ(json("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7 \xc2\xa0"), "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7 \xc2\xa0\"");
  EXPECT_EQ(json("\xc2\x9b"), "\"\\u009b\"") << "a control character in UTF-8";
}

TEST(VrfyJson, BytesThatAreNoUtf8) {
  EXPECT_EQ(json("\xe9t\xe9"), "\"\\u00e9t\\u00e9\"");
  EXPECT_EQ(json("\xc3"), "\"\\u00c3\"") << "cut";
  EXPECT_EQ(json("\xe2\x82"), "\"\\u00e2\\u0082\"") << "cut";
  EXPECT_EQ(json("\xc0\xaf"), "\"\\u00c0\\u00af\"") << "longer than needed";
  EXPECT_EQ(json("\xe0\x80\x80"), "\"\\u00e0\\u0080\\u0080\"");
  EXPECT_EQ(json("\xf0\x80\x80\x80"), "\"\\u00f0\\u0080\\u0080\\u0080\"");
  EXPECT_EQ(json("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\"") << "a surrogate";
  EXPECT_EQ(json("\xf4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\"") << "above U+10FFFF";
  EXPECT_EQ(json("\x80"), "\"\\u0080\"");
}

TEST(VrfyJson, AnAnswer) {
  vrfy_answer a = answered(QV_TEMPORARY, QV_REASON_NO_ALIAS_USER, 8, "");
  a.about = "alias";
  EXPECT_EQ(vrfy_json_line("a\"b", a),
            "{\"address\":\"a\\\"b\",\"verdict\":\"temporary\",\"reason\":\"no-alias-user\","
            "\"meaning\":\"there is no alias user\",\"position\":8,\"user\":\"\",\"about\":\"alias\","
            "\"trouble\":\"there is no alias user: alias\","
            "\"reply\":{\"code\":451,\"text\":\"451 qv temporary failure (#4.3.0)\"}}\n");
}

// ---- the progress bar

TEST(VrfyProgress, Text) {
  EXPECT_EQ(vrfy_progress_text(5000, 1000, 50, 100, 80),
            "[############............] 50% 5000 addresses, 5000/s, 0:01 left");
  EXPECT_EQ(vrfy_progress_text(10, 2000, 1, 4000, 80),
            "[........................] 0% 10 addresses, 5/s, 2:13:18 left");
  EXPECT_EQ(vrfy_progress_text(10, 1000, 200, 100, 80),
            "[########################] 100% 10 addresses, 10/s, 0:00 left") << "a file that grows";
  EXPECT_EQ(vrfy_progress_text(7, 0, 0, 0, 80), "7 addresses");
  EXPECT_EQ(vrfy_progress_text(7, 500, 90, 0, 80), "7 addresses, 14/s") << "of nobody knows how many";
  EXPECT_EQ(vrfy_progress_text(5000, 1000, 50, 100, 20).size(), 19u) << "a narrow terminal";
}

}  // namespace
