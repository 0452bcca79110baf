// program_test.cpp - what a catch-all may say and what is made of it, from an
// address to a verdict: the programs that are read without being run, and what the
// lines around them change.

#include "address/program.h"

#include <gtest/gtest.h>

#include "address/catchall.h"
#include "address/judge.h"
#include "fake_site.h"

using namespace std::string_literals;

namespace {

class Program : public testing::Test {
 protected:
  Program() {
    tables.locals = control_map(control_parsefile("here\n"), control_map::Form::names);
    tables.virtualdomains = control_map(control_parsefile("virt:joe\n"), control_map::Form::colon);
    host.add_user("joe", 100, "/home/joe");
    host.add_user("alias", 7, "/alias");
  }

  void file(const std::string &path, const std::string &content, mode_t mode = 0644) {
    host.files[path] = {content, S_IFREG | mode, 0, false};
  }
  // A host with its programs in place, rather than a copy without any.
  void install() {
    for (const char *name : {"bouncesaying", "except", "condredirect"})
      host.programs.insert("/var/qmail/bin/"s + name);
    for (const char *path : {"/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false"}) host.programs.insert(path);
  }
  void words(const std::string &text) {
    std::vector<std::string> complaints;
    policy = policy_table(text, complaints);
    EXPECT_TRUE(complaints.empty());
  }

  std::string judge(const std::string &address) {
    last = judge_address(host, {settings, tables, policy}, {address, sender});
    return qv_reason_name(last.reason);
  }
  // The reason for an address of a domain whose .qmail-default has this content.
  std::string says(const std::string &content, mode_t mode = 0644) {
    file("/home/joe/.qmail-default", content, mode);
    return judge("any@virt");
  }
  std::string line(const std::string &program) { return says("|" + program + "\n"); }

  fake_site host;
  route_tables tables;
  policy_table policy;
  address_settings settings;
  std::optional<std::string_view> sender;
  judgement last;
};

}  // namespace

// ---- exit, true, false

TEST_F(Program, AnExitThatQmailBouncesRefuses) {
  for (const char *n : {"100", "64", "65", "70", "76", "77", "78", "112"}) {
    EXPECT_EQ(line("exit "s + n), "program-refuses") << n;
    EXPECT_EQ(last.verdict(), QV_INVALID);
    EXPECT_EQ(last.position, 12u);
    EXPECT_EQ(last.about, "/home/joe/.qmail-default");
  }
}

TEST_F(Program, EveryOtherExitDefers) {
  for (const char *n : {"1", "2", "63", "66", "69", "71", "75", "79", "98", "101", "111", "113", "127", "255"}) {
    EXPECT_EQ(line("exit "s + n), "program-defers") << n;
    EXPECT_EQ(last.verdict(), QV_VALID);
  }
}

TEST_F(Program, ExitZeroAndExit99Accept) {
  for (const char *command : {"exit 0", "exit", "exit 99", "true", ":", "true 'x y'", ": \"$EXT\""})
    EXPECT_EQ(line(command), "program-accepts") << command;
}

TEST_F(Program, FalseDefers) { EXPECT_EQ(line("false"), "program-defers"); }

TEST_F(Program, AnEmptyCommandAccepts) {
  for (const char *command : {"", " ", "# exit 100", "exec"}) EXPECT_EQ(line(command), "program-accepts") << command;
}

TEST_F(Program, AnExitThatIsNotCertainIsUnknown) {
  for (const char *command :
       {"exit 256", "exit 356", "exit 0100", "exit 00", "exit -1", "exit +100", "exit x", "exit 1x", "exit ''",
        "exit 100 1", "exit 1000", "exit \"$EXT\"", "exit $EXT", "exit 100\r", "exit ${#DEFAULT}", "exit 0'",
        "exit 100; true", "true; exit 100", "false || exit 100", "true && exit 100", "(exit 100)", "! exit 100",
        "if true; then exit 100; fi", "exit 100 2>/dev/null", "exit 100 &", "exec exit 100", "exec :"}) {
    EXPECT_EQ(line(command), "program") << command;
    EXPECT_EQ(last.verdict(), QV_UNKNOWN);
  }
}

TEST_F(Program, QuotesBlanksAndCommentsAreTheShells) {
  for (const char *command :
       {"exit 100   \t", " exit\t100", "exit '100'", "e'x'it \"100\"", "exit 10\\0", "exit 100 # no"})
    EXPECT_EQ(line(command), "program-refuses") << command;
}

