// cdb_make.h - writes a constant database, as cdbmake does.
//
// The records go to the descriptor as they come; what is kept of each is eight bytes, for
// the tables behind them. The file is whole, and may be given its name, only when finish
// has returned 0: until then its header is empty.

#ifndef QMAIL_CDB_MAKE_H
#define QMAIL_CDB_MAKE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

class cdb_make {
 public:
  // fd: open for writing, an empty regular file; it is not closed here. largest: for
  // tests; no database is larger than its 32-bit numbers can say.
  explicit cdb_make(int fd, uint64_t largest = UINT32_MAX) : fd_(fd), largest_(largest) {}

  // Adds a record; of several with one key look-ups find the first. 0, or errno: as
  // write(2) has it, EFBIG where the database would become larger than 4 GiB. After an
  // error every call fails with it.
  int add(std::string_view key, std::string_view data);
  // Writes the tables and the header. 0, or errno. To be called once, last. The file has
  // not been synced.
  int finish();

 private:
  struct slot {
    uint32_t hash = 0;
    uint32_t at = 0;
  };
  int put(std::string_view bytes);
  int flush();
  int table(const slot *begin, const slot *end);
  bool has_room(uint64_t more);

  const int fd_;
  const uint64_t largest_;
  uint64_t size_ = 0;  // of the file, with what is held
  std::string held_;
  std::vector<slot> slots_;  // of all records
  int error_ = 0;
};

#endif
