// vpopmail_test.cpp - a line that runs vdelivermail: which domain and which user
// it looks for, where they are read, and what it does with those it does not have.

#include "address/vpopmail.h"

#include <gtest/gtest.h>

#include "address/judge.h"
#include "fake_site.h"

using namespace std::string_literals;

namespace {

const std::string DIR = "/home/vpopmail/domains/x.example";
const std::string CDB = DIR + "/vpasswd.cdb", TEXT = DIR + "/vpasswd";

std::string record(const std::string &gid = "0", const std::string &dir = DIR + "/ann") {
  return "$6$hash:1:" + gid + ":Ann:" + dir + ":NOQUOTA";
}

class Vpopmail : public testing::Test {
 protected:
  Vpopmail() {
    assign("+x.example-:x.example:89:89:" + DIR + ":-::\n");
    users({{"ann", record()}, {"cy-x", record()}});
  }
  void assign(const std::string &lines) { host.set_users_cdb(lines + ".\n"); }
  void users(const std::vector<std::pair<std::string, std::string>> &records) {
    host.data[CDB] = {fake_cdb(records)};
  }
  void database(const std::string &bytes) { host.data[CDB] = {bytes}; }
  void text(const std::string &lines) {
    host.data.erase(CDB);
    host.data[TEXT] = {lines};
  }
  void fails(const std::string &path, int error) { host.data[path] = {"", S_IFREG, error, false}; }

  // The reason, and " goes on" and " kept" where they apply, of the words behind
  // vdelivermail; "?" is a word that is not certain.
  std::string line(const std::vector<std::string> &words, const std::string &address) {
    shell_command command{true, {{"/home/vpopmail/bin/vdelivermail", true}}};
    for (auto &word : words) command.words.push_back(word == "?" ? shell_word{"", false} : shell_word{word, true});
    const size_t at = address.rfind('@');
    const std::string domain = address.substr(at + 1);
    user.ext = address.substr(0, at);
    int error = 0;
    const auto visit = host.become(user.uid, user.gid, error);
    visit->enter(user.home);
    host.log.clear();
    last = vpopmail_read({host, *visit, settings, policy, user, found, "local", domain, std::nullopt}, command);
    return qv_reason_name(last.reason) + std::string(last.goes_on ? " goes on" : "") + (last.kept ? " kept" : "");
  }
  std::string action(const std::string &word, const std::string &address = "nobody@x.example") {
    return line({"", word}, address);
  }
  std::string ask(const std::string &name) { return action("bounce-no-mailbox", name + "@x.example"); }
  // The user nearly always comes from the record that is looked for.
  void from_elsewhere() { user.key = "!other-"; }

  fake_site host;
  address_settings settings;
  policy_words policy;
  dotqmail_result found;
  controlling_user user{"x.example", 89, 89, DIR, "-", "", "!x.example-"};
  outcome last;
  const std::string USER = "vpopmail-user goes on kept", NO_USER = "vpopmail-no-user",
                    CATCHALL = "vpopmail-catchall goes on kept", DELETE = "vpopmail-delete goes on",
                    BAD_NAME = "vpopmail-bad-name", BOUNCES = "vpopmail-bounce-flag", TROUBLE = "vpopmail-trouble",
                    ELSEWHERE = "vpopmail-elsewhere", OWN = "vpopmail-own", PROGRAM = "program", DEFERS = "program-defers";
};

}  // namespace

// ---- words of the line

TEST_F(Vpopmail, ExactlyTwoArgumentsElseItDefers) {
  EXPECT_EQ(line({}, "nobody@x.example"), DEFERS);
  EXPECT_EQ(line({"bounce-no-mailbox"}, "nobody@x.example"), DEFERS);
  EXPECT_EQ(line({"", "bounce-no-mailbox", ""}, "a b@x.example"), DEFERS);
}

