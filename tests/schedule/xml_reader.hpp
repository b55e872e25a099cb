// Reads XML as strictly as a picture needs it, and fails the test where it is not well-formed.
// Is: elements, attributes, text, the five entities. Is not: CDATA, namespaces, entities of one's
// own.
#pragma once

#include <cctype>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

namespace planaria::test {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  // of itself, entities resolved
  std::vector<XmlElement> children;

  [[nodiscard]] std::string attribute(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? std::string() : found->second;
  }
  [[nodiscard]] double number(const std::string& key) const { return std::stod(attribute(key)); }
  /// Returns this element and all below it that have that name.
  [[nodiscard]] std::vector<const XmlElement*> all(const std::string& wanted) const {
    std::vector<const XmlElement*> found;
    collect(wanted, found);
    return found;
  }

 private:
  void collect(const std::string& wanted, std::vector<const XmlElement*>& found) const {
    if (name == wanted) found.push_back(this);
    for (const XmlElement& child : children) child.collect(wanted, found);
  }
};

class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : rest_(text) {}

  XmlElement read() {
    if (rest_.starts_with("<?xml ")) skip_past("?>");
    skip_blanks();
    if (rest_.starts_with("<!DOCTYPE ")) skip_past(">");
    skip_blanks();
    XmlElement root = element();
    skip_blanks();
    if (!rest_.empty()) fail("something behind the last element");
    return root;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    FAIL(why + " at: " + std::string(rest_.substr(0, 60)));
    throw 0;  // FAIL has thrown
  }
  void skip_past(std::string_view end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) fail("no " + std::string(end));
    rest_.remove_prefix(at + end.size());
  }
  void skip_blanks() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())) != 0) {
      rest_.remove_prefix(1);
    }
  }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) fail("no " + std::string(token));
  }
  std::string name() {
    std::size_t end = 0;
    while (end < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[end])) != 0 ||
                                  rest_[end] == '-' || rest_[end] == ':')) {
      ++end;
    }
    if (end == 0) fail("no name");
    std::string taken(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return taken;
  }
  /// Text up to one of `ends`, which is left there.
  std::string characters(std::string_view ends) {
    static const std::map<std::string, std::string> entities{
        {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"#39", "'"}};
    std::string taken;
    while (!rest_.empty() && ends.find(rest_.front()) == std::string_view::npos) {
      if (rest_.front() == '<') fail("a bare <");
      const auto byte = static_cast<unsigned char>(rest_.front());
      if (byte < 0x20 && byte != '\n' && byte != '\t') fail("a forbidden character");
      if (!take("&")) {
        taken += rest_.front();
        rest_.remove_prefix(1);
        continue;
      }
      const std::size_t end = rest_.substr(0, 8).find(';');
      if (end == std::string_view::npos) fail("a bare &");
      const auto entity = entities.find(std::string(rest_.substr(0, end)));
      if (entity == entities.end()) fail("an unknown entity");
      taken += entity->second;
      rest_.remove_prefix(end + 1);
    }
    return taken;
  }
  XmlElement element() {
    expect("<");
    XmlElement read;
    read.name = name();
    while (true) {
      const bool blank = !rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0])) != 0;
      skip_blanks();
      if (take("/>")) return read;
      if (take(">")) break;
      if (!blank) fail("no blank before an attribute");
      const std::string key = name();
      expect("=\"");
      if (!read.attributes.emplace(key, characters("\"")).second) fail("an attribute twice");
      expect("\"");
    }
    while (true) {
      read.text += characters("<");
      if (take("</")) break;
      read.children.push_back(element());
    }
    if (name() != read.name) fail("the end of another element than " + read.name);
    expect(">");
    return read;
  }

  std::string_view rest_;
};

/// Returns the root element; fails the test where the text is not well-formed, or an id is there
/// twice.
inline XmlElement well_formed(const std::string& text) {
  XmlElement root = XmlReader(text).read();
  std::set<std::string> ids;
  std::vector<const XmlElement*> all{&root};
  while (!all.empty()) {
    const XmlElement* element = all.back();
    all.pop_back();
    if (element->attributes.contains("id")) CHECK(ids.insert(element->attribute("id")).second);
    for (const XmlElement& child : element->children) all.push_back(&child);
  }
  return root;
}

}  // namespace planaria::test
