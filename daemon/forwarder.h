// forwarder.h - the process that asks the servers of control/verifyroutes, and the way to it.
//
// Workers hand it questions about routed addresses over a relay; it asks (hub/asker.h) and
// answers whoever asked, by UDP itself, by a UNIX socket through the parent. It looks at
// nothing of this host, so that no home and no passwd source can hold it up, and never
// waits for any one server.

#ifndef DAEMON_FORWARDER_H
#define DAEMON_FORWARDER_H

#include <csignal>
#include <string_view>

#include "address/address.h"
#include "board.h"
#include "crew.h"
#include "hub/kept.h"
#include "listen.h"
#include "qmail/keys_table.h"
#include "qmail/routes.h"
#include "relay.h"

// ---- in a worker

// The domain of an address: what is behind the last @.
std::string_view forwarder_domain(std::string_view address);
// An answer that was kept, as a verdict. observe: the domain is only observed.
void forwarder_kept(const kept_answer &known, bool observe, address_answer &a);
// The question cannot be handed on, for this errno (0: no room): temporary.
void forwarder_trouble(address_answer &a, int error);
// Hands a question on. False: there is no room now.
bool forwarder_hand_on(relay &lane, const board_question &question, const address_remote &remote,
                       std::string_view datagram);

// ---- the process

// What it has from its parent. All of it outlives it.
struct forwarder_site {
  board_seat &seat;
  const listen_sockets &sockets;
  const crew_calls &calls;
  relay &parent;
  relay &lane;
  const routes_table &routes;
  const keys_table &keys;
  kept *store;
  int lifeline;  // hangs up when the parent is gone
};

// Serves until SIGTERM (waits for answers to what it has, no longer than CREW_DRAIN_MS),
// SIGUSR2 (ends when what it has is answered: another one takes its place) or until the
// parent is gone. Returns the exit code. unblocked: the signal mask to wait with.
int forwarder_run(const forwarder_site &site, const sigset_t &unblocked);

#endif
