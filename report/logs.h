// logs.h - the lines of log files: multilog's directories, files, standard input;
// compressed ones through gzip(1).
//
// A directory's files are read in the order of their times: @....s and @....u, compressed
// or not, then current. It may be in use: what multilog renames or removes meanwhile is
// neither read twice nor an error. Only regular files are read there: whoever owns a log
// directory need not be trusted.

#ifndef REPORT_LOGS_H
#define REPORT_LOGS_H

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "qmail/fd.h"

// A longer line is of none of our programs, and comes as an empty one.
constexpr size_t REPORT_LINE_MAX = 8192;

class report_logs {
 public:
  // A line without its newline, and which log it is of: each directory is one, and all
  // files that were named are one.
  using taker = std::function<void(std::string_view line, unsigned source)>;
  // How much has been read, of how much (0: not known), in bytes.
  using watcher = std::function<void(long long done, long long total)>;

  // Takes a directory, a file, or "-", standard input. False after a message on standard
  // error where there is nothing to be read.
  bool add(const std::string &path);

  // Reads all of it. False after messages on standard error where something could not
  // be read to its end.
  bool read(const taker &take, const watcher &watch);

 private:
  struct file {
    std::string path;
    unsigned source;
    unique_fd fd;          // of current, which is held; else it is opened when it is its turn
    bool in_directory;
    long long size;
  };
  bool add_directory(const std::string &path);
  bool read_file(file &f, const taker &take);
  bool read_compressed(file &f, const taker &take);
  bool read_lines(int fd, const file &f, const taker &take);

  std::vector<file> files_;
  unsigned directories_ = 0;
  watcher watch_;
  long long done_ = 0, total_ = 0;
  bool total_known_ = true;
};

#endif
