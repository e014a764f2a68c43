// Every kind of call of telltale.test.Echo; one JSON line each. Usage: echo_client ADDRESS
// [SCENARIO…]
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "echo.h"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::system_clock;
using Messages = std::vector<std::string>;

constexpr auto patience = 20s;

void check(bool condition, const std::string& text) {
    if (!condition) {
        throw std::runtime_error(text);
    }
}

struct Answer {
    Messages messages;
    grpc::Status status;
};

// One call on a completion queue of its own. Every kind of call is a stream of messages each way on
// the wire.
class Call {
   public:
    Call(grpc::GenericStub& stub, grpc::ClientContext& context, const std::string& method)
        : stream_(stub.PrepareCall(&context, interop::service + method, &queue_)) {
        stream_->StartCall(tag(start_done));
        wait_for(start_done);
    }
    ~Call() {
        queue_.Shutdown();
        void* got = nullptr;
        bool ok = false;
        while (queue_.Next(&got, &ok)) {
        }
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Sends and reads at the same time: neither side waits for the other to be done.
    Answer exchange(const Messages& requests) {
        Answer answer;
        size_t sent = 0;
        bool reading = true, writing = true;
        const auto write_next = [&] {
            if (sent < requests.size()) {
                stream_->Write(interop::to_buffer(requests[sent++]), tag(write_done));
            } else {
                stream_->WritesDone(tag(writes_done));
            }
        };
        grpc::ByteBuffer incoming;
        stream_->Read(&incoming, tag(read_done));
        write_next();
        while (reading || writing) {
            const auto [kind, ok] = next();
            if (kind == read_done) {
                reading = ok;
                if (ok) {
                    answer.messages.push_back(interop::to_text(incoming));
                    stream_->Read(&incoming, tag(read_done));
                }
            } else if (kind == write_done && ok) {
                write_next();
            } else {
                writing = false;
            }
        }
        stream_->Finish(&answer.status, tag(finish_done));
        wait_for(finish_done);
        return answer;
    }

   private:
    enum Kind : intptr_t { start_done = 1, read_done, write_done, writes_done, finish_done };

    static void* tag(Kind kind) { return reinterpret_cast<void*>(static_cast<intptr_t>(kind)); }

    std::pair<Kind, bool> next() {
        void* got = nullptr;
        bool ok = false;
        check(queue_.Next(&got, &ok), "the completion queue ended");
        return {static_cast<Kind>(reinterpret_cast<intptr_t>(got)), ok};
    }

    void wait_for(Kind kind) { check(next().first == kind, "completions out of order"); }

    grpc::CompletionQueue queue_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

Answer exchange(grpc::GenericStub& stub, const std::string& method, const Messages& requests,
                Clock::duration limit = patience) {
    grpc::ClientContext context;
    context.set_deadline(Clock::now() + limit);
    return Call(stub, context, method).exchange(requests);
}

Messages successful(const Answer& answer) {
    check(answer.status.ok(), answer.status.error_message());
    return answer.messages;
}

std::string all_bytes(int times) {
    std::string text;
    for (int n = 0; n < 256 * times; ++n) {
        text += static_cast<char>(n % 256);
    }
    return text;
}

void unary(grpc::GenericStub& stub) {
    for (const std::string& payload : {std::string(), std::string("hello"), all_bytes(4)}) {
        check(successful(exchange(stub, "Unary", {payload})) == Messages{payload},
              "another payload came back");
    }
}

void check_stream(grpc::GenericStub& stub, int count, size_t size) {
    const Messages answers = successful(
        exchange(stub, "ServerStream", {std::to_string(count) + ":" + std::to_string(size)}));
    check(answers.size() == static_cast<size_t>(count),
          std::to_string(answers.size()) + " messages");
    for (size_t n = 0; n < answers.size(); ++n) {
        check(answers[n] == std::string(size, static_cast<char>(n % 251)),
              "messages differ or changed order");
    }
}

void server_stream(grpc::GenericStub& stub) {
    check_stream(stub, 50, 1000);
}

void client_stream(grpc::GenericStub& stub) {
    Messages messages;
    for (size_t n = 0; n < 100; ++n) {
        messages.emplace_back(n, 'x');
    }
    check(successful(exchange(stub, "ClientStream", messages)) == Messages{"100:4950"},
          "another sum");
}

void bidi(grpc::GenericStub& stub) {
    Messages messages;
    for (int n = 0; n < 40; ++n) {
        std::string message;
        for (int times = 0; times < n; ++times) {
            message += "message " + std::to_string(n);
        }
        messages.push_back(message);
    }
    check(successful(exchange(stub, "Bidi", messages)) == messages, "the echo differs");
}

void large(grpc::GenericStub& stub) {
    const std::string payload = all_bytes(4 << 12);
    check(successful(exchange(stub, "Unary", {payload})) == Messages{payload},
          "4 MiB came back changed");
    check_stream(stub, 3, 4 << 20);
    check(successful(exchange(stub, "ClientStream", {payload, payload, payload})) ==
              Messages{"3:12582912"},
          "another sum");
}

int cancelled_calls(grpc::GenericStub& stub) {
    return std::stoi(successful(exchange(stub, "Seen", {""})).at(0));
}

void wait_for_cancelled(grpc::GenericStub& stub, int count) {
    for (const auto end = Clock::now() + patience; cancelled_calls(stub) < count;) {
        check(Clock::now() < end, "the server never saw the call end");
        std::this_thread::sleep_for(20ms);
    }
}

void deadline(grpc::GenericStub& stub) {
    const int before = cancelled_calls(stub);
    const Answer answer = exchange(stub, "Slow", {""}, 200ms);
    check(answer.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED,
          answer.status.error_message());
    wait_for_cancelled(stub, before + 1);
}

void cancellation(grpc::GenericStub& stub) {
    const int before = cancelled_calls(stub);
    grpc::ClientContext context;
    context.set_deadline(Clock::now() + patience);
    Call call(stub, context, "Slow");
    std::thread canceller([&] {
        std::this_thread::sleep_for(100ms);
        context.TryCancel();
    });
    const Answer answer = call.exchange({""});
    canceller.join();
    check(answer.status.error_code() == grpc::StatusCode::CANCELLED, answer.status.error_message());
    wait_for_cancelled(stub, before + 1);
}

// Two values of one key may come back as one: the comma joins them by definition.
std::string joined(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                   const std::string& key) {
    std::string text;
    const auto [first, last] = metadata.equal_range(key);
    for (auto entry = first; entry != last; ++entry) {
        text +=
            (text.empty() ? "" : ", ") + std::string(entry->second.data(), entry->second.size());
    }
    return text;
}

void metadata(grpc::GenericStub& stub) {
    grpc::ClientContext context;
    context.set_deadline(Clock::now() + patience);
    context.AddMetadata("x-echo-text", "some text");
    context.AddMetadata("x-echo-many", "a");
    context.AddMetadata("x-echo-many", "b");
    context.AddMetadata("x-echo-data-bin", all_bytes(1));
    (void)successful(Call(stub, context, "Unary").exchange({""}));
    const auto& header = context.GetServerInitialMetadata();
    check(joined(header, "x-echo-text") == "some text", "x-echo-text changed");
    check(joined(header, "x-echo-many") == "a, b", "x-echo-many changed");
    check(joined(header, "x-echo-data-bin") == all_bytes(1), "x-echo-data-bin changed");
    check(joined(context.GetServerTrailingMetadata(), "x-trailer") == "end",
          "the trailer is missing");
}

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        const bool plain = c >= ' ' && c != '"' && c != '\\';
        result += plain ? std::string(1, c) : c == '"' ? "\\\"" : c == '\\' ? "\\\\" : " ";
    }
    return result + "\"";
}