TEST_F(Program, ALineEndsAtANul) {
  EXPECT_EQ(line("exit 100\0 || exit 0"s), "program-refuses");
  EXPECT_EQ(line("exit\0 100"s), "program-accepts");
}

TEST_F(Program, OtherProgramsAreUnknown) {
  install();
  host.programs.insert({"/usr/bin/forward", "/var/qmail/bin/forward"});
  for (const char *command :
       {"forward x@y", "/var/qmail/bin/forward x", "preline maildrop", "cat >x", "sh -c 'exit 100'", "procmail",
        "bouncesayin x", "./bouncesaying x", "bin/bouncesaying x", "/", "''", "ezmlm-"})
    EXPECT_EQ(line(command), "program") << command;
}

// ---- bouncesaying, except, condredirect

TEST_F(Program, BouncesayingWithoutAProgramRefuses) {
  for (const char *command : {"bouncesaying 'no such user'", "bouncesaying", "bouncesaying ''",
                              "bouncesaying \"no $EXT\"", "exec bouncesaying x",
                              "/var/qmail/bin/bouncesaying 'gone'",
                              "exec /var/qmail/bin/bouncesaying \"This address no longer accepts mail.\""})
    EXPECT_EQ(line(command), "program-refuses") << command;
}

TEST_F(Program, BouncesayingFollowsItsProgram) {
  install();
  EXPECT_EQ(line("bouncesaying x true"), "program-refuses");
  EXPECT_EQ(line("bouncesaying \"$EXT\" /bin/true"), "program-refuses");
  EXPECT_EQ(line("bouncesaying x false"), "program-accepts");
  EXPECT_EQ(line("bouncesaying x /usr/bin/false"), "program-accepts");
  EXPECT_EQ(line("bouncesaying x except false"), "program-refuses");
  EXPECT_EQ(line("bouncesaying x except true"), "program-accepts");
  EXPECT_EQ(line("bouncesaying x bouncesaying y false"), "program-refuses");
  EXPECT_EQ(line("bouncesaying x bouncesaying"), "program-accepts");
}

TEST_F(Program, ExceptTurnsItsProgramRound) {
  install();
  EXPECT_EQ(line("except"), "program-refuses");
  EXPECT_EQ(line("except true"), "program-refuses");
  EXPECT_EQ(line("except false"), "program-accepts");
  EXPECT_EQ(line("except except false"), "program-refuses");
  EXPECT_EQ(line("except bouncesaying x"), "program-accepts");
}

TEST_F(Program, CondredirectForwardsOrGoesOn) {
  install();
  EXPECT_EQ(line("condredirect"), "program-refuses");
  EXPECT_EQ(line("condredirect \"$EXT\""), "program-refuses");
  EXPECT_EQ(says("|condredirect a@b true\n|exit 100\n"), "program-accepts");
  EXPECT_EQ(says("|condredirect a@b false\n|exit 100\n"), "program-refuses");
  EXPECT_EQ(line("condredirect a@b false"), "program-accepts");
}

TEST_F(Program, AProgramThatIsNotKnownDecidesAtDeliveryTime) {
  install();
  for (const char *program : {"test -n y", "/no/such/program", "''", "\"$EXT\"", "sh -c 'exit 100'", "exit 100", ":",
                              "bin/true", "fastforward x", "ezmlm-reject", "condredirect a true"}) {
    EXPECT_EQ(line("bouncesaying x "s + program), "program") << program;
    EXPECT_EQ(line("except "s + program), "program") << program;
    EXPECT_EQ(line("condredirect a "s + program), "program") << program;
  }
}

TEST_F(Program, ProgramsOfProgramsAreFollowedSoFar) {
  install();
  std::string command;
  for (int i = 0; i < 8; ++i) command += "except ";
  EXPECT_EQ(line(command + "true"), "program-accepts");
  EXPECT_EQ(line("except " + command + "true"), "program");
  for (int i = 0; i < 5000; ++i) command += "except ";
  EXPECT_EQ(line(command + "true"), "program");
}

// ---- where programs are

