// words.cpp - see words.h.

#include "words.h"

#include "smtp/reply.h"

namespace {

// "550 text (#5.1.1)", its end of line left out and the code put in.
std::string enhanced(std::string_view reply) {
  reply.remove_suffix(2);
  const size_t open = reply.rfind("(#"), close = reply.rfind(')');
  return std::string(reply.substr(0, 4)).append(reply.substr(open + 2, close - open - 2)).append(reply.substr(3));
}

}  // namespace

std::string gate_words_refused() { return enhanced(reply_no_mailbox); }
std::string gate_words_retry() { return enhanced(reply_verify_failure); }
