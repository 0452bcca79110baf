// keys_table_test.cpp - control/verifykeys as text: which key is for whom, what is said about
// lines that cannot be read, and never the secret; and the file: whose it has to be.

#include "qmail/keys_table.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "qmail/fd.h"

namespace {

constexpr char A[] = "00112233445566778899aabbccddeeff", B[] = "FFEEDDCCBBAA99887766554433221100",
               C[] = "0123456789abcdef0123456789ABCDEF";

ip_address ip(const char *text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) return ip_of(bytes, 4);
  EXPECT_EQ(inet_pton(AF_INET6, text, bytes), 1) << text;
  return ip_of(bytes, 16);
}

struct read_keys {
  explicit read_keys(const std::string &text) : table(text, complaints) {}

  // The id of the key that signs what goes to this peer.
  std::string signs(const char *peer) const {
    const key_entry *key = table.for_peer(ip(peer));
    return key ? key->id : "none";
  }
  // The first byte of the secret of the key that is found; -1: none.
  int found(const char *id, const char *peer) const {
    const key_entry *key = table.find(id, ip(peer));
    return key ? key->secret[0] : -1;
  }

  std::vector<std::string> complaints;
  keys_table table;
};

std::string line(const std::string &id, const char *secret, const char *peer = nullptr) {
  return id + ":" + secret + (peer ? std::string(":") + peer : "") + "\n";
}

}  // namespace

TEST(VerifyKeys, WithoutAFile) {
  const keys_table none;
  EXPECT_FALSE(none.known());
  EXPECT_EQ(none.for_peer(ip("192.0.2.1")), nullptr);
  EXPECT_EQ(none.find("a", ip("192.0.2.1")), nullptr);
}

TEST(VerifyKeys, AFileThatCannotBeUsedAndOneWithoutAKey) {
  for (const keys_table &table : {keys_table::unusable(), read_keys("").table, read_keys("# none\n\n").table}) {
    EXPECT_TRUE(table.known());
    EXPECT_EQ(table.for_peer(ip("127.0.0.1")), nullptr);
  }
  EXPECT_TRUE(keys_table::unusable().is_unusable());
  EXPECT_FALSE(read_keys("").table.is_unusable() || keys_table().is_unusable());
}

TEST(VerifyKeys, TheSecretsBytes) {
  const read_keys k("# ours\n" + line("a", A) + "\n" + line("b", B) + "c:" + C + " \t");
  EXPECT_TRUE(k.complaints.empty());
  const key_entry *a = k.table.find("a", ip("192.0.2.1")), *b = k.table.find("b", ip("192.0.2.1")),
                  *c = k.table.find("c", ip("192.0.2.1"));
  ASSERT_TRUE(a && b && c);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(a->secret[i], 0x11 * i) << i;
    EXPECT_EQ(b->secret[i], 0x11 * (15 - i)) << i;
  }
  EXPECT_EQ(c->secret[15], 0xef);
  EXPECT_EQ(k.found("A", "192.0.2.1"), -1);
}

TEST(VerifyKeys, TheFirstThatFitsThePeerSigns) {
  const read_keys k(line("store", A, "192.0.2.0/25") + line("v6", B, "2001:db8::/32") + line("all", C) + line("late", A));
  EXPECT_TRUE(k.complaints.empty());
  EXPECT_EQ(k.signs("192.0.2.1"), "store");
  EXPECT_EQ(k.signs("192.0.2.128"), "all");
  EXPECT_EQ(k.signs("2001:db8::7"), "v6");
  EXPECT_EQ(k.signs("2001:db9::7"), "all");
}

TEST(VerifyKeys, AnyThatFitsThePeerIsFound) {
  const read_keys k(line("old", A, "192.0.2.") + line("new", B, "192.0.2.") + line("other", C, "2001:db8::1"));
  EXPECT_EQ(k.found("old", "192.0.2.1"), 0x00);
  EXPECT_EQ(k.found("new", "192.0.2.1"), 0xff);
  EXPECT_EQ(k.found("new", "192.0.3.1"), -1);
  EXPECT_EQ(k.found("other", "192.0.2.1"), -1);
  EXPECT_EQ(k.found("other", "2001:db8::1"), 0x01);
  EXPECT_EQ(k.signs("192.0.3.1"), "none");
}