TEST_F(Vpopmail, TheFirstArgumentIsIgnored) {
  for (const char *first : {"", "delete", "?", "x"}) {
    EXPECT_EQ(line({first, "bounce-no-mailbox"}, "nobody@x.example"), NO_USER) << first;
    EXPECT_EQ(line({first, "bounce-no-mailbox"}, "ann@x.example"), USER) << first;
  }
}

TEST_F(Vpopmail, AWordThatIsNotCertainDecidesOnlyForUnknownUsers) {
  EXPECT_EQ(action("?", "ann@x.example"), USER);
  EXPECT_EQ(action("?", "nobody@x.example"), PROGRAM);
  EXPECT_EQ(action("?", "a b@x.example"), BAD_NAME);
}

// ---- names

TEST_F(Vpopmail, AUserWhateverItsCase) {
  for (const char *name : {"ann", "ANN", "aNn", "cy-x"}) EXPECT_EQ(ask(name), USER) << name;
  for (const char *name : {"cy", "an", "ann-x", "", "ann."}) EXPECT_EQ(ask(name), NO_USER) << name;
  EXPECT_EQ(last.about, CDB);
}

TEST_F(Vpopmail, ARecordWithCapitalsIsNeverFound) {
  users({{"Ann", record()}});
  EXPECT_EQ(ask("Ann"), NO_USER);
}

TEST_F(Vpopmail, CharactersThatItRefusesWhateverTheLineSays) {
  const std::string good = "!#$&'*+-./09=?AZ^_`az{|}~";
  for (int c = 1; c < 256; ++c) {
    const std::string name = "ann" + std::string(1, static_cast<char>(c));
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        good.find(static_cast<char>(c)) != good.npos)
      EXPECT_EQ(ask(name), NO_USER) << c;
    else
      for (const char *word : {"bounce-no-mailbox", "delete", "/dir", "?"})
        EXPECT_EQ(action(word, name + "@x.example"), BAD_NAME) << c;
  }
}

TEST_F(Vpopmail, CharactersOfTheDomainThatItRefuses) {
  for (const char *domain : {"x_y.example", "x y", "x/y", "\xfc", "[10.0.0.1]"})
    EXPECT_EQ(action("delete", std::string("ann@") + domain), BAD_NAME) << domain;
  for (const char *domain : {"x-y.example", "9.EXAMPLE", ""})
    EXPECT_EQ(action("delete", std::string("ann@") + domain), DELETE) << domain;
}

TEST_F(Vpopmail, ANameIsCutAt156BytesBeforeAnythingElse) {
  const std::string cut(156, 'a');
  users({{cut, record()}, {cut + "b", record()}});
  EXPECT_EQ(ask(cut), USER);
  EXPECT_EQ(ask(cut + "b"), USER);
  EXPECT_EQ(ask(cut + " "), USER);
  EXPECT_EQ(ask(cut.substr(1) + " "), BAD_NAME);
  EXPECT_EQ(ask(cut.substr(1)), NO_USER);
}

TEST_F(Vpopmail, ALocalPartWithSlashesIsOnlyAName) {
  users({{"../ann", record()}, {"ann", record()}});
  EXPECT_EQ(ask("../ann"), USER);
  EXPECT_EQ(ask("../../etc/passwd"), NO_USER);
  EXPECT_EQ(host.log, (std::vector<std::string>{"89 89 " + CDB}));
  policy.ext = true;
  host.data[DIR + "/ann/.qmail-x/../.qmail"] = {};
  EXPECT_EQ(ask("ann-x/../.qmail"), USER);
}

// ---- the domain

TEST_F(Vpopmail, TheRecordByWhichTheMailCameIsNotLookedUpAgain) {
  host.cdb_error = EIO;
  EXPECT_EQ(ask("ann"), USER);
  EXPECT_EQ(action("bounce-no-mailbox", "ann@X.Example"), USER);
}

