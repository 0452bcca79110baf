// path.h - the address in MAIL FROM:<...> and RCPT TO:<...>.
//
// Follows addrparse() in qmail-smtpd.c, ip.c and RFC 821: the text after the first
// '<' up to '>', or where there is no '<' the text after the first ':' up to a
// blank; a source route, quotes and backslashes are taken out; [own address]
// becomes this host's name. What 899 bytes do not hold is refused.
//
// The argument comes in pieces and is not kept, so that its length does not
// matter; an address that is refused is measured to its end all the same.

#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ipme.h"

// The longest address, in bytes.
inline constexpr size_t PATH_ADDRESS_MAX = 899;

// An address that has been parsed: what goes into the envelope. (An argument as
// the client sent it is never this type.)
class address {
 public:
  address() = default;
  explicit address(std::string bytes) : bytes_(std::move(bytes)) {}

  // All of it. control/localiphost may have brought in a NUL byte.
  std::string_view bytes() const { return bytes_; }
  // Up to the first NUL, as qmail's strings end there: what is queued and asked.
  std::string_view text() const { return bytes_.c_str(); }
  const char *c_str() const { return bytes_.c_str(); }

  void append(std::string_view suffix) { bytes_.append(suffix); }

 private:
  std::string bytes_;
};

// What stands for this host when a client names it by its address.
struct path_host {
  const ipme &own;
  const std::optional<std::string> &name;  // nothing: literals stay as they are
};

// What came of an argument.
struct path_result {
  address parsed;   // whole only if it is not too long
  size_t size = 0;  // its length, and one for the NUL behind it: as logged
  bool too_long() const { return size > PATH_ADDRESS_MAX + 1; }
};

// Reads [a.b.c.d] at the end of an address, byte by byte.
class path_literal {
 public:
  // The last '@' so far.
  void at() { *this = path_literal(), state_ = State::bracket; }
  // A byte after it.
  void feed(char c);
  // A whole literal, and nothing behind it.
  bool complete() const { return state_ == State::closed; }
  ipme_address ip() const { return ip_; }

 private:
  enum class State { none, bracket, first_digit, digits, closed };
  void digit_or_end(char c);
  State state_ = State::none;
  size_t octet_ = 0;
  ipme_address ip_{};
};

class path_parser {
 public:
  path_parser() { begin(); }

  // A new argument.
  void begin();
  // The next bytes of it (no NUL).
  void feed(std::string_view piece);
  // That was all.
  path_result end(const path_host &host);

 private:
  enum class State {
    colon,   // no '<' yet: looking for the ':'
    blanks,  // no '<' yet: after the ':'
    first,   // at the first byte, which may begin a source route
    route,   // in a source route
    copy,    // in the address
    done     // behind it
  };
  void begin_address(State state, char terminator);
  void feed(char c);
  void copy(char c);
  void append(char c);
  State state_;
  bool angle_;  // the first '<' was there
  char terminator_;
  bool escaped_, quoted_;
  std::string kept_;   // the address, as far as it can be good
  size_t len_;         // its length
  size_t after_at_;    // what of it goes up to the last '@', that included; 0: none
  path_literal literal_;
};

#endif
