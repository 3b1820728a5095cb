#include "model/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "base/json.h"
#include "model/pooling.h"
#include "model/testing_folder.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing_folder::golden;
using testing_folder::identifier;
using testing_folder::Json;

// A folder for each architecture, and for what configs switch in it.
const std::vector<std::string> kFolders = {"albert-mean",
                                           "bert-mean",
                                           "deberta-v2-seqcls",
                                           "distilbert-mean",
                                           "electra-mean",
                                           "embeddinggemma",
                                           "gemma2-lasttoken",
                                           "gte-new",
                                           "gte-new-norope-scaling",
                                           "jina-bert-v2-qk-post-norm",
                                           "llama-lasttoken",
                                           "mistral-lasttoken",
                                           "modernbert-mean",
                                           "mpnet-mean",
                                           "nomic-bert",
                                           "nv-embed",
                                           "qwen2-lasttoken",
                                           "qwen3-lasttoken",
                                           "roberta-mean",
                                           "t5-encoder-gated-gelu",
                                           "t5-encoder-relu",
                                           "xlm-roberta-mean"};

// A recorded folder's config, which tests change, and its weights.
struct Model {
  explicit Model(std::string_view name)
      : json(testing_folder::read_json(golden(name) / "config.json")),
        parameters(std::make_shared<const Weights>(Weights::load(golden(name)))) {}
  std::unique_ptr<Encoder> load() const {
    return load_encoder(Config::parse(base::json_text(json), "a/config.json"), parameters);
  }

  Json json;
  Parameters parameters;
};

TokenBatch batch_of(const std::vector<size_t>& lengths, size_t vocabulary) {
  TokenBatch batch;
  for (size_t length : lengths) {
    batch.sequences.append(length);
    for (size_t i = 0; i < length; ++i) {
      batch.ids.push_back(static_cast<TokenId>((5 + batch.ids.size() * 7 + length) % vocabulary));
    }
  }
  return batch;
}

TokenBatch part_of(const TokenBatch& all, size_t s) {
  TokenBatch batch;
  const auto begin = all.ids.begin() + static_cast<ptrdiff_t>(all.sequences.begin(s));
  batch.ids.assign(begin, begin + static_cast<ptrdiff_t>(all.sequences.length(s)));
  batch.sequences.append(batch.ids.size());
  return batch;
}

tensor::Matrix run(const Encoder& encoder, const TokenBatch& batch, size_t threads = 1) {
  base::ThreadPool pool(threads);
  tensor::Context context{pool};
  return encoder.refine(run_encoder(encoder, batch, context), batch.sequences, context);
}

class EncoderOf : public testing::TestWithParam<std::string> {};

TEST_P(EncoderOf, GivesASequenceTheSameBytesAloneAmongOthersAndOnAnyNumberOfThreads) {
  const std::unique_ptr<Encoder> encoder = Model(GetParam()).load();
  const size_t most = encoder->max_positions == 0 ? 90 : std::min<size_t>(90, encoder->max_positions);
  const TokenBatch batch = batch_of({5, 0, 1, most / 2, 0, 17, most, 0}, encoder->vocabulary_size);
  const tensor::Matrix together = run(*encoder, batch);
  ASSERT_EQ(together.rows(), batch.ids.size());
  ASSERT_EQ(together.columns(), encoder->hidden_size);
  for (size_t threads : {2, 3}) {
    const tensor::Matrix shared = run(*encoder, batch, threads);
    EXPECT_EQ(std::memcmp(shared.data(), together.data(), together.values().size_bytes()), 0) << threads;
  }
  for (size_t s = 0; s < batch.sequences.count(); ++s) {
    const tensor::Matrix alone = run(*encoder, part_of(batch, s));
    EXPECT_EQ(std::memcmp(alone.data(), together.row(batch.sequences.begin(s)), alone.values().size_bytes()), 0)
        << "sequence " << s;
  }
}