TEST_F(Vpopmail, TheMailDomainsOwnRecordDecides) {
  assign("+other-:joe:89:89:/home/joe:-::\n+x.example-:x.example:89:89:" + DIR + ":-::\n");
  from_elsewhere();
  user.home = "/home/joe";
  EXPECT_EQ(ask("ann"), USER);
  EXPECT_EQ(host.log, (std::vector<std::string>{"89 89 " + CDB, "89 89 " + DIR + "/ann/.qmail"}));
  EXPECT_EQ(ask("nobody"), NO_USER);
}

TEST_F(Vpopmail, AnAliasDomainHasTheUsersOfItsDirectory) {
  assign("+aka.example-:x.example:89:89:" + DIR + ":-::\n");
  user.key = "!aka.example-";
  EXPECT_EQ(action("bounce-no-mailbox", "ann@aka.example"), USER);
  from_elsewhere();
  EXPECT_EQ(action("bounce-no-mailbox", "ann@aka.example"), USER);
}

TEST_F(Vpopmail, ADomainWithoutARecordHasNoUsers) {
  EXPECT_EQ(action("bounce-no-mailbox", "ann@y.example"), NO_USER);
  EXPECT_EQ(last.about, "users/cdb");
  EXPECT_EQ(action("delete", "ann@y.example"), DELETE);
  EXPECT_EQ(action("bounce-no-mailbox", "ann@"), NO_USER);
  host.cdb_error = ENOENT;
  from_elsewhere();
  EXPECT_EQ(ask("ann"), NO_USER);
}

TEST_F(Vpopmail, ADomainOfAnotherUidHasNoUsers) {
  assign("+x.example-:x.example:90:89:" + DIR + ":-::\n");
  from_elsewhere();
  EXPECT_EQ(ask("ann"), NO_USER);
  assign("+x.example-:x.example:4294967385:5:" + DIR + ":-::\n");
  EXPECT_EQ(ask("ann"), USER);
}

TEST_F(Vpopmail, ARecordThatLeadsToAnotherDomainIsLeftOpen) {
  for (const std::string &domain : {"X.Example"s, ""s, std::string(97, 'x')}) {
    assign("+x.example-:" + domain + ":89:89:" + DIR + ":-::\n");
    from_elsewhere();
    EXPECT_EQ(ask("nobody"), PROGRAM) << domain;
    user.key = "!x.example-";
    user.name = domain;
    EXPECT_EQ(ask("nobody"), PROGRAM) << domain;
  }
}

TEST_F(Vpopmail, UsersCdbThatFailsIsNoAnswer) {
  from_elsewhere();
  host.cdb_error = EMFILE;
  EXPECT_EQ(ask("ann"), TROUBLE);
  EXPECT_EQ(last.error, EMFILE);
  EXPECT_EQ(last.about, "users/cdb");
  host.cdb_error = 0;
  host.cdb_bytes.resize(1000);
  EXPECT_EQ(ask("nobody"), TROUBLE);
  host.cdb_bytes = fake_cdb({{"!x.example-", "x.example\0"s + "89\0"s + "89\0"s + DIR}});
  EXPECT_EQ(ask("ann"), TROUBLE);
}

// ---- vpasswd.cdb

TEST_F(Vpopmail, TheFirstOfTwoRecordsCounts) {
  users({{"ann", record("16")}, {"ann", record()}});
  EXPECT_EQ(ask("ann"), BOUNCES);
}

TEST_F(Vpopmail, AUserIsFoundInADamagedDatabase) {
  host.data[CDB].content[8 * 7] = 1;  // a table that "ann" is not in
  host.data[CDB].content[8 * 7 + 4] = 1;
  EXPECT_EQ(ask("ann"), USER);
  EXPECT_EQ(ask("nobody"), TROUBLE);
  EXPECT_EQ(last.error, CDB_DAMAGED);
  EXPECT_EQ(last.about, CDB);
}

