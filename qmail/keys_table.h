// keys_table.h - control/verifykeys: the keys that daemons on different hosts share.
//
// Lines "key-id:secret[:peer prefix]": an id of 1 to 32 letters, digits, dots, dashes and
// underscores; 32 hexadecimal digits; an IP address or prefix (prefix.h), without which
// the key is for every peer. Comments and blanks as in qmail's other control files.

#ifndef QMAIL_KEYS_TABLE_H
#define QMAIL_KEYS_TABLE_H

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "prefix.h"

constexpr size_t KEY_ID_MAX = 32;

struct key_entry {
  std::string id;
  std::array<unsigned char, 16> secret;
  bool any_peer;
  ip_prefix peer;
};

class keys_table {
 public:
  // No file: nothing is signed, and nothing has to be.
  keys_table() = default;
  // The file's text. A line that cannot be read is named in complaints ("control/verifykeys
  // line 3: ...", without a full stop, safe for a log, without the secret) and is no key. A
  // file without any key lets nobody ask from beyond this host.
  keys_table(std::string_view text, std::vector<std::string> &complaints);
  // The file is there and cannot be used: nobody from beyond may ask, nothing is believed.
  static keys_table unusable();

  // Is there a file?
  bool known() const { return known_; }
  // The first key for this peer, with which questions to it are signed; null: none.
  const key_entry *for_peer(const ip_address &peer) const;
  // The key with this id, if it is for this peer; null: none.
  const key_entry *find(std::string_view id, const ip_address &peer) const;

 private:
  bool known_ = false;
  std::vector<key_entry> keys_;
};

#endif
