#include "sniff/greetings.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

using std::string_literals::operator""s;

std::string text_of(Protocol protocol, const std::string& bytes) {
    return greeting_text(protocol, as_bytes(bytes));
}

TEST(Greeting, is_the_first_line_of_servers_that_speak_in_lines) {
    EXPECT_EQ(text_of(Protocol::ssh, test::upstream_bytes("openssh_banner")),
              "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10");
    EXPECT_EQ(text_of(Protocol::smtp, test::upstream_bytes("vsftpd_greeting")),
              "220 (vsFTPd 3.0.3)");
    EXPECT_EQ(text_of(Protocol::redis, test::upstream_bytes("redis_error")),
              "-ERR unknown command 'PRI', with args beginning with: '*' 'HTTP/2.0' ");
}

TEST(Greeting, of_mysql_is_the_version_or_the_refusal) {
    EXPECT_EQ(text_of(Protocol::mysql, test::upstream_bytes("mariadb_handshake")),
              "5.5.5-10.11.19-MariaDB-0+deb12u1");
    EXPECT_EQ(text_of(Protocol::mysql, test::upstream_bytes("mariadb_too_many_connections")),
              "Too many connections");
    EXPECT_EQ(text_of(Protocol::mysql, "\x15\0\0\1\xff\x10\x04#08004Go away now"s), "Go away now");
}

TEST(Greeting, of_postgres_is_its_message) {
    EXPECT_EQ(text_of(Protocol::postgres, test::upstream_bytes("postgres_error")),
              "unsupported frontend protocol 4.0: server supports 3.0 to 3.0");
    EXPECT_EQ(text_of(Protocol::postgres, test::upstream_bytes("postgres_authentication")), "");
    EXPECT_EQ(text_of(Protocol::postgres, "EFATAL:  too old\0"s), "FATAL:  too old");
}

TEST(Greeting, is_bounded_and_safe_on_cut_bytes) {
    EXPECT_EQ(text_of(Protocol::ssh, "SSH-2.0-" + std::string(5000, 'x')).size(), 256U);
    for (const char* file :
         {"mariadb_handshake", "mariadb_too_many_connections", "postgres_error"}) {
        const std::string bytes = test::upstream_bytes(file);
        for (size_t size = 0; size <= bytes.size(); ++size) {
            for (const Protocol protocol : {Protocol::mysql, Protocol::postgres}) {
                EXPECT_LE(text_of(protocol, bytes.substr(0, size)).size(), 256U);
            }
        }
    }
    EXPECT_EQ(text_of(Protocol::http1, "HTTP/1.1 200 OK"), "");
}

TEST(MysqlProbe, knows_no_other_first_packet) {
    EXPECT_EQ(mysql_probe(as_bytes("\x4a\0\0\2\n5.5"s)), Match::no);
    EXPECT_EQ(mysql_probe(as_bytes("\x4a\0\0\0\x09"s)), Match::no);
    EXPECT_EQ(mysql_probe(as_bytes("\x4a\0\0\0\nX"s)), Match::no);
    EXPECT_EQ(mysql_probe(as_bytes("\0\0\0\0"s)), Match::no);
    EXPECT_EQ(mysql_probe(as_bytes("\x17\0\0\0\xff\x10\x44"s)), Match::no);
}

TEST(PostgresProbe, tells_an_error_from_memcached) {
    EXPECT_EQ(postgres_probe(as_bytes("ERROR\r\n")), Match::no);
    EXPECT_EQ(postgres_probe(as_bytes("E\0\0\0\x07"s)), Match::no);
    EXPECT_EQ(postgres_probe(as_bytes("R\0\0\0\x08\0\0\0\x0d"s)), Match::no);
}

}  // namespace
}  // namespace telltale::sniff