TEST_P(EncoderOf, TakesNothingAndSequencesOfNothing) {
  const std::unique_ptr<Encoder> encoder = Model(GetParam()).load();
  for (const std::vector<size_t>& lengths : {std::vector<size_t>{}, {0}, {0, 0}}) {
    const TokenBatch batch = batch_of(lengths, encoder->vocabulary_size);
    const tensor::Matrix hidden = run(*encoder, batch);
    EXPECT_EQ(hidden.rows(), 0u);
    for (PoolingMode mode : {PoolingMode::cls, PoolingMode::mean, PoolingMode::last_token}) {
      const tensor::Matrix pooled = pool(mode, hidden, batch.sequences);
      EXPECT_EQ(pooled.rows(), lengths.size());
      for (float value : pooled.values()) EXPECT_EQ(value, 0);
    }
  }
}

TEST_P(EncoderOf, RefusesIdsAndLengthsBeyondWhatItHas) {
  const std::unique_ptr<Encoder> encoder = Model(GetParam()).load();
  auto refused = [&](const TokenBatch& batch) {
    try {
      run(*encoder, batch);
    } catch (const Error& e) {
      return e.code() == ErrorCode::invalid_argument;
    }
    return false;
  };
  TokenBatch batch = batch_of({3}, encoder->vocabulary_size);
  EXPECT_FALSE(refused(batch));
  for (TokenId id : {-1, static_cast<TokenId>(encoder->vocabulary_size), std::numeric_limits<TokenId>::max()}) {
    batch.ids[1] = id;
    EXPECT_TRUE(refused(batch)) << id;
  }
  batch.ids[1] = static_cast<TokenId>(encoder->vocabulary_size - 1);
  EXPECT_FALSE(refused(batch));
  batch.type_ids = {0, 0};
  EXPECT_TRUE(refused(batch)) << "fewer types than ids";
  batch.type_ids = {0, -1, 0};
  EXPECT_TRUE(refused(batch));
  batch.type_ids = {0, static_cast<TokenId>(encoder->type_count), 0};
  EXPECT_EQ(refused(batch), encoder->type_count > 0);
  batch.type_ids = {};
  batch.ids.pop_back();
  EXPECT_TRUE(refused(batch)) << "fewer ids than rows";
  if (encoder->max_positions == 0) return;
  ASSERT_LE(encoder->max_positions, 1024u);
  EXPECT_FALSE(refused(batch_of({encoder->max_positions}, encoder->vocabulary_size)));
  EXPECT_TRUE(refused(batch_of({2, encoder->max_positions + 1}, encoder->vocabulary_size)));
}

// Every value of the config becomes every kind of nonsense in turn. What loads all the same must compute numbers.
TEST_P(EncoderOf, EndsInAnErrorOrInNumbersWhateverItsConfigSays) {
  Model model(GetParam());
  const Json original = model.json;
  const Json nonsense[] = {nullptr,
                           true,
                           -1,
                           0,
                           1,
                           3,
                           1000,
                           4294967295u,
                           size_t{1} << 60,
                           std::numeric_limits<size_t>::max(),
                           -1.5,
                           0.0,
                           1e-300,
                           1e300,
                           "",
                           "nonsense",
                           Json::array(),
                           Json::object(),
                           Json::array({"x"})};
  size_t loaded = 0, refused = 0;
  const Json flat = original.flatten();
  for (const auto& [where, leaf] : flat.items()) {
    std::vector<std::string> places = {where};
    const std::string parent = where.substr(0, where.rfind('/'));
    if (!parent.empty()) places.push_back(parent);
    for (const std::string& place : places) {
      for (const Json& value : nonsense) {
        model.json = original;
        model.json[Json::json_pointer(place)] = value;
        SCOPED_TRACE(place + " = " + base::json_text(value));
        try {
          const std::unique_ptr<Encoder> encoder = model.load();
          ++loaded;
          ASSERT_LE(encoder->layer_count, 1000u);
          const size_t longest = encoder->max_positions == 0 ? 9 : std::min<size_t>(9, encoder->max_positions);
          const tensor::Matrix hidden = run(*encoder, batch_of({longest, 0, 1}, encoder->vocabulary_size));
          for (float x : hidden.values()) ASSERT_TRUE(std::isfinite(x));
        } catch (const Error& e) {
          ++refused;
          ASSERT_TRUE(e.code() == ErrorCode::corrupted || e.code() == ErrorCode::unsupported) << e.what();
          const std::string message = e.what();
          ASSERT_TRUE(message.starts_with("a/config.json: ") || message.find("parameter '") != std::string::npos)
              << message;
        }
      }
    }
  }
  EXPECT_GT(loaded, 50u);
  EXPECT_GT(refused, 50u);
}

