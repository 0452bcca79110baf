// edits.cpp - see edits.h.

#include "edits.h"

#include <algorithm>

namespace {

constexpr size_t CONTEXT = 3;

// The whole lines of a text.
class line_table {
 public:
  explicit line_table(std::string_view text) : text_(text) {
    for (size_t begin = 0; begin < text.size(); begin = std::min(text.find('\n', begin), text.size() - 1) + 1)
      begins_.push_back(begin);
  }
  size_t count() const { return begins_.size(); }
  size_t begin(size_t line) const { return line < count() ? begins_[line] : text_.size(); }
  std::string_view at(size_t line) const { return text_.substr(begin(line), begin(line + 1) - begin(line)); }
  // The line that has the byte at pos; count() behind the last one.
  size_t of(size_t pos) const {
    if (pos >= text_.size()) return text_.ends_with('\n') || text_.empty() ? count() : count() - 1;
    return static_cast<size_t>(std::upper_bound(begins_.begin(), begins_.end(), pos) - begins_.begin()) - 1;
  }

 private:
  std::string_view text_;
  std::vector<size_t> begins_;
};

// Lines from begin to end, without the last, that become the lines of text.
struct change {
  size_t begin, end;
  std::string text;
};

// The lines that an edit touches: one of which it leaves a part is touched. Whole lines that
// it puts in touch none.
change touched(const line_table &lines, const edit &e) {
  const size_t begin = lines.of(e.begin);
  if (e.begin == e.end && lines.begin(begin) == e.begin && e.text.ends_with('\n')) return {begin, begin, {}};
  size_t end = begin;
  while (lines.begin(end) < e.end) ++end;
  const bool whole = lines.begin(begin) == e.begin && lines.begin(end) == e.end && e.end > e.begin;
  if (!whole && lines.begin(end) == e.end && end < lines.count()) ++end;  // what follows is joined to it
  return {begin, end, {}};
}

std::vector<change> changes(std::string_view text, const std::vector<edit> &edits, const line_table &lines) {
  std::vector<change> out;
  size_t done = 0;  // bytes of the text that stand in the last change
  const auto fill = [&](size_t end) { out.back().text.append(text.substr(done, end - done)), done = end; };
  for (const edit &e : edits) {
    const change next = touched(lines, e);
    if (out.empty() || next.begin > out.back().end) {
      if (!out.empty()) fill(std::max(done, lines.begin(out.back().end)));
      out.push_back(next);
      done = lines.begin(next.begin);
    }
    out.back().end = std::max(out.back().end, next.end);
    fill(e.begin);
    out.back().text += e.text;
    done = e.end;
  }
  if (!out.empty()) fill(std::max(done, lines.begin(out.back().end)));
  return out;
}

void put(std::string &out, char mark, std::string_view line) {
  out.append(1, mark).append(line);
  if (!line.ends_with('\n')) out.append("\n\\ No newline at end of file\n");
}

// "@@ -BEGIN,COUNT": a hunk without lines stands behind the line that it names.
std::string range(size_t begin, size_t count) {
  return std::to_string(count ? begin + 1 : begin) + "," + std::to_string(count);
}

// One hunk: the changes from first to last, without the last. moved: by how many lines
// what stands before has grown.
std::string hunk(const line_table &lines, const change *first, const change *last, long &moved) {
  const size_t begin = first->begin - std::min(first->begin, CONTEXT);
  const size_t end = std::min(last[-1].end + CONTEXT, lines.count());
  std::string body;
  size_t at = begin, made = 0;
  const auto keep = [&](size_t to) {
    for (; at < to; ++at, ++made) put(body, ' ', lines.at(at));
  };
  for (const change *c = first; c != last; ++c) {
    keep(c->begin);
    for (; at < c->end; ++at) put(body, '-', lines.at(at));
    const line_table fresh(c->text);
    for (size_t i = 0; i < fresh.count(); ++i, ++made) put(body, '+', fresh.at(i));
  }
  keep(end);
  const std::string head = "@@ -" + range(begin, end - begin) + " +" +
                           range(static_cast<size_t>(static_cast<long>(begin) + moved), made) + " @@\n";
  moved += static_cast<long>(made) - static_cast<long>(end - begin);
  return head + body;
}

}  // namespace

std::string edits_apply(std::string_view text, const std::vector<edit> &edits) {
  std::string out;
  size_t done = 0;
  for (const edit &e : edits) {
    out.append(text.substr(done, e.begin - done)).append(e.text);
    done = e.end;
  }
  return out.append(text.substr(done));
}

std::string edits_diff(std::string_view name, std::string_view text, const std::vector<edit> &edits) {
  if (edits.empty()) return {};
  const line_table lines(text);
  const std::vector<change> all = changes(text, edits, lines);
  std::string out = "--- ";
  out.append(name).append("\n+++ ").append(name).append("\n");
  long moved = 0;
  for (size_t i = 0; i < all.size();) {
    size_t next = i + 1;
    while (next < all.size() && all[next].begin - all[next - 1].end <= 2 * CONTEXT) ++next;
    out += hunk(lines, &all[i], all.data() + next, moved);
    i = next;
  }
  return out;
}

size_t edits_line(std::string_view text, size_t pos) {
  const std::string_view before = text.substr(0, pos);
  return 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
}
