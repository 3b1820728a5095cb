#include "model/remote_embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/environment.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "model/remote_answer.h"

namespace sextant::model {
namespace {

constexpr std::string_view kPrefix = "openai:";
constexpr std::string_view kPublicOrigin = "https://api.openai.com:443";
constexpr size_t kTextsLeast = 64;  // a request's own cost is not worth fewer, where there are more
constexpr size_t kDimMax = 1 << 16;
constexpr uint64_t kAnswerBytesMax = uint64_t{1} << 30;
constexpr uint64_t kNumberBytesMax = 32;  // of a component as text

struct KnownModel {
  std::string_view name;
  size_t dim;
};
constexpr KnownModel kKnownModels[] = {
    {"text-embedding-3-small", 1536}, {"text-embedding-3-large", 3072}, {"text-embedding-ada-002", 1536}};
constexpr size_t kKnownMaxLength = 8191;  // tokens, of each of them

void normalize(std::span<float> row) {
  double sum = 0;
  for (float value : row) sum += static_cast<double>(value) * value;
  if (sum == 0) return;
  const double scale = 1 / std::sqrt(sum);
  for (float& value : row) value = static_cast<float>(value * scale);
}

}  // namespace

// Consecutive texts of one request, and where their vectors go.
struct RemoteEmbedder::Batch {
  std::span<const std::string> texts;
  std::span<const size_t> rows;  // of each text, its row in out
  std::span<float> out;
  size_t dim;        // a row's length
  bool ask_for_dim;  // the request says "dimensions"
  bool may_cut;      // the answer's rows may be longer than dim
  bool normalize;
};

// A client of the idle ones, or a new one; idle again at the end.
class RemoteEmbedder::Lease {
 public:
  explicit Lease(const RemoteEmbedder& owner) : owner_(owner) {
    {
      std::lock_guard lock(owner.clients_mutex_);
      if (!owner.clients_.empty()) {
        client_ = std::move(owner.clients_.back());
        owner.clients_.pop_back();
      }
    }
    if (!client_) client_ = std::make_unique<HttpClient>(owner.options_.timeouts);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    std::lock_guard lock(owner_.clients_mutex_);
    if (owner_.clients_.size() < owner_.options_.requests_max) owner_.clients_.push_back(std::move(client_));
  }
  HttpClient& client() { return *client_; }

 private:
  const RemoteEmbedder& owner_;
  std::unique_ptr<HttpClient> client_;
};

RemoteOptions RemoteOptions::from_environment() {
  RemoteOptions options;
  if (std::string url = base::environment("OPENAI_BASE_URL"); !url.empty()) options.base_url = url;
  options.api_key = base::environment("OPENAI_API_KEY");
  return options;
}

RemoteEmbedder::RemoteEmbedder(std::string_view name, RemoteOptions options)
    : name_(name), options_(std::move(options)), texts_max_(std::max<size_t>(options_.texts_max, 1)) {
  std::string_view rest = name.substr(std::min(name.size(), kPrefix.size()));
  size_t at = std::min(rest.find("@http://"), rest.find("@https://"));
  model_ = rest.substr(0, at);
  if (!is_name(name) || model_.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' names no remote model; expected openai:MODEL or openai:MODEL@BASE_URL", name));
  }
  const std::string key_origin = url_origin(options_.base_url);
  if (at != std::string_view::npos) {
    options_.base_url = rest.substr(at + 1);
    name_ = fmt::format("{}{}@{}", kPrefix, model_, url_shown(options_.base_url));
  }
  while (options_.base_url.ends_with('/')) options_.base_url.pop_back();
  const std::string origin = url_origin(options_.base_url);
  if (origin.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("model '{}': the base URL '{}' is no http or https URL", name_, options_.base_url));
  }
  if (origin != key_origin && !options_.api_key.empty()) {
    key_withheld_ = true;
    options_.api_key.clear();
  }
  if (origin == kPublicOrigin) {
    if (options_.api_key.empty()) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("model '{}' needs a key: set OPENAI_API_KEY (or OPENAI_BASE_URL, for another server)", name_));
    }
    for (const KnownModel& known : kKnownModels) {
      if (known.name != model_) continue;
      dim_ = known.dim;
      max_length_ = kKnownMaxLength;
    }
  }
  hash_ = base::hash128_hex(fmt::format("openai\n{}\n{}", model_, url_shown(options_.base_url)));
}

