#include <planaria/observe/events.hpp>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

Json with_finite_numbers(Json value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) return nullptr;
  if (value.is_structured()) {
    for (Json& element : value) element = with_finite_numbers(std::move(element));
  }
  return value;
}

// Returns how long the file is up to and with its last newline; -1 with errno on a failure.
off_t length_in_whole_lines(int descriptor, off_t size) {
  std::array<char, 4096> block{};
  while (size > 0) {
    const off_t begin = size > off_t{block.size()} ? size - off_t{block.size()} : 0;
    const auto wanted = static_cast<std::size_t>(size - begin);
    const ssize_t count = ::pread(descriptor, block.data(), wanted, begin);
    if (count < 0) return -1;
    for (off_t i = count; i > 0; --i) {
      if (block[static_cast<std::size_t>(i - 1)] == '\n') return begin + i;
    }
    if (static_cast<std::size_t>(count) < wanted) return -1;
    size = begin;
  }
  return 0;
}

// A line torn by a killed writer must go before the next is appended to it.
bool drop_torn_line(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return false;
  if (!S_ISREG(status.st_mode)) return true;
  const off_t whole = length_in_whole_lines(descriptor, status.st_size);
  if (whole < 0) return false;
  return whole == status.st_size || ::ftruncate(descriptor, whole) == 0;
}

}  // namespace

Json to_json(const Event& event) {
  check(event.fields.is_object(), "an event's fields are an object");
  Json json = with_finite_numbers(event.fields);
  json["t_ms"] = with_finite_numbers(event.at.since_start_ms);
  json["view"] = event.view.value;
  json["step"] = event.step.value;
  json["event"] = event.name;
  return json;
}

Result<JsonLines> JsonLines::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0 || !drop_torn_line(descriptor)) {
    const int reason = errno;
    if (descriptor >= 0) ::close(descriptor);
    return Fault::unavailable(
        fmt::format("{}: cannot be written: {}", path, std::strerror(reason)));
  }
  return JsonLines(descriptor);
}

JsonLines::JsonLines(JsonLines&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

JsonLines& JsonLines::operator=(JsonLines&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

JsonLines::~JsonLines() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> JsonLines::write(const Json& line) {
  return write_text(line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Result<void> JsonLines::write_text(std::string_view line) {
  check(descriptor_ >= 0, "the file of lines was moved away");
  check(line.empty() || line.back() != '\n', "the last newline is written here");
  char newline = '\n';
  // One call for both parts: two writes could be torn apart by a kill.
  const std::array<iovec, 2> parts{
      iovec{const_cast<char*>(line.data()), line.size()},  // NOLINT: writev only reads
      iovec{&newline, 1}};
  ssize_t count = -1;
  do {
    count = ::writev(descriptor_, parts.data(), static_cast<int>(parts.size()));
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(line.size() + 1)) return {};
  const int reason = count < 0 ? errno : ENOSPC;
  // A piece of a line must not stay where another line could follow.
  if (count > 0) static_cast<void>(drop_torn_line(descriptor_));
  const std::string sentence = fmt::format("events: a line of {} bytes was not written: {}",
                                           line.size() + 1, std::strerror(reason));
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG) return Fault::exhausted(sentence);
  return Fault::unavailable(sentence);
}

Result<std::vector<Json>> read_json_lines(const std::string& path) {
  PLANARIA_TRY(content, read_file(path));
  std::vector<Json> lines;
  std::string_view rest = content;
  // What follows the last newline is a line that a killed process did not finish.
  for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos;
       rest.remove_prefix(end + 1)) {
    const std::string source = fmt::format("{}: line {}", path, lines.size() + 1);
    PLANARIA_TRY(line, parse_json(rest.substr(0, end), source));
    if (!line.is_object()) {
      return Fault::invalid_input(fmt::format("{}: {}, must be an object", source, line.dump()));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace planaria
