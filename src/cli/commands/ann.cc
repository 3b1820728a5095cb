// sextant ann: indexes of vectors from files, without documents: build, truth, search.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/page_budget.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cli/commands/all.h"
#include "index/flat.h"
#include "index/index_impl.h"
#include "io/truth_file.h"
#include "io/vector_file.h"
#include "sextant/index.h"
#include "simd/top_k.h"

namespace sextant::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Rows that are read from a file at once.
constexpr size_t kRowsAtOnce = 16384;
constexpr const char* kMetrics =
    "cosine, dot (ip), l2 (euclidean), l1 (manhattan) or hamming (bits: eight to a byte of uint8, or floats of 0 and "
    "1)";
// Breadths of --sweep.
constexpr size_t kSweep[] = {10, 12, 14, 17,  20,  24,  28,  34,  40,  48,  56,
                             68, 80, 96, 112, 136, 160, 192, 224, 320, 448, 640};

// --filter-fraction: rows whose number is divisible by 1/F may be found; 1 where all may.
size_t parse_fraction(double fraction) {
  const double divisor = 1 / fraction;
  if (!(fraction > 0 && fraction <= 1) || std::abs(divisor - std::round(divisor)) > 1e-6 * divisor) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--filter-fraction: {}, expected 1 over a whole number, such as 0.1", fraction));
  }
  return static_cast<size_t>(std::round(divisor));
}

// A file's vectors as a metric sees them: hamming takes bytes for eight components each, and else floats of 0 and 1.
class Input {
 public:
  Input(const std::string& path, Metric metric)
      : file(io::VectorFile::open(path)), of_bits_(metric == Metric::hamming) {
    if (of_bits_ && file.type() == io::ElementType::int8) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: vectors of int8, expected uint8 (eight components a byte) or floats of 0 and 1 for "
                              "metric hamming",
                              path));
    }
  }

  io::VectorFile file;

  // Whether the file's bytes are rows of ElementType::bit.
  bool has_packed_bits() const { return of_bits_ && file.type() == io::ElementType::uint8; }
  size_t dim() const { return has_packed_bits() ? 8 * file.dim() : file.dim(); }

  // [count, dim()]
  std::vector<float> read(size_t first, size_t count) {
    std::vector<float> values(count * file.dim());
    file.read(first, count, values);
    if (!has_packed_bits()) return values;
    std::vector<float> bits;
    bits.reserve(8 * values.size());
    for (float value : values) {
      const auto byte = static_cast<unsigned>(value);
      for (unsigned i = 0; i < 8; ++i) bits.push_back(static_cast<float>(byte >> i & 1));
    }
    return bits;
  }
  std::vector<float> read_all() { return read(0, file.rows()); }

  // Throws where what read() gave, rows from FIRST on, is nothing that the metric compares.
  void check(std::span<const float> values, size_t first) const {
    if (!of_bits_) return;
    const size_t bad = index::first_not_bit(values.data(), values.size());
    if (bad < values.size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: vector {}: component {} is {}, expected 0 or 1 for metric hamming", file.name(),
                              first + bad / dim(), bad % dim(), values[bad]));
    }
  }
  // VALUES [n, dim()] of 0 and 1 as rows of bits.
  std::vector<uint8_t> pack(std::span<const float> values) const {
    const size_t row_bytes = index::row_bytes(ElementType::bit, dim());
    std::vector<uint8_t> bits(values.size() / dim() * row_bytes);
    for (size_t i = 0; i < values.size() / dim(); ++i) {
      index::pack_bits(values.data() + i * dim(), dim(), bits.data() + i * row_bytes);
    }
    return bits;
  }

 private:
  bool of_bits_;
};

ElementType element_type(io::ElementType type) {
  switch (type) {
    case io::ElementType::float32:
      return ElementType::float32;
    case io::ElementType::float16:
      return ElementType::float16;
    case io::ElementType::uint8:
      return ElementType::uint8;
    case io::ElementType::int8:
      return ElementType::int8;
  }
  return ElementType::float32;
}