TEST(VerifyKeys, AnIdTwice) {
  const std::string twice =
      ": a key with this id, for the same peers or some of them, stands further up; this one does not count";
  const auto complaint = [&](int number) {
    return std::vector<std::string>{"control/verifykeys line " + std::to_string(number) + twice};
  };
  EXPECT_EQ(read_keys(line("a", A) + line("a", B)).complaints, complaint(2));
  EXPECT_EQ(read_keys(line("a", A, "192.0.2.1") + line("a", B)).complaints, complaint(2));
  EXPECT_EQ(read_keys(line("a", A, "192.0.2.1") + line("a", B, "192.0.2.0/24")).complaints, complaint(2));
  EXPECT_EQ(read_keys(line("a", A, "192.0.2.0/24") + line("b", A) + line("a", B, "192.0.2.1")).complaints, complaint(3));
  const read_keys apart(line("a", A, "192.0.2.0/25") + line("a", B, "192.0.2.128/25") + line("a", C, "::/0"));
  EXPECT_TRUE(apart.complaints.empty());
  EXPECT_EQ(apart.found("a", "192.0.2.1"), 0x00);
  EXPECT_EQ(apart.found("a", "192.0.2.200"), 0xff);
  EXPECT_EQ(apart.found("a", "::1"), 0x01);
  EXPECT_EQ(read_keys(line("a", A) + line("a", B)).found("a", "::1"), 0x00);  // the first counts
}

TEST(VerifyKeys, ALineThatCannotBeReadIsNoKey) {
  const std::string secret = A, until = "; until this is mended it is no key";
  const std::string id = "the id before the colon is not 1 to 32 letters, digits, dots, dashes and underscores",
                    digits = "the secret behind the colon is not 32 hexadecimal digits",
                    peer = "the peer behind the second colon: ";
  const std::vector<std::pair<std::string, std::string>> lines = {
      {"abc", "no colon: write id:secret or id:secret:peer"},
      {secret, "no colon: write id:secret or id:secret:peer"},
      {":" + secret, id},
      {"a b:" + secret, id},
      {std::string(33, 'a') + ":" + secret, id},
      {"\xc3\xa4:" + secret, id},
      {" a:" + secret, id},
      {"a:", digits},
      {"a: " + secret, digits},
      {"a:" + secret + "\r", digits},
      {"a:" + secret.substr(1), digits},
      {"a:" + secret + "0", digits},
      {"a:g" + secret.substr(1), digits},
      {secret + ":a", digits},
      {"a:192.0.2.1:" + secret, digits},
      {"a:" + secret + ":", peer + "not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or 2001:db8::/32)"},
      {"a:" + secret + ":mx.example", peer + "not an IP address (write 192.0.2.1, 192.0.2.0/24, 192.0.2. or 2001:db8::/32)"},
      {"a:" + secret + ":192.0.2.1/24", peer + "there are bits set behind the prefix"},
      {"a:" + secret + ":::ffff:192.0.2.1", peer + "write an IPv4 address without ::ffff:"},
  };
  for (const auto &[text, why] : lines) {
    const read_keys k("#\n" + text + "\nb:" + B + "\n");
    EXPECT_EQ(k.complaints, std::vector<std::string>{"control/verifykeys line 2: " + why + until}) << text;
    EXPECT_EQ(k.signs("192.0.2.1"), "b") << text;
  }
}

TEST(VerifyKeys, TheLongestId) {
  const std::string id = "abcdefghijklmnopqrstuvwxyz.-_059", other = "ABCDEFGHIJKLMNOPQRSTUVWXYZ123467";
  ASSERT_EQ(id.size(), KEY_ID_MAX);
  EXPECT_EQ(read_keys(line(id, A)).signs("::1"), id);
  EXPECT_EQ(read_keys(line(other, A)).signs("::1"), other);
  EXPECT_TRUE(keys_id_good(id) && keys_id_good("a"));
  EXPECT_FALSE(keys_id_good("") || keys_id_good(id + "a") || keys_id_good("a/b") || keys_id_good("a:b"));
}

TEST(VerifyKeys, ComplaintsAreBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(5000, '\x1b') + "\n";
  EXPECT_EQ(read_keys(text + line("a", A)).complaints.size(), 101u);
  EXPECT_EQ(read_keys(text + line("a", A)).signs("192.0.2.1"), "a");
}

// ---- the file

