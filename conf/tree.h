// tree.h - a directory that is there whole, or not at all.
//
// It is made beside its place, under a name that begins with a dot (svscan passes over
// such), and takes its place by one rename when everything is in it.

#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <sys/types.h>

#include <string>

// Who a directory belongs to; -1: who makes it.
struct conf_owner {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
};

class conf_tree {
 public:
  // place: a full path, with slashes at its end or without; its parent exists. Throws
  // conf_failure where something is there already, or nothing can be made beside it.
  explicit conf_tree(std::string place);
  // Takes everything away unless put() has been called.
  ~conf_tree();
  conf_tree(const conf_tree &) = delete;
  conf_tree &operator=(const conf_tree &) = delete;

  // Makes a directory, or a file with this text, at a relative path whose folder has
  // been made; the mode is exact. They throw conf_failure.
  void directory(const std::string &path, mode_t mode, conf_owner owner = {});
  void file(const std::string &path, mode_t mode, const std::string &text);
  // Where it is being made, for a program that makes a file of its own in it.
  const std::string &making() const { return making_; }

  // Gives it its name. Throws conf_failure where something has come there meanwhile.
  void put();

 private:
  std::string place_, making_;
  bool done_ = false;
};

#endif
