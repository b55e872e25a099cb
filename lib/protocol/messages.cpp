#include <planaria/protocol/messages.hpp>

#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "protocol/cbor_shape.hpp"
#include "protocol/message_fields.hpp"

namespace planaria::protocol {
namespace {

// In the order of Message's alternatives.
constexpr std::array names{"join",
                           "connected",
                           "ready",
                           "report",
                           "shadow_report",
                           "applied",
                           "failed",
                           "state_sent",
                           "evaluating",
                           "evaluated",
                           "alive",
                           "unreachable",
                           "stop_asked",
                           "welcome",
                           "refuse",
                           "new_view",
                           "begin",
                           "commit",
                           "evaluation_begun",
                           "evaluation",
                           "send_state",
                           "halt",
                           "evicted",
                           "end"};
static_assert(names.size() == std::variant_size_v<Message>);

template <class T>
constexpr bool is_id = requires(T id) {
  typename T::Representation;
};

class Writer {
 public:
  explicit Writer(Json& object) : object_(object) {}

  template <class T>
  void whole(const char* key, const T& value, std::int64_t, std::int64_t) {
    if constexpr (is_id<T>) {
      object_[key] = value.value;
    } else {
      object_[key] = value;
    }
  }
  void number(const char* key, double value) { object_[key] = value; }
  void bits(const char* key, std::uint64_t value) { object_[key] = value; }
  void flag(const char* key, bool value) { object_[key] = value; }
  void text(const char* key, const std::string& value) { object_[key] = valid_utf8(value); }
  void texts(const char* key, const std::vector<std::string>& values) { object_[key] = values; }
  void objects(const char* key, const std::vector<Json>& values) { object_[key] = values; }
  void spec(const char* key, const RunSpec& value) { object_[key] = to_json(value); }
  void layout(const char* key, const Layout& value) { object_[key] = to_json(value); }
  void fault_kind(const char* key, FaultKind value) { object_[key] = name_of(value); }
  void verdict(const char* key, Verdict value) {
    object_[key] = value == Verdict::apply ? "apply" : "skip";
  }
  template <class Id>
  void ids(const char* key, const std::vector<Id>& values, std::int64_t, std::int64_t) {
    Json elements = Json::array();
    for (const Id id : values) elements.push_back(id.value);
    object_[key] = std::move(elements);
  }
  template <class T>
  void optional(const char* key, const std::optional<T>& value) {
    if (!value) return;
    Json object = Json::object();
    Writer writer(object);
    fields(writer, *value);
    object_[key] = std::move(object);
  }
  template <class T>
  void list(const char* key, const std::vector<T>& values) {
    Json elements = Json::array();
    for (const T& value : values) {
      Json element = Json::object();
      Writer writer(element);
      fields(writer, value);
      elements.push_back(std::move(element));
    }
    object_[key] = std::move(elements);
  }

 private:
  Json& object_;
};

// Keeps the first fault; after it every call is harmless and leaves zero values.
class Reader {
 public:
  Reader(const Json& object, std::string source, std::string path)
      : object_(object), source_(std::move(source)), reader_(object, source_, std::move(path)) {}

