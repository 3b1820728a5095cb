#include "train/static_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/files.h"
#include "base/hash.h"
#include "model/safetensors.h"
#include "sextant/error.h"
#include "train/contrastive.h"
#include "train/embedding_bag.h"
#include "train/static_folder.h"

namespace sextant::train {
namespace {

// Pairs that a source shuffles at a time.
constexpr size_t kBlockPairs = 16384;
constexpr size_t kHeldOutMax = 2048;
constexpr std::string_view kCheckpointMagic = "SXTRAIN1";

// Texts that a batch consists of, as tokens, with hashes that tell equal texts.
struct Batch {
  TokenLists anchors, candidates;  // candidates: the matches, then the negatives
  std::vector<std::pair<uint32_t, uint32_t>> excluded;
};

// Text to the ids that count: no special tokens, no unknown ones, at most tokens_max.
class TextEncoder {
 public:
  TextEncoder(const Tokenizer& tokenizer, size_t tokens_max)
      : tokenizer_(tokenizer), tokens_max_(tokens_max), unknown_(tokenizer.unknown_id()) {}

  void encode(std::string_view text, std::vector<uint32_t>& out) const {
    // Far more bytes than tokens_max tokens have; the rest need not be tokenised to be cut.
    text = text.substr(0, tokens_max_ * 16);
    std::vector<TokenId> ids;
    tokenizer_.encode_ids(text, {.add_special_tokens = false}, ids);
    out.clear();
    for (TokenId id : ids) {
      if (unknown_ && id == *unknown_) continue;
      if (out.size() == tokens_max_) break;
      out.push_back(static_cast<uint32_t>(id));
    }
  }

 private:
  const Tokenizer& tokenizer_;
  size_t tokens_max_;
  std::optional<TokenId> unknown_;
};

// Turns pairs into a batch; pairs without a token on either side are left out.
Batch make_batch(std::span<const Pair> pairs, const TextEncoder& encoder, base::ThreadPool& pool) {
  struct Encoded {
    std::vector<uint32_t> anchor, positive;
    std::vector<std::vector<uint32_t>> negatives;
  };
  std::vector<Encoded> encoded(pairs.size());
  constexpr size_t kGrain = 64;
  pool.parallel_for((pairs.size() + kGrain - 1) / kGrain, [&](size_t item, size_t) {
    for (size_t i = item * kGrain; i < std::min(pairs.size(), (item + 1) * kGrain); ++i) {
      encoder.encode(pairs[i].anchor, encoded[i].anchor);
      encoder.encode(pairs[i].positive, encoded[i].positive);
      for (const std::string& negative : pairs[i].negatives) {
        encoder.encode(negative, encoded[i].negatives.emplace_back());
      }
    }
  });

  Batch batch;
  std::vector<uint64_t> anchor_hash, candidate_hash;
  auto hash = [](const std::vector<uint32_t>& tokens) {
    return base::hash64({reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(uint32_t)});
  };
  std::vector<size_t> used;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (encoded[i].anchor.empty() || encoded[i].positive.empty()) continue;
    used.push_back(i);
    batch.anchors.append(encoded[i].anchor);
    batch.candidates.append(encoded[i].positive);
    anchor_hash.push_back(hash(encoded[i].anchor));
    candidate_hash.push_back(hash(encoded[i].positive));
  }
  for (size_t i : used) {
    for (const std::vector<uint32_t>& negative : encoded[i].negatives) {
      if (negative.empty()) continue;
      batch.candidates.append(negative);
      candidate_hash.push_back(hash(negative));
    }
  }

