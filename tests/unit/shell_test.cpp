// shell_test.cpp - program lines as words: what is certain, and what is not.

#include "address/shell.h"

#include <gtest/gtest.h>

using namespace std::string_literals;

namespace {

// The words, each in <>, "<?>" for one that is one word and no more is known; "?"
// where the line is not certain.
std::string read(std::string_view line, std::string_view home = "/home/joe") {
  const shell_command c = shell_read(line, home);
  if (!c.certain) return "?";
  std::string out;
  for (const shell_word &w : c.words) out += w.certain ? "<" + w.text + ">" : "<?" + w.text + ">";
  return out;
}

struct row {
  std::string line, words;
};

void check(const std::vector<row> &rows) {
  for (const row &r : rows) EXPECT_EQ(read(r.line), r.words) << testing::PrintToString(r.line);
}

}  // namespace

TEST(Shell, WordsStandBetweenBlanksAndTabs) {
  check({{"exit 100", "<exit><100>"},
         {" \t exit \t100 ", "<exit><100>"},
         {"", ""},
         {" \t", ""},
         {"a=b", "?"},
         {"x a=b", "<x><a=b>"},
         {"a, b] %1 x@y.z :", "<a,><b]><%1><x@y.z><:>"}});
}

TEST(Shell, NothingCountsBehindANul) {
  EXPECT_EQ(read("exit 0\0; rm"s), "<exit><0>");
  EXPECT_EQ(read("\0exit"s), "");
  EXPECT_EQ(read("exit 'a\0b'"s), "?");
}

TEST(Shell, SingleQuotesKeepEverything) {
  check({{"a ''", "<a><>"},
         {"a 'b  c'd", "<a><b  cd>"},
         {"a '$X`\\\"#~*;\xff'", "<a><$X`\\\"#~*;\xff>"},
         {"a 'b", "?"},
         {"a 'b\\'c'", "?"}});
}

TEST(Shell, DoubleQuotesKnowTheBackslashBeforeFourCharacters) {
  check({{"a \"\"", "<a><>"},
         {"a \"b  'c' #*~;\xff\"", "<a><b  'c' #*~;\xff>"},
         {R"(a "\$\`\"\\")", "<a><$`\"\\>"},
         {R"(a "\x\'\ ")", R"(<a><\x\'\ >)"},
         {"a \"b", "?"},
         {"a \"b\\", "?"},
         {"a \"b\\\"", "?"},
         {"a \"`b`\"", "?"}});
}

TEST(Shell, AVariableInDoubleQuotesIsOneWordAndNoMore) {
  check({{"a \"$EXT\" b", "<a><?><b>"},
         {"a x\"no $EXT2 here\"'y'", "<a><?>"},
         {"\"$_\"", "<?>"},
         {"a \"$1\"", "?"},
         {"a \"$@\"", "?"},
         {"a \"${EXT}\"", "?"},
         {"a \"$(x)\"", "?"},
         {"a \"$\"", "?"},
         {"a \"costs 5$ \"", "?"}});
}

TEST(Shell, ABackslashOutsideQuotesKeepsTheNextCharacter) {
  check({{"a\\ b \\\\ \\' \\\" \\$x \\;", "<a b><\\><'><\"><$x><;>"},
         {"a \\#b \\~", "<a><#b><~>"},
         {"a\\", "?"},
         {"a \\\xc3\xa4", "?"}});
}

TEST(Shell, ACommentBeginsAtTheBeginningOfAWord) {
  check({{"exit 100 # it's; `gone`", "<exit><100>"},
         {"#exit 100", ""},
         {"a b#c ''#d \\#", "<a><b#c><#d><#>"}});
}

TEST(Shell, ATildeIsTheHome) {
  check({{"~", "</home/joe>"},
         {"a ~ ~/b/~ c~", "<a></home/joe></home/joe/b/~><c~>"},
         {"a ~/'b c'", "<a></home/joe/b c>"},
         {"a '~' \"~/b\" \\~/c", "<a><~><~/b><~/c>"},
         {"a ~joe", "?"},
         {"a ~+", "?"},
         {"a ~''", "?"},
         {"a ~\"/b\"", "?"},
         {"a ~\\/b", "?"},
         {"a x=~", "?"},
         {"a x:~/b", "?"}});
  EXPECT_EQ(read("a ~/x", "/a b*'$X"), "<a></a b*'$X/x>");
  EXPECT_EQ(read("a ~/x", "/"), "?");
  EXPECT_EQ(read("a ~/x", "/home/"), "?");
  EXPECT_EQ(read("a ~/x", ""), "?");
}

TEST(Shell, WhatTheShellWouldActOnIsNotCertain) {
  for (const char *line :
       {"a $X", "a $", "a `b`", "a;", "a&", "a|b", "a || b", "a && b", "a <b", "a >b", "a 2>&1", "(a)", "a )", "a *",
        "a b?", "a [b]", "a [", "{ a", "a {b,c}", "a }", "X=1 a", "X+=1 a", "a\nb", "a #b\nc", "a \\\nb", "a 'b\nc'"})
    EXPECT_EQ(read(line), "?") << line;
}

TEST(Shell, AReservedWordBeginsSomethingElse) {
  for (const char *word : {"!", "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until",
                           "for", "in", "select", "time", "function", "coproc", "'if'"})
    EXPECT_EQ(read(std::string(word) + " a"), "?") << word;
  EXPECT_EQ(read("a if ! then"), "<a><if><!><then>");
}

TEST(Shell, ALineThatBeginsAsAnOptionIsOneOfTheShell) {
  EXPECT_EQ(read("-x"), "?");
  EXPECT_EQ(read("+x a"), "?");
  EXPECT_EQ(read(" -x"), "<-x>");
}

TEST(Shell, BytesThatShellsDisagreeAbout) {
  check({{"exit 100\r", "<exit><100\r>"},
         {"\r", "<\r>"},
         {"a \xc3\xa4", "?"},
         {"a\xa0", "?"},
         {"a '\x81\x88\xc3\xa4' \"\x85\xff\"", "<a><\x81\x88\xc3\xa4><\x85\xff>"},
         {"a # \xc3\xa4", "<a>"},
         {"a \"\x83\\$\"", "?"},
         {"a \x01", "?"},
         {"a '\x01'", "?"},
         {"a \"\x7f\"", "?"},
         {"a\v", "?"},
         {"a\f", "?"}});
}
