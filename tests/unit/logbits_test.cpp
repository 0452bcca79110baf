// Log lines: what they look like, and that nothing ever waits for their reader.

#include "logbits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

using namespace std::string_literals;

namespace {

std::string text(const log_line &line) {
  return std::string(line.text, line.len);
}

std::string safe(const std::string &bytes) {
  log_line line;
  log_begin(&line);
  log_putsafe(&line, bytes.data(), bytes.size());
  return text(line);
}

struct Pipe {
  int fd[2];
  Pipe() {
    if (pipe2(fd, O_CLOEXEC) == -1) abort();
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
  }
  ~Pipe() {
    for (int f : fd) close(f);
  }
  std::string read_all() {
    std::string all;
    char buf[65536];
    ssize_t n;
    while ((n = read(fd[0], buf, sizeof buf)) > 0) all.append(buf, static_cast<size_t>(n));
    return all;
  }
};

void write_line(const std::string &what, int fd, log_state *state) {
  log_line line;
  log_begin(&line);
  log_putb(&line, what.data(), what.size());
  log_write(&line, fd, state, "prog: ");
}

TEST(LogLine, IsPutTogether) {
  log_line line;
  log_begin(&line);
  log_puts(&line, "n ");
  log_putnum(&line, 0);
  log_puts(&line, " ");
  log_putnum(&line, 18446744073709551615ULL);
  log_putb(&line, " \0 ", 3);
  log_puts(&line, "");
  EXPECT_EQ(text(line), "n 0 18446744073709551615 \0 "s);
}

TEST(LogSafe, EveryByte) {
  for (int i = 0; i < 256; ++i) {
    char expected[8];
    snprintf(expected, sizeof expected, i == '\\' ? "\\\\" : i >= 0x21 && i <= 0x7e ? "%c" : "\\x%02x", i);
    EXPECT_EQ(safe(std::string(1, static_cast<char>(i))), expected);
  }
}

TEST(LogSafe, NeverHalfAnEscape) {
  for (size_t room = 0; room < 12; ++room) {
    log_line line;
    log_begin(&line);
    std::string fill(LOG_LINE_MAX - 1 - room, 'a');
    log_putb(&line, fill.data(), fill.size());
    log_putsafe(&line, "\n\n\n", 3);
    log_puts(&line, "after");
    std::string end = text(line).substr(fill.size());
    EXPECT_EQ(end.size(), room);
    std::string whole = "\\x0a\\x0a\\x0a";
    size_t escapes = room / 4 * 4;
    EXPECT_EQ(end, whole.substr(0, escapes) + std::string(room - escapes, '.'));
  }
}

TEST(LogWrite, OneLineOneWrite) {
  Pipe p;
  log_state state{};
  errno = ENOENT;
  write_line("hello", p.fd[1], &state);
  EXPECT_EQ(errno, ENOENT) << "errno is left alone";
  EXPECT_EQ(p.read_all(), "hello\n");
  EXPECT_EQ(state.dropped, 0u);
}

TEST(LogWrite, ALongLineIsCutAndKeepsItsNewline) {
  Pipe p;
  log_state state{};
  write_line(std::string(3 * LOG_LINE_MAX, 'x'), p.fd[1], &state);
  EXPECT_EQ(p.read_all(), std::string(LOG_LINE_MAX - 1, 'x') + "\n");
}

TEST(LogWrite, ALineMayBeUsedAgain) {
  Pipe p;
  log_state state{};
  log_line line;
  log_begin(&line);
  log_puts(&line, "one");
  log_write(&line, p.fd[1], &state, "");
  log_puts(&line, "two");
  log_write(&line, p.fd[1], &state, "");
  EXPECT_EQ(p.read_all(), "one\ntwo\n");
}

// The write end stays blocking, as it is under multilog: a wait would hang here.
TEST(LogWrite, AFullPipeDropsAndTells) {
  Pipe p;
  log_state state{};
  size_t written = 0;
  while (!state.dropped) {
    write_line(std::string(1000, 'x'), p.fd[1], &state);
    ASSERT_LT(++written, 100000u);
  }
  for (int i = 0; i < 9; ++i) write_line(std::string(1000, 'y'), p.fd[1], &state);  // a short one may still fit
  EXPECT_EQ(state.dropped, 10u);
  p.read_all();
  write_line("there again", p.fd[1], &state);
  EXPECT_EQ(state.dropped, 0u);
  EXPECT_EQ(p.read_all(), "there again\nprog: 10 log lines were dropped: the reader of the log did not keep up\n");
  write_line("next", p.fd[1], &state);
  EXPECT_EQ(p.read_all(), "next\n");
}

TEST(LogWrite, AReaderThatIsGone) {
  signal(SIGPIPE, SIG_IGN);
  Pipe p;
  log_state state{};
  close(p.fd[0]);
  write_line("nobody hears", p.fd[1], &state);
  EXPECT_EQ(state.dropped, 1u);
  p.fd[0] = open("/dev/null", O_RDONLY);
  signal(SIGPIPE, SIG_DFL);
}

TEST(LogWrite, DescriptorsThatAreNotPipes) {
  log_state state{};
  write_line("closed", -1, &state);
  EXPECT_EQ(state.dropped, 1u);
  int full = open("/dev/full", O_WRONLY);
  write_line("disk full", full, &state);
  EXPECT_EQ(state.dropped, 2u);
  close(full);

  FILE *f = tmpfile();
  write_line("a file", fileno(f), &state);
  write_line("takes all", fileno(f), &state);
  EXPECT_EQ(state.dropped, 0u);
  char buf[200];
  ssize_t n = pread(fileno(f), buf, sizeof buf, 0);
  EXPECT_EQ(std::string(buf, static_cast<size_t>(n)),
            "a file\nprog: 2 log lines were dropped: the reader of the log did not keep up\ntakes all\n");
  fclose(f);
}

}  // namespace
