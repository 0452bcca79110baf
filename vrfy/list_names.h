// list_names.h - a set of names of which there may be millions: addresses, or what stands
// before their @. Eight bytes for each beside its own, and no more.

#ifndef VRFY_LIST_NAMES_H
#define VRFY_LIST_NAMES_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

class list_names {
 public:
  // Longer names are left out: none of them can be delivered to (QV_ADDRESS_MAX).
  static constexpr size_t NAME_MAX_BYTES = 2047;

  // Adds a name of bytes of any kind. pattern: it is not a name but stands for many.
  void add(std::string_view name, bool pattern);
  // Sorts by bytes, and drops doubles; of a name and a pattern with the same bytes the
  // pattern stays. What is below counts from then on, until the next add.
  void settle();

  size_t size() const { return refs_.size(); }
  std::string_view operator[](size_t i) const { return text(refs_[i]); }
  bool pattern(size_t i) const { return refs_[i] & 1; }
  // The first one that is not less than from; size() where there is none.
  size_t lower_bound(std::string_view from) const;
  bool has_pattern(std::string_view name) const;
  void clear();

 private:
  // chunk, offset in it, length, pattern: 32, 20, 11 and 1 bits
  using ref = uint64_t;
  static constexpr size_t CHUNK = size_t{1} << 20;
  std::string_view text(ref r) const {
    return {chunks_[r >> 32].get() + (r >> 12 & (CHUNK - 1)), r >> 1 & NAME_MAX_BYTES};
  }

  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t used_ = CHUNK;  // of the last chunk
  std::vector<ref> refs_;
};

#endif
