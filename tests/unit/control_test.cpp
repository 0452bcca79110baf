// control_test.cpp - control files as control.c and constmap.c read them.

#include "qmail/control.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

using namespace std::string_literals;

namespace {

class scratch {
 public:
  scratch() { dir = mkdtemp(name_); }
  ~scratch() {
    unlink(file("x").c_str());
    rmdir(file("x").c_str());
    rmdir(dir.c_str());
  }
  std::string file(const char *name) const { return dir + "/" + name; }
  std::string write(const std::string &text) const {
    FILE *f = fopen(file("x").c_str(), "w");
    fwrite(text.data(), 1, text.size(), f);
    fclose(f);
    return file("x");
  }
  std::string dir;

 private:
  char name_[32] = "/tmp/control_test.XXXXXX";
};

}  // namespace

TEST(Control, TrailingBlanksTabsAndNewlinesGoButNoCarriageReturn) {
  EXPECT_EQ(control_parseline("a b \t \nnext\n"), "a b");
  EXPECT_EQ(control_parseline("a\r\n"), "a\r");
  EXPECT_EQ(control_parseline("  a"), "  a");
  EXPECT_EQ(control_parseline(""), "");
}

TEST(Control, CommentsInColumnOneAndEmptyLinesAreNoEntries) {
  EXPECT_EQ(control_parsefile("a\n#b\n\n \t\n c#d \nlast"), "a\0 c#d\0last\0"s);
}

TEST(Control, ANulSplitsAnEntryAndHidesALineThatBeginsWithIt) {
  EXPECT_EQ(control_parsefile("a\0#b\n\0c\nd\n"s), "a\0#b\0d\0"s);
}

TEST(Control, AbsentIsNotUnreadable) {
  scratch s;
  EXPECT_EQ(control_readline(s.file("none").c_str()).look, Look::absent);
  EXPECT_EQ(control_readfile(s.file("none").c_str()).look, Look::absent);
  control_text dir = control_readfile(s.dir.c_str());
  EXPECT_EQ(dir.look, Look::failed);
  EXPECT_EQ(dir.error, EISDIR);
}

TEST(Control, AnEmptyFileGivesAnEmptyLine) {
  scratch s;
  control_text line = control_readline(s.write("").c_str());
  EXPECT_EQ(line.look, Look::found);
  EXPECT_EQ(line.text, "");
}

TEST(Control, ALineOfManyBlocksIsReadWhole) {
  scratch s;
  std::string longest(100000, 'x');
  EXPECT_EQ(control_readline(s.write(longest + "\ny\n").c_str()).text, longest);
  EXPECT_EQ(control_readfile(s.write(longest + "\ny\n").c_str()).text, longest + "\0y\0"s);
}

TEST(Control, NumbersBeginTheLine) {
  scratch s;
  EXPECT_EQ(control_readint(s.write("12x\n").c_str()).number, 12u);
  EXPECT_EQ(control_readint(s.write("x12\n").c_str()).look, Look::absent);
  EXPECT_EQ(control_readint(s.write("\n12\n").c_str()).look, Look::absent);
}

TEST(ControlMap, IgnoresTheCaseOfAsciiLettersOnly) {
  control_map m("Example.ORG\0\xc4x\0"s, control_map::Form::names);
  EXPECT_TRUE(m.has("example.org"));
  EXPECT_TRUE(m.has("\xc4X"));
  EXPECT_FALSE(m.has("\xe4x"));
  EXPECT_FALSE(m.has(""));
}

TEST(ControlMap, SplitsAtTheFirstColonAndTheLastDuplicateCounts) {
  control_map m("a:1\0b\0A:x:y\0:all\0c:\0"s, control_map::Form::colon);
  EXPECT_EQ(m.find("a"), "x:y");
  EXPECT_EQ(m.find(""), "all");
  EXPECT_EQ(m.find("c"), "");
  EXPECT_FALSE(m.find("b").has_value());
}