  // Candidate j is no negative of anchor i when it equals i itself or i's match, or when i's text is also j's anchor.
  std::unordered_multimap<uint64_t, uint32_t> by_hash;
  for (uint32_t j = 0; j < candidate_hash.size(); ++j) by_hash.emplace(candidate_hash[j], j);
  std::unordered_multimap<uint64_t, uint32_t> by_anchor;
  for (uint32_t j = 0; j < anchor_hash.size(); ++j) by_anchor.emplace(anchor_hash[j], j);
  for (uint32_t i = 0; i < anchor_hash.size(); ++i) {
    auto exclude = [&](const auto& table, uint64_t key) {
      auto [begin, end] = table.equal_range(key);
      for (auto it = begin; it != end; ++it) {
        if (it->second != i) batch.excluded.emplace_back(i, it->second);
      }
    };
    exclude(by_hash, candidate_hash[i]);
    exclude(by_hash, anchor_hash[i]);
    exclude(by_anchor, anchor_hash[i]);
  }
  return batch;
}

// Which pairs come in which step: a function of seed and step alone.
class BatchPlan {
 public:
  BatchPlan(const StaticTrainOptions& options, const std::vector<size_t>& pair_counts, size_t step_count)
      : options_(options), pair_counts_(pair_counts), step_count_(step_count), random_(options.seed * 7919 + 17) {
    // The order of a source's pairs depends on its place in the list, not on where its file lies.
    for (size_t s = 0; s < options.sources.size(); ++s) {
      const uint64_t numbers[] = {options.seed, s};
      const uint64_t seed = base::hash64({reinterpret_cast<const char*>(numbers), sizeof(numbers)});
      sources_.emplace_back(options.sources[s], seed, kBlockPairs);
    }
  }

  std::vector<Pair> next() {
    const double progress = static_cast<double>(step_) / static_cast<double>(step_count_);
    size_t phase = 0;
    while (phase < options_.phase_ends.size() && progress >= options_.phase_ends[phase]) ++phase;
    ++step_;
    std::vector<double> sums;
    double total = 0;
    for (size_t s = 0; s < sources_.size(); ++s) {
      const std::vector<double>& weights = options_.sources[s].weights;
      total += weights[std::min(phase, weights.size() - 1)] * static_cast<double>(pair_counts_[s]);
      sums.push_back(total);
    }
    const size_t segment = options_.segment_pairs > 0 ? options_.segment_pairs : options_.batch_pairs;
    std::vector<Pair> pairs;
    // A source smaller than the batch gives what it has, and others fill the rest.
    while (pairs.size() < options_.batch_pairs) {
      double point = random_.uniform() * total;
      auto s = static_cast<size_t>(std::upper_bound(sums.begin(), sums.end(), point) - sums.begin());
      s = std::min(s, sums.size() - 1);
      size_t take = std::min({segment, options_.batch_pairs - pairs.size(), pair_counts_[s]});
      for (size_t i = 0; i < take; ++i) pairs.push_back(sources_[s].next());
    }
    return pairs;
  }

  size_t step() const { return step_; }

 private:
  const StaticTrainOptions& options_;
  const std::vector<size_t>& pair_counts_;
  size_t step_count_;
  size_t step_ = 0;
  base::Random random_;
  std::vector<ShuffledSource> sources_;
};

// Runs the plan and the tokenizer one batch ahead of the training.
class BatchReader {
 public:
  BatchReader(BatchPlan& plan, const TextEncoder& encoder, size_t batch_count)
      : plan_(plan), encoder_(encoder), left_(batch_count), thread_([this] { run(); }) {}
  ~BatchReader() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  Batch next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ready_.has_value() || error_; });
    if (!ready_) std::rethrow_exception(error_);
    Batch batch = std::move(*ready_);
    ready_.reset();
    changed_.notify_all();
    return batch;
  }

 private:
  void run() {
    base::ThreadPool alone(1);
    try {
      for (; left_ > 0; --left_) {
        Batch batch = make_batch(plan_.next(), encoder_, alone);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !ready_; });
        if (stopping_) return;
        ready_ = std::move(batch);
        changed_.notify_all();
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  BatchPlan& plan_;
  const TextEncoder& encoder_;
  size_t left_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Batch> ready_;  // guarded by mutex_, as are the two below
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread thread_;  // last: it starts when all else is there
};

// One pass over everything: how many pairs, how often each token, and what is held out.
struct Survey {
  std::vector<size_t> pair_counts;
  std::vector<uint64_t> token_counts;
  std::vector<Pair> held_out;
};

