// list_known.h - the names in databases that catch-alls read: users of vpopmail and
// vmailmgr, keys of fastforward.
//
// Which databases those are, and as what a name is looked for in them, the steps of a
// judgement tell (address_explain): each key in which the name that nobody has stands is
// one in which another name may stand.

#ifndef VRFY_LIST_KNOWN_H
#define VRFY_LIST_KNOWN_H

#include <string>
#include <string_view>

#include "address/address.h"
#include "address/policy.h"
#include "address/route.h"
#include "list.h"
#include "list_judge.h"

class list_known {
 public:
  // All are referred to. The control files are read.
  list_known(struct address *judge, lint_host &host, const address_settings &settings, list_judge &to,
             list_trouble &trouble);

  // Asks to about each name that might be accepted where this pattern stands.
  void names(std::string_view pattern);

 private:
  // A key that was looked for, with the name that nobody has in it.
  struct look {
    bool fastforward = false, vpopmail = false;
    std::string file, key;
    bool operator==(const look &) const = default;
  };
  struct looks;
  static void told(void *ctx, const address_step *step);
  bool open(const std::string &address, const std::string &path, unique_fd &fd);
  void read(const look &l, unique_fd fd, std::string_view pattern);
  void text(unique_fd fd, const look &l, std::string_view pattern);
  void take(std::string_view key, const look &l, std::string_view pattern);
  void user(std::string_view key, const look &l, std::string_view pattern);
  void forward(std::string_view key, const look &l, std::string_view pattern);

  struct address *judge_;
  lint_host &host_;
  const address_settings &settings_;
  list_judge &to_;
  list_trouble &trouble_;
  route_tables tables_;
  policy_table policy_;
};

#endif
