// explain.h - why an address got its verdict: the steps of -v, as text and as JSON.
//
// The daemon tells a verdict and no steps: they are those of a judgement made here, with
// the caller's rights. Where its verdict is another one than the daemon's, the daemon's
// counts, and the difference is told with what to do about it.

#ifndef VRFY_EXPLAIN_H
#define VRFY_EXPLAIN_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "address/address.h"
#include "asker.h"
#include "options.h"

// A step of address_explain, copied. Bytes of any kind but for step, found and text.
struct vrfy_step {
  std::string step, found, file, name, text;
  unsigned line = 0, depth = 0;
  int error = 0;

  // For address_explain: appends it to the std::vector<vrfy_step> at to.
  static void keep(void *to, const struct address_step *step);
};

// A judgement made here, and how it was made.
struct vrfy_judged {
  vrfy_answer answer;
  std::vector<vrfy_step> steps;
  bool routed = false;  // the daemon asks another server
};

// Gets each address with the answer that counts, and what is to be printed for it: the
// steps, then the line that it has without -v; with -j one JSON object.
using vrfy_explained = std::function<void(const vrfy_answer &answer, const std::string &text)>;

// Explains all of options.addresses, one after the other. False, after a message: neither
// the servers nor the qmail directory can be asked.
bool vrfy_explain(const vrfy_options &options, const vrfy_explained &explained);

// What stands before the result line of an address. answer counts; judged is the same
// answer, or differs from it. asked: answer is a daemon's.
std::string vrfy_explain_text(const vrfy_answer &answer, const vrfy_judged &judged, bool asked);

// The object, and a newline.
std::string vrfy_explain_json(const std::string &address, const vrfy_answer &answer, const vrfy_judged &judged,
                              bool asked);

// Why judged has another answer than the daemon, and what to do; empty: it has the same.
std::string vrfy_explain_difference(const vrfy_answer &answer, const vrfy_judged &judged, bool asked, bool root);

#endif
