// How a mapping of the file becomes a struct: a table of keys, one row each. A row knows how to
// read its value, how to write it back, and what to say when it is wrong.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/load.h"
#include "config/report.h"
#include "config/values.h"
#include "config/yaml_reader.h"
#include "config/yaml_writer.h"

namespace telltale::config {

// What every row may need while a file is read.
struct Context {
    std::string file;
    const Environment& environment;
    const DataSets& data_sets;
    Report& report;
};

// One place in the file.
struct Field {
    Context& context;
    const YamlNode& node;
    std::string path;

    void fail(std::string text) const { fail_at(node.line, path, std::move(text)); }
    void fail_at(int line, std::string where, std::string text) const;
    [[nodiscard]] Field child(const YamlNode& value, const std::string& key) const;
    [[nodiscard]] Field item(size_t index) const;
    // The expanded text of a scalar; nullopt: it is not one, which has been reported.
    [[nodiscard]] std::optional<std::string> scalar(const std::string& expected) const;
    // True for the wanted kind; a null counts as empty. Anything else has been reported.
    [[nodiscard]] bool is(YamlNode::Kind kind, const std::string& expected) const;
};

template <typename T>
struct Key {
    std::string name;
    std::string expected;
    std::function<void(const Field&, T&)> read;
    std::function<std::optional<YamlNode>(const T&)> write;  // nullopt: nothing to write
    std::vector<std::string> below = {};  // paths of the keys below, for the documentation test
    bool is_required = false;
};
template <typename T>
using Keys = std::vector<Key<T>>;

// Those of `names` that look most like a mistyped `name`; empty: none does.
[[nodiscard]] std::string nearest_name(const std::string& name,
                                       const std::vector<std::string>& names);
// Reports keys of the mapping that are unknown or come twice; the first of each known name stays.
[[nodiscard]] std::vector<const YamlNode*> known_children(const Field& field,
                                                          const std::vector<std::string>& names);

template <typename T>
std::vector<std::string> names_of(const Keys<T>& keys) {
    std::vector<std::string> names;
    for (const Key<T>& key : keys) names.push_back(key.name);
    return names;
}

template <typename T>
void read_mapping(const Field& field, const Keys<T>& keys, T& target) {
    if (!field.is(YamlNode::Kind::mapping, "a mapping of keys and values")) return;
    const auto children = known_children(field, names_of(keys));
    for (size_t i = 0; i < keys.size(); ++i) {
        if (children[i] != nullptr) {
            keys[i].read(field.child(*children[i], keys[i].name), target);
        } else if (keys[i].is_required) {
            const std::string path = field.child(field.node, keys[i].name).path;
            field.fail_at(field.node.line, path, "got nothing, expected " + keys[i].expected);
        }
    }
}

template <typename T>
YamlNode write_mapping(const Keys<T>& keys, const T& source) {
    YamlNode node{.kind = YamlNode::Kind::mapping};
    for (const Key<T>& key : keys) {
        if (auto child = key.write(source)) {
            node.children.push_back(yaml_with_key(key.name, std::move(*child)));
        }
    }
    return node;
}

// ---- rows

template <typename T>
Key<T> required(Key<T> key) {
    key.is_required = true;
    return key;
}

template <typename V>
std::optional<V> read_value(const Field& field, const ValueKind<V>& kind) {
    const auto text = field.scalar(kind.expected);
    if (!text) return std::nullopt;
    Parsed<V> parsed = kind.parse(*text);
    if (!parsed.value) field.fail(parsed.problem);
    return std::move(parsed.value);
}

template <typename T, typename V>
Key<T> scalar(std::string name, V T::*member, ValueKind<V> kind) {
    return {.name = std::move(name),
            .expected = kind.expected,
            .read =
                [member, kind](const Field& field, T& target) {
                    if (auto value = read_value(field, kind)) target.*member = std::move(*value);
                },
            .write = [member, kind](const T& source) -> std::optional<YamlNode> {
                return yaml_scalar(kind.text(source.*member));
            }};
}

template <typename T, typename M>
Key<T> mapping(std::string name, M T::*member, Keys<M> keys) {
    std::vector<std::string> below;
    for (const Key<M>& key : keys) {
        below.push_back("." + key.name);
        for (const std::string& path : key.below) below.push_back("." + key.name + path);
    }
    return {.name = std::move(name),
            .expected = "a mapping",
            .read = [member, keys](const Field& field,
                                   T& target) { read_mapping(field, keys, target.*member); },
            .write = [member, keys](const T& source) -> std::optional<YamlNode> {
                return write_mapping(keys, source.*member);
            },
            .below = std::move(below)};
}

// A list whose items are read one by one; an item that is wrong keeps its place, so that index and
// path stay the same thing.
template <typename T, typename I>
struct ItemKind {
    std::string expected;
    size_t count_max;
    std::function<void(const Field&, I&)> read;
    std::function<YamlNode(const I&)> write;
    std::vector<std::string> below = {};
};

template <typename T, typename I>
Key<T> list(std::string name, std::vector<I> T::*member, ItemKind<T, I> kind) {
    return {.name = std::move(name),
            .expected = kind.expected,
            .read =
                [member, kind](const Field& field, T& target) {
                    if (!field.is(YamlNode::Kind::list, kind.expected)) return;
                    const size_t count = field.node.children.size();
                    if (count > kind.count_max) {
                        field.fail("got " + std::to_string(count) + " items, expected at most " +
                                   std::to_string(kind.count_max));
                        return;
                    }
                    (target.*member).resize(count);
                    for (size_t i = 0; i < count; ++i) {
                        kind.read(field.item(i), (target.*member)[i]);
                    }
                },
            .write = [member, kind](const T& source) -> std::optional<YamlNode> {
                YamlNode node{.kind = YamlNode::Kind::list};
                for (const I& item : source.*member) node.children.push_back(kind.write(item));
                return node;
            },
            .below = kind.below};
}

template <typename T, typename I>
ItemKind<T, I> mappings(std::string expected, size_t count_max, Keys<I> keys) {
    ItemKind<T, I> kind{
        .expected = std::move(expected),
        .count_max = count_max,
        .read = [keys](const Field& field, I& item) { read_mapping(field, keys, item); },
        .write = [keys](const I& item) { return write_mapping(keys, item); }};
    for (const Key<I>& key : keys) {
        kind.below.push_back("[]." + key.name);
        for (const std::string& path : key.below) kind.below.push_back("[]." + key.name + path);
    }
    return kind;
}

template <typename T, typename I>
ItemKind<T, I> values(std::string expected, size_t count_max, ValueKind<I> value) {
    return {.expected = std::move(expected),
            .count_max = count_max,
            .read =
                [value](const Field& field, I& item) {
                    if (auto read = read_value(field, value)) item = std::move(*read);
                },
            .write = [value](const I& item) { return yaml_scalar(value.text(item)); }};
}

}  // namespace telltale::config
