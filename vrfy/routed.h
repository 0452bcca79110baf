// routed.h - an address that this host does not deliver itself: whom would the daemon ask?

#ifndef VRFY_ROUTED_H
#define VRFY_ROUTED_H

#include <string>

#include "explain.h"
#include "here.h"

// control/verifyroutes and what it follows, read when that is first wanted.
class vrfy_routed {
 public:
  explicit vrfy_routed(const vrfy_options &options) : options_(options) {}

  // Adds what the file says about an address that was judged to be remote, before the verdict
  // among its steps. No step where there is no such file. judged.routed: a server is asked.
  void tell(vrfy_host &host, const std::string &address, vrfy_judged &judged);

 private:
  const vrfy_options &options_;
};

#endif
