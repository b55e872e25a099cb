#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/checkpoint/safetensors.hpp>

#include "checkpoint/bytes.hpp"

namespace planaria::checkpoint {
namespace {

constexpr const char* metadata_key = "__metadata__";
constexpr const char* buffers_key = "planaria.buffers";

/// One entry of the header, its offsets from the first byte of the data.
struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Result<std::map<std::string, std::string>> read_metadata(const Json& json,
                                                         const std::string& path) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) {
    return Fault::invalid_input(fmt::format("{}: {}: must be an object", path, metadata_key));
  }
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      return Fault::invalid_input(fmt::format("{}: {}.{}: must be a text, is {}", path,
                                              metadata_key, key, value.type_name()));
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

Result<Entry> read_entry(const std::string& name, const Json& json, const std::string& path) {
  ObjectReader reader(json, path, name);
  // The rest of the reading is the same as for a block's tensors, but for the offsets.
  const Json dtype = reader.text("dtype");
  const Json& shape = reader.array("shape");
  const Json& offsets = reader.array("data_offsets");
  const bool whole =
      offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
  if (!whole) reader.refuse("data_offsets", "must be two whole numbers from 0");
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY(info,
               tensor_info_from_json(
                   {{"name", name}, {"dtype", dtype}, {"shape", shape}, {"role", "parameter"}},
                   fmt::format("{}: {}", path, name)));
  Entry entry{std::move(info), offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
  if (entry.end < entry.begin || entry.end - entry.begin != data_bytes(entry.info)) {
    return Fault::invalid_input(
        fmt::format("{}: {}.data_offsets: [{}, {}], its shape [{}] of {} needs {} bytes", path,
                    name, entry.begin, entry.end, fmt::join(entry.info.shape, ", "),
                    entry.info.dtype, data_bytes(entry.info)));
  }
  return entry;
}

// The data must be the tensors end to end and nothing else, as the format says: bytes that belong
// to nobody could hide something, bytes that belong to two would be written twice.
Result<void> check_offsets(const std::vector<Entry>& entries, std::uint64_t data_size,
                           const std::string& path) {
  std::uint64_t end = 0;
  const Entry* before = nullptr;
  for (const Entry& entry : entries) {
    if (entry.end > data_size) {
      return Fault::invalid_input(
          fmt::format("{}: {}.data_offsets: [{}, {}], the file has {} bytes of data", path,
                      entry.info.name, entry.begin, entry.end, data_size));
    }
    if (entry.begin < end) {
      return Fault::invalid_input(
          fmt::format("{}: {}.data_offsets: [{}, {}] overlaps {}, which ends at {}", path,
                      entry.info.name, entry.begin, entry.end, before->info.name, end));
    }
    if (entry.begin > end) {
      return Fault::invalid_input(
          fmt::format("{}: {}.data_offsets: [{}, {}] leaves bytes {} to {} to no tensor", path,
                      entry.info.name, entry.begin, entry.end, end, entry.begin));
    }
    end = entry.end;
    before = &entry;
  }
  if (end != data_size) {
    return Fault::invalid_input(
        fmt::format("{}: {} bytes of data, its tensors end at {}", path, data_size, end));
  }
  return {};
}

}  // namespace

struct SafetensorsFile::State {
  void* mapped = nullptr;
  std::size_t size = 0;
  std::span<const std::byte> data;
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::pair<std::size_t, std::span<const std::byte>>> by_name;
  std::map<std::string, std::string> metadata;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (mapped != nullptr) ::munmap(mapped, size);
  }

  Result<void> map(const std::string& path);
  Result<void> read_header(const std::string& path);
  Result<void> set_roles(const std::string& path);
};

Result<void> SafetensorsFile::State::map(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Fault::invalid_input(fmt::format("{}: {}", path, why));
  };
  // Not to wait for ever where the path is a pipe.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return refuse(fmt::format("cannot be read: {}", std::strerror(errno)));
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular || status.st_size < 8) {
    ::close(descriptor);
    if (!regular) return refuse("is not a regular file");
    return refuse(fmt::format("{} bytes, a safetensors file has at least 8", status.st_size));
  }
  size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int reason = errno;
  ::close(descriptor);
  if (address == MAP_FAILED) {
    return refuse(fmt::format("cannot be mapped: {}", std::strerror(reason)));
  }
  mapped = address;
  return {};
}

Result<void> SafetensorsFile::State::read_header(const std::string& path) {
  const std::span bytes(static_cast<const std::byte*>(mapped), size);
  const std::uint64_t length = from_little_endian(bytes);
  if (length > safetensors_header_bytes_max) {
    return Fault::invalid_input(fmt::format("{}: a header of {} bytes, at most {} are allowed",
                                            path, length, safetensors_header_bytes_max));
  }
  if (length > size - 8) {
    return Fault::invalid_input(
        fmt::format("{}: a header of {} bytes, the file has {} in all", path, length, size));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  data = bytes.subspan(8 + length);
  PLANARIA_TRY(header, parse_json(text, path, {.depth_max = 3}));
  if (!header.is_object()) {
    return Fault::invalid_input(
        fmt::format("{}: the header is {}, must be an object", path, header.type_name()));
  }
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == metadata_key) {
      PLANARIA_TRY(read, read_metadata(json, path));
      metadata = std::move(read);
      continue;
    }
    PLANARIA_TRY(entry, read_entry(name, json, path));
    entries.push_back(std::move(entry));
  }
  // By offset; the sort is stable, so empty tensors at one offset stay in the order of their names.
  std::ranges::stable_sort(entries, {},
                           [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  PLANARIA_TRY_VOID(check_offsets(entries, data.size(), path));
  for (Entry& entry : entries) {
    by_name[entry.info.name] = {tensors.size(), data.subspan(entry.begin, entry.end - entry.begin)};
    tensors.push_back(std::move(entry.info));
  }
  return {};
}

Result<void> SafetensorsFile::State::set_roles(const std::string& path) {
  const auto buffers = metadata.find(buffers_key);
  if (buffers == metadata.end()) return {};
  for (const std::string& name : split(buffers->second, ',')) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      return Fault::invalid_input(fmt::format("{}: {}.{}: '{}' is not a tensor of this file", path,
                                              metadata_key, buffers_key, name));
    }
    tensors[found->second.first].role = Role::buffer;
  }
  return {};
}

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  auto state = std::make_unique<State>();
  PLANARIA_TRY_VOID(state->map(path));
  PLANARIA_TRY_VOID(state->read_header(path));
  PLANARIA_TRY_VOID(state->set_roles(path));
  return SafetensorsFile(std::move(state));
}

const std::vector<TensorInfo>& SafetensorsFile::tensors() const {
  return state_->tensors;
}

std::optional<std::span<const std::byte>> SafetensorsFile::data(const std::string& name) const {
  const auto found = state_->by_name.find(name);
  if (found == state_->by_name.end()) return std::nullopt;
  return found->second.second;
}

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : &state_->tensors[found->second.first];
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->metadata;
}

}  // namespace planaria::checkpoint
