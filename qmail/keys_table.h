// keys_table.h - control/verifykeys: the keys that daemons on different hosts share.
//
// Lines "key-id:secret[:peer prefix]": an id of 1 to 32 letters, digits, dots, dashes and
// underscores; 32 hexadecimal digits; an IP address or prefix (prefix.h), without which
// the key is for every peer. Comments and blanks as in qmail's other control files.
// An id may stand twice for peers that have nothing in common; of two lines for the same
// peer the first counts, and the other one is complained about.

#ifndef QMAIL_KEYS_TABLE_H
#define QMAIL_KEYS_TABLE_H

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "control.h"
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
  // line 3: ...", without a full stop, safe for a log, without anything of the line, which
  // may hold the secret anywhere) and is no key. A file without any key lets nobody ask from
  // beyond this host.
  keys_table(std::string_view text, std::vector<std::string> &complaints);
  // The file is there and cannot be used: nobody from beyond may ask, nothing is believed.
  static keys_table unusable();

  // Is there a file?
  bool known() const { return known_; }
  // Is there one that cannot be used? Without a key for a server nothing is known to be from it then.
  bool is_unusable() const { return unusable_; }
  // The first key for this peer, with which questions to it are signed; null: none.
  const key_entry *for_peer(const ip_address &peer) const;
  // The key with this id, if it is for this peer; null: none.
  const key_entry *find(std::string_view id, const ip_address &peer) const;

 private:
  bool known_ = false, unusable_ = false;
  std::vector<key_entry> keys_;
};

// 1 to KEY_ID_MAX of the bytes that an id may have.
bool keys_id_good(std::string_view id);

// ---- the file

// What keeps a file with this status from being used by a process of this (effective) user:
// it has to be a regular one, root's, or the user's own where that is not root, and closed to
// group and others. "" where it may be; else "belongs to uid 1000" or the like, for a sentence
// that begins with the file's name and ends with KEYS_FILE_ADVICE.
std::string keys_file_trouble(const struct stat &st, uid_t user);
constexpr char KEYS_FILE_ADVICE[] = "chown root and chmod 600 it";

// Reads control/verifykeys below the directory that is open at dir, if this process may use it:
// what is looked at is the file that was opened, whatever stands at its path by then. Where it
// failed (error is EPERM for owner and mode, EFBIG for one of more than a mebibyte), text is a
// sentence that names the file, what is wrong and what to do, without a full stop.
control_text keys_file_read(int dir = AT_FDCWD);

#endif