Survey survey_sources(const StaticTrainOptions& options, const TextEncoder& encoder, size_t vocabulary,
                      base::ThreadPool& pool, base::Progress* progress) {
  Survey survey;
  survey.pair_counts.assign(options.sources.size(), 0);
  std::vector<std::vector<uint64_t>> token_counts(pool.thread_count(), std::vector<uint64_t>(vocabulary, 0));
  std::vector<std::vector<Pair>> held_out(options.sources.size());
  if (progress) progress->begin("reading sources", "files", options.sources.size());
  std::mutex mutex;
  size_t done = 0;
  pool.parallel_for(options.sources.size(), [&](size_t s, size_t thread) {
    PairReader reader(options.sources[s]);
    std::vector<uint32_t> tokens;
    Pair pair;
    while (reader.next(pair)) {
      if (is_held_out(pair)) {
        if (held_out[s].size() < kHeldOutMax) held_out[s].push_back(std::move(pair));
        continue;
      }
      ++survey.pair_counts[s];
      for (const std::string* text : {&pair.anchor, &pair.positive}) {
        encoder.encode(*text, tokens);
        for (uint32_t token : tokens) ++token_counts[thread][token];
      }
    }
    std::lock_guard lock(mutex);
    ++done;
    if (progress) progress->report(done);
  });
  if (progress) progress->end();
  survey.token_counts = std::move(token_counts[0]);
  for (size_t t = 1; t < token_counts.size(); ++t) {
    for (size_t i = 0; i < vocabulary; ++i) survey.token_counts[i] += token_counts[t][i];
  }
  // Round the sources in turn, so that each is in the held-out batch.
  for (size_t rank = 0; survey.held_out.size() < kHeldOutMax; ++rank) {
    bool any = false;
    for (std::vector<Pair>& pairs : held_out) {
      if (rank >= pairs.size() || survey.held_out.size() == kHeldOutMax) continue;
      survey.held_out.push_back(std::move(pairs[rank]));
      any = true;
    }
    if (!any) break;
  }
  return survey;
}

void apply_sif(EmbeddingBag& bag, const std::vector<uint64_t>& token_counts, double a) {
  const double total =
      std::max(1.0, static_cast<double>(std::accumulate(token_counts.begin(), token_counts.end(), uint64_t{0})));
  for (size_t row = 0; row < bag.row_count(); ++row) {
    // A token that never occurs keeps length zero: it then adds nothing, rather than noise.
    const double share = static_cast<double>(token_counts[row]) / total;
    const auto factor = static_cast<float>(token_counts[row] == 0 ? 0.0 : a > 0 ? a / (a + share) : 1.0);
    for (size_t c = 0; c < bag.dim(); ++c) bag.rows()[row * bag.dim() + c] *= factor;
  }
}

// Buffers of a step, kept between steps.
class Stepper {
 public:
  Stepper(EmbeddingBag& bag, const ContrastiveOptions& options, base::ThreadPool& pool)
      : bag_(bag), loss_(options), pool_(pool) {}

  double loss(const Batch& batch) {
    const size_t b = batch.anchors.size();
    const size_t n = batch.candidates.size();
    vectors_.resize((b + n) * bag_.dim());
    gradient_.resize(vectors_.size());
    std::span<float> vectors(vectors_), gradient(gradient_);
    const size_t split = b * bag_.dim();
    bag_.forward(batch.anchors, vectors.first(split), pool_);
    bag_.forward(batch.candidates, vectors.subspan(split), pool_);
    return loss_.forward_backward({b, n, bag_.dim(), vectors.first(split), vectors.subspan(split), batch.excluded},
                                  gradient.first(split), gradient.subspan(split), pool_);
  }

  double step(const Batch& batch, float learning_rate) {
    double value = loss(batch);
    texts_ = batch.anchors;
    for (size_t i = 0; i < batch.candidates.size(); ++i) texts_.append(batch.candidates[i]);
    bag_.backward(texts_, gradient_, learning_rate, pool_);
    return value;
  }

  const std::vector<double>& loss_by_dim() const { return loss_.loss_by_dim(); }

 private:
  EmbeddingBag& bag_;
  ContrastiveLoss loss_;
  base::ThreadPool& pool_;
  TokenLists texts_;
  std::vector<float> vectors_, gradient_;
};

// checkpoint := magic (8 bytes), fingerprint (32 hex digits), u64 step, u64 rows, u64 dim,
//               float rows [rows, dim], float squares [rows, dim], hash of all before (32 hex digits)
void write_checkpoint(const std::filesystem::path& path, const std::string& fingerprint, uint64_t step,
                      EmbeddingBag& bag) {
  std::string bytes(kCheckpointMagic);
  bytes += fingerprint;
  auto add = [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); };
  const uint64_t header[3] = {step, bag.row_count(), bag.dim()};
  add(header, sizeof header);
  add(bag.rows().data(), bag.rows().size_bytes());
  add(bag.squares().data(), bag.squares().size_bytes());
  bytes += base::hash128_hex(bytes);
  base::write_file_atomically(path, bytes);
}

