// smtpd.cpp - qmail-smtpd-conf: a service directory for tcpserver and qmail-smtpd.

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "program.h"
#include "qmail/fd.h"
#include "service.h"

namespace {

enum class first { REFUSE, DEFER, OBSERVE };

// What VERIFY may say for the world, and which of it counts at first.
struct choice {
  first which;
  const char *word;
  const char *comment;
};
constexpr choice CHOICES[] = {
    {first::REFUSE, "",
     "# The world: what qmail would bounce is refused, 550 at RCPT.\n"},
    {first::DEFER, "DEFER,",
     "# The same for the whole message, 554 at DATA: who tries out names learns less.\n"},
    {first::OBSERVE, "OBSERVE,",
     "# Nothing is refused, only logged: to begin with.\n"},
};

std::string rules(const conf_host &host, first active) {
  std::string text =
      "# Who may connect, and whose recipients are verified; see qmail-smtpd(8) and tcprules(1).\n"
      "# After a change: make. It counts for the next connection.\n"
      "\n"
      "# Those who may relay; they are never verified. Add your own networks:\n"
      "127.:allow,RELAYCLIENT=\"\"\n"
      "#192.0.2.:allow,RELAYCLIENT=\"\"\n"
      "\n"
      "# Verification for none but those below: other servers of your own, for instance.\n"
      "#203.0.113.7:allow\n"
      "\n"
      "# One of these three:\n";
  for (const auto &[which, word, comment] : CHOICES)
    text += std::string(comment) + (which == active ? "" : "#") + ":allow,VERIFY=\"" + word + "STRICT," + host.socket() +
            "\"\n";
  return text;
}

constexpr char MAKEFILE[] =
    "tcp.cdb: tcp\n"
    "\ttcprules tcp.cdb tcp.tmp <tcp\n";

std::string run_script(const conf_host &host, const std::string &account) {
  const std::string control = conf_quoted(host.qmail + "/control");
  return "#!/bin/sh\n"
         "# Who may connect, and whose recipients are verified: tcp, and make after a change.\n"
         "# How many at the same time: control/concurrencyincoming, 20 without it.\n"
         "# -H: no session waits for the client's name. Take it out where tcp has rules for names\n"
         "# (=.example.org), or Received fields are to show them.\n"
         "exec 2>&1\n"
         "control=" + control + "\n"
         "if [ ! -e \"$control/rcpthosts\" ]; then\n"
         "  echo \"$control/rcpthosts is not there: whoever likes could relay. Make it, then svc -u $PWD\"\n"
         "  exec svc -d .\n"
         "fi\n"
         "limit=$(sed -n 1p \"$control/concurrencyincoming\" 2>/dev/null)\n"
         "case $limit in '' | *[!0-9]*) limit=20 ;; esac\n"
         "me=$(sed -n 1p \"$control/me\")\n"
         "exec envuidgid " + account + " softlimit -m 40000000 \\\n"
         "  tcpserver -v -D -H -R -U -l \"${me:-0}\" -c \"$limit\" -x tcp.cdb -- \"$(sed -n 1p env/IP)\" 25 \\\n"
         "  " + conf_quoted(host.smtpd) + "\n";
}

// tcprules of ucspi-tcp makes tcp.cdb in the folder, as its Makefile does later.
void make_rules(const std::string &folder) {
  const std::string source = folder + "/tcp", cdb = folder + "/tcp.cdb", temporary = folder + "/tcp.tmp";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, source.c_str(), O_RDONLY, 0);
  std::string words[] = {"tcprules", cdb, temporary};
  char *argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child;
  const int error = posix_spawnp(&child, "tcprules", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) conf_fail_errno("cannot run tcprules of ucspi-tcp, which has to be in PATH", error);
  int status;
  while (waitpid(child, &status, 0) == -1)
    if (errno != EINTR) conf_fail_errno("cannot wait for tcprules", errno);
  if (status) throw conf_failure(CONF_TROUBLE, "tcprules of ucspi-tcp could not make tcp.cdb");
}

first read_options(std::vector<std::string> &arguments) {
  if (arguments.empty() || arguments[0].empty() || arguments[0][0] != '-') return first::REFUSE;
  const std::string option = arguments[0];
  arguments.erase(arguments.begin());
  if (option == "-d") return first::DEFER;
  if (option == "-o") return first::OBSERVE;
  throw conf_failure(CONF_MISUSE, "");
}

void check_ip(const std::string &ip) {
  in_addr address;
  if (ip != "0" && inet_pton(AF_INET, ip.c_str(), &address) != 1)
    throw conf_failure(CONF_MISUSE, "IP " + conf_safe(ip) + ": give an IPv4 address, or 0 for all that this host has");
}

// What stands in the way of the first session, and what to do next.
std::string hints(const conf_host &host, const std::string &place, conf_owner account, first active) {
  const std::string shown = conf_quoted(place);
  std::string next;
  if (active != first::OBSERVE)
    next += "From the start it refuses what qmail would bounce. To observe first, which refuses nothing and\n"
            "logs what would be refused: make OBSERVE the active line in " + shown + "/tcp, then make there.\n";
  if (access((host.qmail + "/control/rcpthosts").c_str(), F_OK) == -1)
    next += "It will not start before there is " + host.qmail + "/control/rcpthosts: the domains to take mail for.\n";
  std::optional<conf_owner> asker;
  try {
    asker = conf_account(host.qmaild);
  } catch (const conf_failure &) {  // then the daemon has to be told a group anyway, and says so
  }
  if (!asker || asker->gid != account.gid)
    next += "The daemon's socket is for the group of " + host.qmaild + ", which this account has not: write the number " +
            std::to_string(account.gid) + "\ninto env/SOCKETGROUP of the daemon's service directory, then svc -t there.\n";
  return next + "To start it, now and at each boot: ln -s " + shown + " /service/\n";
}

}  // namespace

std::string conf_smtpd(const conf_host &host, const std::vector<std::string> &words) {
  std::vector<std::string> arguments = words;
  const first active = read_options(arguments);
  if (arguments.size() != 4) throw conf_failure(CONF_MISUSE, "");
  const std::string &account = arguments[0], &log_account = arguments[1], &place = arguments[2], &ip = arguments[3];
  conf_check_place(place);
  check_ip(ip);
  const conf_owner owner = conf_account(account), log_owner = conf_account(log_account);
  if (owner.uid == 0) throw conf_failure(CONF_MISUSE, "ACCT " + account + ": qmail-smtpd must not be run by root");
  conf_check_program(host.smtpd);

  conf_tree tree(place);
  tree.file("run", 0755, run_script(host, account));
  tree.directory("env", 0755);
  tree.file("env/IP", 0644, ip + "\n");
  tree.file("tcp", 0644, rules(host, active));
  tree.file("Makefile", 0644, MAKEFILE);
  make_rules(tree.making());
  conf_add_log(tree, log_account, log_owner);
  tree.put();
  return hints(host, place, owner, active);
}
