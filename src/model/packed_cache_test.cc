#include "model/packed_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "model/testing_folder.h"
#include "model/transformer_model.h"
#include "sextant/error.h"
#include "tensor/kernels.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using testing_folder::FolderCopy;
using testing_folder::golden;
using testing_folder::identifier;

constexpr Compute kComputes[] = {Compute::float32, Compute::bfloat16, Compute::int8, Compute::automatic};

// Hidden states of made-up ids, which need no tokenizer, and the sentence vectors of those who have such.
std::vector<float> embed(const TransformerModel& model) {
  TokenBatch batch;
  for (size_t length : {1, 7, 30}) {
    for (size_t i = 0; i < length; ++i) {
      batch.ids.push_back(static_cast<TokenId>((i * 7919 + length) % model.encoder().vocabulary_size));
    }
    batch.sequences.append(length);
  }
  const tensor::Matrix hidden = model.hidden_states(batch);
  std::vector<float> out(hidden.values().begin(), hidden.values().end());
  if (model.splade()) return out;
  const tensor::Matrix vectors = model.sentence_vectors(hidden, batch.sequences, {}, {});
  out.insert(out.end(), vectors.values().begin(), vectors.values().end());
  return out;
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// What the model says of its cache; empty where it says nothing.
std::string outcome(const TransformerModel& model) {
  for (const Origin& origin : model.origins()) {
    if (origin.what == "packed cache") return origin.value;
  }
  return {};
}

TransformerModel load(const fs::path& folder, Compute compute, const fs::path& cache) {
  return TransformerModel(folder, {}, {}, {compute, cache});
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

class PackedCacheOfGolden : public testing::TestWithParam<std::string> {};

TEST_P(PackedCacheOfGolden, GivesTheSameVectorsChecksAndPrecisionAsNoCache) {
  const base::TemporaryFolder cache;
  for (Compute compute : kComputes) {
    SCOPED_TRACE(name(compute));
    const TransformerModel plain(golden(GetParam()), {}, {}, {compute});
    EXPECT_EQ(outcome(plain), "");
    const std::vector<float> want = embed(plain);
    for (const char* expected : {"written", "read", "read"}) {
      const TransformerModel model = load(golden(GetParam()), compute, cache.path());
      EXPECT_EQ(outcome(model), expected);
      EXPECT_TRUE(same_bytes(embed(model), want)) << expected;
      EXPECT_EQ(model.compute(), plain.compute());
      ASSERT_EQ(model.precision_checks().size(), plain.precision_checks().size());
      for (size_t i = 0; i < plain.precision_checks().size(); ++i) {
        EXPECT_EQ(model.precision_checks()[i].compute, plain.precision_checks()[i].compute);
        EXPECT_EQ(model.precision_checks()[i].value, plain.precision_checks()[i].value);
      }
    }
  }
  EXPECT_EQ(files_in(cache.path()).size(), std::size(kComputes)) << "one file a precision that is asked for";
}

INSTANTIATE_TEST_SUITE_P(Models, PackedCacheOfGolden,
                         testing::Values("e2e-minilm-style", "e2e-modernbert-style", "e2e-qwen3-style", "e2e-splade",
                                         "e2e-gtr-t5-style", "e2e-mpnet-style", "embeddinggemma", "nv-embed",
                                         "distilbert-dense-tanh", "albert-mean", "jina-bert-v2-qk-post-norm",
                                         "format-bf16-safetensors", "format-sharded-safetensors",
                                         "format-pytorch-bin-strided-shared"),
                         [](const auto& each) { return identifier(each.param); });

TEST(PackedCache, IsNotUsedOnceAFileOfTheModelHasChanged) {
  const base::TemporaryFolder cache;
  for (const char* file :
       {"model.safetensors", "tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"}) {
    SCOPED_TRACE(file);
    const FolderCopy folder("e2e-minilm-style");
    ASSERT_TRUE(fs::exists(folder.at(file)));
    load(folder.path(), Compute::int8, cache.path());
    EXPECT_EQ(outcome(load(folder.path(), Compute::int8, cache.path())), "read");
    fs::last_write_time(folder.at(file), fs::last_write_time(folder.at(file)) + std::chrono::nanoseconds(1000000));
    const TransformerModel changed = load(folder.path(), Compute::int8, cache.path());
    EXPECT_EQ(outcome(changed), "rebuilt: the model's files, or the kernels, are others now");
    EXPECT_EQ(outcome(load(folder.path(), Compute::int8, cache.path())), "read");
    // The same bytes under another inode.
    fs::copy_file(folder.at(file), folder.at("copy"));
    fs::last_write_time(folder.at("copy"), fs::last_write_time(folder.at(file)));
    fs::rename(folder.at("copy"), folder.at(file));
    EXPECT_THAT(outcome(load(folder.path(), Compute::int8, cache.path())), StartsWith("rebuilt: the model's files"));
  }
}

TEST(PackedCache, OfAModelWhoseWeightsWereReplacedGivesTheNewVectors) {
  const base::TemporaryFolder cache;
  const FolderCopy folder("bert-mean");
  const std::vector<float> old = embed(load(folder.path(), Compute::bfloat16, cache.path()));
  std::string bytes = base::read_file(folder.at("model.safetensors"));
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2), bytes.end(), '\0');
  testing_folder::write_file(folder.at("model.safetensors"), bytes);
  const TransformerModel changed = load(folder.path(), Compute::bfloat16, cache.path());
  EXPECT_FALSE(same_bytes(embed(changed), old));
  EXPECT_TRUE(same_bytes(embed(changed), embed(load(folder.path(), Compute::bfloat16, {}))));
  EXPECT_EQ(files_in(cache.path()).size(), 1u) << "what is out of date was replaced";
}

