// mapped_test.cpp - mapped files that are cut short, and whose signal it is.

#include "qmail/mapped.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>

#include "fake_site.h"

namespace {

constexpr size_t PAGE = 4096;

std::string pages(size_t n) { return std::string(n * PAGE, 'x'); }

mapped_file mapped(int fd) {
  mapped_file file;
  EXPECT_EQ(file.map(fd), 0);
  EXPECT_TRUE(file);
  return file;
}

void cut(int fd, size_t len) { ASSERT_EQ(ftruncate(fd, static_cast<off_t>(len)), 0); }

// What read() copies of 8 bytes from pos.
size_t eight(const mapped_file &file, uint64_t pos) {
  char buf[8];
  return file.read(buf, sizeof buf, pos);
}

// A page that is mapped and lies behind its file's end.
volatile const char *no_page() {
  static const unique_fd fd = fake_fd("x");
  return static_cast<const char *>(mmap(nullptr, 2 * PAGE, PROT_READ, MAP_SHARED, fd.get(), 0)) + PAGE;
}

void exits_42(int) { _exit(42); }
void exits_43(int, siginfo_t *info, void *) { _exit(info->si_addr == nullptr ? 1 : 43); }

void set_handler(void (*handler)(int)) { signal(SIGBUS, handler); }
void set_action(void (*action)(int, siginfo_t *, void *)) {
  struct sigaction act = {};
  act.sa_sigaction = action;
  act.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &act, nullptr);
}

// As SIGBUS ends a process: a sanitizer's own handler says so in its way.
bool ended_by_sigbus(int status) {
#if defined(__SANITIZE_ADDRESS__)
  return status != 0;
#else
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
#endif
}

// Whose signal it is depends on who came first: each of these begins in a process of its own.
class MappedSignalDeathTest : public testing::Test {
 protected:
  MappedSignalDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

}  // namespace

TEST(Mapped, ReadsWhatIsThere) {
  const unique_fd fd = fake_fd("0123456789");
  const mapped_file file = mapped(fd.get());
  char buf[20];
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.read(buf, sizeof buf, 0), 10u);
  EXPECT_EQ(std::string(buf, 10), "0123456789");
  EXPECT_EQ(file.read(buf, 3, 8), 2u);
  EXPECT_EQ(std::string(buf, 2), "89");
  EXPECT_EQ(file.read(buf, 3, 10), 0u);
  EXPECT_EQ(file.read(buf, 3, UINT64_MAX), 0u);
  EXPECT_TRUE(file);
}

TEST(Mapped, SaysWhyNot) {
  mapped_file file;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const unique_fd in(ends[0]), out(ends[1]);
  EXPECT_EQ(file.map(in.get()), ENODEV);
  EXPECT_EQ(file.map(-1), EBADF);
  EXPECT_EQ(file.map(fake_fd("").get()), ENODATA);
  EXPECT_EQ(file.map(fake_fd("1234567").get()), ENODATA);
  EXPECT_EQ(file.map(fake_fd(std::string(5000, '\0')).get()), ENODATA);
  EXPECT_EQ(file.map(fake_fd("x" + std::string(4096, '\0')).get()), ENODATA);
  EXPECT_FALSE(file);
  EXPECT_EQ(eight(file, 0), 0u);
  EXPECT_EQ(file.map(fake_fd("x" + std::string(4095, '\0')).get()), 0);
  EXPECT_EQ(eight(file, 4000), 8u);
  EXPECT_EQ(file.map(in.get()), ENODEV);
  EXPECT_FALSE(file);
}

TEST(Mapped, MovesWithItsMapping) {
  mapped_file a = mapped(fake_fd("first of two").get()), b = mapped(fake_fd("second of two").get());
  a = std::move(b);
  char buf[6];
  EXPECT_EQ(a.read(buf, 6, 0), 6u);
  EXPECT_EQ(std::string(buf, 6), "second");
  EXPECT_FALSE(b);
}

TEST(Mapped, CutAtAnyLengthIsLostOrTheSame) {
  const std::string bytes = pages(1) + std::string(PAGE, 'y') + "tail" + std::string(20, '\0');
  const unique_fd fd = fake_fd(bytes);
  for (size_t len = 0; len <= bytes.size(); len += len < PAGE - 8 ? 37 : 1) {
    cut(fd.get(), 0);
    ASSERT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    for (size_t pos : {size_t{0}, PAGE - 4, PAGE, 2 * PAGE - 8, 2 * PAGE, bytes.size() - 8}) {
      const mapped_file file = mapped(fd.get());
      cut(fd.get(), len);
      char buf[8];
      const bool there = file.read(buf, 8, pos) == 8;
      if (there) {
        ASSERT_EQ(std::string(buf, 8), bytes.substr(pos, 8)) << len << ' ' << pos;
      }
      ASSERT_EQ(there, len >= 2 * PAGE + 4) << len << ' ' << pos;  // the zeros behind it are not missed
      ASSERT_EQ(static_cast<bool>(file), there);
      cut(fd.get(), 0);
      ASSERT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
      ASSERT_EQ(eight(file, pos) == 8, there) << "lost for good";
    }
  }
}