TEST_F(Vpopmail, ADatabaseThatIsCutNeverRefusesItsUsers) {
  const std::string whole = host.data[CDB].content;
  for (size_t size = 0; size < whole.size(); ++size) {
    database(whole.substr(0, size));
    for (const char *name : {"ann", "cy-x"}) {
      const std::string says = ask(name);
      EXPECT_TRUE(says == USER || says == TROUBLE) << name << " " << size;
    }
    if (size < 2048) {
      EXPECT_EQ(ask("nobody"), TROUBLE) << size;
    }
  }
}

TEST_F(Vpopmail, WhatIsNoDatabaseIsNoAnswer) {
  std::string garbage;
  while (garbage.size() < 4000) garbage += "this is not a database\n";
  for (const std::string &bytes : {""s, garbage, std::string(2047, '\0'), std::string(4096, '\0')}) {
    database(bytes);
    for (const char *word : {"bounce-no-mailbox", "delete", "/dir"})
      EXPECT_EQ(action(word, "nobody@x.example"), TROUBLE) << bytes.size();
  }
}

TEST_F(Vpopmail, ADatabaseWithoutRecordsIsOne) {
  for (const std::string &bytes : {std::string(2048, '\0'), fake_cdb({})}) {
    database(bytes);
    EXPECT_EQ(ask("ann"), NO_USER);
  }
}

TEST_F(Vpopmail, ALookThatFailsIsNoAnswer) {
  host.data[TEXT] = {"ann:" + record() + "\n"};
  for (int e : {EIO, EMFILE, ENFILE, ENOMEM, ESTALE, EISDIR, EINVAL, EPERM, EINTR, ETIMEDOUT}) {
    fails(CDB, e);
    EXPECT_EQ(ask("ann"), TROUBLE) << e;
    EXPECT_EQ(ask("nobody"), TROUBLE) << e;
    EXPECT_EQ(last.error, e);
    EXPECT_EQ(last.about, CDB);
  }
}

// ---- vpasswd

TEST_F(Vpopmail, WithoutADatabaseVpasswdIsRead) {
  text("ann:" + record() + "\nbob:" + record("16") + "\n");
  for (int e : {ENOENT, EACCES, ELOOP, ENOTDIR}) {
    fails(CDB, e);
    EXPECT_EQ(ask("ann"), USER) << e;
    EXPECT_EQ(ask("bob"), BOUNCES) << e;
    EXPECT_EQ(ask("nobody"), NO_USER) << e;
    EXPECT_EQ(last.about, TEXT);
  }
}

TEST_F(Vpopmail, ManyLinesOfVpasswd) {
  std::string lines;
  for (int i = 0; i < 20000; ++i) lines += "user" + std::to_string(i) + ":" + record() + "\n";
  text(lines);
  for (int i : {0, 1, 9999, 19999}) EXPECT_EQ(ask("user" + std::to_string(i)), USER) << i;
  EXPECT_EQ(ask("user20000"), NO_USER);
}

TEST_F(Vpopmail, AVpasswdThatIsTooLargeIsLeftOpen) {
  text(std::string(size_t{17} << 20, '\n') + "ann:" + record() + "\n");
  EXPECT_EQ(ask("nobody"), PROGRAM);
  EXPECT_NE(last.advice.find("vmkpasswd"), std::string::npos);
}

TEST_F(Vpopmail, TheFirstOfTwoLinesCounts) {
  text("ann:" + record() + "\nann:" + record("16") + "\n");
  EXPECT_EQ(ask("ann"), USER);
}

TEST_F(Vpopmail, ALastLineWithoutNewlineDoesNotCount) {
  text("ann:" + record() + "\nbob:" + record());
  EXPECT_EQ(ask("ann"), USER);
  EXPECT_EQ(ask("bob"), NO_USER);
  text("");
  EXPECT_EQ(ask("ann"), NO_USER);
}