RemoteEmbedder::~RemoteEmbedder() = default;

size_t RemoteEmbedder::dim() const {
  if (dim_ == 0) {
    const std::string text = "dimensions";
    const size_t row = 0;
    uint64_t token_count = 0;
    Lease lease(*this);
    send(lease.client(), {{&text, 1}, {&row, 1}, {}, 0, false, false, false}, token_count);
  }
  return dim_;
}

void RemoteEmbedder::embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
                           EmbedReport* report) const {
  if (options.max_length > 0) {
    throw Error(ErrorCode::unsupported,
                fmt::format("model '{}' is remote: its tokens cannot be counted here, so no maximum length of {} can "
                            "be kept",
                            name_, options.max_length));
  }
  if (texts.empty()) return;
  const size_t dim = options.dim ? options.dim : this->dim();
  if (dim_ != 0 && dim > dim_) {
    throw Error(ErrorCode::invalid_argument, fmt::format("dim {}, but model '{}' has {}", dim, name_, dim_.load()));
  }
  std::vector<std::string> sent;
  std::vector<size_t> rows;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string text = base::repair_utf8(options.prompt + std::string(texts[i]));
    if (text.empty()) {
      // The API refuses empty texts; their vector is that of no token.
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(i * dim), dim, 0.0f);
      if (report) report->empty.push_back(i);
      continue;
    }
    sent.push_back(std::move(text));
    rows.push_back(i);
  }
  const bool cut = dim_ == 0 || dim < dim_;
  const size_t even = (sent.size() + options_.requests_max - 1) / std::max<size_t>(options_.requests_max, 1);
  const size_t limit = texts_max_;
  const size_t texts_max = std::clamp(even, std::min(kTextsLeast, limit), limit);
  std::vector<Batch> batches;
  for (size_t begin = 0; begin < sent.size();) {
    size_t end = begin, bytes = 0;
    do {
      bytes += sent[end++].size();
    } while (end < sent.size() && end - begin < texts_max && bytes + sent[end].size() <= options_.bytes_max);
    batches.push_back({std::span(sent).subspan(begin, end - begin), std::span(rows).subspan(begin, end - begin), out,
                       dim, cut, cut, options.normalize.value_or(true)});
    begin = end;
  }
  std::vector<uint64_t> token_counts(batches.size());
  base::ThreadPool pool(std::clamp<size_t>(batches.size(), 1, std::max<size_t>(options_.requests_max, 1)));
  pool.parallel_for(batches.size(), [&](size_t i, size_t) {
    Lease lease(*this);
    send(lease.client(), batches[i], token_counts[i]);
  });
  if (report) {
    for (uint64_t count : token_counts) report->token_count += count;
  }
}

std::string RemoteEmbedder::request_body(const Batch& batch) const {
  nlohmann::json body = {{"model", model_}, {"input", batch.texts}, {"encoding_format", "base64"}};
  if (batch.ask_for_dim) body["dimensions"] = batch.dim;
  return base::json_text(body);
}