std::string told(const grpc::Status& status) {
    static const std::map<int, std::string> names = {{0, "OK"},        {1, "CANCELLED"},
                                                     {2, "UNKNOWN"},   {4, "DEADLINE_EXCEEDED"},
                                                     {13, "INTERNAL"}, {14, "UNAVAILABLE"}};
    const auto found = names.find(status.error_code());
    return ",\"code\":" +
           quoted(found == names.end() ? std::to_string(status.error_code()) : found->second) +
           ",\"text\":" + quoted(status.error_message());
}

// One call and what the stack says of it; for upstreams that are not gRPC.
std::string call(grpc::GenericStub& stub) {
    return told(exchange(stub, "Unary", {"hello"}, 5s).status);
}

// Calls until one succeeds; tells the first failure at once, so that somebody can mend its cause.
std::string recover(grpc::GenericStub& stub) {
    const auto end = Clock::now() + patience;
    for (int failures = 0;; ++failures) {
        const Answer answer = exchange(stub, "Unary", {"hello"}, 5s);
        if (answer.status.ok()) return ",\"failures\":" + std::to_string(failures);
        if (failures == 0) {
            std::printf("{\"scenario\":\"failing\",\"ok\":true%s}\n", told(answer.status).c_str());
            std::fflush(stdout);
        }
        check(Clock::now() < end, "still " + answer.status.error_message());
        std::this_thread::sleep_for(50ms);
    }
}

using Scenario = std::pair<std::string, std::function<void(grpc::GenericStub&)>>;
const std::vector<Scenario> scenarios = {{"unary", unary},
                                         {"server_stream", server_stream},
                                         {"client_stream", client_stream},
                                         {"bidi", bidi},
                                         {"large", large},
                                         {"deadline", deadline},
                                         {"cancellation", cancellation},
                                         {"metadata", metadata}};

std::string run(grpc::GenericStub& stub, const std::string& name) {
    if (name == "call") {
        return call(stub);
    }
    if (name == "recover") {
        return recover(stub);
    }
    for (const auto& [known, function] : scenarios) {
        if (known == name) {
            function(stub);
            return "";
        }
    }
    throw std::runtime_error("no such scenario");
}

// TLS that trusts the certificates of the file ECHO_CA, or plain text without that variable.
std::shared_ptr<grpc::ChannelCredentials> credentials() {
    const char* file = std::getenv("ECHO_CA");
    if (file == nullptr) return grpc::InsecureChannelCredentials();
    std::ifstream opened(file);
    std::ostringstream certificates;
    certificates << opened.rdbuf();
    return grpc::SslCredentials({.pem_root_certs = certificates.str()});
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: echo_client ADDRESS [SCENARIO…]\n");
        return 64;
    }
    grpc::ChannelArguments options;
    options.SetMaxReceiveMessageSize(interop::message_max);
    options.SetMaxSendMessageSize(interop::message_max);
    grpc::GenericStub stub(grpc::CreateCustomChannel(arguments[1], credentials(), options));
    std::vector<std::string> names(arguments + 2, arguments + count);
    if (names.empty()) {
        for (const Scenario& scenario : scenarios) {
            names.push_back(scenario.first);
        }
    }
    int failed = 0;
    for (const std::string& name : names) {
        std::string rest;
        try {
            rest = ",\"ok\":true" + run(stub, name);
        } catch (const std::exception& error) {
            rest = ",\"ok\":false,\"text\":" + quoted(error.what());
            ++failed;
        }
        std::printf("{\"scenario\":%s%s}\n", quoted(name).c_str(), rest.c_str());
        std::fflush(stdout);
    }
    return failed == 0 ? 0 : 1;
}