uint64_t read_checkpoint(const std::filesystem::path& path, const std::string& fingerprint, EmbeddingBag& bag) {
  std::string bytes = base::read_file(path);
  auto bad = [&](std::string_view what) {
    return Error(ErrorCode::corrupted, fmt::format("{}: {}", path.string(), what));
  };
  const size_t header_bytes = kCheckpointMagic.size() + 32 + 3 * sizeof(uint64_t);
  const size_t expected = header_bytes + bag.rows().size_bytes() + bag.squares().size_bytes() + 32;
  if (!bytes.starts_with(kCheckpointMagic)) throw bad("is not a training checkpoint");
  if (bytes.size() < header_bytes + 32 ||
      base::hash128_hex(std::string_view(bytes).substr(0, bytes.size() - 32)) != bytes.substr(bytes.size() - 32)) {
    throw bad("is damaged: its checksum does not match");
  }
  if (bytes.substr(kCheckpointMagic.size(), 32) != fingerprint || bytes.size() != expected) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: was made with other options, sources or another tokenizer; train without --resume",
                            path.string()));
  }
  const char* at = bytes.data() + kCheckpointMagic.size() + 32;
  uint64_t step = 0;
  std::memcpy(&step, at, sizeof step);
  at += 3 * sizeof(uint64_t);
  std::memcpy(bag.rows().data(), at, bag.rows().size_bytes());
  std::memcpy(bag.squares().data(), at + bag.rows().size_bytes(), bag.squares().size_bytes());
  return step;
}

void check(const StaticTrainOptions& options) {
  auto bad = [](std::string what) { return Error(ErrorCode::invalid_argument, "train static: " + std::move(what)); };
  if (options.sources.empty()) throw bad("no sources; give --pairs or --text");
  if (options.dim < 2 || options.dim > 4096) throw bad(fmt::format("dim is {}, expected 2 to 4096", options.dim));
  for (size_t dim : options.matryoshka_dims) {
    if (dim < 1 || dim > options.dim)
      throw bad(fmt::format("Matryoshka dim {} is not between 1 and dim {}", dim, options.dim));
  }
  if (options.batch_pairs < 2 || options.batch_pairs > 65536) {
    throw bad(fmt::format("batch is {} pairs, expected 2 to 65536", options.batch_pairs));
  }
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate)) {
    throw bad(fmt::format("learning rate is {}, expected a number above 0", options.learning_rate));
  }
  if (!(options.scale > 0) || options.scale > 40) {
    // exp(2 * scale) must stay a float.
    throw bad(fmt::format("scale is {}, expected a number above 0 and at most 40", options.scale));
  }
  if (options.tokens_max == 0) throw bad("max length is 0, expected at least 1 token");
  for (const SourceOptions& source : options.sources) {
    bool fine = !source.weights.empty() && std::all_of(source.weights.begin(), source.weights.end(),
                                                       [](double w) { return w >= 0 && std::isfinite(w); });
    if (!fine) throw bad(fmt::format("{}: weights must be numbers of 0 or more", source.path));
  }
}

// As fmt::join; that compiles fmt's printing of each type here.
template <class Values>
std::string joined(const Values& values) {
  std::string out;
  for (const auto& value : values) out += fmt::format("{}{}", out.empty() ? "" : ",", value);
  return out;
}

// Everything that decides the resulting bytes; a checkpoint of another run is refused.
std::string fingerprint_of(const StaticTrainOptions& o, const std::string& tokenizer, const Survey& survey,
                           size_t steps) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", o.dim, joined(o.matryoshka_dims), o.batch_pairs,
                                 o.segment_pairs, steps, o.tokens_max, o.learning_rate, o.warmup_steps, o.scale, o.sif,
                                 o.seed, joined(o.phase_ends));
  for (size_t s = 0; s < o.sources.size(); ++s) {
    const SourceOptions& source = o.sources[s];
    text += fmt::format("\n{} {} {} {}{}{}{}{} {}", std::filesystem::path(source.path).filename().string(),
                        survey.pair_counts[s], joined(source.weights), source.text.title, source.text.heading,
                        source.text.neighbour, source.text.halves, source.text.words, source.text.keep);
  }
  return base::hash128_hex(text + base::hash128_hex(tokenizer));
}

}  // namespace