TEST(Mapped, LosesAFileThatWasWrittenAnew) {
  const unique_fd fd = fake_fd(pages(2));
  const mapped_file file = mapped(fd.get());
  ASSERT_EQ(pwrite(fd.get(), "new", 3, 0), 3);
  char buf[3];
  EXPECT_EQ(file.read(buf, 3, 0), 3u);
  EXPECT_EQ(std::string(buf, 3), "new");
  ASSERT_EQ(pwrite(fd.get(), "new", 3, 2 * PAGE - 3), 3);
  EXPECT_EQ(eight(file, 0), 0u);
  EXPECT_FALSE(file);
}

TEST(Mapped, WhatReadsWhileItIsCutComesToItsEnd) {
  const unique_fd fd = fake_fd(pages(3));
  const mapped_file file = mapped(fd.get());
  std::string before, tail;
  const bool good = file.guarded([&](const char *bytes, size_t size) {
    before.assign(bytes, size);
    cut(fd.get(), PAGE);
    tail.assign(bytes + PAGE, size - PAGE);
  });
  EXPECT_FALSE(good);
  EXPECT_TRUE(before == pages(3));
  EXPECT_TRUE(tail == std::string(2 * PAGE, '\0'));
}

TEST(Mapped, OneIsReadWithinAnother) {
  const unique_fd outer_fd = fake_fd(pages(2)), inner_fd = fake_fd(pages(2));
  const mapped_file outer = mapped(outer_fd.get()), inner = mapped(inner_fd.get());
  cut(inner_fd.get(), 0);
  EXPECT_TRUE(outer.guarded([&](const char *, size_t) { EXPECT_EQ(eight(inner, PAGE), 0u); }));
  volatile char last = 0;
  EXPECT_FALSE(outer.guarded([&](const char *bytes, size_t) {
    EXPECT_EQ(eight(inner, PAGE), 0u);
    cut(outer_fd.get(), 0);
    last = bytes[PAGE];
  }));
  EXPECT_EQ(last, 0);
}

TEST(Mapped, WhatThrowsLeavesNothingBehind) {
  const unique_fd fd = fake_fd(pages(1));
  const mapped_file file = mapped(fd.get());
  EXPECT_THROW(file.guarded([](const char *, size_t) { throw 1; }), int);
  EXPECT_EQ(eight(file, 0), 8u);
}

TEST(Mapped, EachThreadHasItsOwn) {
  auto lose = [] {
    for (int i = 0; i < 200; ++i) {
      const unique_fd fd = fake_fd(pages(2)), whole = fake_fd(pages(2));
      const mapped_file file = mapped(fd.get()), other = mapped(whole.get());
      cut(fd.get(), 0);
      ASSERT_EQ(eight(file, PAGE), 0u);
      ASSERT_EQ(eight(other, PAGE), 8u);
    }
  };
  std::thread a(lose), b(lose);
  a.join();
  b.join();
}

TEST_F(MappedSignalDeathTest, WithoutAHandlerItIsTheEnd) {
  auto run = [] {
    set_handler(SIG_DFL);  // a sanitizer has one
    const mapped_file file = mapped(fake_fd(pages(1)).get());
    file.guarded([](const char *, size_t) { (void)*no_page(); });
    _exit(0);
  };
  EXPECT_EXIT(run(), ended_by_sigbus, "");
}

TEST_F(MappedSignalDeathTest, OneThatIsSentIsTheEndToo) {
  auto run = [] {
    set_handler(SIG_DFL);
    const mapped_file file = mapped(fake_fd(pages(1)).get());
    raise(SIGBUS);
    _exit(0);
  };
  EXPECT_EXIT(run(), ended_by_sigbus, "");
}

TEST_F(MappedSignalDeathTest, OneThatIsSentIsIgnoredWhereItWas) {
  auto run = [] {
    set_handler(SIG_IGN);
    const mapped_file file = mapped(fake_fd(pages(1)).get());
    raise(SIGBUS);
    _exit(eight(file, 0) == 8 ? 7 : 0);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(7), "");
}

TEST_F(MappedSignalDeathTest, AnothersLookIsForTheHandlerThatWasThere) {
  auto run = [](auto set, auto handler) {
    set(handler);
    const unique_fd fd = fake_fd(pages(2));
    const mapped_file file = mapped(fd.get());
    cut(fd.get(), 0);
    if (eight(file, PAGE) != 0) _exit(1);  // ours is not for it
    (void)*no_page();
    _exit(0);
  };
  EXPECT_EXIT(run(set_handler, exits_42), testing::ExitedWithCode(42), "");
  EXPECT_EXIT(run(set_action, exits_43), testing::ExitedWithCode(43), "");
}

// Its bytes are looked at by somebody who was not guarded.
TEST_F(MappedSignalDeathTest, AnUnguardedLookIsNotOurs) {
  auto run = [] {
    set_handler(exits_42);
    const unique_fd fd = fake_fd(pages(2));
    const mapped_file file = mapped(fd.get());
    volatile const char *kept = nullptr;
    file.guarded([&](const char *bytes, size_t) { kept = bytes + PAGE; });
    cut(fd.get(), 0);
    (void)*kept;
    _exit(0);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(42), "");
}

TEST_F(MappedSignalDeathTest, NothingIsMappedWhereAnotherTookOurPlace) {
  auto run = [](auto set, auto handler) {
    const unique_fd fd = fake_fd(pages(1));
    mapped_file file = mapped(fd.get());
    set(handler);
    _exit(file.map(fd.get()) == EBUSY && !file ? 7 : 0);
  };
  EXPECT_EXIT(run(set_handler, exits_42), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(run(set_action, exits_43), testing::ExitedWithCode(7), "");
}
