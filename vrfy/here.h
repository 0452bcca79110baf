// here.h - this process judges by itself, with the rights of its caller.

#ifndef VRFY_HERE_H
#define VRFY_HERE_H

#include <memory>
#include <set>
#include <string>

#include "address/address.h"
#include "asker.h"
#include "options.h"

// The host of options.qmail, as address.h judges it. What an operator should know is
// said on standard error, each sentence once.
class vrfy_host {
 public:
  // Null after a message.
  static std::unique_ptr<vrfy_host> open(const vrfy_options &options);
  ~vrfy_host();
  vrfy_host(const vrfy_host &) = delete;
  vrfy_host &operator=(const vrfy_host &) = delete;

  struct address *get() { return address_; }

 private:
  vrfy_host() = default;
  static void note(void *ctx, const char *sentence);

  std::set<std::string> said_;
  struct address *address_ = nullptr;
};

// The question about an address, with the sender that the options name. Points into
// both.
address_question vrfy_question(const vrfy_options &options, const std::string &address);

// Null after a message.
std::unique_ptr<vrfy_asker> vrfy_here(const vrfy_options &options);

#endif
