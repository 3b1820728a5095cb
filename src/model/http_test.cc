// Requests against a server on the loopback: what is sent, what is believed, what is kept from strangers.
#include "model/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <fstream>

#include "base/files.h"
#include "http_server.h"

namespace sextant::model {
namespace {

using testing::HasSubstr;
using tests::HttpServer;
using tests::Reply;
using tests::Request;

ErrorCode code_of(const std::function<void()>& work, std::string* message = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

Retries without_waiting(std::vector<double>* waits = nullptr, int attempts_max = 4) {
  Retries retries;
  retries.attempts_max = attempts_max;
  retries.sleep = [waits](double seconds) {
    if (waits) waits->push_back(seconds);
  };
  return retries;
}

TEST(Http, AnAnswerHasStatusHeadersAndBody) {
  HttpServer server([](const Request&) { return Reply{201, "made", {{"X-Colour", "blue "}}}; });
  HttpClient client;
  HttpResponse response = client.send({.url = server.url() + "/a?b=c"});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "made");
  EXPECT_EQ(response.header("x-colour"), "blue");
  EXPECT_EQ(response.header("x-shape"), "");
  EXPECT_EQ(server.requests().at(0).target, "/a?b=c");
  EXPECT_THAT(server.requests().at(0).header("user-agent"), testing::StartsWith("sextant/"));
}

TEST(Http, APostCarriesItsBodyWhole) {
  HttpServer server([](const Request& request) { return Reply{200, request.body}; });
  std::string body(3 << 20, 'x');
  body[17] = '\0';
  HttpResponse response = HttpClient().send({.method = "POST", .url = server.url(), .body = body});
  EXPECT_TRUE(response.body == body);
}

TEST(Http, AuthorizationStaysWithItsServer) {
  HttpServer stranger([](const Request&) { return Reply{200, "stranger's"}; });
  HttpServer server([&](const Request& request) {
    if (request.target == "/own") return Reply{200, "own"};
    return Reply{302, "", {{"Location", request.target == "/away" ? stranger.url() + "/x" : "/own"}}};
  });
  HttpRequest request{.headers = {"Authorization: Bearer secret"}};
  HttpClient client;
  request.url = server.url() + "/here";
  EXPECT_EQ(client.send(request).body, "own");
  EXPECT_EQ(server.requests().back().header("authorization"), "Bearer secret");
  request.url = server.url() + "/away";
  EXPECT_EQ(client.send(request).body, "stranger's");
  EXPECT_EQ(stranger.requests().at(0).header("authorization"), "");
}

TEST(Http, RedirectsCanBeLookedAtInsteadOfFollowed) {
  HttpServer server([](const Request&) { return Reply{302, "", {{"Location", "/x"}}}; });
  HttpResponse response = HttpClient().send({.url = server.url(), .follow_redirects = false});
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.header("location"), "/x");
  std::string message;
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url()}); }, &message), ErrorCode::unavailable);
  EXPECT_THAT(message, HasSubstr("redirects"));
}

TEST(Http, OnlyHttpIsSpoken) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "", "x", "http://a b/"}) {
    EXPECT_EQ(code_of([&] { HttpClient().send({.url = url}); }), ErrorCode::invalid_argument) << url;
  }
  HttpServer server([](const Request&) { return Reply{302, "", {{"Location", "file:///etc/passwd"}}}; });
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url()}); }), ErrorCode::invalid_argument);
}

TEST(Http, AHeaderCannotSmuggleAnother) {
  EXPECT_EQ(code_of([] {
              HttpClient().send({.url = "http://127.0.0.1:1/", .headers = {"Authorization: Bearer a\r\nX-Evil: 1"}});
            }),
            ErrorCode::invalid_argument);
}

TEST(Http, AnAnswerThatEndsEarlyIsNoAnswer) {
  HttpServer server([](const Request&) {
    Reply reply{200, "0123456789"};
    reply.body_bytes_sent = 4;
    return reply;
  });
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url()}); }), ErrorCode::unavailable);
}

TEST(Http, AnAnswerLongerThanAllowedIsCorrupted) {
  HttpServer server([](const Request&) { return Reply{200, std::string(1000, 'x')}; });
  HttpRequest request{.url = server.url(), .body_bytes_max = 999};
  EXPECT_EQ(code_of([&] { HttpClient().send(request); }), ErrorCode::corrupted);
  request.body_bytes_max = 1000;
  EXPECT_EQ(HttpClient().send(request).body.size(), 1000u);
}

