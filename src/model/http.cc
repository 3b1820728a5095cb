#include "model/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "base/environment.h"
#include "base/random.h"
#include "sextant/version.h"

namespace sextant::model {
namespace {

constexpr size_t kAnswerHeaderBytesMax = size_t{256} << 10;
constexpr long kRedirectsMax = 10;

using Clock = std::chrono::steady_clock;

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

// Null for what does not parse or is neither http nor https.
Url parse_url(const std::string& text) {
  Url url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return {};
  return url;
}

std::string url_part(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// What the callbacks of one request share.
struct Transfer {
  const HttpRequest& request;
  CURL* curl;
  int stall_s_max;
  HttpResponse response = {};
  uint64_t body_bytes = 0;
  size_t header_bytes = 0;
  std::exception_ptr error = {};
  curl_off_t bytes_moved = 0;  // in both directions
  Clock::time_point moved = Clock::now();
};

// Exceptions must not travel through libcurl's C frames: they are kept and thrown again behind it.
template <class Work>
size_t guarded(Transfer& transfer, size_t size, Work work) {
  try {
    work();
    return size;
  } catch (...) {
    transfer.error = std::current_exception();
    return size == 0 ? 1 : 0;
  }
}

size_t take_header(char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  return guarded(transfer, size, [&] {
    std::string_view line(data, size);
    if ((transfer.header_bytes += size) > kAnswerHeaderBytesMax) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: the answer's headers are longer than {} bytes",
                                                    url_shown(transfer.request.url), kAnswerHeaderBytesMax));
    }
    if (line.starts_with("HTTP/")) {
      // The next answer of a chain of redirects begins.
      transfer.response.headers.clear();
      return;
    }
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    transfer.response.headers.emplace_back(lower(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
  });
}

size_t take_body(char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  return guarded(transfer, size, [&] {
    std::string_view piece(data, size);
    long status = 0;
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    std::string& body = transfer.response.body;
    if (!transfer.response.ok()) {
      body.append(piece.substr(0, kErrorBodyBytesMax - std::min(kErrorBodyBytesMax, body.size())));
      return;
    }
    if ((transfer.body_bytes += size) > transfer.request.body_bytes_max) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: the answer is longer than {} bytes, the most expected",
                                                    url_shown(transfer.request.url), transfer.request.body_bytes_max));
    }
    if (transfer.request.sink) {
      transfer.request.sink(transfer.response, piece);
    } else {
      body.append(piece);
    }
  });
}

// Called about once a second, and whenever something moves. libcurl's own limit looks at an average in which a
// request's bytes are seen for seconds.
int watch_progress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(user);
  const curl_off_t bytes = received + sent + static_cast<curl_off_t>(transfer.header_bytes);
  if (bytes != transfer.bytes_moved) {
    transfer.bytes_moved = bytes;
    transfer.moved = Clock::now();
  }
  return Clock::now() - transfer.moved >= std::chrono::seconds(transfer.stall_s_max) ? 1 : 0;
}

[[noreturn]] void fail(const std::string& url, CURLcode code, const char* detail) {
  const std::string shown = url_shown(url);
  const char* reason = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      throw TransportError(ErrorCode::invalid_argument, fmt::format("'{}' is no http or https URL", shown), false);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      throw TransportError(ErrorCode::unavailable,
                           fmt::format("{}: the server's certificate is not trusted: {}", shown, reason), false);
    case CURLE_TOO_MANY_REDIRECTS:
      throw TransportError(ErrorCode::unavailable, fmt::format("{}: more than {} redirects", shown, kRedirectsMax),
                           false);
    case CURLE_OUT_OF_MEMORY:
      throw std::bad_alloc();
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      throw TransportError(ErrorCode::unavailable, fmt::format("{}: cannot reach the server: {}", shown, reason), true);
    default:
      throw TransportError(ErrorCode::unavailable, fmt::format("{}: {}", shown, reason), true);
  }
}

void initialize_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) {
    throw Error(ErrorCode::internal, fmt::format("libcurl cannot start: {}", curl_easy_strerror(code)));
  }
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (auto at = headers.rbegin(); at != headers.rend(); ++at) {
    if (at->first == name) return at->second;
  }
  return {};
}

struct HttpClient::Implementation {
  CURL* curl = nullptr;
  HttpTimeouts timeouts;
};

