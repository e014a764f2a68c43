#include "config/yaml_writer.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "config/expand.h"

namespace telltale::config {
namespace {

// Words and numbers need no quotes; "null" and "~" would be read as nothing.
bool is_plain(const std::string& text) {
    if (text.empty() || text == "null" || text == "Null" || text == "NULL") return false;
    if (std::isalnum(static_cast<unsigned char>(text.front())) == 0) return false;
    return std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
    });
}

std::string scalar_text(const std::string& text) {
    if (is_plain(text)) return text;
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : protect_references(text)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += hex[byte >> 4U];
            out += hex[byte & 0xfU];
        } else {
            out += c;
        }
    }
    return out + '"';
}

void write(const YamlNode& node, size_t depth, std::string& out);

// What stands after "key:" or "-".
void write_child(const YamlNode& child, size_t depth, std::string& out) {
    if (!child.children.empty()) {
        out += "\n";
        write(child, depth + 1, out);
    } else if (child.kind == YamlNode::Kind::list) {
        out += " []\n";
    } else if (child.kind == YamlNode::Kind::mapping) {
        out += " {}\n";
    } else {
        out += " " + scalar_text(child.text) + "\n";
    }
}

// Recursion is as deep as the tables of keys.cpp, never as deep as input.
void write(const YamlNode& node, size_t depth, std::string& out) {
    for (const YamlNode& child : node.children) {
        const size_t begin = out.size();
        if (node.kind == YamlNode::Kind::list && child.kind == YamlNode::Kind::mapping) {
            // The first key stands on the line of the dash.
            write(child, depth + 1, out);
            if (begin < out.size()) out[begin + depth * 2] = '-';
            continue;
        }
        out += std::string(depth * 2, ' ');
        out += node.kind == YamlNode::Kind::list ? "-" : child.key + ":";
        write_child(child, depth, out);
    }
}

}  // namespace

YamlNode yaml_scalar(std::string text) {
    return {.kind = YamlNode::Kind::scalar, .text = std::move(text)};
}

YamlNode yaml_with_key(std::string key, YamlNode node) {
    node.key = std::move(key);
    return node;
}

std::string write_yaml(const YamlNode& root) {
    std::string out;
    write(root, 0, out);
    return out;
}

}  // namespace telltale::config