TEST_F(Program, AProgramCountsWhereTheUserMayRunIt) {
  host.programs = {"/opt/bin/bouncesaying", "/var/qmail/bin/except"};
  EXPECT_EQ(line("/opt/bin/bouncesaying x"), "program-refuses");
  EXPECT_EQ(line("/opt/other/bouncesaying x"), "program");
  EXPECT_EQ(line("/var/qmail/bin/except"), "program-refuses");
  EXPECT_EQ(line("/var/qmail/bin/bouncesaying x"), "program");
  EXPECT_EQ(line("bouncesaying x"), "program");
  for (const char *dir : {"/var/qmail/bin", "/usr/local/bin", "/usr/bin", "/bin"}) {
    host.programs = {"/var/qmail/bin/except", dir + "/bouncesaying"s};
    EXPECT_EQ(line("bouncesaying x"), "program-refuses") << dir;
  }
}

TEST_F(Program, ACopyOfAHostWithoutProgramsIsJudgedByTheirNames) {
  EXPECT_EQ(line("bouncesaying x true"), "program-refuses");
  EXPECT_EQ(line("/var/qmail/bin/bouncesaying x /bin/true"), "program-refuses");
  EXPECT_EQ(line("/usr/local/bin/bouncesaying x"), "program");
  settings.qmail = "/opt/qmail";
  EXPECT_EQ(line("/var/qmail/bin/bouncesaying x"), "program");
  EXPECT_EQ(line("/opt/qmail/bin/bouncesaying x"), "program-refuses");
}

TEST_F(Program, TrueIsRunByItsPathOnlyWhereItIs) {
  host.programs = {"/var/qmail/bin/bouncesaying"};
  EXPECT_EQ(line("bouncesaying x /bin/true"), "program");
  EXPECT_EQ(line("bouncesaying x true"), "program");
  EXPECT_EQ(line("exec true"), "program");
  EXPECT_EQ(line("true"), "program-accepts");
  host.programs.insert("/bin/true");
  EXPECT_EQ(line("bouncesaying x /bin/true"), "program-refuses");
  EXPECT_EQ(line("bouncesaying x true"), "program-refuses");
  EXPECT_EQ(line("exec true"), "program-accepts");
}

TEST_F(Program, VpopmailsHomeIsTheOneInWhichTheDomainIs) {
  const policy_words none;
  const dotqmail_result found;
  const controlling_user user{"v", 89, 89, "/srv/vpopmail/domains/virt", "-", "", {}};
  int error = 0;
  const auto visit = host.become(89, 89, error);
  const delivery d{host, *visit, settings, none, user, found, "x", "virt", std::nullopt};
  auto name = [&](const char *path) {
    const shell_word word{path, true};
    return std::string(program_name(d, word));
  };
  EXPECT_EQ(name("/srv/vpopmail/bin/vdelivermail"), "");
  host.directories = {"/srv/vpopmail/domains"};
  EXPECT_EQ(name("/srv/vpopmail/bin/vdelivermail"), "vdelivermail");
  EXPECT_EQ(name("/home/vpopmail/bin/vdelivermail"), "");
  EXPECT_EQ(name("/srv/vpop/bin/vdelivermail"), "");
  EXPECT_EQ(name("/srv/vpopmail/sbin/vdelivermail"), "");
  EXPECT_EQ(name("/srv/vpopmail/bin/bouncesaying"), "");
  host.programs = {"/srv/vpopmail/bin/vchkpw"};
  EXPECT_EQ(name("/srv/vpopmail/bin/vdelivermail"), "");
  host.programs.insert("/srv/vpopmail/bin/vdelivermail");
  EXPECT_EQ(name("/srv/vpopmail/bin/vdelivermail"), "vdelivermail");
  EXPECT_EQ(name("//srv/./vpopmail//bin/vdelivermail"), "vdelivermail");
  host.scripts.insert("/srv/vpopmail/bin/vdelivermail");
  EXPECT_EQ(name("/srv/vpopmail/bin/vdelivermail"), "");
}

TEST_F(Program, AnEmptyBinOfVpopmailSpeaksOnlyOnACopy) {
  host.directories = {"/home/vpopmail/domains"};
  host.programs = {"/var/qmail/bin/except"};
  EXPECT_EQ(line("/home/vpopmail/bin/vdelivermail"), "program");
  host.programs.clear();
  EXPECT_EQ(line("/home/vpopmail/bin/vdelivermail"), "program-defers");  // it wants two arguments
}