TEST(Http, EndlessHeadersAreCorrupted) {
  HttpServer server([](const Request&) {
    Reply reply;
    for (int i = 0; i < 400; ++i) reply.headers.emplace_back("X-" + std::to_string(i), std::string(1000, 'x'));
    return reply;
  });
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url()}); }), ErrorCode::corrupted);
}

// Answers one connection after another over TLS, with a certificate for 127.0.0.1 that it signed itself.
class TlsServer {
 public:
  // HANGS_UP: right after the handshake, whatever the client sends.
  explicit TlsServer(bool hangs_up = false)
      : hangs_up_(hangs_up),
        key_(EVP_EC_gen("P-256")),
        certificate_(X509_new()),
        context_(SSL_CTX_new(TLS_server_method())) {
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 3600);
    X509_set_version(certificate_, X509_VERSION_3);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* name = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate_, name);
    X509_EXTENSION* address = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate_, address, -1);
    X509_EXTENSION_free(address);
    X509_sign(certificate_, key_, EVP_sha256());
    SSL_CTX_use_certificate(context_, certificate_);
    SSL_CTX_use_PrivateKey(context_, key_);
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof own;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&own), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size), 0);
    port_ = ntohs(own.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
    SSL_CTX_free(context_);
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }

  std::string url(const std::string& host) const { return "https://" + host + ":" + std::to_string(port_) + "/"; }
  std::string certificate() const {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, certificate_);
    char* data = nullptr;
    long size = BIO_get_mem_data(memory, &data);
    std::string pem(data, static_cast<size_t>(size));
    BIO_free(memory);
    return pem;
  }

 private:
  void serve() {
    // A client that leaves in the middle must end its connection, not the test.
    sigset_t broken_pipe;
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    for (int connection; (connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      SSL* ssl = SSL_new(context_);
      SSL_set_fd(ssl, connection);
      char request[4096];
      const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsafe";
      if (SSL_accept(ssl) == 1 && !hangs_up_ && SSL_read(ssl, request, sizeof request) > 0) {
        SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
        SSL_shutdown(ssl);
      }
      SSL_free(ssl);
      ::close(connection);
    }
  }

  bool hangs_up_;
  EVP_PKEY* key_;
  X509* certificate_;
  SSL_CTX* context_;
  int socket_ = -1;
  int port_ = 0;
  std::thread thread_;
};

TEST(Http, AServerWhoseCertificateNobodyVouchesForIsRefused) {
  TlsServer server;
  std::string message;
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url("127.0.0.1")}); }, &message), ErrorCode::unavailable);
  EXPECT_THAT(message, HasSubstr("certificate"));

  base::TemporaryFolder folder;
  std::ofstream(folder.path() / "trusted.pem") << server.certificate();
  ::setenv("CURL_CA_BUNDLE", (folder.path() / "trusted.pem").c_str(), 1);
  EXPECT_EQ(HttpClient().send({.url = server.url("127.0.0.1")}).body, "safe");
  EXPECT_EQ(code_of([&] { HttpClient().send({.url = server.url("localhost")}); }, &message), ErrorCode::unavailable)
      << "the certificate is for another name";
  ::unsetenv("CURL_CA_BUNDLE");
}

TEST(Http, ATlsServerThatHangsUpEndsTheRequestAndNotTheProgram) {
  TlsServer server(true);
  base::TemporaryFolder folder;
  std::ofstream(folder.path() / "trusted.pem") << server.certificate();
  ::setenv("CURL_CA_BUNDLE", (folder.path() / "trusted.pem").c_str(), 1);
  // The program dies of SIGPIPE unless told otherwise.
  auto before = std::signal(SIGPIPE, SIG_DFL);
  HttpRequest request{.method = "POST", .url = server.url("127.0.0.1"), .body = std::string(8 << 20, 'x')};
  for (const char* method : {"POST", "GET", "GET", "POST"}) {
    request.method = method;
    EXPECT_EQ(code_of([&] { HttpClient().send(request); }), ErrorCode::unavailable) << method;
  }
  std::signal(SIGPIPE, before);
  ::unsetenv("CURL_CA_BUNDLE");
}

TEST(Http, ASilentServerIsGivenUp) {
  HttpServer server([](const Request&) {
    Reply reply;
    reply.silent = true;
    return reply;
  });
  HttpClient client({.connect_s = 1, .stall_s = 1});
  EXPECT_EQ(code_of([&] { client.send({.url = server.url()}); }), ErrorCode::unavailable);
}

