#include "config/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <optional>
#include <sstream>
#include <utility>

#include "config/expand.h"
#include "config/report.h"

namespace telltale::config {
namespace {

// `{name: ${POD_NAME}}` must work, but the braces of ${…} would end the flow mapping. They travel
// through the parser as two private-use characters (U+E000, U+E001) that YAML takes for letters.
constexpr std::string_view masked_open = "\xee\x80\x80";
constexpr std::string_view masked_close = "\xee\x80\x81";
static_assert(masked_open.size() == masked_close.size());

std::string mask_references(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const size_t begin = text.find("${");
        const size_t length =
            begin == std::string_view::npos ? 0 : reference_length(text.substr(begin));
        const size_t copied = begin == std::string_view::npos ? text.size()
                              : length == 0                   ? begin + 2
                                                              : begin;
        out += text.substr(0, copied);
        text.remove_prefix(copied);
        if (length == 0) continue;
        out += masked_open;
        out += text.substr(2, length - 3);
        out += masked_close;
        text.remove_prefix(length);
    }
    return out;
}

std::string unmask_references(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const bool opens = text.substr(0, masked_open.size()) == masked_open;
        const bool closes = text.substr(0, masked_close.size()) == masked_close;
        out += opens ? "${" : closes ? "}" : text.substr(0, 1);
        text.remove_prefix(opens || closes ? masked_open.size() : 1);
    }
    return out;
}

struct ReadError : std::exception {
    ReadError(int at, std::string what) : line(at), text(std::move(what)) {}
    int line;
    std::string text;
};

// Marks count from 0; a mark without a place has -1.
int line_of(const YAML::Mark& mark) {
    return mark.line + 1;
}

class TreeBuilder final : public YAML::EventHandler {
   public:
    [[nodiscard]] YamlNode take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0) {
            throw ReadError(line_of(mark), "got a second YAML document, expected one");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
        YamlNode node{.line = line_of(mark)};
        // The mark of a value that is not there is that of the token after it.
        if (has_open_key()) node.line = open_.back().key_line;
        add(std::move(node));
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
        throw ReadError(line_of(mark), "got a YAML alias (*name), expected the value written out");
    }

    void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  const std::string& value) override {
        const std::string text = unmask_references(value);
        if (is_key_next()) {
            open_.back().key = text;
            open_.back().key_line = line_of(mark);
            return;
        }
        add({.kind = YamlNode::Kind::scalar, .line = line_of(mark), .text = text});
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/,
                         YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {
        open(YamlNode::Kind::list, mark);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                    YAML::EmitterStyle::value /*style*/) override {
        open(YamlNode::Kind::mapping, mark);
    }
    void OnMapEnd() override { close(); }

   private:
    struct Open {
        YamlNode node;
        std::optional<std::string> key;  // of the value that comes next
        int key_line = 0;
    };

    [[nodiscard]] bool is_key_next() const {
        return !open_.empty() && open_.back().node.kind == YamlNode::Kind::mapping &&
               !open_.back().key;
    }
    [[nodiscard]] bool has_open_key() const { return !open_.empty() && open_.back().key; }

    void open(YamlNode::Kind kind, const YAML::Mark& mark) {
        require_value(line_of(mark));
        if (open_.size() >= yaml_depth_max) {
            throw ReadError(line_of(mark), "got YAML nested deeper than " +
                                               std::to_string(yaml_depth_max) +
                                               " levels, expected fewer");
        }
        open_.push_back({.node = {.kind = kind, .line = line_of(mark)}, .key = {}});
    }

    void close() {
        YamlNode node = std::move(open_.back().node);
        open_.pop_back();
        add(std::move(node));
    }

    void add(YamlNode node) {
        require_value(node.line);
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.key) {
            node.key = *std::exchange(parent.key, std::nullopt);
            node.key_line = parent.key_line;
        }
        parent.node.children.push_back(std::move(node));
    }

    void require_value(int line) const {
        if (is_key_next()) throw ReadError(line, "got a key that is not text, expected a name");
    }

    std::vector<Open> open_;
    YamlNode root_;
    int documents_ = 0;
};

Error syntax_error(int line, const std::string& what) {
    return {.file = {}, .line = line, .path = {}, .text = what};
}

}  // namespace

std::variant<YamlNode, Error> read_yaml(const std::string& text) {
    if (text.size() > yaml_bytes_max) {
        return syntax_error(0, "got a file of " + std::to_string(text.size()) +
                                   " bytes, expected at most " + std::to_string(yaml_bytes_max));
    }
    TreeBuilder builder;
    try {
        std::istringstream stream(mask_references(text));
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
        return builder.take();
    } catch (const ReadError& error) {
        return syntax_error(error.line, error.text);
    } catch (const YAML::Exception& error) {
        const int line = error.mark.is_null() ? 0 : line_of(error.mark);
        return syntax_error(line, "got text that is not YAML (" + escaped(error.msg) +
                                      "), expected a mapping of keys and values");
    } catch (const std::exception&) {
        return syntax_error(0, "got text that is not YAML, expected a mapping of keys and values");
    }
}

}  // namespace telltale::config
