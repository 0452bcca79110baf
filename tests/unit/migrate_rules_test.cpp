// migrate_rules_test.cpp - rules of tcprules, line by line: what each becomes.

#include "migrate/rules.h"

#include <gtest/gtest.h>

#include "migrate/migrate.h"

namespace {

std::string rewritten(std::string_view text, From from = From::unsaid) {
  return edits_apply(text, rules_migrate(text, from).edits);
}

// The remarks, one a line: "NUMBER TEXT", those for the administrator with '!' before.
std::string remarks(std::string_view text, From from = From::unsaid) {
  std::string out;
  for (const remark &r : rules_migrate(text, from).remarks)
    out += (r.left ? "!" : "") + std::to_string(r.line) + " " + r.text + "\n";
  return out;
}

bool left(std::string_view text, From from = From::unsaid) {
  for (const remark &r : rules_migrate(text, from).remarks)
    if (r.left) return true;
  return false;
}

bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

struct row {
  const char *before, *after;
  From from = From::unsaid;
};

// A file of one rule, or of a few. What comes out stays as it is the next time.
class rows : public testing::TestWithParam<row> {};

TEST_P(rows, become) {
  const row &r = GetParam();
  const std::string after = rewritten(r.before, r.from);
  EXPECT_EQ(after, r.after);
  EXPECT_EQ(rewritten(after, r.from), after) << "again";
}

// ---- the documents' example, and its pieces

INSTANTIATE_TEST_SUITE_P(
    examples, rows,
    testing::Values(
        row{"10.:allow,VERIFYDEFER=\"\"\n192.168.:allow,VERIFY=\"\"\n"
            ":allow,VERIFYDEFER=\"\",VERIFYSVR=\"192.168.1.100:1234\"\n",
            "10.:allow,VERIFY=\"DEFER\"\n192.168.:allow,VERIFY=\":\"\n"
            ":allow,VERIFY=\"DEFER,192.168.1.100:1234\"\n"},
        row{"10.:allow,VERIFYDEFER=\"\"\n", "10.:allow,VERIFY=\"DEFER\"\n"},
        row{"192.168.:allow,VERIFY=\"\"\n", "192.168.:allow,VERIFY=\":\"\n", From::before_130},
        row{":allow,VERIFYDEFER=\"\",VERIFYSVR=\"192.168.1.100:1234\"\n", ":allow,VERIFY=\"DEFER,192.168.1.100:1234\"\n"},
        row{":allow,QMAILRRTDENYALL=\"1\"\n", ":allow,VERIFY=\"DEFER\"\n", From::realrcptto},
        row{":allow\n", ":allow,VERIFY=\":\"\n", From::realrcptto},
        row{":allow,VERIFYSVR=\"192.168.1.100:1234\"\n", ":allow\n", From::before_130}));

// ---- before 1.30

INSTANTIATE_TEST_SUITE_P(
    before_130, rows,
    testing::Values(
        row{":allow,VERIFYDEFER=\"1\"\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFY=\"\",VERIFYDEFER=\"\"\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFYDEFER=\"\",VERIFY=\"\"\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFY=\"\",VERIFYSVR=\"10.1.1.1\"\n", ":allow,VERIFY=\"10.1.1.1\"\n"},
        row{":allow,VERIFY=\"\",VERIFYSVR=\":1234\"\n", ":allow,VERIFY=\":1234\"\n"},
        row{":allow,VERIFY=\"\",VERIFYSVR=\"\"\n", ":allow,VERIFY=\":\"\n"},
        row{":allow,VERIFY=\"\",VERIFYDEFER=\"\",VERIFYSVR=\"10.1.1.1:5\"\n", ":allow,VERIFY=\"DEFER,10.1.1.1:5\"\n"},
        row{":allow,VERIFYSVR=\"10.1.1.1:5\",FOO=\"bar\",VERIFY=\"\"\n", ":allow,VERIFY=\"10.1.1.1:5\",FOO=\"bar\"\n"},
        row{":allow,A=\"1\",VERIFYDEFER=\"\",B=\"2\"\n", ":allow,A=\"1\",VERIFY=\"DEFER\",B=\"2\"\n"},
        row{":allow,RBLSMTPD=\"-no, really: VERIFYDEFER=\",VERIFYDEFER=\"\"\n",
            ":allow,RBLSMTPD=\"-no, really: VERIFYDEFER=\",VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFYDEFER=''\n", ":allow,VERIFY='DEFER'\n"},
        row{":allow,VERIFYDEFER=//\n", ":allow,VERIFY=/DEFER/\n"},
        row{":allow,VERIFYDEFER=DD\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFYDEFER=..,VERIFYSVR=\"1.2.3.4\"\n", ":allow,VERIFY=\"DEFER,1.2.3.4\"\n"},
        row{":allow,VERIFYDEFER=,,,VERIFYSVR=,1.2.3.4,\n", ":allow,VERIFY=\"DEFER,1.2.3.4\"\n"},
        row{":allow,VERIFYDEFER=\"\"  \t\n", ":allow,VERIFY=\"DEFER\"  \t\n"},
        row{":allow,VERIFYDEFER=\"\"\r\n10.:allow\r\n", ":allow,VERIFY=\"DEFER\"\r\n10.:allow\r\n"},
        row{":allow,VERIFYDEFER=\"\"", ":allow,VERIFY=\"DEFER\""},
        row{"1.2.3.37-53:allow,VERIFYDEFER=\"\"\n", "1.2.3.37-53:allow,VERIFY=\"DEFER\"\n"},
        row{"10.2-3.:allow,VERIFYDEFER=\"\"\n", "10.2-3.:allow,VERIFY=\"DEFER\"\n"},
        row{"=host.example.org:allow,VERIFYDEFER=\"\"\n", "=host.example.org:allow,VERIFY=\"DEFER\"\n"},
        row{"=.example.org:allow,VERIFYDEFER=\"\"\n", "=.example.org:allow,VERIFY=\"DEFER\"\n"},
        row{"joe@=h.example.org:allow,VERIFYDEFER=\"\"\n", "joe@=h.example.org:allow,VERIFY=\"DEFER\"\n"},
        row{"2001:db8::1:allow,VERIFYDEFER=\"\"\n", "2001:db8::1:allow,VERIFY=\"DEFER\"\n"},
        row{"2001:db8::/32:allow,VERIFYDEFER=\"\"\n", "2001:db8::/32:allow,VERIFY=\"DEFER\"\n"},
        row{"::1:allow,VERIFYDEFER=\"\"\n", "::1:allow,VERIFY=\"DEFER\"\n"},
        row{":deny,VERIFYDEFER=\"\"\n", ":deny,VERIFY=\"DEFER\"\n"},
        row{":deny\n10.:allow,VERIFYDEFER=\"\"\n", ":deny\n10.:allow,VERIFY=\"DEFER\"\n"},
        row{"127.:allow,RELAYCLIENT=\"\"\n:allow,VERIFYDEFER=\"\"\n", "127.:allow,RELAYCLIENT=\"\"\n:allow,VERIFY=\"DEFER\"\n"},
        row{"# VERIFYDEFER=\"\"\n\n  \n:allow,VERIFYDEFER=\"\"\n#end", "# VERIFYDEFER=\"\"\n\n  \n:allow,VERIFY=\"DEFER\"\n#end"},
        // the last of several counts
        row{":allow,VERIFYDEFER=\"\",VERIFYSVR=\"1.1.1.1\",VERIFYSVR=\"2.2.2.2\"\n", ":allow,VERIFY=\"DEFER,2.2.2.2\"\n"},
        // VERIFY is set before 1.30 whatever its value
        row{":allow,VERIFY=\"1\"\n10.:allow,VERIFYDEFER=\"\"\n", ":allow,VERIFY=\":\"\n10.:allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFY=\"yes\"\n", ":allow,VERIFY=\":\"\n", From::before_130},
        row{":allow,VERIFY=xabcx\n", ":allow,VERIFY=\":\"\n", From::before_130},
        row{":allow,VERIFYDEFER=xabcx,VERIFYSVR=x1.2.3.4x\n", ":allow,VERIFY=\"DEFER,1.2.3.4\"\n"},
        // for both generations: today's is kept, what it agrees with goes
        row{":allow,VERIFY=\"DEFER\",VERIFYDEFER=\"\"\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFYDEFER=\"\",VERIFY=\"DEFER\"\n", ":allow,VERIFY=\"DEFER\"\n"},
        row{":allow,VERIFYDEFER=\"\",VERIFYSVR=\"1.2.3.4:5\",VERIFY=\"DEFER,1.2.3.4:5\"\n", ":allow,VERIFY=\"DEFER,1.2.3.4:5\"\n"},
        row{":allow,VERIFYDEFER=\"\",QMAILRRTDENYALL=\"1\"\n", ":allow,VERIFY=\"DEFER\",QMAILRRTDENYALL=\"1\"\n"}));

// ---- realrcptto

INSTANTIATE_TEST_SUITE_P(
    realrcptto, rows,
    testing::Values(
        row{":allow,QMAILRRTDENYALL=\"0\"\n", ":allow,VERIFY=\":\"\n", From::realrcptto},
        row{":allow,QMAILRRTDENYALL=\"\"\n", ":allow,VERIFY=\":\"\n", From::realrcptto},
        row{":allow,QMAILRRTDENYALL=\"1 \"\n", ":allow,VERIFY=\":\"\n", From::realrcptto},
        row{":allow,QMAILRRTDENYALL=\"11\"\n", ":allow,VERIFY=\":\"\n", From::realrcptto},
        row{":allow,QMAILRRTDENYALL='1',A=\"b\"\n", ":allow,VERIFY='DEFER',A=\"b\"\n", From::realrcptto},
        row{"127.:allow,RELAYCLIENT=\"\"\n:allow\n", "127.:allow,RELAYCLIENT=\"\"\n:allow,VERIFY=\":\"\n", From::realrcptto},
        row{"127.:allow,RELAYCLIENT=\"\",QMAILRRTDENYALL=\"1\"\n:deny\n", "127.:allow,RELAYCLIENT=\"\"\n:deny\n", From::realrcptto},
        row{":deny,QMAILRRTDENYALL=\"1\"\n", ":deny\n", From::realrcptto},
        row{":allow,A=\"b\" \n", ":allow,A=\"b\",VERIFY=\":\" \n", From::realrcptto},
        row{"10.:allow\r\n:allow", "10.:allow,VERIFY=\":\"\r\n:allow,VERIFY=\":\"", From::realrcptto},
        row{":allow,VERIFY=\"\"\n", ":allow,VERIFY=\"\"\n", From::realrcptto},
        row{":allow,VERIFY=\":\",QMAILRRTDENYALL=\"1\"\n", ":allow,VERIFY=\":\"\n", From::realrcptto}));

// ---- what stays to the letter

INSTANTIATE_TEST_SUITE_P(
    kept, rows,
    testing::Values(
        // of 1.30 and later
        row{"10.:allow,VERIFY=\"DEFER\"\n192.168.:allow,VERIFY=\":\"\n172.16.:allow,VERIFY=\"\"\n:allow,VERIFY=\"DEFER,1.2.3.4:5\"\n",
            "10.:allow,VERIFY=\"DEFER\"\n192.168.:allow,VERIFY=\":\"\n172.16.:allow,VERIFY=\"\"\n:allow,VERIFY=\"DEFER,1.2.3.4:5\"\n"},
        row{":allow,VERIFY=\"OBSERVE,STRICT,/var/qmail/verify/socket\"\n", ":allow,VERIFY=\"OBSERVE,STRICT,/var/qmail/verify/socket\"\n"},
        row{":allow,VERIFY=\"[::1]:5\"\n", ":allow,VERIFY=\"[::1]:5\"\n", From::before_130},
        row{":allow,VERIFY=\"MAXBAD=5\"\n", ":allow,VERIFY=\"MAXBAD=5\"\n", From::before_130},
        row{":allow,VERIFY=\"strict\"\n", ":allow,VERIFY=\"strict\"\n", From::before_130},
        row{":allow,VERIFY=\"1\"\n", ":allow,VERIFY=\"1\"\n"},
        // of either generation
        row{":allow,VERIFY=\"\"\n", ":allow,VERIFY=\"\"\n"},
        // nothing of ours
        row{"", ""}, row{"\n", "\n"}, row{"127.:allow,RELAYCLIENT=\"\"\n:deny", "127.:allow,RELAYCLIENT=\"\"\n:deny"},
        // what tcprules does not take
        row{":allow,VERIFYDEFER=\n", ":allow,VERIFYDEFER=\n"}, row{":allow,VERIFYDEFER\n", ":allow,VERIFYDEFER\n"},
        row{":allow,VERIFYDEFER=\"\n", ":allow,VERIFYDEFER=\"\n"}, row{":allow VERIFYDEFER=\"\"\n", ":allow VERIFYDEFER=\"\"\n"},
        row{":allow,A=\"\"VERIFYDEFER=\"\"\n", ":allow,A=\"\"VERIFYDEFER=\"\"\n"},
        row{"10.:alow,VERIFYDEFER=\"\"\n", "10.:alow,VERIFYDEFER=\"\"\n"},
        row{"VERIFYDEFER=\"\"\n", "VERIFYDEFER=\"\"\n"},
        // other variables
        row{":allow, VERIFYDEFER=\"\"\n", ":allow, VERIFYDEFER=\"\"\n"}, row{":allow,verifydefer=\"\"\n", ":allow,verifydefer=\"\"\n"},
        row{":allow,MYVERIFYDEFER=\"\"\n", ":allow,MYVERIFYDEFER=\"\"\n"}, row{":allow,VERIFYDEFERS=\"\"\n", ":allow,VERIFYDEFERS=\"\"\n"},
        // values that are no address
        row{":allow,VERIFYDEFER=\"\",VERIFYSVR=\"mail.example.org\"\n", ":allow,VERIFYDEFER=\"\",VERIFYSVR=\"mail.example.org\"\n"},
        row{":allow,VERIFY=\"\",VERIFYSVR=\"1.2.3.4,5.6.7.8\"\n", ":allow,VERIFY=\"\",VERIFYSVR=\"1.2.3.4,5.6.7.8\"\n", From::before_130},
        row{":allow,VERIFYDEFER=\"\",VERIFYSVR=\"1.2.3.4:99999\"\n", ":allow,VERIFYDEFER=\"\",VERIFYSVR=\"1.2.3.4:99999\"\n"},
        // both generations, and they differ
        row{":allow,VERIFY=\":\",VERIFYDEFER=\"\"\n", ":allow,VERIFY=\":\",VERIFYDEFER=\"\"\n"},
        row{":allow,VERIFYSVR=\"1.2.3.4\"\n", ":allow,VERIFYSVR=\"1.2.3.4\"\n"},
        row{"1.:allow,VERIFY=\"\"\n2.:allow,VERIFY=\"DEFER\"\n:allow,VERIFYDEFER=\"\"\n",
            "1.:allow,VERIFY=\"\"\n2.:allow,VERIFY=\"DEFER\"\n:allow,VERIFYDEFER=\"\"\n"},
        row{":allow,VERIFYDEFER=\"\"\n", ":allow,VERIFYDEFER=\"\"\n", From::realrcptto},
        row{":allow,QMAILRRTDENYALL=\"1\"\n", ":allow,QMAILRRTDENYALL=\"1\"\n"}));

// ---- what is said

TEST(migrate_rules, a_file_of_today_is_not_remarked_upon) {
  const char *text =
      "# mail\n127.:allow,RELAYCLIENT=\"\"\n10.:allow,VERIFY=\"\"\n:allow,VERIFY=\"STRICT,/var/qmail/verify/socket\"\nno colon\n";
  EXPECT_EQ(remarks(text), "");
  EXPECT_EQ(remarks(text, From::realrcptto), "");
}

TEST(migrate_rules, an_empty_verify_of_either_generation_is_named) {
  EXPECT_TRUE(has(remarks("\n:allow,VERIFY=\"\"\n"), "!2 VERIFY is empty: on before 1.30, off since then"));
  EXPECT_FALSE(left(":allow,VERIFY=\"\"\n", From::before_130));
}

TEST(migrate_rules, a_server_alone_is_named) {
  EXPECT_TRUE(has(remarks(":allow,VERIFYSVR=\"1.2.3.4\"\n"), "!1 VERIFYSVR without VERIFY and VERIFYDEFER switched nothing on"));
  EXPECT_TRUE(has(remarks(":allow,VERIFYSVR=\"1.2.3.4\"\n", From::before_130), "1 VERIFYSVR is taken out"));
  EXPECT_FALSE(left(":allow,VERIFYSVR=\"1.2.3.4\"\n", From::before_130));
}

TEST(migrate_rules, what_is_not_understood_is_named_with_its_line) {
  EXPECT_EQ(remarks("#c\n:allow,A=b\n"), "!2 not understood, and kept as it is: \":allow,A=b\"\n");
  EXPECT_TRUE(has(remarks("x\n:allow,A=\"\x1b[2J\n"), "\\x1b")) << "nothing raw";
  EXPECT_TRUE(has(remarks("VERIFYDEFER=\"\"\n"), "!1 not understood"));
  EXPECT_EQ(remarks("no colon, and no rule\n"), "") << "tcprules passes over it";
  EXPECT_TRUE(has(remarks(":allow, VERIFYDEFER=\"\"\n"), "!1 the variable's name is \" VERIFYDEFER\""));
}

TEST(migrate_rules, generations_that_are_mixed_are_named) {
  const char *text = "1.:allow,VERIFY=\"\"\n2.:allow,VERIFY=\"DEFER\"\n:allow,VERIFYDEFER=\"\"\n";
  EXPECT_TRUE(has(remarks(text), "!1 this file has VERIFY as of 1.30 and later"));
  EXPECT_TRUE(has(remarks(text), "!3 this file has VERIFY as of 1.30 and later"));
  EXPECT_EQ(rewritten(text, From::before_130), "1.:allow,VERIFY=\":\"\n2.:allow,VERIFY=\"DEFER\"\n:allow,VERIFY=\"DEFER\"\n");
}

TEST(migrate_rules, realrcptto_verified_clients_without_a_rule) {
  EXPECT_TRUE(has(remarks("10.:allow\n", From::realrcptto), "!0 no rule is for all other clients"));
  EXPECT_EQ(remarks("10.:allow\n:deny\n", From::realrcptto), "");
  EXPECT_TRUE(has(remarks(":allow,QMAILRRTDENYALL=\"1\"\n"), "!1 QMAILRRTDENYALL is realrcptto's"));
}

TEST(migrate_rules, carriage_returns_are_told) {
  EXPECT_TRUE(has(remarks(":allow,VERIFYDEFER=\"\"\r\n"), "0 lines end with CR LF"));
  EXPECT_FALSE(left(":allow,VERIFYDEFER=\"\"\r\n"));
}

TEST(migrate_rules, a_nul_makes_a_line_unreadable) {
  const std::string_view text(":allow,VERIFYDEFER=\"\0\"\n10.:allow,VERIFYDEFER=\"\"\n", 48);
  EXPECT_EQ(rewritten(text), std::string(text.substr(0, 23)) + "10.:allow,VERIFY=\"DEFER\"\n");
  EXPECT_TRUE(has(remarks(text), "!1 not understood"));
}

TEST(migrate_rules, long_lines_and_many) {
  const std::string big(1 << 20, 'x');
  EXPECT_EQ(rewritten(":allow,A=\"" + big + "\",VERIFYDEFER=\"\",B=\"" + big + "\"\n"),
            ":allow,A=\"" + big + "\",VERIFY=\"DEFER\",B=\"" + big + "\"\n");
  std::string text, expected;
  for (int i = 0; i < 20000; ++i) {
    text += std::to_string(i) + ".:allow,VERIFYDEFER=\"\"\n";
    expected += std::to_string(i) + ".:allow,VERIFY=\"DEFER\"\n";
  }
  EXPECT_EQ(rewritten(text), expected);
}

TEST(migrate_rules, a_rule_in_its_parts) {
  const auto r = rule_read("10.:allow,A=\"b\",C=/d,e/  ");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->address, "10.");
  EXPECT_TRUE(r->allow);
  ASSERT_EQ(r->settings.size(), 2U);
  EXPECT_EQ(r->settings[1].name, "C");
  EXPECT_EQ(r->settings[1].value, "d,e");
  EXPECT_EQ(r->settings[1].quote, '/');
  EXPECT_EQ(r->end, 23U);
  EXPECT_FALSE(rule_read("#10.:allow"));
  EXPECT_FALSE(rule_read("10.:allowed"));
  EXPECT_FALSE(rule_read(""));
}

