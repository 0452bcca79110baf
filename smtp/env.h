// env.h - what a session is told by its environment.
//
// Follows setup() in qmail-smtpd.c and qmail.c: a variable that is set but empty
// is set. tcp-environ(5) has the TCP variables.

#ifndef SMTP_ENV_H
#define SMTP_ENV_H

struct smtp_env {
  const char *qmail_dir;    // QMAILDIR, else what was set when building
  const char *queue;        // QMAILQUEUE, else bin/qmail-queue
  const char *remote_ip;    // TCPREMOTEIP, else "unknown"
  const char *remote_host;  // TCPREMOTEHOST, else "unknown"
  const char *remote_info;  // TCPREMOTEINFO, or null
  const char *local;        // TCPLOCALHOST, else TCPLOCALIP, else "unknown"
  const char *relayclient;  // RELAYCLIENT, or null
  const char *databytes;    // DATABYTES, or null
  const char *verify;       // VERIFY, or null
  // VERIFYDEFER, VERIFYSVR and QMAILRRTDENYALL, or null: older programs were told by
  // them what VERIFY tells now.
  const char *verifydefer, *verifysvr, *denyall;
};

// Reads the process' environment. The strings are the environment's own.
smtp_env env_read();

#endif