TEST(PackedCache, IsOneForAModelHoweverItIsNamed) {
  const base::TemporaryFolder cache;
  const FolderCopy folder("bert-mean");
  fs::create_directory_symlink(folder.path(), cache.path() / "link");
  load(folder.path(), Compute::float32, cache.path() / "packed");
  EXPECT_EQ(outcome(load(cache.path() / "link", Compute::float32, cache.path() / "packed")), "read");
  EXPECT_EQ(outcome(load(folder.path() / ".." / "model", Compute::float32, cache.path() / "packed")), "read");
  EXPECT_EQ(outcome(load(folder.path(), Compute::int8, cache.path() / "packed")), "written") << "another precision";
}

TEST(PackedCache, ThatSeveralWriteAtOnceIsWhole) {
  const base::TemporaryFolder cache;
  const std::vector<float> want = embed(load(golden("bert-mean"), Compute::int8, {}));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 5; ++i) {
        const TransformerModel model = load(golden("bert-mean"), Compute::int8, cache.path());
        EXPECT_THAT(outcome(model), testing::AnyOf("written", "read"));
        EXPECT_TRUE(same_bytes(embed(model), want));
        std::error_code ignored;
        for (const auto& file : fs::directory_iterator(cache.path())) {
          if (t == 0 && file.path().extension() == ".packed") fs::remove(file.path(), ignored);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(outcome(load(golden("bert-mean"), Compute::int8, cache.path())), testing::AnyOf("written", "read"));
  EXPECT_EQ(files_in(cache.path()).size(), 1u);
}

TEST(PackedCache, ThatCannotBeWrittenLeavesTheModelLoadedAndSaysWhy) {
  const base::TemporaryFolder folder;
  testing_folder::write_file(folder.path() / "file", "not a folder");
  const TransformerModel model = load(golden("bert-mean"), Compute::int8, folder.path() / "file" / "cache");
  EXPECT_THAT(outcome(model), AllOf(StartsWith("not written: "), HasSubstr("cannot make the folder")));
  EXPECT_TRUE(same_bytes(embed(model), embed(load(golden("bert-mean"), Compute::int8, {}))));
}

TEST(PackedCache, InAFolderThatIsReadOnlyLeavesTheModelLoadedAndSaysWhy) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser may write into every folder";
  const base::TemporaryFolder folder;
  fs::create_directory(folder.path() / "closed");
  fs::permissions(folder.path() / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(outcome(load(golden("bert-mean"), Compute::int8, folder.path() / "closed")), StartsWith("not written: "));
}

// A cache of one small model, whose file may be damaged.
class DamagedPackedCache : public testing::Test {
 protected:
  DamagedPackedCache() {
    const TransformerModel model = load(golden("bert-mean"), Compute::int8, cache_.path());
    want_ = embed(model);
    file_ = files_in(cache_.path()).at(0);
    whole_ = base::read_file(file_);
    std::memcpy(head_, whole_.data(), sizeof head_);
    uint64_t key_bytes = 0;
    std::memcpy(&key_bytes, &whole_[index_offset()], sizeof key_bytes);
    key_ = whole_.substr(index_offset() + sizeof key_bytes, key_bytes);
  }

  // What is wrong with BYTES; empty where every layer can be taken.
  std::string problem_of(std::string_view bytes) {
    fs::remove(file_);  // a file that is cut and written again is waited for by some file systems
    testing_folder::write_file(file_, bytes);
    try {
      const auto cache = PackedCache::open(file_, key_);
      load_encoder(config_, Parameters(weights_, {.compute = operand_of(cache->compute()), .packed = cache}));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::corrupted) << e.what();
      return e.what();
    }
    return {};
  }

  size_t index_offset() const { return head_[3]; }
  // With the checksums that belong to the bytes as they are.
  static std::string sealed(std::string bytes) {
    uint64_t head[8];
    std::memcpy(head, bytes.data(), sizeof head);
    if (head[3] <= bytes.size()) head[5] = base::hash64(std::string_view(bytes).substr(head[3]));
    head[7] = base::hash64({reinterpret_cast<const char*>(head), 7 * sizeof(uint64_t)});
    std::memcpy(bytes.data(), head, sizeof head);
    return bytes;
  }

  base::TemporaryFolder cache_;
  const Config config_ = Config::load(golden("bert-mean") / "config.json");
  const std::shared_ptr<const Weights> weights_ = std::make_shared<const Weights>(Weights::load(golden("bert-mean")));
  fs::path file_;
  std::string whole_, key_;
  uint64_t head_[8];
  std::vector<float> want_;
};