namespace {

struct stat status(mode_t mode, uid_t uid) {
  struct stat st {};
  st.st_mode = mode;
  st.st_uid = uid;
  return st;
}

// A directory with control/verifykeys in it, read as qmail-verify reads it.
class VerifyKeysFile : public testing::Test {
 protected:
  VerifyKeysFile() {
    EXPECT_NE(mkdtemp(dir.data()), nullptr);
    EXPECT_EQ(mkdir((dir + "/control").c_str(), 0755), 0);
    at = unique_fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~VerifyKeysFile() override {
    unlink(path().c_str());
    rmdir(path().c_str());
    rmdir((dir + "/control").c_str());
    rmdir(dir.c_str());
  }
  std::string path() const { return dir + "/control/verifykeys"; }
  void write(const std::string &text, mode_t mode) {
    std::ofstream(path()) << text;
    EXPECT_EQ(chmod(path().c_str(), mode), 0);
  }
  control_text read() const { return keys_file_read(at.get()); }
  void expect_refused(int error, const std::string &sentence) {
    const control_text file = read();
    EXPECT_EQ(file.look, Look::failed);
    EXPECT_EQ(file.error, error);
    EXPECT_EQ(file.text, sentence);
  }

  std::string dir = testing::TempDir() + "keys.XXXXXX";
  unique_fd at;
};

}  // namespace

TEST(VerifyKeys, WhoseTheFileHasToBe) {
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0600, 0), 0), "");
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0400, 0), 0), "");
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0600, 0), 1000), "");
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0600, 1000), 1000), "");
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0600, 1000), 0), "belongs to uid 1000, not to root");
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0600, 1001), 1000), "belongs to uid 1001, not to root or this user");
  for (mode_t bit = 1; bit <= 040; bit <<= 1)
    EXPECT_NE(keys_file_trouble(status(S_IFREG | 0600 | bit, 0), 0).find("which is not closed to others"), std::string::npos);
  EXPECT_EQ(keys_file_trouble(status(S_IFREG | 0640, 0), 0), "has mode 0640, which is not closed to others");
  for (mode_t type : {S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFLNK})
    EXPECT_EQ(keys_file_trouble(status(type | 0600, 0), 0), "is not a regular file");
}

TEST_F(VerifyKeysFile, IsReadWhereItIsClosed) {
  EXPECT_EQ(read().look, Look::absent);
  const std::string text = line("a", A) + std::string("\0", 1) + "#\n";
  write(text, 0600);
  const control_text file = read();
  EXPECT_EQ(file.look, Look::found);
  EXPECT_EQ(file.text, text);
}

TEST_F(VerifyKeysFile, IsRefusedWhereOthersMayReadIt) {
  write(line("a", A), 0604);
  expect_refused(EPERM, "control/verifykeys has mode 0604, which is not closed to others: chown root and chmod 600 it");
}

TEST_F(VerifyKeysFile, IsRefusedWhereItIsSomebodyElses) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  write(line("a", A), 0600);
  ASSERT_EQ(chown(path().c_str(), 7101, static_cast<gid_t>(-1)), 0);
  expect_refused(EPERM, "control/verifykeys belongs to uid 7101, not to root: chown root and chmod 600 it");
}

TEST_F(VerifyKeysFile, OfAnotherTypeIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  expect_refused(EPERM, "control/verifykeys is not a regular file: chown root and chmod 600 it");
  unlink(path().c_str());
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  expect_refused(EPERM, "control/verifykeys is not a regular file: chown root and chmod 600 it");
}

TEST_F(VerifyKeysFile, ThatIsTooLargeIsAMistake) {
  write(std::string((size_t{1} << 20) + 1, '#'), 0600);
  expect_refused(EFBIG, "control/verifykeys cannot be read: File too large");
}

TEST_F(VerifyKeysFile, BehindALinkTheFileItselfIsLookedAt) {
  write(line("a", A), 0600);
  const std::string real = dir + "/elsewhere";
  ASSERT_EQ(rename(path().c_str(), real.c_str()), 0);
  ASSERT_EQ(symlink(real.c_str(), path().c_str()), 0);
  EXPECT_EQ(read().look, Look::found);
  ASSERT_EQ(chmod(real.c_str(), 0644), 0);
  EXPECT_EQ(read().error, EPERM);
  unlink(real.c_str());
}