TEST_P(EncoderOf, RefusesAVocabularyThatIsLargerThanItsTable) {
  Model model(GetParam());
  Json& json = model.json.contains("text_config") ? model.json["text_config"] : model.json;
  json["vocab_size"] = json["vocab_size"].get<size_t>() + 100;
  EXPECT_THROW(model.load(), Error);
}

INSTANTIATE_TEST_SUITE_P(Folder, EncoderOf, testing::ValuesIn(kFolders),
                         [](const auto& folder) { return identifier(folder.param); });

struct Wrong {
  const char* folder;
  const char* key;
  Json value;
  ErrorCode code;
  std::vector<std::string> named;
};

TEST(Encoder, NamesTheKeyOrTheTensorThatIsWrong) {
  const ErrorCode corrupted = ErrorCode::corrupted, unsupported = ErrorCode::unsupported;
  const Wrong cases[] = {
      {"bert-mean", "/model_type", "wav2vec2", unsupported, {"'model_type'", "xlm-roberta"}},
      {"bert-mean", "/model_type", nullptr, corrupted, {"'model_type'", "missing"}},
      {"bert-mean", "/hidden_act", "mish", unsupported, {"a/config.json", "'mish'"}},
      {"bert-mean", "/position_embedding_type", "relative_key", unsupported, {"'position_embedding_type'"}},
      {"bert-mean", "/is_decoder", true, unsupported, {"'is_decoder'"}},
      {"bert-mean", "/num_attention_heads", 0, corrupted, {"'num_attention_heads'", "from 1"}},
      {"bert-mean", "/num_attention_heads", 5, corrupted, {"'num_attention_heads'", "divisor of the hidden size"}},
      {"bert-mean", "/num_hidden_layers", size_t{1} << 60, corrupted, {"'num_hidden_layers'", "1000"}},
      {"bert-mean", "/num_hidden_layers", 9, corrupted, {"encoder.layer.", "missing"}},
      {"bert-mean", "/layer_norm_eps", 0, corrupted, {"'layer_norm_eps'"}},
      {"bert-mean", "/hidden_size", 64, corrupted, {"embeddings.word_embeddings.weight", "has shape"}},
      {"bert-mean", "/vocab_size", 100000, corrupted, {"embeddings.word_embeddings.weight", "has shape"}},
      {"bert-mean", "/max_position_embeddings", 4096, corrupted, {"position_embeddings", "has shape"}},
      {"bert-mean", "/type_vocab_size", 3, corrupted, {"token_type_embeddings", "has shape"}},
      {"bert-mean", "/intermediate_size", 8, corrupted, {"intermediate.dense.weight", "has shape"}},
      {"roberta-mean", "/pad_token_id", 129, corrupted, {"'pad_token_id'"}},
      {"roberta-mean", "/pad_token_id", 4294967295u, corrupted, {"'pad_token_id'"}},
      {"roberta-mean", "/pad_token_id", 4294967297u, corrupted, {"'pad_token_id'"}},
      {"albert-mean", "/num_hidden_groups", 100, corrupted, {"'num_hidden_groups'"}},
      {"distilbert-mean", "/n_heads", 7, corrupted, {"'n_heads'"}},
      {"mpnet-mean", "/relative_attention_num_buckets", 1, corrupted, {"'relative_attention_num_buckets'"}},
      {"mpnet-mean", "/relative_attention_num_buckets", 512, corrupted, {"'relative_attention_num_buckets'"}},
      {"t5-encoder-relu", "/relative_attention_max_distance", 8, corrupted, {"'relative_attention_num_buckets'"}},
      {"t5-encoder-relu", "/feed_forward_proj", "gated-mish", unsupported, {"'feed_forward_proj'"}},
      {"deberta-v2-seqcls", "/position_buckets", 1, corrupted, {"'position_buckets'"}},
      {"deberta-v2-seqcls", "/position_buckets", 1e300, corrupted, {"'position_buckets'"}},
      {"deberta-v2-seqcls", "/pos_att_type", Json::array({"p2p"}), unsupported, {"'pos_att_type'"}},
      {"deberta-v2-seqcls", "/relative_attention", false, unsupported, {"'relative_attention'"}},
      {"modernbert-mean", "/hidden_activation", "mish", unsupported, {"'mish'"}},
      {"modernbert-mean", "/layer_types", Json::array({"chunked_attention"}), unsupported, {"'layer_types'"}},
      {"modernbert-mean", "/rope_scaling", Json::object({{"rope_type", "yarn"}}), unsupported, {"'rope_type'"}},
      {"gte-new",
       "/rope_scaling",
       Json::object({{"type", "yarn"}, {"factor", 2}}),
       unsupported,
       {"rope_scaling: 'type'"}},
      {"gte-new", "/rope_scaling", Json::object({{"type", "ntk"}}), corrupted, {"rope_scaling: 'factor'"}},
      {"gte-new", "/rope_scaling", Json::object({{"type", "ntk"}, {"factor", 0.5}}), corrupted, {"'factor'"}},
      {"nomic-bert", "/max_trained_positions", 0, corrupted, {"'max_trained_positions'"}},
      {"nomic-bert", "/rotary_emb_fraction", 1.5, corrupted, {"'rotary_emb_fraction'"}},
      {"nomic-bert", "/prenorm", true, unsupported, {"'prenorm'"}},
      {"llama-lasttoken", "/num_key_value_heads", 3, corrupted, {"'num_key_value_heads'"}},
      {"llama-lasttoken", "/rope_theta", -1, corrupted, {"'rope_theta'"}},
      {"llama-lasttoken", "/rope_scaling", Json::object({{"rope_type", "yarn"}}), unsupported, {"'rope_type'"}},
      {"llama-lasttoken", "/rope_scaling", Json::object({{"type", "linear"}, {"factor", 0}}), corrupted, {"'factor'"}},
      {"qwen3-lasttoken", "/layer_types", Json::array({"full_attention"}), corrupted, {"'layer_types'"}},
      {"qwen3-lasttoken",
       "/layer_types",
       Json::array({"full_attention", "linear_attention"}),
       unsupported,
       {"'layer_types'"}},
      {"qwen3-lasttoken", "/head_dim", 8, corrupted, {"self_attn.q_proj.weight", "has shape"}},
      {"gemma2-lasttoken", "/query_pre_attn_scalar", 0, corrupted, {"'query_pre_attn_scalar'"}},
      {"gemma2-lasttoken", "/attn_logit_softcapping", -5, corrupted, {"'attn_logit_softcapping'"}},
      {"gemma2-lasttoken", "/sliding_window", 0, corrupted, {"'sliding_window'"}},
      {"nv-embed", "/latent_attention_config/latent_dim", 8, corrupted, {"latent_attention_config: 'latent_dim'"}},
      {"nv-embed", "/text_config/hidden_act", "mish", unsupported, {"text_config", "'mish'"}},
  };
  for (const Wrong& wrong : cases) {
    Model model(wrong.folder);
    model.json[Json::json_pointer(wrong.key)] = wrong.value;
    SCOPED_TRACE(std::string(wrong.folder) + wrong.key + " = " + base::json_text(wrong.value));
    try {
      model.load();
      ADD_FAILURE() << "it was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), wrong.code) << e.what();
      for (const std::string& name : wrong.named) {
        EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << "no " << name << " in: " << e.what();
      }
    }
  }
}

