// edits.h - changes to a text: what they make of it, and how they are shown.

#ifndef MIGRATE_EDITS_H
#define MIGRATE_EDITS_H

#include <string>
#include <string_view>
#include <vector>

// The bytes from begin to end, without the last, become text.
struct edit {
  size_t begin, end;
  std::string text;
};

// Something to be told about a text.
struct remark {
  size_t line;  // counted from 1; 0: about the whole text
  std::string text;
  bool left;  // the administrator has to do something
};

// What is to be done with a file.
struct migration {
  std::vector<edit> edits;  // in order, none within or over another
  std::vector<remark> remarks;
};

// The text as the edits make it.
std::string edits_apply(std::string_view text, const std::vector<edit> &edits);

// The same as a unified diff with three lines of context, which patch(1) takes; name
// stands in its head. Empty where there are no edits.
std::string edits_diff(std::string_view name, std::string_view text, const std::vector<edit> &edits);

// The number of the line that has the byte at pos, counted from 1.
size_t edits_line(std::string_view text, size_t pos);

#endif
