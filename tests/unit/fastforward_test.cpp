// fastforward_test.cpp - what a fastforward line says, by its options, its
// database and the lists in it.

#include "address/fastforward.h"

#include <gtest/gtest.h>

#include "fake_site.h"

namespace {

// Commands as setforward writes them: a NUL behind each.
std::string commands(const std::vector<std::string> &each) {
  std::string out;
  for (auto &c : each) out += c + '\0';
  return out;
}

class Fastforward : public testing::Test {
 protected:
  Fastforward() {
    user.name = "alias";
    user.home = "/alias";
    user.dash = "-";
    int error = 0;
    visit = host.become(7, 7, error);
    visit->enter("/alias");
    found.by_default = true;
  }

  void database(const std::vector<std::pair<std::string, std::string>> &records) {
    host.data["/alias/f.cdb"] = {fake_cdb(records)};
  }
  // The most common one: joe@here forwards to x@y.
  void joe() { database({{":joe@here", commands({"&x@y"})}}); }
  void fails(const std::string &path, int error) { host.data[path] = {"", S_IFREG, error, false}; }
  void truncate(size_t bytes) { host.data["/alias/f.cdb"].content.resize(bytes); }

  delivery about(const std::string &address) {
    const size_t at = address.rfind('@');
    local = address.substr(0, at);
    domain = address.substr(at + 1);
    user.ext = local;
    return {host, *visit, settings, policy, user, found, local, domain, sender};
  }
  static std::string words(const outcome &o) {
    std::string text = qv_reason_name(o.reason);
    if (o.goes_on) text += " goes on";
    if (o.kept) text += " kept";
    return text;
  }
  // The reason and what counts behind it, for a line of these words.
  std::string read(const std::vector<std::string> &line, const std::string &address = "joe@here") {
    shell_command command;
    command.certain = true;
    for (auto &word : line) command.words.push_back(word == "?" ? shell_word{"", false} : shell_word{word, true});
    return words(last = fastforward_read(about(address), command));
  }
  std::string address(const std::string &a) { return read({"fastforward", "f.cdb"}, a); }
  std::string hint(const std::string &a) { return words(last = fastforward_hint(about(a), "/etc/f.cdb")); }

  fake_site host;
  address_settings settings;
  policy_words policy;
  controlling_user user;
  dotqmail_result found;
  std::unique_ptr<site_visit> visit;
  std::string local, domain;
  std::optional<std::string_view> sender = "someone@else";
  outcome last;
};

constexpr auto FOUND = "fastforward goes on kept";
constexpr auto ABSENT = "fastforward-absent";
constexpr auto TROUBLE = "fastforward-trouble";
constexpr auto UNKNOWN = "program";
constexpr auto USAGE = "program-refuses";

}  // namespace

// ---- options

TEST_F(Fastforward, WithoutOptionsItKeepsOrRefuses) {
  joe();
  EXPECT_EQ(address("joe@here"), FOUND);
  EXPECT_EQ(last.about, "/alias/f.cdb");
  EXPECT_EQ(address("jim@here"), ABSENT);
  EXPECT_EQ(last.about, "/alias/f.cdb");
  EXPECT_EQ(last.verdict(), QV_INVALID);
}

TEST_F(Fastforward, PassThroughStopsOrGoesOn) {
  joe();
  EXPECT_EQ(read({"fastforward", "-p", "f.cdb"}), "fastforward");
  EXPECT_EQ(last.verdict(), QV_VALID);
  EXPECT_EQ(read({"fastforward", "-p", "f.cdb"}, "jim@here"), "program-accepts goes on");
}

TEST_F(Fastforward, NoDeliveryKeepsNothing) {
  joe();
  EXPECT_EQ(read({"fastforward", "-n", "f.cdb"}), "fastforward goes on");
  EXPECT_EQ(read({"fastforward", "-nN", "f.cdb"}), FOUND);
}

TEST_F(Fastforward, TheLastOfEachLetterCounts) {
  joe();
  EXPECT_EQ(read({"fastforward", "-pP", "f.cdb"}), FOUND);
  EXPECT_EQ(read({"fastforward", "-Pp", "f.cdb"}), "fastforward");
  EXPECT_EQ(read({"fastforward", "-P", "-d", "-p", "f.cdb"}), "fastforward");
  EXPECT_EQ(read({"fastforward", "-ppDdDnN", "f.cdb"}), "fastforward");
}