TEST_F(Vpopmail, ALineThatMakesVdelivermailLeaveItsBufferLeavesItOpen) {
  for (const std::string &bad : {"\n"s, "no colon\n"s, "x:" + std::string(509, 'x') + "\n", std::string(600, 'x')}) {
    text("ann:" + record() + "\nbob:" + record("16") + "\n" + bad);
    EXPECT_EQ(ask("ann"), USER) << bad;
    EXPECT_EQ(ask("bob"), PROGRAM) << bad;
    EXPECT_EQ(ask("nobody"), PROGRAM) << bad;
  }
  text("x:" + std::string(508, 'x') + "\n" + "ann:" + record() + "\n");
  EXPECT_EQ(ask("nobody"), NO_USER);
}

TEST_F(Vpopmail, ALineIsCutAtANul) {
  text("ann\0xx:"s + record() + "\nbob:h:1\0:0:b:d:q\n"s);
  EXPECT_EQ(ask("ann"), USER);
  EXPECT_EQ(ask("bob"), DEFERS);
}

TEST_F(Vpopmail, ABounceFlagThatVdelivermailPerhapsDoesNotReadRefusesNoMore) {
  text("bob:" + record("16") + "\n");
  for (const char *word : {"bounce-no-mailbox", "delete", "/dir", "?"})
    EXPECT_EQ(action(word, "bob@x.example"), BOUNCES) << word;
  host.data[DIR + "/.vpasswd.lock"] = {};
  for (const std::string &closed : {DIR, DIR + "/.vpasswd.lock"}) {
    host.read_only = {closed};  // the action applies then
    EXPECT_EQ(ask("bob"), BOUNCES);
    for (const char *word : {"delete", "/dir", "?"}) EXPECT_EQ(action(word, "bob@x.example"), PROGRAM) << word;
  }
}

TEST_F(Vpopmail, AVpasswdThatCannotBeReadIsNoAnswer) {
  host.data.erase(CDB);
  for (int e : {EACCES, EIO, EISDIR, ELOOP, EMFILE}) {
    fails(TEXT, e);
    EXPECT_EQ(ask("ann"), TROUBLE) << e;
    EXPECT_EQ(last.error, e);
    EXPECT_EQ(last.about, TEXT);
  }
}

TEST_F(Vpopmail, WithNeitherFileTheUsersAreElsewhere) {
  host.data.clear();
  for (const char *word : {"bounce-no-mailbox", "delete", "/dir", "?"}) {
    EXPECT_EQ(action(word), ELSEWHERE);
    EXPECT_NE(last.advice.find("neither vpasswd.cdb nor vpasswd in " + DIR), std::string::npos);
    EXPECT_EQ(last.about, DIR);
  }
  EXPECT_EQ(ask("a b"), BAD_NAME);
  fails(CDB, EACCES);  // it is there
  EXPECT_EQ(ask("ann"), TROUBLE);
}

TEST_F(Vpopmail, FilesWithUsersRefuseNobodyBesideSettingsForSql) {
  for (const char *name : {"/home/vpopmail/etc/vpopmail.mysql", "/home/vpopmail/etc/vpopmail.pgsql"}) {
    for (int e : {0, EACCES}) {
      fails(name, e);
      EXPECT_EQ(ask("nobody"), ELSEWHERE) << name;
      EXPECT_NE(last.advice.find(name), std::string::npos);
      EXPECT_EQ(action("bounce-no-mailbox", "ann@y.example"), ELSEWHERE) << name;
      EXPECT_EQ(ask("ann"), USER) << name;
      EXPECT_EQ(ask("a b"), BAD_NAME) << name;
      EXPECT_EQ(action("/dir"), CATCHALL) << name;
      database("no database");
      EXPECT_EQ(ask("ann"), ELSEWHERE) << name;
      users({{"ann", record()}, {"cy-x", record()}});
    }
    host.data.erase(name);
  }
}

// ---- the record

