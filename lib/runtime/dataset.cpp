#include <planaria/runtime/dataset.hpp>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/hash.hpp>

namespace planaria {
namespace {

// A whole file, mapped read-only for the object's life.
class MappedFile {
 public:
  static Result<std::shared_ptr<MappedFile>> open(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      return Fault::invalid_input(
          fmt::format("text: {}: cannot be read: {}", path, std::strerror(errno)));
    }
    struct stat status {};
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    if (!regular || status.st_size == 0) {
      ::close(descriptor);
      return Fault::invalid_input(
          fmt::format("text: {}: {}", path, regular ? "is empty" : "is not a regular file"));
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    const int reason = errno;
    ::close(descriptor);
    if (data == MAP_FAILED) {
      return Fault::invalid_input(
          fmt::format("text: {}: cannot be mapped: {}", path, std::strerror(reason)));
    }
    return std::shared_ptr<MappedFile>(new MappedFile(static_cast<const std::byte*>(data), size));
  }
  ~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  std::size_t size_;
};

class ByteText final : public Dataset {
 public:
  ByteText(std::shared_ptr<MappedFile> file, int context, std::int64_t samples,
           std::int64_t evaluation_samples)
      : file_(std::move(file)),
        context_(context),
        samples_(samples),
        evaluation_samples_(evaluation_samples),
        fingerprint_(fmt::format("bytes {} context {} xxh3 {}", file_->bytes().size(), context,
                                 hex64(xxh3_64(file_->bytes())))) {}

  [[nodiscard]] std::int64_t samples() const override { return samples_; }
  [[nodiscard]] std::int64_t evaluation_samples() const override { return evaluation_samples_; }
  [[nodiscard]] std::string fingerprint() const override { return fingerprint_; }
  [[nodiscard]] Tensors inputs(std::span<const std::int64_t> ids) const override {
    return {symbols(ids, 0)};
  }
  [[nodiscard]] Tensors targets(std::span<const std::int64_t> ids) const override {
    return {symbols(ids, 1)};
  }

 private:
  // Returns [m, C]: C bytes of each sample, from `shift` bytes after its start.
  [[nodiscard]] at::Tensor symbols(std::span<const std::int64_t> ids, std::int64_t shift) const {
    at::Tensor result = at::empty({static_cast<std::int64_t>(ids.size()), context_}, at::kLong);
    auto* out = result.mutable_data_ptr<std::int64_t>();
    for (const std::int64_t id : ids) {
      check(id >= 0 && id < samples_ + evaluation_samples_, "sample id outside the data set");
      const std::byte* in = file_->bytes().data() + id * context_ + shift;
      for (int i = 0; i < context_; ++i) *out++ = std::to_integer<std::int64_t>(in[i]);
    }
    return result;
  }

  std::shared_ptr<MappedFile> file_;
  int context_;
  std::int64_t samples_;
  std::int64_t evaluation_samples_;
  std::string fingerprint_;
};

class FunctionDataset final : public Dataset {
 public:
  explicit FunctionDataset(DatasetFunctions functions) : functions_(std::move(functions)) {
    check(functions_.inputs && functions_.targets, "a data set needs inputs and targets");
  }
  [[nodiscard]] std::int64_t samples() const override { return functions_.samples; }
  [[nodiscard]] std::int64_t evaluation_samples() const override {
    return functions_.evaluation_samples;
  }
  [[nodiscard]] std::string fingerprint() const override { return functions_.fingerprint; }
  [[nodiscard]] Tensors inputs(std::span<const std::int64_t> ids) const override {
    return functions_.inputs(ids);
  }
  [[nodiscard]] Tensors targets(std::span<const std::int64_t> ids) const override {
    return functions_.targets(ids);
  }

 private:
  DatasetFunctions functions_;
};

}  // namespace

std::shared_ptr<Dataset> dataset_of(DatasetFunctions functions) {
  return std::make_shared<FunctionDataset>(std::move(functions));
}

Result<std::shared_ptr<Dataset>> byte_text(const ByteTextOptions& options) {
  if (options.context < 1) {
    return Fault::invalid_input(fmt::format("context: {}, must be at least 1", options.context));
  }
  PLANARIA_TRY(file, MappedFile::open(options.path));
  const auto bytes = static_cast<std::int64_t>(file->bytes().size());
  const std::int64_t all = (bytes - 1) / options.context;  // the last target needs one byte more
  const auto held_back =
      static_cast<std::int64_t>(static_cast<double>(all) * options.evaluation_fraction);
  if (all - held_back < 1) {
    return Fault::invalid_input(
        fmt::format("text: {}: {} bytes, must be at least {} for one sample of context {}",
                    options.path, bytes, options.context + 1, options.context));
  }
  return std::shared_ptr<Dataset>(
      std::make_shared<ByteText>(std::move(file), options.context, all - held_back, held_back));
}

}  // namespace planaria