TEST(Encoder, ReadsRotarySettingsInTheirNewerForm) {
  struct Case {
    const char* folder;
    std::vector<const char*> removed;
    Json parameters;
  };
  const Json per_type = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 160000.0}}},
                         {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}}};
  Json gemma = per_type;
  gemma["full_attention"]["rope_theta"] = 1000000.0;
  const double theta = testing_folder::read_json(golden("qwen3-lasttoken") / "config.json").at("rope_theta");
  const Case cases[] = {
      {"modernbert-mean", {"global_rope_theta", "local_rope_theta"}, per_type},
      {"embeddinggemma", {"rope_theta", "rope_local_base_freq", "rope_scaling"}, gemma},
      {"qwen3-lasttoken", {"rope_theta", "rope_scaling"}, {{"rope_type", "default"}, {"rope_theta", theta}}}};
  for (const Case& c : cases) {
    Model model(c.folder);
    const std::unique_ptr<Encoder> older = model.load();
    for (const char* key : c.removed) model.json.erase(key);
    model.json["rope_parameters"] = c.parameters;
    const TokenBatch batch = batch_of({40}, older->vocabulary_size);
    const tensor::Matrix want = run(*older, batch), got = run(*model.load(), batch);
    EXPECT_EQ(std::memcmp(want.data(), got.data(), want.values().size_bytes()), 0) << c.folder;
    for (auto& [key, value] : model.json["rope_parameters"].items()) {
      if (value.is_object()) value["rope_theta"] = 500.0;
    }
    if (c.parameters.contains("rope_theta")) model.json["rope_parameters"]["rope_theta"] = 500.0;
    const tensor::Matrix other = run(*model.load(), batch);
    EXPECT_NE(std::memcmp(want.data(), other.data(), want.values().size_bytes()), 0) << c.folder;
  }
}