TEST(Http, ASinkTakesTheBodyOfASuccessOnlyAndItsErrorsPassThrough) {
  HttpServer server([](const Request& request) { return Reply{request.target == "/good" ? 200 : 500, "body"}; });
  std::string taken;
  HttpRequest request{.sink = [&](const HttpResponse&, std::string_view piece) { taken += piece; }};
  request.url = server.url() + "/good";
  EXPECT_EQ(HttpClient().send(request).body, "");
  EXPECT_EQ(taken, "body");
  request.url = server.url() + "/bad";
  EXPECT_EQ(HttpClient().send(request).body, "body");
  EXPECT_EQ(taken, "body");
  request.sink = [](const HttpResponse&, std::string_view) { throw Error(ErrorCode::exhausted, "disk full"); };
  request.url = server.url() + "/good";
  EXPECT_EQ(code_of([&] { HttpClient().send(request); }), ErrorCode::exhausted);
}

TEST(Http, RetriesPassWhatPassesAndWaitLongerEachTime) {
  int count = 0;
  HttpServer server([&](const Request&) { return Reply{++count < 4 ? 503 : 200, "done"}; });
  std::vector<double> waits;
  Retries retries = without_waiting(&waits);
  HttpClient client;
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, retries).body, "done");
  ASSERT_EQ(waits.size(), 3u);
  for (size_t i = 0; i < waits.size(); ++i) {
    const double full = retries.wait_s_first * static_cast<double>(1 << i);
    EXPECT_GE(waits[i], full / 2);
    EXPECT_LE(waits[i], full);
  }
}

TEST(Http, RetriesEndAndGiveTheLastAnswer) {
  HttpServer server([](const Request&) { return Reply{500, "no"}; });
  HttpClient client;
  Retries retries = without_waiting(nullptr, 3);
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, retries).status, 500);
  EXPECT_EQ(server.requests().size(), 3u);
  server.forget_requests();
  auto final = [](const HttpResponse&) { return true; };
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, retries, final).status, 500);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Http, WhatCannotPassIsNotRepeated) {
  HttpServer server([](const Request&) { return Reply{404, "no"}; });
  HttpClient client;
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, without_waiting()).status, 404);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Http, RetryAfterIsHonouredUpToALimit) {
  int count = 0;
  std::string wait = "7";
  HttpServer server([&](const Request&) {
    return ++count == 1 ? Reply{429, "slow", {{"Retry-After", wait}}} : Reply{200, "done"};
  });
  std::vector<double> waits;
  Retries retries = without_waiting(&waits);
  HttpClient client;
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, retries).status, 200);
  EXPECT_THAT(waits, testing::ElementsAre(7.0));
  server.settle();
  count = 0;
  wait = "86400";
  server.settle();
  EXPECT_EQ(send_with_retries(client, {.url = server.url()}, retries).status, 429);
}

TEST(Http, NobodyListeningIsUnavailableAfterAllAttempts) {
  HttpServer server([](const Request&) { return Reply{}; });
  const std::string url = server.url();
  server.stop();
  std::vector<double> waits;
  HttpClient client;
  Retries retries = without_waiting(&waits);
  std::string message;
  EXPECT_EQ(code_of([&] { send_with_retries(client, {.url = url}, retries); }, &message), ErrorCode::unavailable);
  EXPECT_EQ(waits.size(), 3u);
  EXPECT_THAT(message, HasSubstr(url));
}

TEST(Http, UrlsAreComparedByOriginAndShownWithoutSecrets) {
  EXPECT_EQ(url_origin("HTTPS://Example.com/a?b"), "https://example.com:443");
  EXPECT_EQ(url_origin("http://user:pass@example.com:8080/"), "http://example.com:8080");
  EXPECT_EQ(url_origin("https://example.com@evil.test/"), "https://evil.test:443");
  EXPECT_EQ(url_origin("example.com"), "");
  EXPECT_EQ(url_origin("ftp://example.com"), "");
  EXPECT_EQ(url_shown("https://user:pass@example.com/a?key=secret#x"), "https://example.com/a");
  EXPECT_EQ(url_escaped("refs/pr/1 \xC3\xA4", false), "refs%2Fpr%2F1%20%C3%A4");
  EXPECT_EQ(url_escaped("1_Pooling/config.json", true), "1_Pooling/config.json");
}

}  // namespace
}  // namespace sextant::model
