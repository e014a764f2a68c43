#include "proxy/admin_negotiation.h"

#include <gtest/gtest.h>

namespace telltale::proxy {
namespace {

TEST(AdminNegotiation, takes_who_names_html_for_a_browser) {
    EXPECT_TRUE(wants_html({"text/html"}));
    EXPECT_TRUE(wants_html({"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}));
    EXPECT_TRUE(wants_html({"application/json", "application/xml , Text/HTML ;q=0.1"}));
    EXPECT_TRUE(wants_html({"text/html; level=1"}));
}

TEST(AdminNegotiation, takes_everybody_else_for_a_program) {
    EXPECT_FALSE(wants_html({}));
    EXPECT_FALSE(wants_html({""}));
    EXPECT_FALSE(wants_html({"*/*"}));
    EXPECT_FALSE(wants_html({"text/*"}));
    EXPECT_FALSE(wants_html({"text/plain;version=0.0.4;q=1,*/*;q=0.1"}));
    EXPECT_FALSE(wants_html({"text/htmlx", "xtext/html"}));
    EXPECT_FALSE(wants_html({",,;;,=", "q=1"}));
}

TEST(AdminNegotiation, heeds_who_does_not_want_html) {
    EXPECT_FALSE(wants_html({"text/html;q=0"}));
    EXPECT_FALSE(wants_html({"text/html; Q=0.000, */*"}));
    EXPECT_TRUE(wants_html({"text/html;q=0.001"}));
}

TEST(AdminNegotiation, makes_one_tag_for_one_body) {
    EXPECT_EQ(etag_of("[]\n"), etag_of("[]\n"));
    EXPECT_NE(etag_of("[]\n"), etag_of("[ ]\n"));
    EXPECT_EQ(etag_of("").size(), 18U);
    EXPECT_EQ(etag_of("a").front(), '"');
    EXPECT_EQ(etag_of("a").back(), '"');
}

TEST(AdminNegotiation, finds_the_tag_that_a_client_has) {
    EXPECT_TRUE(etag_matches("\"a\"", "\"a\""));
    EXPECT_TRUE(etag_matches("W/\"a\"", "\"a\""));
    EXPECT_TRUE(etag_matches("\"b\" , \"a\"", "\"a\""));
    EXPECT_TRUE(etag_matches("*", "\"a\""));
    EXPECT_FALSE(etag_matches("", "\"a\""));
    EXPECT_FALSE(etag_matches("\"b\"", "\"a\""));
    EXPECT_FALSE(etag_matches("a", "\"a\""));
    EXPECT_FALSE(etag_matches("*", "")) << "an answer without a tag is always sent";
}

}  // namespace
}  // namespace telltale::proxy
