// env.cpp - see env.h.

#include "env.h"

#include <cstdlib>

#include "conf.h"

namespace {

const char *get(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value ? value : otherwise;
}

}  // namespace

smtp_env env_read() {
  smtp_env env;
  env.qmail_dir = get("QMAILDIR", CONF_QMAIL);
  env.queue = get("QMAILQUEUE", "bin/qmail-queue");
  env.remote_ip = get("TCPREMOTEIP", "unknown");
  env.remote_host = get("TCPREMOTEHOST", "unknown");
  env.remote_info = get("TCPREMOTEINFO", nullptr);
  env.local = get("TCPLOCALHOST", get("TCPLOCALIP", "unknown"));
  env.relayclient = get("RELAYCLIENT", nullptr);
  env.databytes = get("DATABYTES", nullptr);
  env.verify = get("VERIFY", nullptr);
  env.verifydefer = get("VERIFYDEFER", nullptr);
  env.verifysvr = get("VERIFYSVR", nullptr);
  env.denyall = get("QMAILRRTDENYALL", nullptr);
  return env;
}