struct BuildOptions {
  std::string input, metric = "l2", output, memory, codes = "automatic", kind = "graph";
  size_t degree = 32, breadth = 150, seed = 1;
};

CodeKind parse_codes(const std::string& name) {
  if (name == "none") return CodeKind::none;
  if (name == "sq1") return CodeKind::sq1;
  if (name == "sq4") return CodeKind::sq4;
  if (name == "sq8") return CodeKind::sq8;
  return CodeKind::automatic;
}

void build(const BuildOptions& options, const Context& context) {
  const auto start = Clock::now();
  const Metric metric = parse_metric(options.metric);
  Input input(options.input, metric);
  io::VectorFile& file = input.file;
  // Where nothing can be written, that should not turn out after the work is done.
  { const base::FileReplacement probe(options.output); }
  IndexOptions index_options;
  index_options.dim = input.dim();
  index_options.metric = metric;
  index_options.type = metric == Metric::hamming ? ElementType::bit : element_type(file.type());
  index_options.kind = options.kind == "flat" ? IndexKind::flat : IndexKind::graph;
  index_options.codes = parse_codes(options.codes);
  index_options.degree = options.degree;
  index_options.build_breadth = options.breadth;
  index_options.seed = options.seed;
  index_options.capacity = std::max<size_t>(1, file.rows());
  std::optional<base::PageBudget> pages;
  index::IndexImpl index(index_options);

  const size_t memory_max = options.memory.empty() ? SIZE_MAX : parse_bytes(options.memory, "--memory");
  // Floats of 0 and 1 are packed on the way.
  const bool in_place = !file.mapped().empty() && (metric != Metric::hamming || input.has_packed_bits());
  // The faster way reads the rows here and there.
  if (memory_max != SIZE_MAX) {
    const uint64_t rows_in_cache = in_place ? file.mapped().size() : 0;
    index.set_bulk(index.memory_for(file.rows(), in_place) + rows_in_cache <= memory_max);
  }
  const size_t needed = index.memory_for(file.rows(), in_place);
  if (needed > memory_max) {
    throw Error(
        ErrorCode::exhausted,
        fmt::format(
            "--memory: {} bytes, expected at least {} to build from {} rows of dim {} (less with a lower --degree)",
            memory_max, needed, file.rows(), input.dim()));
  }
  auto progress = context.progress();
  try {
    if (in_place) {
      // Pages of the file are given back as the build goes on, where memory counts.
      if (!options.memory.empty()) {
        pages.emplace(index::IndexImpl::kPagesLeast + (memory_max - needed) / 2, [&] { file.give_up_pages(); });
      }
      index.add_view(file.mapped(), context.thread_count, progress.get(), pages ? &*pages : nullptr);
    } else {
      // All at once: the centre of the space comes from rows here and there, and bigger batches link faster.
      std::vector<uint64_t> ids(file.rows());
      std::iota(ids.begin(), ids.end(), uint64_t{0});
      if (memory_max != SIZE_MAX || file.type() != io::ElementType::float32) {
        for (size_t first = 0; first < file.rows(); first += kRowsAtOnce) {
          const size_t count = std::min(kRowsAtOnce, file.rows() - first);
          index.add(std::span(ids).subspan(first, count), input.read(first, count), context.thread_count);
        }
      } else {
        index.add(ids, input.read_all(), context.thread_count);
      }
    }
  } catch (const Error& error) {
    // The index knows the vector's number, not where it came from.
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw Error(error.code(), fmt::format("{}: {}", options.input, error.what()));
  }
  const double linked = seconds_since(start);
  index.calibrate(200, context.thread_count);
  progress.reset();
  index.save(options.output);
  const double built = seconds_since(start);
  context.note("Linked {} vectors in {:.1f} s, calibrated and saved in {:.1f} s", index.size(), linked, built - linked);
  nlohmann::ordered_json line = {{"rows", file.rows()},
                                 {"dim", input.dim()},
                                 {"build_s", built},
                                 {"index_bytes", std::filesystem::file_size(options.output)},
                                 {"row_bytes", file.rows() * file.dim() * io::size_bytes(file.type())},
                                 {"peak_memory_bytes", base::peak_memory_bytes()}};
  print(base::json_text(line) + "\n");
}