TEST_F(Program, AnEmptyBinSpeaksOnlyForWhatBelongsThere) {
  EXPECT_EQ(line("/var/qmail/bin/vdelivermail '' bounce-no-mailbox"), "program");
  EXPECT_EQ(line("vdelivermail '' bounce-no-mailbox"), "program");
  EXPECT_EQ(line("/var/qmail/bin/true"), "program");
  EXPECT_EQ(line("/var/qmail//bin/./bouncesaying x"), "program-refuses");
}

TEST_F(Program, AScriptMayDoAnything) {
  host.programs = {"/usr/bin/fastforward", "/usr/bin/bouncesaying"};
  host.scripts = {"/var/qmail/bin/bouncesaying"};
  EXPECT_EQ(line("bouncesaying x"), "program");
  EXPECT_NE(last.advice.find("/home/joe/.qmail-default runs bouncesaying, which is not there"), std::string::npos)
      << last.advice;
  EXPECT_EQ(line("procmail x"), "program");
  EXPECT_EQ(last.advice, "");
  EXPECT_EQ(line("/var/qmail/bin/bouncesaying x"), "program");
  EXPECT_EQ(line("/usr/bin/bouncesaying x"), "program-refuses");
}

TEST_F(Program, APathThatGoesUpIsNotRead) {
  host.programs = {"/usr/bin/../bin/bouncesaying", "/usr/bin/bouncesaying"};
  EXPECT_EQ(line("/usr/bin/../bin/bouncesaying x"), "program");
}

TEST_F(Program, ABinaryThatTheUserOwnsMayDoAnything) {
  host.programs = {"/mnt/bouncesaying", "/usr/local/bin/except"};
  host.own = host.programs;
  EXPECT_EQ(line("/mnt/bouncesaying x"), "program");
  EXPECT_EQ(line("except"), "program");
  host.directories = {"/home/vpopmail/domains"};
  host.programs = {"/home/vpopmail/bin/vdelivermail"};  // vpopmail's user owns it
  host.own = host.programs;
  EXPECT_EQ(line("/home/vpopmail/bin/vdelivermail"), "program-defers");
}

TEST_F(Program, AProgramThatThePolicyNamesRefusesOnlyWhereItIs) {
  host.programs = {"/var/qmail/bin/except"};
  words("virt:refuse=/opt/bin/gone\n");
  EXPECT_EQ(line("/opt/bin/gone x"), "program");
  host.scripts = {"/opt/bin/gone"};
  EXPECT_EQ(line("/opt/bin/gone x"), "policy-refuse");
}

TEST_F(Program, AProgramOfTheUsersOwnMayDoAnything) {
  host.programs = {"/home/joe/bin/bouncesaying"};
  EXPECT_EQ(line("/home/joe/bin/bouncesaying x"), "program");
}

// ---- the lines around it

TEST_F(Program, AFileWithMoreProgramLinesThanAQuestionIsWorthIsLeftOpen) {
  std::string lines;
  for (unsigned i = 0; i < CATCHALL_PROGRAMS_MAX - 1; ++i) lines += "|true\n";
  EXPECT_EQ(says(lines + "|exit 100\n"), "program-refuses");
  EXPECT_EQ(says(lines + "|true\n|exit 100\n"), "program");
}

TEST_F(Program, TheFirstLineThatRefusesDecides) {
  EXPECT_EQ(says("|true\n|exit 100\n|exit 0\n"), "program-refuses");
  EXPECT_EQ(says("# x\n\n|exit 100"), "program-refuses");
  EXPECT_EQ(says("&a@b\n|exit 100\n"), "program-refuses");
  EXPECT_EQ(says(" |exit 0\n|exit 100\n"), "program-refuses");
  EXPECT_EQ(says("|exit 111\n|exit 100\n"), "program-defers");
  EXPECT_EQ(says("|cat\n|exit 100\n"), "program");
}

TEST_F(Program, Exit99EndsTheFile) {
  EXPECT_EQ(says("|exit 99\n|exit 100\n"), "program-accepts");
  EXPECT_EQ(says("&a@b\n|exit 99\n|exit 100\n"), "program-accepts");
}

TEST_F(Program, ARefusalComesTooLateWhereTheMailWasKept) {
  EXPECT_EQ(says("./Maildir/\n|exit 100\n"), "kept");
  EXPECT_EQ(last.verdict(), QV_UNKNOWN);
  EXPECT_EQ(says("/var/mail/x\n|bouncesaying x\n"), "kept");
  EXPECT_EQ(says("|exit 100\n./Maildir/\n"), "program-refuses");
}

