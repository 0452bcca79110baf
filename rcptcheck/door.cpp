// door.cpp - see door.h.

#include "door.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "logbits.h"
#include "smtp/reply.h"

namespace {

constexpr int EXIT_ACCEPT = 0, EXIT_ABSENT = 1, EXIT_REFUSE = 100, EXIT_RETRY = 111;
// "cannot be run": what qmail-spp answers 451, the only exit code that it looks at.
constexpr int EXIT_UNSAID = 120;

mode_t kind_of(int fd) {
  struct stat st;
  return fstat(fd, &st) == -1 ? 0 : st.st_mode & S_IFMT;
}

bool is_set(const char *value) { return value && *value; }

std::string_view without_newline(std::string_view reply) { return reply.substr(0, reply.find('\r')); }

std::string_view reply_for(verdict v) {
  return without_newline(v == verdict::refuse ? reply_no_mailbox : reply_verify_failure);
}

// A line that the server is waiting for.
bool write_line(int fd, std::string_view letter, std::string_view reply) {
  log_line line;
  log_begin(&line);
  log_putb(&line, letter.data(), letter.size());
  log_putb(&line, reply.data(), reply.size());
  log_putb(&line, "\n", 1);
  ssize_t n;
  while ((n = write(fd, line.text, line.len)) == -1 && errno == EINTR) continue;
  return n == static_cast<ssize_t>(line.len);
}

// The server reads only when this program has ended: so nothing here may wait.
bool write_now(int fd, std::string_view reply) {
  log_line line;
  log_state state{};
  log_begin(&line);
  log_putb(&line, reply.data(), reply.size());
  log_write(&line, fd, &state, "");
  return state.dropped == 0;
}

int say_rcptcheck(const door_env &env, const door_fds &fds, verdict v) {
  if (v == verdict::accept) return EXIT_ACCEPT;
  // With a reply the session goes on after 451; without one it ends (421).
  const bool replied = is_set(env.use_fd4) && fds.pipe4 && write_now(4, reply_for(v));
  return v == verdict::refuse || replied ? EXIT_REFUSE : EXIT_RETRY;
}

// The exit code is for a program between qmail-spp and this one that speaks the door
// rcptcheck.
int say_spp(verdict v) {
  if (v == verdict::accept) return EXIT_ACCEPT;
  if (!write_line(1, "E", reply_for(v))) return EXIT_UNSAID;
  return v == verdict::refuse ? EXIT_REFUSE : EXIT_RETRY;
}

int say_recipients(verdict v) {
  if (v == verdict::retry) return EXIT_RETRY;
  return v == verdict::accept ? EXIT_ACCEPT : EXIT_ABSENT;
}

}  // namespace

door_env door_read_env() {
  const auto get = [](const char *name) -> const char * { return std::getenv(name); };
  door_env env;
  env.recipient = get("RECIPIENT");
  env.sender = get("SENDER");
  env.use_fd4 = get("USE_FD4");
  env.rcptfound = get("RCPTFOUND");
  env.smtprcptto = get("SMTPRCPTTO");
  env.smtpmailfrom = get("SMTPMAILFROM");
  env.smtprcpthostsok = get("SMTPRCPTHOSTSOK");
  env.smtpauthuser = get("SMTPAUTHUSER");
  env.relayclient = get("RELAYCLIENT");
  env.remote_ip = get("TCPREMOTEIP");
  env.verify = get("VERIFY");
  return env;
}

door_fds door_look_at_fds() {
  const mode_t third = kind_of(3);
  return {fcntl(0, F_GETFD) != -1, third == S_IFIFO || third == S_IFSOCK, kind_of(4) == S_IFIFO};
}

door door_by_name(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "rcptcheck") return door::rcptcheck;
  if (name.ends_with("-spp")) return door::spp;
  return name.ends_with("-recipients") ? door::recipients : door::none;
}

door door_by_signs(const door_env &env, const door_fds &fds) {
  if (env.smtprcptto && (!env.recipient || !fds.input)) return door::spp;
  if (env.recipient) return door::rcptcheck;
  return fds.pipe3 ? door::recipients : door::none;
}

bool door_is_settled(door d, const door_env &env) {
  if (env.relayclient) return true;
  if (d == door::rcptcheck) return is_set(env.use_fd4) && is_set(env.rcptfound);
  if (d != door::spp) return false;
  return is_set(env.smtpauthuser) || (env.smtprcpthostsok && std::string_view(env.smtprcpthostsok) == "0");
}

door_question door_asked(door d, const door_env &env) {
  if (d == door::rcptcheck) return {env.recipient, env.sender};
  if (d == door::spp) return {env.smtprcptto, env.smtpmailfrom};
  return {};
}

door_input door_read_input(std::string_view bytes, bool at_end) {
  size_t nuls = 0;
  for (char c : bytes) nuls += c == '\0';
  if (nuls >= 3 || (at_end && nuls > 0)) return door_input::whole;
  return at_end || bytes.size() >= DOOR_INPUT_MAX ? door_input::broken : door_input::more;
}

int door_say(door d, const door_env &env, const door_fds &fds, verdict v) {
  if (d == door::rcptcheck) return say_rcptcheck(env, fds, v);
  if (d == door::spp) return say_spp(v);
  return d == door::recipients ? say_recipients(v) : EXIT_RETRY;
}
