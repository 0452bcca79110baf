// netqmail_test.cpp - where the question is put into a source, and that it comes out again.

#include <gtest/gtest.h>

#include <string>

#include "migrate/edits.h"
#include "netqmail/build.h"
#include "netqmail/marks.h"
#include "netqmail/smtpd.h"
#include "netqmail/source.h"

namespace {

// A qmail-smtpd of the shape that they all have, cut short.
const std::string SMTPD =
    "#include \"stralloc.h\"\n"
    "#include \"qmail.h\"\n"
    "\n"
    "void flush() { substdio_flush(&ssout); }\n"
    "void out(s) char *s; { substdio_puts(&ssout,s); }\n"
    "void die() { out(\"421 }{ \\\"\"); flush(); _exit(1); }\n"
    "char *relayclient;\n"
    "int seenmail = 0;\n"
    "void smtp_rcpt(arg) char *arg; {\n"
    "  if (!seenmail) { wantmail(); return; }\n"
    "  if (relayclient) {\n"
    "    --addr.len;\n"
    "  }\n"
    "  else\n"
    "    if (!allowed()) { nogateway(); return; }\n"
    "  if (!stralloc_cats(&rcptto,\"T\")) die_nomem();\n"
    "  if (!stralloc_cats(&rcptto,addr.s)) die_nomem();\n"
    "  out(\"250 ok\\r\\n\");\n"
    "}\n"
    "void smtp_data(arg) char *arg; {\n"
    "  if (!rcptto.len) { wantrcpt(); return; }\n"
    "  seenmail = 0;\n"
    "  if (qmail_open(&qqt) == -1) { qqt(); return; }\n"
    "  out(\"354 go ahead\\r\\n\");\n"
    "  qmail_from(&qqt,mailfrom.s);\n"
    "}\n";

std::string replaced(std::string text, const std::string &what, const std::string &with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return text.replace(at, what.size(), with);
}

std::string changed(const std::string &text) {
  refusal refused;
  const std::vector<edit> edits = smtpd_edits(text, refused);
  EXPECT_EQ(refused.why, "") << refused.line;
  return edits_apply(text, edits);
}

std::string undone(const std::string &text) {
  std::string wrong;
  const std::string out = edits_apply(text, marks_out(text, wrong));
  EXPECT_EQ(wrong, "");
  return out;
}

// Why it is refused, with the line: "16: ..."
std::string refusal_of(const std::string &text) {
  refusal refused;
  EXPECT_TRUE(smtpd_edits(text, refused).empty());
  EXPECT_NE(refused.why, "");
  return std::to_string(refused.line) + ": " + refused.why;
}

bool has(const std::string &text, const std::string &part) { return text.find(part) != text.npos; }

}  // namespace

TEST(netqmail_source, functions_whatever_stands_in_strings_and_comments) {
  const std::string text =
      "/* void no() { } */ // void none() {\n"
      "int x = f(1);\nvoid proto(int a);\nint old(a,b) int a; char *b; { return '}' + \"{\"[0]; }\n"
      "static void new_one(void)\n{\n#ifdef A\n  if (a) {\n#else\n  if (b) {\n#endif\n  }\n}\n"
      "struct commands c[] = { { \"x\", old, 0 } };\n#define M(x) { \\\n {\nvoid last(char *a, int (*f)(int, int)) { }\n";
  const c_source source(text);
  ASSERT_EQ(source.functions().size(), 3U);
  EXPECT_EQ(source.functions()[0].name, "old");
  EXPECT_FALSE(source.functions()[0].is_void);
  EXPECT_EQ(source.functions()[0].parameters, 2U);
  EXPECT_EQ(source.functions()[1].name, "new_one");
  EXPECT_TRUE(source.functions()[1].is_void);
  EXPECT_EQ(source.functions()[1].parameters, 0U);
  EXPECT_EQ(source.functions()[2].name, "last");
  EXPECT_EQ(source.functions()[2].parameters, 2U);
}

