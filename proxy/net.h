// The project's socket aliases: TCP and Unix sockets share one concrete type, bound to one concrete
// executor. Asio's sockets serve the admin port; the legs of sessions are bare descriptors (leg.h).
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

namespace telltale::proxy {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Endpoint = asio::generic::stream_protocol::endpoint;

}  // namespace telltale::proxy
