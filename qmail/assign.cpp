// assign.cpp - see assign.h.

#include "assign.h"

#include "text.h"

namespace {

constexpr unsigned COLONS = 6;  // behind the first one

// Where a file without any line ends too.
constexpr const char *END_MISSING = "is the last one: add a line with a single dot, which ends the file";

// The data of a record: what stands between the first colon and the seventh.
bool read_data(std::string_view rest, std::string &data) {
  unsigned colons = 0;
  data.clear();
  for (char c : rest) {
    if (c == ':' && ++colons == COLONS) return true;
    data += c == ':' ? '\0' : c;
  }
  return false;
}

// What is wrong with the line; nullptr: record is made of it.
const char *read_line(std::string_view line, assign_record &record) {
  const size_t colon = line.find(':');
  if (line.empty()) return "is empty: take it out";
  if (line.find('\0') != line.npos) return "has a NUL byte: take it out";
  if (colon == line.npos) return "has no colon: write =name:user:uid:gid:home:::, or take it out";
  if (colon == 0) return "begins with a colon: write = or + and a name before it";
  if (!read_data(line.substr(colon + 1), record.data))
    return "has fewer than seven colons: write =name:user:uid:gid:home:dash:ext: with a colon at its end";
  record.key = "!" + text_lower(line.substr(1, colon - 1));
  if (line.front() != '+') record.key += '\0';
  return nullptr;
}

}  // namespace

assign_table assign_read(std::string_view text) {
  assign_table table;
  unsigned number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const bool whole = end != text.npos;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(whole ? end + 1 : text.size());
    ++number;
    if (line.starts_with('.')) {
      table.end = number;
      break;
    }
    assign_record record;
    record.line = number;
    const char *wrong = read_line(line, record);
    if (!wrong && !whole) wrong = END_MISSING;
    if (wrong) {
      table.faults.push_back({number, wrong});
      continue;
    }
    const char last = line[line.find(':') - 1];
    if (record.wild() && record.key.size() > 1 && table.wild.find(last) == table.wild.npos) table.wild += last;
    table.records.push_back(std::move(record));
  }
  if (!table.end && (table.faults.empty() || table.faults.back().wrong != END_MISSING))
    table.faults.push_back({number, END_MISSING});
  return table;
}

bool assign_split(std::string_view data, assign_fields &f) {
  if (!text_field(data, f.user) || !text_field(data, f.uid) || !text_field(data, f.gid) || !text_field(data, f.home) ||
      !text_field(data, f.dash))
    return false;
  f.ext = data.substr(0, data.find('\0'));
  return true;
}
