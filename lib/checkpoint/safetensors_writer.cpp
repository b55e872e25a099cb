#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/checkpoint/safetensors.hpp>

#include "checkpoint/bytes.hpp"

namespace planaria::checkpoint {
namespace {

constexpr const char* metadata_key = "__metadata__";
constexpr const char* buffers_key = "planaria.buffers";

Fault system_fault(const std::string& path, int reason) {
  const std::string sentence =
      fmt::format("{}: cannot be written: {}", path, std::strerror(reason));
  if (reason == ENOSPC || reason == EDQUOT) return Fault::exhausted(sentence);
  return Fault::unavailable(sentence);
}

Result<void> check_tensors(const std::string& path, const std::vector<TensorInfo>& tensors) {
  std::set<std::string> names;
  for (const TensorInfo& info : tensors) {
    const auto refuse = [&](const std::string& why) {
      return Fault::invalid_input(fmt::format("{}: tensor '{}': {}", path, info.name, why));
    };
    if (info.name.empty() || info.name == metadata_key) {
      return refuse(fmt::format("a name must not be empty or {}", metadata_key));
    }
    if (!names.insert(info.name).second) return refuse("two tensors have this name");
    if (element_bytes(info.dtype) == 0) {
      return refuse(
          fmt::format("dtype '{}', must be one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL",
                      info.dtype));
    }
    if (info.tied_copy) return refuse("a tied copy, its first use alone is written");
    if (info.role == Role::buffer && info.name.find(',') != std::string::npos) {
      return refuse("a buffer's name must not hold a comma");
    }
  }
  return {};
}

// The header in the order announced, so that the same tensors always give the same file.
Result<std::string> header_text(const std::string& path, const std::vector<TensorInfo>& tensors,
                                std::map<std::string, std::string> metadata) {
  std::vector<std::string> buffers;
  for (const TensorInfo& info : tensors) {
    if (info.role == Role::buffer) buffers.push_back(info.name);
  }
  if (!buffers.empty()) metadata[buffers_key] = join(buffers, ",");

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::uint64_t begin = 0;
  for (const TensorInfo& info : tensors) {
    const std::uint64_t end = begin + data_bytes(info);
    header[info.name] = {
        {"dtype", info.dtype}, {"shape", info.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::ordered_json::exception& error) {
    return Fault::invalid_input(fmt::format("{}: names must be UTF-8: {}", path, error.what()));
  }
  text.append(padding_after(8 + text.size()), ' ');
  if (text.size() > safetensors_header_bytes_max) {
    return Fault::invalid_input(fmt::format("{}: a header of {} bytes, at most {} are allowed",
                                            path, text.size(), safetensors_header_bytes_max));
  }
  return text;
}

}  // namespace

struct SafetensorsWriter::State {
  std::string path;
  std::string partial;
  int descriptor = -1;
  std::vector<TensorInfo> tensors;
  std::size_t current = 0;    // the tensor that the next byte belongs to
  std::uint64_t written = 0;  // bytes of it so far
  std::optional<Fault> fault;

  ~State() {
    if (descriptor < 0) return;
    ::close(descriptor);
    ::unlink(partial.c_str());
  }

  Result<void> fail(Fault why) {
    fault = std::move(why);
    return *fault;
  }

  Result<void> put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(system_fault(path, errno));
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

  // Passes what is complete, tensors without elements too.
  void advance() {
    while (current < tensors.size() && written == data_bytes(tensors[current])) {
      ++current;
      written = 0;
    }
  }
};

SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter& SafetensorsWriter::operator=(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;

Result<SafetensorsWriter> SafetensorsWriter::create(
    const std::string& path, const std::vector<TensorInfo>& tensors,
    const std::map<std::string, std::string>& metadata) {
  PLANARIA_TRY_VOID(check_tensors(path, tensors));
  PLANARIA_TRY(header, header_text(path, tensors, metadata));

  auto state = std::make_unique<State>();
  state->path = path;
  state->partial = path + ".partial";
  state->tensors = tensors;
  state->descriptor =
      ::open(state->partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (state->descriptor < 0) return system_fault(path, errno);
  PLANARIA_TRY_VOID(state->put(little_endian(header.size())));
  PLANARIA_TRY_VOID(state->put(std::as_bytes(std::span(header))));
  state->advance();
  return SafetensorsWriter(std::move(state));
}

Result<void> SafetensorsWriter::write(std::span<const std::byte> data) {
  State& state = *state_;
  check(state.descriptor >= 0 || state.fault.has_value(), "write() after close()");
  if (state.fault) return *state.fault;
  if (data.empty()) return {};
  if (state.current == state.tensors.size()) {
    return state.fail(Fault::invalid_input(
        fmt::format("{}: {} bytes more than the tensors announced", state.path, data.size())));
  }
  const TensorInfo& info = state.tensors[state.current];
  if (data.size() > data_bytes(info) - state.written) {
    return state.fail(Fault::invalid_input(
        fmt::format("{}: tensor '{}' has {} bytes, {} were written and {} more were given",
                    state.path, info.name, data_bytes(info), state.written, data.size())));
  }
  PLANARIA_TRY_VOID(state.put(data));
  state.written += data.size();
  state.advance();
  return {};
}

Result<void> SafetensorsWriter::close() {
  State& state = *state_;
  if (state.fault) return *state.fault;
  check(state.descriptor >= 0, "close() after close()");
  if (state.current != state.tensors.size()) {
    const TensorInfo& info = state.tensors[state.current];
    return state.fail(
        Fault::invalid_input(fmt::format("{}: closed in tensor '{}' after {} of its {} bytes",
                                         state.path, info.name, state.written, data_bytes(info))));
  }
  // The data before the name: after a power cut the name must not stand for an empty file.
  if (::fsync(state.descriptor) != 0) return state.fail(system_fault(state.path, errno));
  if (::rename(state.partial.c_str(), state.path.c_str()) != 0) {
    return state.fail(system_fault(state.path, errno));
  }
  const int descriptor = std::exchange(state.descriptor, -1);
  if (::close(descriptor) != 0) return state.fail(system_fault(state.path, errno));
  return {};
}

}  // namespace planaria::checkpoint
