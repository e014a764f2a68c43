"""What the end-to-end tests share: real programs, the proxy under test, a recording relay, clients."""