TEST_F(Fastforward, WhereOptionsEnd) {
  joe();
  for (const std::string path : {"-", "-p", "--", ""}) host.data["/alias/" + path] = host.data["/alias/f.cdb"];
  EXPECT_EQ(read({"fastforward", "--", "-p"}), FOUND);
  EXPECT_EQ(read({"fastforward", "--", "--"}), FOUND);
  EXPECT_EQ(read({"fastforward", "--help", "f.cdb"}), FOUND) << "only its first two bytes are looked at";
  EXPECT_EQ(read({"fastforward", "-"}), FOUND) << "a path";
  EXPECT_EQ(read({"fastforward", "-", "-p"}), FOUND);
  EXPECT_EQ(read({"fastforward", "f.cdb", "-p"}), FOUND);
  EXPECT_EQ(read({"fastforward", "f.cdb", "?", "-x"}), FOUND) << "behind the path nothing counts";
  EXPECT_EQ(read({"fastforward", "-p", "--", "f.cdb"}), "fastforward");
}

TEST_F(Fastforward, MisuseIsRefusedWithoutALook) {
  const size_t looks = host.log.size();
  EXPECT_EQ(read({"fastforward"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-p"}), USAGE);
  EXPECT_EQ(read({"fastforward", "--"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-h", "f.cdb"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-px", "f.cdb"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-p-", "f.cdb"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-\xff", "f.cdb"}), USAGE);
  EXPECT_EQ(read({"fastforward", "-x", "?"}), USAGE);
  EXPECT_EQ(host.log.size(), looks);
}

TEST_F(Fastforward, AWordThatIsNotKnownDecidesNothing) {
  joe();
  EXPECT_EQ(read({"fastforward", "?"}), UNKNOWN);
  EXPECT_EQ(read({"fastforward", "?", "f.cdb"}), UNKNOWN);
  EXPECT_EQ(read({"fastforward", "-d", "?"}), UNKNOWN);
  EXPECT_EQ(read({"fastforward", "--", "?"}), UNKNOWN);
  EXPECT_EQ(words(fastforward_read(about("joe@here"), {})), UNKNOWN);
}

// ---- the address

TEST_F(Fastforward, RecipientOrDefaultOrExt) {
  const std::string forward = commands({"&x@y"});
  database({{":joe@here", forward}, {":oe@here", forward}, {":alias-joe@here", forward}});
  auto with = [&](const char *option, const char *whole) {
    delivery d = about(whole);
    const std::string ext(local.substr(local.find('-') + 1));
    user.ext = ext;
    return words(last = fastforward_read(d, {true, {{"fastforward", true}, {option, true}, {"f.cdb", true}}}));
  };
  EXPECT_EQ(with("-D", "alias-joe@here"), FOUND);
  EXPECT_EQ(with("-D", "alias-oe@here"), ABSENT);
  EXPECT_EQ(with("-d", "alias-oe@here"), FOUND);
  EXPECT_EQ(with("-d", "alias-joe@here"), FOUND);
  found.default_at = 1;
  EXPECT_EQ(with("-d", "alias-joe@here"), FOUND) << "oe@here";
  EXPECT_EQ(with("-d", "alias-oe@here"), ABSENT) << "e@here";
  found.by_default = false;
  EXPECT_EQ(with("-d", "alias-oe@here"), FOUND) << "$EXT, for an exact file";
}

TEST_F(Fastforward, KeysInTheirOrder) {
  database({{":joe@here", commands({"&x@y"})}});
  EXPECT_EQ(address("joe@here"), FOUND);
  EXPECT_EQ(address("JOE@Here"), FOUND);
  EXPECT_EQ(address("joe@there"), ABSENT);
  database({{":@here", commands({"&x@y"})}, {":jim@", commands({"&x@y"})}});
  EXPECT_EQ(address("anyone@HERE"), FOUND);
  EXPECT_EQ(address("JIM@there"), FOUND);
  EXPECT_EQ(address("jo@there"), ABSENT);
  EXPECT_EQ(address("a@b@here"), FOUND) << "the last @";
  EXPECT_EQ(address("jim@x@there"), ABSENT);
  // the first one that is there counts: without a program it would be kept
  database({{":joe@here", commands({"|x"})}, {":@here", commands({"&x@y"})}, {":joe@", commands({"&x@y"})}});
  EXPECT_EQ(address("joe@here"), UNKNOWN);
  database({{":joe@", commands({"|x"})}, {":@here", commands({"&x@y"})}});
  EXPECT_EQ(address("joe@here"), FOUND);
}

TEST_F(Fastforward, EmptyParts) {
  database({{":@", commands({"&x@y"})}});
  EXPECT_EQ(address("joe@"), FOUND) << "the host is empty: @ is its key";
  EXPECT_EQ(address("@here"), FOUND) << "the user is";
  EXPECT_EQ(address("joe@here"), ABSENT);
  database({{"", commands({"&x@y"})}, {":", commands({"&x@y"})}});
  EXPECT_EQ(address("joe@"), ABSENT);
}

TEST_F(Fastforward, OnlyAsciiLettersAreLowered) {
  database({{":j\xe9@here", commands({"&x@y"})}});
  EXPECT_EQ(address("J\xe9@here"), FOUND);
  EXPECT_EQ(address("J\xc9@here"), ABSENT);
}

TEST_F(Fastforward, LongAddresses) {
  const std::string name(5000, 'n');
  database({{":" + name + "@here", commands({"&x@y"})}});
  EXPECT_EQ(address(name + "@here"), FOUND);
  EXPECT_EQ(address(name + "n@here"), ABSENT);
}

// ---- what a record says

TEST_F(Fastforward, ARecordWithNothingToDoKeepsNothing) {
  const std::string unended = "&x@y", other = commands({"x@y", " &x@y", "#"});
  for (auto &data : {std::string(), commands({"", ""}), unended, other, commands({"&" + std::string(899, 'x')})}) {
    database({{":joe@here", data}});
    EXPECT_EQ(address("joe@here"), "fastforward goes on") << data;
  }
  database({{":joe@here", commands({"&" + std::string(898, 'x')})}});
  EXPECT_EQ(address("joe@here"), FOUND);
}

TEST_F(Fastforward, AProgramDecides) {
  for (const char *program : {"|true", "!true", "|", "!"}) {
    database({{":joe@here", commands({"&x@y", program, "./missing"})}});
    EXPECT_EQ(address("joe@here"), UNKNOWN);
    EXPECT_EQ(read({"fastforward", "-p", "f.cdb"}), UNKNOWN);
    EXPECT_EQ(read({"fastforward", "-n", "f.cdb"}), UNKNOWN);
    EXPECT_EQ(last.about, "/alias/f.cdb") << "never what the record holds";
  }
}

TEST_F(Fastforward, ForwardsAreLookedUpWithoutWildcards) {
  database({{":joe@here", commands({"&Jim@here"})}, {":jim@here", commands({"|x"})}});
  EXPECT_EQ(address("joe@here"), UNKNOWN);
  database({{":joe@here", commands({"&jim@here"})}, {":@here", commands({"|x"})}, {":jim@", commands({"|x"})}});
  EXPECT_EQ(address("joe@here"), FOUND);
  database({{":joe@here", commands({"&jim"})}, {":jim", commands({"|x"})}});
  EXPECT_EQ(address("joe@here"), UNKNOWN);
}

TEST_F(Fastforward, AnAddressWithAnOwnerIsNotExpanded) {
  database({{":joe@here", commands({"&jim@here"})}, {":jim@here", commands({"|x"})}, {"?jim@here", "owner@here"}});
  EXPECT_EQ(address("joe@here"), FOUND);
  EXPECT_EQ(address("jim@here"), UNKNOWN) << "but for the first one";
}

TEST_F(Fastforward, LoopsEnd) {
  database({{":joe@here", commands({"&jim@here", "&joe@here"})}, {":jim@here", commands({"&joe@here", "&Jim@here"})}});
  EXPECT_EQ(address("joe@here"), "fastforward goes on") << "nothing is ever forwarded";
}

TEST_F(Fastforward, ListsAreRead) {
  database({{":joe@here", commands({"./list"})},
            {":jim@here", commands({"/etc/list"})},
            {":prog@here", commands({"|x"})}});
  EXPECT_EQ(address("joe@here"), TROUBLE);
  EXPECT_EQ(last.about, "/alias/./list");
  EXPECT_EQ(last.error, ENOENT);
  EXPECT_EQ(last.verdict(), QV_TEMPORARY);
  EXPECT_EQ(read({"fastforward", "-pn", "f.cdb"}), TROUBLE);
  host.data["/alias/./list"] = {commands({"&x@y"})};
  EXPECT_EQ(address("joe@here"), FOUND);
  host.data["/alias/./list"] = {commands({"&prog@here"})};
  EXPECT_EQ(address("joe@here"), UNKNOWN);
  host.data["/alias/./list"] = {commands({"|x", "!x"})};
  EXPECT_EQ(address("joe@here"), "fastforward goes on") << "in a list these mean nothing";
  host.data["/alias/./list"] = {commands({"./list", "/etc/list"})};
  host.data["/etc/list"] = {commands({"./list"})};
  EXPECT_EQ(address("jim@here"), "fastforward goes on") << "each is read once";
  host.data["/etc/list"] = {commands({"&x@y", "./third"})};
  EXPECT_EQ(address("jim@here"), TROUBLE);
  EXPECT_EQ(last.about, "/alias/./third");
}

TEST_F(Fastforward, TheLastToDoIsDoneFirst) {
  database({{":joe@here", commands({"&prog@here", "./missing"})},
            {":jim@here", commands({"./missing", "&prog@here"})},
            {":prog@here", commands({"|x"})}});
  EXPECT_EQ(address("joe@here"), TROUBLE) << "before the program is come to";
  EXPECT_EQ(address("jim@here"), UNKNOWN);
}

TEST_F(Fastforward, ListsThatCannotBeRead) {
  database({{":joe@here", commands({"./list"})}});
  for (int e : {EACCES, EISDIR, EIO, ELOOP, ENXIO, ESTALE}) {
    fails("/alias/./list", e);
    EXPECT_EQ(address("joe@here"), TROUBLE);
    EXPECT_EQ(last.error, e);
  }
  fails("/alias/./list", EINVAL);
  EXPECT_EQ(address("joe@here"), UNKNOWN) << "no regular file: fastforward may read it";
}

// ---- trouble

TEST_F(Fastforward, ADatabaseThatCannotBeReadIsNoAnswer) {
  EXPECT_EQ(address("joe@here"), TROUBLE) << "there is none";
  EXPECT_EQ(last.error, ENOENT);
  EXPECT_EQ(last.about, "/alias/f.cdb");
  for (int e : {EACCES, EISDIR, EINVAL, EIO, ENFILE, ESTALE}) {
    fails("/alias/f.cdb", e);
    EXPECT_EQ(address("joe@here"), TROUBLE);
    EXPECT_EQ(read({"fastforward", "-p", "f.cdb"}), TROUBLE);
    EXPECT_EQ(last.error, e);
  }
}

TEST_F(Fastforward, ADatabaseThatIsCutShortNeverRefuses) {
  database({{":joe@here", commands({"&jim@here"})}, {":jim@here", commands({"&x@y"})}, {"?joe@here", "owner@here"}});
  const size_t whole = host.data["/alias/f.cdb"].content.size();
  size_t troubles = 0;
  for (size_t bytes = whole; bytes-- > 0;) {
    truncate(bytes);
    const std::string said = address("joe@here");
    EXPECT_TRUE(said == TROUBLE || said == FOUND) << bytes << " " << said;
    troubles += said == TROUBLE;
  }
  EXPECT_GT(troubles, 2048u);
}

TEST_F(Fastforward, TheOwnerIsLookedUpForASenderOnly) {
  database({{":joe@here", commands({"&x@y"})}, {"?joe@here", "owner@here"}});
  std::string &bytes = host.data["/alias/f.cdb"].content;
  bytes.replace(bytes.find("?joe@here") - 4, 4, std::string("\0\0\1\0", 4));  // data that ends behind the file
  for (auto given : {std::optional<std::string_view>("a@b"), std::optional<std::string_view>()}) {
    sender = given;
    EXPECT_EQ(address("joe@here"), TROUBLE);
  }
  for (auto given : {"", "#@[]"}) {
    sender = given;
    EXPECT_EQ(address("joe@here"), FOUND);
  }
}

TEST_F(Fastforward, MoreThanALookIsWorthIsUnknown) {
  database({{":joe@here", std::string(size_t{1} << 20, 'x')}, {":jim@here", std::string((size_t{1} << 20) + 1, 'x')}});
  EXPECT_EQ(address("joe@here"), "fastforward goes on");
  EXPECT_EQ(address("jim@here"), UNKNOWN) << "a large record";
  database({{":joe@here", commands({"./large"})}});
  host.data["/alias/./large"] = {std::string(size_t{1} << 21, 'x')};
  EXPECT_EQ(address("joe@here"), UNKNOWN) << "a large list";
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back("/l" + std::to_string(i));
    host.data[many.back()] = {""};
  }
  database({{":joe@here", commands(many)}});
  EXPECT_EQ(address("joe@here"), UNKNOWN) << "many lists";
  many.clear();
  for (int i = 0; i < 40000; ++i) many.push_back("&a" + std::to_string(i) + "@here");
  std::vector<std::pair<std::string, std::string>> records = {
      {":joe@here", commands(many)}, {":jim@here", commands({many.begin(), many.begin() + 1000})}};
  for (int i = 0; i < 1000; ++i) records.emplace_back(":other" + std::to_string(i) + "@here", "");
  database(records);
  EXPECT_EQ(address("joe@here"), UNKNOWN) << "many addresses";
  EXPECT_EQ(address("jim@here"), FOUND);
}

TEST_F(Fastforward, ALengthBehindTheEndIsDamage) {
  joe();
  std::string &bytes = host.data["/alias/f.cdb"].content;
  bytes.replace(bytes.find(":joe@here") - 4, 4, "\xff\xff\xff\x7f");
  EXPECT_EQ(address("joe@here"), TROUBLE);
  EXPECT_EQ(last.error, CDB_DAMAGED);
}

TEST_F(Fastforward, ATableWithoutAnEndIsGivenUp) {
  // every pointer leads to a table of 2^32-1 slots, none of them empty nor right
  std::string header, slots(size_t{1} << 21, '\1');
  for (int i = 0; i < 256; ++i) header += std::string("\0\x08\0\0\xff\xff\xff\xff", 8);
  slots.replace(0, 0, header);
  host.data["/alias/f.cdb"] = {slots};
  const std::string said = address("joe@here");
  EXPECT_TRUE(said == UNKNOWN || said == TROUBLE) << said;
}

// ---- the hint

TEST_F(Fastforward, AHintIsEitherForm) {
  host.data["/etc/f.cdb"] = {fake_cdb({{":joe@here", commands({"|x"})}, {":alias-jim@here", ""}, {":@there", ""}})};
  EXPECT_EQ(hint("joe@here"), "fastforward");
  EXPECT_EQ(hint("JOE@here"), "fastforward") << "a program, too";
  EXPECT_EQ(hint("alias-jim@here"), "fastforward");
  EXPECT_EQ(hint("anyone@there"), "fastforward");
  EXPECT_EQ(hint("jim@here"), ABSENT);
  EXPECT_EQ(last.about, "/etc/f.cdb");
  delivery d = about("alias-joe@here");
  user.ext = "joe";
  EXPECT_EQ(words(fastforward_hint(d, "/etc/f.cdb")), "fastforward") << "$DEFAULT@$HOST";
  found.by_default = false;
  EXPECT_EQ(words(fastforward_hint(d, "/etc/f.cdb")), "fastforward") << "$EXT@$HOST";
}

TEST_F(Fastforward, AHintThatCannotBeReadIsUnknownAndSaysSo) {
  EXPECT_EQ(hint("joe@here"), UNKNOWN);
  EXPECT_EQ(last.advice,
            "VERIFY_FASTFORWARDCDB names /etc/f.cdb, which the user alias cannot read: No such file or directory; "
            "addresses that only it could tell are accepted: mend the file, name the right one, or unset the variable");
  host.data["/etc/f.cdb"] = {"short"};
  EXPECT_EQ(hint("joe@here"), UNKNOWN);
  EXPECT_NE(last.advice.find("it is damaged"), std::string::npos) << last.advice;
}