StaticTrainReport train_static(const StaticTrainOptions& given, base::Progress* progress) {
  StaticTrainOptions options = given;
  check(options);
  const auto started = std::chrono::steady_clock::now();
  const std::string tokenizer_json = read_tokenizer_json(options.tokenizer);
  const Tokenizer tokenizer = Tokenizer::from_json(tokenizer_json, options.tokenizer.string());
  const TextEncoder encoder(tokenizer, options.tokens_max);
  base::make_folders(options.output);
  base::ThreadPool pool(options.thread_count);

  Survey survey = survey_sources(options, encoder, tokenizer.vocabulary_size(), pool, progress);
  StaticTrainReport report;
  double weighted = 0;
  for (size_t s = 0; s < options.sources.size(); ++s) {
    report.pair_count += survey.pair_counts[s];
    weighted += options.sources[s].weights.front() * static_cast<double>(survey.pair_counts[s]);
  }
  if (!(weighted > 0))
    throw Error(ErrorCode::invalid_argument, "train static: the sources have no pairs of any weight");
  report.step_count = options.step_count;
  if (report.step_count == 0) {
    report.step_count =
        std::max<size_t>(1, static_cast<size_t>(options.epochs * static_cast<double>(report.pair_count) /
                                                static_cast<double>(options.batch_pairs)));
  }
  if (options.matryoshka_dims.empty()) {
    options.matryoshka_dims.push_back(options.dim);
    for (size_t d = options.dim / 2; d >= 32; d /= 2) options.matryoshka_dims.push_back(d);
  }

  EmbeddingBag bag(tokenizer.vocabulary_size(), options.dim, options.seed);
  apply_sif(bag, survey.token_counts, options.sif);
  ContrastiveOptions contrastive;
  contrastive.scale = options.scale;
  contrastive.dims = options.matryoshka_dims;
  contrastive.dim_weights.assign(contrastive.dims.size(), 1.0f);
  Stepper stepper(bag, contrastive, pool);
  const Batch held_out = make_batch(survey.held_out, encoder, pool);
  report.held_out_count = held_out.anchors.size();

  const std::filesystem::path checkpoint = options.output / "checkpoint.bin";
  const std::string fingerprint = fingerprint_of(options, tokenizer_json, survey, report.step_count);
  size_t first_step = 0;
  if (options.resume && std::filesystem::exists(checkpoint)) first_step = read_checkpoint(checkpoint, fingerprint, bag);

  BatchPlan plan(options, survey.pair_counts, report.step_count);
  // The plan has no state worth saving: running it again is reading without training.
  while (plan.step() < first_step) plan.next();
  if (progress) progress->begin("training", "steps", report.step_count);
  {
    BatchReader reader(plan, encoder, report.step_count - first_step);
    double running = 0;
    size_t counted = 0;
    for (size_t step = first_step; step < report.step_count; ++step) {
      Batch batch = reader.next();
      const float warm = options.warmup_steps > 0
                             ? std::min(1.0f, static_cast<float>(step + 1) / static_cast<float>(options.warmup_steps))
                             : 1.0f;
      const float left = 1.0f - static_cast<float>(step) / static_cast<float>(report.step_count);
      if (batch.anchors.size() > 0) {
        running += stepper.step(batch, options.learning_rate * warm * left);
        ++counted;
      }
      const size_t done = step + 1;
      if (progress && (done % options.report_steps == 0 || done == report.step_count)) {
        std::string remark = fmt::format("loss {:.4f}", running / static_cast<double>(std::max<size_t>(1, counted)));
        if (held_out.anchors.size() > 1) remark += fmt::format(", held out {:.4f}", stepper.loss(held_out));
        progress->remark(remark);
        running = 0;
        counted = 0;
      }
      if (progress) progress->report(done);
      if (options.checkpoint_steps > 0 && done % options.checkpoint_steps == 0 && done < report.step_count) {
        write_checkpoint(checkpoint, fingerprint, done, bag);
      }
    }
  }
  if (progress) progress->end();
  if (held_out.anchors.size() > 1) {
    stepper.loss(held_out);
    report.held_out_loss = stepper.loss_by_dim();
  }
  write_static_folder(options.output, tokenizer_json, bag.rows(), bag.row_count(), bag.dim());
  std::error_code ignored;
  std::filesystem::remove(checkpoint, ignored);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace sextant::train
