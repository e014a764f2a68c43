#include "sniff/sentences.h"
#include "sniff/words.h"

#include <cerrno>

namespace telltale::sniff {
namespace {

int last_error(const Evidence& e) {
    return e.attempts.empty() ? 0 : e.attempts.back().error;
}

// Several addresses were tried: which, and what each said.
std::string tried_words(const Evidence& e) {
    return e.attempts.size() < 2 ? std::string() : " (tried " + attempts_words(e) + ")";
}

std::string port_advice(const Evidence& e) {
    const std::string right = right_port_words(e);
    return right.empty() ? std::string() : " The registry has " + right + " for gRPC.";
}

bool is_unix(const Evidence& e) {
    return e.upstream_address.starts_with("unix:");
}

}  // namespace

Sentences refused_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    const int error = last_error(f.e);
    const std::string code = error == 0 ? "ECONNREFUSED (connection refused)" : errno_words(error);
    std::string fix =
        "Start the service or correct the address: check that its pods run, that it listens on all "
        "addresses and not "
        "only on 127.0.0.1, and that targetPort is its port.";
    if (is_unix(f.e)) {
        fix =
            "Start the service, or correct the socket's path on both sides; the directory must be "
            "shared by both containers.";
    }
    if (f.facts.has(Fact::registry_metrics)) {
        const std::string right = right_port_words(f.e);
        fix = (right.empty() ? "Dial the gRPC port" : "Dial " + right) + "; " +
              std::to_string(f.e.upstream_port) + " is the metrics port of " +
              shown(f.e.registry.service) + ".";
    } else {
        fix += port_advice(f.e);
    }
    return {
        "Nothing listens on " + up + ": the connect ended with " + code + tried_words(f.e) + ".",
        fix};
}

Sentences connect_timeout_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    const bool abandoned = f.facts.has(Fact::not_connected);
    const std::string what = abandoned
                                 ? " had not answered the connect when the client gave up after " +
                                       duration_words(f.e.now)
                                 : " did not answer the connect in time" + tried_words(f.e);
    return {up + what + ": packets to it are dropped, or the host is gone.",
            "Look for what drops packets on the way to " + up +
                ": a NetworkPolicy, a security group or firewall, a node that is down, an address "
                "that no pod has any longer."};
}

Sentences unreachable_sentences(const Findings& f) {
    const int error = last_error(f.e);
    const std::string code = error == 0 ? "EHOSTUNREACH (no route to host)" : errno_words(error);
    return {
        "There is no way to " + upstream_words(f.e) + ": the connect ended with " + code +
            tried_words(f.e) + ".",
        "Check routes and address family (IPv6 without an IPv6 network is common), the node of " +
            upstream_words(f.e) + " and firewalls that reject instead of drop."};
}

Sentences dns_failure_sentences(const Findings& f) {
    const std::string host =
        host_of(f.e.requested.empty() ? std::string_view("the upstream") : f.e.requested);
    if (f.facts.has(Fact::not_connected)) {
        return {"The name " + host + " was not resolved when the client gave up after " +
                    duration_words(f.e.now) + ".",
                "Check that the DNS server answers this pod (resolv.conf, NetworkPolicy for port "
                "53) and answers in time."};
    }
    const std::string why =
        f.e.resolve_error.empty() ? std::string() : " (" + shown(f.e.resolve_error) + ")";
    return {"The name " + host + " does not resolve" + why + ".",
            "Check the spelling and the namespace (name.namespace.svc.cluster.local from another "
            "namespace), that the Service exists, "
            "and that this pod may ask the DNS server."};
}

Sentences no_endpoints_sentences(const Findings& f) {
    const std::string host = host_of(f.e.requested);
    return {requested_words(f.e) +
                " has no endpoint to dial: the name is known, but nothing stands behind it.",
            "Check that the pods of " + host +
                " are ready and that the Service's selector matches their labels: kubectl get "
                "endpointslices -l kubernetes.io/service-name=" +
                host.substr(0, host.find('.')) + "."};
}

Sentences hung_up_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    const std::string verb =
        f.facts.has(Fact::upstream_reset) ? " reset the connection" : " closed the connection";
    const std::string start =
        up + verb + " before it answered a byte to " + opening_words(f.e) + ": ";
    if (f.facts.has(Fact::client_tls)) {
        return {start +
                    "it may speak no TLS, reject this server name, or wait for a PROXY protocol "
                    "header.",
                "Ask it from the same place: openssl s_client -alpn h2 -connect " + up +
                    " fails the same way if it speaks no TLS; "
                    "then use plaintext in the client or dial its TLS port." +
                    port_advice(f.e)};
    }
    const std::string plain =
        f.facts.has(Fact::client_http1)
            ? "a plaintext server that serves HTTP/2 only or refuses this request"
            : "a plaintext HTTP/1 server that hangs up on HTTP/2 (Tomcat and Spring Boot do)";
    const std::string tls = f.facts.has(Fact::port_is_tls)
                                ? "most likely a TLS port reached without TLS, else "
                                : "it may be a TLS port reached without TLS, or ";
    return {start + tls + plain + ", or a listener that waits for a PROXY protocol header.",
            "Ask it from the same place: if openssl s_client -alpn h2 -connect " + up +
                " shows a certificate, use TLS credentials in "
                "the client; if curl -v http://" +
                up + "/ gets an answer, it is an HTTP/1 port: dial the gRPC port." +
                port_advice(f.e)};
}

Sentences silent_upstream_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    return {
        up + " took the connection and " + opening_words(f.e) + " and said nothing for " +
            duration_words(f.e.silent_for.value_or(0)) +
            ": a load balancer without a backend, a process that hangs, or a server that waits for "
            "something else.",
        "Check that the process behind " + up +
            " accepts (ss -ltn shows a growing Recv-Q if it hangs), that a load balancer on the "
            "way has a healthy backend, and that no server there waits for TLS or a PROXY protocol "
            "header." +
            port_advice(f.e)};
}

Sentences loop_sentences(const Findings& f) {
    return {"The upstream " + upstream_words(f.e) + " of listener " + shown(f.e.listener) +
                " is Telltale itself.",
            "Set the upstream address of listener " + shown(f.e.listener) +
                " to the service's own port; a redirect rule must not catch Telltale's own "
                "connections."};
}

Sentences proxy_limit_sentences(const Findings& f) {
    const int error = last_error(f.e) != 0 ? last_error(f.e) : f.e.ended_by.error;
    const std::string code = error == 0 ? "a local limit" : errno_words(error);
    std::string fix =
        "Raise the limit on this host, or lower limits.connections so that Telltale stops "
        "accepting before.";
    if (error == EMFILE)
        fix =
            "Raise the open files limit of Telltale (ulimit -n, LimitNOFILE), or lower "
            "limits.connections.";
    if (error == EADDRNOTAVAIL) {
        fix =
            "Free local ports: let clients keep their connections open, widen "
            "net.ipv4.ip_local_port_range, or use a Unix socket as "
            "the upstream.";
    }
    return {"Telltale could not open a connection to " + upstream_words(f.e) + ": " + code + ".",
            fix};
}

Sentences proxy_shutdown_sentences(const Findings& f) {
    return {"Telltale was stopping and ended this connection to " + upstream_words(f.e) +
                " when the time to drain was over; neither side had done anything wrong.",
            "If calls must not be cut, raise timeouts.drain and the pod's "
            "terminationGracePeriodSeconds, and let servers limit the age "
            "of connections so that clients move on by themselves."};
}

}  // namespace telltale::sniff
