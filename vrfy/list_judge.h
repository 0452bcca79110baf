// list_judge.h - what may be a line of the list is judged here, and what is not refused
// becomes one.

#ifndef VRFY_LIST_JUDGE_H
#define VRFY_LIST_JUDGE_H

#include <string>
#include <vector>

#include "address/address.h"
#include "list.h"
#include "nobody.h"
#include "progress.h"

class list_judge {
 public:
  // Lines go to to, what cannot be judged to trouble. All are referred to.
  list_judge(struct address *host, list_names &to, list_trouble &trouble) : host_(host), to_(to), trouble_(trouble) {}

  // Judges a line, now or later: an address as it is; of a pattern, an address with a name
  // that nobody has in the place of each *.
  void ask(std::string_view line, bool pattern);
  // Judges what is left. This process has its own ids again then.
  void end();

  // The patterns for which a dot-qmail file decided by what its lines say: databases that
  // they read may have names. Settled by end.
  list_names &read_files() { return read_files_; }
  // The name that nobody has: letters and digits.
  const std::string &nobody() const { return nobody_; }

 private:
  struct one {
    std::string line, address;
    bool pattern = false;
  };
  void judge();
  static void judged(void *ctx, unsigned i, address_answer *answer);

  struct address *host_;
  list_names &to_;
  list_names read_files_;
  list_trouble &trouble_;
  const std::string nobody_ = vrfy_nobody();
  std::vector<one> batch_;
  vrfy_progress progress_;
  unsigned long judged_ = 0;
};

#endif
