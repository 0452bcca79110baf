// marks.cpp - see marks.h.

#include "marks.h"

#include <algorithm>

namespace {

constexpr std::string_view MARK = "qmail-verify";

// What a line's comment at its end says, if it is one of ours: "", ": begin", ": end".
bool marked(std::string_view line, std::string_view what) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  const std::string word = std::string(MARK).append(what);
  return line.ends_with("/* " + word + " */") || line == "# " + word;
}

void take_lines(std::string_view text, std::vector<edit> &out, std::string &wrong) {
  size_t begun = text.npos;
  for (size_t pos = 0; pos < text.size();) {
    const size_t end = std::min(text.find('\n', pos), text.size() - 1) + 1;
    const std::string_view line = text.substr(pos, end - pos);
    const bool begin = marked(line, ": begin"), stop = marked(line, ": end");
    if ((begin && begun != text.npos) || (stop && begun == text.npos)) {
      wrong = "line " + std::to_string(edits_line(text, pos)) + ": a mark \"qmail-verify: " + (begin ? "begin" : "end") +
              "\" without its other one; mend it by hand";
      return;
    }
    if (begin) begun = pos;
    if (stop) out.push_back({begun, end, ""}), begun = text.npos;
    if (begun == text.npos && !stop && marked(line, "")) out.push_back({pos, end, ""});
    pos = end;
  }
  if (begun != text.npos)
    wrong = "line " + std::to_string(edits_line(text, begun)) + ": the mark \"qmail-verify: begin\" has no \"qmail-verify: end\"; mend it by hand";
}

// Where words stand outside of what is taken out already.
void take_words(std::string_view text, const std::string &words, bool line, std::vector<edit> &out) {
  for (size_t pos = 0; (pos = text.find(words, pos)) != text.npos;) {
    const size_t end = pos + words.size();
    const bool inside = std::any_of(out.begin(), out.end(), [&](const edit &e) { return pos >= e.begin && pos < e.end; });
    const bool fits = line ? pos == 0 || text[pos - 1] == '\n'
                           : end == text.size() || std::string_view(" \t\r\n\\").find(text[end]) != std::string_view::npos;
    if (inside || !fits) {
      ++pos;
      continue;
    }
    out.push_back({pos, end, ""});
    pos = end;
  }
}

}  // namespace

std::string marks_objects(std::string_view before, std::string_view behind) {
  std::string all;
  for (const std::string_view object : MARK_OBJECTS) all.append(before).append(object).append(behind);
  return all;
}

std::vector<edit> marks_out(std::string_view text, std::string &wrong) {
  std::vector<edit> out;
  take_lines(text, out, wrong);
  if (!wrong.empty()) return {};
  take_words(text, marks_objects(" ", ""), false, out);
  take_words(text, marks_objects("", "\n"), true, out);
  std::sort(out.begin(), out.end(), [](const edit &a, const edit &b) { return a.begin < b.begin; });
  return out;
}
