// verify.cpp - qmail-verify-conf: a service directory for qmail-verify.

#include "conf.h"
#include "program.h"
#include "qmail-verify.h"
#include "qmail/prefix.h"
#include "service.h"
#include "udpbits.h"

namespace {

constexpr char VARIABLES[] =
    "# Each file in env/ is a variable with its first line as the value. Beside LISTEN there\n"
    "# are SOCKETGROUP, SOCKETMODE, WORKERS and VERIFY_FASTFORWARDCDB: see qmail-verify(8).\n"
    "# The limit is for each process, and wide: what the daemon cannot get memory for it\n"
    "# answers \"temporary\", and a directory service behind passwd may need much.\n";

std::string run_script(const conf_host &host) {
  return std::string("#!/bin/sh\n") + VARIABLES +
         "exec 2>&1\n"
         "exec env - PATH=\"$PATH\" envdir ./env softlimit -d 200000000 \\\n  " +
         conf_quoted(host.daemon) + "\n";
}

// One UDP endpoint beside the socket; true where others than this host can reach it.
bool check_ip(const std::string &ip) {
  udp_endpoint endpoint;
  const char *why = "give an IP address, with a port or without";
  if (ip.empty() || ip[0] == '/' || ip.find_first_of(", \t\n") != ip.npos ||
      udp_parse(ip.data(), ip.size(), QV_DEFAULT_IP, QV_DEFAULT_PORT, &endpoint, &why) == -1)
    throw conf_failure(CONF_MISUSE, "IP " + conf_safe(ip) + ": " + why);
  return !ip_is_loopback(ip_of(endpoint.addr));
}

}  // namespace

std::string conf_verify(const conf_host &host, const std::vector<std::string> &arguments) {
  if (arguments.size() < 2 || arguments.size() > 3) throw conf_failure(CONF_MISUSE, "");
  const std::string &user = arguments[0], &place = arguments[1];
  conf_check_place(place);
  const bool reachable = arguments.size() == 3 && check_ip(arguments[2]);
  const conf_owner owner = conf_account(user);
  conf_check_program(host.daemon);

  conf_tree tree(place);
  tree.file("run", 0755, run_script(host));
  tree.directory("env", 0755);
  tree.file("env/LISTEN", 0644, host.socket() + (arguments.size() == 3 ? "," + arguments[2] : "") + "\n");
  conf_add_log(tree, user, owner);
  conf_socket_directory socket(host.qmail + "/verify");
  tree.put();
  socket.keep();

  std::string next = "To start it, now and at each boot: ln -s " + conf_quoted(place) + " /service/\n";
  if (reachable)
    next += "Who may ask at " + arguments[2] + " belongs into " + host.qmail +
            "/control/verifyclients, or everybody is answered who can reach it.\n";
  return next;
}
