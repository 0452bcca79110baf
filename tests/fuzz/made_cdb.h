// made_cdb.h - a constant database of an input's own: with raw bytes alone a fuzz
// engine would hardly ever hit upon one in which a key is found.

#ifndef TESTS_FUZZ_MADE_CDB_H
#define TESTS_FUZZ_MADE_CDB_H

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/fake_site.h"

// The records in text: each ends with 0xff, key and data have 0xfe between them.
inline std::vector<std::pair<std::string, std::string>> made_records(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> records;
  while (!text.empty() && records.size() < 64) {
    const std::string_view record = text.substr(0, text.find('\xff'));
    const size_t middle = std::min(record.find('\xfe'), record.size());
    records.emplace_back(record.substr(0, middle), record.substr(std::min(middle + 1, record.size())));
    text.remove_prefix(std::min(text.size(), record.size() + 1));
  }
  return records;
}

// A database of the records in text, but for its last bytes, which are the damage:
// two for a place and one that is written there, so many times; where cut, the file
// ends there.
inline std::string made_cdb(std::string_view text, unsigned times, bool cut) {
  std::string_view damage = text.substr(text.size() - std::min<size_t>(text.size(), 3 * times));
  text.remove_suffix(damage.size());
  std::string file = fake_cdb(made_records(text));
  for (; damage.size() >= 3; damage.remove_prefix(3)) {
    const size_t place = static_cast<unsigned char>(damage[0]) * 256u + static_cast<unsigned char>(damage[1]);
    file[place % file.size()] = damage[2];
    if (cut) file.resize(1 + place % file.size());
  }
  return file;
}

#endif