TEST(netqmail_smtpd, three_places) {
  const std::string text = changed(SMTPD);
  EXPECT_TRUE(has(text, "#include \"qmail.h\"\n#include \"verifydoor.h\" /* qmail-verify */\n"));
  EXPECT_TRUE(has(text, "  if (!relayclient) { /* qmail-verify: begin */\n"
                        "    char *verified = verifydoor_rcpt(addr.s,mailfrom.s,!rcptto.len);\n"));
  EXPECT_TRUE(has(text, "  } /* qmail-verify: end */\n  if (!stralloc_cats(&rcptto,\"T\")) die_nomem();\n"));
  EXPECT_TRUE(has(text, "  seenmail = 0;\n  { /* qmail-verify: begin */\n    char *verified = verifydoor_data();\n"));
  EXPECT_TRUE(has(text, "  } /* qmail-verify: end */\n  if (qmail_open(&qqt) == -1)"));
  EXPECT_EQ(undone(text), SMTPD);
  EXPECT_EQ(undone(SMTPD), SMTPD);
}

TEST(netqmail_smtpd, the_shape_of_others) {
  // what an older text says in a comment does not count
  const std::string commented = replaced(SMTPD, "  out(\"250 ok", "/*\n  if (!stralloc_cats(&rcptto,\"T\")) die_nomem();\n*/\n  out(\"250 ok");
  EXPECT_EQ(undone(changed(commented)), commented);
  // in a block of a condition, with tabs, over two lines
  const std::string deep = replaced(SMTPD, "  if (!stralloc_cats(&rcptto,\"T\")) die_nomem();\n", "\tif (ret == 1) {\n\t\tif (!stralloc_cats(&rcptto, \"T\"))\n\t\t\tdie_nomem();\n");
  const std::string in_block = changed(replaced(deep, "addr.s)) die_nomem();\n  out", "addr.s)) die_nomem();\n\t}\n  out"));
  EXPECT_TRUE(has(in_block, "\tif (ret == 1) {\n\t\tif (!relayclient) { /* qmail-verify: begin */\n\t\t\tchar *verified"));
  // declared as C is written today
  const std::string modern = replaced(SMTPD, "void out(s) char *s; {", "void out(const char *s)\n{");
  EXPECT_EQ(undone(changed(modern)), modern);
  // a function that only notifies somebody takes no message
  const std::string notifier = replaced(SMTPD, "void smtp_data", "void notify()\n{\n  if (qmail_open(&qqt) == -1) return;\n  qmail_from(&qqt,other.s);\n}\nvoid smtp_data");
  EXPECT_TRUE(has(changed(notifier), "verifydoor_rcpt(addr.s,mailfrom.s,"));
}

// As indimail has it: any number of strings, and a null pointer behind them.
TEST(netqmail_smtpd, a_reply_in_several_strings) {
  std::string text = replaced(SMTPD, "void out(s) char *s; {", "#ifdef STDARG\nvoid out(char *s, ...)\n#else\nvoid out(va_alist)\nva_dcl\n#endif\n{");
  EXPECT_TRUE(has(refusal_of(text), ": out() takes any number of strings"));
  text = replaced(text, "out(\"250 ok\\r\\n\");", "out(\"250 ok\\r\\n\", NULL);");
  EXPECT_TRUE(has(changed(text), "      out(verified,(char *) 0);\n"));
  EXPECT_EQ(undone(changed(text)), text);
}

TEST(netqmail_smtpd, conditions_that_open_a_brace_twice) {
  const std::string text = replaced(SMTPD, "  seenmail = 0;\n", "#ifdef TLS\n  if (tls) {\n#else\n  {\n#endif\n  seenmail = 0;\n  }\n");
  EXPECT_EQ(undone(changed(text)), text);
}