TEST_F(DamagedPackedCache, IsNoticedWhicheverByteOfHeadOrIndexIsFlipped) {
  ASSERT_EQ(problem_of(whole_), "");
  for (size_t i = 0; i < whole_.size(); i = i + 1 == sizeof head_ ? index_offset() : i + 1) {
    std::string bytes = whole_;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    EXPECT_NE(problem_of(bytes), "") << "byte " << i;
  }
}

TEST_F(DamagedPackedCache, IsNoticedWhicheverLayerIsFlippedAndNamesIt) {
  for (size_t i = sizeof head_; i < index_offset(); i += 997) {
    std::string bytes = whole_;
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    EXPECT_THAT(problem_of(bytes), StartsWith("the checksum of layer '")) << "byte " << i;
  }
}

TEST_F(DamagedPackedCache, IsNoticedWhereverItIsCut) {
  for (size_t size = 0; size < whole_.size();
       size += size < 2 * sizeof head_ || size + 64 > index_offset() ? 1 : 4093) {
    EXPECT_NE(problem_of(whole_.substr(0, size)), "") << size << " bytes";
  }
  EXPECT_NE(problem_of(whole_ + '\0'), "");
}

TEST_F(DamagedPackedCache, WithChecksumsOfItsOwnNeverLeadsOutsideOfTheFile) {
  // What is hostile and not only broken: whatever it leads to, it is an error or the layers are views of the file.
  size_t refused = 0, tried = 0;
  for (const char byte : {'\xFF', '\x80', '\x00', '\x7F'}) {
    const size_t key_begin = index_offset() + sizeof(uint64_t);
    for (size_t i = 0; i < whole_.size(); ++i) {
      if (i == sizeof head_) i = index_offset();
      if (i == key_begin) i += key_.size();
      std::string bytes = whole_;
      bytes[i] = byte;
      if (bytes == whole_) continue;
      ++tried;
      refused += problem_of(sealed(bytes)).empty() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, tried * 9 / 10) << "a check's cosine may be any number, all else is refused";
}

TEST_F(DamagedPackedCache, OfAnotherFormatIsNamedSo) {
  std::string bytes = whole_;
  ++bytes[8];
  EXPECT_THAT(problem_of(sealed(bytes)), HasSubstr("has format 3, not 2"));
}

TEST_F(DamagedPackedCache, IsRebuiltReplacedAndSaysSo) {
  std::string bytes = whole_;
  bytes[index_offset() / 2] = static_cast<char>(bytes[index_offset() / 2] ^ 0x40);
  for (const std::string& damaged : {bytes, whole_.substr(0, whole_.size() / 2), std::string()}) {
    testing_folder::write_file(file_, damaged);
    const TransformerModel model = load(golden("bert-mean"), Compute::int8, cache_.path());
    EXPECT_THAT(outcome(model), StartsWith("rebuilt: "));
    EXPECT_TRUE(same_bytes(embed(model), want_));
    EXPECT_EQ(base::read_file(file_), whole_);
    EXPECT_EQ(outcome(load(golden("bert-mean"), Compute::int8, cache_.path())), "read");
  }
  EXPECT_EQ(files_in(cache_.path()).size(), 1u) << "nothing else is left behind";
}

TEST_F(DamagedPackedCache, ThatIsReplacedOrDeletedWhileAModelUsesItChangesNothing) {
  const TransformerModel model = load(golden("bert-mean"), Compute::int8, cache_.path());
  ASSERT_EQ(outcome(model), "read");
  fs::remove(file_);
  EXPECT_TRUE(same_bytes(embed(model), want_));
  EXPECT_EQ(outcome(load(golden("bert-mean"), Compute::int8, cache_.path())), "written");
  EXPECT_EQ(base::read_file(file_), whole_) << "the same bytes whoever writes them";
}

TEST_F(DamagedPackedCache, ThatIsAFolderIsNotWrittenOver) {
  fs::remove(file_);
  fs::create_directory(file_);
  const TransformerModel model = load(golden("bert-mean"), Compute::int8, cache_.path());
  EXPECT_THAT(outcome(model), StartsWith("not written: "));
  EXPECT_TRUE(same_bytes(embed(model), want_));
}

}  // namespace
}  // namespace sextant::model
