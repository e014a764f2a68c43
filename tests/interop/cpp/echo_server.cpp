// telltale.test.Echo in C++ on raw bytes; see tests/interop/README.md. Usage: echo_server ADDRESS
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "echo.h"

namespace {

using grpc::ByteBuffer;

std::atomic<int> cancelled{0};

// One call of any kind: what to do with each message and at the client's end is chosen by the
// method's name.
class Call final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(grpc::GenericCallbackServerContext* context) : context_(context) {
        method_ = context->method();
        if (method_.rfind(interop::service, 0) == 0) {
            method_.erase(0, std::strlen(interop::service));
        }
        for (const auto& [key, value] : context->client_metadata()) {
            const std::string name(key.data(), key.size());
            if (name.rfind("x-echo-", 0) == 0) {
                context->AddInitialMetadata(name, std::string(value.data(), value.size()));
            }
        }
        context->AddTrailingMetadata("x-trailer", "end");
        StartRead(&incoming_);
    }

    void OnReadDone(bool ok) override {
        if (!ok) {
            end_of_requests();
            return;
        }
        const std::string message = interop::to_text(incoming_);
        ++count_;
        size_ += message.size();
        if (method_ == "Unary" || method_ == "Bidi") {
            write(message);
        } else if (method_ == "ServerStream") {
            std::sscanf(message.c_str(), "%d:%zu", &left_, &message_size_);
            write_next();
        } else if (method_ == "ClientStream") {
            StartRead(&incoming_);
        } else if (method_ == "Seen") {
            write(std::to_string(cancelled.load()));
        } else if (method_ != "Slow") {
            finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, method_));
        }
    }

    void OnWriteDone(bool ok) override {
        if (!ok) {
            finish(grpc::Status::CANCELLED);
        } else if (method_ == "Bidi") {
            StartRead(&incoming_);
        } else if (method_ == "ServerStream") {
            write_next();
        } else {
            finish(grpc::Status::OK);
        }
    }

    void OnCancel() override {
        if (method_ == "Slow") {
            ++cancelled;
            finish(grpc::Status::CANCELLED);
        }
    }

    void OnDone() override { delete this; }

   private:
    void end_of_requests() {
        if (method_ == "ClientStream") {
            write(std::to_string(count_) + ":" + std::to_string(size_));
        } else if (method_ == "Bidi") {
            finish(grpc::Status::OK);
        }
    }

    void write(const std::string& message) {
        outgoing_ = interop::to_buffer(message);
        StartWrite(&outgoing_);
    }

    void write_next() {
        if (left_-- > 0) {
            write(std::string(message_size_, static_cast<char>(number_++ % 251)));
        } else {
            finish(grpc::Status::OK);
        }
    }

    void finish(const grpc::Status& status) {
        if (!finished_.exchange(true)) {
            Finish(status);
        }
    }

    grpc::GenericCallbackServerContext* context_;
    std::string method_;
    ByteBuffer incoming_, outgoing_;
    int count_ = 0, left_ = 0, number_ = 0;
    size_t size_ = 0, message_size_ = 0;
    std::atomic<bool> finished_{false};
};

class Echo final : public grpc::CallbackGenericService {
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
        return new Call(context);
    }
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: echo_server ADDRESS\n");
        return 64;
    }
    Echo echo;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(arguments[1], grpc::InsecureServerCredentials());
    builder.SetMaxReceiveMessageSize(interop::message_max);
    builder.SetMaxSendMessageSize(interop::message_max);
    builder.RegisterCallbackGenericService(&echo);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) {
        std::fprintf(stderr, "can't listen on %s\n", arguments[1]);
        return 1;
    }
    server->Wait();
}