void add_build(Command ann, Context& context) {
  auto options = std::make_shared<BuildOptions>();
  Command command = ann.subcommand("build", "Build an index of a file of vectors");
  command.option("--input,-i", options->input, "Vectors: .fbin, .u8bin, .i8bin, .npy, .fvecs or .bvecs, plain or .zst")
      .required();
  command.option("--metric", options->metric, kMetrics).show_default();
  command.option("--output,-o", options->output, "The index, one file").required();
  command.option("--kind", options->kind, "graph, or flat: exact, every vector is compared")
      .one_of({"graph", "flat"})
      .show_default();
  command
      .option("--codes", options->codes,
              "What walks compare: 1, 4 or 8 bits a component (sq1, sq4, sq8), or the vectors themselves (none); with "
              "--kind flat, sq8 or none, both exact")
      .one_of({"automatic", "sq1", "sq4", "sq8", "none"})
      .show_default();
  command.option("--degree", options->degree, "Links a vector").range(4, 128).show_default();
  command.option("--breadth", options->breadth, "Candidates looked at for each vector's links")
      .range(1, 10000)
      .show_default();
  command.option("--seed", options->seed, "Seed of all that is random").show_default();
  command.option("--memory", options->memory, "Most memory to use, such as 512M or 8G");
  add_common_options(command, context, Common::threads);
  command.callback([options, &context] { build(*options, context); });
}

struct TruthOptions {
  std::string input, queries, output, metric = "l2";
  size_t k = 100;
  double fraction = 1;
};

void check_dims(size_t input, size_t queries) {
  if (input != queries) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--queries: vectors of dim {}, expected those of the index, {}", queries, input));
  }
}

void make_truth(const TruthOptions& options, const Context& context) {
  const Metric metric = parse_metric(options.metric);
  Input input(options.input, metric), query_input(options.queries, metric);
  io::VectorFile &file = input.file, &query_file = query_input.file;
  check_dims(input.dim(), query_input.dim());
  const size_t divisor = parse_fraction(options.fraction);
  const std::vector<float> queries = query_input.read_all();
  query_input.check(queries, 0);
  const size_t dim = input.dim();
  const simd::Nearer nearer = higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower;
  std::vector<simd::TopK> best(query_file.rows(), simd::TopK(options.k, nearer));
  base::ThreadPool& pool = base::ThreadPool::shared(context.thread_count);
  auto progress = context.progress();
  if (progress) progress->begin("comparing", "vectors", file.rows());
  for (size_t first = 0; first < file.rows(); first += kRowsAtOnce) {
    const size_t count = std::min(kRowsAtOnce, file.rows() - first);
    std::vector<float> rows = input.read(first, count);
    file.give_up_pages();
    input.check(rows, first);
    std::vector<uint64_t> numbers;
    for (size_t i = 0; i < count; ++i) {
      if ((first + i) % divisor != 0) continue;
      std::copy_n(rows.data() + i * dim, dim, rows.data() + numbers.size() * dim);
      numbers.push_back(first + i);
    }
    rows.resize(numbers.size() * dim);
    if (numbers.empty()) continue;
    std::vector<uint8_t> bits;
    if (metric == Metric::hamming) bits = input.pack(rows);
    const index::FlatIndex flat =
        metric == Metric::hamming ? index::FlatIndex(bits, dim) : index::FlatIndex(rows, dim, metric);
    const auto found = flat.search_batch(queries, options.k, &pool);
    for (size_t q = 0; q < found.size(); ++q) {
      for (const simd::Scored& hit : found[q]) best[q].push(numbers[hit.id], hit.score);
    }
    if (progress) progress->report(first + count);
  }
  if (progress) progress->end();
  std::vector<uint32_t> ids(query_file.rows() * options.k, io::TruthFile::kNoId);
  for (size_t q = 0; q < best.size(); ++q) {
    const std::vector<simd::Scored> hits = best[q].take();
    for (size_t i = 0; i < hits.size(); ++i) ids[q * options.k + i] = static_cast<uint32_t>(hits[i].id);
  }
  io::write_truth_file(options.output, options.k, ids);
}

