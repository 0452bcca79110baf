// qmail-verify-gate.cpp - lets other SMTP servers ask qmail-verify, each in a protocol that
// it knows already.
//
// Beside the daemon, under its own user: it holds no right and reads no file. What cannot be
// told is answered as the protocol has it for trouble that passes. See qmail-verify-gate(8).
//
// Here stand the start and the end: no exception leaves it.

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "gate/asking.h"
#include "gate/door.h"
#include "gate/listener.h"
#include "gate/log.h"
#include "gate/options.h"
#include "qmail/control.h"
#include "qmail/fd.h"

namespace {

gate_log log_lines;

int trouble(const std::string &sentence, int code = GATE_TROUBLE) {
  log_lines.say(sentence);
  return code;
}

// As many descriptors as this process may have.
void raise_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == -1) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool read_id(const char *name, unsigned long &id) {
  const char *text = getenv(name);
  const size_t digits = text ? control_scan(text, id) : 0;
  return digits > 0 && digits < 11 && !text[digits];
}

// Root's rights are given up for those of $UID and $GID, as envuidgid of daemontools sets
// them. Empty: done, or there was nothing to do.
std::string drop_rights() {
  unsigned long uid, gid;
  if (geteuid() != 0) return "";
  if (!getenv("UID") && !getenv("GID")) {
    log_lines.say("runs as root, which it has no use for: start it with setuidgid or envuidgid");
    return "";
  }
  if (!read_id("UID", uid) || !read_id("GID", gid)) return "UID and GID have to be numbers, as envuidgid sets them";
  const auto group = static_cast<gid_t>(gid);
  if (setgroups(1, &group) == -1 || setgid(group) == -1 || setuid(static_cast<uid_t>(uid)) == -1)
    return std::string("cannot give up root's rights: ") + strerror(errno);
  return "";
}

void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);  // there is nothing to be read again
}

int listen_at(const gate_options &options, const gate_policy &policy) {
  std::vector<gate_listener> listeners;
  std::vector<std::string> warnings;
  if (const std::string why = gate_listen(options.places, options.mode, listeners, warnings); !why.empty()) {
    gate_listen_end(listeners);
    return trouble(why);
  }
  for (const std::string &warning : warnings) log_lines.say(warning);
  if (const std::string why = drop_rights(); !why.empty()) {
    gate_listen_end(listeners);
    return trouble(why, GATE_MISUSE);
  }
  std::string at;
  for (const gate_listener &one : listeners) at += (at.empty() ? "" : ", ") + one.place.text;
  log_lines.say("listening (" + at + "), asking " + policy.servers);
  gate_door_listen(options, policy, listeners, log_lines);
  gate_listen_end(listeners);
  log_lines.say("stopped");
  return GATE_OK;
}

int run(int argc, char **argv) {
  gate_options options;
  switch (gate_options_read(argc, argv, options)) {
    case gate_command::done: return GATE_OK;
    case gate_command::misuse: return GATE_MISUSE;
    case gate_command::run: break;
  }
  gate_policy policy;
  const std::string wrong = gate_policy_read(getenv("VERIFY"), policy);
  if (!wrong.empty()) return trouble(wrong, GATE_MISUSE);
  for (const std::string &note : policy.notes) log_lines.say("note: " + note);
  raise_limit();
  block_signals();
  if (!options.kind) return listen_at(options, policy);
  gate_door_stdio(options, policy, log_lines);
  return GATE_OK;
}

}  // namespace

int main(int argc, char **argv) {
  if (!fd_fill_gaps()) _exit(GATE_TROUBLE);
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc &) {
    return trouble("out of memory");
  } catch (const std::exception &e) {
    return trouble(gate_safe_sentence(e.what()));
  }
}
