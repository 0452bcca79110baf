// fuzz_cdb.cpp - any bytes as users/cdb: every look-up ends, and says what failed.

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "qmail/cdb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unique_fd fd(memfd_create("cdb", MFD_CLOEXEC));
  if (!fd || write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  cdb db;
  db.adopt(std::move(fd));
  std::string found;
  for (std::string_view key : {std::string_view(""), std::string_view("!"), std::string_view("!joe\0", 5),
                               std::string_view("!joe-")}) {
    int error = 0;
    if (db.find(key, found, error) == Look::failed && error == 0) abort();
  }
  return 0;
}