void add_truth(Command ann, Context& context) {
  auto options = std::make_shared<TruthOptions>();
  Command command = ann.subcommand("truth", "Find the nearest vectors exactly, to judge indexes by");
  command.option("--input,-i", options->input, "Vectors, as for build").required();
  command.option("--queries", options->queries, "Queries, likewise").required();
  command.option("--metric", options->metric, kMetrics).show_default();
  command.option("--k", options->k, "How many for each query").range(1, 100000).show_default();
  command.option("--filter-fraction", options->fraction, "F: only rows whose number, from 0, is divisible by 1/F")
      .show_default();
  command.option("--output,-o", options->output, "u32 queries, u32 k, u32 ids").required();
  add_common_options(command, context, Common::threads);
  command.callback([options, &context] { make_truth(*options, context); });
}

struct RunOptions {
  std::string index, queries, truth, output;
  size_t k = 10, breadth = 0, batch = 0;
  double target_recall = 0.95, fraction = 1;
  bool sweep = false, exact = false, estimate = false, mapped = false, verify = false;
};

// One setting, measured.
class Run {
 public:
  Run(const Index& index, const RunOptions& options, const std::vector<float>& queries, size_t threads)
      : index_(index), options_(options), queries_(queries), pool_(base::ThreadPool::shared(threads)) {
    const size_t divisor = parse_fraction(options.fraction);
    if (divisor > 1) {
      std::vector<uint64_t> words((index.size() + 63) / 64);
      for (size_t row = 0; row < index.size(); row += divisor) words[row / 64] |= uint64_t{1} << (row % 64);
      allowed_.emplace(std::move(words));
    }
    if (!options.truth.empty()) {
      truth_.emplace(io::TruthFile::open(options.truth));
      if (truth_->queries() != query_count() || truth_->k() < options.k) {
        throw Error(ErrorCode::invalid_argument, fmt::format("--truth: {} lists of {}, expected {} of {} or more",
                                                             truth_->queries(), truth_->k(), query_count(), options.k));
      }
    }
    bounds_ = truth_bounds();
  }

  nlohmann::ordered_json measure(const std::string& setting, IndexSearchOptions search) {
    search.k = options_.k;
    search.estimate_recall = options_.estimate;
    if (allowed_) search.allowed = &*allowed_;
    const size_t dim = index_.options().dim;
    results_.assign(query_count(), {});
    std::vector<double> took(query_count());
    const double cpu_start = cpu_seconds();
    const auto start = Clock::now();
    if (options_.batch == 0) {
      pool_.parallel_for(query_count(), [&](size_t q, size_t) {
        const auto begin = Clock::now();
        results_[q] = index_.search(std::span(queries_).subspan(q * dim, dim), search);
        took[q] = seconds_since(begin);
      });
    }
    for (size_t first = 0; options_.batch > 0 && first < query_count(); first += options_.batch) {
      const size_t count = std::min(options_.batch, query_count() - first);
      const auto begin = Clock::now();
      auto found =
          index_.search_batch(std::span(queries_).subspan(first * dim, count * dim), search, pool_.thread_count());
      std::move(found.begin(), found.end(), results_.begin() + static_cast<ptrdiff_t>(first));
      // Whoever asked waits for the batch.
      std::fill_n(took.begin() + static_cast<ptrdiff_t>(first), count, seconds_since(begin));
    }
    const double seconds = seconds_since(start);
    const double cpu = cpu_seconds() - cpu_start;
    nlohmann::ordered_json line = {{"setting", setting}};
    line["recall"] = truth_ ? nlohmann::ordered_json(recall()) : nlohmann::ordered_json();
    line["qps"] = static_cast<double>(query_count()) / seconds;
    std::sort(took.begin(), took.end());
    line["p50_us"] = took[took.size() / 2] * 1e6;
    line["p99_us"] = took[std::min(took.size() - 1, took.size() * 99 / 100)] * 1e6;
    line["plan"] = plans();
    line["cpu_qps"] = static_cast<double>(query_count()) / cpu;
    double expected = 0, compared = 0;
    for (const IndexSearchResult& result : results_) {
      expected += result.expected_recall;
      compared += static_cast<double>(result.compared);
    }
    line["expected_recall"] = expected / static_cast<double>(query_count());
    if (search.estimate_recall && truth_) line["recall_by_estimate"] = recall_by_estimate();
    line["compared"] = compared / static_cast<double>(query_count());
    return line;
  }

