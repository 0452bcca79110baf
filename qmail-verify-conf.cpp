// qmail-verify-conf.cpp - makes a service directory for qmail-verify, ready for svscan.
//
// In the manner of tinydns-conf: everything, or nothing and why. What is in it stands in
// conf/verify.cpp. See qmail-verify-conf(8).

#include <cstdio>

#include "conf/program.h"
#include "conf/service.h"

int main(int argc, char **argv) {
  return conf_run("qmail-verify-conf", "qmail-verify-conf LOGACCT /service-directory [IP]", [&] {
    std::fputs(conf_verify(conf_this_host(), {argv + (argc > 0), argv + argc}).c_str(), stdout);
  });
}