TEST(netqmail_smtpd, refuses_with_the_place) {
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "void out(s)", "void put(s)")), "0: there is no function out()"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "void out(s) char *s;", "void out(s,t) char *s; char *t;")), "5: out() takes more"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "void flush()", "void push()")), "0: there is no function flush()"));
  EXPECT_TRUE(has(refusal_of(replaced(replaced(SMTPD, "relayclient", "r"), "relayclient", "r")), "0: there is no variable relayclient"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "\"T\"", "\"t\"")), "0: there is no stralloc_cats"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  out(\"250 ok", "  if (!stralloc_cats(&rcptto,\"T\")) die();\n  out(\"250 ok")), "18: there is a second stralloc_cats"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  if (!stralloc_cats(&rcptto,\"T\"))", "  else if (!stralloc_cats(&rcptto,\"T\"))")), "16: this is not if"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  if (!stralloc_cats(&rcptto,\"T\"))", "  x(); if (!stralloc_cats(&rcptto,\"T\"))")), "16: something else stands before"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "void smtp_rcpt", "int smtp_rcpt")), "16: smtp_rcpt() is not declared void"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "void smtp_data", "int smtp_data")), "23: smtp_data() is not declared void"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  seenmail = 0;\n", "")), "22: MAIL has not been forgotten"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  qmail_from", "  qmail_to")), "23: the sender is not handed on"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "\"354 ", "\"355 ")), "0: there is no qmail_open() before a reply 354"));
  EXPECT_TRUE(has(refusal_of(replaced(SMTPD, "  if (!stralloc_cats(&rcptto,addr.s)) die_nomem();\n", "")), "16: the recipient is not added"));
  EXPECT_TRUE(has(refusal_of(""), "0: "));
}

TEST(netqmail_build, makefile) {
  const std::string text =
      "it: qmail-smtpd\n\nqmail-smtpd: \\\nload qmail-smtpd.o rcpthosts.o \\\nsocket.lib\n\t./load qmail-smtpd rcpthosts.o \\\n\t`cat socket.lib`\n\n"
      "qmail-smtpd.0: \\\nqmail-smtpd.8\n\tnroff -man qmail-smtpd.8\n\nqmail-smtpd.o: \\\ncompile qmail-smtpd.c\n\t./compile qmail-smtpd.c\n";
  refusal refused;
  const std::string out = edits_apply(text, build_makefile_edits(text, "qmail-smtpd.o", refused));
  EXPECT_EQ(refused.why, "");
  const std::string objects = " verifydoor.o verifyrcpt.o sockbits.o udpbits.o logbits.o";
  EXPECT_TRUE(has(out, "load qmail-smtpd.o" + objects + " rcpthosts.o \\\n"));
  EXPECT_TRUE(has(out, "\t./load qmail-smtpd" + objects + " rcpthosts.o \\\n"));
  EXPECT_TRUE(has(out, "qmail-smtpd.o: verifydoor.h\n# qmail-verify: end\nqmail-smtpd: \\\n"));
  EXPECT_TRUE(has(out, "\t./compile -Dquery_skt=sockbits_ask -Dbind_udp=udpbits_bind -Dconnect_udp=udpbits_connect udpbits.c\n"));
  EXPECT_EQ(undone(out), text);
}

