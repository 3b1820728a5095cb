// What takes longer than the tests beside it: every byte of an index, and more filters by chance.
#include <gmock/gmock.h>

#include <fstream>

#include "base/files.h"
#include "store/payload/testing_payloads.h"
#include "store/payload/testing_segment.h"

namespace sextant::store {
namespace {

using testing_segment::SomePoints;

TEST(PayloadIndexesSlowly, SurviveEveryChangedByte) {
  const SomePoints points = testing_segment::points_of_all_kinds();
  const std::string good = testing_segment::index_of_all_kinds();
  const base::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "payload.idx";
  base::Random random(7);
  size_t asked = 0, errors = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    // Padding is never looked at.
    const size_t first = at < 8 ? 0 : at - 8;
    if (good.find_first_not_of('\0', first) > at + 8) continue;
    for (const unsigned flip : {1u << random.below(8), 1u + static_cast<unsigned>(random.below(255))}) {
      std::string bad = good;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      testing_segment::mend_head(bad);
      std::ofstream(path, std::ios::binary).write(bad.data(), static_cast<std::streamsize>(bad.size()));
      errors += testing_segment::ask_everything(path, points);
      ++asked;
    }
  }
  EXPECT_GT(asked, 3000u);
  EXPECT_GT(errors, 1000u);
}

TEST(PayloadIndexesSlowly, AgreeWithWhatLookingAtEachPayloadFinds) {
  const uint64_t seed = 77;
  base::Random random(seed);
  for (int world = 0; world < 400; ++world) {
    std::vector<std::string> payloads(random.below(120));
    for (std::string& payload : payloads) payload = testing_payloads::any_payload(random);
    const SomePoints points(std::move(payloads));
    const PayloadIndex index = points.index(testing_payloads::any_schema(random));
    for (int i = 0; i < 60; ++i) {
      const std::string json = testing_payloads::any_filter(random, 3);
      const Filter filter = parse_filter(json);
      const RowBounds bounds = index.evaluate(filter, points.all(), points);
      const RowSet truth = points.truth(filter, index.schema(), points.all());
      ASSERT_TRUE((bounds.sure - truth).empty() && (truth - bounds.sure - bounds.maybe).empty())
          << "seed " << seed << ", world " << world << ": " << json << payload_schema_json(index.schema());
    }
  }
}

}  // namespace
}  // namespace sextant::store
