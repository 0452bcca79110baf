// tree.h - the folder of a qmail's source: what is to be done with each file of it, and all
// of that done, or nothing.

#ifndef NETQMAIL_TREE_H
#define NETQMAIL_TREE_H

#include <string>
#include <vector>

#include "migrate/edits.h"
#include "migrate/file.h"

// A file that is changed, made or removed.
struct tree_change {
  std::string path;
  bool there;         // it is there now
  file_read old;      // there
  bool wanted;        // it is to be there
  std::string text;   // wanted: what is to be in it
  std::vector<edit> edits;  // there and wanted: how that comes about
};

// What comes of looking at it.
struct tree_plan {
  std::vector<tree_change> changes;  // what is as it is to be is not among them
  std::vector<std::string> remarks;  // sentences, printable
  std::string wrong;  // why nothing can be done, a sentence without a full stop, printable; empty: it can
  bool trouble = false;  // wrong: a file could not be read, rather than understood
};

// Puts the question into the source in folder. ours: the folder of qmail-verify's source.
tree_plan tree_add(const std::string &folder, const std::string &ours);
// Takes it out again.
tree_plan tree_undo(const std::string &folder, const std::string &ours);

// The changes as a unified diff; what is only copied or removed has a line each.
std::string tree_diff(const tree_plan &plan);

// Makes all changes. Why not, a sentence as above; then all files are as they were, unless it
// says which one is not. Empty: they are made.
std::string tree_write(const tree_plan &plan);

#endif
