// sextant info: this program, this machine, and a model: what is in effect, and from which file.
#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/threads.h"
#include "cli/commands/all.h"
#include "cli/table.h"
#include "model/cross_encoder.h"
#include "model/hub.h"
#include "model/transformer_model.h"
#include "sextant/version.h"
#include "simd/kernels.h"

namespace sextant::cli {
namespace {

namespace fs = std::filesystem;
using model::Origin;

// The files that say what may be done with a model.
std::string licence_of(const std::string& name) {
  if (name == "builtin") return "Apache-2.0, sources in docs/builtin-model.md";
  std::string found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(name, ignored)) {
    const std::string file = entry.path().filename().string();
    std::string upper;
    for (char c : file) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (upper.starts_with("LICENSE") || upper.starts_with("LICENCE") || upper.starts_with("NOTICE")) {
      found += (found.empty() ? "" : ", ") + file;
    }
  }
  return found.empty() ? "no licence file" : found;
}

// Of what computes: MODEL is a TransformerModel or a CrossEncoder.
template <class Model>
void add_computing(const Model& model, std::vector<Origin>& facts) {
  facts.push_back({"memory", bytes_text(model.parameter_bytes()) + " of parameters in the files", ""});
  facts.push_back({"computed in", std::string(name(model.compute())), ""});
  for (const model::PrecisionCheck& check : model.precision_checks()) {
    facts.push_back({fmt::format("check of {}", name(check.compute)), check.text(), ""});
  }
}

std::vector<Origin> describe(const model::CrossEncoder& model) {
  std::vector<Origin> facts = {{"model", model.name(), ""},
                               {"kind", "cross-encoder: a score for query and document", ""}};
  facts.insert(facts.end(), model.origins().begin(), model.origins().end());
  add_computing(model, facts);
  facts.push_back({"licence", licence_of(model.name()), ""});
  return facts;
}

std::vector<Origin> describe(const Embedder& model) {
  std::vector<Origin> facts = {{"model", model.name(), ""}};
  const auto* transformer = dynamic_cast<const model::TransformerModel*>(&model);
  if (transformer != nullptr) {
    facts.insert(facts.end(), transformer->origins().begin(), transformer->origins().end());
    std::string outputs;
    for (const auto& [name, has] : {std::pair("dense", model.outputs().dense),
                                    {"sparse", model.outputs().sparse},
                                    {"multi", model.outputs().multi}}) {
      if (has) outputs += (outputs.empty() ? "" : ", ") + std::string(name);
    }
    facts.push_back({"outputs", outputs, ""});
    add_computing(*transformer, facts);
  } else {
    const bool remote = !model.has_tokenizer();
    facts.push_back({"architecture",
                     remote ? "remote: texts are sent to a server" : "static: a vector a token, a text is their mean",
                     ""});

    facts.push_back(
        {"longest input", model.max_length() > 0 ? fmt::format("{} tokens", model.max_length()) : "no limit", ""});
    if (!remote)
      facts.push_back(
          {"tokenizer",
           fmt::format("{}, {} entries", model.tokenizer().model_name(), model.tokenizer().vocabulary_size()), ""});
  }
  facts.push_back({"dimensions", std::to_string(model.dim()), ""});
  facts.push_back({"similarity", std::string(name(model.similarity())), ""});
  for (const auto& [name, prompt] : model.prompts()) {
    facts.push_back({"prompt " + name, '"' + prompt + '"', "config_sentence_transformers.json"});
  }
  if (transformer != nullptr || model.has_tokenizer()) facts.push_back({"licence", licence_of(model.name()), ""});
  facts.push_back({"hash", model.hash(), ""});
  // A setting that was named with its file wins over the same without.
  std::vector<Origin> unique;
  for (const Origin& fact : facts) {
    auto same = [&](const Origin& other) { return other.what == fact.what && fact.what != "dense layer"; };
    if (std::none_of(unique.begin(), unique.end(), same)) unique.push_back(fact);
  }
  return unique;
}

// Whatever NAME is: what scores pairs is described as that.
std::vector<Origin> facts_of(const std::string& name, const Context& context) {
  const fs::path folder = fs::is_directory(name) ? fs::path(name) : model::find_in_cache(name).value_or(fs::path());
  if (folder.empty() || !model::CrossEncoder::is_one(folder)) return describe(*load_model(name, context));
  auto model = load_reranker(name, context);
  return describe(dynamic_cast<const model::CrossEncoder&>(*model));
}

}  // namespace

void add_info(Command app, Context& context) {
  auto model_name = std::make_shared<std::string>("builtin");
  Command command = app.subcommand("info", "Describe this program, this machine and a model");
  command.option("MODEL,--model,-m", *model_name, "Model folder or name, or builtin").show_default();
  add_compute_option(command, context);
  add_common_options(command, context, Common::json);
  command.callback([model_name, &context] {
    std::vector<Origin> facts = {
        {"version", std::string(kVersion), ""},
        {"instructions",
         fmt::format("{} (this machine's best: {})", simd::name(simd::kernels().tier), simd::name(simd::best_tier())),
         ""},
        {"threads", std::to_string(base::default_thread_count()), ""}};
    const std::vector<Origin> of_model = facts_of(*model_name, context);
    facts.insert(facts.end(), of_model.begin(), of_model.end());
    if (context.json) {
      nlohmann::ordered_json out = nlohmann::ordered_json::object();
      for (const Origin& fact : facts) {
        out[fact.what] = {{"value", fact.value}};
        if (!fact.file.empty()) out[fact.what]["from"] = fact.file;
      }
      return print(base::json_text(out) + "\n");
    }
    size_t width = 0;
    for (const Origin& fact : facts) width = std::max(width, fact.what.size());
    for (const Origin& fact : facts) {
      print(
          fmt::format("{:<{}} {}{}\n", fact.what, width, fact.value, fact.file.empty() ? "" : faint("  " + fact.file)));
    }
  });
}

}  // namespace sextant::cli
