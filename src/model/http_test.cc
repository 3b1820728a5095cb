// Requests against a server on the loopback: what is sent, what is believed, what is kept from strangers.
#include "model/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  count = 0;
  wait = "86400";
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
