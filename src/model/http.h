// model/http.h: HTTP requests, one after another, over connections that are kept.
//
// The only face of libcurl (https://curl.se/libcurl/c). Rules that hold for every request: certificates are verified;
// nothing but http and https is spoken, and a redirect never leads from https to http; Authorization is not sent on to
// another host, port or protocol; a transfer that stands still is given up. CURL_CA_BUNDLE and SSL_CERT_FILE name
// another file of trusted certificates; proxies come from the environment (https_proxy, no_proxy).
// Threads: a client serves one thread at a time; clients know nothing of each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sextant/error.h"

namespace sextant::model {

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in the order of arrival
  std::string body;                     // what no sink took; of an error at most kErrorBodyBytesMax
  std::optional<double> retry_after_s;  // what the server asked for

  bool ok() const { return status >= 200 && status < 300; }
  // The last header of that name (in lower case); empty when there is none.
  std::string_view header(std::string_view name) const;
};

inline constexpr size_t kErrorBodyBytesMax = size_t{64} << 10;

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD or POST
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;                  // of a POST
  uint64_t range_begin = 0;          // above 0: asks for the bytes from here on
  bool follow_redirects = true;
  uint64_t body_bytes_max = uint64_t{64} << 20;  // a longer answer is an error
  // Takes the body of a 2xx answer piece by piece. What it throws ends the request and is thrown by send().
  std::function<void(const HttpResponse& head, std::string_view piece)> sink = {};
};

struct HttpTimeouts {
  int connect_s = 30;
  int stall_s = 60;  // without a single byte, waiting for the answer included
};

// No answer came, or only a part of it. The code is unavailable; invalid_argument for what is no http(s) URL.
class TransportError : public Error {
 public:
  TransportError(ErrorCode code, const std::string& message, bool may_pass)
      : Error(code, message), may_pass_(may_pass) {}
  // Whether another attempt could succeed.
  bool may_pass() const noexcept { return may_pass_; }

 private:
  bool may_pass_;
};

class HttpClient {
 public:
  explicit HttpClient(HttpTimeouts timeouts = {});
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // Any status is an answer. Throws TransportError; corrupted for an answer over body_bytes_max; invalid_argument for
  // headers with control characters.
  HttpResponse send(const HttpRequest& request);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// How often, and how long apart, attempts are made.
struct Retries {
  int attempts_max = 5;
  double wait_s_first = 0.5;  // doubled each time, less up to a half by chance
  double wait_s_max = 20;
  double server_wait_s_max = 120;                  // a server that asks for more (Retry-After) gets no further attempt
  std::function<void(double seconds)> sleep = {};  // how to wait; a test's way not to
};

class Backoff {
 public:
  explicit Backoff(const Retries& retries) : retries_(retries) {}
  // Waits for the time of the next attempt; false, at once, when there is none.
  bool again(std::optional<double> server_wait_s = {});
  // Begin counting anew: the last attempt was worth it.
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  const Retries& retries_;
  int failures_ = 0;
};

// 408, 429 and the 5xx that pass.
bool may_pass(int status);

// Repeats what may pass. The last answer, whatever its status; or the last TransportError. GIVE_UP, where given, may
// call an answer final that its status would not.
HttpResponse send_with_retries(HttpClient& client, const HttpRequest& request, const Retries& retries,
                               const std::function<bool(const HttpResponse&)>& give_up = {});

// Scheme, host and port in one form, "https://host:443"; empty for what is no http(s) URL.
std::string url_origin(const std::string& url);
// Without user, password, query and fragment: fit for a message.
std::string url_shown(const std::string& url);
// Every byte but letters, digits and -._~ as %XX; slashes stay where KEEP_SLASHES.
std::string url_escaped(std::string_view text, bool keep_slashes);

}  // namespace sextant::model
