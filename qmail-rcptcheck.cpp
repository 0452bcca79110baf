// qmail-rcptcheck.cpp - asks qmail-verify about one recipient for an SMTP server that runs
// a program at RCPT: RCPTCHECK, qmail-spp or a program in control/recipients.
//
// Its start is most of what it costs: nothing is opened but the socket of the question,
// and nothing allocated where there is nothing to log. See qmail-rcptcheck(8).

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "qmail-verify.h"
#include "qmail/fd.h"
#include "rcptcheck/ask.h"
#include "rcptcheck/door.h"
#include "sockbits.h"

namespace {

// Neither accepts nor refuses, where the exit code is looked at.
constexpr int EXIT_NOT_RUN = 111;
constexpr int INPUT_MS = 5000;

constexpr char USAGE[] =
    "qmail-rcptcheck: usage: qmail-rcptcheck [-r | -s | -f]\n"
    "  run by qmail-smtpd: RCPTCHECK (-r: RECIPIENT, SENDER), qmail-spp (-s: SMTPRCPTTO),\n"
    "  or control/recipients (-f: the address and three NULs on descriptor 3)\n";

int print(int fd, const char *text, int code) {
  const ssize_t n = write(fd, text, strlen(text));
  return n == -1 ? EXIT_NOT_RUN : code;
}

// Reads what the server writes there. Waits for at most 5 seconds.
ssize_t read_within(long long deadline, char *to, size_t room) {
  pollfd input{3, POLLIN, 0};
  if (sockbits_wait(&input, 1, deadline) != 1) return -1;
  ssize_t n;
  while ((n = read(3, to, room)) == -1 && errno == EINTR) continue;
  return n;
}

// The address on descriptor 3; null: none came.
const char *address_on_3() {
  static char bytes[DOOR_INPUT_MAX];
  const long long deadline = sockbits_now_ms() + INPUT_MS;
  size_t have = 0;
  for (;;) {
    const ssize_t n = read_within(deadline, bytes + have, sizeof bytes - have);
    if (n == -1) return nullptr;
    have += static_cast<size_t>(n);
    const door_input input = door_read_input({bytes, have}, n == 0);
    if (input != door_input::more) return input == door_input::whole ? bytes : nullptr;
  }
}

const char *complaint(door d) {
  if (d == door::rcptcheck) return "temporary failure (RECIPIENT is not set: not run as RCPTCHECK?)";
  if (d == door::spp) return "temporary failure (SMTPRCPTTO is not set: not run as a plugin for rcpt?)";
  return "temporary failure (no address on descriptor 3: not run from control/recipients?)";
}

verdict judge(door d, const door_env &env) {
  if (door_is_settled(d, env)) return verdict::accept;
  door_question asked = door_asked(d, env);
  if (d == door::recipients) asked.address = address_on_3();
  if (asked.address) return ask(env, asked.address, asked.sender);
  ask_complain(env, complaint(d));
  return verdict::retry;
}

// The door that an option names; nothing: there is no such option.
std::optional<door> door_by_option(int argc, char **argv) {
  if (argc != 2 || argv[1][0] != '-' || argv[1][1] == 0 || argv[1][2] != 0) return std::nullopt;
  if (argv[1][1] == 'r') return door::rcptcheck;
  if (argv[1][1] == 's') return door::spp;
  if (argv[1][1] == 'f') return door::recipients;
  return std::nullopt;
}

// Without its gaps filled the socket of the question might be where the log is expected.
int run(door d, const door_fds &fds) {
  const bool filled = fd_fill_gaps();
  const door_env env = door_read_env();
  if (d == door::none) d = door_by_signs(env, fds);
  if (d == door::none) return print(2, USAGE, EXIT_NOT_RUN);
  return door_say(d, env, fds, filled ? judge(d, env) : verdict::retry);
}

}  // namespace

int main(int argc, char **argv) {
  const door_fds fds = door_look_at_fds();
  signal(SIGPIPE, SIG_IGN);
  if (argc < 2) return run(door_by_name(argc ? argv[0] : ""), fds);
  if (!strcmp(argv[1], "-V")) return print(1, "qmail-rcptcheck " QV_VERSION "\n", 0);
  if (!strcmp(argv[1], "-h")) return print(1, USAGE, 0);
  const std::optional<door> d = door_by_option(argc, argv);
  return d ? run(*d, fds) : print(2, USAGE, EXIT_NOT_RUN);
}
