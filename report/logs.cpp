// logs.cpp - see logs.h.

#include "logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "vrfy/say.h"

namespace {

constexpr size_t PIECE = 262144;

// "@", 24 hexadecimal digits, ".s" or ".u", and perhaps ".gz".
bool is_rotated(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  return name.size() == 27 && name[0] == '@' && (name.ends_with(".s") || name.ends_with(".u")) &&
         name.substr(1, 24).find_first_not_of("0123456789abcdef") == name.npos;
}

bool read_names(const std::string &path, std::vector<std::string> &names) {
  const std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir(path.c_str()), closedir);
  if (!dir) return false;
  errno = 0;
  while (const dirent *entry = readdir(dir.get()))
    if (is_rotated(entry->d_name)) names.push_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return errno == 0;
}

int open_log(const std::string &path, bool in_directory) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (in_directory ? O_NONBLOCK : 0));
}


long long size_of(int fd) {
  struct stat st{};
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

bool trouble(const std::string &path, int error) {
  vrfy_say_errno(vrfy_safe_sentence(path), error);
  return false;
}

bool trouble(const std::string &path, const char *what) {
  vrfy_say(vrfy_safe_sentence(path) + ": " + what);
  return false;
}

bool is_compressed(const char *bytes, size_t size) { return size >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0; }

// Cuts what is read into lines.
class splitter {
 public:
  splitter(const report_logs::taker &take, unsigned source) : take_(take), source_(source) {}

  void put(std::string_view text) {
    size_t end;
    while ((end = text.find('\n')) != text.npos) {
      if (rest_.empty()) {
        give(text.substr(0, end));
      } else {
        add(text.substr(0, end));
        give(rest_);
        rest_.clear();
      }
      text.remove_prefix(end + 1);
    }
    add(text);
  }

  // The last one, which has no newline.
  void end() {
    if (!rest_.empty()) give(rest_);
  }

 private:
  // No more than tells that it is too long.
  void add(std::string_view text) { rest_.append(text.substr(0, REPORT_LINE_MAX + 1 - rest_.size())); }
  void give(std::string_view line) { take_(line.size() > REPORT_LINE_MAX ? std::string_view() : line, source_); }

  const report_logs::taker &take_;
  const unsigned source_;
  std::string rest_;
};

// gzip -dc from a descriptor; its output is in out. -1: it could not be started.
pid_t start_gzip(int from, unique_fd &out) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) == -1) return -1;
  out.reset(ends[0]);
  const unique_fd to(ends[1]);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const char *const arguments[] = {"gzip", "-dc", nullptr};
  if (dup2(from, 0) != -1 && dup2(to.get(), 1) != -1) execvp("gzip", const_cast<char *const *>(arguments));
  _exit(127);
}

bool gzip_ended_well(pid_t pid, const std::string &path) {
  int status;
  while (waitpid(pid, &status, 0) == -1)
    if (errno != EINTR) return trouble(path, errno);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  const bool not_run = WIFEXITED(status) && WEXITSTATUS(status) == 127;
  return trouble(path, not_run ? "gzip could not be run: install it, or unpack the file"
                               : "gzip could not read it to its end");
}

}  // namespace

bool report_logs::add(const std::string &path) {
  if (path == "-") {
    total_known_ = false;
    files_.push_back({"standard input", 0, unique_fd(dup(STDIN_FILENO)), false, 0});
    return files_.back().fd ? true : trouble("standard input", errno);
  }
  struct stat st{};
  if (stat(path.c_str(), &st) == -1) return trouble(path, errno);
  if (S_ISDIR(st.st_mode)) return add_directory(path);
  if (!S_ISREG(st.st_mode)) total_known_ = false;
  total_ += S_ISREG(st.st_mode) ? st.st_size : 0;
  files_.push_back({path, 0, {}, false, st.st_size});
  return true;
}

// current before the others are listed: what is renamed afterwards is not in the list.
bool report_logs::add_directory(const std::string &path) {
  const std::string current = path + "/current";
  std::vector<std::string> names;
  unique_fd fd(open_log(current, true));
  if (!fd && errno != ENOENT) return trouble(current, errno);
  if (!read_names(path, names)) return trouble(path, errno);
  if (!fd && names.empty())
    return trouble(path, "there is neither current nor @*.s in it: name the directory that multilog writes to");
  ++directories_;
  for (const std::string &name : names) {
    struct stat st{};
    const std::string whole = path + '/' + name;
    if (stat(whole.c_str(), &st) == -1 && errno == ENOENT) continue;
    total_ += st.st_size;
    files_.push_back({whole, directories_, {}, true, st.st_size});
  }
  if (!fd) return true;
  const long long size = size_of(fd.get());
  total_ += std::max(size, 0ll);
  const int held = fd.get();
  std::erase_if(files_, [&](const file &f) {
    struct stat a{}, b{};
    return f.source == directories_ && stat(f.path.c_str(), &a) == 0 && fstat(held, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
  });
  files_.push_back({current, directories_, std::move(fd), true, size});
  return true;
}

bool report_logs::read(const taker &take, const watcher &watch) {
  bool well = true;
  watch_ = watch;
  for (file &f : files_) {
    well &= read_file(f, take);
    f.fd.reset();
  }
  return well;
}

bool report_logs::read_file(file &f, const taker &take) {
  if (!f.fd) {
    f.fd.reset(open_log(f.path, f.in_directory));
    if (!f.fd && errno == ENOENT && f.in_directory) return true;  // multilog has removed it
    if (!f.fd) return trouble(f.path, errno);
  }
  if (f.in_directory && size_of(f.fd.get()) == -1) return trouble(f.path, "is no regular file, and is not read");
  char magic[2];
  const ssize_t n = pread(f.fd.get(), magic, sizeof magic, 0);
  if (n == sizeof magic && lseek(f.fd.get(), 0, SEEK_CUR) == 0 && is_compressed(magic, sizeof magic))
    return read_compressed(f, take);
  return read_lines(f.fd.get(), f, take);
}

bool report_logs::read_compressed(file &f, const taker &take) {
  unique_fd out;
  const pid_t pid = start_gzip(f.fd.get(), out);
  if (pid == -1) return trouble(f.path, errno);
  const bool well = read_lines(out.get(), f, take);
  out.reset();
  return gzip_ended_well(pid, f.path) && well;
}

bool report_logs::read_lines(int fd, const file &f, const taker &take) {
  splitter lines(take, f.source);
  const auto piece = std::make_unique<char[]>(PIECE);
  const long long before = done_;
  for (bool first = true;; first = false) {
    const ssize_t n = ::read(fd, piece.get(), PIECE);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) return trouble(f.path, errno);
    if (n == 0) break;
    if (first && is_compressed(piece.get(), static_cast<size_t>(n)))
      return trouble(f.path, "is compressed: read it through gzip -dc");
    lines.put({piece.get(), static_cast<size_t>(n)});
    // of a compressed file, as far as gzip has got in it
    done_ = fd == f.fd.get() ? done_ + n : before + std::max<long long>(lseek(f.fd.get(), 0, SEEK_CUR), 0);
    watch_(done_, total_known_ ? total_ : 0);
  }
  if (!f.in_directory) lines.end();  // there it is still being written, or was cut off
  return true;
}
