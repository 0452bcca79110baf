// qmail-smtpd-conf.cpp - makes a service directory for tcpserver and qmail-smtpd.
//
// In the manner of axfrdns-conf: everything, or nothing and why. What is in it stands in
// conf/smtpd.cpp. See qmail-smtpd-conf(8).

#include <cstdio>

#include "conf/program.h"
#include "conf/service.h"

int main(int argc, char **argv) {
  return conf_run("qmail-smtpd-conf", "qmail-smtpd-conf [-d | -o] ACCT LOGACCT /service-directory IP", [&] {
    std::fputs(conf_smtpd(conf_this_host(), {argv + (argc > 0), argv + argc}).c_str(), stdout);
  });
}
