// daemon.h - the running daemon is asked.

#ifndef VRFY_DAEMON_H
#define VRFY_DAEMON_H

#include <memory>

#include "asker.h"
#include "options.h"

// Asks the servers of options.servers.
std::unique_ptr<vrfy_asker> vrfy_daemon(const vrfy_options &options);

#endif
