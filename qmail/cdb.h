// cdb.h - a constant database, read as qmail's cdb_seek.c reads it.
//
// Reads by position, or from a mapping (map) with the same answers, errors and
// bounds: a file that is cut short or overwritten while it is open gives an error or
// what it holds then, never a signal, and never "absent" for what was cut off.

#ifndef QMAIL_CDB_H
#define QMAIL_CDB_H

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "fd.h"
#include "look.h"
#include "mapped.h"

// The error of a look-up in a file that is no database, or not a whole one.
constexpr int CDB_DAMAGED = EBADMSG;

// The hash of a key. Keys that begin alike share the work: the longest one's is made
// once, and its last bytes are taken off again for those that are shorter.
class cdb_hash {
 public:
  cdb_hash() = default;
  explicit cdb_hash(std::string_view key) {
    for (char c : key) add(c);
  }
  void add(char c) { value_ = value_ * 33 ^ static_cast<unsigned char>(c); }
  // last: the byte that was added last.
  void drop(char last) { value_ = (value_ ^ static_cast<unsigned char>(last)) * INVERSE; }
  uint32_t value() const { return value_; }

 private:
  static constexpr uint32_t INVERSE = 0x3e0f83e1;  // of 33, in 32 bits
  uint32_t value_ = 5381;
};

class cdb {
 public:
  // Opens path, which is relative to the working directory, or to the directory open at
  // dir. failed: error is set to errno.
  Look open(const char *path, int &error, int dir = AT_FDCWD);
  // Takes over a descriptor that is open for reading.
  void adopt(unique_fd fd) {
    fd_ = std::move(fd);
    map_.reset();
    header_.have = 0;
    kept_ = header_counted_ = false;
  }
  // Reads from a mapping from now on, as far and as long as there is one (mapped.h):
  // worth it for a file that is kept open for many look-ups. What cannot be read
  // there is read by position. false: all of it is, as if this had not been called
  // (a file with less than a header, none that is regular, one of a network
  // file system, an mmap(2) that failed).
  // What is written to the file in place shows in the next look-up.
  bool map();
  bool mapped() const { return static_cast<bool>(map_); }
  // Is st (of stat(2), made anew on the path) that of the file that is mapped, as it
  // was? Then this may be kept and asked on; else the path is to be opened anew.
  // Always false where nothing is mapped, or no longer. See mapped_file::same_file.
  bool same_file(const struct stat &st) const { return map_.same_file(st); }

  // From now on at most this many reads; a look-up that needs more fails with
  // EFBIG. For a file made by somebody who may want it to be read for ever.
  void bound(uint64_t reads) { reads_left_ = reads; }

  // Is there a record with this key? Its data need not be readable (cdb_seek alone).
  Look has(std::string_view key, int &error) const { return look_up(key, cdb_hash(key).value(), nullptr, error); }

  // The data of the first record with this key. failed: a read failed (error is as
  // pread(2) has it), the file is damaged where it was read (CDB_DAMAGED),
  // or the record is larger than 1 MiB (EFBIG).
  Look find(std::string_view key, std::string &data, int &error) const { return find(key, cdb_hash(key), data, error); }
  // hash: the key's.
  Look find(std::string_view key, cdb_hash hash, std::string &data, int &error) const {
    return look_up(key, hash.value(), &data, error);
  }

  // Calls visit with each record, in the order of the file, until it returns false. The
  // views live during the call. found: to the end, or until visit had enough; failed: as
  // find has it, and CDB_DAMAGED where the records do not fill the file from its header
  // to its first table. Its reads count for bound, too.
  Look each(const std::function<bool(std::string_view key, std::string_view data)> &visit, int &error) const;

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
  Look seek(std::string_view key, uint32_t hash, place &at, int &error) const;
  bool end_of_records(uint64_t &end, int &error) const;
  bool look_up_mapped(std::string_view key, uint32_t hash, std::string *data, Look &look, int &error) const;
  Look look_up(std::string_view key, uint32_t hash, std::string *data, int &error) const;
  bool table_written(std::string_view key, int &error) const;
  unique_fd fd_;
  mapped_file map_;
  bool kept_ = false;                    // map() was called: what was read before may have changed
  mutable bool header_counted_ = false;  // a mapped look-up has paid for it
  mutable uint64_t reads_left_ = UINT64_MAX;
  mutable window header_;             // read at the first look-up; where kept_ at each
  mutable bool table_used_ = false;     // the last look-up saw a slot that is used
};

#endif