  template <class T>
  void whole(const char* key, T& value, std::int64_t low, std::int64_t high) {
    const std::int64_t number = reader_.integer(key, low, high);
    if constexpr (is_id<T>) {
      value = T(static_cast<typename T::Representation>(number));
    } else {
      value = static_cast<T>(number);
    }
  }
  // Not ObjectReader's: it refuses what is not finite, and losses may be.
  void number(const char* key, double& value) {
    const Json* field = find(key, "a number");
    if (field == nullptr) return;
    if (!field->is_number_float()) return reader_.refuse(key, "must be a number");
    value = field->get<double>();
  }
  void bits(const char* key, std::uint64_t& value) {
    const Json* field = find(key, "64 bits");
    if (field == nullptr) return;
    if (!field->is_number_unsigned()) return reader_.refuse(key, "must be 64 bits");
    value = field->get<std::uint64_t>();
  }
  void flag(const char* key, bool& value) { value = reader_.boolean(key); }
  void text(const char* key, std::string& value) { value = reader_.text(key); }
  void texts(const char* key, std::vector<std::string>& values) { values = reader_.texts(key); }
  void objects(const char* key, std::vector<Json>& values) {
    for (const Json& element : reader_.array(key)) {
      if (!element.is_object()) return reader_.refuse(key, "must be a list of objects");
      values.push_back(element);
    }
  }
  void spec(const char* key, RunSpec& value) {
    const Json* field = find(key, "an object");
    if (field != nullptr) take(key, value, run_spec_from_json(*field, source_));
  }
  void layout(const char* key, Layout& value) {
    const Json* field = find(key, "an object");
    if (field != nullptr) take(key, value, layout_from_json(*field, source_));
  }
  void fault_kind(const char* key, FaultKind& value) {
    const auto kind = fault_kind_named(reader_.text(key));
    if (!kind) return reader_.refuse(key, "is no kind of fault");
    value = *kind;
  }
  void verdict(const char* key, Verdict& value) {
    const std::string name = reader_.text(key);
    if (name != "apply" && name != "skip") return reader_.refuse(key, "must be apply or skip");
    value = name == "apply" ? Verdict::apply : Verdict::skip;
  }
  template <class Id>
  void ids(const char* key, std::vector<Id>& values, std::int64_t low, std::int64_t high) {
    for (const Json& element : reader_.array(key)) {
      const bool fits = element.is_number_integer() && element.get<std::int64_t>() >= low &&
                        element.get<std::int64_t>() <= high;
      if (!fits) {
        return reader_.refuse(key, fmt::format("must be a list of numbers {} to {}", low, high));
      }
      values.push_back(Id(static_cast<typename Id::Representation>(element.get<std::int64_t>())));
    }
  }
  template <class T>
  void optional(const char* key, std::optional<T>& value) {
    if (!reader_.has(key)) return;
    reader_.ignore(key);
    Reader reader(object_.at(key), source_, reader_.path_of(key));
    fields(reader, value.emplace());
    if (const auto done = reader.finish(); !done && !nested_fault_) nested_fault_ = done.fault();
  }
  template <class T>
  void list(const char* key, std::vector<T>& values) {
    const Json& elements = reader_.array(key);
    values.reserve(elements.size());
    for (std::size_t i = 0; i < elements.size() && !nested_fault_; ++i) {
      Reader reader(elements[i], source_, fmt::format("{}[{}]", reader_.path_of(key), i));
      fields(reader, values.emplace_back());
      if (const auto done = reader.finish(); !done) nested_fault_ = done.fault();
    }
  }
  void ignore(const char* key) { reader_.ignore(key); }

  Result<void> finish() {
    if (nested_fault_) return *nested_fault_;
    return reader_.finish();
  }

 private:
  const Json* find(const char* key, const char* allowed) {
    reader_.ignore(key);
    if (reader_.has(key)) return &object_.at(key);
    reader_.refuse(key, fmt::format("missing, must be {}", allowed));
    return nullptr;
  }
  template <class T>
  void take(const char* key, T& value, Result<T> result) {
    if (!result) return reader_.refuse(key, result.fault().sentence);
    value = std::move(result).value();
  }

  const Json& object_;
  std::string source_;
  ObjectReader reader_;
  std::optional<Fault> nested_fault_;
};

template <class T>
Result<Message> read(const Json& object, const char* name) {
  Reader reader(object, name, "");
  T message;
  reader.ignore("message");
  fields(reader, message);
  if (const auto done = reader.finish(); !done) return Fault::corrupt(done.fault().sentence);
  return Message(std::move(message));
}

template <std::size_t... Index>
Result<Message> read_named(const Json& object, const std::string& name,
                           std::index_sequence<Index...>) {
  Result<Message> result =
      Fault::corrupt(fmt::format("message: {}, is none of this version", name));
  static_cast<void>(
      ((name == names[Index] &&
        (result = read<std::variant_alternative_t<Index, Message>>(object, names[Index]), true)) ||
       ...));
  return result;
}

}  // namespace

const char* name_of(const Message& message) {
  return names[message.index()];
}

std::vector<std::byte> encode(const Message& message) {
  Json object{{"message", name_of(message)}};
  Writer writer(object);
  std::visit([&](const auto& alternative) { fields(writer, alternative); }, message);
  const std::vector<std::uint8_t> cbor = Json::to_cbor(object);
  std::vector<std::byte> bytes(cbor.size());
  std::memcpy(bytes.data(), cbor.data(), cbor.size());
  return bytes;
}

Result<Message> decode(std::span<const std::byte> bytes) {
  if (const auto wrong = misshapen(bytes)) return Fault::corrupt("message: " + *wrong);
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const Json object = Json::from_cbor(data, data + bytes.size(), true, false);
  if (!object.is_object()) return Fault::corrupt("message: not a CBOR object");
  const auto name = object.find("message");
  if (name == object.end() || !name->is_string()) return Fault::corrupt("message: has no name");
  return read_named(object, name->get<std::string>(),
                    std::make_index_sequence<std::variant_size_v<Message>>{});
}

}  // namespace planaria::protocol
