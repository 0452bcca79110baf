// clients.h - control/verifyclients: who may ask from beyond this host.
//
// One address or prefix a line (prefix.h), comments and blanks as in qmail's other
// control files. It counts for questions by UDP that come to an address that is not
// loopback; loopback clients and the UNIX socket need no line.

#ifndef QMAIL_CLIENTS_H
#define QMAIL_CLIENTS_H

#include <string>
#include <string_view>
#include <vector>

#include "prefix.h"

class clients_table {
 public:
  // No file: everybody may ask, and the daemon says so again and again.
  clients_table() = default;
  // The file's text. A line that cannot be read is named in complaints ("control/
  // verifyclients line 3: ...", without a full stop, safe for a log) and lets nobody
  // in. A file without any line that can be read lets in nobody from beyond this host.
  clients_table(std::string_view text, std::vector<std::string> &complaints);
  // The file is there and cannot be read: nobody from beyond may ask.
  static clients_table nobody();

  // Is there a file?
  bool known() const { return known_; }
  // Loopback, or in the file. Also where there is no file: true.
  bool may_ask(const ip_address &ip) const;

 private:
  bool known_ = false;
  std::vector<ip_prefix> prefixes_;
};

#endif
