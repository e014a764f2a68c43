#include "config/fields.h"

#include <algorithm>
#include <numeric>
#include <variant>

#include "config/expand.h"

namespace telltale::config {
namespace {

std::string_view kind_text(YamlNode::Kind kind) {
    switch (kind) {
        case YamlNode::Kind::null:
            return "nothing";
        case YamlNode::Kind::scalar:
            return "a text";
        case YamlNode::Kind::list:
            return "a list";
        case YamlNode::Kind::mapping:
            return "a mapping";
    }
    return "nothing";
}

// Levenshtein: how many letters must be added, dropped or changed.
size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.size(); ++j) {
            const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, changed});
        }
    }
    return row.back();
}

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

// Keys of the file go into paths: as they are when they are words, else quoted.
std::string path_part(const std::string& key) {
    const bool is_word = !key.empty() && key.size() <= 64 &&
                         std::all_of(key.begin(), key.end(), [](unsigned char c) {
                             return std::isalnum(c) != 0 || c == '_' || c == '-';
                         });
    return is_word ? key : quoted(key);
}

void report_unknown(const Field& field, const YamlNode& child,
                    const std::vector<std::string>& names) {
    const std::string nearest = nearest_name(child.key, names);
    const std::string hint = nearest.empty() ? "" : " (did you mean " + nearest + "?)";
    field.fail_at(child.key_line, field.child(child, child.key).path,
                  "got an unknown key" + hint + ", expected one of " + joined(names));
}

}  // namespace

void Field::fail_at(int line, std::string where, std::string text) const {
    context.report.add(
        {.file = context.file, .line = line, .path = std::move(where), .text = std::move(text)});
}

Field Field::child(const YamlNode& value, const std::string& key) const {
    return {context, value, path.empty() ? path_part(key) : path + "." + path_part(key)};
}

Field Field::item(size_t index) const {
    return {context, node.children[index], path + "[" + std::to_string(index) + "]"};
}

std::optional<std::string> Field::scalar(const std::string& expected) const {
    if (node.kind != YamlNode::Kind::scalar) {
        fail("got " + std::string(kind_text(node.kind)) + ", expected " + expected);
        return std::nullopt;
    }
    auto expanded = expand(node.text, context.environment);
    if (const auto* error = std::get_if<ExpandError>(&expanded)) {
        fail(error->text);
        return std::nullopt;
    }
    return std::get<std::string>(std::move(expanded));
}

bool Field::is(YamlNode::Kind kind, const std::string& expected) const {
    // `timeouts:` with all its keys commented out is an empty mapping to whoever wrote it.
    if (node.kind == kind || node.kind == YamlNode::Kind::null) return true;
    if (node.kind == YamlNode::Kind::scalar) {
        fail(got_expected(node.text, expected));
    } else {
        fail("got " + std::string(kind_text(node.kind)) + ", expected " + expected);
    }
    return false;
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
    constexpr size_t compared_max = 64;  // bounds the work; no key of ours is as long
    if (name.size() > compared_max) return "";
    std::string nearest;
    size_t best = std::max<size_t>(1, std::min<size_t>(3, name.size() / 3)) + 1;
    for (const std::string& candidate : names) {
        const size_t distance = edit_distance(name, candidate);
        if (distance >= best) continue;
        best = distance;
        nearest = candidate;
    }
    return nearest;
}

std::vector<const YamlNode*> known_children(const Field& field,
                                            const std::vector<std::string>& names) {
    std::vector<const YamlNode*> known(names.size(), nullptr);
    std::map<std::string, int> first_lines;
    for (const YamlNode& child : field.node.children) {
        const auto [first, is_first] = first_lines.try_emplace(child.key, child.key_line);
        if (!is_first) {
            field.fail_at(child.key_line, field.child(child, child.key).path,
                          "got the key a second time (first on line " +
                              std::to_string(first->second) + "), expected it once");
            continue;
        }
        const auto name = std::find(names.begin(), names.end(), child.key);
        if (name == names.end()) {
            report_unknown(field, child, names);
        } else {
            known[static_cast<size_t>(name - names.begin())] = &child;
        }
    }
    return known;
}

}  // namespace telltale::config
