// local.h - the connections to the UNIX sockets, in the process that judges nothing.
//
// Every connection is non-blocking and carries any number of questions, each with a
// ticket of its own by which its answer finds the way back. A connection that is
// gone when its answer comes is nobody's loss. Who asks is known (SO_PEERCRED);
// connections are bounded in number for each uid and in all, and closed when they
// have been idle. A peer that ends its side (close, shutdown, death) is gone: what it
// has asked and not been answered is forgotten. One that does not read its answers is
// closed when its socket is full. Nothing here waits, and memory is fixed.

#ifndef DAEMON_LOCAL_H
#define DAEMON_LOCAL_H

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

constexpr unsigned LOCAL_MAX = 1024;         // connections in all
constexpr unsigned LOCAL_UID_MAX = 512;      // connections of one uid
constexpr long long LOCAL_IDLE_MS = 60000;   // without a question or an answer
constexpr long long LOCAL_PAUSE_MS = 1000;   // without descriptors or memory for one more
constexpr long long LOCAL_NOTE_MS = 60000;   // the same kind of trouble is noted once in that time

class local_connections {
 public:
  // A question of at most QV_QUESTION_MAX bytes, never empty: datagram lives during the
  // call. The answer may be given within it. It must not call serve or expire. Tickets
  // never repeat and are never 0.
  using question = std::function<void(uint64_t ticket, uid_t uid, const char *datagram, size_t len)>;
  // Sentences without a full stop, in our own words.
  using note = std::function<void(const std::string &sentence)>;

  // The note is called from serve. Throws std::bad_alloc at the start only.
  explicit local_connections(note to);
  // Ends all connections. In a process that was forked off by the one which made this
  // object it closes copies of descriptors only, and ends no connection: a worker has
  // to do that at once, so that it keeps nobody's connection open.
  ~local_connections();
  local_connections(const local_connections &) = delete;
  local_connections &operator=(const local_connections &) = delete;

  // From now on connections to this listening, non-blocking socket are taken; it stays
  // the caller's, and open as long as this object. False: no memory or descriptors
  // (errno).
  bool listen_to(int fd);
  // Readable where there is something to do: an epoll descriptor.
  int fd() const;
  // Takes what there is: new connections, questions, ends. Bounded work in one call;
  // fd() stays readable where there is more. now_ms: a clock that is never set.
  void serve(long long now_ms, const question &ask);
  // Sends an answer; ticket may be one whose connection is gone.
  void answer(uint64_t ticket, const void *bytes, size_t len);
  // About once a second: closes what has been idle too long, and listens again where
  // descriptors were short.
  void expire(long long now_ms);
  // How many connections there are.
  unsigned count() const;

 private:
  struct state;
  state *state_;
};

#endif
