// tests/http_server.h: an HTTP server on the loopback, for tests of what speaks HTTP.
//
// A test says how to answer with a function, which connections call at the same time, each from its own thread. Each
// connection carries one request. Replies may misbehave: promise more bytes than come, or never come.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sextant::tests {

struct Request {
  std::string method;
  std::string target;                          // path and query, as they came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string header(const std::string& name) const {
    auto at = headers.find(name);
    return at == headers.end() ? "" : at->second;
  }
};

struct Reply {
  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::optional<size_t> body_bytes_sent = {};  // the connection is closed after so many
  bool silent = false;                         // nothing is sent until the server ends
};

class HttpServer {
 public:
  using Handler = std::function<Reply(const Request&)>;

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 64) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no server on the loopback");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer() { stop(); }

  // From now on nobody answers on this port.
  void stop() {
    if (socket_ < 0) return;
    ::shutdown(socket_, SHUT_RDWR);
    acceptor_.join();
    ::close(socket_);
    socket_ = -1;
    {
      std::lock_guard lock(mutex_);
      for (int connection : open_) ::shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  // Waits until no handler runs. What handlers read may be changed between two calls of this, and no request meanwhile.
  void settle() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return handling_ == 0; });
  }

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // All that came so far, in the order of their arrival.
  std::vector<Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  void forget_requests() {
    std::lock_guard lock(mutex_);
    requests_.clear();
  }

 private:
  void accept_all() {
    for (;;) {
      int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      {
        std::lock_guard lock(mutex_);
        open_.push_back(connection);
      }
      threads_.emplace_back([this, connection] {
        serve(connection);
        std::lock_guard lock(mutex_);
        open_.remove(connection);
        ::close(connection);
      });
    }
  }

  static bool read_more(int connection, std::string& bytes) {
    char buffer[1 << 16];
    ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    bytes.append(buffer, static_cast<size_t>(n));
    return true;
  }

  static void write_all(int connection, std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }

  static bool read_request(int connection, Request& request) {
    std::string bytes;
    size_t end;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(connection, bytes)) return false;
    }
    std::string head = bytes.substr(0, end);
    request.body = bytes.substr(end + 4);
    size_t space = head.find(' ');
    request.method = head.substr(0, space);
    request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    for (size_t line = head.find("\r\n"); line != std::string::npos; line = head.find("\r\n", line + 2)) {
      size_t colon = head.find(':', line);
      std::string name = head.substr(line + 2, colon - line - 2);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      size_t value = head.find_first_not_of(' ', colon + 1);
      request.headers[name] = head.substr(value, head.find("\r\n", value) - value);
    }
    const std::string length = request.header("content-length");
    while (!length.empty() && request.body.size() < std::stoull(length)) {
      if (!read_more(connection, request.body)) return false;
    }
    return true;
  }

  void serve(int connection) {
    Request request;
    if (!read_request(connection, request)) return;
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(request);
      ++handling_;
    }
    Reply reply = handler_(request);
    {
      std::lock_guard lock(mutex_);
      --handling_;
      idle_.notify_all();
    }
    if (reply.silent) {
      // Until the client leaves or the server ends.
      std::string ignored;
      while (read_more(connection, ignored)) {
      }
      return;
    }
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\nConnection: close\r\n";
    bool has_length = false;
    for (const auto& [name, value] : reply.headers) {
      head += name + ": " + value + "\r\n";
      has_length = has_length || name == "Content-Length";
    }
    if (!has_length) head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    write_all(connection, head + "\r\n");
    if (request.method == "HEAD") return;
    write_all(connection, std::string_view(reply.body).substr(0, reply.body_bytes_sent.value_or(std::string::npos)));
  }

  Handler handler_;
  int socket_ = -1;
  int port_ = 0;
  std::thread acceptor_;
  std::list<std::thread> threads_;  // of the acceptor, until it ended
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  size_t handling_ = 0;  // guarded by mutex_, as are all below
  std::list<int> open_;
  std::vector<Request> requests_;
};

}  // namespace sextant::tests