  void write_ids() const {
    std::vector<uint32_t> ids(query_count() * options_.k, io::TruthFile::kNoId);
    for (size_t q = 0; q < query_count(); ++q) {
      for (size_t i = 0; i < results_[q].hits.size(); ++i) {
        ids[q * options_.k + i] = static_cast<uint32_t>(results_[q].hits[i].id);
      }
    }
    io::write_truth_file(options_.output, options_.k, ids);
  }

 private:
  size_t query_count() const { return queries_.size() / index_.options().dim; }

  // How far the last of the truth is from each query; empty where ids are compared. Many vectors of bits are equally
  // far, and any of them is as good.
  std::vector<float> truth_bounds() const {
    std::vector<float> bounds;
    if (!truth_ || index_.options().metric != Metric::hamming) return bounds;
    const size_t dim = index_.options().dim;
    for (size_t q = 0; q < query_count(); ++q) {
      std::vector<uint64_t> ids;
      for (uint32_t id : truth_->ids(q).first(options_.k)) {
        if (id < index_.size()) ids.push_back(id);
      }
      const AllowedIds nearest = AllowedIds::of(ids);
      const IndexSearchResult result = index_.search(std::span(queries_).subspan(q * dim, dim),
                                                     {.k = options_.k, .exact = true, .allowed = &nearest});
      bounds.push_back(result.hits.empty() ? -1 : result.hits.back().score);
    }
    return bounds;
  }

  double recall() const {
    std::vector<size_t> queries(query_count());
    std::iota(queries.begin(), queries.end(), size_t{0});
    return recall_of(queries);
  }

  // Of each quarter of the queries, from those with the lowest estimates to those with the highest.
  std::vector<double> recall_by_estimate() const {
    constexpr size_t kParts = 4;
    std::vector<size_t> queries(query_count());
    std::iota(queries.begin(), queries.end(), size_t{0});
    std::stable_sort(queries.begin(), queries.end(),
                     [&](size_t a, size_t b) { return results_[a].expected_recall < results_[b].expected_recall; });
    std::vector<double> recalls;
    for (size_t part = 0; part < kParts; ++part) {
      const size_t begin = part * queries.size() / kParts, end = (part + 1) * queries.size() / kParts;
      recalls.push_back(recall_of(std::span(queries).subspan(begin, end - begin)));
    }
    return recalls;
  }