// As indimail has it: the session in an object of its own, which another file links, too.
TEST(netqmail_build, makefile_with_a_session_in_smtpd_o) {
  const std::string text =
      "x.so: \\\nsmtpd.o a.o\n\tif true ; then \\\n\t\t$(LD) -o x.so \\\n\t\tsmtpd.o a.o ; \\\n\telse \\\n\t\t$(CC) -o x.so smtpd.o a.o ; \\\n\tfi\n\n"
      "qmail-smtpd: \\\nload qmail-smtpd.o smtpd.o a.o\n\t./load qmail-smtpd smtpd.o a.o\n\nsmtpd.o: compile smtpd.c\n\t./compile smtpd.c\n";
  refusal refused;
  const std::string out = edits_apply(text, build_makefile_edits(text, "smtpd.o", refused));
  EXPECT_EQ(refused.why, "");
  const std::string objects = " verifydoor.o verifyrcpt.o sockbits.o udpbits.o logbits.o";
  EXPECT_TRUE(has(out, "x.so: \\\nsmtpd.o" + objects + " a.o\n"));
  EXPECT_TRUE(has(out, "\t\tsmtpd.o" + objects + " a.o ; \\\n"));
  EXPECT_TRUE(has(out, "-o x.so smtpd.o" + objects + " a.o"));
  EXPECT_TRUE(has(out, "./load qmail-smtpd" + objects + " smtpd.o a.o\n"));
  EXPECT_TRUE(has(out, "\nsmtpd.o: verifydoor.h\n"));
  EXPECT_EQ(undone(out), text);
}

TEST(netqmail_build, makefile_that_is_not_understood) {
  const auto why = [](const std::string &text) {
    refusal refused;
    EXPECT_TRUE(build_makefile_edits(text, "qmail-smtpd.o", refused).empty());
    return std::to_string(refused.line) + ": " + refused.why;
  };
  EXPECT_EQ(why("qmail-smtpd: a.o\n\t./load qmail-smtpd a.o\n"), "0: nothing is compiled by ./compile here");
  EXPECT_EQ(why("a.o:\n\t./compile a.c\n"), "0: there is no rule for qmail-smtpd with commands");
  EXPECT_EQ(why("a.o:\n\t./compile a.c\nqmail-smtpd: a.o\n\tcc -o qmail-smtpd a.o\n"),
            "3: the commands of this rule have no \"./load qmail-smtpd\"");
}

TEST(netqmail_build, targets_and_hier) {
  const std::string targets = "a\nqmail-smtpd.o\nqmail-smtpd\nb\n";
  const std::string more = edits_apply(targets, build_targets_edits(targets));
  EXPECT_EQ(more, "a\nqmail-smtpd.o\nverifydoor.o\nverifyrcpt.o\nsockbits.o\nudpbits.o\nlogbits.o\nqmail-smtpd\nb\n");
  EXPECT_EQ(undone(more), targets);
  EXPECT_TRUE(build_targets_edits("a\nb\n").empty());

  const std::string hier =
      "void hier()\n{\n  h(auto_qmail,1,2,0755);\n  c(auto_qmail,\"doc\",\"FAQ\",auto_uido,auto_gidq,0644);\n"
      "  c(auto_qmail,\"bin\",\"qmail-queue\",auto_uidq,auto_gidq,04711);\n}\n";
  const std::string installed = edits_apply(hier, build_hier_edits(hier));
  EXPECT_TRUE(has(installed, "\"FAQ\",auto_uido,auto_gidq,0644);\n  c(auto_qmail,\"doc\",\"README.verify\",auto_uido,auto_gidq,0644); /* qmail-verify */\n"));
  EXPECT_EQ(undone(installed), hier);
  EXPECT_TRUE(build_hier_edits("void hier() { }\n").empty());
}

TEST(netqmail_marks, a_mark_without_its_other_one) {
  for (const char *text : {"a /* qmail-verify: begin */\nb\n", "a\n# qmail-verify: end\n",
                           "# qmail-verify: begin\n# qmail-verify: begin\n# qmail-verify: end\n"}) {
    std::string wrong;
    EXPECT_TRUE(marks_out(text, wrong).empty()) << text;
    EXPECT_TRUE(has(wrong, "mend it by hand")) << text;
  }
}

TEST(netqmail_marks, what_only_looks_like_one_stays) {
  for (const std::string text : {"/* qmail-verify: a daemon */\n", "x = \"qmail-verify\";\n", "sockbits.o\n", "./load x verifydoor.o\n"})
    EXPECT_EQ(undone(text), text);
}
