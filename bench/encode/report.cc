#include "report.h"

#include <fmt/format.h>

namespace sextant::bench {
namespace {

std::string ratio_text(const std::optional<double>& ratio) { return ratio ? fmt::format("{:.2f}x", *ratio) : "-"; }

}  // namespace

std::string table_head() {
  return fmt::format("{:<28} {:>5} {:>5} {:>7} {:>10} {:>10} {:>10} {:>8} {:>6} {:>8} {:>8} {:>9} {:>8} {:>8}  {}\n",
                     "contestant", "batch", "len", "threads", "tokens/s", "min", "max", "ms/batch", "peak", "ORT f32",
                     "ORT int8", "cosine", "MB max", "load ms", "peak of, form");
}

std::string table_rows(const Case& which, const CaseResult& results) {
  std::string text;
  for (const Result& r : results.rows) {
    text += fmt::format(
        "{:<28} {:>5} {:>5} {:>7} {:>10.0f} {:>10.0f} {:>10.0f} {:>8.2f} {:>6} {:>8} {:>8} {:>9.6f} {:>8.0f} "
        "{:>8.0f}  {}{}\n",
        r.contestant, which.batch, which.length_name(), which.threads, r.tokens_per_second, r.tokens_per_second_min,
        r.tokens_per_second_max, r.milliseconds_per_batch,
        r.peak_share ? fmt::format("{:.0f}%", 100 * *r.peak_share) : "-", ratio_text(r.ratio_to_f32),
        ratio_text(r.ratio_to_int8), r.cosine_min, static_cast<double>(r.memory_bytes_max) / 1e6, 1000 * r.load_seconds,
        r.peak_name.empty() ? "-" : r.peak_name, r.form.empty() ? "" : ", " + r.form);
  }
  text += fmt::format("  cosine between different texts: median {:.3f}, at most {:.3f}\n", results.texts_cosine_median,
                      results.texts_cosine_max);
  return text;
}

nlohmann::json to_json(const Shape& shape, const Case& which, const CaseResult& results) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Result& r : results.rows) {
    nlohmann::json row = {{"shape", shape.name},
                          {"batch", which.batch},
                          {"length", which.length_name()},
                          {"threads", which.threads},
                          {"contestant", r.contestant},
                          {"form", r.form},
                          {"tokens_per_second", r.tokens_per_second},
                          {"tokens_per_second_min", r.tokens_per_second_min},
                          {"tokens_per_second_max", r.tokens_per_second_max},
                          {"milliseconds_per_batch", r.milliseconds_per_batch},
                          {"peak", r.peak_name},
                          {"cosine_min", r.cosine_min},
                          {"memory_bytes_max", r.memory_bytes_max},
                          {"load_seconds", r.load_seconds},
                          {"texts_cosine_median", results.texts_cosine_median}};
    if (r.peak_share) row["peak_share"] = *r.peak_share;
    if (r.ratio_to_f32) row["ratio_to_onnxruntime_float32"] = *r.ratio_to_f32;
    if (r.ratio_to_int8) row["ratio_to_onnxruntime_int8"] = *r.ratio_to_int8;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sextant::bench
