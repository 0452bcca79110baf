// policy.h - control/verifypolicy: what the administrator says about a domain.
//
// One line a domain, "domain:word[,word]", matched as virtualdomains is, but
// without whole addresses: the domain, then each ending of it that begins with a
// dot, then the empty entry for all. The first that matches counts alone. Letters
// match whatever their case; of two lines for the same domain the last one counts.
// See qmail-verifypolicy(5).

#ifndef ADDRESS_POLICY_H
#define ADDRESS_POLICY_H

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// What a line says.
struct policy_words {
  bool off = false;            // valid without looking
  bool observe = false;        // what would be refused is logged and accepted
  bool refuse_delete = false;  // vdelivermail's "delete": unknown users are refused
  bool refuse_null = false;    // the null sender to an ezmlm list's own address
  bool ext = false;            // vpopmail built with --enable-qmail-ext
  bool follow = false;         // forwards to this host are followed
  std::vector<std::string> refuse;  // programs that always bounce when a -default leads to them

  // Is this program (its full path, as the line has it) one of refuse=?
  bool refuses(std::string_view program) const;

  unsigned line = 0;  // which one it is; 0: there is none, or the file cannot be read
  std::string text;   // as it stands in the file, as far as a sentence shows it
};

// The file, read once. A word or line that cannot be read makes its domain one
// that is only observed, and leaves a complaint.
class policy_table {
 public:
  policy_table() = default;
  // text: the whole file. complaints: one sentence for each thing that could not
  // be read, with "control/verifypolicy line N", what is wrong and what to do.
  policy_table(std::string_view text, std::vector<std::string> &complaints);
  // The table of a file that cannot be read: every domain is observed.
  static policy_table unreadable();

  // No line at all.
  bool empty() const { return entries_.empty(); }
  // The words for this domain (any case); those of no line at all where none
  // matches. Valid as long as the table.
  const policy_words &find(std::string_view domain) const;

 private:
  std::map<std::string, policy_words, std::less<>> entries_;  // by domain in lower case
};

#endif
