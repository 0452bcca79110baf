// listen.h - the sockets on which questions arrive.
//
// LISTEN names endpoints, several with commas: ip, ip:port, :port, [ipv6]:port, and
// /path for a UNIX SOCK_SEQPACKET socket. All are opened by root before rights are
// given up, and inherited by every worker. UDP sockets never have SO_REUSEADDR or
// SO_REUSEPORT; answers leave from the address that was asked. A UNIX socket can be
// connected to by root and its group alone.

#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "qmail/fd.h"
#include "qmail/local_path.h"
#include "qmail/prefix.h"
#include "udpbits.h"

// Where a datagram came from and where it was sent to: what an answer needs. Plain
// bytes: it is kept in memory that processes share.
struct listen_asker {
  udp_endpoint from{};
  unsigned socket = 0;        // which of the UDP sockets
  unsigned char local[32]{};  // where the answer leaves from: an in_pktinfo or in6_pktinfo
  unsigned local_size = 0;    // 0: not known, the system chooses
};

struct listen_udp {
  unique_fd fd;
  udp_endpoint own{};
  bool loopback = false;  // bound to a loopback address
};

using listen_local = local_path;

// What went wrong, for the operator, and the exit code that it deserves (100: LISTEN
// cannot be read, 111: the system refused).
struct listen_trouble {
  std::string sentence;
  int code = 0;
};

// Sentences are without a full stop, and may be written to a log as they are: what
// LISTEN says stands in them as log_putsafe has it.
using listen_owner = local_owner;

// Where a datagram goes to: what does not fit into bytes goes to more, if there is
// room. len and asker are written.
struct listen_place {
  char *bytes;
  size_t room;
  char *more;
  size_t more_room;
  size_t *len;
  listen_asker *asker;
};

struct listen_reply {
  const listen_asker *asker;
  const char *bytes;
  size_t len;
};

class listen_sockets {
 public:
  static constexpr unsigned TOGETHER_MAX = 32;  // datagrams in one call

  // Opens what LISTEN names ("" or blank: QV_DEFAULT_IP and QV_DEFAULT_PORT). False: trouble
  // tells, nothing stays open.
  bool open(std::string_view text, const listen_owner &owner, listen_trouble &trouble);

  // What the operator ought to hear about what was opened all the same: a directory
  // in which others can put something else in a UNIX socket's place.
  const std::vector<std::string> &warnings() const { return warnings_; }
  const std::vector<listen_udp> &udp() const { return udp_; }
  const std::vector<listen_local> &local() const { return local_; }
  // Does a UDP socket of ours have this port?
  bool own_port(unsigned port) const;

  // Datagrams from UDP socket i, without waiting, each to one of n places. How many, or
  // -1 with errno (EAGAIN: none there).
  int receive(unsigned i, const listen_place *places, unsigned n) const;
  // Answers from the address that was asked, without waiting. 0, or errno.
  int answer(const listen_asker &asker, const void *buf, size_t len) const;
  // The same for n answers to questions of one UDP socket. error: of the last one that
  // could not be sent, and to is who asked; 0: all were.
  int answer(const listen_reply *replies, unsigned n, listen_asker &to) const;
  // Closes this process's UNIX sockets and forgets their paths: for a worker, which
  // must not keep a path looking alive when the process that accepts is gone.
  void close_local() { local_.clear(); }
  // Removes the UNIX sockets' paths where they are still ours: at the end.
  void unlink_paths();

 private:
  bool open_all(std::string_view text, const listen_owner &owner, listen_trouble &trouble);
  bool open_one(const udp_endpoint &ep, const listen_owner &owner, listen_trouble &trouble);
  bool open_udp(const udp_endpoint &ep, listen_trouble &trouble);
  bool open_local(const udp_endpoint &ep, const listen_owner &owner, listen_trouble &trouble);

  std::vector<listen_udp> udp_;
  std::vector<listen_local> local_;
  std::vector<std::string> warnings_;
};

#endif
