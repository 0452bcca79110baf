// smtpd.h - what is put into the source of a qmail-smtpd, and where.
//
// Places are found by what stands there:
//
//   RCPT   before the statement that adds the recipient to the envelope,
//          stralloc_cats(&LIST,"T"): all other tests are behind it then
//   DATA   before qmail_open, in the function that replies 354 and has forgotten MAIL
//          by then (seenmail = 0)
//   and behind the last #include
//
// What is put in is whole lines with marks (marks.h).

#ifndef NETQMAIL_SMTPD_H
#define NETQMAIL_SMTPD_H

#include <string>
#include <string_view>
#include <vector>

#include "migrate/edits.h"

// Something that is not as expected.
struct refusal {
  size_t line = 0;   // of the file, from 1; 0: of the file as a whole
  std::string why;   // a sentence without a full stop; empty: nothing is wrong
};

// The changes to a source without them. Nothing, and refused tells why, where it is not
// understood.
std::vector<edit> smtpd_edits(std::string_view text, refusal &refused);

#endif