TEST(Encoder, NamesATensorThatIsNotThere) {
  // The config of one model beside the weights of another.
  Model model("roberta-mean");
  Model other("t5-encoder-relu");
  other.json = model.json;
  try {
    other.load();
    ADD_FAILURE() << "it was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupted);
    EXPECT_NE(std::string(e.what()).find("'embeddings.word_embeddings.weight'"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("t5-encoder-relu"), std::string::npos) << e.what();
  }
}

TEST(Encoder, CountsPositionsAfterThePaddingIdAndLeavesPaddingTokensOut) {
  // RoBERTa's rule: a padding token inside a text has the padding's own position and does not move those behind it.
  const std::unique_ptr<Encoder> encoder = Model("roberta-mean").load();
  const std::unique_ptr<Encoder> bert = Model("bert-mean").load();
  EXPECT_EQ(encoder->max_positions + 2, Model("roberta-mean").json.at("max_position_embeddings").get<size_t>());
  EXPECT_EQ(bert->max_positions, Model("bert-mean").json.at("max_position_embeddings").get<size_t>());
  TokenBatch batch;
  batch.ids.assign(encoder->max_positions, 1);  // nothing but padding
  batch.sequences.append(batch.ids.size());
  const tensor::Matrix hidden = run(*encoder, batch);
  // Rows that are the same token at the same position are the same.
  EXPECT_EQ(std::memcmp(hidden.row(0), hidden.row(batch.ids.size() - 1), hidden.columns() * sizeof(float)), 0);
}

TEST(Encoder, FirstRowsOfSequencesWithoutRowsAreZeros) {
  tensor::Sequences sequences;
  for (size_t length : {0, 2, 0}) sequences.append(length);
  tensor::Matrix hidden(2, 3);
  std::fill_n(hidden.data(), 6, 1.0f);
  const tensor::Matrix first = first_rows(hidden, sequences);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(first.row(0)[c], 0);
    EXPECT_EQ(first.row(1)[c], 1);
    EXPECT_EQ(first.row(2)[c], 0);
  }
}

}  // namespace
}  // namespace sextant::model
