// worker.h - a process that judges: takes questions, answers them, until told to end.
//
// What it has in hand stands on its seat of the board. It never waits for anything
// but the looks that a judgement needs. A question whose look cannot be made now,
// since this is the last worker that is free and another one has been waiting for the same
// place, is put aside and tried again.
//
// A question about an address of a domain in control/verifyroutes is answered with what is
// kept, or handed to the process that asks other servers (forwarder.h).
//
// Where only getpwnam_r can tell who controls an address, which may ask a server far
// away, the question is handed to a slow worker, of which there are some while there are
// such questions. Slow workers take nothing else.

#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <string>
#include <vector>

#include "board.h"
#include "crew.h"
#include "hub/kept.h"
#include "listen.h"
#include "qmail/clients.h"
#include "qmail/keys_table.h"
#include "qmail/routes.h"
#include "relay.h"

// What a worker has from its parent. All of it outlives it.
struct worker_site {
  board &all;
  const listen_sockets &sockets;
  const clients_table &clients;
  address *host;
  const crew_calls &calls;
  relay &parent;
  relay &slow_lane;  // to the slow workers, or to this one
  bool slow;         // this is one of them
  const routes_table &routes;
  const keys_table &keys;
  kept *store;       // answers of other servers; null: none are kept
  relay &hub_lane;   // to the process that asks them
  unsigned generation;
  int alarm;     // written to when the parent should look
  int lifeline;  // hangs up when the parent is gone
};

// Serves on this seat until SIGTERM (answers what has arrived, then ends), SIGUSR2
// (ends: others serve) or until the parent is gone. Returns the exit code. unblocked:
// the signal mask to wait with.
int worker_run(const worker_site &site, unsigned seat, const sigset_t &unblocked);

// ppoll and epoll_pwait let no signal in where there is something to do: to be called
// behind such a wait, by the parent, too.
void worker_let_signals_in(const sigset_t &unblocked);

// In a worker: hands a sentence for the log to the parent. False: this is no worker.
bool worker_note(const char *sentence);

#endif