TEST_F(Program, WhatOnlyPassesLeavesTheRestToDecide) {
  EXPECT_EQ(says("|true\n./Maildir/\n"), "dotqmail");
  EXPECT_EQ(says("|true\n&a@b\n"), "dotqmail");
  EXPECT_EQ(says("|exit 0\n./Maildir/\n|exit 111\n"), "program-defers");
}

TEST_F(Program, ALeadingSpaceMakesItAForward) {
  EXPECT_EQ(says(" |exit 100\n"), "dotqmail");
  EXPECT_EQ(says("#|exit 100\n"), "dotqmail");
}

TEST_F(Program, AFileForForwardsOnlyDefersInsteadOfRunning) {
  EXPECT_EQ(says("|exit 100\n", 0744), "dotqmail-xbit");
  EXPECT_EQ(says("+list\n|exit 100\n"), "dotqmail-xbit");
  EXPECT_EQ(says("\n|exit 100\n"), "dotqmail-blank");
}

TEST_F(Program, TheExactFileIsReadAsTheDefaultIs) {
  file("/home/joe/.qmail-gone", "|exit 100\n");
  EXPECT_EQ(judge("joe-gone@here"), "program-refuses");
  EXPECT_EQ(last.position, 10u);
}

TEST_F(Program, PlesksBounceAndItsMailboxes) {
  EXPECT_EQ(says("|bouncesaying 'This address no longer accepts mail.'\n"), "program-refuses");
  EXPECT_EQ(says("| true\n./Maildir/\n"), "dotqmail");
}

// ---- ezmlm

namespace {

// As ezmlm-make writes them, the dot-qmail files being links to them.
constexpr const char *EDITOR_053 = "|/usr/bin/ezmlm/ezmlm-reject\n"
                                   "|/usr/bin/ezmlm/ezmlm-send '/home/joe/list'\n"
                                   "|/usr/bin/ezmlm/ezmlm-warn '/home/joe/list' || exit 0\n";
constexpr const char *EDITOR_7 =
    "|if test ! -f '/home/joe/list/sublist'; then /usr/bin/ezmlm/ezmlm-reject '/home/joe/list'; fi\n"
    "|if test ! -f '/home/joe/list/subpostonly'; then /usr/bin/ezmlm/ezmlm-store '/home/joe/list'; fi\n"
    "|if test -f '/home/joe/list/subpostonly' -a ! -f '/home/joe/list/modpost'; then /usr/bin/ezmlm/ezmlm-checksub "
    "'/home/joe/list' . digest allow mod && /usr/bin/ezmlm/ezmlm-store '/home/joe/list'; fi\n"
    "|/usr/bin/ezmlm/ezmlm-clean '/home/joe/list' || exit 0\n"
    "|if test -f '/home/joe/list/threaded'; then /usr/bin/ezmlm/ezmlm-archive '/home/joe/list' || exit 0; fi\n"
    "|if test -e '/home/joe/list/digested' && /usr/bin/ezmlm/ezmlm-tstdig '/home/joe/list'; then "
    "/usr/bin/ezmlm/ezmlm-get '/home/joe/list' || exit 0; fi\n";
constexpr const char *MANAGER = "|/usr/bin/ezmlm/ezmlm-weed\n"
                                "|/usr/bin/ezmlm/ezmlm-get '/home/joe/list'\n"
                                "|/usr/bin/ezmlm/ezmlm-manage '/home/joe/list'\n"
                                "|/usr/bin/ezmlm/ezmlm-warn '/home/joe/list' || exit 0\n";
constexpr const char *BOUNCER = "|/usr/bin/ezmlm/ezmlm-weed\n"
                                "|/usr/bin/ezmlm/ezmlm-return -D '/home/joe/list'\n";

}  // namespace

class Ezmlm : public Program {
 protected:
  Ezmlm() {
    for (const char *name : {"reject", "send", "store", "warn", "clean", "archive", "tstdig", "get", "weed", "manage",
                             "return", "checksub", "confirm"})
      host.programs.insert("/usr/bin/ezmlm/ezmlm-"s + name);
    file("/home/joe/.qmail-list", EDITOR_053);
    file("/home/joe/.qmail-new", EDITOR_7);
    file("/home/joe/.qmail-list-owner", "/home/joe/list/Mailbox\n");
    file("/home/joe/.qmail-list-default", MANAGER);
    file("/home/joe/.qmail-list-return-default", BOUNCER);
  }
};

