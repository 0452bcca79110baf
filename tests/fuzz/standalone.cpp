// standalone.cpp - a main for the fuzz targets where there is no fuzz engine.
//
// Runs each file given, or every file in each directory given, once through
// LLVMFuzzerTestOneInput and prints how many there were. Exit status: 0, 1 where
// there was nothing to run, 2 where something given cannot be read. What a
// target finds wrong ends it with a signal, the file's name being the last line
// printed with -v.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace fs = std::filesystem;

namespace {

struct Unreadable {
  fs::path path;
};

void collect(const fs::path &given, std::vector<fs::path> &files) {
  if (!fs::is_directory(given)) {
    files.push_back(given);
    return;
  }
  for (const auto &entry : fs::recursive_directory_iterator(given))
    if (entry.is_regular_file()) files.push_back(entry.path());
}

// Runs one file from a buffer of exactly its size, so that a sanitizer sees
// whoever reads a byte too far.
void run(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw Unreadable{path};
  const std::vector<uint8_t> data(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(data.data(), data.size());
}

}  // namespace

int main(int argc, char **argv) try {
  const bool verbose = argc > 1 && !std::strcmp(argv[1], "-v");
  std::vector<fs::path> files;
  for (int i = verbose ? 2 : 1; i < argc; ++i) collect(argv[i], files);
  std::sort(files.begin(), files.end());
  for (const auto &file : files) {
    if (verbose) {
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);
    }
    run(file);
  }
  std::printf("%zu inputs run\n", files.size());
  return files.empty() ? 1 : 0;
} catch (const Unreadable &u) {
  std::fprintf(stderr, "cannot read %s\n", u.path.c_str());
  return 2;
} catch (const fs::filesystem_error &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
