// mounts_test.cpp - which file system a path is on, told from mountinfo alone.

#include "daemon/mounts.h"

#include <gtest/gtest.h>

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

TEST(mounts, a_file_system_of_the_network_is_the_place) {
  const auto mounts = mounts_read(MOUNTINFO);
  EXPECT_EQ(mounts_place(mounts, "/nfs/home/joe/Maildir"), "/nfs/home");
  EXPECT_EQ(mounts_place(mounts, "/nfs/home"), "/nfs/home");
  EXPECT_EQ(mounts_place(mounts, "/home/eve/my fuse/x"), "/home/eve/my fuse");
  EXPECT_EQ(mounts_place(mounts, "/auto/joe"), "/auto");
}

TEST(mounts, elsewhere_the_path_is_the_place) {
  const auto mounts = mounts_read(MOUNTINFO);
  EXPECT_EQ(mounts_place(mounts, "/home/joe"), "/home/joe") << "one user's file may hang alone";
  EXPECT_EQ(mounts_place(mounts, "/nfs/homes/joe"), "/nfs/homes/joe");
  EXPECT_EQ(mounts_place({}, "/home/joe"), "/home/joe");
  EXPECT_EQ(mounts_place({}, ""), "");
}

TEST(mounts, the_directory_of_both) {
  EXPECT_EQ(mounts_common("/home/joe", "/home/ann"), "/home");
  EXPECT_EQ(mounts_common("/home/j/joe", "/home/j/jim"), "/home/j");
  EXPECT_EQ(mounts_common("/home/j/joe", "/home/a/ann"), "/home");
  EXPECT_EQ(mounts_common("/home/joe", "/home/joel"), "") << "one is a beginning of the other: too little is known";
  EXPECT_EQ(mounts_common("/home/joe", "/srv/ann"), "");
  EXPECT_EQ(mounts_common("/home/joe", "/home/joe"), "");
}

TEST(mounts, of_this_process) { EXPECT_FALSE(mounts_now().empty()); }