TEST_F(Ezmlm, EveryAddressOfAListIsValid) {
  EXPECT_EQ(judge("joe-list@here"), "ezmlm-list");
  EXPECT_EQ(judge("joe-new@here"), "ezmlm-list");
  EXPECT_EQ(judge("joe-list-owner@here"), "dotqmail");
  EXPECT_EQ(judge("joe-list-subscribe@here"), "ezmlm");
  EXPECT_EQ(judge("joe-list-return-1-a=b@here"), "ezmlm");
}

TEST_F(Ezmlm, TheNullSenderIsRefusedByPolicyAndOnlyForTheListsOwnAddress) {
  sender = "";
  EXPECT_EQ(judge("joe-list@here"), "ezmlm-list");
  words("here:refuse-null\n");
  for (const char *list : {"joe-list@here", "joe-new@here"}) {
    EXPECT_EQ(judge(list), "ezmlm-null-sender");
    EXPECT_EQ(last.verdict(), QV_INVALID);
  }
  EXPECT_EQ(judge("joe-list-owner@here"), "dotqmail");
  EXPECT_EQ(judge("joe-list-subscribe@here"), "ezmlm");
  EXPECT_EQ(judge("joe-list-return-1-a=b@here"), "ezmlm");
  for (std::optional<std::string_view> other : {std::optional<std::string_view>(), {"a@b"}, {"#@[]"}}) {
    sender = other;
    EXPECT_EQ(judge("joe-list@here"), "ezmlm-list");
  }
}

TEST_F(Ezmlm, AListBehindADefaultIsNotCertainlyTheListItself) {
  sender = "";
  words("virt:refuse-null\n");
  EXPECT_EQ(says(EDITOR_053), "ezmlm");
  EXPECT_EQ(says(EDITOR_7), "ezmlm");
}

TEST_F(Ezmlm, NothingBehindAnEzmlmProgramRefuses) {
  EXPECT_EQ(says("|/usr/bin/ezmlm/ezmlm-weed\n|exit 100\n"), "kept");
  EXPECT_EQ(says("|/usr/bin/ezmlm/ezmlm-warn x || exit 0\n|exit 100\n"), "kept");
  sender = "";
  words("here:refuse-null\n");
  file("/home/joe/.qmail-x", "./Maildir/\n|/usr/bin/ezmlm/ezmlm-send x\n");
  EXPECT_EQ(judge("joe-x@here"), "kept");
}

TEST_F(Ezmlm, LinesThatTestSomethingElseOrRunSomethingElseAreUnknown) {
  sender = "";
  words("here:refuse-null\n");
  for (const char *command :
       {"test -n \"$SENDER\" && /usr/bin/ezmlm/ezmlm-send x", "if test $SENDER; then /usr/bin/ezmlm/ezmlm-send x; fi",
        "/usr/bin/ezmlm/ezmlm-send x || forward y", "/usr/bin/ezmlm/ezmlm-send x | cat", "cat; echo ezmlm-send",
        "test x || exit 100; /usr/bin/ezmlm/ezmlm-send x", "/no/ezmlm-send x || exit 0", "'; ezmlm-send x",
        "if ezmlm-send x; then"}) {
    file("/home/joe/.qmail-x", "|"s + command + "\n");
    EXPECT_EQ(judge("joe-x@here"), "program") << command;
  }
}

// ---- policy and VERIFY_FASTFORWARDCDB

TEST_F(Program, APolicySaysThatAProgramAlwaysRefuses) {
  words("virt:refuse=/opt/bin/gone\n");
  EXPECT_EQ(line("/opt/bin/gone x 'y'"), "policy-refuse");
  EXPECT_EQ(last.verdict(), QV_INVALID);
  EXPECT_EQ(line("exec /opt/bin/gone"), "policy-refuse");
  EXPECT_EQ(says("./Maildir/\n|/opt/bin/gone\n"), "kept");
  EXPECT_EQ(line("/opt/bin/gone; true"), "program");
  EXPECT_EQ(line("/opt/bin/gone2"), "program");
  EXPECT_EQ(line("gone"), "program");
  file("/home/joe/.qmail-x", "|/opt/bin/gone\n");
  EXPECT_EQ(judge("x@virt"), "program");
}