TEST_F(Vpopmail, TheBounceFlagIsReadAsANumberOfC) {
  for (const char *gid :
       {"16", " 16", "\t+16", "16x", "-16", "-1", "18", "4294967312", "99999999999999999999", "016"}) {
    users({{"ann", record(gid)}});
    for (const char *word : {"bounce-no-mailbox", "delete", "/dir", "?"})
      EXPECT_EQ(action(word, "ann@x.example"), BOUNCES) << gid;
  }
  for (const char *gid :
       {"0", "", "0x10", "x16", "15", "2062", "32", "4294967296", "-99999999999999999999", "- 16"}) {
    users({{"ann", record(gid)}});
    EXPECT_EQ(ask("ann"), USER) << gid;
  }
}

TEST_F(Vpopmail, ARecordWithTooFewFieldsMakesItCrashAndDefers) {
  for (const std::string &data : {""s, "hash"s, "hash:1"s, "hash:1\0:16:x:/d:q"s}) {
    users({{"ann", data}});
    EXPECT_EQ(ask("ann"), DEFERS) << data;
  }
  users({{"ann", "hash:1:16"}});
  EXPECT_EQ(ask("ann"), BOUNCES);
}

TEST_F(Vpopmail, AUserWithoutADirectoryIsLeftOpen) {
  users({{"ann", record("0", "")}, {"bob", "hash:1:0"}, {"cy", record("0", "/nowhere")}});
  EXPECT_EQ(ask("ann"), PROGRAM);
  EXPECT_EQ(ask("bob"), PROGRAM);
  EXPECT_EQ(ask("cy"), USER);
}

TEST_F(Vpopmail, AUsersOwnDotQmailFileDecides) {
  host.data[DIR + "/ann/.qmail"] = {};
  EXPECT_EQ(ask("ann"), OWN);
  EXPECT_EQ(last.about, CDB);  // the directory is a record's
  fails(DIR + "/ann/.qmail", EACCES);
  EXPECT_EQ(ask("ann"), USER);
}

TEST_F(Vpopmail, WithExtAUsersOwnFilesForExtensionsDecide) {
  policy.ext = true;
  for (const char *file : {"/.qmail-a:b-c", "/.qmail-a:b-default", "/.qmail-default", "/.qmail"}) {
    host.data[DIR + "/ann" + file] = {};
    EXPECT_EQ(ask("ann-A.b-c"), OWN) << file;
    EXPECT_EQ(ask("ann"), file == "/.qmail"s ? OWN : USER) << file;
    host.data.erase(DIR + "/ann" + file);
  }
  host.data[DIR + "/ann/.qmail-a:b-c-default"] = {};
  EXPECT_EQ(ask("ann-a.b-c"), USER);
}

TEST_F(Vpopmail, ARecordThatIsTooLongForVdelivermailIsLeftOpen) {
  users({{"ann", record("16") + std::string(2048, 'x')}});
  EXPECT_EQ(ask("ann"), PROGRAM);
}

TEST_F(Vpopmail, NothingOfARecordIsTold) {
  users({{"ann", record()}, {"bob", record("16")}});
  for (const char *name : {"ann", "bob"}) {
    ask(name);
    EXPECT_EQ(last.about, CDB);
    EXPECT_EQ(last.advice, "");
  }
}

// ---- qmail-ext

TEST_F(Vpopmail, WithExtThePartBeforeTheFirstDashIsAUserToo) {
  EXPECT_EQ(ask("ann-x"), NO_USER);
  policy.ext = true;
  users({{"ann", record()}, {"cy-x", record()}, {"bo", record("16")}, {"bo-x", record()}, {"", record()}});
  for (const char *name : {"ann-x", "ann-x-y", "ann-", "ANN-X", "cy-x", "bo-x", "-x"})
    EXPECT_EQ(ask(name), USER) << name;
  for (const char *name : {"cy-x-y", "cy-y", "cy"}) EXPECT_EQ(ask(name), NO_USER) << name;
  EXPECT_EQ(ask("bo-y"), BOUNCES);
}

