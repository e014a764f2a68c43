// The one place where Beast's functions are compiled (BOOST_BEAST_SEPARATE_COMPILATION).
#include <boost/asio/error.hpp>  // src.hpp uses it without including it
#include <boost/beast/src.hpp>
