// guard.h - a look that may never come back is announced before it is made.
//
// What watches over looks is given from outside (struct address_guard): who it is
// does not matter here, and there may be nobody.

#ifndef ADDRESS_GUARD_H
#define ADDRESS_GUARD_H

#include <sys/types.h>

#include <string>
#include <utility>

#include "address.h"

class look_guard {
 public:
  void set(const address_guard *guard) { guard_ = guard ? *guard : address_guard{}; }

  // Before each look: 0, or the errno that it is to have without being made.
  int look(const std::string &path, uid_t uid) const {
    const int error = guard_.look ? guard_.look(guard_.ctx, path.c_str(), uid) : 0;
    refused_ = refused_ || error != 0;
    return error;
  }
  // Has a look been refused since it was last asked?
  bool refused() const { return std::exchange(refused_, false); }
  // After the last one of a visit.
  void done() const {
    if (guard_.done) guard_.done(guard_.ctx);
  }

 private:
  address_guard guard_{};
  mutable bool refused_ = false;
};

// Calls done at its end.
class look_guarded {
 public:
  explicit look_guarded(const look_guard &guard) : guard_(guard) {}
  look_guarded(const look_guarded &) = delete;
  look_guarded &operator=(const look_guarded &) = delete;
  ~look_guarded() { guard_.done(); }

 private:
  const look_guard &guard_;
};

#endif