HttpClient::HttpClient(HttpTimeouts timeouts) : implementation_(std::make_unique<Implementation>()) {
  initialize_once();
  implementation_->curl = curl_easy_init();
  implementation_->timeouts = timeouts;
  if (implementation_->curl == nullptr) throw Error(ErrorCode::internal, "libcurl gives no handle");
}

HttpClient::~HttpClient() { curl_easy_cleanup(implementation_->curl); }

HttpResponse HttpClient::send(const HttpRequest& request) {
  CURL* curl = implementation_->curl;
  curl_easy_reset(curl);  // the connections stay
  if (has_control_characters(request.url)) fail(request.url, CURLE_URL_MALFORMAT, "");
  const std::string origin = url_origin(request.url);
  if (origin.empty()) fail(request.url, CURLE_URL_MALFORMAT, "");

  struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  std::unique_ptr<curl_slist, ListDeleter> headers;
  auto add_header = [&](const std::string& line) {
    if (has_control_characters(line)) {
      throw Error(ErrorCode::invalid_argument, fmt::format("{}: the header {} has control characters",
                                                           url_shown(request.url), line.substr(0, line.find(':'))));
    }
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  for (const std::string& line : request.headers) add_header(line);
  add_header("Expect:");  // no pause before a long body

  Transfer transfer{.request = request, .curl = curl, .stall_s_max = implementation_->timeouts.stall_s};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, fmt::format("sextant/{}", kVersion).c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, origin.starts_with("https:") ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  for (const char* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    if (std::string path = base::environment(variable); !path.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, path.c_str());
    }
  }
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(implementation_->timeouts.connect_s));
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  // CURLOPT_RANGE rather than RESUME_FROM: a server that does not know ranges answers 200, and the caller decides.
  const std::string range = fmt::format("{}-", request.range_begin);
  if (request.range_begin > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());

  const CURLcode code = curl_easy_perform(curl);
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    throw TransportError(
        ErrorCode::unavailable,
        fmt::format("{}: the server sent nothing for {} s", url_shown(request.url), transfer.stall_s_max), true);
  }
  if (code != CURLE_OK) fail(request.url, code, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  curl_off_t wait_s = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s) == CURLE_OK && wait_s > 0) {
    transfer.response.retry_after_s = static_cast<double>(wait_s);
  }
  return std::move(transfer.response);
}

bool Backoff::again(std::optional<double> server_wait_s) {
  if (++failures_ >= retries_.attempts_max) return false;
  if (server_wait_s && *server_wait_s > retries_.server_wait_s_max) return false;
  double wait_s = retries_.wait_s_first;
  for (int i = 1; i < failures_ && wait_s < retries_.wait_s_max; ++i) wait_s *= 2;
  wait_s = std::min(wait_s, retries_.wait_s_max);
  // Clients that failed together must not come back together.
  base::Random random(static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) ^
                      reinterpret_cast<uintptr_t>(this));
  wait_s *= 1 - random.uniform() / 2;
  if (server_wait_s) wait_s = std::max(wait_s, *server_wait_s);
  if (retries_.sleep) {
    retries_.sleep(wait_s);
  } else {
    std::this_thread::sleep_for(std::chrono::duration<double>(wait_s));
  }
  return true;
}

bool may_pass(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504 ||
         status == 529;
}

HttpResponse send_with_retries(HttpClient& client, const HttpRequest& request, const Retries& retries,
                               const std::function<bool(const HttpResponse&)>& give_up) {
  Backoff backoff(retries);
  for (;;) {
    try {
      HttpResponse response = client.send(request);
      if (!may_pass(response.status) || (give_up && give_up(response)) || !backoff.again(response.retry_after_s)) {
        return response;
      }
    } catch (const TransportError& error) {
      if (!error.may_pass() || !backoff.again()) throw;
    }
  }
}

std::string url_origin(const std::string& url) {
  Url parsed = parse_url(url);
  if (!parsed) return {};
  const std::string scheme = lower(url_part(parsed, CURLUPART_SCHEME));
  const std::string host = lower(url_part(parsed, CURLUPART_HOST));
  if ((scheme != "http" && scheme != "https") || host.empty()) return {};
  return fmt::format("{}://{}:{}", scheme, host, url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

std::string url_shown(const std::string& url) {
  Url parsed = parse_url(url);
  if (!parsed) return url.substr(0, url.find_first_of("?#"));
  for (CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(parsed.get(), part, nullptr, 0);
  }
  return url_part(parsed, CURLUPART_URL);
}

std::string url_escaped(std::string_view text, bool keep_slashes) {
  std::string out;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/');
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace sextant::model