void RemoteEmbedder::send(HttpClient& client, const Batch& batch, uint64_t& token_count) const {
  HttpRequest request;
  request.method = "POST";
  request.url = options_.base_url + "/embeddings";
  // A redirect would turn the request into a GET, or carry the texts to another server.
  request.follow_redirects = false;
  request.headers = {"Content-Type: application/json", "Accept: application/json"};
  if (!options_.api_key.empty()) request.headers.push_back("Authorization: Bearer " + options_.api_key);
  request.body = request_body(batch);
  request.body_bytes_max = std::min<uint64_t>(kAnswerBytesMax, batch.texts.size() * kDimMax * kNumberBytesMax);
  HttpResponse response;
  try {
    response = send_with_retries(client, request, options_.retries, [](const HttpResponse& answer) {
      // More patience does not fill an account.
      return answer.status == 429 && read_api_error(answer.body).code == "insufficient_quota";
    });
  } catch (const TransportError& error) {
    throw Error(error.code(), fmt::format("model '{}': {}", name_, error.what()));
  }
  if (response.status == 413 && batch.texts.size() > 1) {
    // Servers have limits of their own; later batches keep to this one's.
    const size_t half = batch.texts.size() / 2;
    size_t known = texts_max_;
    while (half < known && !texts_max_.compare_exchange_weak(known, half)) {
    }
    Batch first = batch, second = batch;
    first.texts = batch.texts.first(half);
    first.rows = batch.rows.first(half);
    second.texts = batch.texts.subspan(half);
    second.rows = batch.rows.subspan(half);
    send(client, first, token_count);
    send(client, second, token_count);
    return;
  }
  if (!response.ok()) fail(response, batch);
  EmbeddingsAnswer answer = read_embeddings(response.body, batch.texts.size(), shown());
  if (answer.dim > kDimMax) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: embeddings of {} components, expected at most {}", shown(), answer.dim, kDimMax));
  }
  token_count += answer.token_count;
  if (batch.dim == 0) {
    size_t unknown = 0;
    dim_.compare_exchange_strong(unknown, answer.dim);
    return;
  }
  if (answer.dim < batch.dim || (answer.dim > batch.dim && !batch.may_cut)) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: embeddings of {} components, expected {}", shown(), answer.dim, batch.dim));
  }
  for (size_t i = 0; i < batch.texts.size(); ++i) {
    std::span<float> row = batch.out.subspan(batch.rows[i] * batch.dim, batch.dim);
    // A server that does not know "dimensions" sends whole vectors: the first components are what was asked for.
    std::copy_n(answer.rows.begin() + static_cast<std::ptrdiff_t>(i * answer.dim), batch.dim, row.begin());
    if (batch.normalize) normalize(row);
  }
}

void RemoteEmbedder::fail(const HttpResponse& response, const Batch& batch) const {
  ApiError error = read_api_error(response.body);
  std::string said =
      fmt::format("HTTP {}{}{}", response.status, error.message.empty() ? "" : ": ", without_key(error.message));
  const int status = response.status;
  if (status == 401) {
    // The server's own words quote the key.
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} refuses the key (HTTP 401): {}", shown(),
                            !options_.api_key.empty() ? "OPENAI_API_KEY is set, but not to a key of this server"
                            : key_withheld_
                                ? "OPENAI_API_KEY is sent to the server of OPENAI_BASE_URL alone; set both for this one"
                                : "OPENAI_API_KEY is not set"));
  }
  ErrorCode code = ErrorCode::unavailable;
  if (status == 404) code = ErrorCode::not_found;
  if (status == 429 && error.code == "insufficient_quota") code = ErrorCode::exhausted;
  if (status >= 400 && status < 500 && status != 404 && status != 408 && status != 429) {
    code = ErrorCode::invalid_argument;
    if (batch.texts.size() > 1) said += fmt::format(" (a request of {} texts)", batch.texts.size());
    if (batch.texts.size() == 1) said += fmt::format(" (a text of {} bytes)", batch.texts[0].size());
  }
  if (status >= 300 && status < 400) {
    said += fmt::format(" redirects to '{}', which is not followed; set OPENAI_BASE_URL to where the API is",
                        url_shown(std::string(response.header("location"))));
  }
  throw Error(code, fmt::format("{}: {}", shown(), said));
}

std::string RemoteEmbedder::shown() const {
  return fmt::format("model '{}{}' at {}", kPrefix, model_, url_shown(options_.base_url));
}

std::string RemoteEmbedder::without_key(std::string text) const {
  const std::string& key = options_.api_key;
  if (key.empty()) return text;
  for (size_t at; (at = text.find(key)) != std::string::npos;) text.replace(at, key.size(), "[key]");
  return text;
}

Explanation RemoteEmbedder::explain(std::string_view, const EmbedOptions&) const {
  throw Error(ErrorCode::unsupported,
              fmt::format("model '{}' is remote: how it makes its vectors cannot be seen here", name_));
}

const Tokenizer& RemoteEmbedder::tokenizer() const {
  throw Error(ErrorCode::unsupported, fmt::format("model '{}' is remote: it has no tokenizer here", name_));
}

std::vector<std::string> RemoteEmbedder::words() const {
  throw Error(ErrorCode::unsupported, fmt::format("model '{}' is remote: it has no vocabulary here", name_));
}

}  // namespace sextant::model