TEST_F(Vpopmail, WithExtALookThatFailsIsNoAnswerEither) {
  policy.ext = true;
  database("");
  EXPECT_EQ(ask("ann-x"), TROUBLE);
}

// ---- what is done with mail for unknown users

TEST_F(Vpopmail, WhatTheLineSaysOfUnknownUsers) {
  EXPECT_EQ(action("bounce-no-mailbox"), NO_USER);
  EXPECT_EQ(action("delete"), DELETE);
  EXPECT_EQ(action("#delete"), DELETE);
  EXPECT_EQ(action("|cat"), PROGRAM);
  for (const char *word : {"", "Delete", "deleted", "bounce-no-mailbox.", "bounce-no-mailbox\r", "BOUNCE-NO-MAILBOX",
                           "/home/x/bounce-no-mailbox", "./Maildir/", "joe@here", "&joe@here", " |cat"})
    EXPECT_EQ(action(word), CATCHALL) << word;
  EXPECT_EQ(last.about, "");  // the dot-qmail file
}

TEST_F(Vpopmail, AWordThatMeansNothingIsTold) {
  for (const char *word : {"", "Delete", "bounce-no-mailbox.", "bounce-no-mailboxx"}) {
    EXPECT_EQ(action(word), CATCHALL);
    EXPECT_NE(last.advice.find("no action \""s + word + "\""), std::string::npos) << word;
  }
  for (const char *word : {"/home/x/Maildir", "./Maildir/", "joe@here", "delete", "bounce-no-mailbox"}) {
    action(word);
    EXPECT_EQ(last.advice, "") << word;
  }
}

TEST_F(Vpopmail, ThePolicyRefusesWhatWouldBeDeleted) {
  policy.refuse_delete = true;
  EXPECT_EQ(action("delete"), "policy-delete");
  EXPECT_EQ(action("delete", "ann@x.example"), USER);
  EXPECT_EQ(action("#delete"), DELETE);
  EXPECT_EQ(action("/dir"), CATCHALL);
}

TEST_F(Vpopmail, ThePolicyNeverStandsForUsersThatCouldNotBeRead) {
  policy.refuse_delete = true;
  database("");
  EXPECT_EQ(action("delete"), TROUBLE);
  host.data.clear();
  EXPECT_EQ(action("delete"), ELSEWHERE);
}

// ---- all of a question

TEST_F(Vpopmail, AQuestionFromAddressToVerdict) {
  host.directories = {"/home/vpopmail/domains"};
  route_tables tables;
  tables.virtualdomains = control_map(control_parsefile("x.example:x.example\n"), control_map::Form::colon);
  const policy_table none;
  auto judge = [&](const std::string &address) {
    const judgement j = judge_address(host, {settings, tables, none}, {address, std::nullopt});
    return qv_reason_name(j.reason) + std::string(" ") + std::to_string(j.position) + " " + j.about;
  };
  const std::string program = "| /home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n";
  host.files[DIR + "/.qmail-default"] = {program};
  EXPECT_EQ(judge("Ann@X.example"), "vpopmail-user 12 " + CDB);
  EXPECT_EQ(judge("nobody@x.example"), "vpopmail-no-user 12 " + CDB);
  EXPECT_EQ(judge("a b@x.example"), "vpopmail-bad-name 12 " + DIR + "/.qmail-default");
  database("");
  EXPECT_EQ(judge("ann@x.example"), "vpopmail-trouble 11 " + CDB);

  // a line behind it that refuses comes too late for a user
  users({{"ann", record()}});
  host.files[DIR + "/.qmail-default"] = {"| /home/vpopmail/bin/vdelivermail '' delete\n|exit 100\n"};
  EXPECT_EQ(judge("ann@x.example"), "kept 12 " + DIR + "/.qmail-default");
  EXPECT_EQ(judge("nobody@x.example"), "program-refuses 12 " + DIR + "/.qmail-default");
}