// ---- which kind of file

TEST(migrate_kind, is_told_by_content) {
  EXPECT_EQ(migrate_kind("tcp.smtp", ":allow\n"), Kind::rules);
  EXPECT_EQ(migrate_kind("tcp.smtp", ""), Kind::rules);
  EXPECT_EQ(migrate_kind("run", "#!/bin/sh\nexec x\n"), Kind::script);
  EXPECT_EQ(migrate_kind("run", "#!/usr/bin/env bash\n"), Kind::script);
  EXPECT_EQ(migrate_kind("run", "#!/usr/bin/perl\n"), Kind::foreign);
  EXPECT_EQ(migrate_kind("run", "#!/command/execlineb -P\n"), Kind::foreign);
  EXPECT_EQ(migrate_kind("/etc/default/qmail", "VERIFYDEFER=\"\"\n"), Kind::script);
  EXPECT_EQ(migrate_kind("env/VERIFYDEFER", ""), Kind::foreign);
  EXPECT_EQ(migrate_kind("tcp.smtp.cdb", ""), Kind::foreign);
}

TEST(migrate_kind, a_variable_of_envdir_is_named_unless_it_is_of_today) {
  for (const char *text : {"", ":\n", "DEFER,1.2.3.4:5\n", "STRICT,/var/qmail/verify/socket"})
    EXPECT_TRUE(migrate_text("env/VERIFY", text, From::unsaid).remarks.empty()) << text;
  for (const char *text : {"\n", "\n:\n", "1\n"})
    EXPECT_EQ(migrate_text("env/VERIFY", text, From::unsaid).remarks.size(), 1U) << text;
  EXPECT_EQ(migrate_text("env/VERIFYDEFER", ":\n", From::unsaid).remarks.size(), 1U);
}

TEST(migrate_kind, what_is_foreign_is_named_and_kept) {
  for (const auto &[path, text] : {std::pair{"env/VERIFYDEFER", "x"}, {"t.cdb", "x"}, {"run", "#!/bin/perl\n$ENV{VERIFYDEFER} = 1;\n"}}) {
    const migration m = migrate_text(path, text, From::unsaid);
    EXPECT_TRUE(m.edits.empty());
    ASSERT_EQ(m.remarks.size(), 1U) << path;
    EXPECT_TRUE(m.remarks[0].left);
  }
  EXPECT_TRUE(migrate_text("run", "#!/bin/perl\nexec 'tcpserver';\n", From::unsaid).remarks.empty());
}

}  // namespace
