// trace.h - who listens to a judgement, step by step.
//
// What judges has a pointer to a trace, which is null while nobody listens: then a step
// costs a look at that pointer, and no word is put together. So the daemon, which never
// listens, pays nothing for it; address_explain does.

#ifndef ADDRESS_TRACE_H
#define ADDRESS_TRACE_H

#include <cerrno>
#include <string>
#include <string_view>

#include "address.h"
#include "steps.h"

enum class trace_step {
#define TRACE_X(symbol, step, found, sentence) symbol,
  ADDRESS_STEPS(TRACE_X)
#undef TRACE_X
};

// What there is to say of a step, all of it bytes of any kind (see struct address_step).
struct trace_seen {
  std::string_view file{};
  unsigned line = 0;
  std::string_view name{};
  int error = 0;
  std::string_view detail{};  // %d of the sentence
};

class trace {
 public:
  trace(address_told *told, void *ctx) : told_(told), ctx_(ctx) {}

  [[gnu::cold]] void step(trace_step what, const trace_seen &seen = {});

  // Steps are about another address, or another state of the host, while this lasts.
  class deeper {
   public:
    explicit deeper(trace *to) : to_(to) {
      if (to_) ++to_->depth_;
    }
    deeper(const deeper &) = delete;
    deeper &operator=(const deeper &) = delete;
    ~deeper() {
      if (to_) --to_->depth_;
    }

   private:
    trace *to_;
  };

 private:
  address_told *const told_;
  void *const ctx_;
  unsigned depth_ = 0;
};

// Bytes from outside as a sentence may have them: printable ASCII, blanks included, as it
// is but for the backslash, which is doubled; every other byte as \xNN.
std::string trace_shown(std::string_view bytes);

// The errno that is worth telling: that a file is not there says as much as ENOENT.
inline int trace_error(int error) { return error == ENOENT ? 0 : error; }

// "uid 100, gid 100"
std::string trace_ids(uid_t uid, gid_t gid);
// A mode's bits in octal digits.
std::string trace_mode(mode_t mode);

#endif
