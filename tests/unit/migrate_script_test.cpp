// migrate_script_test.cpp - run scripts for sh: what they become, and what is left.

#include "migrate/script.h"

#include <gtest/gtest.h>

#include "migrate/commands.h"

namespace {

std::string rewritten(std::string_view text, From from = From::unsaid) {
  return edits_apply(text, script_migrate(text, from).edits);
}

std::string remarks(std::string_view text, From from = From::unsaid) {
  std::string out;
  for (const remark &r : script_migrate(text, from).remarks)
    out += (r.left ? "!" : "") + std::to_string(r.line) + " " + r.text + "\n";
  return out;
}

bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

struct row {
  const char *before, *after;
  From from = From::unsaid;
};

class scripts : public testing::TestWithParam<row> {};

TEST_P(scripts, become) {
  const row &r = GetParam();
  const std::string after = rewritten(r.before, r.from);
  EXPECT_EQ(after, r.after);
  EXPECT_EQ(rewritten(after, r.from), after) << "again";
}

// ---- for one command

INSTANTIATE_TEST_SUITE_P(
    commands, scripts,
    testing::Values(
        row{"VERIFYDEFER= tcpserver 0 25 qmail-smtpd\n", "VERIFY=\"DEFER\" tcpserver 0 25 qmail-smtpd\n"},
        row{"VERIFY=\"\" tcpserver\n", "VERIFY=\":\" tcpserver\n", From::before_130},
        row{"VERIFY='' VERIFYSVR=1.2.3.4:5 tcpserver\n", "VERIFY='1.2.3.4:5' tcpserver\n"},
        row{"VERIFYSVR=1.2.3.4 A=b VERIFYDEFER=1 tcpserver\n", "VERIFY=\"DEFER,1.2.3.4\" A=b tcpserver\n"},
        row{"exec env VERIFYDEFER=\"\" tcpserver\n", "exec env VERIFY=\"DEFER\" tcpserver\n"},
        row{"exec env - PATH=/bin \\\n  VERIFYDEFER= \\\n  VERIFYSVR=\"1.2.3.4:5\" \\\n  tcpserver 2>&1 | splogger\n",
            "exec env - PATH=/bin \\\n  VERIFY=\"DEFER,1.2.3.4:5\" \\\n  tcpserver 2>&1 | splogger\n"},
        row{"VERIFY=\"\" \\\nVERIFYSVR=\"1.2.3.4:5\" \\\n tcpserver\n", "VERIFY=\"1.2.3.4:5\" \\\n tcpserver\n"},
        row{"exec softlimit -m 9 /usr/bin/env \"VERIFYDEFER=\" tcpserver\n", "exec softlimit -m 9 /usr/bin/env VERIFY=\"DEFER\" tcpserver\n"},
        row{"env -i VERIFYDEFER= tcpserver &\n", "env -i VERIFY=\"DEFER\" tcpserver &\n"},
        row{"if test -x /a; then\n  VERIFYDEFER= tcpserver\nelse\n  VERIFY= tcpserver\nfi\n",
            "if test -x /a; then\n  VERIFY=\"DEFER\" tcpserver\nelse\n  VERIFY=\":\" tcpserver\nfi\n"},
        row{"tcpserver 0 25 sh -c 'x; y' ; exec env VERIFYDEFER= smtpd", "tcpserver 0 25 sh -c 'x; y' ; exec env VERIFY=\"DEFER\" smtpd"},
        row{"case $1 in start) VERIFYDEFER= tcpserver & ;; esac\n", "case $1 in start) VERIFY=\"DEFER\" tcpserver & ;; esac\n"},
        row{"start() {\n  VERIFYDEFER= tcpserver\n}\n", "start() {\n  VERIFY=\"DEFER\" tcpserver\n}\n"},
        row{"env VERIFYSVR=1.2.3.4 tcpserver\n", "env tcpserver\n", From::before_130},
        row{"VERIFYSVR=1.2.3.4 tcpserver\n", "tcpserver\n", From::before_130},
        row{"QMAILRRTDENYALL=1 tcpserver\n", "VERIFY=\"DEFER\" tcpserver\n", From::realrcptto},
        row{"QMAILRRTDENYALL=no tcpserver\n", "VERIFY=\":\" tcpserver\n", From::realrcptto},
        row{"RELAYCLIENT= QMAILRRTDENYALL=1 tcpserver\n", "RELAYCLIENT= tcpserver\n", From::realrcptto},
        row{"VERIFY=DEFER QMAILRRTDENYALL=1 tcpserver\n", "VERIFY=DEFER tcpserver\n", From::realrcptto}));

// ---- for the whole script

INSTANTIATE_TEST_SUITE_P(
    whole, scripts,
    testing::Values(
        row{"export VERIFYDEFER=\"\"\nexec tcpserver\n", "export VERIFY=\"DEFER\"\nexec tcpserver\n"},
        row{"export VERIFY=\"\"\n", "export VERIFY=\":\"\n", From::before_130},
        row{"VERIFY=\"\" ; export VERIFY\n", "VERIFY=\":\" ; export VERIFY\n", From::before_130},
        row{"VERIFYDEFER=\"\"\nexport VERIFYDEFER\nexec tcpserver\n", "VERIFY=\"DEFER\"\nexport VERIFY\nexec tcpserver\n"},
        row{"VERIFY=\"\"\nVERIFYSVR='1.2.3.4:5' # ours\nexport VERIFY VERIFYSVR\n", "VERIFY=\"1.2.3.4:5\"\n# ours\nexport VERIFY\n"},
        row{"VERIFYSVR=1.2.3.4\nexport VERIFYSVR\nVERIFYDEFER=\nexport VERIFYDEFER\nexec x\n",
            "VERIFY=\"DEFER,1.2.3.4\"\nexport VERIFY\nexec x\n"},
        row{"VERIFY=; VERIFYSVR=1.2.3.4; export VERIFY VERIFYSVR A\n", "VERIFY=\"1.2.3.4\"; export VERIFY A\n"},
        row{"export A=1 VERIFYSVR=1.2.3.4 VERIFY= B=2\n", "export A=1 VERIFY=\"1.2.3.4\" B=2\n"},
        row{"export VERIFYSVR VERIFYDEFER\nVERIFYSVR=1.2.3.4 VERIFYDEFER=\n", "export VERIFY\nVERIFY=\"DEFER,1.2.3.4\"\n"},
        row{"  export VERIFYSVR=1.2.3.4\n\texport VERIFYDEFER=\n", "  export VERIFY=\"DEFER,1.2.3.4\"\n"},
        row{"export VERIFYDEFER=\nexport VERIFYSVR=1.2.3.4", "export VERIFY=\"DEFER,1.2.3.4\"\n"},
        row{"export VERIFYSVR=1.2.3.4\nexec x\n", "exec x\n", From::before_130},
        row{"x; \\\nexport VERIFYSVR=1.2.3.4\nexec x\n", "x; \\\n\nexec x\n", From::before_130},
        row{"export QMAILRRTDENYALL=1\n", "export VERIFY=\"DEFER\"\n", From::realrcptto},
        row{"QMAILRRTDENYALL=1\nexport QMAILRRTDENYALL\n", "VERIFY=\"DEFER\"\nexport VERIFY\n", From::realrcptto},
        row{"Q=`id -u x`\nL=\"$(head -1 \"/a b\")\"\nif [ -z \"$Q\" ]; then echo no; exit 1; fi\nexport VERIFYDEFER=\n",
            "Q=`id -u x`\nL=\"$(head -1 \"/a b\")\"\nif [ -z \"$Q\" ]; then echo no; exit 1; fi\nexport VERIFY=\"DEFER\"\n"},
        row{"# VERIFYSVR=1.2.3.4\nexport VERIFYDEFER= # VERIFYDEFER\n", "# VERIFYSVR=1.2.3.4\nexport VERIFY=\"DEFER\" # VERIFYDEFER\n"}));

// ---- what stays to the letter

class kept : public testing::TestWithParam<const char *> {};

TEST_P(kept, and_named) {
  EXPECT_EQ(rewritten(GetParam()), GetParam());
  EXPECT_TRUE(has(remarks(GetParam()), "!")) << remarks(GetParam());
}

INSTANTIATE_TEST_SUITE_P(scripts, kept,
                         testing::Values("export VERIFY=\"\"\n",                                    // of either generation
                                         "VERIFYDEFER=\"\"\nexec tcpserver\n",                      // not exported
                                         "export VERIFYDEFER\n",                                    // not set
                                         "export VERIFYDEFER=\nexport VERIFYDEFER=1\n",             // twice
                                         "export VERIFYDEFER=\"$X\"\n",                             // made when it runs
                                         "export VERIFYDEFER= VERIFYSVR=`cat s`\n",                 // the same
                                         "export VERIFYDEFER=\nunset VERIFYDEFER\n",                // unset
                                         "export VERIFYDEFER=\necho ${VERIFYDEFER}\n",              // looked at
                                         "export VERIFY=\nexport VERIFYSVR=1.2.3.4\necho $VERIFY\n",
                                         "export VERIFYDEFER=\nenv -u VERIFYDEFER tcpserver\n",
                                         "if x; then export VERIFYDEFER=; fi\n",                    // perhaps
                                         "x && export VERIFYDEFER=\n", "export VERIFYDEFER= || x\n",
                                         "(export VERIFYDEFER=; x)\n", "f() { export VERIFYDEFER=; }\n",
                                         "export VERIFYDEFER= | x\n", "export VERIFYDEFER= &\n",
                                         "x &&\n\nexport VERIFYDEFER=\n",
                                         "export VERIFYDEFER=\nVERIFYSVR=1.2.3.4 tcpserver\n",      // both ways
                                         "VERIFYDEFER= env VERIFYSVR=1.2.3.4 tcpserver\n",
                                         "export VERIFYDEFER= VERIFYSVR=mail.example.org\n",        // no address
                                         "export VERIFY=: VERIFYDEFER=\n",                          // both generations
                                         "export VERIFYSVR=1.2.3.4\n",                              // alone
                                         "export QMAILRRTDENYALL=1\n",                              // realrcptto's
                                         "cat <<E\nVERIFYDEFER=\nE\n",                              // not understood
                                         "export VERIFYDEFER=\necho 'open\n", "fi; export VERIFYDEFER=\n",
                                         "env - \"$@\" VERIFYDEFER= tcpserver\n",
                                         "if x; then\nexport VERIFYDEFER=\n"));

class quiet : public testing::TestWithParam<const char *> {};

TEST_P(quiet, and_not_named) {
  EXPECT_EQ(rewritten(GetParam()), GetParam());
  EXPECT_EQ(remarks(GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(scripts, quiet,
                         testing::Values("", "#!/bin/sh\nexec tcpserver\n", "#!/bin/sh\n# VERIFYDEFER\nexport VERIFY=:\n",
                                         "VERIFY=DEFER,1.2.3.4 tcpserver\n", "env VERIFY=\"STRICT,/a\" tcpserver\n",
                                         "if x; then VERIFY=DEFER; else VERIFY=:; fi; export VERIFY\n",
                                         "echo VERIFY is not set\n", "cat <<E\nVERIFY=:\nE\n", "export VERIFY\n",
                                         "export VERIFY=1\n", "export VERIFY=:\nexport VERIFY=DEFER\n"));

TEST(migrate_script, line_numbers) {
  EXPECT_EQ(remarks("#!/bin/sh\n\nexport \\\n VERIFY=\"\"\n").substr(0, 3), "!4 ");
  EXPECT_TRUE(has(remarks("x\nexport VERIFYDEFER=`y`\n"), "!2 the value of VERIFYDEFER is made when the script runs; nothing"));
}

TEST(migrate_script, envdir_is_named) {
  EXPECT_TRUE(has(remarks("exec envdir ./env VERIFY=: x\n"), "1 envdir: "));
  EXPECT_TRUE(has(remarks("exec /usr/bin/envdir ./env tcpserver\n"), "1 envdir: "));
}

TEST(migrate_script, realrcptto_needed_no_variable) {
  EXPECT_TRUE(has(remarks("exec tcpserver 0 25 qmail-smtpd\n", From::realrcptto), "0 realrcptto verified without any variable"));
  EXPECT_TRUE(has(remarks("export QMAILRRTDENYALL=1\n", From::realrcptto), "1 a VERIFY in the rules of tcpserver counts more"));
}

TEST(migrate_script, a_nul_makes_it_unreadable) {
  const std::string_view text("export VERIFYDEFER=\n\0\n", 22);
  EXPECT_EQ(rewritten(text), text);
  EXPECT_TRUE(has(remarks(text), "!1 not understood"));
}

TEST(migrate_script, long_words) {
  const std::string big(1 << 20, 'x');
  EXPECT_EQ(rewritten("env A='" + big + "' VERIFYDEFER= x \"" + big + "\"\n"),
            "env A='" + big + "' VERIFY=\"DEFER\" x \"" + big + "\"\n");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "$(";
  EXPECT_EQ(rewritten(deep), deep);
}

// ---- tokens

std::vector<token> tokens(std::string_view text) {
  std::vector<token> out;
  EXPECT_TRUE(tokens_read(text, out)) << text;
  return out;
}

TEST(migrate_tokens, words) {
  const auto t = tokens("a'b c'\"d\\\"\\x\"\\ e \\\n f\\\ng $h 2>&1 #i\nA=b");
  ASSERT_EQ(t.size(), 7U);
  EXPECT_EQ(t[0].text, "ab cd\"\\x e");
  EXPECT_TRUE(t[0].literal);
  EXPECT_EQ(t[1].text, "fg");
  EXPECT_EQ(t[2].text, "$h");
  EXPECT_FALSE(t[2].literal);
  EXPECT_EQ(t[3].kind, token::Kind::redirect);
  EXPECT_EQ(t[4].text, "1");
  EXPECT_EQ(t[5].kind, token::Kind::separator);
  EXPECT_EQ(t[6].name, 1U);
}

TEST(migrate_tokens, expansions_are_one_word) {
  for (const char *text : {"\"$(a \"b c\" 'd )' $(e))\"", "`a \\` b`", "${a:-b c}", "$((1 << 2))", "a\"`b c`\"d"})
    EXPECT_EQ(tokens(text).size(), 1U) << text;
}

TEST(migrate_tokens, what_does_not_end) {
  for (const char *text : {"'", "\"", "\\", "`a", "$(a", "${a", "\"$(\"", "a <<b"}) {
    std::vector<token> out;
    EXPECT_FALSE(tokens_read(text, out)) << text;
  }
}

}  // namespace
