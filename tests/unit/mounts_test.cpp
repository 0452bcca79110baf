// mounts_test.cpp - which file system a path is on, told from mountinfo alone.

#include "daemon/mounts.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace fs = std::filesystem;

constexpr char MOUNTINFO[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "23 22 8:2 / /home rw shared:2 - ext4 /dev/sda2 rw\n"
    "24 22 0:40 / /nfs/home rw,relatime - nfs4 files:/home rw,vers=4.2\n"
    "25 22 0:41 / /auto rw - autofs systemd-1 rw,fd=30\n"
    "26 23 0:42 / /home/eve/my\\040fuse rw shared:9 master:4 - fuse.sshfs host: rw\n"
    "not a line of mountinfo\n"
    "27 22\n";

TEST(mounts, reads_directories_and_types) {
  const auto mounts = mounts_read(MOUNTINFO);
  ASSERT_EQ(mounts.size(), 5u);
  EXPECT_EQ(mounts[0].dir, "/");
  EXPECT_FALSE(mounts[0].network);
  EXPECT_EQ(mounts[2].dir, "/nfs/home");
  EXPECT_TRUE(mounts[2].network);
  EXPECT_TRUE(mounts[3].network);
  EXPECT_EQ(mounts[4].dir, "/home/eve/my fuse");
  EXPECT_TRUE(mounts[4].network);
  EXPECT_TRUE(mounts_read("").empty());
}

TEST(mounts, the_deepest_mount_is_the_place) {
  const auto mounts = mounts_read(MOUNTINFO);
  EXPECT_EQ(mounts_place(mounts, "/home/joe"), "/home");
  EXPECT_EQ(mounts_place(mounts, "/nfs/home/joe/Maildir"), "/nfs/home");
  EXPECT_EQ(mounts_place(mounts, "/home/eve/my fuse/x"), "/home/eve/my fuse");
  EXPECT_EQ(mounts_place(mounts, "/auto/joe"), "/auto");
  EXPECT_EQ(mounts_place(mounts, "//home//.//joe"), "/home");
  EXPECT_EQ(mounts_place(mounts, "/home/../home/joe"), "/home");
}

TEST(mounts, on_the_root_file_system_the_path_is_the_place) {
  const auto mounts = mounts_read(MOUNTINFO);
  EXPECT_EQ(mounts_place(mounts, "/no-such-directory/joe"), "/no-such-directory/joe");
  EXPECT_EQ(mounts_place(mounts, "/homes/joe"), "/homes/joe");
  EXPECT_EQ(mounts_place({}, "/home/joe"), "/home/joe");
  EXPECT_EQ(mounts_place({}, ""), "");
}

TEST(mounts, links_above_the_last_name_are_followed) {
  std::string dir = (fs::temp_directory_path() / "mounts.XXXXXX").string();
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  fs::create_symlink("/nfs/home", dir + "/homes");
  fs::create_symlink("homes", dir + "/more");
  fs::create_symlink("turn", dir + "/turn");
  const auto mounts = mounts_read(MOUNTINFO);
  EXPECT_EQ(mounts_place(mounts, dir + "/homes/joe"), "/nfs/home");
  EXPECT_EQ(mounts_place(mounts, dir + "/more/joe"), "/nfs/home");
  EXPECT_EQ(mounts_place(mounts, dir + "/homes"), dir + "/homes") << "the last name is not looked at";
  EXPECT_EQ(mounts_place(mounts, dir + "/turn/joe"), dir + "/turn/joe") << "a link to itself ends";
  EXPECT_EQ(mounts_place({{dir, false}}, dir + "/homes/joe"), dir) << "nothing below a mount is touched";
  fs::remove_all(dir);
}

TEST(mounts, of_this_process) { EXPECT_FALSE(mounts_now().empty()); }