TEST_F(Program, APolicyNeverStandsForAProgramThatIsRead) {
  install();
  policy_words words;
  words.refuse = {"/opt/bin/vdelivermail", "/opt/bin/fastforward", "/opt/bin/ezmlm-send", "/bin/true", "/opt/bin/gone"};
  dotqmail_result found;
  found.by_default = true;
  const controlling_user user{"joe", 100, 100, "/home/joe", "-", "", {}};
  int error = 0;
  const auto visit = host.become(100, 100, error);
  const delivery d{host, *visit, settings, words, user, found, "x", "virt", std::nullopt};
  host.programs.insert("/opt/bin/gone");
  EXPECT_EQ(program_read(d, "/opt/bin/gone").reason, QV_REASON_POLICY_REFUSE);
  EXPECT_EQ(program_read(d, "/opt/bin/vdelivermail '' x").reason, QV_REASON_PROGRAM);
  EXPECT_EQ(program_read(d, "/opt/bin/fastforward x").reason, QV_REASON_PROGRAM);
  EXPECT_EQ(program_read(d, "/opt/bin/ezmlm-send x").reason, QV_REASON_PROGRAM);
  EXPECT_EQ(program_read(d, "/bin/true").reason, QV_REASON_PROGRAM_ACCEPTS);
}

TEST_F(Program, TheHintIsForTheAliasUsersDefaultAndALineThatCannotBeRead) {
  settings.fastforward_cdb = "/etc/aliases.cdb";
  host.data["/etc/aliases.cdb"].content = fake_cdb({{":known@here", "&x@y"}});
  const std::string odd = "|exec fastforward -d $CDB\n";
  file("/alias/.qmail-default", odd);
  EXPECT_EQ(judge("nobody@here"), "fastforward-absent");
  EXPECT_EQ(judge("known@here"), "fastforward");
  file("/alias/.qmail-default", "|true; cat\n");
  EXPECT_EQ(judge("nobody@here"), "program");
  file("/alias/.qmail-default", "|exit 0 # fastforward\n");
  EXPECT_EQ(judge("nobody@here"), "program-accepts");
  file("/alias/.qmail-a-default", odd);
  EXPECT_EQ(judge("a-nobody@here"), "program");
  EXPECT_EQ(says(odd), "program");
}

TEST_F(Program, TheHintRefusesNobodyWhereTheFileMayDoMore) {
  settings.fastforward_cdb = "/etc/aliases.cdb";
  host.data["/etc/aliases.cdb"].content = fake_cdb({{":known@here", "&x@y"}});
  for (const char *more : {"|true; fastforward -d $CDB\n", "|fastforward -d $CDB || exit 0\n", "|fastforward -pd $CDB\n",
                           "|fastforward -d\t-'p' $CDB\n", "|fastforward -d $CDB\n./Maildir/\n",
                           "|true\n|fastforward -d $CDB\n", "|fastforward -d $CDB >/dev/null\n",
                           "|! fastforward -d $CDB\n", "|except fastforward -d $CDB\n", "|env fastforward -d $CDB\n",
                           "|/opt/deliver $EXT # was fastforward\n", "|/opt/bin/fastforward -d $CDB\n",
                           "|fastforwardd -d $CDB\n", "|bouncesaying x fastforward -nd C\n"}) {
    file("/alias/.qmail-default", more);
    EXPECT_EQ(judge("nobody@here"), "program") << more;
  }
  for (const char *nothing_more : {"|fastforward -d $CDB\n", "|fastforward \"$CDB\"\n# as it was\n\n"}) {
    file("/alias/.qmail-default", nothing_more);
    EXPECT_EQ(judge("nobody@here"), "fastforward-absent") << nothing_more;
    EXPECT_EQ(judge("known@here"), "fastforward") << nothing_more;
  }
}

TEST_F(Program, TheHintSaysNothingWhereTheLinesOwnDatabaseWasRead) {
  settings.fastforward_cdb = "/etc/aliases.cdb";
  host.data["/etc/aliases.cdb"].content = fake_cdb({});
  host.data["/alias/x.cdb"].content = fake_cdb({{":known@here", std::string("|prog\0", 6)}});
  file("/alias/.qmail-default", "|fastforward -d x.cdb\n");
  EXPECT_EQ(judge("known@here"), "program");
}