  double recall_of(std::span<const size_t> queries) const {
    size_t found = 0, wanted = 0;
    for (size_t q : queries) {
      if (!bounds_.empty()) {
        const auto ids = truth_->ids(q).first(options_.k);
        wanted += static_cast<size_t>(
            std::count_if(ids.begin(), ids.end(), [](uint32_t id) { return id != io::TruthFile::kNoId; }));
        for (const IndexHit& hit : results_[q].hits) found += hit.score <= bounds_[q] ? 1 : 0;
        continue;
      }
      for (uint32_t id : truth_->ids(q).first(options_.k)) {
        if (id == io::TruthFile::kNoId) continue;
        ++wanted;
        for (const IndexHit& hit : results_[q].hits) found += hit.id == id ? 1 : 0;
      }
    }
    return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  std::string plans() const {
    std::string text;
    for (SearchPlan plan : {SearchPlan::scan, SearchPlan::code_scan, SearchPlan::graph, SearchPlan::graph_then_filter,
                            SearchPlan::filtered_graph, SearchPlan::product_scan}) {
      const bool used =
          std::any_of(results_.begin(), results_.end(), [&](const IndexSearchResult& r) { return r.plan == plan; });
      if (used) text += fmt::format("{}{}", text.empty() ? "" : "+", name(plan));
    }
    return text;
  }

  const Index& index_;
  const RunOptions& options_;
  const std::vector<float>& queries_;
  base::ThreadPool& pool_;
  std::optional<AllowedIds> allowed_;
  std::optional<io::TruthFile> truth_;
  std::vector<float> bounds_;
  std::vector<IndexSearchResult> results_;
};

void search(const RunOptions& options, const Context& context) {
  const auto index = Index::open(options.index, {.verify = options.verify, .load = !options.mapped});
  Input query_input(options.queries, index->options().metric);
  check_dims(index->options().dim, query_input.dim());
  const std::vector<float> queries = query_input.read_all();
  query_input.check(queries, 0);
  if (queries.empty())
    throw Error(ErrorCode::invalid_argument, fmt::format("--queries: {} has no rows", options.queries));
  Run run(*index, options, queries, context.thread_count);
  if (options.sweep) {
    for (size_t breadth : kSweep) {
      if (breadth < options.k) continue;
      print(base::json_text(run.measure(fmt::format("breadth={}", breadth), {.breadth = breadth})) + "\n");
    }
  } else if (options.exact) {
    print(base::json_text(run.measure("exact", {.exact = true})) + "\n");
  } else if (options.breadth > 0) {
    print(base::json_text(run.measure(fmt::format("breadth={}", options.breadth), {.breadth = options.breadth})) +
          "\n");
  } else {
    print(base::json_text(run.measure(fmt::format("target_recall={}", options.target_recall),
                                      {.target_recall = options.target_recall})) +
          "\n");
  }
  if (!options.output.empty()) run.write_ids();
}

void add_search_vectors(Command ann, Context& context) {
  auto options = std::make_shared<RunOptions>();
  Command command = ann.subcommand("search", "Search an index with a file of queries, and measure it");
  command.option("--index", options->index, "What build made").required();
  command.option("--queries", options->queries, "Queries: a file of vectors").required();
  command.option("--k,-k", options->k, "How many for each query").range(1, 100000).show_default();
  command.option("--truth", options->truth, "What truth made: recall is measured by it");
  command.flag("--estimate-recall", options->estimate,
               "expected_recall judges each query by how its walk went; with --truth, recall_by_estimate shows\n"
               "the recall of each quarter of the queries, those with the lowest estimates first");
  command.flag("--sweep", options->sweep, "One line for each of many breadths");
  command.option("--target-recall", options->target_recall, "How much of the true nearest to find, on average")
      .show_default();
  command.option("--breadth", options->breadth, "Candidates kept while walking; 0: as --target-recall needs")
      .show_default();
  command.flag("--exact", options->exact, "Compare every vector");
  command.option("--filter-fraction", options->fraction, "F: only rows whose number, from 0, is divisible by 1/F")
      .show_default();
  command.option("--batch", options->batch, "Queries asked at once, as one; 0: one by one on each thread")
      .show_default();
  command.option("--output,-o", options->output, "The ids found last: u32 queries, u32 k, u32 ids");
  command.flag("--mapped", options->mapped, "Leave codes and links in the file too: opens faster, searches slower");
  command.flag("--verify", options->verify, "Compare the file's checksums first");
  add_common_options(command, context, Common::threads);
  command.callback([options, &context] { search(*options, context); });
}

}  // namespace

void add_ann(Command app, Context& context) {
  Command ann = app.subcommand("ann", "Index and search files of vectors");
  ann.require_subcommand();
  add_build(ann, context);
  add_truth(ann, context);
  add_search_vectors(ann, context);
}

}  // namespace sextant::cli
