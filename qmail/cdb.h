// cdb.h - a constant database, read as qmail's cdb_seek.c reads it.
//
// Reads by position and never maps the file: one that is cut short or
// overwritten while it is open gives an error, not a signal.

#ifndef QMAIL_CDB_H
#define QMAIL_CDB_H

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "fd.h"
#include "look.h"

// The error of a look-up in a file that is no database, or not a whole one.
constexpr int CDB_DAMAGED = EBADMSG;

class cdb {
 public:
  // Opens path. failed: error is set to errno.
  Look open(const char *path, int &error);
  // Takes over a descriptor that is open for reading.
  void adopt(unique_fd fd) {
    fd_ = std::move(fd);
    header_.have = 0;
  }
  // From now on at most this many reads; a look-up that needs more fails with
  // EFBIG. For a file made by somebody who may want it to be read for ever.
  void bound(uint64_t reads) { reads_left_ = reads; }

  // Is there a record with this key? Its data need not be readable (cdb_seek alone).
  Look has(std::string_view key, int &error) const;

  // The data of the first record with this key. failed: a read failed (error is as
  // pread(2) has it), the file is damaged where it was read (CDB_DAMAGED),
  // or the record is larger than 1 MiB (EFBIG).
  Look find(std::string_view key, std::string &data, int &error) const;

  // May a key that is absent be believed to be? Is the header whole (it is what a
  // writer writes last: the tables that it names lie one behind the other, and where
  // it names none there is nothing behind it), and is there anything in the table
  // where the key would be, if it has one? If not (error: CDB_DAMAGED, or as pread(2)
  // has it) the key may well have been there. To be asked behind find or has.
  bool sound(std::string_view key, int &error) const;

 private:
  static constexpr size_t HEADER = 2048;
  // What was read in one go, perhaps less than was wanted.
  struct window {
    unsigned long long pos = 0;
    size_t have = 0;
    char bytes[HEADER];
  };
  struct place {
    unsigned long long pos = 0;
    uint32_t len = 0;
    window ahead;
  };
  ssize_t read_once(char *buf, size_t len, unsigned long long pos, int &error) const;
  bool read(char *buf, size_t len, unsigned long long pos, int &error) const;
  bool read(char *buf, size_t len, unsigned long long pos, const window &ahead, int &error) const;
  bool read_ahead(window &ahead, size_t len, unsigned long long pos, int &error) const;
  bool read_header(char *buf, size_t len, unsigned long long pos, int &error) const;
  Look match(std::string_view key, unsigned long long pos, const window &ahead, int &error) const;
  Look seek(std::string_view key, place &at, int &error) const;
  bool table_written(std::string_view key, int &error) const;
  unique_fd fd_;
  mutable uint64_t reads_left_ = UINT64_MAX;
  mutable window header_;  // read at the first look-up
  mutable bool table_used_ = false;  // the last look-up saw a slot that is used
};

#endif
