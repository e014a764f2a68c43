"""The include rule of ARCHITECTURE.md: sniff knows bytes, config knows texts, proxy does I/O, nothing knows cli."""
import re
import unittest

from files import TreeTest, all_files, read

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# What makes code impure: input and output, clocks that tick, threads. (<chrono> is fine: durations are values.)
IMPURE = ("atomic", "condition_variable", "fstream", "future", "iostream", "mutex", "poll.h", "pthread.h", "semaphore",
          "shared_mutex", "signal.h", "csignal", "stop_token", "sys/", "thread", "unistd.h", "netinet/", "netdb.h")
# folder: (project headers it may include, libraries it may use, in headers too?, impure system headers?)
RULES = {
    "sniff/": {"project": ("sniff/",), "libraries": (), "in_cpp": ("llhttp", "nghttp2/"), "impure": False},
    "config/": {"project": ("config/", "sniff/protocol.h", "sniff/evidence.h"), "libraries": (),
                "in_cpp": ("yaml-cpp/",), "impure": False},
    "proxy/": {"project": ("proxy/", "sniff/", "config/"), "libraries": ("boost/", "prometheus/", "spdlog/"),
               "in_cpp": ("nghttp2/", "openssl/"), "impure": True},
    "deploy/": {"project": ("deploy/", "sniff/", "config/"), "libraries": ("boost/json",), "in_cpp": ("yaml-cpp/",),
                "impure": True},
    "bench/": {"project": ("bench/", "sniff/", "config/", "proxy/"), "libraries": ("benchmark/", "boost/"),
               "in_cpp": ("CLI/",), "impure": True},
}
LIBRARIES = ("boost/", "benchmark/", "CLI/", "fmt/", "gmock/", "gtest/", "llhttp", "nghttp2/", "openssl/", "prometheus/",
             "spdlog/", "yaml-cpp/")


def complaint(path, quote, header, rule):
    if quote == '"':
        if not header.startswith(rule["project"]):
            return f"{path} includes \"{header}\": only {', '.join(rule['project'])} may be included there"
    elif header.startswith(LIBRARIES):
        if header == "boost/asio.hpp":
            return f"{path} includes all of Asio: name what is used"
        if not header.startswith(rule["libraries"]):
            if not header.startswith(rule["in_cpp"] or ("\0",)):
                return f"{path} includes <{header}>: that library is not for this folder"
            if not path.endswith(".cpp"):
                return f"{path} includes <{header}>: in .cpp files only"
    elif not rule["impure"] and header.startswith(IMPURE) and header != "signal.h":
        return f"{path} includes <{header}>: this folder is pure"
    return None


def complaints_of(path, text):
    for folder, rule in RULES.items():
        if path.startswith(folder):
            found = (complaint(path, quote, header, rule) for quote, header in INCLUDE.findall(text))
            return [one for one in found if one]
    if not path.startswith(("cli/", "tests/")):
        return [f"{path}: no rule for this folder"]
    return []


class Includes(TreeTest):
    def test_keep_the_rule(self):
        sources = [path for path in all_files() if path.endswith((".h", ".cpp"))]
        self.assertGreater(len(sources), 50)
        self.assert_nothing([one for path in sources for one in complaints_of(path, read(path))])

    def test_that_break_the_rule_are_found(self):
        for path, line in (("sniff/a.cpp", '#include "proxy/net.h"'), ("sniff/a.h", "#include <nghttp2/nghttp2.h>"),
                           ("sniff/a.cpp", "#include <thread>"), ("sniff/a.cpp", "#include <boost/json.hpp>"),
                           ("config/a.cpp", '#include "sniff/diagnosis.h"'), ("config/a.h", "# include <yaml-cpp/node.h>"),
                           ("proxy/a.cpp", '#include "cli/version.h"'), ("proxy/a.cpp", "#include <boost/asio.hpp>"),
                           ("proxy/a.h", "#include <yaml-cpp/yaml.h>"), ("new/a.h", "")):
            self.assertEqual(len(complaints_of(path, line)), 1, (path, line))
        for path, line in (("sniff/a.cpp", "#include <nghttp2/nghttp2.h>"), ("sniff/a.h", "#include <chrono>"),
                           ("proxy/a.cpp", '#include "sniff/tls.h"'), ("cli/a.cpp", '#include "proxy/runtime.h"')):
            self.assertEqual(complaints_of(path, line), [], (path, line))


if __name__ == "__main__":
    unittest.main()
